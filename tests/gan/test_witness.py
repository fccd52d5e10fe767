"""The witness of the MMD: its value is the distance, its closed form, and its end far away."""

import math

import pytest
import torch

from gmlib.gan import gaussian_witness, mmd_witness, wasserstein_dual
from gmlib.metrics import GaussianKernel, gaussian_mmd2, mmd2

F64 = torch.float64


def test_mmd_witness() -> None:
    """Its difference of means is the MMD, its norm 1; it goes to 0 far away, where Wasserstein's keeps slope 1."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(30, 2, dtype=F64, generator=generator)
    y = 1.5 + torch.randn(20, 2, dtype=F64, generator=generator)
    kernel = GaussianKernel(0.8)
    witness = mmd_witness(kernel, x, y)
    distance = mmd2(x, y, kernel, biased=True).sqrt().item()
    assert witness.mmd.item() == pytest.approx(distance, rel=1e-12)
    assert (witness(x).mean() - witness(y).mean()).item() == pytest.approx(distance, rel=1e-12)
    # No other function of the ball gains more: combinations of kernels at random centres, of norm 1.
    gram = kernel(torch.cat([x, y]), torch.cat([x, y]))
    measure = torch.cat([torch.full((30,), 1 / 30, dtype=F64), torch.full((20,), -1 / 20, dtype=F64)])
    weights = torch.randn(200, 50, dtype=F64, generator=generator)
    norms = torch.einsum("ki,ij,kj->k", weights, gram, weights).sqrt()
    assert ((weights @ gram @ measure).abs() / norms <= distance).all()

    far = torch.tensor([[30.0, 0.0], [31.0, 0.0]], dtype=F64, requires_grad=True)
    assert witness(far).abs().max() < 1e-100
    assert torch.autograd.grad(witness(far).sum(), far)[0].abs().max() < 1e-100
    critic = wasserstein_dual(x, y)
    assert critic(far.detach()).diff().abs().item() == pytest.approx(1.0, abs=0.01)


def test_closed_form_between_gaussians() -> None:
    m1, m2, v1, v2, bandwidth = torch.tensor([0.3], dtype=F64), torch.tensor([-0.9], dtype=F64), 0.5, 2.0, 0.7
    grid = torch.linspace(-14, 14, 5601, dtype=F64)[:, None]
    step = 28 / 5600

    def density(m: torch.Tensor, v: float) -> torch.Tensor:
        return torch.exp(-((grid - m) ** 2) / (2 * v))[:, 0] / (2 * torch.pi * v) ** 0.5

    p, q = density(m1, v1), density(m2, v2)
    f = gaussian_witness(grid, m1, v1, m2, v2, bandwidth)
    mmd = gaussian_mmd2(m1, v1, m2, v2, bandwidth).sqrt().item()
    assert ((p - q) @ f).item() * step == pytest.approx(mmd, rel=1e-10)
    at = grid[::400]
    expected = GaussianKernel(bandwidth)(at, grid) @ (p - q) * step / mmd
    assert torch.allclose(f[::400], expected, atol=1e-12)

    # The sample's witness, unnormalised, is a mean of kernel values: within 5 of its standard errors at each of 5 points.
    n = 1500
    generator = torch.Generator().manual_seed(1)
    x, y = (m + v**0.5 * torch.randn(n, 1, dtype=F64, generator=generator) for m, v in ((m1, v1), (m2, v2)))
    at = torch.tensor([[-3.0], [-1.0], [0.0], [1.0], [3.0]], dtype=F64)
    kernel = GaussianKernel(bandwidth)
    error = (kernel(at, x).var(1) / n + kernel(at, y).var(1) / n).sqrt()
    sampled = mmd_witness(kernel, x, y)
    difference = sampled(at) * sampled.mmd - gaussian_witness(at, m1, v1, m2, v2, bandwidth) * mmd
    assert (difference.abs() < 5 * error).all()
    # Equal laws have no witness: 0, not NaN.
    assert gaussian_witness(at, m1, v1, m1, v1, bandwidth).abs().max() == 0


def test_in_any_dimension_and_of_equal_samples() -> None:
    zero, mean = torch.zeros(3, dtype=F64), torch.tensor([1.0, -0.5, 0.2], dtype=F64)
    generator = torch.Generator().manual_seed(2)
    z = torch.randn(4, 5, 3, dtype=F64, generator=generator)
    # Point masses: the witness is a difference of two kernels over the distance of the two points.
    f = gaussian_witness(z, zero, 0.0, mean, 0.0, 1.3)
    flat = mmd_witness(GaussianKernel(1.3), zero[None], mean[None])(z.flatten(0, 1)).reshape(4, 5)
    assert torch.allclose(f, flat, atol=1e-12)
    x = torch.randn(6, 3, dtype=F64, generator=generator)
    same = mmd_witness(GaussianKernel(1.0), x, x)
    assert torch.isfinite(same(x)).all()
    assert (same(x).mean() - same(x.flip(0)).mean()).abs() < 1e-12


@pytest.mark.parametrize("shift", [1e-12, 1e-6, 1e-3])
def test_the_witness_of_near_laws_tends_to_its_derivative(shift: float) -> None:
    # g(z - m) - g(z - m - D) -> -D dg/dm and MMD -> D |g'|: a bounded function, however near the two laws.
    z = torch.tensor([[0.5], [-2.0]], dtype=torch.float64)
    zero = torch.zeros(1, dtype=torch.float64)
    found = gaussian_witness(z, zero, 1.0, zero + shift, 1.0, bandwidth=1.0)
    slope = math.sqrt(0.5) * z[:, 0] / 2 * (-z[:, 0].square() / 4).exp()
    assert torch.allclose(found, -slope / math.sqrt(3**-0.5 / 3), rtol=1e-3, atol=2e-3)


@pytest.mark.bad_input
def test_bad_input() -> None:
    x = torch.zeros(3, 2)
    with pytest.raises(TypeError, match="kernel must be callable"):
        mmd_witness(1.0, x, x)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"y must have the event shape \(2,\) of x"):
        mmd_witness(GaussianKernel(1.0), x, torch.zeros(3, 1))
    with pytest.raises(ValueError, match=r"y must have the dtype torch\.float32 of x"):
        mmd_witness(GaussianKernel(1.0), x, x.double())
    with pytest.raises(ValueError, match="x must be finite"):
        mmd_witness(GaussianKernel(1.0), x + torch.nan, x)
    with pytest.raises(ValueError, match="z must end in the event shape"):
        mmd_witness(GaussianKernel(1.0), x, x)(torch.zeros(3, 5))
    with pytest.raises(ValueError, match="kernel must return the value of each pair"):
        mmd_witness(lambda x, y: (x - y).square().sum(1), x, x)
    mean = torch.zeros(2)
    with pytest.raises(ValueError, match=r"mean1 must have shape \(n,\)"):
        gaussian_witness(x, mean[0], 1.0, mean[0], 1.0, 1.0)
    with pytest.raises(ValueError, match=r"mean2 must have shape \(2,\)"):
        gaussian_witness(x, mean, 1.0, torch.zeros(3), 1.0, 1.0)
    with pytest.raises(ValueError, match=r"bandwidth must be a finite number in \(0"):
        gaussian_witness(x, mean, 1.0, mean, 1.0, 0.0)
    with pytest.raises(ValueError, match=r"var2 must be a finite number in \[0"):
        gaussian_witness(x, mean, 1.0, mean, -1.0, 1.0)
