"""Interpolation in noise space against the closed-form path of normal data."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from gmlib.diffusion import interpolate_in_noise
from gmlib.distributions import Gaussian
from gmlib.noise import Denoiser, Sampled, VPCosine, VPLinear, exact_denoiser

MEAN, VAR = torch.tensor([1.0, -2.0], dtype=torch.float64), 0.3
A = torch.tensor([[1.4, -2.2], [0.3, -1.0]], dtype=torch.float64)
B = torch.tensor([[0.5, -2.9], [1.9, -2.0]], dtype=torch.float64)
NOISE = torch.tensor([[0.7, -0.4], [-1.1, 0.2]], dtype=torch.float64)
MIX = torch.tensor([0.0, 0.25, 0.5, 1.0], dtype=torch.float64)


def exact_path(t: float) -> Tensor:
    """The flow map of normal data, applied to the mixture at time t."""
    schedule = VPLinear()
    alpha, sigma = float(schedule.alpha(t)), float(schedule.sigma(t))
    share = MIX[:, None, None]
    mixed = alpha * ((1 - share) * A + share * B) + sigma * NOISE
    return MEAN + math.sqrt(VAR / (alpha**2 * VAR + sigma**2)) * (mixed - alpha * MEAN)


@pytest.mark.parametrize("t", [0.2, 0.6, 1.0])
def test_noise_space_interpolation(t: float) -> None:
    denoiser = exact_denoiser(Gaussian(MEAN, var=VAR), VPLinear(), "eps")
    errors = []
    for steps in (100, 200):
        path = interpolate_in_noise(denoiser, A, B, t, NOISE, MIX, steps=steps)
        assert path.shape == (4, 2, 2)
        # A straight line, whatever the number of steps.
        assert torch.allclose(path[2], (path[0] + path[3]) / 2, atol=1e-12)
        assert torch.allclose(path[1], 0.75 * path[0] + 0.25 * path[3], atol=1e-12)
        errors.append(float((path - exact_path(t)).abs().max()))
    assert errors[1] < 0.05
    assert errors[1] < 0.6 * errors[0]  # a method of first order


def test_little_noise_gives_back_the_mixture() -> None:
    denoiser = exact_denoiser(Gaussian(MEAN, var=VAR), VPCosine(), "eps")
    path = interpolate_in_noise(denoiser, A, B, 1e-4, NOISE, MIX, steps=5)
    share = MIX[:, None, None]
    assert torch.allclose(path, (1 - share) * A + share * B, atol=2e-2)


def test_what_is_told_of_a_pair_is_told_for_every_share() -> None:
    """With a network that answers with its label, row (share, pair) ends at the pair's label."""
    label = torch.tensor([[2.0], [-3.0]], dtype=torch.float64)
    denoiser = Denoiser(lambda x, t, label: label.expand(x.shape), VPLinear(), "x0")
    path = interpolate_in_noise(denoiser, A, B, 0.5, NOISE, MIX, steps=3, label=label)
    assert torch.allclose(path, label.expand(4, 2, 2))


def test_any_sampler_and_what_it_is_told() -> None:
    seen = {}

    def sampler(denoiser: Denoiser, x: Tensor, times: Tensor, **options: Any) -> Sampled:
        seen.update(options, times=times)
        return Sampled(x, 0, None)

    denoiser = Denoiser(lambda x, t: x, VPLinear(), "eps")
    path = interpolate_in_noise(
        denoiser, A, B, 0.5, NOISE, MIX, steps=2, sampler=sampler, label=torch.zeros(8, dtype=torch.long)
    )
    assert seen["times"].tolist() == [0.5, 0.25, 0.0]
    assert seen["label"].shape == (8,)
    alpha, sigma = (float(f(0.5)) for f in (VPLinear().alpha, VPLinear().sigma))
    assert torch.allclose(path[0], alpha * A + sigma * NOISE, atol=1e-12)


@pytest.mark.bad_input
def test_bad_input() -> None:
    denoiser = Denoiser(lambda x, t: x, VPLinear(), "eps")
    with pytest.raises(TypeError, match="denoiser must be a Denoiser"):
        interpolate_in_noise(None, A, B, 0.5, NOISE, MIX)
    with pytest.raises(ValueError, match="b must have shape"):
        interpolate_in_noise(denoiser, A, B[:1], 0.5, NOISE, MIX)
    with pytest.raises(ValueError, match=r"mix must have shape \(k,\)"):
        interpolate_in_noise(denoiser, A, B, 0.5, NOISE, MIX[0])
    with pytest.raises(ValueError, match="t must be a finite number"):
        interpolate_in_noise(denoiser, A, B, 0.0, NOISE, MIX)
    with pytest.raises(ValueError, match="steps must be at least 1"):
        interpolate_in_noise(denoiser, A, B, 0.5, NOISE, MIX, steps=0)
    with pytest.raises(TypeError, match="sampler must be callable"):
        interpolate_in_noise(denoiser, A, B, 0.5, NOISE, MIX, sampler="ddim")
