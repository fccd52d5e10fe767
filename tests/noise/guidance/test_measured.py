"""Inverse problems: exact for normal data with the true covariance, and not with the guess taken for the truth."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from gmlib.distributions import Gaussian
from gmlib.noise import DDPM, Denoiser, VPCosine, exact_denoiser
from gmlib.noise.guidance import Measured
from gmlib.noise.samplers import ancestral, ddpm_times, snr_times, steps_of

F64 = torch.float64
COSINE = VPCosine()
ROOT = torch.tensor([[1.0, 0.0, 0.0], [0.6, 0.5, 0.0], [-0.3, 0.4, 0.7]], dtype=F64)
COVARIANCE = ROOT @ ROOT.mT
MEAN = torch.tensor([0.3, -0.5, 0.2], dtype=F64)
PRIOR = exact_denoiser(Gaussian(MEAN, cov=COVARIANCE), COSINE)
A = torch.tensor([[1.0, 0.0, 0.5], [0.0, 1.0, -1.0]], dtype=F64)
Y = torch.tensor([0.8, -1.1], dtype=F64)
NOISE = 0.04


def posterior() -> tuple[torch.Tensor, torch.Tensor]:
    gain = COVARIANCE @ A.mT @ torch.linalg.inv(A @ COVARIANCE @ A.mT + NOISE * torch.eye(2, dtype=F64))
    return MEAN + gain @ (Y - A @ MEAN), COVARIANCE - gain @ A @ COVARIANCE


@pytest.mark.parametrize("t", [0.1, 0.5, 0.9])
def test_the_score_is_exact_for_normal_data(t: float) -> None:
    mean, covariance = posterior()
    alpha, sigma = float(COSINE.alpha(t)), float(COSINE.sigma(t))
    x = torch.randn(6, 3, dtype=F64, generator=torch.Generator().manual_seed(0))
    wanted = Gaussian(mean, cov=covariance).noised(alpha, sigma).score(x)
    found = Measured(PRIOR, A, Y, NOISE).score(x, t)
    torch.testing.assert_close(found, wanted, rtol=1e-8, atol=1e-8)
    point = Measured(PRIOR, A, Y, NOISE, covariance="none").score(x, t)
    assert (point - wanted).abs().max() > 0.3


def test_one_number_is_enough_for_round_data() -> None:
    prior = exact_denoiser(Gaussian(torch.zeros(3, dtype=F64), var=0.7), COSINE)
    x = torch.randn(4, 3, dtype=F64, generator=torch.Generator().manual_seed(1))
    found = [
        Measured(prior, A, Y, NOISE, covariance=kind, var=0.7).score(x, 0.4)  # pyright: ignore[reportArgumentType]
        for kind in ("tweedie", "isotropic")
    ]
    torch.testing.assert_close(found[0], found[1], rtol=1e-8, atol=1e-8)


def test_inverse_problems() -> None:
    """Samples have the mean and the covariance of the exact posterior."""
    mean, covariance = posterior()
    n, generator = 8000, torch.Generator().manual_seed(2)
    times = snr_times(COSINE, 120, low=-9.0, high=12.0)
    x = torch.randn(n, 3, dtype=F64, generator=generator)
    found = ancestral(Measured(PRIOR, A, Y, NOISE), x, times, variance="beta_tilde", generator=generator).x
    # Standard errors, n = 8000: of a mean sqrt(C_ii / n), of a covariance sqrt((C_ij^2 + C_ii C_jj) / n). Five of them, and
    # .01 for 119 steps.
    var = covariance.diagonal()
    assert ((found.mean(0) - mean).abs() < 5 * (var / n).sqrt() + 0.01).all()
    error = ((covariance.square() + var[:, None] * var) / n).sqrt()
    assert ((found.mT.cov() - covariance).abs() < 5 * error + 0.01).all()


def affine_scores(denoiser: Denoiser, times: torch.Tensor) -> tuple[list[float], list[float]]:
    """The score at 0 and its slope on the line, at every time but the last, of a denoiser that is affine; one call."""
    t = times[:-1].double().repeat_interleave(2)
    both = torch.tensor([[0.0], [1.0]], dtype=F64).repeat(len(times) - 1, 1)
    at_0, at_1 = denoiser.score(both, t)[:, 0].unflatten(0, (-1, 2)).unbind(1)
    return at_0.tolist(), (at_1 - at_0).tolist()


def law_of_ancestral(denoiser: Denoiser, times: torch.Tensor) -> tuple[float, float]:
    """Mean and variance of what ancestral sampling makes on the line of a denoiser that is affine."""
    mean, var = 0.0, 1.0
    for step, offset, slope in zip(
        steps_of(denoiser.schedule, times), *affine_scores(denoiser, times), strict=True
    ):
        effect = (1 + step.beta * slope) / step.shrink
        mean = effect * mean + step.beta * offset / step.shrink
        var = effect**2 * var + (step.beta if step.s > 0 else 0.0)
    return mean, var


def test_the_recursion_is_that_of_the_sampler() -> None:
    schedule = DDPM.linear()
    prior = exact_denoiser(Gaussian(torch.zeros(1, dtype=F64), var=1.0), schedule)
    one = torch.ones(1, 1, dtype=F64)
    seen, step = (
        Measured(prior, one, one[0], 0.25),
        steps_of(schedule, torch.tensor([0.5, 0.4], dtype=F64))[0],
    )
    offset, slope = (found[0] for found in affine_scores(seen, torch.tensor([0.5, 0.4], dtype=F64)))
    start = torch.tensor([[0.7]], dtype=F64)
    by_hand = (0.7 + step.beta * (offset + 0.7 * slope)) / step.shrink
    assert ancestral(seen, start, [0.5, 0.4]).x.item() == pytest.approx(by_hand, abs=1e-12)


@pytest.mark.parametrize(
    ("covariance", "mean", "var"),
    [("tweedie", 0.8, 0.2007), ("isotropic", 0.8, 0.2007), ("none", 0.982, 0.125)],
)
def test_the_guess_taken_for_the_truth(covariance: Any, mean: float, var: float) -> None:
    """N(0, 1), y = x0 + N(0, 1/4) = 1: the posterior is N(.8, .2); DDPM's thousand steps."""
    schedule = DDPM.linear()
    prior = exact_denoiser(Gaussian(torch.zeros(1, dtype=F64), var=1.0), schedule)
    one = torch.ones(1, 1, dtype=F64)
    seen = Measured(prior, one, one[0], 0.25, covariance=covariance)
    found = law_of_ancestral(seen, ddpm_times(schedule, 1000))
    assert found == pytest.approx((mean, var), abs=5e-4 if covariance == "none" else 6e-5)


