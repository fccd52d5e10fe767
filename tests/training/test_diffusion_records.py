"""The records of chapter 09: pictures by sampler, and pairs of networks that share no image."""

import statistics

import pytest
import torch

from gmlib.noise import Denoiser, VPCosine
from gmlib.recipes.diffusion_mnist import mnist_denoiser, scaled
from gmlib.recipes.diffusion_samplers import CALLS, SAMPLERS, digit_times, draw_digits, levels, recorded_rows
from gmlib.recipes.diffusion_twins import SIZES, recorded_twins


def test_every_sampler_stands_between_the_baselines():
    rows = {(row.sampler, row.calls): row for row in recorded_rows()}
    assert set(rows) == {("training images", 0), ("pixel histograms", 0)} | {
        (s, c) for s in SAMPLERS for c in CALLS
    }
    least, most = rows["training images", 0].frechet, rows["pixel histograms", 0].frechet
    for (sampler, calls), row in rows.items():
        if calls:
            assert least < row.frechet < most, (sampler, calls)
    # Real images lie as far from the training set as test images do, and no sampler copies.
    assert abs(rows["training images", 0].memorisation) < 1e-6
    assert all(row.memorisation > 0.5 for (_, calls), row in rows.items() if calls)
    assert rows["DPM-Solver++ 2M", 10].frechet < rows["DDIM", 10].frechet


def test_grey_levels_come_back_from_their_scale():
    every = torch.arange(256, dtype=torch.uint8)
    assert torch.equal(levels(scaled(every)), every)
    assert levels(torch.tensor([-3.0, 3.0])).tolist() == [0, 255]


@pytest.mark.parametrize("sampler", sorted(SAMPLERS))
def test_samplers_ask_as_often_as_they_are_told(sampler):
    class Counting(torch.nn.Module):
        """Predicts the v of the picture of level 128 and counts its calls."""

        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(1))
            self.asked = 0

        def forward(self, x, t):
            self.asked += 1
            alpha, sigma = (f(t)[:, None, None, None] for f in (VPCosine().alpha, VPCosine().sigma))
            target = torch.full_like(x, float(scaled(torch.tensor(128))))
            return alpha * (x - alpha * target) / sigma.clamp(min=1e-6) - sigma * target

    network = Counting()
    denoiser = Denoiser(network, VPCosine(), "v")
    drawn = draw_digits(denoiser, 3, sampler=sampler, calls=10)
    assert network.asked == (9 if sampler == "Heun" else 10)
    assert set(drawn.flatten().tolist()) <= {127, 128, 129}


def test_a_shared_start_for_all_samplers():
    torch.manual_seed(0)
    denoiser = mnist_denoiser(widths=[8])
    first, again = (draw_digits(denoiser, 2, calls=4, seed=5, batch=b) for b in (1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, draw_digits(denoiser, 2, calls=4, seed=6))


def test_the_grid_ends_in_the_clean_picture():
    times = digit_times(VPCosine(), 12)
    assert len(times) == 13
    assert float(times[-1]) == 0.0
    gaps = VPCosine().log_snr(times[:-1]).diff()
    torch.testing.assert_close(gaps, gaps[:1].expand_as(gaps))


def test_twins_come_together_and_leave_their_training_sets():
    rows = recorded_twins()
    assert [row.images for row in rows] == list(SIZES)
    apart, nearest = ([statistics.fmean(getattr(row, key)) for row in rows] for key in ("apart", "nearest"))
    assert apart == sorted(apart, reverse=True)
    assert nearest == sorted(nearest)
    assert apart[-1] < 0.5 * statistics.fmean(rows[-1].other)
    assert nearest[0] < 0.2 * nearest[-1]
