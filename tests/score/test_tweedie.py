"""Tweedie's mean and covariance on mixtures, and Stein's estimate of a risk."""

import math

import pytest
import torch
from torch import nn

from gmlib.distributions import GaussianMixture
from gmlib.score import curl, implicit_score_matching, sure, tweedie_covariance, tweedie_mean

F64 = torch.float64


def mixture() -> GaussianMixture:
    cov = torch.tensor(
        [[[0.5, 0.2], [0.2, 0.3]], [[0.2, 0.0], [0.0, 0.9]], [[1.0, -0.4], [-0.4, 0.4]]], dtype=F64
    )
    means = torch.tensor([[-2.0, 0.0], [2.0, 1.0], [0.0, 3.0]], dtype=F64)
    return GaussianMixture(means, weights=torch.tensor([0.2, 0.5, 0.3], dtype=F64), cov=cov)


def test_tweedie(generator: torch.Generator) -> None:
    law = mixture()
    for sigma in (0.05, 0.7, 6.0):
        noisy = law.noised(1.0, sigma).sample((200,), generator=generator)
        mean = tweedie_mean(law.noised(1.0, sigma).score(noisy), noisy, sigma)
        assert torch.allclose(mean, law.posterior_mean(noisy, 1.0, sigma), atol=1e-10, rtol=0)
    # Bayes' rule on a grid, without any formula of the mixture's: the line.
    line = GaussianMixture(
        torch.tensor([[-1.0], [1.5]], dtype=F64), weights=torch.tensor([0.3, 0.7], dtype=F64), var=0.2
    )
    x = torch.linspace(-9, 9, 3601, dtype=F64)
    noisy = torch.linspace(-3, 4, 9, dtype=F64)[:, None]
    joint = torch.exp(line.log_prob(x[:, None]) - 0.5 * ((noisy - x) / 0.8) ** 2)
    bayes = (joint * x).sum(1) / joint.sum(1)
    tweedie = tweedie_mean(line.noised(1.0, 0.8).score(noisy), noisy, 0.8)
    assert torch.allclose(tweedie.squeeze(1), bayes, atol=1e-10, rtol=0)
    # Two points at -1 and 1 with signal sqrt(alpha bar): the mean is a tanh and the noise is -sigma times the score.
    signal = math.sqrt(0.6)
    sigma = math.sqrt(1 - 0.6)
    points = GaussianMixture(torch.tensor([[-signal], [signal]], dtype=F64), var=sigma**2)
    score = points.score(noisy)
    mean = tweedie_mean(score, noisy, sigma, alpha=signal)
    exact = torch.tanh(signal * noisy / sigma**2)
    assert torch.allclose(mean, exact, atol=2e-11, rtol=0)
    assert torch.allclose((noisy - signal * exact) / sigma, -sigma * score, atol=2e-11, rtol=0)


def test_levels_and_images(generator: torch.Generator) -> None:
    value, noisy = torch.randn(2, 4, 1, 2, 2, generator=generator)
    levels = torch.tensor([0.1, 0.5, 1.0, 3.0])
    together = tweedie_mean(value, noisy, levels)
    for i in range(4):
        alone = tweedie_mean(value[i : i + 1], noisy[i : i + 1], levels[i].item())
        assert torch.allclose(together[i : i + 1], alone)
    # A level in another precision, for all points or one each, leaves that of the points.
    assert torch.allclose(tweedie_mean(value, noisy, levels.double()), together)
    assert tweedie_mean(value, noisy, levels[0].double()).dtype == torch.float32


def test_tweedie_covariance(generator: torch.Generator) -> None:
    law = mixture()
    for sigma in (0.1, 0.7, 6.0):
        noised = law.noised(1.0, sigma)
        noisy = noised.sample((50,), generator=generator)
        covariance = tweedie_covariance(noised.score, noisy, sigma)
        assert torch.allclose(covariance, law.posterior(noisy, 1.0, sigma).covariance, atol=1e-11, rtol=0)
        assert float(torch.linalg.eigvalsh(covariance).min()) > 0
        # It is sigma^2 times the Jacobian of the denoiser, which has no curl either.
        share = curl(lambda x, noised=noised, s=sigma: tweedie_mean(noised.score(x), x, s), noisy).share
        assert float(share.max()) < 1e-12
    # One level a point, in blocks of two products, images as vectors.
    levels = torch.tensor([0.3, 2.0], dtype=F64)
    x = torch.randn(2, 1, 2, dtype=F64, generator=generator)
    both = tweedie_covariance(torch.sin, x, levels, chunk=2)
    exact = levels[:, None, None] ** 2 * (
        torch.eye(2, dtype=F64) + levels[:, None, None] ** 2 * torch.diag_embed(x.flatten(1).cos())
    )
    assert torch.allclose(both, exact, atol=1e-13)


