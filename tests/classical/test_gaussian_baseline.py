"""The isotropic Gaussian on the digits: train and test agree, and yet nobody takes its samples for digits."""

from __future__ import annotations

import math

import pytest
import torch

from gmlib.classical import fit_isotropic
from gmlib.data import digits
from gmlib.distributions import Gaussian

F64 = torch.float64


def images(split: str) -> torch.Tensor:
    return digits(split).images.flatten(1).double() / 16


def test_gaussian_baseline() -> None:
    """Over random splits the log-likelihoods agree to about (d + 1)/m nats; a classifier tells every sample.

    The mean's d coordinates give d/m whatever the law of the pixels. The variance gives Var(r^2)/(2 d sigma^4 m) with r
    the distance from the mean: 1/m for normal pixels, 1.4/m for these.
    """
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression

    every = torch.cat([images(split) for split in ("train", "validation", "test")])
    (n, d), m, splits = every.shape, 1000, 200
    g = torch.Generator().manual_seed(0)
    gaps = torch.empty(splits, dtype=F64)
    for i in range(splits):
        order = torch.randperm(n, generator=g)
        train, test = every[order[:m]], every[order[m:]]
        law = fit_isotropic(train)
        gaps[i] = law.log_prob(train).mean() - law.log_prob(test).mean()
    square = (every - every.mean(0)).square().sum(1)
    expected = (d + square.var() / (2 * d * (square.mean() / d) ** 2)).item() / m
    assert expected == pytest.approx((d + 1) / m, rel=0.01)
    assert abs(gaps.mean().item() - expected) < 4 * gaps.std().item() / math.sqrt(splits)

    train, test = images("train"), images("test")
    fake = fit_isotropic(train).sample((len(train) + len(test),), generator=g)
    labels = torch.tensor([1] * len(test) + [0] * len(test))
    right = []
    for judge in (RandomForestClassifier(50, random_state=0), LogisticRegression(max_iter=2000)):
        judge.fit(torch.cat([train, fake[:m]]).numpy(), [1] * m + [0] * m)
        verdict = torch.from_numpy(judge.predict(torch.cat([test, fake[m:]]).numpy()))
        right.append((verdict == labels).double().mean().item())
    # A forest sees it at once. A linear judge cannot: the model has the right mean, and that is all a plane could find.
    assert right[0] > 0.99
    assert abs(right[1] - 0.5) < 4 * math.sqrt(0.25 / len(labels))


def test_maximises_the_likelihood() -> None:
    """Against gradients of the right objective; the errata: without the log term the best variance is infinite, and
    without the division by d it is d times too large."""
    x = 2 * torch.randn(50, 3, generator=torch.Generator().manual_seed(1), dtype=F64) + 1
    law = fit_isotropic(x)
    mean = law.mean.clone().requires_grad_()
    var = law.variance[0].clone().requires_grad_()
    Gaussian(mean, var=var).log_prob(x).mean().backward()
    assert mean.grad is not None
    assert mean.grad.abs().max().item() < 1e-12
    assert var.grad is not None
    assert abs(var.grad.item()) < 1e-12
    best = law.log_prob(x).mean().item()
    assert best == pytest.approx(-1.5 * (1 + math.log(2 * math.pi * law.variance[0].item())), abs=1e-12)
    for factor in (0.5, 3.0, 1e9):
        other = Gaussian(law.mean, var=factor * law.variance[0].item())
        assert other.log_prob(x).mean().item() < best
    square = (x - law.mean).square().sum()
    assert square / 1e9 < square / law.variance[0]
    assert law.variance[0].item() == pytest.approx(square.item() / 150)


@pytest.mark.bad_input
def test_bad_input() -> None:
    with pytest.raises(ValueError, match="x must be a matrix of at least two rows"):
        fit_isotropic(torch.zeros(1, 3))
    with pytest.raises(ValueError, match="x must hold at least two different rows"):
        fit_isotropic(torch.ones(4, 3))
    with pytest.raises(TypeError, match="x must have a floating dtype"):
        fit_isotropic(torch.ones(4, 3, dtype=torch.uint8))
    with pytest.raises(ValueError, match="x must be finite"):
        fit_isotropic(torch.tensor([[1.0], [float("nan")]]))
