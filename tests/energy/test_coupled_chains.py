"""Coupled chains: unbiased from any start, meeting times, and the exact likelihood gradient on average."""

import pytest
import torch

from gmlib.energy import (
    RBM,
    GaussianRBM,
    all_states,
    coupled_estimate,
    coupled_step,
    exact_gradient,
    expected_cd_gradient,
    reference_law,
    reference_rbm,
    transition_matrix,
    unbiased_gradient,
    visible_law,
)

F64 = torch.float64
X = all_states(4, 0)


def mixing_slowly() -> RBM:
    """Second eigenvalue .78: a few steps from a start in one valley leave a bias that a mean over thousands shows."""
    weight = torch.full((4, 1), 3.0, dtype=F64)
    return RBM.from_weights(weight, -weight[:, 0] / 2, -weight.sum(0) / 2 - 0.5)


@pytest.mark.parametrize("start", [0, 5, 15])
@pytest.mark.parametrize("k", [0, 1, 4])
def test_unbiased_cd(start: int, k: int) -> None:
    rbm, n = reference_rbm(), 6000
    generator = torch.Generator().manual_seed(10 * start + k)
    x0 = X[start].expand(n, -1)
    found = coupled_estimate(
        rbm, x0, lambda x: torch.cat((x, x[:, :1] * x[:, 1:]), -1), k=k, generator=generator
    )
    p = visible_law(rbm).detach()
    truth = torch.cat((p @ X, p @ (X[:, :1] * X[:, 1:])))
    error = found.value.std(0) / n**0.5
    assert ((found.value.mean(0) - truth).abs() / error).max() < 4  # 7 means, 6,000 pairs
    assert found.met.all()


def test_stopping_early_is_biased_and_the_repair_is_not() -> None:
    rbm, n = mixing_slowly(), 8000
    x0 = torch.zeros(n, 4, dtype=F64)
    p = visible_law(rbm).detach()
    truth = p @ X
    early = rbm.gibbs(x0, 2, generator=torch.Generator().manual_seed(0)).mean(0)
    found = coupled_estimate(rbm, x0, lambda x: x, k=2, generator=torch.Generator().manual_seed(0))
    error = found.value.std(0) / n**0.5
    assert ((found.value.mean(0) - truth).abs() < 4 * error).all()
    assert ((early - truth).abs() > 10 * error).all()


def test_meeting_times() -> None:
    rbm, n = reference_rbm(), 20_000
    found = coupled_estimate(
        rbm, X[15].expand(n, -1), lambda x: x, k=1, generator=torch.Generator().manual_seed(0)
    )
    # The pair (X_t, Y_{t-1}) is a Markov chain on 16 x 16 states: its law, and so that of the meeting time, exactly.
    both = pair_matrix(rbm)
    law = torch.zeros(16, 16, dtype=F64)
    law[:, 15] = transition_matrix(rbm).detach()[15]  # X_1 after one step, Y_0 at the start
    law = law.flatten()
    same = torch.eye(16, dtype=torch.bool).flatten()
    for t in range(1, 7):
        truth = law[same].sum().item()
        share = (found.meeting <= t).double().mean().item()
        assert abs(share - truth) < 4 * (truth * (1 - truth) / n) ** 0.5 + 1e-12
        law = law @ both
    assert found.meeting.double().mean().item() > 1


def pair_matrix(rbm: RBM) -> torch.Tensor:
    """The law of the next pair given this one, by the definition of common uniforms: P(1,1) = min, P(0,0) = 1 - max."""

    def layer(a: torch.Tensor, b: torch.Tensor, states: torch.Tensor) -> torch.Tensor:
        # a, b: means (pairs, n); result: (pairs, states of a, states of b)
        low, high = torch.minimum(a, b), torch.maximum(a, b)
        out = torch.ones(len(a), len(states), len(states), dtype=F64)
        for j in range(states.shape[1]):
            s, t = states[:, j][:, None], states[:, j][None, :]
            for p, (u, v) in (
                (low[:, j], (1, 1)),
                (1 - high[:, j], (0, 0)),
                ((a - b)[:, j].clamp(min=0), (1, 0)),
                ((b - a)[:, j].clamp(min=0), (0, 1)),
            ):
                cell = (s == u) & (t == v)
                out = torch.where(cell, out * p[:, None, None], out)
        return out.flatten(1)

    h = all_states(rbm.d_h, 0)
    i, j = torch.cartesian_prod(torch.arange(16), torch.arange(16)).unbind(1)
    a, b = torch.cartesian_prod(torch.arange(len(h)), torch.arange(len(h))).unbind(1)
    with torch.no_grad():
        up = layer(rbm.hidden_mean(X)[i], rbm.hidden_mean(X)[j], h)
        down = layer(rbm.visible_mean(h)[a], rbm.visible_mean(h)[b], X)
    return up @ down


def test_coupled_step() -> None:
    rbm, n = reference_rbm(), 40_000
    # Equal chains stay equal; each chain by itself moves as a Gibbs chain does.
    same = X[torch.arange(n) % 16]
    x, y = coupled_step(rbm, same, same, generator=torch.Generator().manual_seed(0))
    assert torch.equal(x, y)
    x, y = coupled_step(
        rbm, X[3].expand(n, -1), X[12].expand(n, -1), generator=torch.Generator().manual_seed(1)
    )
    step = transition_matrix(rbm).detach()
    code = torch.tensor([8.0, 4, 2, 1], dtype=F64)
    for states, row in ((x, 3), (y, 12)):
        counts = torch.bincount((states @ code).long(), minlength=16) / n
        assert ((counts - step[row]).abs() < 4.5 * (step[row] * (1 - step[row]) / n).sqrt()).all()
    # The pair has the law of common uniforms.
    truth = pair_matrix(rbm)[3 * 16 + 12]
    assert truth.sum().item() == pytest.approx(1.0, abs=1e-12)
    agree = truth.view(16, 16).diagonal().sum().item()
    share = (x == y).all(-1).double().mean().item()
    assert abs(share - agree) < 4 * (agree * (1 - agree) / n) ** 0.5