def test_sure(generator: torch.Generator) -> None:
    law, sigma, n = mixture(), 0.7, 20_000
    x = law.sample((n,), generator=generator)
    noisy = x + sigma * torch.randn(n, 2, dtype=F64, generator=generator)
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(2, 8, dtype=F64), nn.Tanh(), nn.Linear(8, 2, dtype=F64))
    best = law.noised(1.0, sigma).score
    denoisers = (net, lambda y: tweedie_mean(best(y), y, sigma), lambda y: 0.2 * y)
    risks = []
    for denoiser in denoisers:
        with torch.no_grad():
            estimate = sure(denoiser, noisy, sigma)
            error = (denoiser(noisy) - x).square().sum(1)
        gap = estimate - error
        # Paired, n = 20 000: the difference has mean 0, within 4 standard errors.
        assert abs(gap.mean().item()) < 4 * gap.std().item() / math.sqrt(n)
        risks.append(estimate.mean().item())
        # Without the correction it would be far off.
        naive = (denoiser(noisy) - noisy).square().sum(1) - error
        assert abs(naive.mean().item()) > 20 * gap.std().item() / math.sqrt(n)
    # The posterior mean has the smallest risk, and its risk is the mean posterior variance.
    assert min(risks) == risks[1]
    variance = law.posterior(noisy, 1.0, sigma).variance.sum(1)
    gap = sure(denoisers[1], noisy, sigma) - variance
    assert abs(gap.mean().item()) < 4 * gap.std().item() / math.sqrt(n)  # paired, n = 20 000
    # The same objective as implicit score matching, in other units: point by point.
    loss = implicit_score_matching(best, noisy[:50]).total
    estimate = sure(denoisers[1], noisy[:50], sigma)
    assert torch.allclose(estimate, 2 * sigma**4 * loss + 2 * sigma**2, atol=1e-12)
    assert float(estimate.std()) > 0.1
    levels = torch.full((50,), sigma, dtype=F64)
    assert torch.allclose(sure(denoisers[1], noisy[:50], levels, chunk=2), estimate, atol=1e-12)
    # With projections the trace is u^T J u: all four signs of the plane average to the exact one.
    signs = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0], dtype=F64)] * 2)[:, None].expand(4, 50, 2)
    projected = sure(denoisers[1], noisy[:50], sigma, projections=signs)
    assert torch.allclose(projected, estimate, atol=1e-12)
    each = torch.stack([sure(denoisers[1], noisy[:50], sigma, projections=u) for u in signs])
    assert torch.allclose(each.mean(0), estimate, atol=1e-12)
    assert float(each.std(0).max()) > 1e-3


@pytest.mark.bad_input
def test_bad_input() -> None:
    x = torch.zeros(2, 3)
    with pytest.raises(ValueError, match="score_value must have the shape"):
        tweedie_mean(torch.zeros(2, 2), x, 1.0)
    with pytest.raises(ValueError, match="alpha must be a finite number"):
        tweedie_mean(x, x, 1.0, alpha=0.0)
    with pytest.raises(ValueError, match="sigma must be a finite number"):
        tweedie_mean(x, x, -1.0)
    with pytest.raises(ValueError, match=r"sigma must have shape"):
        tweedie_covariance(torch.sin, x, torch.ones(2, 1))
    with pytest.raises(TypeError, match="denoiser must be callable"):
        sure(x, x, 1.0)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"denoiser\(x\) must have the shape"):
        sure(lambda x: x[:1], x, 1.0)
    with pytest.raises(ValueError, match="projections must have the shape"):
        sure(torch.sin, x, 1.0, projections=torch.zeros(3))
    with pytest.raises(TypeError, match="noisy must have a floating dtype"):
        sure(torch.sin, torch.zeros(2, 3, dtype=torch.int64), 1.0)
