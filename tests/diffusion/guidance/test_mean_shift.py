"""Steps whose mean is shifted: exact for a log-probability that is a straight line, nearly so for small steps."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from gmlib.diffusion.guidance import mean_shifted
from gmlib.distributions import Gaussian
from gmlib.noise import VPCosine, exact_denoiser
from gmlib.noise.samplers import ancestral, snr_times, steps_of

F64 = torch.float64
COSINE = VPCosine()
PRIOR = exact_denoiser(Gaussian(torch.zeros(2, dtype=F64), var=1.0), COSINE)
SLOPE = torch.tensor([0.7, -1.1], dtype=F64)
X = torch.randn(5, 2, dtype=F64, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("grid", [[0.8, 0.3], [0.5, 0.4, 0.1], [0.9, 0.7, 0.5, 0.2, 0.0]])
def test_a_straight_line_shifts_every_mean_by_variance_times_slope(grid: list[float]) -> None:
    """The whole path beside the recursion x <- keep x + pull x0 + w beta slope + sqrt(beta) noise."""
    shifted = mean_shifted(
        PRIOR, lambda x, t: x @ SLOPE, X, grid, w=2.0, generator=torch.Generator().manual_seed(1), path=True
    )
    x, generator, path = X, torch.Generator().manual_seed(1), [X]
    for step in steps_of(COSINE, grid):
        x = step.keep * x + step.pull * PRIOR.x0(x, step.t) + 2.0 * step.beta * SLOPE
        if step.s != grid[-1]:
            x = x + math.sqrt(step.beta) * torch.randn(X.shape, dtype=F64, generator=generator)
        path.append(x)
    assert shifted.path is not None
    torch.testing.assert_close(shifted.path, torch.stack(path))
    plain = ancestral(PRIOR, X, grid, generator=torch.Generator().manual_seed(1)).x
    unshifted = mean_shifted(
        PRIOR, lambda x, t: x @ SLOPE, X, grid, w=0.0, generator=torch.Generator().manual_seed(1)
    ).x
    torch.testing.assert_close(unshifted, plain)


def test_weights_of_other_kinds() -> None:
    """Numbers, one for each point, and functions of the time at which the classifier is asked."""
    grid, each = [0.8, 0.5, 0.3], torch.tensor([0.0, 1.0, 2.0, -1.0, 0.5], dtype=F64)

    def draw(w: Any, rows: slice = slice(None)) -> Tensor:
        noise = torch.Generator().manual_seed(1)
        return mean_shifted(PRIOR, lambda x, t: x @ SLOPE, X, grid, w=w, generator=noise).x[rows]

    together = draw(each)
    for i, w in enumerate(each.tolist()):
        torch.testing.assert_close(together[i : i + 1], draw(w, slice(i, i + 1)))
    asked: list[float] = []

    def growing(t: float) -> float:
        asked.append(t)
        return 2.0

    torch.testing.assert_close(draw(growing), draw(2.0))
    assert asked == [0.5, 0.3]


def quadratic(c: float, noise: float):
    """log p(c | x_t) of x_0 ~ N(0, 1), c | x_0 ~ N(x_0, noise): curved."""

    def log_prob(x: Tensor, t: float) -> Tensor:
        alpha, sigma = float(COSINE.alpha(t)), float(COSINE.sigma(t))
        return -(c - alpha * x[:, 0]).square() / (2 * (sigma**2 + noise))

    return log_prob


def test_mean_shift_guidance() -> None:
    """Beside the exact conditional step the error of the mean is of second order in the step, of the curvature."""
    c, noise, prior = 1.3, 0.5, exact_denoiser(Gaussian(torch.zeros(1, dtype=F64), var=1.0), COSINE)
    # The exact conditional reverse step: a law N(m, v) of x_0 noised, one step back.
    v, m = noise / (1 + noise), c / (1 + noise)
    given = exact_denoiser(Gaussian(torch.full((1,), m, dtype=F64), var=v), COSINE)
    x, t, errors = torch.tensor([[0.4]], dtype=F64), 0.5, []
    for length in (0.02, 0.01, 0.005):
        times = [t, t - length]
        exact = ancestral(given, x, times).x
        errors.append((mean_shifted(prior, quadratic(c, noise), x, times).x - exact).abs().item())
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.15)
    assert errors[1] / errors[2] == pytest.approx(4, rel=0.15)


def test_small_steps_draw_from_the_posterior() -> None:
    c, noise, n = 1.3, 0.5, 20_000
    prior = exact_denoiser(Gaussian(torch.zeros(1, dtype=F64), var=1.0), COSINE)
    generator = torch.Generator().manual_seed(1)
    start = torch.randn(n, 1, dtype=F64, generator=generator)
    times = snr_times(COSINE, 200, low=-9.0, high=9.0)
    x = mean_shifted(prior, quadratic(c, noise), start, times, generator=generator).x
    mean, var = c / (1 + noise), noise / (1 + noise)
    # Standard errors, n = 20,000: of the mean sqrt(var / n) = .004, of the variance sqrt(2 / n) = 1 % of it. Five of them;
    # .01 and 1 % are left for 199 steps.
    assert x.mean().item() == pytest.approx(mean, abs=5 * math.sqrt(var / n) + 0.01)
    assert x.var().item() == pytest.approx(var, rel=5 * math.sqrt(2 / n) + 0.01)


@pytest.mark.bad_input
def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(TypeError, match="log_prob must be callable"):
        mean_shifted(PRIOR, 1.0, X, [0.5, 0.4])  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="log_prob must return shape"):
        mean_shifted(PRIOR, lambda x, t: x, X, [0.5, 0.4])
