"""The variance that a sampler leaves, against DDPM's published step and the samplers themselves."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from gmlib.diffusion import variance_recursion
from gmlib.distributions import Gaussian
from gmlib.noise import (
    DDPM,
    EDM,
    Rectified,
    Schedule,
    VPCosine,
    VPLinear,
    ancestral,
    ddim,
    ddpm_times,
    dpm_solver_2m,
    exact_denoiser,
    snr_times,
)

F64 = torch.float64
SCHEDULE = DDPM.linear()


def final(var: float, n: int, **options: Any) -> float:
    return float(variance_recursion(var, SCHEDULE, ddpm_times(SCHEDULE, n), **options)[-1])


def written_down(
    front: str = "alpha", above: str = "beta", below: str = "1 - bar", last_noise: bool = False
) -> float:
    """N(0, 1/4), 1,000 steps x <- (x - above/sqrt(below) eps)/sqrt(front) + sqrt(beta) z, from 1."""
    var, size = 0.25, 1.0
    bar = torch.cumprod(1 - SCHEDULE.betas, 0).tolist()
    for k in range(999, -1, -1):
        beta = float(SCHEDULE.betas[k])
        value = {"alpha": 1 - beta, "beta": beta, "bar": bar[k], "1 - bar": 1 - bar[k]}
        eps = math.sqrt(1 - bar[k]) / (bar[k] * var + 1 - bar[k])
        factor = (1 - value[above] / math.sqrt(value[below]) * eps) / math.sqrt(value[front])
        size = factor * factor * size + (beta if k or last_noise else 0.0)
        if size > 1e30:
            return math.inf
    return size


def test_ancestral_sampler() -> None:
    """N(0, 1/4): .2508 (beta) and .2461 (beta tilde) after 1,000 steps, .2619 and .1972 after 50, .2676 with noise also
    at the last; DDIM .2222. One step undoes one step: with the product of all steps in a wrong place it does not."""
    assert final(0.25, 1000, start_var=1.0) == pytest.approx(written_down(), rel=1e-9)
    assert final(0.25, 1000, start_var=1.0, last_noise=True) == pytest.approx(written_down(last_noise=True))
    for n, options, wanted in (
        (1000, {}, 0.2508),
        (1000, {"variance": "beta_tilde"}, 0.2461),
        (50, {}, 0.2619),
        (50, {"last_noise": True}, 0.2676),
        (50, {"variance": "beta_tilde"}, 0.1972),
        (50, {"sampler": "ddim"}, 0.2222),
        (50, {"sampler": "ddim", "eta": 1.0}, 0.1972),
        (1000, {"sampler": "ddim"}, 0.2485),
    ):
        assert final(0.25, n, **options) == pytest.approx(wanted, abs=5e-5)
    assert written_down(front="bar") == math.inf
    assert written_down(front="bar", above="1 - bar") == pytest.approx(0.0112, abs=5e-5)
    assert written_down(below="beta") == pytest.approx(0.0305, abs=5e-5)


def test_bars_everywhere_jump_to_the_end() -> None:
    """With a bar in front, above and below, the step is the guess of x0 itself, from every level."""
    bar = float(SCHEDULE.alpha_bar[300])
    x0, eps = 0.5, -0.8
    x = math.sqrt(bar) * x0 + math.sqrt(1 - bar) * eps
    assert (x - (1 - bar) / math.sqrt(1 - bar) * eps) / math.sqrt(bar) == pytest.approx(x0, abs=1e-14)


def test_reverse_variance() -> None:
    """beta is exact for N(0, I), beta tilde for one point. Ten steps 1000, 900, ..., 100, v = 1: 1.000 with beta at every
    step, .897 without it at the last, .548 with beta tilde; all tend to 1."""
    assert final(1.0, 10, start_var=1.0, last_noise=True) == pytest.approx(1.0, abs=1e-12)
    assert final(1.0, 10) == pytest.approx(0.897, abs=5e-4)
    assert final(1.0, 10, variance="beta_tilde") == pytest.approx(0.548, abs=5e-4)
    gaps = [[1 - final(1.0, n, variance=v) for n in (10, 100)] for v in ("beta", "beta_tilde")]
    assert all(a > 5 * b > 0 for a, b in gaps)
    times = ddpm_times(SCHEDULE, 10)
    point = variance_recursion(0.0, SCHEDULE, times, variance="beta_tilde")
    torch.testing.assert_close(point, SCHEDULE.sigma(times).square(), rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize(
    "schedule", [VPLinear(), VPCosine(), EDM(), Rectified()], ids=lambda s: type(s).__name__
)
def test_the_path_of_the_sampler_has_the_variances_of_the_recursion(schedule: Schedule) -> None:
    """At every time, for DDIM and 2M: without noise the variance is the square of what multiplies the start."""
    times = snr_times(schedule, 8, low=-4.0, high=6.0)
    denoiser = exact_denoiser(Gaussian(torch.zeros(1, dtype=F64), var=0.25), schedule)
    for sampler in (ddim, dpm_solver_2m):
        found = sampler(denoiser, torch.ones(1, 1, dtype=F64), times, path=True).path
        assert found is not None
        wanted = variance_recursion(0.25, schedule, times, sampler=sampler.__name__, start_var=1.0)
        torch.testing.assert_close(found.flatten().square(), wanted, rtol=1e-9, atol=1e-14)


def test_the_whole_chain() -> None:
    """Every step of T = 100, run on the same noise as the published step by hand."""
    schedule, var = DDPM.linear(100), 0.25
    times = ddpm_times(schedule, 100)
    denoiser = exact_denoiser(Gaussian(torch.zeros(1, dtype=F64), var=var), schedule, "eps")
    start = torch.tensor([[1.0], [-0.5]], dtype=F64)
    found = ancestral(denoiser, start, times, generator=torch.Generator().manual_seed(0))
    assert found.nfe == 100
    draw, x = torch.Generator().manual_seed(0), start
    for beta, bar in zip(schedule.betas.flip(0).tolist(), schedule.alpha_bar.flip(0).tolist(), strict=False):
        eps = math.sqrt(1 - bar) / (bar * var + 1 - bar) * x
        x = (x - beta / math.sqrt(1 - bar) * eps) / math.sqrt(1 - beta)
        if beta != float(schedule.betas[0]):
            x = x + math.sqrt(beta) * torch.randn(2, 1, dtype=F64, generator=draw)
    torch.testing.assert_close(found.x, x, rtol=1e-9, atol=1e-11)


BAD: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"var": -1.0}, ValueError, "var must be"),
    ({"var": "1"}, TypeError, "var must be a real number"),
    ({"schedule": "ddpm"}, TypeError, "schedule must be a Schedule, got str"),
    ({"times": [0.5]}, ValueError, "times must be at least two, got 1"),
    ({"sampler": "ancestor"}, ValueError, "sampler must be one of 'ancestral'"),
    ({"variance": "learned"}, ValueError, "variance must be one of 'beta', 'beta_tilde'"),
    ({"eta": 1.5}, ValueError, "eta must be"),
    ({"start_var": -1.0}, ValueError, "start_var must be"),
]


@pytest.mark.bad_input
@pytest.mark.parametrize(("wrong", "error", "message"), BAD)
def test_refused_by_name(wrong: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        variance_recursion(**{"var": 0.25, "schedule": SCHEDULE, "times": [1.0, 0.0], **wrong})
