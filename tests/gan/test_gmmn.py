"""Moment matching with a kernel: the estimators of gmlib.metrics, the closed gradient of Gaussians, a fitted grid."""

import math

import pytest
import torch
from torch import Tensor, nn

from gmlib.gan import MixtureKernel, mmd2_shift_gradient, moment_matching_loss
from gmlib.metrics import GaussianKernel, gaussian_mmd2, mmd2
from gmlib.nn import MLP

F64 = torch.float64


def fit_four_modes(bandwidths: tuple[float, ...], seed: int) -> tuple[float, Tensor]:
    """Train a small generator by plain SGD on four modes, (±1, ±1), std .2; MMD² and the share near each at the end."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    modes = torch.tensor([[-1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 1.0]])
    network = MLP([2, 24, 24, 2], activation=nn.ReLU)
    optimiser = torch.optim.SGD(network.parameters(), lr=1.0)

    def data(n: int) -> Tensor:
        which = torch.randint(4, (n,), generator=generator)
        return modes[which] + 0.2 * torch.randn(n, 2, generator=generator)

    def fakes(n: int) -> Tensor:
        return network(2 * torch.rand(n, 2, generator=generator) - 1)

    for _ in range(80):
        loss = moment_matching_loss(MixtureKernel(bandwidths), data(64), fakes(64)).total
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    with torch.no_grad():
        x = fakes(500)
        nearest, which = torch.cdist(x, modes).min(1)
        share = torch.bincount(which[nearest < 0.6], minlength=4) / 500
        return moment_matching_loss(MixtureKernel((0.25, 0.5, 1.0, 2.0)), data(500), x).total.item(), share


def test_gmmn() -> None:
    """Without a critic, plain SGD covers a grid with mixed bandwidths; with one that is far off it stands still."""
    for seed in range(3):
        distance, share = fit_four_modes((0.25, 0.5, 1.0, 2.0), seed)
        assert distance < 0.08
        assert share.min() > 0.05
    for bandwidth in (0.01, 100.0):
        distance, share = fit_four_modes((bandwidth,), 0)
        assert distance > 0.16
        assert share.min() < 0.02


@pytest.mark.parametrize("d", [1, 3])
def test_shift_gradient(d: int) -> None:
    generator = torch.Generator().manual_seed(d)
    shift = torch.randn(d, dtype=F64, generator=generator).requires_grad_()
    var, bandwidths = 0.6, (0.3, 1.0, 4.0)
    zero = torch.zeros(d, dtype=F64)
    distance = sum(gaussian_mmd2(zero, var, shift, var, ell) for ell in bandwidths) / 3
    assert isinstance(distance, Tensor)
    (expected,) = torch.autograd.grad(distance, shift)
    value = mmd2_shift_gradient(shift.detach(), var, bandwidths)
    assert torch.allclose(value, expected, rtol=1e-12)

    # Flat at both ends: of order ell^d for small bandwidths, 2 shift / ell^2 for large ones.
    slopes = {
        ell: mmd2_shift_gradient(shift.detach(), 1.0, [ell]).norm().item() for ell in (1e-4, 1e-3, 1e3, 1e4)
    }
    assert slopes[1e-3] / slopes[1e-4] == pytest.approx(10.0**d, rel=1e-4)
    assert slopes[1e4] == pytest.approx(2 * shift.detach().norm().item() / 1e8, rel=1e-4)
    assert slopes[1e3] / slopes[1e4] == pytest.approx(100.0, rel=1e-4)
    # Far away every bandwidth below the distance is silent, and a mixture with one above it is not.
    far = torch.zeros(d, dtype=F64)
    far[0] = 30.0
    assert mmd2_shift_gradient(far, 0.1, [1.0]).norm() < 1e-100
    assert mmd2_shift_gradient(far, 0.1, [1.0, 30.0]).norm() > 0.01


def test_the_loss_has_that_gradient_on_average() -> None:
    # 100 batches of 32: the mean gradient within 4 standard errors. V has it too: a shift moves no distance in a sample.
    generator = torch.Generator().manual_seed(0)
    x, noise = torch.randn(2, 100, 32, 1, dtype=F64, generator=generator)
    kernel = MixtureKernel((0.3, 1.0))
    truth = mmd2_shift_gradient(torch.ones(1, dtype=F64), 1.0, kernel.bandwidths).item()
    for unbiased in (True, False):
        shift = torch.ones(100, dtype=F64, requires_grad=True)
        total = torch.stack(
            [
                moment_matching_loss(kernel, a, b + s, unbiased=unbiased).total
                for a, b, s in zip(x, noise, shift, strict=True)
            ]
        )
        (slopes,) = torch.autograd.grad(total.sum(), shift)
        assert slopes.mean().item() == pytest.approx(truth, abs=4 * slopes.std().item() / 10)


def test_values_and_gradients_are_those_of_the_metric() -> None:
    generator = torch.Generator().manual_seed(1)
    real = torch.randn(40, 3, dtype=F64, generator=generator)
    fake = (0.5 + torch.randn(25, 3, dtype=F64, generator=generator)).requires_grad_()
    kernel = GaussianKernel(0.9)
    for ours in (kernel, MixtureKernel((0.9,))):
        for unbiased in (True, False):
            terms = moment_matching_loss(ours, real, fake, unbiased=unbiased)
            expected = mmd2(real, fake, kernel, biased=not unbiased)
            assert terms.total.item() == pytest.approx(expected.item(), abs=1e-14)
            assert (terms.real + terms.fake - 2 * terms.cross).item() == pytest.approx(
                terms.total.item(), abs=1e-15
            )
            assert not terms.real.requires_grad
            gradients = [
                torch.autograd.grad(value, fake, retain_graph=True)[0] for value in (terms.total, expected)
            ]
            assert torch.allclose(*gradients, atol=1e-14)
    # A mixture is the mean over its bandwidths.
    several = MixtureKernel((0.3, 0.9, 5.0))
    means = [mmd2(real, fake, GaussianKernel(ell)).item() for ell in several.bandwidths]
    assert moment_matching_loss(several, real, fake).total.item() == pytest.approx(sum(means) / 3, abs=1e-14)


def test_the_best_law_of_the_biased_loss_is_too_narrow() -> None:
    # E V = MMD² + (1 - E k(y, y')) / m + a constant, in closed form for N(0, v) against N(0, 1).
    variances = [0.3 + 0.02 * i for i in range(46)]
    zero, ell = torch.zeros(1, dtype=F64), 1.0
    best = {}
    for share in (0.0, 1 / 100, 1 / 16):
        values = [
            gaussian_mmd2(zero, 1.0, zero, v, ell).item() + share * (1 - ell / math.sqrt(ell**2 + 2 * v))
            for v in variances
        ]
        best[share] = variances[values.index(min(values))]
    assert best[0.0] == pytest.approx(1.0)
    assert 0.3 < best[1 / 16] < best[1 / 100] < 0.99
    # The U-statistic of the package is the first of them, the V-statistic the others: 200 batches of 4.
    generator = torch.Generator().manual_seed(2)
    x, y = torch.randn(2, 200, 4, 1, dtype=F64, generator=generator)
    kernel = MixtureKernel((ell,))
    for unbiased, extra in ((True, 0.0), (False, 2 * (1 - 1 / math.sqrt(3)) / 4)):
        values = torch.stack(
            [moment_matching_loss(kernel, a, b, unbiased=unbiased).total for a, b in zip(x, y, strict=True)]
        )
        assert values.mean().item() == pytest.approx(extra, abs=4 * values.std().item() / 200**0.5)


def test_mixture_kernel_keeps_its_digits() -> None:
    generator = torch.Generator().manual_seed(3)
    x, y = torch.randn(20, 1, 2, 2, generator=generator), torch.randn(30, 1, 2, 2, generator=generator)
    kernel = MixtureKernel((0.5, 2.0))
    exact = kernel(x.double(), y.double())
    flat = [GaussianKernel(ell)(x.flatten(1).double(), y.flatten(1).double()) for ell in kernel.bandwidths]
    assert torch.allclose(exact, (flat[0] + flat[1]) / 2, atol=1e-12)
    # Far from the origin in float32, from 16 bits, and under autocast.
    assert torch.allclose(kernel(x + 1000, y + 1000).double(), exact, atol=2e-3)
    assert kernel(x.bfloat16(), y.bfloat16()).dtype == torch.float32
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.allclose(kernel(x, y).double(), exact, atol=1e-6)
    # The value of a point with itself is 1, and the gradient there 0.
    point = torch.full((2, 2), 0.3, dtype=F64, requires_grad=True)
    assert torch.autograd.grad(kernel(point, point).sum(), point)[0].abs().max() == 0


@pytest.mark.gpu
def test_on_a_gpu() -> None:
    generator = torch.Generator().manual_seed(4)
    x, y = torch.randn(2, 500, 2, generator=generator)
    kernel = MixtureKernel((0.5, 2.0))
    expected = moment_matching_loss(kernel, x.double(), y.double()).total.item()
    y = y.cuda().requires_grad_()
    total = moment_matching_loss(kernel, x.cuda(), y).total
    assert total.item() == pytest.approx(expected, abs=1e-5)
    assert torch.autograd.grad(total, y)[0].device == y.device


@pytest.mark.bad_input
def test_bad_input() -> None:
    x = torch.zeros(3, 2)
    kernel = MixtureKernel((1.0,))
    with pytest.raises(TypeError, match="kernel must be callable"):
        moment_matching_loss(1.0, x, x)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"real must have shape .* at least 2 points"):
        moment_matching_loss(kernel, x[:1], x)
    with pytest.raises(ValueError, match=r"fake must have the event shape \(2,\) of real"):
        moment_matching_loss(kernel, x, torch.zeros(3, 3))
    with pytest.raises(TypeError, match=r"fake must be a torch\.Tensor"):
        moment_matching_loss(kernel, x, [[0.0]])  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="kernel must return the value of each pair"):
        # One value a row has a mean too.
        moment_matching_loss(lambda x, y: (x - y).square().sum(1), x, x, unbiased=False)
    with pytest.raises(TypeError, match="bandwidths must be a sequence"):
        MixtureKernel(1.0)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="bandwidths must hold at least one"):
        MixtureKernel(())
    with pytest.raises(ValueError, match=r"bandwidths must be a finite number in \(0"):
        MixtureKernel((1.0, -1.0))
    with pytest.raises(ValueError, match="shift must be a vector"):
        mmd2_shift_gradient(x, 1.0, [1.0])
    with pytest.raises(ValueError, match="var must be"):
        mmd2_shift_gradient(x[0], -1.0, [1.0])
