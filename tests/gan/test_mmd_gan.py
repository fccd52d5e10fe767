"""A kernel on features: false zeros of features that lose something, and closed forms of those that lose nothing."""

import math

import pytest
import torch
from torch import Tensor, nn

from gmlib.gan import FeatureKernel, MixtureKernel, mmd_critic_loss, moment_matching_loss
from gmlib.metrics import GaussianKernel, gaussian_mmd2, mmd2

F64 = torch.float64


def quantiles(mean: float, std: float, n: int = 200) -> Tensor:
    """Points that stand for N(mean, std²) without the noise of a sample."""
    levels = (torch.arange(n, dtype=F64) + 0.5) / n
    return (mean + std * torch.special.ndtri(levels))[:, None]


class Scale(nn.Module):
    """Features of one learnt scale, exp(log_scale) x."""

    def __init__(self, log_scale: float) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.tensor(log_scale, dtype=F64))

    def forward(self, x: Tensor) -> Tensor:
        return self.log_scale.exp() * x


def test_mmd_gan() -> None:
    """Constant features show a zero between any two laws; injective ones keep the distance; a scale is a bandwidth."""
    x, y = quantiles(1.0, 0.5), quantiles(-1.0, 0.5)
    base = GaussianKernel(1.0)
    distance = {
        name: moment_matching_loss(FeatureKernel(features, base), x, y, unbiased=False).total.item()
        for name, features in {
            "constant": lambda x: torch.zeros_like(x),
            "even": lambda x: x**2,  # the laws are mirror images
            "cube": lambda x: x**3,
            "shifted": lambda x: 5 - x,
        }.items()
    }
    assert distance["constant"] == pytest.approx(0.0, abs=1e-12)
    assert distance["even"] == pytest.approx(0.0, abs=1e-12)
    assert distance["cube"] > 0.1
    assert distance["shifted"] == pytest.approx(mmd2(x, y, base, biased=True).item(), abs=1e-12)
    # Injective features keep the metric's zero: for equal laws, and only for them, along a path of shifts.
    cube = FeatureKernel(lambda x: x**3, base)
    along = [
        moment_matching_loss(cube, x, x + shift, unbiased=False).total.item()
        for shift in (0.0, 0.1, 0.3, 1.0)
    ]
    assert along[0] == pytest.approx(0.0, abs=1e-12)
    assert min(along[1:]) > 1e-3

    # Features e^a x under a kernel of bandwidth 1 are a kernel of bandwidth e^-a: the maximum over a by gradient steps is
    # the best bandwidth of the closed form.
    x, y = quantiles(0.0, 1.0), quantiles(1.0, 1.0)
    features = Scale(-1.0)
    kernel = FeatureKernel(features, base)
    optimiser = torch.optim.SGD(kernel.parameters(), lr=4.0)
    for _ in range(40):
        optimiser.zero_grad()
        mmd_critic_loss(kernel, x, y, unbiased=False).total.backward()
        optimiser.step()
    zero, one = torch.zeros(1, dtype=F64), torch.ones(1, dtype=F64)
    bandwidths = torch.linspace(0.5, 4.0, 176, dtype=F64).tolist()
    values = [gaussian_mmd2(zero, 1.0, one, 1.0, ell).item() for ell in bandwidths]
    best = max(values)
    reached = mmd_critic_loss(kernel, x, y, unbiased=False).mmd2.item()
    assert (-features.log_scale).exp().item() == pytest.approx(bandwidths[values.index(best)], abs=0.04)
    assert reached == pytest.approx(best, rel=5e-3)
    assert (
        best > 1.2 * values[0]
    )  # where the features began, at a bandwidth of e, it is as bad on the other side
    assert best > 1.2 * gaussian_mmd2(zero, 1.0, one, 1.0, math.e).item()


