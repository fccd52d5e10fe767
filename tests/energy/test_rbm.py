"""The binary RBM against a fresh sum over all its states: energy, conditionals, free energy, log Z, block Gibbs."""

import itertools
import math

import numpy as np
import pytest
import torch
from torch import Tensor

from gmlib.energy import (
    RBM,
    GaussianRBM,
    all_states,
    gibbs_eigenvalues,
    joint_table,
    log_prob,
    log_z,
    reference_law,
    reference_rbm,
    second_eigenvalue,
    smaller_layer,
    transition_matrix,
    visible_law,
)

F64 = torch.float64


def brute_force(rbm: RBM) -> tuple[np.ndarray, float]:
    """The joint law, (2^d, 2^d_h), and Z, by loops over units."""
    w, b, c = (part.detach().numpy() for part in (rbm.weight, rbm.b, rbm.c))
    rows = []
    for x in itertools.product((0, 1), repeat=rbm.d):
        row = []
        for h in itertools.product((0, 1), repeat=rbm.d_h):
            energy = -sum(x[i] * w[i, j] * h[j] for i in range(rbm.d) for j in range(rbm.d_h))
            energy -= sum(x[i] * b[i] for i in range(rbm.d)) + sum(h[j] * c[j] for j in range(rbm.d_h))
            row.append(math.exp(-energy))
        rows.append(row)
    table = np.array(rows)
    return table / table.sum(), float(table.sum())


def shaped(d: int, d_h: int, seed: int = 0) -> RBM:
    generator = torch.Generator().manual_seed(seed)
    parts = [torch.randn(shape, generator=generator, dtype=F64) for shape in ((d, d_h), (d,), (d_h,))]
    return RBM.from_weights(*parts)


MACHINES = [reference_rbm(), shaped(2, 5), shaped(5, 2), shaped(1, 1), shaped(4, 4)]


@pytest.mark.parametrize("rbm", MACHINES, ids=repr)
def test_rbm(rbm: RBM) -> None:
    joint, z = brute_force(rbm)
    x, h = all_states(rbm.d, 0), all_states(rbm.d_h, 0)
    # sum_x e^-F = sum_{x,h} e^-E, and Z needs the states of one layer only.
    assert torch.exp(-rbm.free_energy(x)).sum().item() == pytest.approx(z, rel=1e-13)
    assert log_z(rbm).item() == pytest.approx(math.log(z), abs=1e-13)
    assert log_z(rbm, chunk=3).item() == pytest.approx(math.log(z), abs=1e-13)
    pairs = rbm.energy(x[:, None].expand(-1, len(h), -1), h.expand(len(x), -1, -1))
    assert torch.allclose(torch.exp(-pairs) / z, torch.from_numpy(joint), atol=1e-15)
    assert torch.allclose(joint_table(rbm), torch.from_numpy(joint), atol=1e-15)
    marginal = torch.from_numpy(joint.sum(1))
    assert torch.allclose(visible_law(rbm), marginal, atol=1e-15)
    assert torch.allclose(log_prob(rbm, x).exp(), marginal, atol=1e-15)


@pytest.mark.parametrize("rbm", MACHINES, ids=repr)
def test_conditionals(rbm: RBM) -> None:
    joint = torch.from_numpy(brute_force(rbm)[0])
    x, h = all_states(rbm.d, 0), all_states(rbm.d_h, 0)
    assert torch.allclose(rbm.hidden_mean(x), joint @ h / joint.sum(1, keepdim=True), atol=1e-14)
    assert torch.allclose(rbm.visible_mean(h), joint.T @ x / joint.sum(0)[:, None], atol=1e-14)
    # Given x the hidden units are independent: the conditional table is a product.
    product = torch.where(h == 1, rbm.hidden_mean(x)[:, None], 1 - rbm.hidden_mean(x)[:, None]).prod(-1)
    assert torch.allclose(joint / joint.sum(1, keepdim=True), product, atol=1e-14)


