"""The U-Net, its blocks and its clock: against formulas, against the floor of a Gaussian oracle, clear errors."""

import math

import pytest
import torch
import torch.nn.functional as F
from awake import awake
from torch import Tensor, nn

from gmlib.diffusion import denoising_loss
from gmlib.nn import PixelUNet, TimeAndClass, UNet
from gmlib.nn.self_attention import SelfAttention
from gmlib.nn.told_block import ToldBlock
from gmlib.noise import Denoiser, VPCosine


def train(network: nn.Module, times: Tensor, told: Tensor, steps: int) -> Denoiser:
    """Fit a denoiser of white noise images at the given times; it is told the other times."""
    denoiser = Denoiser(network, VPCosine(), "eps")
    optimiser = torch.optim.Adam(network.parameters(), lr=3e-3)
    generator = torch.Generator().manual_seed(1)
    for _ in range(steps):
        x, noise = torch.randn(2, len(times), 1, 4, 4, generator=generator)
        loss = (noise - network(mixed(x, noise, times), told)).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return denoiser


def mixed(x: Tensor, noise: Tensor, t: Tensor) -> Tensor:
    schedule = VPCosine()
    return schedule.alpha(t)[:, None, None, None] * x + schedule.sigma(t)[:, None, None, None] * noise


@pytest.mark.slow
def test_unet_denoiser() -> None:
    # White images have unit variance at every time, so nothing in a point tells its time. The best guess of the noise is
    # sigma x, which costs alpha^2 a pixel; without the time it is E[sigma] x, and costs Var[sigma] more; with a wrong
    # time, sigma' x, 2 Var[sigma] more.
    torch.manual_seed(0)
    times = torch.tensor([0.1, 0.9]).repeat(64)
    sigma = VPCosine().sigma(times)
    spread = float(sigma.var(correction=0))
    floor = float((1 - sigma.square()).mean())
    assert spread > 0.15
    one_time = torch.full_like(times, 0.5)
    networks = [UNet(1, [8], groups=4) for _ in range(2)]
    x, noise = torch.randn(2, 128, 1, 4, 4, generator=torch.Generator().manual_seed(2))
    n = noise.numel()
    first = denoising_loss(Denoiser(networks[0], VPCosine(), "eps"), x, times, noise).total.sum() / n
    assert float(first.detach()) == pytest.approx(
        float(noise.square().mean()), rel=1e-6
    )  # says 0: E eps^2 = 1
    train(networks[0], times, times, 100)
    train(networks[1], times, one_time, 30)
    with torch.no_grad():
        z = mixed(x, noise, times)
        told, permuted, untold = (
            float((noise - network(z, t)).square().mean())
            for network, t in ((networks[0], times), (networks[0], times.flip(0)), (networks[1], one_time))
        )
    # Four standard errors of a mean of squares over 2,048 numbers are .125 of it, and of a difference less.
    assert told < floor + 0.3 * spread
    assert untold > floor + 0.7 * spread
    assert permuted > floor + 2 * spread - 0.6 * spread


def test_a_told_block_is_its_formula() -> None:
    block = awake(ToldBlock(8, 16, 4, groups=4))
    assert isinstance(block, ToldBlock)
    x, c = torch.randn(3, 8, 5, 5), torch.randn(3, 4)
    h = block.conv1(F.silu(F.group_norm(x, 4, block.norm1.weight, block.norm1.bias)))
    a, b = block.modulation(c).split(16, dim=1)
    normed = F.group_norm(h, 4, block.norm2.weight, block.norm2.bias)
    exact = block.skip(x) + block.conv2(F.silu((1 + a[..., None, None]) * normed + b[..., None, None]))
    assert torch.allclose(block(x, c), exact, atol=1e-5)
    same = ToldBlock(8, 8, 4)
    assert torch.equal(same(x, c), x)  # a fresh one


def test_attention_is_its_formula() -> None:
    attention = awake(SelfAttention(8, heads=2, groups=4))
    assert isinstance(attention, SelfAttention)
    x = torch.randn(2, 8, 2, 3)
    q, k, v = (
        attention.qkv(attention.norm(x)).reshape(2, 3, 2, 4, 6).unbind(1)
    )  # batch, heads, channels, pixels
    weights = (torch.einsum("bhci,bhcj->bhij", q, k) / math.sqrt(4)).softmax(-1)
    exact = x + attention.out(torch.einsum("bhij,bhcj->bhci", weights, v).reshape(2, 8, 2, 3))
    assert torch.allclose(attention(x), exact, atol=1e-5)


