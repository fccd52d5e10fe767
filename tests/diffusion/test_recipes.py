"""The chapter's recipes: the trained Swiss roll against the exact minimum, and what its digits refuse."""

import pytest
import torch
from torch import Tensor

from gmlib.checkpoints import load_into
from gmlib.noise import Denoiser, VPCosine, exact_denoiser
from gmlib.recipes.diffusion_mnist import mnist_denoiser
from gmlib.recipes.diffusion_roll import evaluator, flow_divergence, loss, noise, roll_denoiser, scaled_roll
from gmlib.recipes.diffusion_samplers import draw_digits


def test_the_trained_roll_is_near_the_minimum() -> None:
    """Its loss on fresh points is that of the exact denoiser to 1 %, and its density has the mass of one.

    Both losses are taken at the same noise: on 4,000 points the standard error of their difference is .0006.
    """
    denoiser, law = roll_denoiser(), scaled_roll(dtype=torch.float32)
    load_into(denoiser, "diffusion-roll").requires_grad_(False)
    generator = torch.Generator().manual_seed(5)
    x, draws = law.sample((4000,), generator=generator), noise(4000, generator, torch.device("cpu"))
    learnt, least = (
        loss(each, x, draws)["loss"].item() for each in (denoiser, exact_denoiser(law, VPCosine(), "v"))
    )
    assert 0.99 * least < learnt < 1.01 * least
    kl, mass = flow_divergence(denoiser, law, side=40, steps=20)
    assert mass == pytest.approx(1.0, abs=0.03)
    assert abs(kl) < 0.05


class Failing(torch.nn.Module):
    """A network that cannot be called."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(()))

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        raise RuntimeError("half-way")


@pytest.mark.parametrize(("device", "message"), [("cpu", "half-way"), ("meta", "meta")])
def test_the_evaluation_leaves_the_model_alone(device: str, message: str) -> None:
    """Even where it fails: the weight is the same object, in its place and mode."""
    model = Denoiser(Failing(), VPCosine(), "v").to(device).train()
    weight = model.network.weight
    with pytest.raises(RuntimeError, match=message):
        evaluator(scaled_roll(), samples=10)(model)
    assert model.network.weight is weight
    assert weight.device.type == device
    assert model.training


@pytest.mark.bad_input
@pytest.mark.parametrize(("sampler", "least"), [("Heun", 4), ("DDIM", 2)])
def test_too_few_calls_are_refused(sampler: str, least: int) -> None:
    with pytest.raises(ValueError, match=f"calls must be at least {least}, got {least - 1}"):
        draw_digits(mnist_denoiser(widths=[8]), 1, sampler=sampler, calls=least - 1)