def test_biases_belong_to_their_layer() -> None:
    # Without weights b alone decides x, and c alone decides h.
    b, c = torch.tensor([1.0, -2.0, 0.5], dtype=F64), torch.tensor([0.3, -0.7], dtype=F64)
    rbm = RBM.from_weights(torch.zeros(3, 2, dtype=F64), b, c)
    assert torch.allclose(visible_law(rbm) @ all_states(3, 0), torch.sigmoid(b))
    assert torch.allclose(joint_table(rbm).sum(0) @ all_states(2, 0), torch.sigmoid(c))


def test_free_energy_couples_the_visible_units() -> None:
    # E joins x to h only; F is no sum of terms of one unit each.
    x = torch.tensor([[1.0, 1, 0, 0], [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0]], dtype=F64)
    f = reference_rbm().free_energy(x)
    assert abs((f[0] - f[1] - f[2] + f[3]).item()) > 1e-3


def test_large_activations_and_many_units() -> None:
    # 784 x 10: log Z over 2^10 states, with activations that overflow an exponential in float32.
    rbm = RBM.from_weights(torch.full((784, 10), 0.5), torch.zeros(784), torch.zeros(10))
    n = torch.arange(11, dtype=F64)
    binomial = torch.lgamma(torch.tensor(11.0, dtype=F64)) - torch.lgamma(n + 1) - torch.lgamma(11 - n)
    truth = torch.logsumexp(binomial + 784 * torch.nn.functional.softplus(0.5 * n), 0).item()
    assert log_z(rbm).item() == pytest.approx(truth, rel=1e-6)
    assert torch.isfinite(rbm.free_energy(torch.ones(2, 784))).all()


def test_block_gibbs() -> None:
    rbm, law = reference_rbm(), reference_law()
    joint = torch.from_numpy(brute_force(rbm)[0])
    truth = (joint / joint.sum(1, keepdim=True)) @ (joint / joint.sum(0)).T  # p(h | x), then p(x' | h)
    step, p = transition_matrix(rbm), visible_law(rbm)
    assert torch.allclose(step, truth, atol=1e-15)
    assert torch.allclose(p @ step, p, atol=1e-15)
    # TV distance falls by the second eigenvalue a step, found here from the matrix itself.
    eigenvalues = torch.linalg.eigvals(truth).abs().sort(descending=True).values
    assert second_eigenvalue(rbm) == pytest.approx(eigenvalues[1].item(), abs=1e-13)
    assert round(second_eigenvalue(rbm), 4) == 0.2076
    assert torch.allclose(gibbs_eigenvalues(rbm), eigenvalues[:8], atol=1e-9)
    tv = []
    for _ in range(9):
        tv.append(0.5 * (law - p).abs().sum().item())
        law = law @ step
    assert all(b < a for a, b in itertools.pairwise(tv))
    assert tv[8] / tv[7] == pytest.approx(second_eigenvalue(rbm), rel=1e-4)


def test_second_eigenvalue_is_a_squared_correlation() -> None:
    # One unit a layer: the correlation of x and h, squared.
    rbm = shaped(1, 1, seed=3)
    p = brute_force(rbm)[0]
    px, ph = p[1].sum(), p[:, 1].sum()
    correlation = (p[1, 1] - px * ph) / math.sqrt(px * (1 - px) * ph * (1 - ph))
    assert second_eigenvalue(rbm) == pytest.approx(correlation**2, abs=1e-14)


def test_eigenvalues_of_a_sharp_machine() -> None:
    # Of x = 1 and h = 1, of probability e^-800 each, either keeps the other with sigmoid(1); 0 keeps 0. The transition
    # matrix is [[1, 0], [1 - s^2, s^2]] to rounding, s = sigmoid(1), although p(x = 1) underflows.
    biases = torch.tensor([-801.0], dtype=F64)
    rbm = RBM.from_weights(torch.tensor([[802.0]], dtype=F64), biases, biases)
    assert visible_law(rbm)[1] == 0
    assert second_eigenvalue(rbm) == pytest.approx((1 / (1 + math.exp(-1))) ** 2, rel=1e-12)
    large = reference_rbm()
    with torch.no_grad():
        for part in large.parameters():
            part.mul_(300)
    eigenvalues = gibbs_eigenvalues(large)
    assert eigenvalues[0].item() == pytest.approx(1.0, abs=1e-12)
    assert bool(((eigenvalues >= 0) & (eigenvalues <= 1 + 1e-12)).all())
    truth = torch.linalg.eigvals(transition_matrix(large)).abs().sort(descending=True).values
    assert torch.allclose(eigenvalues, truth[:8].detach(), atol=1e-7)


