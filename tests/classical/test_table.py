"""A table fitted by maximum likelihood: frequencies, entropy, and no better table."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gmlib.classical import fit_table

F64 = torch.float64


def test_maximum_likelihood() -> None:
    """The maximiser is the vector of frequencies, the optimum minus its entropy; gradient ascent finds no other."""
    x = torch.multinomial(
        torch.tensor([0.5, 0.2, 0.2, 0.1]), 300, True, generator=torch.Generator().manual_seed(0)
    )
    law = fit_table(x, 4)
    frequencies = torch.tensor([(x == k).sum().item() / 300 for k in range(4)], dtype=F64)
    assert law.probs.tolist() == frequencies.tolist()
    best = law.log_prob(x).mean().item()
    assert best == pytest.approx((frequencies * frequencies.log()).sum().item(), abs=1e-12)
    logits = torch.zeros(4, dtype=F64, requires_grad=True)
    optimiser = torch.optim.LBFGS([logits], max_iter=50, tolerance_grad=1e-10, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimiser.zero_grad()
        value = -logits.log_softmax(0)[x].mean()
        value.backward()
        return value

    optimiser.step(loss)  # type: ignore[arg-type]
    assert -loss().item() == pytest.approx(best, abs=1e-8)
    assert torch.allclose(logits.detach().softmax(0), law.probs, atol=1e-4)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.integers(0, 4), min_size=1, max_size=40),
    st.lists(st.floats(0.01, 1.0), min_size=5, max_size=5),
)
def test_no_table_is_better(symbols: list[int], weights: list[float]) -> None:
    """The shortfall of any other table q is KL(frequencies || q), which is not negative."""
    x, q = torch.tensor(symbols), torch.tensor(weights, dtype=F64)
    q = q / q.sum()
    law = fit_table(x, 5)
    shortfall = (law.log_prob(x).mean() - q.log()[x].mean()).item()
    seen = law.probs > 0
    kl = (law.probs[seen] * (law.probs[seen] / q[seen]).log()).sum().item()
    assert shortfall == pytest.approx(kl, abs=1e-9)
    assert shortfall >= -1e-9


def test_unseen_symbols_and_smoothing() -> None:
    x = torch.tensor([0, 0, 1], dtype=torch.uint8)
    assert fit_table(x, 3).probs.tolist() == [2 / 3, 1 / 3, 0.0]
    assert fit_table(x, 3).log_prob(torch.tensor(2)).item() < -30
    assert torch.allclose(fit_table(x, 3, smoothing=1.0).probs, torch.tensor([3, 2, 1], dtype=F64) / 6)
    assert fit_table(x, 3, smoothing=1e12).log_prob(torch.tensor(2)).item() == pytest.approx(-math.log(3))


@pytest.mark.bad_input
def test_bad_input() -> None:
    x = torch.tensor([0, 1])
    with pytest.raises(TypeError, match="x must hold whole numbers"):
        fit_table(x.float(), 2)
    with pytest.raises(ValueError, match="x must be a vector"):
        fit_table(x[:0], 2)
    with pytest.raises(ValueError, match="x must be a vector"):
        fit_table(x[None], 2)
    with pytest.raises(ValueError, match=r"x must hold symbols 0 \.\. 0, got 0 \.\. 1"):
        fit_table(x, 1)
    with pytest.raises(ValueError, match="categories must be at least 1"):
        fit_table(x, 0)
    with pytest.raises(ValueError, match="smoothing"):
        fit_table(x, 2, smoothing=-1.0)
    with pytest.raises(TypeError, match="x must be a torch"):
        fit_table([0, 1], 2)
