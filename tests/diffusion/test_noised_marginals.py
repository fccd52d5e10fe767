"""Noised mixtures: their score by Tweedie's formula, their samples, and how two heaps become one."""

from __future__ import annotations

import torch
from scipy.stats import kstest

from gmlib.diffusion import forward_chain, noised
from gmlib.distributions import GaussianMixture
from gmlib.noise import DDPM, EDM, VPCosine, exact_denoiser

F64 = torch.float64


def test_mixture_noising_oracle() -> None:
    """Score of q_t = (alpha x0_hat - x)/sigma² = gradient of its log-density by autograd."""
    law = GaussianMixture(
        torch.tensor([[-1.0, 0.0], [1.0, 0.5], [0.0, 2.0]], dtype=F64),
        weights=torch.tensor([0.5, 0.3, 0.2], dtype=F64),
        cov=torch.tensor([[0.3, 0.1], [0.1, 0.2]], dtype=F64),
    )
    x = torch.randn(7, 2, generator=torch.Generator().manual_seed(0), dtype=F64)
    for schedule, t in ((DDPM.linear(), 0.001), (DDPM.linear(), 0.4), (VPCosine(), 0.9), (EDM(), 3.0)):
        denoiser = exact_denoiser(law, schedule)
        alpha, sigma = float(schedule.alpha(t)), float(schedule.sigma(t))
        leaf = x.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(law.noised(alpha, sigma).log_prob(leaf).sum(), leaf)
        tweedie = (alpha * denoiser.x0(x, t) - x) / sigma**2
        torch.testing.assert_close(tweedie, gradient, rtol=1e-9, atol=1e-9)
        torch.testing.assert_close(denoiser.score(x, t), gradient, rtol=1e-9, atol=1e-9)


def cdf(law: GaussianMixture, x: torch.Tensor) -> torch.Tensor:
    z = (x[:, None] - law.means[:, 0]) / law.covariances[:, 0, 0].sqrt()
    return (law.weights * torch.special.ndtr(z)).sum(1)


def test_noised_marginals(generator: torch.Generator) -> None:
    """Kolmogorov and Smirnov find no difference (level 1e-3) between 4,000 noised points and q_t; two heaps become one."""
    n, schedule = 4000, DDPM.linear(50, 0.001, 0.2)
    law = GaussianMixture(
        torch.tensor([[-1.0], [1.2]], dtype=F64), weights=torch.tensor([0.4, 0.6], dtype=F64), var=0.04
    )
    x0 = law.sample((n,), generator=generator)
    chain = forward_chain(x0, schedule, generator=generator)
    peaks = []
    for k in (0, 5, 20, 50):
        q = law.noised(schedule.alpha(k / 50), schedule.sigma(k / 50)) if k else law
        jump = noised(x0, k / 50, torch.randn(n, 1, generator=generator, dtype=F64), schedule)
        for sample in (chain[k], jump):
            assert kstest(cdf(q, sample.squeeze(-1)).numpy(), "uniform").pvalue > 1e-3
        p = q.log_prob(torch.linspace(-3, 3, 601, dtype=F64)[:, None])
        peaks.append(int(((p[1:-1] > p[:-2]) & (p[1:-1] > p[2:])).sum()))
    assert peaks[0] == 2
    assert peaks[-1] == 1
    # The wrong time is noticed: the test has power.
    wrong = law.noised(schedule.alpha(0.3), schedule.sigma(0.3))
    assert kstest(cdf(wrong, chain[20].squeeze(-1)).numpy(), "uniform").pvalue < 1e-6