def test_attention_is_given_what_the_fused_kernels_take(monkeypatch: pytest.MonkeyPatch) -> None:
    """Channels side by side, in batch, heads, pixels, channels."""
    plain, asked = F.scaled_dot_product_attention, []

    def spy(*qkv: Tensor) -> Tensor:
        asked.extend(qkv)
        return plain(*qkv)

    monkeypatch.setattr(F, "scaled_dot_product_attention", spy)
    SelfAttention(8, heads=2, groups=4)(torch.randn(2, 8, 2, 3))
    assert [part.shape for part in asked] == [(2, 2, 6, 4)] * 3
    assert [part.stride(-1) for part in asked] == [1] * 3


@pytest.mark.parametrize(("height", "width"), [(4, 4), (8, 12), (28, 28)])
def test_any_size_that_the_strides_divide(height: int, width: int) -> None:
    network = awake(UNet(2, [4, 8, 8], groups=2, blocks=2, attention=[1], heads=2, outputs=3))
    out = network(torch.randn(2, 2, height, width), torch.rand(2))
    assert out.shape == (2, 3, height, width)
    assert network(torch.randn(0, 2, height, width), torch.rand(0)).shape == (0, 3, height, width)


def test_every_weight_gets_a_gradient() -> None:
    network = awake(UNet(1, [4, 8], groups=2, classes=3, attention=[0]))
    network(torch.randn(8, 1, 8, 8), torch.rand(8), torch.arange(8) % 4).square().sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert bool(parameter.grad.any()), name


def test_examples_do_not_mix() -> None:
    network = awake(UNet(1, [4, 8], groups=2, classes=3))
    x, t, label = torch.randn(4, 1, 8, 8), torch.rand(4), torch.tensor([0, 1, 2, 3])
    together = network(x, t, label)
    alone = torch.cat([network(x[i : i + 1], t[i : i + 1], label[i : i + 1]) for i in range(4)])
    assert torch.allclose(together, alone, atol=1e-5)


def test_classes() -> None:
    network = awake(UNet(1, [4, 8], groups=2, classes=3))
    x, t = torch.randn(1, 1, 8, 8), torch.tensor([0.3])
    each = [network(x, t, torch.tensor([k])) for k in range(4)]
    assert torch.equal(network(x, t), each[3])  # no label is the row after the last class
    assert not any(torch.allclose(each[k], each[3]) for k in range(3))
    told = TimeAndClass(8, 4, classes=3)
    rows = told(t.expand(4), torch.arange(4)) - told.time(t.expand(4))
    assert torch.allclose(rows, told.label.weight, atol=1e-6)


def test_dropout_acts_in_training_only() -> None:
    network = awake(UNet(1, [4], groups=2, dropout=0.5))
    x, t = torch.randn(1, 1, 4, 4), torch.rand(1)
    assert not torch.equal(network(x, t), network(x, t))
    network.eval()
    assert torch.equal(network(x, t), network(x, t))


def test_half_precision() -> None:
    network = awake(PixelUNet(1, [8, 8], groups=2))
    x, t = torch.randn(2, 1, 8, 8), torch.rand(2)
    exact = network(x, t).detach()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        out = network(x, t)
    assert out.dtype == torch.bfloat16
    assert float((out.float() - exact).abs().max()) < 0.05 * float(exact.abs().max())


def test_pixels_see_their_grey_levels_as_waves() -> None:
    seen = []
    network = PixelUNet(1, [4], groups=2, octaves=(8,))
    network.unet.register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    levels = (torch.arange(256.0) + 0.5) / 128 - 1
    network(levels.reshape(1, 1, 16, 16), torch.rand(1))
    waves = F.pixel_shuffle(seen[0], 2)
    assert torch.equal(waves[0, 0].flatten(), levels)
    # One period a level: every level has the same phase, half a turn.
    assert torch.allclose(waves[0, 1], torch.zeros(16, 16), atol=1e-3)
    assert torch.allclose(waves[0, 2], torch.full((16, 16), -1.0), atol=1e-3)
    assert network(torch.randn(3, 1, 6, 10), torch.rand(3)).shape == (3, 1, 6, 10)
    assert not bool(network(torch.randn(3, 1, 6, 10), torch.rand(3)).any())


