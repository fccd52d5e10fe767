"""The diffusion term: a Riemann sum of T steps, its limit, and what does not depend on the schedule."""

import math
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parent))
from continuous_time import HIGH, LOW, legendre, signs

from gmlib.diffusion import LearnedSchedule, MonotoneLogSNR, bound_weight, instant_loss, step_loss
from gmlib.distributions import Gaussian
from gmlib.noise import Denoiser, Rectified, Schedule, VPCosine, VPLinear, exact_denoiser

STANDARD = Gaussian(torch.zeros(1, dtype=torch.float64), var=1.0)


def mean_loss(schedule: Schedule, s: Tensor | None, t: Tensor) -> Tensor:
    """The mean over data N(0, 1) and noise of the loss of the exact denoiser, at each of the times t."""
    denoiser = exact_denoiser(STANDARD, schedule)
    x, noise = signs(len(t))
    times = t.repeat_interleave(4)
    if s is None:
        return instant_loss(denoiser, x, times, noise).reshape(-1, 4).mean(1)
    return step_loss(denoiser, x, s.repeat_interleave(4), times, noise).reshape(-1, 4).mean(1)


def test_continuous_diffusion_loss() -> None:
    low, high = math.log(1e-2), math.log(1e3)
    schedule = Rectified()
    limit = 0.5 * math.log((1 + 1e3) / (1 + 1e-2))
    assert limit == pytest.approx(3.449, abs=5e-4)
    totals = []
    for steps, printed in ((10, 5.94), (100, 3.626), (1000, 3.466)):
        level = torch.linspace(high, low, steps + 1, dtype=torch.float64)
        times = schedule.t_of_log_snr(level)
        each = mean_loss(schedule, times[:-1], times[1:])
        assert bool((each > 0).all())
        ratio = level.exp()
        exact = 0.5 * ((ratio[:-1] - ratio[1:]) / (1 + ratio[1:])).sum()
        assert float(each.sum()) == pytest.approx(float(exact), rel=1e-11)
        assert float(exact) == pytest.approx(printed, abs=5e-3 if steps == 10 else 5e-4)
        totals.append(float(exact))
    assert totals[0] > totals[1] > totals[2] > limit
    # The limit: the instants' loss integrated over time.
    first, last = (float(schedule.t_of_log_snr(end)) for end in (high, low))
    t, weights = legendre(first, last, 400)
    assert float(weights @ mean_loss(schedule, None, t)) == pytest.approx(limit, rel=1e-9)


def test_schedule_invariance() -> None:
    limit = 0.5 * (math.log1p(math.exp(HIGH)) - math.log1p(math.exp(LOW)))
    assert limit == pytest.approx(4.60472, abs=5e-6)
    for schedule in (VPLinear(), VPCosine(), Rectified()):
        # With t = e^w: the loss grows as 1/t towards the clean end.
        first, last = (float(schedule.t_of_log_snr(end)) for end in (HIGH, LOW))
        w, weights = legendre(math.log(first), math.log(last), 500)
        value = weights @ (mean_loss(schedule, None, w.exp()) * w.exp())
        assert float(value) == pytest.approx(limit, rel=1e-9)
    learnt = LearnedSchedule(MonotoneLogSNR(LOW, HIGH).double())
    even = (torch.arange(10_000, dtype=torch.float64) + 0.5) / 10_000
    assert float(mean_loss(learnt, None, even).mean().detach()) == pytest.approx(limit, rel=1e-6)
    # Other ends are another loss.
    other = VPLinear()
    t, weights = legendre(0.1, float(other.t_of_log_snr(LOW)), 300)
    assert float(weights @ mean_loss(other, None, t)) < limit - 1


def test_a_step_of_any_size_is_the_difference_of_snr_times_the_clean_error() -> None:
    generator = torch.Generator().manual_seed(0)
    x, noise = (torch.randn(6, 2, 3, generator=generator, dtype=torch.float64) for _ in range(2))
    s, t = torch.full((6,), 0.2, dtype=torch.float64), torch.full((6,), 0.7, dtype=torch.float64)
    schedule = VPCosine()
    denoiser = Denoiser(lambda z, t: 0.3 * z, schedule, "x0")
    z = schedule.alpha(0.7) * x + schedule.sigma(0.7) * noise
    error = (x - 0.3 * z).square().flatten(1).sum(1)
    ratio = [math.exp(float(schedule.log_snr(at))) for at in (0.2, 0.7)]
    assert torch.allclose(
        step_loss(denoiser, x, s, t, noise), 0.5 * (ratio[0] - ratio[1]) * error, rtol=1e-12
    )


def test_the_bounds_weight_is_half_the_fall_of_the_log_snr() -> None:
    for schedule in (VPLinear(), VPCosine(), Rectified()):
        t = torch.linspace(0.01, 0.98, 20, dtype=torch.float64, requires_grad=True)
        (slope,) = torch.autograd.grad(schedule.log_snr(t).sum(), t)
        assert torch.allclose(bound_weight(schedule, t), -0.5 * slope, rtol=1e-9)


@pytest.mark.bad_input
def test_bad_input() -> None:
    x, t = torch.zeros(2, 3), torch.tensor([0.2, 0.5])
    denoiser = Denoiser(lambda z, t: z, VPLinear(), "eps")
    with pytest.raises(ValueError, match=r"s must have shape \(2,\), as t, got \(1,\)"):
        step_loss(denoiser, x, t[:1], t, x)
    with pytest.raises(ValueError, match=r"s must not be later than t, got a step from t to s = t \+ 0.1"):
        step_loss(denoiser, x, t + torch.tensor([0.1, -0.1]), t, x)
    with pytest.raises(TypeError, match=r"t must be a torch.Tensor, got float"):
        step_loss(denoiser, x, t, 0.5, x)
    with pytest.raises(TypeError, match="denoiser must be a Denoiser"):
        instant_loss(None, x, t, x)
    with pytest.raises(ValueError, match="noise must have shape"):
        instant_loss(denoiser, x, t, x[:1])
    with pytest.raises(TypeError, match="schedule must be a Schedule"):
        bound_weight(None, t)
