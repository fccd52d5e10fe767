"""The toy laws integrate to one and have the entropies that quadrature of the continuous laws gives."""

from __future__ import annotations

import math

import pytest
import scipy.special
import torch
from torch import Tensor

from gmlib.distributions import (
    TOYS,
    Gaussian,
    GaussianMixture,
    banana,
    crab_sample,
    crab_table,
    ring,
    toy,
    two_moons,
)

F64 = torch.float64


def grid(law: GaussianMixture, n: int) -> tuple[Tensor, float]:
    """Log-density on an n x n grid that reaches 6 standard deviations past every component, and a cell's area."""
    reach = 6 * law.covariances.diagonal(dim1=-2, dim2=-1).sqrt().amax(0)
    low, high = law.means.amin(0) - reach, law.means.amax(0) + reach
    axes = [torch.linspace(float(a), float(b), n, dtype=F64) for a, b in zip(low, high, strict=True)]
    return law.log_prob(torch.cartesian_prod(*axes)), float(((high - low) / (n - 1)).prod())


def entropy(law: GaussianMixture, n: int) -> float:
    log_p, area = grid(law, n)
    return -float((log_p.exp() * log_p).sum()) * area


@pytest.mark.parametrize("name", TOYS)
def test_toy_2d_sets(name: str) -> None:
    """The grid's step is below every component's width, where the trapezoid rule errs by less than 1e-6."""
    law = toy(name, dtype=F64)
    log_p, area = grid(law, 150)
    assert float(log_p.exp().sum()) * area == pytest.approx(1, abs=1e-6)
    assert law.n_components <= 400


