"""The exact likelihood gradient of an RBM: finite differences of the log-likelihood, autograd, bars and stripes."""

import itertools
import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from gmlib.data import bars_and_stripes
from gmlib.energy import (
    RBM,
    GaussianRBM,
    RBMGradient,
    all_states,
    exact_gradient,
    joint_table,
    log_prob,
    log_z,
    model_statistics,
    reference_law,
    reference_rbm,
    statistics,
    two_phase_gradient,
    visible_law,
)

F64 = torch.float64


def differences(rbm: RBM, function: Callable[[RBM], Tensor], step: float = 1e-5) -> Tensor:
    """Central differences of a function of the machine, in the order weight, b, c."""
    out = []
    for name in ("weight", "b", "c"):
        for index in itertools.product(*map(range, getattr(rbm, name).shape)):
            values = []
            for sign in (1, -1):
                parts = {n: getattr(rbm, n).detach().clone() for n in ("weight", "b", "c")}
                parts[name][index] += sign * step
                values.append(function(RBM.from_weights(**parts)).item())
            out.append((values[0] - values[1]) / (2 * step))
    return torch.tensor(out, dtype=F64)


def shaped(d: int, d_h: int) -> RBM:
    generator = torch.Generator().manual_seed(d)
    return RBM.from_weights(
        *(torch.randn(s, generator=generator, dtype=F64) for s in ((d, d_h), (d,), (d_h,)))
    )


@pytest.mark.parametrize("rbm", [reference_rbm(), shaped(3, 5), shaped(5, 2)], ids=repr)
def test_rbm_exact_gradient(rbm: RBM) -> None:
    x = all_states(rbm.d, 0)
    law = torch.linspace(1, 2, len(x), dtype=F64) / (1.5 * len(x))
    truth = differences(rbm, lambda m: law @ log_prob(m, x))
    assert (exact_gradient(rbm, x, law).vector() - truth).abs().max() < 1e-8
    # A single data point: the wrong sign on either phase would show.
    truth = differences(rbm, lambda m: log_prob(m, x[2]))
    assert (exact_gradient(rbm, x[2:3]).vector() - truth).abs().max() < 1e-8
    # Autograd through the sum over states says the same.
    auto = torch.autograd.grad(log_prob(rbm, x[2]), (rbm.weight, rbm.b, rbm.c))
    assert torch.allclose(exact_gradient(rbm, x[2:3]).vector(), RBMGradient(*auto).vector(), atol=1e-14)


@pytest.mark.parametrize("rbm", [reference_rbm(), shaped(3, 5)], ids=repr)
def test_model_statistics(rbm: RBM) -> None:
    # Against the joint table, and as the gradient of log Z; the model is where the gradient vanishes.
    joint, x, h = joint_table(rbm).detach(), all_states(rbm.d, 0), all_states(rbm.d_h, 0)
    found = model_statistics(rbm, chunk=5)
    assert torch.allclose(found.weight, torch.einsum("xh,xi,hj->ij", joint, x, h), atol=1e-15)
    assert torch.allclose(found.b, joint.sum(1) @ x, atol=1e-15)
    assert torch.allclose(found.c, joint.sum(0) @ h, atol=1e-15)
    auto = torch.autograd.grad(log_z(rbm), (rbm.weight, rbm.b, rbm.c))
    assert torch.allclose(found.vector(), RBMGradient(*auto).vector(), atol=1e-14)
    assert exact_gradient(rbm, x, joint.sum(1)).vector().abs().max() < 1e-15


def test_energy_printed_without_its_minus() -> None:
    # With E = +xh w the likelihood's derivative at w = 1/2 is -.209, and data minus model would still say +.209.
    w = 0.5
    data = math.exp(-w) / (1 + math.exp(-w))
    model = math.exp(-w) / (3 + math.exp(-w))
    plus = RBM.from_weights(
        torch.tensor([[-w]], dtype=F64), torch.zeros(1, dtype=F64), torch.zeros(1, dtype=F64)
    )
    one = torch.ones(1, 1, dtype=F64)
    assert exact_gradient(plus, one).weight.item() == pytest.approx(data - model, abs=1e-15)
    assert data - model == pytest.approx(0.209, abs=5e-4)

    def likelihood(weight: float) -> float:  # of x = 1 under that energy
        return math.log((1 + math.exp(-weight)) / (3 + math.exp(-weight)))

    slope = (likelihood(w + 1e-5) - likelihood(w - 1e-5)) / 2e-5
    assert slope == pytest.approx(-(data - model), abs=1e-9)