def test_gibbs_draws_follow_the_matrix() -> None:
    rbm = reference_rbm()
    n, start = 40_000, torch.tensor([1.0, 0.0, 1.0, 1.0], dtype=F64)
    x = rbm.gibbs(start.expand(n, -1), 2, generator=torch.Generator().manual_seed(0))
    truth = torch.linalg.matrix_power(transition_matrix(rbm), 2)[11]  # 1011 is state 11
    counts = torch.bincount((x @ torch.tensor([8.0, 4, 2, 1], dtype=F64)).long(), minlength=16)
    error = (truth * (1 - truth) / n).sqrt()
    assert ((counts / n - truth).abs() / error).max() < 4  # 16 cells, 40,000 draws
    assert torch.equal(rbm.gibbs(start, 0), start)


def test_noise_and_generator() -> None:
    rbm, x = reference_rbm(), all_states(4, 0)
    mean = rbm.hidden_mean(x)
    assert torch.equal(rbm.sample_hidden(x, noise=mean - 1e-9), torch.ones_like(mean))
    assert torch.equal(rbm.sample_hidden(x, noise=mean), torch.zeros_like(mean))
    once, again = (rbm.gibbs(x, 3, generator=torch.Generator().manual_seed(7)) for _ in range(2))
    assert torch.equal(once, again)
    made = (RBM(4, 3, std=1.0, generator=torch.Generator().manual_seed(7)).weight for _ in range(2))
    assert torch.equal(*made)


def test_enumerable_rbm() -> None:
    # Stored by its recipe: default_rng(0), in the order W, b, c. 16 x 8 joint states.
    rng = np.random.default_rng(0)
    rbm = reference_rbm()
    for stored, shape in ((rbm.weight, (4, 3)), (rbm.b, (4,)), (rbm.c, (3,))):
        assert np.array_equal(stored.detach().numpy(), rng.normal(size=shape))
    assert rbm.weight[0, 0].item() == pytest.approx(0.12573, abs=1e-5)  # a change of NumPy would show
    joint, z = brute_force(rbm)
    assert joint.shape == (16, 8)
    assert log_z(rbm).item() == pytest.approx(math.log(z), abs=1e-13)
    assert [round(v, 4) for v in gibbs_eigenvalues(rbm).tolist()[:3]] == [1.0, 0.2076, 0.0304]
    law = reference_law()
    assert law.sum().item() == pytest.approx(1.0, abs=1e-15)
    assert (law[0].item() * 24, law[15].item() * 24) == pytest.approx((1.0, 2.0))


@pytest.mark.gpu
def test_on_a_gpu() -> None:
    rbm = reference_rbm()
    far = RBM.from_weights(*(part.detach().float().cuda() for part in (rbm.weight, rbm.b, rbm.c)))
    x = all_states(4, 0)
    assert torch.allclose(far.free_energy(x.float().cuda()).cpu().double(), rbm.free_energy(x), atol=1e-5)
    assert log_z(far).item() == pytest.approx(log_z(rbm).item(), abs=1e-5)
    n = 40_000
    generator = torch.Generator("cuda").manual_seed(0)
    moved = far.gibbs(torch.zeros(n, 4, device="cuda"), 20, generator=generator).cpu().double()
    truth = visible_law(rbm).detach() @ x
    assert ((moved.mean(0) - truth).abs() < 4 * (truth * (1 - truth) / n).sqrt()).all()


def bad(weight: Tensor | None = None, b: Tensor | None = None, c: Tensor | None = None) -> RBM:
    return RBM.from_weights(
        torch.zeros(4, 3) if weight is None else weight,
        torch.zeros(4) if b is None else b,
        torch.zeros(3) if c is None else c,
    )


