"""Two RBMs, one on the other, on bars and stripes: every law by enumeration."""

import itertools
import math

import pytest
import torch

from gmlib.data import bars_and_stripes
from gmlib.energy import (
    RBM,
    DeepBeliefNetwork,
    GaussianRBM,
    all_states,
    exact_gradient,
    hidden_law,
    joint_table,
    log_prob,
    tied_top,
    visible_law,
)

F64 = torch.float64


def trained(size: int, d_h: int, steps: int, seed: int = 0) -> tuple[RBM, torch.Tensor]:
    x = bars_and_stripes(size, dtype=F64)
    rbm = RBM(size * size, d_h, std=0.5, generator=torch.Generator().manual_seed(seed), dtype=F64)
    for _ in range(steps):
        exact_gradient(rbm, x).ascend(rbm, 0.5)
    return rbm, x


@pytest.mark.parametrize(("size", "d_h"), [(2, 3), (3, 5)])
def test_tied_top_changes_nothing(size: int, d_h: int) -> None:
    lower, x = trained(size, d_h, 40)
    dbn = DeepBeliefNetwork(lower, tied_top(lower))
    everywhere = all_states(size * size, 0)
    assert torch.allclose(dbn.log_prob(everywhere), log_prob(lower, everywhere), atol=1e-12)
    # q is then the posterior, so the bound is tight; any other top opens a gap.
    assert torch.allclose(dbn.bound(x), dbn.log_prob(x), atol=1e-12)
    other = DeepBeliefNetwork(
        lower, RBM(d_h, 4, std=1.0, generator=torch.Generator().manual_seed(1), dtype=F64)
    )
    assert (other.bound(x) < other.log_prob(x) - 1e-3).all()
    assert other.log_prob(everywhere).exp().sum().item() == pytest.approx(1.0, abs=1e-12)
    # The law of h at the top is the lower machine's own.
    assert torch.allclose(visible_law(tied_top(lower)), joint_table(lower).sum(0), atol=1e-14)


def test_bound_against_its_definition() -> None:
    lower, x = trained(2, 3, 20)
    top = RBM(3, 2, std=1.0, generator=torch.Generator().manual_seed(2), dtype=F64)
    dbn = DeepBeliefNetwork(lower, top)
    joint, p_top = joint_table(lower).detach(), visible_law(top).detach()
    index = (x @ torch.tensor([8.0, 4, 2, 1], dtype=F64)).long()
    down = joint / joint.sum(0)
    q = (joint / joint.sum(1, keepdim=True))[index]
    assert torch.allclose(dbn.log_prob(x), (down[index] @ p_top).log(), atol=1e-12)
    truth = (q * (down[index].log() + p_top.log() - q.log())).sum(1)
    assert torch.allclose(dbn.bound(x), truth, atol=1e-12)
    assert torch.allclose(hidden_law(lower, x), q.mean(0), atol=1e-14)
    weights = torch.linspace(1, 2, len(x), dtype=F64) / (1.5 * len(x))
    assert torch.allclose(hidden_law(lower, x, weights), weights @ q, atol=1e-14)


def test_dbn() -> None:
    # A lower machine stopped early, its top trained exactly on the law of h over data: the bound never falls.
    lower, x = trained(3, 5, 100)
    top, h = tied_top(lower), all_states(5, 0)
    law = hidden_law(lower, x)
    dbn = DeepBeliefNetwork(lower, top)
    bound, truth, likelihood = [], [], []
    for step in range(81):
        if step % 10 == 0:
            bound.append(dbn.bound(x).mean().item())
            truth.append(dbn.log_prob(x).mean().item())
            likelihood.append((law @ log_prob(top, h)).item())
        exact_gradient(top, h, law).ascend(top, 0.3)
    assert bound[0] == pytest.approx(
        log_prob(lower, x).mean().item(), abs=1e-12
    )  # tied: where one layer left off
    assert all(b > a for a, b in itertools.pairwise(bound))
    assert all(t >= b - 1e-12 for t, b in zip(truth, bound, strict=True))
    # The bound moves by what the top gains on h, to the last digit.
    for b, value in zip(bound, likelihood, strict=True):
        assert b - bound[0] == pytest.approx(value - likelihood[0], abs=1e-11)
    assert truth[-1] > truth[0] + 0.01
    assert truth[-1] < -math.log(14)


