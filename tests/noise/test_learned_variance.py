"""The variance of a reverse step: the one that is exact for normal data, and the one that a network learns."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from gmlib.distributions import Gaussian
from gmlib.noise import (
    DDPM,
    EDM,
    VE,
    LearnedVariance,
    Rectified,
    Schedule,
    SubVP,
    VPCosine,
    VPLinear,
    ancestral,
    ddim,
    ddpm_times,
    exact_denoiser,
    gaussian_variance,
    snr_times,
)
from gmlib.noise.samplers import interpolated_variance, steps_of

F64 = torch.float64
SCHEDULES: list[Schedule] = [VPLinear(), VPCosine(), VE(), SubVP(), EDM(), Rectified(), DDPM.linear()]


@pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda s: type(s).__name__)
@pytest.mark.parametrize("n", [1, 5])
@pytest.mark.parametrize("var", [1e-6, 0.3, 25.0])
def test_ancestral_sampling_of_a_normal_law_is_exact(schedule: Schedule, n: int, var: float) -> None:
    """In any number of steps: from N(alpha m, alpha² v + sigma²) at the first time to the same at the last.

    The law of the end is read off the sampler: what it does to 0 and to 1, and the noise of each step that passes on.
    """
    mean, times = 1.7, snr_times(schedule, n, low=-4.0, high=5.0)
    denoiser = exact_denoiser(Gaussian(torch.tensor([mean], dtype=F64), var=var), schedule)
    exact = gaussian_variance(var)
    alpha, sigma = schedule.alpha(times).tolist(), schedule.sigma(times).tolist()
    size, centre = alpha[0] ** 2 * var + sigma[0] ** 2, alpha[0] * mean
    for step in steps_of(schedule, times):
        two = torch.tensor([[0.0], [1.0]], dtype=F64)
        zero, one = ancestral(denoiser, two, [step.t, step.s]).x.flatten().tolist()
        centre = zero + (one - zero) * centre
        size = (one - zero) ** 2 * size + float(exact(two, step))
    assert centre == pytest.approx(alpha[-1] * mean, rel=1e-9)
    assert size == pytest.approx(alpha[-1] ** 2 * var + sigma[-1] ** 2, rel=1e-9)


def test_one_step_draws_from_the_data() -> None:
    """From pure noise to t = 0 in one step with its noise: N(m, v) itself, for each coordinate."""
    mean, var = torch.tensor([1.0, -2.0], dtype=F64), torch.tensor([0.25, 4.0], dtype=F64)
    denoiser = exact_denoiser(Gaussian(mean, var=var), Rectified(), "velocity")
    draw, same = (torch.Generator().manual_seed(0) for _ in range(2))
    found = ancestral(
        denoiser,
        torch.full((3, 2), 7.0, dtype=F64),
        [1.0, 0.0],
        variance=gaussian_variance(var),
        last_noise=True,
        generator=draw,
    )
    wanted = mean + var.sqrt() * torch.randn(3, 2, dtype=F64, generator=same)
    torch.testing.assert_close(found.x, wanted, rtol=1e-10, atol=1e-10)


def test_exact_variance_lies_between_the_two() -> None:
    """It is beta tilde for one point and beta for N(0, 1) on a variance-preserving schedule, and grows with v."""
    schedule, x = VPLinear(), torch.zeros(1)
    for step in steps_of(schedule, [1.0, 0.6, 0.3, 0.01]):
        sizes = [float(gaussian_variance(v)(x, step)) for v in (0.0, 0.3, 1.0)]
        assert sizes[0] == pytest.approx(step.beta_tilde, rel=1e-12)
        assert sizes[2] == pytest.approx(step.beta, rel=1e-9)
        assert sizes[0] < sizes[1] < sizes[2]


def test_interpolation_is_between_logarithms() -> None:
    out = torch.linspace(-1.5, 1.5, 7, dtype=F64)
    for step in steps_of(DDPM.linear(50), ddpm_times(DDPM.linear(50), 10))[:-1]:
        r = (out + 1) / 2
        wanted = torch.exp(r * math.log(step.beta) + (1 - r) * math.log(step.beta_tilde))
        torch.testing.assert_close(interpolated_variance(out, step), wanted, rtol=1e-10, atol=0)
    last = steps_of(DDPM.linear(50), [0.02, 0.0])[0]
    assert torch.equal(interpolated_variance(out, last), torch.zeros_like(out))


@pytest.mark.parametrize(("told", "variance"), [(1.0, "beta"), (-1.0, "beta_tilde")])
def test_a_network_that_says_one_end_is_that_sampler(told: float, variance: Any) -> None:
    """One call a step gives both halves; other samplers use the first half alone."""
    schedule, calls = VPLinear(), []

    def network(x: Tensor, t: Tensor) -> Tensor:
        calls.append(t)
        return torch.cat([0.3 * x, torch.full_like(x, told)], 1)

    model = LearnedVariance(network, schedule, "eps")
    x = torch.randn(4, 3, 2, 2, generator=torch.Generator().manual_seed(0), dtype=F64)
    times = [0.9, 0.5, 0.2, 0.0]
    learned = ancestral(
        model, x, times, variance="learned", generator=torch.Generator().manual_seed(1), last_noise=True
    )
    assert len(calls) == learned.nfe == 3
    fixed = ancestral(
        model, x, times[:-1], variance=variance, generator=torch.Generator().manual_seed(1), last_noise=True
    )
    end = ancestral(model, fixed.x, times[-2:])
    torch.testing.assert_close(learned.x, end.x, rtol=1e-10, atol=1e-10)
    plain = ddim(model, x, times)
    assert plain.x.shape == x.shape


def test_the_learned_variance_of_each_coordinate_is_used() -> None:
    """With r for the exact variance of N(0, v), the sampler is exact: log s² = log beta tilde + r log(beta/beta tilde)."""
    schedule, var = VPCosine(), torch.tensor([0.1, 0.8], dtype=F64)
    step = steps_of(schedule, [0.8, 0.3])[0]
    exact = gaussian_variance(var)(torch.zeros(1, 2), step)
    out = 2 * torch.log(torch.as_tensor(exact) / step.beta_tilde) / math.log(step.beta / step.beta_tilde) - 1
    torch.testing.assert_close(interpolated_variance(out, step), torch.as_tensor(exact), rtol=1e-10, atol=0)


@pytest.mark.bad_input
def test_refused_by_name() -> None:
    x = torch.zeros(2, 3)
    short = LearnedVariance(lambda x, t: x, Rectified(), "x0")
    plain = exact_denoiser(Gaussian(torch.zeros(3), var=1.0), Rectified())
    with pytest.raises(
        ValueError, match=r"network must return shape \(2, 6\), two tensors like x, got \(2, 3\)"
    ):
        ancestral(short, x, [0.5, 0.0], variance="learned")
    with pytest.raises(TypeError, match="denoiser must be a LearnedVariance, got Denoiser"):
        ancestral(plain, x, [0.5, 0.0], variance="learned")
    with pytest.raises(ValueError, match="var must be"):
        gaussian_variance(-1.0)
    with pytest.raises(ValueError, match="var must not be negative, got -1"):
        gaussian_variance(torch.tensor([1.0, -1.0]))
    with pytest.raises(ValueError, match="var must not be negative, got nan"):
        gaussian_variance(torch.tensor([1.0, float("nan")]))
