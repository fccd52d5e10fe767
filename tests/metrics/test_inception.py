"""The Inception score: both forms, its bounds, and what it cannot see."""

from __future__ import annotations

import pytest
import torch

from gmlib.metrics import inception_score

F64 = torch.float64


def draw(n: int, classes: int, seed: int) -> torch.Tensor:
    logits = 3 * torch.randn(n, classes, generator=torch.Generator().manual_seed(seed), dtype=F64)
    return logits.softmax(-1)


def test_inception_score() -> None:
    """Equal to the mean divergence from the samples' own marginal, to 1e-12; within 1 .. C; C for one image a class."""
    for classes in (2, 5, 10):
        probs = draw(50, classes, classes)
        marginal = probs.mean(0)
        divergence = (probs * (probs / marginal).log()).sum(-1).mean()
        score = inception_score(probs)
        assert score.log().item() == pytest.approx(divergence.item(), abs=1e-12)
        assert 1 < score < classes
        assert inception_score(torch.eye(classes, dtype=F64)).item() == pytest.approx(classes, abs=1e-12)
        assert inception_score(probs[:1].expand(9, -1)).item() == pytest.approx(1, abs=1e-12)


def test_another_marginal_adds_its_divergence() -> None:
    """With a foreign marginal r the log-score is off by KL(p(y) || r)."""
    probs, foreign = draw(50, 4, 0), draw(1, 4, 1)[0]
    wrong = (probs * (probs / foreign).log()).sum(-1).mean()
    marginal = probs.mean(0)
    excess = (marginal * (marginal / foreign).log()).sum()
    assert wrong.item() == pytest.approx((inception_score(probs).log() + excess).item(), abs=1e-12)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("probs", "error", "words"),
    [
        (torch.ones(3), ValueError, "probs must be a matrix"),
        (torch.ones(0, 3), ValueError, "probs must be a matrix"),
        (torch.eye(3).long(), TypeError, "probs"),
        (torch.full((2, 2), float("nan")), ValueError, "probs"),
        (torch.ones(2, 2), ValueError, "probs must have rows"),
        (torch.tensor([[1.5, -0.5]]), ValueError, "probs must have rows"),
    ],
)
def test_bad_input(probs: torch.Tensor, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        inception_score(probs)
