"""Squared MMD against the closed form of Gaussians, its own identities, scikit-learn's and torchmetrics' kernels."""

import math
import warnings

import pytest
import torch
from torch import Tensor

from gmlib.metrics import (
    CubicKernel,
    GaussianKernel,
    Kernel,
    gaussian_mmd2,
    median_bandwidth,
    mmd2,
    mmd2_estimate,
)

F64 = torch.float64


def test_mmd() -> None:
    """The closed form; V - U = (1/n) (2 k(0) - mean k_xx - mean k_yy); U can be negative; both against the truth."""
    zero, one = torch.zeros(1, dtype=F64), torch.ones(1, dtype=F64)
    truth = gaussian_mmd2(zero, 1.0, one, 1.0, bandwidth=1.0).item()
    assert truth == pytest.approx(2 / math.sqrt(3) * (1 - math.exp(-1 / 6)), rel=1e-12)
    assert truth == pytest.approx(0.17727, abs=5e-6)

    kernel = GaussianKernel(1.0)
    generator = torch.Generator().manual_seed(0)
    draws = torch.randn(200, 2, 50, 1, dtype=F64, generator=generator)
    off = ~torch.eye(50, dtype=torch.bool)
    for x, y in draws[:5]:
        u, v = mmd2(x, y, kernel), mmd2(x, y, kernel, biased=True)
        gap = (2 - kernel(x, x)[off].mean() - kernel(y, y)[off].mean()) / 50
        assert (v - u).item() == pytest.approx(gap.item(), abs=1e-14)
        assert v >= 0

    # 200 pairs of samples of 50: U is right on average for equal and for unequal laws, V by 2 (1 - 3^-1/2) / n too large.
    for shift, expected in ((0.0, 0.0), (1.0, truth)):
        u = torch.stack([mmd2(x, y + shift, kernel) for x, y in draws])
        v = torch.stack([mmd2(x, y + shift, kernel, biased=True) for x, y in draws])
        error = 4 * u.std().item() / 200**0.5
        assert u.mean().item() == pytest.approx(expected, abs=error)
        assert v.mean().item() == pytest.approx(expected + 2 * (1 - 3**-0.5) / 50, abs=error)
        assert (u < 0).any().item() == (shift == 0.0)


def test_closed_form_by_quadrature() -> None:
    m1, m2, v1, v2, bandwidth = 0.3, -0.9, 0.5, 2.0, 0.7
    grid = torch.linspace(-14, 14, 2801, dtype=F64)

    def density(m: float, v: float) -> Tensor:
        return torch.exp(-((grid - m) ** 2) / (2 * v)) / math.sqrt(2 * math.pi * v) * (grid[1] - grid[0])

    difference = density(m1, v1) - density(m2, v2)
    expected = difference @ GaussianKernel(bandwidth)(grid[:, None], grid[:, None]) @ difference
    value = gaussian_mmd2(torch.tensor([m1], dtype=F64), v1, torch.tensor([m2], dtype=F64), v2, bandwidth)
    assert value.item() == pytest.approx(expected.item(), rel=1e-10)
    # In d dimensions the signal of a bandwidth of 1 vanishes.
    far = [
        gaussian_mmd2(torch.zeros(d), 1.0, torch.full((d,), d**-0.5), 1.0, 1.0).item() for d in (1, 10, 100)
    ]
    assert far[0] > 50 * far[1] > 1e6 * far[2]


def test_closed_form_promotes_dtypes() -> None:
    m1, m2 = torch.tensor([0.0, 1.0], dtype=torch.float16), torch.tensor([1.0, 0.5], dtype=F64)
    exact = gaussian_mmd2(m1.double(), 1.0, m2, 2.0, 1.0)
    assert gaussian_mmd2(m1, 1.0, m2, 2.0, 1.0) == exact
    low = gaussian_mmd2(m1, 1.0, m2.to(torch.float16), 2.0, 1.0)
    assert low.dtype == torch.float32
    assert low.item() == pytest.approx(exact.item(), rel=1e-6)


