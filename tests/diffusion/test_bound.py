"""The bound: tight where it must be, above the truth elsewhere, and the same by sampling log ratios."""

from __future__ import annotations

import math
from functools import partial

import pytest
import torch
from torch import Tensor

from gmlib.diffusion import (
    GaussianOracle,
    diffusion_bound,
    discretised_gaussian,
    exact_gaussian_bound,
    forward_chain,
    reverse_posterior,
)
from gmlib.distributions import Gaussian
from gmlib.noise import DDPM, Denoiser, LearnedVariance, Rectified, VPCosine, exact_denoiser
from gmlib.noise.samplers import ddpm_times, even_times, gaussian_variance, steps_of

F64 = torch.float64
DDPM_1000 = DDPM.linear()
ENTROPY = 0.5 * math.log(2 * math.pi * math.e)


def normal(var: float = 1.0, mean: float = 0.0) -> Gaussian:
    return Gaussian(torch.full((1,), mean, dtype=F64), var=var)


def test_diffusion_elbo() -> None:
    """N(0, 1), sigma² = beta: the three parts sum to the entropy 1.4189385332; the plain sum of noise errors does not."""
    bound = exact_gaussian_bound(0.0, 1.0, DDPM_1000)
    assert bound.steps.shape == (999,)
    assert abs(bound.total.item() - ENTROPY) < 1e-11
    assert abs(ENTROPY - 1.4189385332) < 1e-10
    for part in (bound.prior, *bound.steps):
        assert part.item() > 0
    # L_simple in place of the KL terms: the sum of alpha_bar.
    simple = GaussianOracle(0.0, 1.0, DDPM_1000).eps_floor(DDPM_1000.times).sum().item()
    assert simple == pytest.approx(DDPM_1000.alpha_bar[1:].sum().item(), rel=1e-12)
    assert simple == pytest.approx(275.5, abs=0.05)


@pytest.mark.parametrize("n", [1, 2, 10, 100])
def test_tight_on_every_grid_for_the_standard_normal(n: int) -> None:
    assert exact_gaussian_bound(
        0.0, 1.0, DDPM_1000, times=ddpm_times(DDPM_1000, n)
    ).total.item() == pytest.approx(ENTROPY, abs=1e-12)
    grid = even_times(VPCosine(), n)
    assert exact_gaussian_bound(0.0, 1.0, VPCosine(), times=grid).total.item() == pytest.approx(
        ENTROPY, abs=1e-12
    )


def test_one_step_at_one_point() -> None:
    """T = 1, alpha_bar = 1/2, x_0 = .7: minus the bound is log N(.7; 0, 1) = -1.16394, at every x_0."""
    one = DDPM(torch.tensor([0.5], dtype=F64))
    assert -exact_gaussian_bound(0.0, 1.0, one, x0=0.7).total.item() == pytest.approx(-1.16394, abs=5e-6)
    for x0 in (-2.0, 0.0, 0.7):
        truth = -normal().log_prob(torch.tensor([x0], dtype=F64)).item()
        for schedule in (one, DDPM_1000):
            assert exact_gaussian_bound(0.0, 1.0, schedule, x0=x0).total.item() == pytest.approx(
                truth, abs=1e-11
            )


@pytest.mark.parametrize("variance", ["beta", "beta_tilde"])
@pytest.mark.parametrize(("mean", "var"), [(0.0, 0.25), (0.5, 2.0)])
def test_mean_over_the_points_is_the_whole_and_not_below_the_entropy(
    mean: float, var: float, variance: str
) -> None:
    """With beta the gap falls as 1/T; averaged over x_0 by three nodes of Gauss and Hermite, exact for squares."""
    schedule = VPCosine()
    entropy = normal(var).entropy().item()
    gaps = []
    for n in (5, 50, 500):
        bound = exact_gaussian_bound(mean, var, schedule, variance, times=even_times(schedule, n))
        gaps.append(bound.total.item() - entropy)
    if variance == "beta":
        assert gaps[0] > gaps[1] > gaps[2] > 0
        assert gaps[1] / gaps[2] == pytest.approx(10, rel=0.05)
    else:
        assert min(gaps) > 0.2
    nodes, weights = (-math.sqrt(3), 0.0, math.sqrt(3)), (1 / 6, 2 / 3, 1 / 6)
    times = even_times(schedule, 5)
    points = [
        exact_gaussian_bound(mean, var, schedule, variance, times=times, x0=mean + var**0.5 * z).total
        for z in nodes
    ]
    average = sum(w * p.item() for w, p in zip(weights, points, strict=True))
    assert average == pytest.approx(gaps[0] + entropy, rel=1e-12)


def test_beta_tilde_stays_half_of_eulers_constant_above() -> None:
    """N(0, 1): a step loses KL(N(0, beta) || N(0, beta_tilde)), and the first steps are as long as all noise there is.

    With sigma_k² proportional to k near the data the sum over k of 1/k - log(1 + 1/k) is Euler's constant.
    """
    excess = []
    for T in (200, 2000):
        schedule = DDPM(torch.full((T,), 10 / T, dtype=F64))
        excess.append(exact_gaussian_bound(0.0, 1.0, schedule, "beta_tilde").total.item() - ENTROPY)
        noise = 1 - schedule.alpha_bar[1:]
        ratio = noise[1:] / noise[:-1]
        assert excess[-1] == pytest.approx(0.5 * (ratio - 1 - ratio.log()).sum().item(), rel=1e-10)
    limit = 0.5772156649 / 2
    assert excess[0] < excess[1] < limit
    assert excess[1] == pytest.approx(limit, rel=0.03)