def test_the_guess_taken_for_the_truth_by_ddim() -> None:
    schedule = DDPM.linear()
    prior = exact_denoiser(Gaussian(torch.zeros(1, dtype=F64), var=1.0), schedule)
    one = torch.ones(1, 1, dtype=F64)
    seen = Measured(prior, one, one[0], 0.25, covariance="none")
    times = ddpm_times(schedule, 1000)
    mean, effect = 0.0, 1.0
    for step, offset, slope in zip(steps_of(schedule, times), *affine_scores(seen, times), strict=True):
        # x_s = (alpha_s / alpha_t) (x + sigma_t^2 score) - sigma_s sigma_t score.
        scale = step.alpha_s / step.alpha_t
        gain = scale * step.sigma_t**2 - step.sigma_s * step.sigma_t
        mean = (scale + gain * slope) * mean + gain * offset
        effect *= scale + gain * slope
    assert mean == pytest.approx(1.275, abs=5e-4)
    assert effect**2 == pytest.approx(0.018, abs=5e-4)


def test_a_measurement_for_each_point() -> None:
    x = torch.randn(3, 3, dtype=F64, generator=torch.Generator().manual_seed(3))
    y = torch.randn(3, 2, dtype=F64, generator=torch.Generator().manual_seed(4))
    together = Measured(PRIOR, A, y, NOISE).score(x, 0.3)
    for i in range(3):
        alone = Measured(PRIOR, A, y[i], NOISE).score(x[i : i + 1], 0.3)
        torch.testing.assert_close(together[i : i + 1], alone)


