"""Guidance of normal laws: what is aimed at, what is followed, and what comes out."""

from __future__ import annotations

import math

import pytest
import torch

from gmlib.diffusion.guidance import GaussianGuidance
from gmlib.distributions import Gaussian
from gmlib.noise import DDPM, VPCosine, exact_denoiser
from gmlib.noise.guidance import ClassifierFree, ClassifierGuided, weight_from
from gmlib.noise.samplers import ancestral, ddim, ddpm_times, snr_times

F64 = torch.float64
CASE = GaussianGuidance(1.0, 0.25, 0.0, 1.25)  # x | c ~ N(c, 1/4), c ~ N(0, 1)
LABEL = torch.zeros(1, dtype=torch.long)


def test_classifier_guidance() -> None:
    """w = 1 is Bayes' rule; at w = 3 the slope of the guided score is -2.5, that of the noised tilted law -1.75."""
    # x ~ N(0, 1), c | x ~ N(x, 1/2): given c, x ~ N(2c/3, 1/3).
    c, schedule = 0.8, VPCosine()
    t = float(schedule.t_of_log_snr(0.0))  # alpha^2 = sigma^2 = 1/2
    alpha = float(schedule.alpha(t))
    assert alpha**2 == pytest.approx(0.5)
    prior = exact_denoiser(Gaussian(torch.zeros(1, dtype=F64), var=1.0), schedule)
    x = torch.linspace(-2, 2, 9, dtype=F64)[:, None]

    def log_prob(x: torch.Tensor, t: float) -> torch.Tensor:
        # x_0 | x_t ~ N(alpha x_t, sigma^2), so c | x_t ~ N(alpha x_t, sigma^2 + 1/2).
        a, s = schedule.alpha(t), schedule.sigma(t)
        return -((c - a * x[:, 0]) ** 2) / (2 * (s**2 + 0.5))

    exact = Gaussian(torch.full((1,), 2 * c / 3, dtype=F64), var=1 / 3).noised(alpha, alpha)
    bayes = ClassifierGuided(prior, log_prob, 1.0).score(x, t)
    torch.testing.assert_close(bayes, exact.score(x), rtol=0, atol=1e-12)
    case = GaussianGuidance(2 * c / 3, 1 / 3, 0.0, 1.0)
    guided = ClassifierGuided(prior, log_prob, 3.0).score(x, t)
    torch.testing.assert_close(guided, case.score(x, 3.0, alpha, alpha), rtol=0, atol=1e-12)
    slope = (guided[-1] - guided[0]) / (x[-1] - x[0])
    assert slope.item() == pytest.approx(-2.5, abs=1e-12)
    assert -1 / (0.5 * case.tilt(3.0).var + 0.5) == pytest.approx(-1.75)


def test_classifier_free_guidance() -> None:
    """The tilt at w = 4 of m = 2, v = 1/4 within N(0, 1); and the conventions of other texts."""
    tilt = GaussianGuidance(2.0, 0.25, 0.0, 1.0).tilt(4.0)
    assert tilt.mean == pytest.approx(32 / 13, abs=1e-12)  # 2.4615
    assert tilt.var == pytest.approx(1 / 13, abs=1e-12)  # .0769
    conditional, unconditional = torch.tensor([0.3, -1.2]), torch.tensor([1.0, 0.4])
    for rho in (-1.0, 0.0, 0.5, 3.0):
        theirs = (1 + rho) * conditional - rho * unconditional
        w = weight_from(rho, "excess")
        torch.testing.assert_close(unconditional + w * (conditional - unconditional), theirs)
    assert weight_from(2.5, "difference") == 2.5


def test_cfg_is_not_the_tilt() -> None:
    """w = 2 with DDPM's grid: ancestral (1.2003, .1037), DDIM (1.3196, .0494); the tilted law is (1.1111, .1389)."""
    schedule = DDPM.linear()
    times = ddpm_times(schedule, 1000)
    assert CASE.tilt(2.0) == pytest.approx((10 / 9, 5 / 36))
    assert CASE.sampled(2.0, schedule, times)[-1] == pytest.approx((1.2003, 0.1037), abs=6e-5)
    assert CASE.sampled(2.0, schedule, times, sampler="ddim")[-1] == pytest.approx((1.3196, 0.0494), abs=6e-5)
    plain = CASE.sampled(1.0, schedule, times)[-1]
    assert plain == pytest.approx((1.0, 0.2508), abs=6e-5)