@pytest.mark.parametrize("name", TOYS)
def test_toy_has_the_oracle(name: str) -> None:
    law = toy(name)
    x = law.sample((20,), generator=torch.Generator().manual_seed(0))
    assert x.dtype == law.score(x).dtype == torch.get_default_dtype()
    assert torch.isfinite(law.score(torch.full((1, 2), 1e4))).all()
    law, x = toy(name, dtype=F64), x.to(F64).requires_grad_()
    (gradient,) = torch.autograd.grad(law.log_prob(x).sum(), x)
    torch.testing.assert_close(law.score(x.detach()), gradient, rtol=1e-9, atol=1e-9)
    tweedie = (x + 0.25 * law.noised(0.8, 0.5).score(x)) / 0.8
    torch.testing.assert_close(law.posterior_mean(x, 0.8, 0.5), tweedie, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(
    ("noise", "truth", "best_gaussian"),
    [(0.05, 0.2892, 1.8835), (0.1, 1.0076, 1.9083), (0.2, 1.6775, 1.9999)],
)
def test_two_moons(noise: float, truth: float, best_gaussian: float) -> None:
    """Entropy by quadrature of the continuous law and the entropy of the best normal law, to the digits given.

    The mixture puts 200 Gauss-Legendre nodes on each moon, at most 0.025 apart: at noise 0.05 and above that rule's own
    error is far below the 5e-5 to which the truth is rounded; halving the nodes changes nothing at 1e-7.
    """
    law = two_moons(noise, dtype=F64)
    n = int(10 / noise) + 10  # a grid step below half the noise
    assert entropy(law, n) == pytest.approx(truth, abs=5.1e-5)
    assert entropy(two_moons(noise, 200, dtype=F64), n) == pytest.approx(entropy(law, n), abs=1e-7)
    assert Gaussian(law.mean, cov=law.covariance).entropy().item() == pytest.approx(best_gaussian, abs=5.1e-5)


def test_ring_density_is_rices() -> None:
    s, r = 0.1, torch.linspace(1.5, 2.5, 9, dtype=F64)
    law = ring(s, dtype=F64)
    bessel = torch.from_numpy(scipy.special.ive(0, (2 * r / s**2).numpy()))  # e^{-z} I0(z)
    rice = bessel * torch.exp(-((r - 2) ** 2) / (2 * s**2)) / (2 * math.pi * s**2)
    for angle in (0.0, 0.3, 2.0):
        x = r.unsqueeze(-1) * torch.tensor([math.cos(angle), math.sin(angle)], dtype=F64)
        torch.testing.assert_close(law.log_prob(x).exp(), rice, rtol=1e-8, atol=1e-12)


def test_cross_density() -> None:
    assert entropy(toy("cross", dtype=F64), 250) == pytest.approx(1.4531, abs=1e-4)


def test_banana_density() -> None:
    """Entropy log(2 pi e) + log 2 = 3.5310, mean (1, 0), variances 1 + 2 and 4.

    x1 has variance 1 + Var[x2²/4] = 1 + 2·16/16 = 3. Splitting x2 into pieces of width tau replaces the skew of each
    piece by a normal law; that raises the entropy by 8e-5 at 101 pieces and eight times as much at half as many.
    """
    law = banana(dtype=F64)
    assert entropy(law, 120) == pytest.approx(math.log(2 * math.pi * math.e) + math.log(2), abs=2e-4)
    torch.testing.assert_close(law.mean, torch.tensor([1.0, 0.0], dtype=F64), atol=1e-3, rtol=0)
    torch.testing.assert_close(law.variance, torch.tensor([3.0, 4.0], dtype=F64), atol=5e-3, rtol=0)
    x = law.sample((50_000,), generator=torch.Generator().manual_seed(0))
    residual = x[:, 0] - x[:, 1] ** 2 / 4  # N(0, 1), independent of x2
    assert residual.mean().abs() < 5 / math.sqrt(50_000)
    assert (residual.var() - 1).abs() < 5 * math.sqrt(2 / 50_000)


def test_pinwheel_agrees_with_its_definition() -> None:
    """Mean log-density of 10,000 draws of the definition is minus the mixture's entropy within 5 standard errors.

    The cross-entropy exceeds the entropy by a KL divergence, and equals it only when the mixture is the law; the
    tangents cost less than 0.01 nats.
    """
    n, g = 10_000, torch.Generator().manual_seed(0)
    r, w = torch.randn(2, n, generator=g, dtype=F64) * torch.tensor([[0.3], [0.1]], dtype=F64)
    r = r + 1
    angle = 2 * math.pi / 5 * torch.randint(5, (n,), generator=g) + 0.25 * r.exp()
    x = 2 * torch.stack([r * angle.cos() - w * angle.sin(), r * angle.sin() + w * angle.cos()], -1)
    law = toy("pinwheel", dtype=F64)
    log_p = law.log_prob(x)
    assert abs(-log_p.mean().item() - entropy(law, 150)) < 0.01 + 5 * log_p.std().item() / math.sqrt(n)
    assert (x.var(0) - law.variance).abs().max() < 5 * (x**2).std(0).max() / math.sqrt(n)


def test_checkerboard_is_flat_inside_and_empty_outside() -> None:
    """Well inside a dark cell the density is 1/8 to 1.2 %; the centre of a light cell is nearly empty."""
    law = toy("checkerboard", dtype=F64)
    offset = torch.linspace(0.35, 0.65, 7, dtype=F64)
    dark = torch.cartesian_prod(offset, offset)
    for shift in ([0.0, 0.0], [-2.0, -2.0], [1.0, -1.0]):
        density = law.log_prob(dark + torch.tensor(shift, dtype=F64)).exp()
        torch.testing.assert_close(density, torch.full_like(density, 1 / 8), rtol=0.012, atol=0)
    assert law.log_prob(torch.tensor([0.5, -0.5], dtype=F64)).exp() < 1e-6


def test_centred_toys() -> None:
    for name in ("eight_gaussians", "sixteen_gaussians", "ring", "pinwheel", "checkerboard", "cross"):
        assert toy(name, dtype=F64).mean.abs().max() < 1e-12, name


def test_crabs_table() -> None:
    midpoints, counts = crab_table()
    assert len(midpoints) == len(counts) == 29
    assert int(counts.sum()) == 1000
    sample = crab_sample().squeeze(-1)
    classes = (sample - midpoints[0]) / 0.004 + 1
    assert classes.mean().item() == pytest.approx(16.799, abs=1e-9)
    centred = classes - classes.mean()
    skewness = (centred**3).mean() / (centred**2).mean() ** 1.5
    assert skewness.item() == pytest.approx(-0.498, abs=5e-4)


def test_crabs_likelihoods() -> None:
    """One normal law 2540.97; two, by EM from the published fit, 2567.58 with the published parameters."""
    x = crab_sample()
    one = Gaussian(x.mean(0), var=x.var(0, correction=0))
    assert one.log_prob(x).sum().item() == pytest.approx(2540.97, abs=5e-3)
    two = GaussianMixture(
        torch.tensor([[0.6317], [0.6546]], dtype=F64),
        weights=torch.tensor([0.433, 0.567], dtype=F64),
        var=torch.tensor([0.0183, 0.0126], dtype=F64) ** 2,
    )
    for _ in range(300):
        r = two.responsibilities(x)
        n = r.sum(0)
        means = (r.T @ x) / n.unsqueeze(-1)
        var = (r * (x - means.T) ** 2).sum(0) / n
        two = GaussianMixture(means, weights=n, var=var)
    assert two.log_prob(x).sum().item() == pytest.approx(2567.58, abs=5e-3)
    torch.testing.assert_close(two.weights, torch.tensor([0.433, 0.567], dtype=F64), atol=1e-3, rtol=0)
    torch.testing.assert_close(two.means[:, 0], torch.tensor([0.6317, 0.6546], dtype=F64), atol=1e-4, rtol=0)
    sds = two.covariances.flatten().sqrt()
    torch.testing.assert_close(sds, torch.tensor([0.0183, 0.0126], dtype=F64), atol=1e-4, rtol=0)
