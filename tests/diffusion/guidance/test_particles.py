"""Weighted particles along the guided chain reach the tilted law, which guidance alone does not."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from gmlib.diffusion.guidance import GaussianGuidance, guided_particles
from gmlib.diffusion.guidance.particles import systematic
from gmlib.noise import Denoiser, VPLinear

F64 = torch.float64
CASE = GaussianGuidance(1.0, 0.25, 0.0, 1.25)


def run(w: float, n: int = 10_000, resample_below: float = 0.5):
    schedule = VPLinear()
    times = schedule.t_of_log_snr(torch.linspace(float(schedule.log_snr(1.0)), 12.0, 801, dtype=F64))
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(n, 1, dtype=F64, generator=generator)
    return guided_particles(
        CASE.denoiser(schedule),
        x,
        times,
        w,
        {"label": 1},
        label=torch.zeros(n, dtype=torch.long),
        resample_below=resample_below,
        generator=generator,
    )


@pytest.mark.parametrize("resample_below", [0.0, 0.5])
def test_the_tilt_is_reached(resample_below: float) -> None:
    """(1.111, .139) at w = 2, where the guided chain without weights makes (1.20, .104)."""
    found = run(2.0, resample_below=resample_below)
    mean, var = CASE.tilt(2.0)
    # Standard errors of the weighted points, of which the last effective size m counts: of the mean sqrt(var / m), of the
    # variance sqrt(2 / m) of it. Four of them; .002 and 1 % are left for 800 steps.
    m = found.effective[-1].item()
    assert found.mean().item() == pytest.approx(mean, abs=4 * math.sqrt(var / m) + 0.002)
    assert found.variance().item() == pytest.approx(var, rel=4 * math.sqrt(2 / m) + 0.01)
    assert found.resampled >= 1 if resample_below else found.resampled == 0


@pytest.mark.parametrize("w", [0.0, 1.0])
def test_at_the_ends_all_weigh_the_same(w: float) -> None:
    found = run(w, n=500)
    torch.testing.assert_close(found.effective, torch.full_like(found.effective, 500.0))
    assert found.resampled == 0


def test_below_1_too() -> None:
    found = run(0.5)
    mean, var = CASE.tilt(0.5)
    m = found.effective[-1].item()  # tolerances as above
    assert found.mean().item() == pytest.approx(mean, abs=4 * math.sqrt(var / m) + 0.002)
    assert found.variance().item() == pytest.approx(var, rel=4 * math.sqrt(2 / m) + 0.01)


def test_one_call_a_step_and_rows_that_go_with_their_points() -> None:
    """Points that are drawn anew take what is told of them along; one row is for all."""
    sizes: list[int] = []
    schedule, n = VPLinear(), 200
    best = CASE.denoiser(schedule)

    def network(x: Tensor, t: Tensor, label: Tensor, own: Tensor, shared: Tensor) -> Tensor:
        sizes.append(len(x))
        assert shared.shape == (2 * n, 3)
        return best.x0(x - own, t, label=label) + own

    generator = torch.Generator().manual_seed(0)
    own = 100.0 * torch.arange(n, dtype=F64)[:, None]  # every point lives near its own number
    x = torch.randn(n, 1, dtype=F64, generator=generator) + own
    steps = torch.linspace(0.6, 0.01, 31)
    found = guided_particles(
        Denoiser(network, schedule, "x0"),
        x,
        steps,
        4.0,
        {"label": 1},
        label=torch.zeros(n, dtype=torch.long),
        own=own,
        shared=torch.zeros(1, 3),
        resample_below=1.0,
        generator=generator,
    )
    assert sizes == [2 * n] * 30
    assert found.resampled >= 1


def test_a_label_for_all_is_guided_too() -> None:
    schedule, times = VPLinear(), torch.linspace(0.9, 0.1, 9)
    x = torch.randn(50, 1, dtype=F64, generator=torch.Generator().manual_seed(0))
    each, one = (
        guided_particles(
            CASE.denoiser(schedule),
            x,
            times,
            3.0,
            {"label": 1},
            label=label,
            generator=torch.Generator().manual_seed(1),
        )
        for label in (torch.zeros(50, dtype=torch.long), torch.tensor(0))
    )
    assert torch.equal(each.x, one.x)
    assert torch.equal(each.effective, one.effective)


def test_systematic_resampling_rounds() -> None:
    weights = torch.rand(50, dtype=F64, generator=torch.Generator().manual_seed(1)).square()
    weights /= weights.sum()
    counts = torch.zeros(50)
    for seed in range(200):
        found = systematic(weights, generator=torch.Generator().manual_seed(seed)).bincount(minlength=50)
        assert ((found - 50 * weights).abs() < 1).all()
        counts += found
    # A count is one of two neighbours, so its variance is 1/4 at most: a mean of 200 is within .035, and four times that.
    torch.testing.assert_close(counts.double() / 200, 50 * weights, rtol=0, atol=4 * 0.5 / math.sqrt(200))


@pytest.mark.bad_input
def test_what_cannot_be_is_refused() -> None:
    model, x = CASE.denoiser(VPLinear()), torch.zeros(2, 1)
    with pytest.raises(ValueError, match="resample_below must be"):
        guided_particles(model, x, [0.9, 0.1], 1.0, {"label": 1}, resample_below=1.5)
    with pytest.raises(ValueError, match=r"other must have 2 rows.* got shape \(3,\)"):
        guided_particles(model, x, [0.9, 0.1], 2.0, {"label": 1}, label=torch.tensor(0), other=torch.ones(3))
    with pytest.raises(ValueError, match=r"x must have shape \(batch, \*event\), got shape \(\)"):
        guided_particles(model, torch.tensor(1.0), [0.9, 0.1], 2.0, {"label": 1})
    with pytest.raises(TypeError, match="w must be a real number"):
        guided_particles(model, x, [0.9, 0.1], "2", {"label": 1})  # pyright: ignore[reportArgumentType]
