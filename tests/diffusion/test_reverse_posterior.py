"""One step back with the clean point known: a product of two normal factors."""

from __future__ import annotations

import pytest
import torch

from gmlib.diffusion import reverse_mean_of_noise, reverse_posterior
from gmlib.noise import DDPM, EDM, Rectified, Schedule, VPCosine
from gmlib.noise.samplers import ddpm_times, steps_of

F64 = torch.float64
DDPM_1000 = DDPM.linear()
PAIRS: list[tuple[Schedule, list[float]]] = [
    (DDPM_1000, [0.002, 0.001]),
    (DDPM_1000, [1.0, 0.999]),
    (DDPM_1000, [0.8, 0.3]),
    (VPCosine(), [0.9, 0.5]),
    (Rectified(), [0.6, 0.2]),
    (EDM(), [3.0, 1.0]),
]


@pytest.mark.parametrize(("schedule", "times"), PAIRS)
def test_reverse_posterior(schedule: Schedule, times: list[float]) -> None:
    """Precisions add: N(x_s; alpha_s x0, sigma_s²) N(x_t; shrink x_s, beta); both forms of the mean; the law of x_s."""
    step = steps_of(schedule, times)[0]
    g = torch.Generator().manual_seed(0)
    x0, eps = torch.randn(2, 5, 2, generator=g, dtype=F64)
    x_t = step.alpha_t * x0 + step.sigma_t * eps
    mean, var = reverse_posterior(x0, x_t, step)
    precision = 1 / step.sigma_s**2 + step.shrink**2 / step.beta
    product = (step.alpha_s * x0 / step.sigma_s**2 + step.shrink * x_t / step.beta) / precision
    assert var == pytest.approx(1 / precision, rel=1e-12)
    torch.testing.assert_close(mean, product, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(reverse_mean_of_noise(x_t, eps, step), mean, rtol=1e-12, atol=1e-12)
    # Averaged over x_t given x_0, it is q(x_s | x_0) again: the mean is linear in x_t.
    told = reverse_posterior(x0, step.alpha_t * x0, step).mean
    torch.testing.assert_close(told, step.alpha_s * x0, rtol=1e-12, atol=1e-12)
    slope = reverse_posterior(0 * x0, torch.ones_like(x0), step).mean[0, 0].item()
    assert var + (slope * step.sigma_t) ** 2 == pytest.approx(step.sigma_s**2, rel=1e-12)


def test_average_over_the_data_given_the_noised_point() -> None:
    """Data N(m, v): x_0 given x_t is normal, so x_s given x_t is too, with the moments of the joint law of both."""
    m, v, x_t = 0.4, 0.25, torch.tensor([[1.3]], dtype=F64)
    step = steps_of(DDPM_1000, [0.8, 0.3])[0]
    V_t, V_s = (a**2 * v + s**2 for a, s in ((step.alpha_t, step.sigma_t), (step.alpha_s, step.sigma_s)))
    guess = m + step.alpha_t * v / V_t * (x_t - step.alpha_t * m)
    mean, var = reverse_posterior(guess, x_t, step)
    var = var + step.pull**2 * v * step.sigma_t**2 / V_t
    covariance = step.shrink * V_s  # of x_s and x_t = shrink x_s + noise
    torch.testing.assert_close(
        mean, step.alpha_s * m + covariance / V_t * (x_t - step.alpha_t * m), rtol=1e-12, atol=1e-12
    )
    assert var == pytest.approx(V_s - covariance**2 / V_t, rel=1e-12)


def test_ddpm_letters_and_the_last_step() -> None:
    """On the grid the formulas are those of the paper; beta_tilde_1 = 0 and the mean is x_0."""
    steps = steps_of(DDPM_1000, ddpm_times(DDPM_1000, 1000))
    x0, x_t = torch.tensor([[0.3]], dtype=F64), torch.tensor([[-1.1]], dtype=F64)
    beta, bar, before = DDPM_1000.betas[499], DDPM_1000.alpha_bar[500], DDPM_1000.alpha_bar[499]
    mean, var = reverse_posterior(x0, x_t, steps[500])
    paper = before.sqrt() * beta / (1 - bar) * x0 + (1 - beta).sqrt() * (1 - before) / (1 - bar) * x_t
    torch.testing.assert_close(mean, paper, rtol=1e-11, atol=1e-12)
    assert var == pytest.approx(((1 - before) / (1 - bar) * beta).item(), rel=1e-11)
    last_mean, last_var = reverse_posterior(x0, x_t, steps[-1])
    assert last_var == 0
    torch.testing.assert_close(last_mean, x0, rtol=1e-12, atol=0)
