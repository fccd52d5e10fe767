"""Shared networks: shapes, starts, embeddings against their closed forms, clear errors."""

import math

import pytest
import torch

from gmlib.nn import (
    MLP,
    ConvBlock,
    ConvDecoder,
    ConvEncoder,
    FourierEmbedding,
    ResidualBlock,
    ResidualMLP,
    SinusoidalEmbedding,
)


def test_mlp_is_its_formula() -> None:
    net = MLP([2, 5, 3], activation=torch.nn.Tanh)
    x = torch.randn(4, 7, 2)
    first, last = net.layers[0], net.layers[3]
    expected = torch.tanh(x @ first.weight.T + first.bias) @ last.weight.T + last.bias
    assert torch.allclose(net(x), expected, atol=1e-6)
    assert net(x[:0]).shape == (0, 7, 3)  # an empty batch passes


def test_dropout_acts_in_training_only() -> None:
    net = MLP([2, 64, 1], dropout=0.5)
    x = torch.ones(1, 2)
    assert not torch.equal(net(x), net(x))
    net.eval()
    assert torch.equal(net(x), net(x))
    assert (
        MLP([2, 64, 1]).state_dict().keys() == net.state_dict().keys()
    )  # so that weights load with or without it


def test_residual_blocks_start_as_the_identity() -> None:
    h = torch.randn(3, 8)
    assert torch.equal(ResidualBlock(8, condition=4)(h, torch.randn(3, 4)), h)
    images = torch.randn(2, 6, 5, 5)
    assert torch.equal(ConvBlock(6, 6)(images), images)


def test_residual_mlp_reads_its_condition() -> None:
    net = ResidualMLP(2, 1, width=16, depth=2, condition=8)
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=0.3, generator=torch.Generator().manual_seed(1))
    x = torch.zeros(5, 2)
    a, b = net(x, torch.zeros(5, 8)), net(x, torch.ones(5, 8))
    assert a.shape == (5, 1)
    assert not torch.allclose(a, b)


def test_fourier_features_estimate_a_gaussian_kernel() -> None:
    # 20 000 frequencies: <e(t), e(t')> / 2K estimates exp(-2 pi^2 s^2 (t - t')^2) with error at most 1 / sqrt(2 K).
    k = 20_000
    embed = FourierEmbedding(2 * k, scale=0.4, generator=torch.Generator().manual_seed(0))
    t = torch.tensor([0.0, 0.1, 0.35, 1.0])
    e = embed(t)
    kernel = e @ e.T / (2 * k)
    exact = torch.exp(-2 * math.pi**2 * 0.4**2 * (t[:, None] - t).square())
    assert (kernel - exact).abs().max() < 4 / math.sqrt(2 * k)
    assert "frequencies" in embed.state_dict()


def test_sinusoidal_embedding_is_its_formula() -> None:
    e = SinusoidalEmbedding(6, max_frequency=100.0)(torch.tensor([0.3]))[0]
    omega = torch.tensor([100.0, 1.0, 0.01])
    assert torch.allclose(e, torch.cat([torch.cos(0.3 * omega), torch.sin(0.3 * omega)]), atol=1e-5)


@pytest.mark.parametrize("widths", [[4], [4, 8], [4, 8, 8]])
def test_convolutional_pair(widths: list[int]) -> None:
    encoder, decoder = ConvEncoder(1, 8, widths, 6), ConvDecoder(6, widths, 8, 3)
    code = encoder(torch.randn(2, 1, 8, 8))
    assert code.shape == (2, 6)
    assert decoder(code).shape == (2, 3, 8, 8)
    (gradient,) = torch.autograd.grad(decoder(code).square().sum(), next(encoder.parameters()))
    assert bool((gradient != 0).any())


@pytest.mark.bad_input
def test_bad_input() -> None:
    with pytest.raises(ValueError, match="sizes must name"):
        MLP([3])
    with pytest.raises(ValueError, match="dropout"):
        MLP([3, 3, 3], dropout=1.0)
    with pytest.raises(ValueError, match="x must end in the event shape"):
        MLP([3, 2])(torch.zeros(4, 2))
    with pytest.raises(TypeError, match="x must be a torch"):
        MLP([3, 2])([0.0, 0.0, 0.0])
    with pytest.raises(ValueError, match="e must be"):
        ResidualBlock(4)(torch.zeros(1, 4), torch.zeros(1, 2))
    with pytest.raises(ValueError, match="e must be"):
        ResidualMLP(2, 1, width=4, depth=1, condition=3)(torch.zeros(1, 2))
    with pytest.raises(ValueError, match="dim must be even"):
        FourierEmbedding(5)
    with pytest.raises(ValueError, match="scale"):
        FourierEmbedding(4, scale=0.0)
    with pytest.raises(ValueError, match="dim must be at least 4"):
        SinusoidalEmbedding(2)
    with pytest.raises(TypeError, match="t must have a floating dtype"):
        SinusoidalEmbedding(4)(torch.arange(3))
    with pytest.raises(ValueError, match="size must be divisible by 4"):
        ConvEncoder(1, 6, [2, 2, 2], 3)
    with pytest.raises(ValueError, match="widths must name"):
        ConvDecoder(3, [], 8, 1)