@pytest.mark.parametrize("case", [CASE, GaussianGuidance(-0.4, 0.5, 0.7, 2.0)])
@pytest.mark.parametrize("w", [0.0, 0.5, 1.0, 2.0, 3.0])
def test_the_flow_limit_is_that_of_ddim(case: GaussianGuidance, w: float) -> None:
    schedule = VPCosine()
    times = torch.cat([snr_times(schedule, 8000, low=-10.0, high=20.0), torch.zeros(1, dtype=F64)])
    found = case.sampled(w, schedule, times, sampler="ddim")[-1]
    # The start of the sampler is N(0, sigma^2), that of the limit N(0, U alpha^2): the same.
    assert case.flow_limit(w, log_snr=-10.0) == pytest.approx(found, rel=3e-3, abs=1e-4)


def test_the_limit_of_an_endless_flow() -> None:
    """v^w v0^(1-w) = .05; the mean at w = 2 has an elementary integral."""
    s = math.sqrt(1.25)
    integral = s / (s**2 - 1) - 0.5 * math.log((s - 1) / (s + 1))
    mean, var = CASE.flow_limit(2.0)
    assert mean == pytest.approx(0.25 / s * integral, abs=1e-10)  # 1.3228
    assert var == pytest.approx(0.05, abs=1e-12)
    # At DDPM's end 1/5 of a percent of it is still missing.
    assert CASE.flow_limit(2.0, log_snr=float(DDPM.linear().log_snr(1.0))).mean == pytest.approx(
        1.3200, abs=5e-5
    )


@pytest.mark.parametrize("sampler", ["ancestral", "ddim"])
@pytest.mark.parametrize("w", [0.0, 1.0, 2.5])
def test_the_recursion_is_what_the_samplers_do(sampler: str, w: float) -> None:
    schedule, n = VPCosine(), 200_000
    times = snr_times(schedule, 12, low=-8.0, high=8.0)
    guided = ClassifierFree(CASE.denoiser(schedule), w, {"label": 1})
    generator = torch.Generator().manual_seed(0)
    start = float(schedule.sigma(times[0])) * torch.randn(n, 1, dtype=F64, generator=generator)
    label = torch.zeros(n, dtype=torch.long)
    if sampler == "ddim":
        found = ddim(guided, start, times, label=label)
    else:
        found = ancestral(guided, start, times, generator=generator, label=label)
    mean, var = CASE.sampled(w, schedule, times, sampler=sampler)[-1]  # pyright: ignore[reportArgumentType]
    assert found.x.mean().item() == pytest.approx(mean, abs=5 * math.sqrt(var / n))
    assert found.x.var().item() == pytest.approx(var, rel=5 * math.sqrt(2 / n))


def test_at_every_time_the_guided_score_is_that_of_the_noised_densities_tilt() -> None:
    x = torch.linspace(-1, 2, 5, dtype=F64)
    for alpha, sigma in ((1.0, 0.0), (0.8, 0.6), (0.1, 1.0)):
        mean, var = CASE.noised_tilt(2.0, alpha, sigma)
        torch.testing.assert_close(CASE.score(x, 2.0, alpha, sigma), (mean - x) / var, rtol=0, atol=1e-12)


def test_the_denoiser_keeps_the_digits_of_its_points() -> None:
    """m = .1 and v = .3 are no numbers of float32."""
    case, x = GaussianGuidance(0.1, 0.3, -0.7, 1.1), torch.tensor([[0.4], [0.4]], dtype=F64)
    schedule, label = VPCosine(), torch.tensor([0, 1])
    a, s = float(schedule.alpha(0.3)), float(schedule.sigma(0.3))
    wanted = [m + a * v / (a**2 * v + s**2) * (0.4 - a * m) for m, v in ((0.1, 0.3), (-0.7, 1.1))]
    found = case.denoiser(schedule).x0(x, 0.3, label=label)
    assert found[:, 0].tolist() == pytest.approx(wanted, rel=0, abs=1e-14)


@pytest.mark.bad_input
def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="var must be"):
        GaussianGuidance(1.0, 0.0)
    with pytest.raises(ValueError, match="all_var must be"):
        GaussianGuidance(1.0, 1.0, 0.0, -1.0)
    with pytest.raises(ValueError, match="w = -1 gives a density that cannot be normalised"):
        GaussianGuidance(0.0, 0.25, 0.0, 1.0).tilt(-1.0)
    with pytest.raises(ValueError, match="sampler must be one of"):
        CASE.sampled(1.0, DDPM.linear(), [1.0, 0.5], sampler="heun")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="convention must be one of"):
        weight_from(1.0, "w")  # pyright: ignore[reportArgumentType]