def test_reconstruction_speaks_against_features_that_lose_something() -> None:
    generator = torch.Generator().manual_seed(0)
    real = torch.randn(50, 2, dtype=F64, generator=generator)
    fake = 1 + torch.randn(70, 2, dtype=F64, generator=generator)
    pooled = torch.cat([real, fake])
    base = MixtureKernel((0.5, 2.0))
    # Of constant features no decoder does better than the mean: the error is the variance of the pool.
    constant = FeatureKernel(lambda x: torch.zeros_like(x), base)
    terms = mmd_critic_loss(constant, real, fake, decoder=lambda h: h + pooled.mean(0), unbiased=False)
    assert terms.mmd2.item() == pytest.approx(0.0, abs=1e-12)
    assert terms.reconstruction.item() == pytest.approx(pooled.var(0, unbiased=False).sum().item())
    # Of one coordinate of two, the other's variance is lost; of an invertible map nothing.
    first = FeatureKernel(lambda x: x[:, :1], base)
    mean = pooled.mean(0)[1]

    def fill(h: Tensor) -> Tensor:
        return torch.cat([h, mean.expand(len(h), 1)], 1)

    lost = mmd_critic_loss(first, real, fake, decoder=fill, weight=3.0)
    assert lost.reconstruction.item() == pytest.approx(pooled[:, 1].var(unbiased=False).item())
    assert lost.total.item() == pytest.approx(3 * lost.reconstruction.item() - lost.mmd2.item())
    matrix = torch.tensor([[2.0, 1.0], [0.5, -1.0]], dtype=F64)
    whole = FeatureKernel(lambda x: x @ matrix, base)
    kept = mmd_critic_loss(whole, real, fake, decoder=lambda h: h @ torch.linalg.inv(matrix))
    assert kept.reconstruction.item() == pytest.approx(0.0, abs=1e-24)
    assert kept.total.item() == pytest.approx(
        -mmd2(real @ matrix, fake @ matrix, Mean(base)).item(), abs=1e-12
    )


class Mean(GaussianKernel):
    """A mixture kernel in the clothes of the metrics' kernels."""

    def __init__(self, mixture: MixtureKernel) -> None:
        super().__init__(1.0)
        object.__setattr__(self, "mixture", mixture)

    def __call__(self, x: Tensor, y: Tensor) -> Tensor:
        return self.mixture(x, y)  # type: ignore[attr-defined]


def test_the_two_players_pull_apart() -> None:
    # One step of the features raises the distance, one step of the generator lowers it, each on the same batch.
    torch.manual_seed(0)
    features, shift = nn.Linear(2, 3).double(), torch.ones(2, dtype=F64, requires_grad=True)
    kernel = FeatureKernel(features, MixtureKernel((1.0,)))
    real, noise = torch.randn(2, 60, 2, dtype=F64)

    def distance() -> Tensor:
        return moment_matching_loss(kernel, real, noise + shift).total

    before = distance()
    loss = mmd_critic_loss(kernel, real, (noise + shift).detach()).total
    gradients = torch.autograd.grad(loss, list(features.parameters()))
    assert shift.grad is None
    with torch.no_grad():
        for weight, gradient in zip(features.parameters(), gradients, strict=True):
            weight -= 0.01 * gradient
    between = distance()
    (gradient,) = torch.autograd.grad(between, shift)
    with torch.no_grad():
        shift -= 0.01 * gradient
    assert before < between
    assert distance() < between
    assert isinstance(kernel, nn.Module)
    assert len(list(kernel.parameters())) == 2


@pytest.mark.bad_input
def test_bad_input() -> None:
    x = torch.zeros(3, 2)
    kernel = FeatureKernel(lambda x: x, MixtureKernel((1.0,)))
    with pytest.raises(TypeError, match="features must be callable"):
        FeatureKernel(1, MixtureKernel((1.0,)))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="kernel must be callable"):
        FeatureKernel(torch.abs, 1.0)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="kernel must be a FeatureKernel"):
        mmd_critic_loss(MixtureKernel((1.0,)), x, x)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"fake must have the event shape \(2,\) of real"):
        mmd_critic_loss(kernel, x, x[:, :1])
    with pytest.raises(ValueError, match=r"decoder\(features\) must have the shape \(6, 2\)"):
        mmd_critic_loss(kernel, x, x, decoder=lambda h: h[:, :1])
    with pytest.raises(TypeError, match="decoder must be callable"):
        mmd_critic_loss(kernel, x, x, decoder=1)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="weight must be"):
        mmd_critic_loss(kernel, x, x, weight=-1.0)