@pytest.mark.bad_input
def test_bad_arguments() -> None:
    rbm = reference_rbm()
    x = torch.zeros(2, 4, dtype=F64)
    for error, words, call in (
        (ValueError, "d must be at least 1", lambda: RBM(0, 3)),
        (TypeError, "d_h must be an int", lambda: RBM(3, 2.0)),  # type: ignore[arg-type]
        (ValueError, "std must be", lambda: RBM(3, 2, std=-1.0)),
        (ValueError, r"weight must have shape \(d, d_h\)", lambda: bad(weight=torch.zeros(4))),
        (ValueError, r"b must have shape \(4,\)", lambda: bad(b=torch.zeros(3))),
        (ValueError, r"c must have shape \(3,\)", lambda: bad(c=torch.zeros(4))),
        (TypeError, "b must have a floating dtype", lambda: bad(b=torch.zeros(4, dtype=torch.int64))),
        (TypeError, "c must have the dtype of weight", lambda: bad(c=torch.zeros(3, dtype=F64))),
        (ValueError, "weight must be finite", lambda: bad(weight=torch.full((4, 3), math.nan))),
        (ValueError, r"x must end in the event shape \(4,\)", lambda: rbm.free_energy(x[:, :3])),
        (ValueError, r"h must end in the event shape \(3,\)", lambda: rbm.visible_mean(x)),
        (ValueError, r"x must end in the event shape \(4,\)", lambda: rbm.energy(x[:, :3], x[:, :3])),
        (ValueError, "k must be at least 0", lambda: rbm.gibbs(x, -1)),
        (TypeError, "x must have a floating dtype", lambda: rbm.gibbs(x.long(), 1)),
        (ValueError, "noise must have shape", lambda: rbm.sample_hidden(x, noise=x)),
        (
            TypeError,
            "x must have the dtype of the machine, torch.float64",
            lambda: rbm.free_energy(x.float()),
        ),
        (TypeError, "h must have the dtype of the machine", lambda: rbm.visible_mean(x[:, :3].float())),
        (TypeError, "h must have the dtype of the machine", lambda: rbm.energy(x, x[:, :3].float())),
        (ValueError, "x must hold 0 and 1 only, got 0.5", lambda: log_prob(rbm, x + 0.5)),
        (TypeError, "rbm must be an RBM, got GaussianRBM", lambda: log_z(GaussianRBM(2, 3))),  # type: ignore[arg-type]
        (TypeError, "rbm must be an RBM, got GaussianRBM", lambda: log_prob(GaussianRBM(4, 3), x)),  # type: ignore[arg-type]
        (TypeError, "rbm must be an RBM, got NoneType", lambda: smaller_layer(None)),  # type: ignore[arg-type]
        (TypeError, "rbm must be an RBM", lambda: joint_table(GaussianRBM(2, 3))),  # type: ignore[arg-type]
        (TypeError, "rbm must be an RBM", lambda: visible_law(GaussianRBM(2, 3))),  # type: ignore[arg-type]
        (TypeError, "rbm must be an RBM", lambda: transition_matrix(GaussianRBM(2, 3))),  # type: ignore[arg-type]
        (TypeError, "rbm must be an RBM", lambda: second_eigenvalue(GaussianRBM(2, 3))),  # type: ignore[arg-type]
        (ValueError, "at most 24 units", lambda: log_z(RBM(784, 500))),
        (ValueError, "chunk must be at least 1", lambda: log_z(rbm, chunk=0)),
        (ValueError, "at most 24 units in all", lambda: joint_table(RBM(20, 5))),
        (ValueError, "at most 24 visible units", lambda: visible_law(RBM(25, 2))),
        (ValueError, "at most 12 units a layer", lambda: transition_matrix(RBM(13, 2))),
        (ValueError, "at most 12 units a layer", lambda: second_eigenvalue(RBM(2, 13))),
    ):
        with pytest.raises(error, match=words):
            call()
