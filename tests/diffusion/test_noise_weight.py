"""What a wrong guess of the noise costs: the KL divergence of the step, exactly."""

from __future__ import annotations

import pytest
import torch

from gmlib.diffusion import kl_weight, reverse_mean_of_noise, reverse_posterior
from gmlib.distributions import Gaussian, kl_gaussians
from gmlib.noise import DDPM, PARAMETERISATIONS, Denoiser, Rectified, Schedule, VPCosine
from gmlib.noise.samplers import ddpm_times, steps_of

F64 = torch.float64
DDPM_1000 = DDPM.linear()
GRIDS: list[tuple[Schedule, list[float]]] = [
    (DDPM_1000, [0.002, 0.001]),
    (DDPM_1000, [1.0, 0.999]),
    (VPCosine(), [0.9, 0.5]),
    (Rectified(), [0.6, 0.2]),
]


@pytest.mark.parametrize("variance", ["beta", "beta_tilde"])
@pytest.mark.parametrize(("schedule", "times"), GRIDS)
def test_noise_prediction(schedule: Schedule, times: list[float], variance: str) -> None:
    """KL(q || p) minus its value for the right noise is the weight times the squared error; five ways to say it agree."""
    step = steps_of(schedule, times)[0]
    x_t, eps, guess = torch.randn(3, 4, 2, generator=torch.Generator().manual_seed(0), dtype=F64)
    x0 = (x_t - step.sigma_t * eps) / step.alpha_t
    mean, posterior_var = reverse_posterior(x0, x_t, step)
    var = getattr(step, variance)
    told = reverse_mean_of_noise(x_t, guess, step)
    error = (eps - guess).square().sum(1)
    apart = (mean - told).square().sum(1) / (2 * var)
    torch.testing.assert_close(apart, kl_weight(step, variance) * error, rtol=1e-10, atol=0)
    posterior = Gaussian(mean, var=posterior_var)
    kl = kl_gaussians(posterior, Gaussian(told, var=var)) - kl_gaussians(posterior, Gaussian(mean, var=var))
    torch.testing.assert_close(kl, apart, rtol=1e-9, atol=1e-12)
    said = Denoiser(lambda x, t: guess, schedule, "eps")
    for name in PARAMETERISATIONS:
        again = Denoiser(getattr(said, name), schedule, name)  # type: ignore[arg-type]
        torch.testing.assert_close(again.eps(x_t, step.t), guess, rtol=1e-9, atol=1e-9)
        mean_of_x0 = reverse_posterior(again.x0(x_t, step.t), x_t, step).mean
        torch.testing.assert_close(mean_of_x0, told, rtol=1e-9, atol=1e-9)


def test_weight_in_the_papers_letters() -> None:
    """beta² / (2 sigma² (1 - beta)(1 - alpha_bar)), one half of beta / ((1 - beta)(1 - alpha_bar)) for sigma² = beta."""
    steps = steps_of(DDPM_1000, ddpm_times(DDPM_1000, 1000))
    betas, alpha_bar = DDPM_1000.betas, DDPM_1000.alpha_bar[1:]
    weights = torch.tensor([kl_weight(step) for step in reversed(steps)], dtype=F64)
    torch.testing.assert_close(weights, 0.5 * betas / ((1 - betas) * (1 - alpha_bar)), rtol=1e-10, atol=0)
    assert (
        weights.argmax() == 0
    )  # the simple loss takes weight from the first steps, a hundred times that of the lightest
    assert (weights[0] / weights.min()).item() > 50
