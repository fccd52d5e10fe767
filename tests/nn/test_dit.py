"""The transformer in the U-Net's place: its blocks against formulas, and the two on the same digits."""

import math

import pytest
import torch
import torch.nn.functional as F
from awake import awake
from torch import Tensor, nn

from gmlib.data import digits
from gmlib.diffusion import denoising_loss, low_discrepancy_times
from gmlib.nn import DiT, UNet
from gmlib.nn.dit import ToldAttention
from gmlib.noise import Denoiser, VPCosine


def test_a_block_is_its_formula() -> None:
    block = awake(ToldAttention(8, 2))
    assert isinstance(block, ToldAttention)
    h, c = torch.randn(3, 5, 8), torch.randn(3, 8)
    a1, b1, g1, a2, b2, g2 = (part[:, None] for part in block.modulation(c).split(8, dim=1))
    q, k, v = block.qkv((1 + a1) * F.layer_norm(h, [8]) + b1).reshape(3, 5, 3, 2, 4).unbind(2)
    weights = (torch.einsum("bihc,bjhc->bhij", q, k) / math.sqrt(4)).softmax(-1)
    half = h + g1 * block.out(torch.einsum("bhij,bjhc->bihc", weights, v).reshape(3, 5, 8))
    exact = half + g2 * block.mlp((1 + a2) * F.layer_norm(half, [8]) + b2)
    assert torch.allclose(block(h, c), exact, atol=1e-5)


def test_a_fresh_one_says_zero_and_its_blocks_nothing() -> None:
    network = DiT(1, size=8, patch=2, width=16, depth=2, heads=2)
    x, t = torch.randn(3, 1, 8, 8), torch.rand(3)
    assert not bool(network(x, t).any())
    # Without its blocks each patch is mapped by itself: a pixel moves its own patch only.
    nn.init.normal_(network.head.weight)
    other = x.clone()
    other[:, :, 3, 4] += 1.0
    moved = (network(other, t) - network(x, t)).abs().amax((0, 1)) > 1e-6
    assert bool(moved[2:4, 4:6].all())
    assert int(moved.sum()) == 4


def test_shapes_classes_and_gradients() -> None:
    network = awake(DiT(2, size=6, patch=3, width=12, depth=2, heads=3, classes=4, outputs=5))
    x, t, label = torch.randn(5, 2, 6, 6), torch.rand(5), torch.arange(5)
    out = network(x, t, label)
    assert out.shape == (5, 5, 6, 6)
    assert torch.equal(network(x, t), network(x, t, torch.full((5,), 4)))
    assert not torch.allclose(network(x, t), out)
    alone = torch.cat([network(x[i : i + 1], t[i : i + 1], label[i : i + 1]) for i in range(5)])
    assert torch.allclose(out, alone, atol=1e-5)
    out.square().sum().backward()
    assert all(bool(parameter.grad.any()) for parameter in network.parameters())


def held_out_loss(network: nn.Module, seed: int, steps: int) -> tuple[float, float]:
    """The error of v a pixel on held-out digits, before and after a short training."""
    denoiser = Denoiser(network, VPCosine(), "v")
    x, test = (digits(split).images.float() / 8 - 1 for split in ("train", "validation"))
    optimiser = torch.optim.Adam(network.parameters(), lr=3e-3)
    generator = torch.Generator().manual_seed(seed)

    def loss(images: Tensor, source: torch.Generator) -> Tensor:
        t = low_discrepancy_times(len(images), 0.01, 0.99, generator=source)
        noise = torch.randn(images.shape, generator=source)
        return denoising_loss(denoiser, images, t, noise, target="v").total.mean() / 64

    before = loss(test, torch.Generator().manual_seed(9)).item()
    for _ in range(steps):
        rows = torch.randint(len(x), (32,), generator=generator)
        value = loss(x[rows], generator)
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
    with torch.no_grad():
        return before, loss(test, torch.Generator().manual_seed(9)).item()


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.weekly) for seed in (1, 2))])
def test_dit_denoiser(seed: int) -> None:
    torch.manual_seed(seed)
    transformer = DiT(1, size=8, patch=2, width=48, depth=2, heads=4)
    unet = UNet(1, [16, 16], groups=4)
    sizes = [sum(parameter.numel() for parameter in each.parameters()) for each in (transformer, unet)]
    assert 0.8 < sizes[0] / sizes[1] < 1.3
    (before, of_transformer), (_, of_unet) = (held_out_loss(each, seed, 60) for each in (transformer, unet))
    assert of_unet < 0.7 * before
    assert of_transformer < 1.3 * of_unet


@pytest.mark.bad_input
def test_bad_input() -> None:
    with pytest.raises(ValueError, match="patch must divide size = 8, got 3"):
        DiT(1, size=8, patch=3, width=8, depth=1)
    with pytest.raises(ValueError, match="heads must divide width = 8, got 3"):
        DiT(1, size=8, patch=2, width=8, depth=1, heads=3)
    with pytest.raises(ValueError, match="depth must be at least 1"):
        DiT(1, size=8, patch=2, width=8, depth=0)
    with pytest.raises(ValueError, match="outputs must be at least 1"):
        DiT(1, size=8, patch=2, width=8, depth=1, outputs=0)
    network = DiT(1, size=8, patch=2, width=8, depth=1)
    with pytest.raises(ValueError, match=r"x must have shape \(batch, 1, 8, 8\), got \(2, 1, 8, 10\)"):
        network(torch.zeros(2, 1, 8, 10), torch.zeros(2))
    with pytest.raises(ValueError, match=r"t must have shape \(2,\), a time for each of x, got \(1,\)"):
        network(torch.zeros(2, 1, 8, 8), torch.zeros(1))
    with pytest.raises(ValueError, match="heads must divide width = 8, got 3"):
        ToldAttention(8, 3)
    with pytest.raises(ValueError, match="label must be None"):
        network(torch.zeros(2, 1, 8, 8), torch.zeros(2), torch.zeros(2, dtype=torch.long))