def test_kernels_agree_with_scikit_learn() -> None:
    from sklearn.metrics.pairwise import polynomial_kernel, rbf_kernel

    generator = torch.Generator().manual_seed(1)
    x, y = (
        torch.randn(7, 3, dtype=F64, generator=generator),
        torch.randn(9, 3, dtype=F64, generator=generator),
    )
    gaussian = rbf_kernel(x.numpy(), y.numpy(), gamma=1 / (2 * 0.8**2))
    assert torch.allclose(GaussianKernel(0.8)(x, y), torch.from_numpy(gaussian), atol=1e-14)
    cubic = polynomial_kernel(x.numpy(), y.numpy(), degree=3, coef0=1)  # gamma = 1 / d by default
    assert torch.allclose(CubicKernel()(x, y), torch.from_numpy(cubic), rtol=1e-12)
    for kernel in (GaussianKernel(0.8), CubicKernel()):
        assert torch.allclose(kernel.diagonal(x), kernel(x, x).diagonal(), rtol=1e-12)


def test_agrees_with_torchmetrics() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torchmetrics' own imports
        from torchmetrics.image.kid import poly_mmd

    generator = torch.Generator().manual_seed(2)
    x, y = torch.randn(2, 60, 5, dtype=F64, generator=generator)
    expected = poly_mmd(x, 1.3 * y).item()
    assert mmd2(x, 1.3 * y, CubicKernel()).item() == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("kernel", [GaussianKernel(1.5), CubicKernel()])
def test_blocks_and_unequal_sizes(kernel: Kernel) -> None:
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(23, 4, dtype=F64, generator=generator)
    y = 0.5 + torch.randn(31, 4, dtype=F64, generator=generator)
    xx, yy, xy = kernel(x, x), kernel(y, y), kernel(x, y)
    u = (xx.sum() - xx.trace()) / (23 * 22) + (yy.sum() - yy.trace()) / (31 * 30) - 2 * xy.mean()
    v = xx.mean() + yy.mean() - 2 * xy.mean()
    for chunk in (None, 1, 5, 100):
        assert mmd2(x, y, kernel, chunk=chunk).item() == pytest.approx(u.item(), abs=1e-12)
        assert mmd2(x, y, kernel, chunk=chunk, biased=True).item() == pytest.approx(v.item(), abs=1e-12)
        assert mmd2_estimate(x, y, kernel, chunk=chunk).value == pytest.approx(u.item(), abs=1e-12)
    # float32 features far from zero: squares do not cancel (the Gaussian kernel does not know where zero is).
    if isinstance(kernel, GaussianKernel):
        near = mmd2((x + 1000).float(), (y + 1000).float(), kernel).item()
        assert near == pytest.approx(u.item(), abs=1e-4)


def test_points_far_apart_in_bandwidths() -> None:
    # Two clusters 20,000 bandwidths apart, and one outlier at a million: the kernel between near points must be what
    # explicit differences in float64 give.
    generator = torch.Generator().manual_seed(8)
    sign = torch.arange(200)[:, None] % 2 * 2 - 1
    x, y = 100 * sign + 0.01 * torch.randn(2, 200, 1, generator=generator)
    z, w = torch.randn(2, 300, 4, generator=generator)
    z[7] = 1e6
    for a, b, bandwidth in ((x, y, 0.01), (z, w, 1.0), (w, z, 1.0)):
        kernel = GaussianKernel(bandwidth)
        xx, yy, xy = (
            torch.exp(-(u.double()[:, None] - v.double()).square().sum(-1) / (2 * bandwidth**2))
            for u, v in ((a, a), (b, b), (a, b))
        )
        n = len(a)
        biased = xx.mean() + yy.mean() - 2 * xy.mean()
        plain = (xx.sum() + yy.sum() - 2 * n) / (n * (n - 1)) - 2 * xy.mean()
        assert mmd2(a, b, kernel, biased=True).item() == pytest.approx(biased.item(), abs=1e-7)
        assert mmd2(a, b, kernel).item() == pytest.approx(plain.item(), abs=1e-7)


@pytest.mark.parametrize("shift", [0.0, 0.3, 1.0])
def test_standard_error_is_the_spread(shift: float) -> None:
    # 200 pairs of samples of 40 and 80. The spread of 200 values is itself known to 1 part in 20.
    generator = torch.Generator().manual_seed(4)
    runs = []
    for draw in torch.randn(200, 120, 1, dtype=F64, generator=generator):
        runs.append(mmd2_estimate(draw[:40], shift + draw[40:], GaussianKernel(1.0)))
    spread = torch.tensor([run.value for run in runs]).std().item()
    reported = torch.tensor([run.standard_error for run in runs]).square().mean().sqrt().item()
    low, high = (1.0, 1.6) if shift == 0.0 else (0.82, 1.22)
    assert low < reported / spread < high