@pytest.mark.parametrize("variance", ["beta", "beta_tilde"])
def test_sampled_bound_is_the_exact_one(variance: str, generator: torch.Generator) -> None:
    """Every part within 4 standard errors; 20,000 points; a mean of two, a variance of a quarter."""
    schedule = DDPM.linear(10, 0.02, 0.4)
    exact = exact_gaussian_bound(2.0, 0.25, schedule, variance)
    x0 = normal(0.25, 2.0).sample((20_000,), generator=generator)
    denoiser = exact_denoiser(normal(0.25, 2.0), schedule)
    times = ddpm_times(schedule, 10)
    bound = diffusion_bound(denoiser, x0, times, variance=variance, generator=generator)  # type: ignore[arg-type]
    assert bound.steps.shape == (20_000, 9)
    parts = (
        (bound.prior, exact.prior),
        (bound.steps, exact.steps),
        (bound.reconstruction, exact.reconstruction),
    )
    for found, truth in parts:
        assert ((found.mean(0) - truth).abs() < 4 * found.std(0) / 20_000**0.5 + 1e-12).all()
    torch.testing.assert_close(bound.total, bound.prior + bound.steps.sum(1) + bound.reconstruction)


def test_sum_of_log_ratios_is_the_bound(generator: torch.Generator) -> None:
    """-log p(x_T) + sum log q(x_t|x_{t-1}) - log p(x_{t-1}|x_t) over sampled chains; 40,000 chains, 4 standard errors."""
    n, schedule = 40_000, DDPM.linear(8, 0.05, 0.5)
    oracle = GaussianOracle(0.0, 0.25, schedule)
    x0 = 0.5 * torch.randn(n, 1, generator=generator, dtype=F64)
    chain = forward_chain(x0, schedule, generator=generator)
    total = -normal().log_prob(chain[-1])
    for k, step in zip(range(8, 0, -1), steps_of(schedule, ddpm_times(schedule, 8)), strict=True):
        beta = schedule.betas[k - 1].item()
        forward = Gaussian((1 - beta) ** 0.5 * chain[k - 1], var=beta)
        back = Gaussian(reverse_posterior(oracle.x0(chain[k], step.t), chain[k], step).mean, var=beta)
        total = total + forward.log_prob(chain[k]) - back.log_prob(chain[k - 1])
    truth = exact_gaussian_bound(0.0, 0.25, schedule).total.item()
    assert abs(total.mean().item() - truth) < 4 * total.std().item() / n**0.5


def test_exact_variance_leaves_the_priors_gap_only(generator: torch.Generator) -> None:
    """With the reverse steps' own variance every step is exact: what is left is KL(q(x_T) || N(0, 1))."""
    schedule = DDPM.linear(5, 0.05, 0.5)
    law = normal(0.25)
    x0 = law.sample((40_000,), generator=generator)
    bound = diffusion_bound(
        exact_denoiser(law, schedule),
        x0,
        ddpm_times(schedule, 5),
        variance=gaussian_variance(0.25),
        generator=generator,
    )
    V = law.noised(schedule.alpha(1.0), schedule.sigma(1.0)).variance.item()
    truth = law.entropy().item() + 0.5 * (V - 1 - math.log(V))
    assert abs(bound.total.mean().item() - truth) < 4 * bound.total.std().item() / 40_000**0.5


def test_learned_variance_takes_both_halves_of_one_call() -> None:
    """A network that says 1 means beta: the same numbers as variance="beta", with as many calls as steps."""
    schedule, calls = DDPM.linear(6, 0.05, 0.5), []

    def network(x: Tensor, t: Tensor) -> Tensor:
        calls.append(t)
        return torch.cat([0.3 * x, torch.ones_like(x)], 1)

    x0, times = torch.linspace(-1, 1, 4, dtype=F64)[:, None], ddpm_times(schedule, 6)
    learned = LearnedVariance(network, schedule, "eps")
    plain = Denoiser(lambda x, t: 0.3 * x, schedule, "eps")
    a = diffusion_bound(learned, x0, times, variance="learned", generator=torch.Generator().manual_seed(3))
    b = diffusion_bound(plain, x0, times, generator=torch.Generator().manual_seed(3))
    assert len(calls) == 6
    torch.testing.assert_close(a.total, b.total, rtol=1e-12, atol=1e-12)


def test_costs_of_images_add_up_over_their_entries() -> None:
    """Two equal copies of a point cost twice as much, whatever the shape of the event."""
    schedule = Rectified()
    denoiser = Denoiser(lambda x, t: 0.5 * x, schedule, "x0")
    x0 = torch.full((2000, 1), 0.3, dtype=F64)
    g = torch.Generator().manual_seed(4)
    wide = diffusion_bound(
        denoiser, x0.expand(2000, 8).reshape(2000, 2, 2, 2), [0.9, 0.5, 0.0], generator=g
    ).total
    one = diffusion_bound(denoiser, x0, [0.9, 0.5, 0.0], generator=g).total
    error = (wide.var() / 2000 + 64 * one.var() / 2000).sqrt()
    assert abs(wide.mean() - 8 * one.mean()) < 4 * error


def test_grey_levels_are_coded_by_the_decoder() -> None:
    """Two grey levels, a denoiser that knows nothing: the last step costs what the decoder says of the guess 0."""
    schedule = DDPM.linear(4, 0.05, 0.5)
    denoiser = Denoiser(lambda x, t: torch.zeros_like(x), schedule, "x0")
    x0 = torch.tensor([[-1.0, 1.0], [1.0, 1.0]], dtype=F64)
    decoder = partial(discretised_gaussian, levels=2)
    bound = diffusion_bound(denoiser, x0, ddpm_times(schedule, 4), decoder=decoder)
    torch.testing.assert_close(bound.reconstruction, torch.full((2,), 2 * math.log(2), dtype=F64))
