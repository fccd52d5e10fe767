"""Points that are numbers, of shape (batch,), cost what the same points of shape (batch, 1) cost."""

import pytest
import torch
from torch import Tensor

from gmlib.diffusion import (
    denoising_loss,
    density_cost,
    diffusion_bound,
    discretised_gaussian,
    instant_loss,
    level_cost,
    noise_error,
    prior_cost,
    step_loss,
    vdm_bound,
)
from gmlib.noise import Denoiser, VPCosine, VPLinear, even_times

X = torch.tensor([-1.0, 1.0, 1.0, 0.0])
NOISE = torch.tensor([0.3, -1.2, 0.4, 2.0])
T = torch.tensor([0.2, 0.4, 0.6, 0.8])
LEVELS = torch.tensor([-1.0, 0.0, 1.0])
DENOISER = Denoiser(lambda x, t: 0.5 * x, VPCosine(), "v")
LINEAR = Denoiser(lambda x, t: 0.5 * x, VPLinear(), "v")


def draw() -> torch.Generator:
    return torch.Generator().manual_seed(0)


COSTS = {
    "loss": lambda x, e: denoising_loss(DENOISER, x, T, e, weight=T).total,
    "step": lambda x, e: step_loss(DENOISER, x, 0.5 * T, T, e),
    "instant": lambda x, e: instant_loss(DENOISER, x, T, e),
    "noise": lambda x, e: noise_error(DENOISER, x, T, e),
    "prior": lambda x, e: prior_cost(x, -1.0),
    "density": lambda x, e: density_cost(DENOISER, x, 2.0, e),
    "levels": lambda x, e: level_cost(x, e, LEVELS, 2.0),
    "decoder": lambda x, e: discretised_gaussian(x, e, 0.5, 3),
    "chain": lambda x, e: diffusion_bound(LINEAR, x, even_times(VPLinear(), 4), generator=draw()).total,
    "vdm": lambda x, e: vdm_bound(DENOISER, x, low=-5.0, high=5.0, generator=draw()).total,
    "vdm, levels": lambda x, e: (
        vdm_bound(DENOISER, x, low=-5.0, high=5.0, levels=LEVELS, generator=draw()).total
    ),
}


@pytest.mark.parametrize("name", COSTS)
def test_a_number_is_a_point_of_one_coordinate(name: str) -> None:
    found: Tensor = COSTS[name](X, NOISE)
    assert found.shape == (4,)
    assert bool(torch.isfinite(found).all())
    torch.testing.assert_close(found, COSTS[name](X[:, None], NOISE[:, None]))