def test_ancestral_sampling() -> None:
    lower, _ = trained(2, 3, 100)
    top = RBM(3, 4, std=1.0, generator=torch.Generator().manual_seed(2), dtype=F64)
    dbn, n = DeepBeliefNetwork(lower, top), 20_000
    x = dbn.sample(n, steps=40, generator=torch.Generator().manual_seed(0))
    truth = dbn.log_prob(all_states(4, 0)).exp().detach()
    counts = torch.bincount((x @ torch.tensor([8.0, 4, 2, 1], dtype=F64)).long(), minlength=16) / n
    assert ((counts - truth).abs() < 4 * (truth * (1 - truth) / n).sqrt()).all()  # 16 cells, 20,000 draws


@pytest.mark.bad_input
def test_bad_arguments() -> None:
    lower = RBM(4, 3)
    dbn = DeepBeliefNetwork(lower, tied_top(lower))
    for error, words, call in (
        (TypeError, "lower must be an RBM", lambda: DeepBeliefNetwork(3, lower)),  # type: ignore[arg-type]
        (TypeError, "top must be an RBM", lambda: DeepBeliefNetwork(lower, None)),  # type: ignore[arg-type]
        (ValueError, "top must have 3 visible units", lambda: DeepBeliefNetwork(lower, lower)),
        (TypeError, "lower must be an RBM", lambda: tied_top("rbm")),  # type: ignore[arg-type]
        (ValueError, r"x must end in the event shape \(4,\)", lambda: dbn.bound(torch.zeros(2, 3))),
        (ValueError, r"x must end in the event shape \(4,\)", lambda: dbn.log_prob(torch.zeros(2, 3))),
        (ValueError, "n must be at least 1", lambda: dbn.sample(0)),
        (ValueError, "steps must be at least 0", lambda: dbn.sample(1, steps=-1)),
        (ValueError, "at most 12 hidden units", lambda: hidden_law(RBM(4, 13), torch.zeros(2, 4))),
        (ValueError, r"x must have shape \(n, 4\)", lambda: hidden_law(lower, torch.zeros(4))),
        (ValueError, r"x must have shape \(n, 4\)", lambda: hidden_law(lower, torch.zeros(2, 3, 4))),
        (ValueError, "with n >= 1", lambda: hidden_law(lower, torch.zeros(0, 4))),
        (ValueError, "law must sum to one", lambda: hidden_law(lower, torch.zeros(2, 4), torch.ones(2))),
        (TypeError, "rbm must be an RBM", lambda: hidden_law(GaussianRBM(4, 3), torch.zeros(2, 4))),  # type: ignore[arg-type]
        (TypeError, "x must have the dtype", lambda: hidden_law(lower, torch.zeros(2, 4, dtype=F64))),
        (TypeError, "x must have the dtype", lambda: dbn.bound(torch.zeros(2, 4, dtype=F64))),
        (ValueError, "x must hold 0 and 1 only", lambda: dbn.log_prob(torch.full((2, 4), 0.5))),
        (
            TypeError,
            "top must have the dtype of lower, torch.float32, got torch.float64",
            lambda: DeepBeliefNetwork(lower, RBM(3, 2, dtype=F64)),
        ),
        (
            ValueError,
            r"law must have shape \(2,\)",
            lambda: hidden_law(lower, torch.zeros(2, 4), torch.ones(3)),
        ),
        (
            ValueError,
            "at most 12 hidden units",
            lambda: DeepBeliefNetwork(RBM(4, 13), RBM(13, 2)).bound(torch.zeros(2, 4)),
        ),
    ):
        with pytest.raises(error, match=words):
            call()