@pytest.mark.bad_input
def test_bad_input() -> None:
    x, t = torch.zeros(2, 1, 8, 8), torch.zeros(2)
    network = UNet(1, [8, 16, 16])
    with pytest.raises(ValueError, match=r"divisible by 4 for 3 levels, got \(7, 8\)"):
        network(torch.zeros(2, 1, 7, 8), t)
    with pytest.raises(ValueError, match=r"x must have shape \(batch, 1, height, width\)"):
        network(torch.zeros(2, 3, 8, 8), t)
    with pytest.raises(TypeError, match="x must have a floating dtype"):
        network(x.long(), t)
    with pytest.raises(ValueError, match="label must be None for a network without classes"):
        network(x, t, torch.zeros(2, dtype=torch.long))
    for call in (network, PixelUNet(1, [8])):
        for wrong in (torch.zeros(1), torch.zeros(()), torch.zeros(2, 1)):
            with pytest.raises(ValueError, match=r"t must have shape \(2,\), a time for each of x, got"):
                call(x, wrong)
        with pytest.raises(TypeError, match=r"t must be a torch.Tensor, got float"):
            call(x, 0.5)
    classes = UNet(1, [8], classes=3)
    with pytest.raises(ValueError, match=r"label must lie in 0\.\.3, got 0 to 4"):
        classes(x, t, torch.tensor([0, 4]))
    with pytest.raises(ValueError, match=r"label must have shape \(2,\)"):
        classes(x, t, torch.tensor([0]))
    with pytest.raises(TypeError, match=r"label must have dtype int64 or int32, got torch.float32"):
        classes(x, t, torch.zeros(2))
    with pytest.raises(TypeError, match=r"label must have dtype int64 or int32, got torch.bool"):
        classes(x, t, torch.zeros(2, dtype=torch.bool))
    with pytest.raises(TypeError, match=r"label must be a torch.Tensor, got list"):
        classes(x, t, [0, 1])
    with pytest.raises(ValueError, match=r"t must have shape \(batch,\), got \(\)"):
        TimeAndClass(8, 4)(torch.zeros(()))
    for options, message in (
        ({"widths": []}, "widths must name at least one level"),
        ({"widths": [8, 12]}, "groups must divide every one of the widths"),
        ({"widths": [8], "heads": 3}, "heads must divide the widths that attend"),
        ({"widths": [8], "attention": [1]}, "attention must name levels from 0 to 0"),
        ({"widths": [8], "blocks": 0}, "blocks must be at least 1"),
        ({"widths": [8], "dropout": 1.0}, "dropout must be"),
        ({"widths": [8], "classes": -1}, "classes must be at least 0"),
        ({"widths": [8], "outputs": 0}, "outputs must be at least 1, got 0"),
    ):
        with pytest.raises(ValueError, match=message):
            UNet(1, **options)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="patch must be at least 1"):
        PixelUNet(1, [8], patch=0)
    with pytest.raises(ValueError, match=r"divisible by 3, got \(8, 8\)"):
        PixelUNet(1, [8], patch=3)(x, t)
    with pytest.raises(ValueError, match="channels must be at least 1, got 0"):
        PixelUNet(0, [8])
    pixels = PixelUNet(1, [8])
    for wrong in (torch.zeros(2, 3, 8, 8), torch.zeros(8, 8)):
        with pytest.raises(ValueError, match=r"x must have shape \(batch, 1, height, width\), got"):
            pixels(wrong, t)
    with pytest.raises(TypeError, match=r"x must be a torch.Tensor, got list"):
        pixels([[0.0]], t)


@pytest.mark.bad_input
def test_blocks_refuse_sizes_that_do_not_divide() -> None:
    with pytest.raises(ValueError, match="heads must divide width = 8, got 3"):
        SelfAttention(8, heads=3)
    with pytest.raises(ValueError, match="groups must divide width = 12, got 8"):
        SelfAttention(12)
    with pytest.raises(ValueError, match="groups must divide inputs = 8 and outputs = 12, got 8"):
        ToldBlock(8, 12, 4)
    with pytest.raises(ValueError, match="dropout must be"):
        ToldBlock(8, 8, 4, dropout=1.0)
