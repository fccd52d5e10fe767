"""The losses of the captioned digits and of their encoders, by hand: what is told, what is scaled, what is compared."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from gmlib.noise import Denoiser, VPCosine
from gmlib.recipes import clip_digits, text_digits
from gmlib.recipes.clip_digits import LARGEST, DigitsCLIP
from gmlib.recipes.text_digits import text_denoiser


class SaysText(nn.Module):
    """Predicts the sum of the caption's embedding for every pixel of v; keeps what it was told."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[Tensor] = []

    def forward(self, x: Tensor, t: Tensor, text: Tensor) -> Tensor:
        self.told.append(text)
        return text.sum(1)[:, None, None, None].expand_as(x)


def test_the_loss_of_captioned_digits_by_hand(alpha_sigma: Callable[[float], tuple[float, float]]) -> None:
    """Pictures and noise of one number, k / 8 - 1 of the grey level k; a caption that is not told says 0."""
    levels, draws, times, texts = (4, 16, 9), (0.7, -1.1, 0.2), (0.2, 0.8, 0.5), (0.05, -0.1, 0.15)
    x = torch.tensor(levels, dtype=torch.uint8)[:, None, None, None].expand(3, 1, 8, 8)
    draw = torch.tensor(draws)[:, None, None, None].expand(3, 1, 8, 8)
    text = torch.tensor(texts)[:, None].expand(3, 16)
    told = torch.tensor([True, False, True])
    network = SaysText()
    model = Denoiser(network, VPCosine(), "v")
    found = text_digits.loss(model, (x, text), (draw, torch.tensor(times), told))
    wanted = 0.0
    for k, eps, t, said in zip(levels, draws, times, (16 * 0.05, 0.0, 16 * 0.15), strict=True):
        alpha, sigma = alpha_sigma(t)
        wanted += (alpha * eps - sigma * (k / 8 - 1) - said) ** 2 / 3
    assert found["loss"].item() == pytest.approx(wanted, rel=1e-5)
    (seen,) = network.told
    assert torch.equal(seen, torch.stack([text[0], torch.zeros(16), text[2]]))


def test_a_fresh_network_guesses_the_middle_grey() -> None:
    """It takes all 17 levels for equally likely: its x_0 is 0 where noise hides the rest, and v is off by x_0 / sigma."""
    model = text_denoiser(width=8)
    x = torch.tensor([0, 12], dtype=torch.uint8)[:, None, None, None].expand(2, 1, 8, 8)
    # At large noise the picture itself does not tell the level.
    t = model.schedule.t_of_log_snr(torch.tensor([-9.5, -9.5]))
    noise = (torch.zeros(2, 1, 8, 8), t, torch.tensor([True, False]))
    with torch.no_grad():
        found = text_digits.loss(model, (x, torch.ones(2, 16)), noise)["loss"].item()
        guess = model.x0(float(model.schedule.alpha(t[0])) * (x / 8 - 1), t, text=torch.ones(2, 16))
    sigma = float(model.schedule.sigma(t[0]))
    errors = (x / 8 - 1 - guess).square().mean((1, 2, 3)) / sigma**2
    assert found == pytest.approx(errors.mean().item(), rel=1e-4)
    assert guess.abs().max() < 0.01


class Two(nn.Module):
    """Embeds a digit by its first two pixels and a caption by its first two numbers."""

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1)[:, :2].float()


@pytest.mark.parametrize(("scale", "used"), [(3.0, 3.0), (20.0, 20.0), (400.0, LARGEST)])
def test_the_loss_of_the_encoders_by_hand(scale: float, used: float) -> None:
    """Digits at 0 and 90 degrees, captions at 45 and 90: cosines (r, 0; r, 1) with r = sqrt(1/2)."""
    images, noise = torch.zeros(2, 2, 1, 8, 8)
    images[0, 0, 0, :2], noise[0, 0, 0, :2] = torch.tensor([2.0, 0.5]), torch.tensor([0.0, -0.5])
    images[1, 0, 0, :2], noise[1, 0, 0, :2] = torch.tensor([0.3, 0.1]), torch.tensor([-0.3, 0.1])
    tokens = torch.tensor([[3, 3, 0, 0, 0], [0, 7, 0, 0, 0]])
    model = DigitsCLIP(4, scale=scale)
    model.image, model.text = Two(), Two()  # pyright: ignore[reportAttributeAccessIssue]
    found = clip_digits.loss(model, (images, tokens), noise)["loss"].item()
    r = math.sqrt(0.5)
    rows = math.log1p(math.exp(-used * r)) + math.log1p(math.exp(used * (r - 1)))
    columns = math.log(2) + math.log1p(math.exp(-used))
    assert found == pytest.approx((rows + columns) / 4, abs=2e-5)


def test_the_scale_is_learnt_up_to_its_bound() -> None:
    images, tokens = torch.rand(3, 1, 8, 8), torch.tensor([[1, 4, 0, 0, 0], [1, 5, 0, 0, 0], [1, 6, 0, 0, 0]])
    torch.manual_seed(0)
    for scale, learns in ((10.0, True), (2 * LARGEST, False)):
        model = DigitsCLIP(4, scale=scale)
        clip_digits.loss(model, (images, tokens), torch.zeros_like(images))["loss"].backward()
        assert model.log_scale.grad is not None
        assert bool(model.log_scale.grad != 0) == learns
        assert min(scale, LARGEST) == pytest.approx(model.scale.item(), rel=1e-5)
