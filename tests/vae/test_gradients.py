"""Estimators of a gradient through a sampling law, against exact means and variances."""

import math

import pytest
import torch

from gmlib.vae import detached_gradient, pathwise_gradient, score_function_gradient


@pytest.mark.parametrize("mean", [0.0, 0.7, -2.0])
def test_reparameterisation(mean: float) -> None:
    # f(z) = z^2, z ~ N(mu, 1): truth 2 mu; variances 4 and mu^4 + 14 mu^2 + 15; the detached one is 0.
    n = 400_000
    noise = torch.randn(n, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    exact_variance = {pathwise_gradient: 4.0, score_function_gradient: mean**4 + 14 * mean**2 + 15}
    for estimator, variance in exact_variance.items():
        draws = estimator(torch.square, mean, noise)
        error = math.sqrt(variance / n)
        assert abs(draws.mean().item() - 2 * mean) < 4 * error, estimator.__name__
        # The variance of a sample variance needs the fourth moment; take it from the draws.
        centred = (draws - 2 * mean).square()
        assert abs(centred.mean().item() - variance) < 4 * centred.std().item() / math.sqrt(n), (
            estimator.__name__
        )
    assert bool((detached_gradient(torch.square, mean, noise) == 0).all())


def test_pathwise_needs_a_derivative_and_score_function_does_not() -> None:
    # A step has gradient phi(mu) at mu = 0, which the pathwise estimate cannot see.
    n = 200_000
    noise = torch.randn(n, dtype=torch.float64, generator=torch.Generator().manual_seed(4))

    def step(z: torch.Tensor) -> torch.Tensor:
        return torch.where(z > 0, 1.0, 0.0) + 0 * z

    draws = score_function_gradient(step, 0.0, noise)
    assert abs(draws.mean().item() - 1 / math.sqrt(2 * math.pi)) < 4 * draws.std().item() / math.sqrt(n)
    assert bool((pathwise_gradient(step, 0.0, noise) == 0).all())


@pytest.mark.bad_input
@pytest.mark.parametrize("estimator", [pathwise_gradient, score_function_gradient, detached_gradient])
def test_bad_input(estimator) -> None:
    with pytest.raises(ValueError, match="std"):
        estimator(torch.square, 0.0, torch.zeros(3), std=0.0)
    with pytest.raises(TypeError, match="noise"):
        estimator(torch.square, 0.0, [0.0])
    with pytest.raises(ValueError, match="mean"):
        estimator(torch.square, math.nan, torch.zeros(3))