@pytest.mark.parametrize("seed", [0, 1])
def test_bars_and_stripes_are_learnt(seed: int) -> None:
    # 14 images of 3 x 3: full-batch ascent in short steps rises all the time, towards -log 14 = -2.639.
    x = bars_and_stripes(3, dtype=F64)
    rbm = RBM(9, 8, std=0.5, generator=torch.Generator().manual_seed(seed), dtype=F64)
    path = []
    for step in range(400):
        if step % 8 == 0:
            path.append(log_prob(rbm, x).mean().item())
        exact_gradient(rbm, x).ascend(rbm, 0.5)
    assert all(b > a for a, b in itertools.pairwise(path))
    assert -math.log(14) - 0.7 < path[-1] < -math.log(14)
    assert path[0] < -math.log(14) - 3.5


def test_the_machine_is_an_energy_of_two_phases() -> None:
    # As a module it is the free energy, whose two phases under the model's own law are the exact gradient.
    rbm, x, law = reference_rbm(), all_states(4, 0), reference_law()
    assert torch.equal(rbm(x), rbm.free_energy(x))
    found = two_phase_gradient(rbm, x, x, data_weights=law, model_weights=visible_law(rbm).detach())
    truth = exact_gradient(rbm, x, law)
    for name in ("weight", "b", "c"):
        assert torch.allclose(found[name], getattr(truth, name), atol=1e-14)


def test_arithmetic_of_directions() -> None:
    rbm, x = reference_rbm(), all_states(4, 0)
    g, m = statistics(rbm, x, reference_law()), model_statistics(rbm)
    assert torch.equal((g - m + m).vector(), (g.vector() - m.vector()) + m.vector())
    assert torch.equal(g.vector(), torch.cat((g.weight.flatten(), g.b, g.c)))
    before = rbm.weight.detach().clone()
    g.ascend(rbm, 0.5)
    assert torch.equal(rbm.weight, before + 0.5 * g.weight)
    # Without a law every row counts alike.
    even = torch.full((16,), 1 / 16, dtype=F64)
    assert torch.allclose(statistics(rbm, x).vector(), statistics(rbm, x, even).vector(), atol=1e-15)
    assert not g.weight.requires_grad
    assert statistics(rbm, x, differentiable=True).weight.requires_grad


@pytest.mark.bad_input
def test_bad_arguments() -> None:
    rbm, x = reference_rbm(), all_states(4, 0)
    for error, words, call in (
        (ValueError, r"x must end in the event shape \(4,\)", lambda: statistics(rbm, x[:, :3])),
        (ValueError, r"x must have shape \(n, 4\)", lambda: statistics(rbm, x[0])),
        (ValueError, r"x must have shape \(n, 4\) with n >= 1", lambda: statistics(rbm, x[:0])),
        (
            ValueError,
            r"law must have shape \(16,\)",
            lambda: exact_gradient(rbm, x, torch.ones(4, dtype=F64)),
        ),
        (ValueError, "law must sum to one", lambda: exact_gradient(rbm, x, 2 * reference_law())),
        (ValueError, "law must not be negative", lambda: statistics(rbm, x, reference_law() - 0.05)),
        (TypeError, "law must have the dtype", lambda: statistics(rbm, x, reference_law().float())),
        (TypeError, "x must have the dtype of the machine", lambda: exact_gradient(rbm, x.float())),
        (TypeError, "rbm must be an RBM", lambda: exact_gradient(GaussianRBM(4, 3), x.float())),  # type: ignore[arg-type]
        (TypeError, "rbm must be an RBM", lambda: model_statistics(None)),  # type: ignore[arg-type]
        (ValueError, "at most 24 units", lambda: model_statistics(RBM(30, 30))),
    ):
        with pytest.raises(error, match=words):
            call()
