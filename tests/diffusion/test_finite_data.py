"""The best denoiser of a finite set: a softmax over it, and nothing but its points comes out."""

from __future__ import annotations

import pytest
import torch

from gmlib.diffusion import finite_data_denoiser
from gmlib.distributions import GaussianMixture
from gmlib.noise import Rectified, VPCosine, exact_denoiser
from gmlib.noise.samplers import ancestral, ddim, snr_times

F64 = torch.float64
POINTS = torch.cartesian_prod(torch.tensor([-1.1, 0.1, 1.0]), torch.tensor([-0.9, 0.0, 1.2])).double()


def test_finite_data_denoiser(generator: torch.Generator) -> None:
    """The softmax formula; then 300 samples of two samplers, each within 1e-9 of a training point, every point found."""
    schedule = VPCosine()
    denoiser = finite_data_denoiser(POINTS, schedule)
    x, t = torch.randn(6, 2, generator=generator, dtype=F64), torch.linspace(0.05, 0.99, 6, dtype=F64)
    alpha, sigma = schedule.alpha(t), schedule.sigma(t)
    distance = (x[:, None] - alpha[:, None, None] * POINTS).square().sum(-1)
    truth = (-distance / (2 * sigma[:, None] ** 2)).softmax(1) @ POINTS
    torch.testing.assert_close(denoiser.x0(x, t), truth, rtol=1e-10, atol=1e-12)

    times = [*snr_times(schedule, 16, low=-9.0, high=8.0).tolist(), 0.0]
    start = torch.randn(300, 2, generator=generator, dtype=F64)
    for sampler, source in ((ddim, {}), (ancestral, {"generator": generator})):
        found = sampler(denoiser, start, times, **source).x
        nearest = (found[:, None] - POINTS).abs().amax(-1).min(1)
        assert nearest.values.max().item() < 1e-9
        assert len(nearest.indices.unique()) == 9


@pytest.mark.parametrize("chunk", [1, 4, 8, 100])
def test_chunks_change_nothing(chunk: int) -> None:
    x, t = torch.randn(5, 2, generator=torch.Generator().manual_seed(6), dtype=F64), torch.rand(5, dtype=F64)
    one, many = (finite_data_denoiser(POINTS, VPCosine(), chunk=c) for c in (9, chunk))
    torch.testing.assert_close(many.x0(x, t), one.x0(x, t), rtol=1e-12, atol=1e-12)


def test_it_is_the_limit_of_narrow_mixtures() -> None:
    x, t = torch.tensor([[0.3, -0.2], [1.0, 1.0]], dtype=F64), torch.tensor([0.3, 0.8], dtype=F64)
    found = finite_data_denoiser(POINTS, Rectified())
    gaps = []
    for var in (1e-3, 1e-5):
        near = exact_denoiser(GaussianMixture(POINTS, var=var), Rectified())
        gaps.append((near.x0(x, t) - found.x0(x, t)).abs().max().item())
    assert gaps[1] < 0.02 * gaps[0] < 1e-3


def test_images_in_single_precision_far_from_the_origin() -> None:
    """Shape kept; the mean's size costs no digits: moved by 100, the guess moves by 100."""
    images = torch.rand(20, 1, 4, 4, generator=torch.Generator().manual_seed(7))
    x = images[:3] + 0.05 * torch.randn(3, 1, 4, 4, generator=torch.Generator().manual_seed(8))
    t, schedule = torch.full((3,), 0.05), Rectified()
    here = finite_data_denoiser(images, schedule).x0(x * 0.95, t)
    there = finite_data_denoiser(images + 100, schedule).x0((x + 100) * 0.95, t)
    assert here.shape == (3, 1, 4, 4)
    torch.testing.assert_close(here, images[:3], rtol=0, atol=1e-4)
    torch.testing.assert_close(there - 100, here, rtol=0, atol=1e-3)