def test_pictures_and_conditions() -> None:
    """A picture is measured as the vector of its pixels, and the denoiser is told what the guided one is."""
    x = torch.randn(3, 1, 1, 3, dtype=F64, generator=torch.Generator().manual_seed(5))

    def network(x: torch.Tensor, t: torch.Tensor, shift: torch.Tensor) -> torch.Tensor:
        flat = x.flatten(1)
        return PRIOR.x0(flat - COSINE.alpha(t)[:, None] * shift, t).view_as(x) + shift.view_as(x)

    pictures, shift = Denoiser(network, COSINE, "x0"), torch.randn(3, 3, dtype=F64)
    for kind in ("tweedie", "isotropic", "none"):
        for t in (0.3, torch.full((3,), 0.3, dtype=F64), torch.tensor(0.3, dtype=F64)):
            found = Measured(pictures, A, Y, NOISE, covariance=kind)(x, t, shift=shift)  # pyright: ignore[reportArgumentType]
            moved = x.flatten(1) - COSINE.alpha(0.3) * shift
            wanted = Measured(PRIOR, A, Y - shift @ A.mT, NOISE, covariance=kind)(moved, 0.3)  # pyright: ignore[reportArgumentType]
            torch.testing.assert_close(found.flatten(1), wanted)


def test_one_number_is_factorised_for_any_matrix() -> None:
    """Rows that are not orthonormal, and one that is twice another: (left A A^T + noise)^-1 by an inverse."""
    matrix = torch.tensor([[1.0, 0.0, 0.5], [2.0, 0.0, 1.0], [0.0, 1.0, -1.0]], dtype=F64)
    y = torch.tensor([0.8, 1.5, -1.1], dtype=F64)
    prior = exact_denoiser(Gaussian(torch.zeros(3, dtype=F64), var=0.7), COSINE)
    x = torch.randn(4, 3, dtype=F64, generator=torch.Generator().manual_seed(1))
    alpha, sigma = float(COSINE.alpha(0.4)), float(COSINE.sigma(0.4))
    var = alpha**2 * 0.7 + sigma**2
    spread = sigma**2 * 0.7 / var * matrix @ matrix.mT + NOISE * torch.eye(3, dtype=F64)
    misfit = y - alpha * 0.7 / var * x @ matrix.mT
    wanted = -x / var + alpha * 0.7 / var * misfit @ torch.linalg.inv(spread) @ matrix
    found = Measured(prior, matrix, y, NOISE, covariance="isotropic", var=0.7)(x, 0.4)
    torch.testing.assert_close(found, wanted)


def test_calls_of_the_denoiser() -> None:
    """One, whatever the covariance; at w = 0 too, and then it is the denoiser's own score."""
    calls: list[int] = []

    def network(x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        calls.append(len(x))
        return 0.5 * x

    x = torch.ones(2, 3, dtype=F64)
    for kind in ("tweedie", "isotropic", "none"):
        for w in (0.0, 1.0, 2.0):
            calls.clear()
            Measured(Denoiser(network, COSINE, "x0"), A, Y, NOISE, covariance=kind, w=w)(x, 0.4)  # pyright: ignore[reportArgumentType]
            assert calls == [2]


@pytest.mark.bad_input
@pytest.mark.parametrize("n", [1, 3])
def test_measurements_that_are_not_one_for_each_point(n: int) -> None:
    seen = Measured(PRIOR, A, torch.ones(2, 2, dtype=F64), NOISE)
    with pytest.raises(ValueError, match=rf"y must have shape \({n}, 2\), one measurement for each point"):
        seen(torch.zeros(n, 3, dtype=F64), 0.5)


@pytest.mark.bad_input
def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="matrix must have shape"):
        Measured(PRIOR, torch.ones(3), Y, NOISE)
    with pytest.raises(ValueError, match="y must have shape"):
        Measured(PRIOR, A, torch.ones(3), NOISE)
    with pytest.raises(ValueError, match="noise_var must be"):
        Measured(PRIOR, A, Y, 0.0)
    with pytest.raises(ValueError, match="covariance must be one of"):
        Measured(PRIOR, A, Y, NOISE, covariance="full")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="x must have 3 numbers a point"):
        Measured(PRIOR, A, Y, NOISE)(torch.zeros(2, 4), 0.5)
