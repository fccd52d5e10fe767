"""The variance of denoising score matching with and without its control variate, against closed forms."""

import math
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor

from gmlib.nn import MLP
from gmlib.score import denoising_score_matching, linear_gradient_variance, variance_reduced_dsm

sys.path.insert(0, str(Path(__file__).parent))
from hermite import hermite_pairs

F64 = torch.float64
SIGMAS = torch.tensor([1.0, 0.3, 0.1, 0.03], dtype=F64)
THETA = 0.7


def gradients(loss, sigma: float) -> tuple[Tensor, Tensor]:
    """Each point's derivative with respect to theta, with its weight; the loss is a polynomial of degree 4."""
    x, noise, weight = hermite_pairs(6)
    theta = torch.full((len(x), 1), THETA, dtype=F64, requires_grad=True)
    (gradient,) = torch.autograd.grad(loss(lambda x: -theta * x, x, noise, sigma).total.sum(), theta)
    return gradient.squeeze(1), weight


def moments(gradient: Tensor, weight: Tensor) -> tuple[float, float]:
    mean = (weight * gradient).sum()
    return mean.item(), (weight * (gradient - mean).square()).sum().item()


def test_dsm_variance() -> None:
    # Gradient: theta x^2 + (2 sigma theta - 1/sigma) x eps + (theta sigma^2 - 1) eps^2, three uncorrelated terms.
    for sigma, std in zip(SIGMAS.tolist(), (1.15, 3.35, 10.0, 33.3), strict=True):
        exact = 2 * THETA**2 + (2 * sigma * THETA - 1 / sigma) ** 2 + 2 * (1 - THETA * sigma**2) ** 2
        mean, var = moments(*gradients(denoising_score_matching, sigma))
        assert mean == pytest.approx(
            THETA * (1 + sigma**2) - 1, rel=1e-12
        )  # zero at 1/(1 + sigma^2), not at 1
        assert var == pytest.approx(exact, rel=1e-10)
        assert linear_gradient_variance(THETA, torch.tensor(sigma, dtype=F64)).item() == pytest.approx(exact)
        assert math.sqrt(exact) == pytest.approx(std, abs=0.04)
    # The loss itself: half the square of a normal residual in each coordinate; sigma^4 Var -> d/2.
    generator = torch.Generator().manual_seed(0)
    d, n = 3, 100_000
    x, noise = torch.randn(2, n, d, dtype=F64, generator=generator)
    for sigma in (1.0, 0.1, 0.01):
        loss = denoising_score_matching(lambda x: -THETA * x, x, noise, sigma).total
        residual_var = THETA**2 + (1 / sigma - THETA * sigma) ** 2
        exact = d * residual_var**2 / 2
        # The loss is v/2 times a chi-square of d degrees: its kurtosis is 3 + 12/d.
        error = exact * math.sqrt((2 + 12 / d) / n)
        assert loss.var().item() == pytest.approx(exact, abs=4 * error)
    assert 0.01**4 * exact == pytest.approx(d / 2, rel=1e-3)


def test_dsm_control_variate() -> None:
    for sigma, std in zip(SIGMAS.tolist(), (1.77, 1.71, 1.72, 1.73), strict=True):
        plain_mean, plain_var = moments(*gradients(denoising_score_matching, sigma))
        mean, var = moments(*gradients(variance_reduced_dsm, sigma))
        exact = 2 * THETA**2 + 4 * sigma**2 * THETA**2 + 2 * (1 - THETA * sigma**2) ** 2
        assert mean == pytest.approx(plain_mean, abs=1e-9)
        assert var == pytest.approx(exact, rel=1e-9)
        assert math.sqrt(var) == pytest.approx(std, abs=0.005)
        assert (var < plain_var) == (sigma < 1)  # at sigma = 1 it hurts
        level = torch.tensor(sigma, dtype=F64)
        assert linear_gradient_variance(THETA, level, coefficient=1.0).item() == pytest.approx(exact)


def test_any_coefficient_has_the_same_mean_and_one_is_best() -> None:
    for sigma in (1.0, 0.3):
        x, noise, weight = hermite_pairs(6)
        plain = (weight * denoising_score_matching(lambda x: -THETA * x, x, noise, sigma).total).sum()
        found = {}
        best = 1 - 2 * sigma**2 * THETA
        for c in (-0.5, 0.0, best, 1.0):

            def loss(score, x, noise, sigma, c=c):
                return variance_reduced_dsm(score, x, noise, sigma, coefficient=c)

            value = (weight * loss(lambda x: -THETA * x, x, noise, sigma).total).sum()
            assert (value + 0.5 / sigma**2).item() == pytest.approx(plain.item(), rel=1e-11)
            found[c] = moments(*gradients(loss, sigma))[1]
            level = torch.tensor(sigma, dtype=F64)
            assert linear_gradient_variance(THETA, level, coefficient=c).item() == pytest.approx(found[c])
        assert min(found, key=lambda c: found[c]) == best


def test_images_levels_and_networks(generator: torch.Generator) -> None:
    # Any event shape, a level a point, a score with parameters: point by point the plain loss less the control variate.
    net = MLP([12, 16, 12]).double()

    def score(x: Tensor) -> Tensor:
        return net(x.flatten(1)).reshape(x.shape)

    x, noise = torch.randn(2, 5, 1, 4, 3, dtype=F64, generator=generator)
    sigma = torch.linspace(0.1, 2.0, 5, dtype=F64)
    reduced = variance_reduced_dsm(score, x, noise, sigma)
    control = (noise * score(x)).sum((1, 2, 3)) / sigma + noise.square().sum((1, 2, 3)) / (2 * sigma**2)
    plain = denoising_score_matching(score, x, noise, sigma).total
    assert torch.allclose(reduced.total, plain - control, atol=1e-10)
    assert torch.allclose(reduced.square + reduced.product, reduced.total)
    assert reduced.mean().total.item() == pytest.approx(reduced.total.mean().item())
    reduced.mean().total.backward()
    assert all(p.grad is not None and bool(p.grad.isfinite().all()) for p in net.parameters())


@pytest.mark.bad_input
def test_bad_input() -> None:
    x = torch.zeros(3, 2)
    with pytest.raises(ValueError, match="noise"):
        variance_reduced_dsm(torch.neg, x, torch.zeros(3, 1), 0.1)
    for bad in (0.0, -1.0, math.nan):
        with pytest.raises(ValueError, match="sigma"):
            variance_reduced_dsm(torch.neg, x, x, bad)
    with pytest.raises(ValueError, match="sigma"):
        variance_reduced_dsm(torch.neg, x, x, torch.ones(2))
    with pytest.raises(TypeError, match="x must"):
        variance_reduced_dsm(torch.neg, x.long(), x, 0.1)
    with pytest.raises(ValueError, match="score"):
        variance_reduced_dsm(lambda x: x.sum(1), x, x, 0.1)
    with pytest.raises(ValueError, match="coefficient"):
        variance_reduced_dsm(torch.neg, x, x, 0.1, coefficient=math.inf)
    with pytest.raises(TypeError, match="sigma"):
        linear_gradient_variance(0.7, 0.1)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="sigma must be positive, got a level of -1"):
        linear_gradient_variance(0.7, torch.tensor([1.0, -1.0]))
    with pytest.raises(ValueError, match="sigma must be finite"):
        linear_gradient_variance(0.7, torch.tensor([1.0, math.nan]))