def test_gradient() -> None:
    generator = torch.Generator().manual_seed(5)
    x = torch.randn(6, 2, dtype=F64, generator=generator, requires_grad=True)
    y = torch.randn(5, 2, dtype=F64, generator=generator)
    for kernel in (GaussianKernel(1.0), CubicKernel()):
        assert torch.autograd.gradcheck(lambda x, k=kernel: mmd2(x, y, k, chunk=4), (x,))


def test_median_bandwidth() -> None:
    from scipy.spatial.distance import pdist

    generator = torch.Generator().manual_seed(6)
    x, y = torch.randn(2, 20, 3, dtype=F64, generator=generator)
    distances = torch.from_numpy(pdist(torch.cat([x, y]).numpy()))
    assert median_bandwidth(x, y) == pytest.approx(distances.median().item(), rel=1e-12)
    assert median_bandwidth(y, x) == median_bandwidth(x, y)
    assert median_bandwidth(3 * x) == pytest.approx(3 * median_bandwidth(x), rel=1e-12)
    # Of 5000 points of N(0, 1), 500 are drawn; distances of N(0, 2) have the median 2^1/2 times .67449.
    many = torch.randn(5000, 1, generator=generator)
    drawn = median_bandwidth(many, most=500, generator=generator)
    assert drawn == pytest.approx(2**0.5 * 0.67449, abs=0.1)


@pytest.mark.gpu
def test_on_a_gpu() -> None:
    generator = torch.Generator().manual_seed(7)
    x, y = torch.randn(2, 3000, 8, generator=generator)
    for kernel in (GaussianKernel(3.0), CubicKernel()):
        here, there = mmd2_estimate(x, y, kernel), mmd2_estimate(x.to("cuda"), y.to("cuda"), kernel)
        assert there.value == pytest.approx(here.value, abs=0.05 * here.standard_error)
        assert there.standard_error == pytest.approx(here.standard_error, rel=0.01)


@pytest.mark.bad_input
def test_bad_input() -> None:
    x, kernel = torch.zeros(4, 2), GaussianKernel(1.0)
    with pytest.raises(ValueError, match=r"bandwidth must be a finite number in \(0"):
        GaussianKernel(0.0)
    with pytest.raises(ValueError, match="y must have 2 columns"):
        mmd2(x, torch.zeros(4, 3), kernel)
    with pytest.raises(ValueError, match="x must be a matrix of at least 2 rows"):
        mmd2(x[:1], x, kernel)
    with pytest.raises(ValueError, match="y must end in the event shape"):
        mmd2(x.clone().requires_grad_(), torch.zeros(4, 3), kernel)
    with pytest.raises(ValueError, match="y must be finite"):
        mmd2(x, x * torch.nan, kernel)
    with pytest.raises(TypeError, match="x must have a floating dtype"):
        mmd2(x.long(), x, kernel)
    with pytest.raises(TypeError, match=r"kernel must be a Kernel such as GaussianKernel\(1.0\), got float"):
        mmd2(x, x, 1.0)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="chunk must be at least 1"):
        mmd2(x, x, kernel, chunk=0)
    with pytest.raises(ValueError, match="at least 4 rows"):
        mmd2_estimate(x[:3], x, kernel)
    with pytest.raises(ValueError, match="var2 must be a finite number"):
        gaussian_mmd2(torch.zeros(1), 1.0, torch.zeros(1), -1.0, 1.0)
    with pytest.raises(ValueError, match=r"mean2 must have shape \(1,\), got shape \(2,\)"):
        gaussian_mmd2(torch.zeros(1), 1.0, torch.zeros(2), 1.0, 1.0)
    with pytest.raises(ValueError, match=r"mean2 must have shape \(2,\), got shape \(5, 2\)"):
        gaussian_mmd2(torch.zeros(2), 1.0, torch.zeros(5, 2), 1.0, 1.0)
    with pytest.raises(ValueError, match="mean1 must be finite"):
        gaussian_mmd2(torch.full((2,), torch.nan), 1.0, torch.zeros(2), 1.0, 1.0)
    with pytest.raises(ValueError, match="positive median distance"):
        median_bandwidth(x)
