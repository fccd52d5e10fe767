"""The learnt schedule: it falls whatever its weights, keeps the variance, and finds the one that does not vary."""

import math
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).parent))
from continuous_time import HIGH, LOW, GeometricVariance

from gmlib.diffusion import LearnedSchedule, MonotoneLogSNR, noise_error, one_draw_variance
from gmlib.distributions import Gaussian
from gmlib.noise import Denoiser, exact_denoiser


def random_curve(seed: int, **options: bool) -> MonotoneLogSNR:
    curve = MonotoneLogSNR(-6.0, 9.0, **options).double()
    generator = torch.Generator().manual_seed(seed)
    for weight in (curve.centre, curve.log_steepness, curve.log_height):
        nn.init.normal_(weight, std=2.0, generator=generator)
    return curve


def test_vdm_snr() -> None:
    t = torch.linspace(0, 1, 501, dtype=torch.float64)
    for seed in range(5):
        schedule = LearnedSchedule(random_curve(seed))
        log_snr, alpha, sigma = (f(t).detach() for f in (schedule.log_snr, schedule.alpha, schedule.sigma))
        assert bool((log_snr.diff() < 0).all())
        assert float(log_snr[0]) == pytest.approx(9.0, abs=1e-12)
        assert float(log_snr[-1]) == pytest.approx(-6.0, abs=1e-5)  # its logarithm was stored in float32
        assert torch.allclose(alpha**2 + sigma**2, torch.ones_like(t), atol=1e-14)
        assert torch.allclose(sigma**2, torch.sigmoid(-log_snr), atol=1e-14)
        # The inverse, where a difference of t can be seen in the log-SNR.
        assert torch.allclose(schedule.log_snr(schedule.t_of_log_snr(log_snr)).detach(), log_snr, atol=1e-7)


def test_slopes_are_derivatives() -> None:
    schedule = LearnedSchedule(random_curve(7))
    t = torch.linspace(0.01, 0.99, 37, dtype=torch.float64, requires_grad=True)
    for value, slope in (
        (schedule.log_snr(t), schedule.curve.slope(t)),
        (schedule.alpha(t), schedule.d_alpha(t)),
        (schedule.sigma(t), schedule.d_sigma(t)),
        (-2 * schedule.alpha(t).log(), schedule.beta(t)),
    ):
        (exact,) = torch.autograd.grad(value.sum(), t, retain_graph=True)
        assert torch.allclose(slope, exact, rtol=1e-9, atol=1e-11)
    assert torch.allclose(schedule.g(t) ** 2, -2 * schedule.f(t), rtol=1e-12)


def test_the_inverse_passes_the_gradient() -> None:
    schedule = LearnedSchedule(random_curve(3, learn_ends=True))
    level = torch.tensor([-2.0, 0.0, 5.0], dtype=torch.float64, requires_grad=True)
    t = schedule.t_of_log_snr(level)
    (slope,) = torch.autograd.grad(t.sum(), level, retain_graph=True)
    assert torch.allclose(slope, 1 / schedule.curve.slope(t), rtol=1e-6)
    (of_centre,) = torch.autograd.grad(t.sum(), schedule.curve.centre)
    step = torch.zeros_like(schedule.curve.centre)
    step[0] = 1e-5
    ends = []
    for sign in (1, -1):
        with torch.no_grad():
            schedule.curve.centre += sign * step
            ends.append(schedule.t_of_log_snr(level.detach()).sum())
            schedule.curve.centre -= sign * step
    assert float(of_centre[0]) == pytest.approx(float(ends[0] - ends[1]) / 2e-5, rel=1e-4, abs=1e-9)


def test_end_points_train_if_asked() -> None:
    fixed, free = MonotoneLogSNR(-6.0, 9.0), MonotoneLogSNR(-6.0, 9.0, learn_ends=True)
    assert not fixed.high.requires_grad
    assert float(free.low.detach()) == pytest.approx(-6.0, abs=1e-5)
    nn.init.constant_(free.log_width, -10.0)  # however the weights go, low stays below high
    assert bool(free.low < free.high)
    free(torch.zeros(1)).sum().backward()
    assert float(free.high.grad) == 1.0