def correlations(rbm: RBM, x: torch.Tensor) -> torch.Tensor:
    """x h', x and h with the hidden means, in the order weight, b, c; one row a state."""
    h = torch.sigmoid(x @ rbm.weight + rbm.c).detach()
    return torch.cat((torch.einsum("ni,nj->nij", x, h).flatten(1), x, h), -1)


@pytest.mark.parametrize("k", [0, 1])
def test_unbiased_gradient(k: int) -> None:
    rbm, law = reference_rbm(), reference_law()
    x = X.repeat_interleave((law * 360 * 30).round().long(), 0)  # the law in 360ths is whole
    found = coupled_estimate(
        rbm, x, lambda x: correlations(rbm, x), k=k, generator=torch.Generator().manual_seed(k)
    )
    # One estimate a pair, and the batch's gradient is their mean taken from the data's correlations.
    each = correlations(rbm, x) - found.value
    truth = exact_gradient(rbm, X, law).vector()
    error = found.value.std(0) / len(x) ** 0.5
    assert ((each.mean(0) - truth).abs() / error).max() < 4  # 19 entries, 10,800 pairs
    batch = unbiased_gradient(rbm, x, k=k, generator=torch.Generator().manual_seed(k))
    assert torch.allclose(batch.vector(), each.mean(0), atol=1e-12)


def test_contrastive_divergence_is_biased_where_this_is_not() -> None:
    rbm, n = mixing_slowly(), 10_000
    law = torch.zeros(16, dtype=F64)
    law[0] = 1.0
    x = torch.zeros(n, 4, dtype=F64)
    exact, cd = exact_gradient(rbm, x[:1]).vector(), expected_cd_gradient(rbm, law, 1).vector()
    found = coupled_estimate(
        rbm, x, lambda x: correlations(rbm, x), generator=torch.Generator().manual_seed(0)
    )
    each = correlations(rbm, x) - found.value
    error = found.value.std(0) / n**0.5
    assert ((each.mean(0) - exact).abs() < 4 * error).all()  # 9 entries, 10,000 pairs
    assert ((cd - exact).abs() > 10 * error).all()


def test_cut_off_pairs_are_named() -> None:
    rbm = mixing_slowly()
    x0 = torch.zeros(2000, 4, dtype=F64)
    found = coupled_estimate(
        rbm, x0, lambda x: x, k=1, max_steps=2, generator=torch.Generator().manual_seed(0)
    )
    assert not found.met.all()
    assert (found.meeting[~found.met] == 2).all()
    assert found.met.any()
    with pytest.raises(RuntimeError, match="had not met after max_steps=2 steps"):
        unbiased_gradient(rbm, x0, max_steps=2, generator=torch.Generator().manual_seed(0))


@pytest.mark.gpu
def test_on_a_gpu() -> None:
    rbm, n = reference_rbm(), 20_000
    far = RBM.from_weights(*(part.detach().float().cuda() for part in (rbm.weight, rbm.b, rbm.c)))
    generator = torch.Generator("cuda").manual_seed(0)
    found = coupled_estimate(far, torch.zeros(n, 4, device="cuda"), lambda x: x, generator=generator)
    truth = (visible_law(rbm).detach() @ X).float().cuda()
    assert found.met.all()
    assert ((found.value.mean(0) - truth).abs() < 4 * found.value.std(0) / n**0.5).all()


@pytest.mark.bad_input
def test_bad_arguments() -> None:
    rbm = reference_rbm()
    for error, words, call in (
        (TypeError, "function must be callable", lambda: coupled_estimate(rbm, X, None)),  # type: ignore[arg-type]
        (ValueError, "k must be at least 0", lambda: coupled_estimate(rbm, X, torch.abs, k=-1)),
        (
            ValueError,
            "max_steps must be at least 6",
            lambda: coupled_estimate(rbm, X, torch.abs, k=5, max_steps=5),
        ),
        (
            ValueError,
            r"x must end in the event shape \(4,\)",
            lambda: coupled_estimate(rbm, X[:, :2], torch.abs),
        ),
        (ValueError, "y must be", lambda: coupled_step(rbm, X, X[:3])),
        (ValueError, r"x must have shape \(n, 4\)", lambda: coupled_step(rbm, X[0], X[0])),
        (ValueError, r"x must have shape \(n, 4\)", lambda: coupled_estimate(rbm, X[0], torch.abs)),
        (ValueError, "with n >= 1", lambda: unbiased_gradient(rbm, X[:0])),
        (TypeError, "x must have the dtype", lambda: coupled_estimate(rbm, X.float(), torch.abs)),
        (TypeError, "rbm must be an RBM", lambda: coupled_step(GaussianRBM(4, 3), X, X)),  # type: ignore[arg-type]
        (TypeError, "rbm must be an RBM", lambda: unbiased_gradient(None, X)),  # type: ignore[arg-type]
        (ValueError, "y must be", lambda: coupled_step(rbm, X, X.float())),
        (ValueError, r"x must end in the event shape \(4,\)", lambda: unbiased_gradient(rbm, X[:, :2])),
    ):
        with pytest.raises(error, match=words):
            call()
