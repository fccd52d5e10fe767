"""One step back without the clean point: Gaussian for short steps, two peaks for long ones."""

from __future__ import annotations

import pytest
import torch

from gmlib.diffusion import half_separation, matched_gaussian_kl, reverse_kernel, reverse_posterior
from gmlib.distributions import Gaussian, GaussianMixture, Law
from gmlib.noise import DDPM
from gmlib.noise.samplers import Step

F64 = torch.float64
PAIR = torch.tensor([[-1.0], [1.0]], dtype=F64)


def step_between(before: float, after: float) -> Step:
    """A step of a variance-preserving chain from alpha_bar = after back to before."""
    return Step(1.0, 0.0, after**0.5, (1 - after) ** 0.5, before**0.5, (1 - before) ** 0.5)


def peaks(kernel: Law) -> int:
    density = kernel.log_prob(torch.linspace(-4, 4, 8001, dtype=F64)[:, None])
    return int(((density[1:-1] > density[:-2]) & (density[1:-1] > density[2:])).sum())


def test_reverse_kernel_shape() -> None:
    """Data -1 and 1, x_t = 0, alpha_bar_{t-1} = .7: KL and half-separation fall with beta; two peaks above 1."""
    x_t = torch.zeros(1, dtype=F64)
    table = {
        0.5: (0.039, 5e-4, 1.34),
        0.2: (0.011, 5e-4, 1.03),
        0.05: (4.5e-4, 5e-6, 0.59),
        0.01: (2.1e-6, 5e-8, 0.28),
    }
    for beta, (kl, digit, ratio) in table.items():
        step = step_between(0.7, 0.7 * (1 - beta))
        assert step.beta == pytest.approx(beta, rel=1e-12)
        kernel = reverse_kernel(PAIR, x_t, step)
        assert isinstance(kernel, GaussianMixture)
        assert matched_gaussian_kl(kernel).item() == pytest.approx(kl, abs=digit)
        assert half_separation(kernel).item() == pytest.approx(ratio, abs=5e-3)
        closed = step.alpha_s * beta**0.5 / (step.sigma_s * step.sigma_t)
        assert half_separation(kernel).item() == pytest.approx(closed, rel=1e-12)
        assert peaks(kernel) == (2 if ratio > 1 else 1)
    for after, ratio in ((0.89, 0.95), (0.5, 2.83)):
        kernel = reverse_kernel(PAIR, x_t, step_between(0.9, after))
        assert half_separation(kernel).item() == pytest.approx(ratio, abs=5e-3)
        assert peaks(kernel) == (2 if ratio > 1 else 1)


def test_kernel_is_the_joint_density_over_the_marginal() -> None:
    """q_s(x_s) q(x_t | x_s) / q_t(x_t), for a mixture; batches of x_t."""
    law = GaussianMixture(
        torch.tensor([[-1.5], [0.5], [2.0]], dtype=F64),
        weights=torch.tensor([0.5, 0.2, 0.3], dtype=F64),
        var=0.1,
    )
    step = step_between(0.8, 0.4)
    x_t = torch.tensor([[-1.0], [0.2], [1.5]], dtype=F64)
    x_s = torch.linspace(-3, 3, 25, dtype=F64)[:, None, None]
    joint = law.noised(step.alpha_s, step.sigma_s).log_prob(x_s)
    joint = joint + Gaussian(step.shrink * x_s, var=step.beta).log_prob(x_t)
    truth = joint - law.noised(step.alpha_t, step.sigma_t).log_prob(x_t)
    torch.testing.assert_close(reverse_kernel(law, x_t, step).log_prob(x_s), truth, rtol=1e-10, atol=1e-10)


def test_kernel_of_points_is_a_mixture_of_reverse_posteriors() -> None:
    step = step_between(0.8, 0.4)
    points = torch.tensor([[-1.0, 0.0], [1.0, 1.0], [0.0, 2.0]], dtype=F64)
    x_t = torch.tensor([0.3, 0.1], dtype=F64)
    kernel = reverse_kernel(points, x_t, step)
    assert isinstance(kernel, GaussianMixture)
    mean, var = reverse_posterior(points, x_t.expand(3, 2), step)
    torch.testing.assert_close(kernel.means, mean, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(kernel.variance.shape, torch.Size([2]))
    torch.testing.assert_close(kernel.covariances[0], var * torch.eye(2, dtype=F64), rtol=1e-12, atol=1e-12)
    distance = (x_t - step.alpha_t * points).square().sum(1)
    torch.testing.assert_close(kernel.weights, (-distance / (2 * step.sigma_t**2)).softmax(0))


def test_kernel_of_normal_data_is_normal() -> None:
    """N(0, 1) data: variance beta and mean shrink x_t, so the chain's own step with the sign of time changed."""
    chain = DDPM(torch.tensor([0.3, 0.5], dtype=F64))
    alpha, sigma = chain.alpha(chain.times).tolist(), chain.sigma(chain.times).tolist()
    step = Step(1.0, 0.5, alpha[1], sigma[1], alpha[0], sigma[0])
    kernel = reverse_kernel(
        Gaussian(torch.zeros(1, dtype=F64), var=1.0), torch.tensor([0.8], dtype=F64), step
    )
    assert kernel.mean.item() == pytest.approx(0.8 * 0.5**0.5, rel=1e-12)
    assert kernel.variance.item() == pytest.approx(0.5, rel=1e-12)
    assert abs(matched_gaussian_kl(kernel).item()) < 1e-12