def test_a_model_takes_its_schedule_along() -> None:
    schedule = LearnedSchedule(MonotoneLogSNR(-6.0, 6.0))
    denoiser = Denoiser(nn.Identity(), schedule, "eps")
    assert set(schedule.parameters()) <= set(denoiser.parameters())
    exact = exact_denoiser(Gaussian(torch.zeros(1), var=1.0), schedule)
    level = torch.tensor([0.0, 2.0])
    x = torch.ones(
        2, 1
    )  # eps - alpha (alpha eps + sigma x) / (alpha^2 + sigma^2) for x = eps = 1 is (1 - s) - sqrt(s (1 - s))
    s = torch.sigmoid(level)
    error = noise_error(exact, x, level, torch.ones(2, 1))
    assert torch.allclose(error, (s - (s * (1 - s)).sqrt()).square(), atol=1e-5)


def test_learned_schedule() -> None:
    # One draw of the time: on N(0, 1) the loss is -lambda'/2 sigmoid(lambda). Its mean does not know the schedule.
    width, mean = HIGH - LOW, 0.5 * (math.log1p(math.exp(HIGH)) - math.log1p(math.exp(LOW)))
    t = (torch.arange(20_000, dtype=torch.float64) + 0.5) / 20_000
    curve = MonotoneLogSNR(LOW, HIGH).double()
    with torch.no_grad():
        curve.log_height.fill_(-50.0)  # the log-SNR is linear
    linear = LearnedSchedule(curve)
    # The integral of sigmoid^2 is softplus - sigmoid.
    ends = [math.log1p(math.exp(end)) - 1 / (1 + math.exp(-end)) for end in (LOW, HIGH)]
    exact = math.sqrt(0.25 * width * (ends[1] - ends[0]) - mean**2)
    assert exact == pytest.approx(3.447, abs=5e-4)
    with torch.no_grad():
        assert float(one_draw_variance(linear, torch.sigmoid, t).sqrt()) == pytest.approx(exact, abs=1e-6)
        # The best one: log(1 + R) linear in t.
        assert float(one_draw_variance(GeometricVariance(), torch.sigmoid, t).sqrt()) < 1e-10
    # A short training from a nearly linear start comes near it.
    learnt = LearnedSchedule(MonotoneLogSNR(LOW, HIGH).double())
    weights = [weight for weight in learnt.parameters() if weight.requires_grad]
    optimiser = torch.optim.Adam(weights, lr=0.06, betas=(0.9, 0.99))
    decay = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, 80)
    grid = (torch.arange(256, dtype=torch.float64) + 0.5) / 256
    for _ in range(80):
        optimiser.zero_grad()
        one_draw_variance(learnt, torch.sigmoid, grid).backward()
        optimiser.step()
        decay.step()
    with torch.no_grad():
        assert float(one_draw_variance(learnt, torch.sigmoid, t).sqrt()) < 0.5
        loss = -0.5 * learnt.curve.slope(t) * torch.sigmoid(learnt.log_snr(t))
        assert float(loss.mean()) == pytest.approx(mean, rel=1e-3)
        line = torch.log1p(learnt.log_snr(t).exp())
        straight = GeometricVariance().height(t)
        assert float((line - straight).abs().max()) < 0.15


@pytest.mark.bad_input
def test_bad_input() -> None:
    with pytest.raises(ValueError, match="low must be"):
        MonotoneLogSNR(1.0, 1.0)
    with pytest.raises(ValueError, match="hidden must be at least 1"):
        MonotoneLogSNR(0.0, 1.0, hidden=0)
    with pytest.raises(TypeError, match="curve must be a MonotoneLogSNR"):
        LearnedSchedule(nn.Identity())
    with pytest.raises(ValueError, match="t must be a finite number"):
        LearnedSchedule(MonotoneLogSNR(0.0, 1.0)).alpha(1.5)
    with pytest.raises(TypeError, match="error must be callable"):
        one_draw_variance(LearnedSchedule(MonotoneLogSNR(0.0, 1.0)), 1.0, torch.rand(3))
