"""The baseline rows: known numbers on the digits, bounds that are bounds, and the mixture of histograms."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import Tensor

from gmlib.classical import PCA, FloorRow, HistogramMixture, PixelHistograms, fit_mixture, floor_rows
from gmlib.classical.baselines import _Principal
from gmlib.data import dequantise, digits, mnist
from gmlib.distributions import Gaussian, GaussianMixture

F64 = torch.float64


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images(split: str) -> Tensor:
    return digits(split).images.flatten(1)


@pytest.fixture(scope="module")
def rows() -> dict[str, FloorRow]:
    found = floor_rows(images("train"), images("test"), 17, generator=seeded())
    return {row.name: row for row in found}


def test_rows_on_the_digits(rows: dict[str, FloorRow]) -> None:
    """The two rows of chapter 2 to the digit, and the order of the others."""
    assert rows["uniform"].nats == pytest.approx(64 * math.log(17))
    assert rows["uniform"].standard_error == 0
    assert rows["pixel histograms"].nats == pytest.approx(106.33, abs=5e-3)
    assert rows["pixel histograms"].setting == "pseudo-count 0.01"
    for row in rows.values():
        assert row.bits_per_dim == pytest.approx(row.nats / (64 * math.log(2)))
    exact = [row.name for row in rows.values() if row.kind == "exact"]
    assert exact == ["uniform", "pixel histograms", "mixture of pixel histograms"]
    # Templates beat independent pixels; densities of dequantised levels do not: they cannot hold a level fast.
    assert rows["mixture of pixel histograms"].nats < rows["pixel histograms"].nats - 5
    order = ["mixture of Gaussians", "one Gaussian", "isotropic Gaussian"]
    costs = [rows[name].nats for name in order]
    assert costs == sorted(costs)
    assert rows["mixture of Gaussians"].nats > rows["pixel histograms"].nats


def test_rows_are_reproducible(rows: dict[str, FloorRow]) -> None:
    again = floor_rows(images("train"), images("test"), 17, generator=seeded())
    assert [row.nats for row in again] == [row.nats for row in rows.values()]


def test_mnist_histograms_are_those_of_chapter_2() -> None:
    train, test = mnist("train").images.flatten(1), mnist("test").images.flatten(1)[:1000]
    cost = -PixelHistograms(train, levels=256, smoothing=0.01).log_prob(test).mean().item()
    assert cost / (784 * math.log(2)) == pytest.approx(1.702, abs=5e-4)


def small(n: int, seed: int) -> Tensor:
    g = seeded(seed)
    z = torch.randn(n, 1, generator=g)
    return (3 + z + 0.8 * torch.randn(n, 3, generator=g)).round().clamp(0, 7).long()


def test_gaussian_rows_are_the_averaged_bound_and_below_the_exact_mass() -> None:
    """The closed form equals the average over 20,000 draws of u, within 5 standard errors, and Jensen holds on a grid."""
    train, test = small(200, 0), small(4, 1)
    principal, levels, d = _Principal(train, 8), 8, 3
    middle = (train.double() + 0.5) / levels
    cov = torch.cov(middle.T, correction=0) + torch.eye(d, dtype=F64) / (12 * levels**2)
    law = Gaussian(middle.mean(0), cov=cov)
    cost = principal.cost(principal.squares(test), principal.values)
    n = 20_000
    u = torch.rand(n, 4, d, generator=seeded(2), dtype=F64)
    draws = law.log_prob((test.double() + u) / levels) - d * math.log(levels)
    assert ((draws.mean(0) + cost).abs() < 5 * draws.std(0) / math.sqrt(n)).all()
    axis = (torch.arange(40, dtype=F64) + 0.5) / 40
    cell = torch.cartesian_prod(axis, axis, axis)
    exact = (law.log_prob((test.double()[:, None] + cell) / levels) - d * math.log(levels)).logsumexp(1)
    exact = exact - 3 * math.log(40)
    assert (exact + cost > 0).all()
    assert (exact + cost < 0.2).all()
    # Averaged eigenvalues are probabilistic PCA on dequantised images.
    ppca = PCA(middle, 1).law().covariance + torch.eye(d, dtype=F64) / (12 * levels**2)
    averaged = principal.vectors @ torch.diag(principal.averaged(1)) @ principal.vectors.T
    assert torch.allclose(averaged, ppca, atol=1e-12)


def test_mixture_row_is_a_bound() -> None:
    """Against the exact mass of the same mixture, whose components are put together from their coordinates."""
    train, test = small(300, 0), small(5, 1)
    principal, levels, d, ridge = _Principal(train, 8), 8, 3, 1e-3
    cost = principal.mixture_cost(train, test, 2, 2, ridge, seeded())
    whole = principal.mixture_cost(train, test, 1, 2, 0.0, seeded())
    # A single component is the Gaussian, up to the draw of u in the training images.
    single = principal.cost(principal.squares(test), principal.values)
    assert torch.allclose(whole, single, atol=0.1)
    g = seeded()
    y = dequantise(train, levels, generator=g, dtype=F64) - principal.mean
    frame = principal.vectors
    fit = fit_mixture(y @ frame[:, :2], 2, floor=principal.noise, steps=30, tolerance=2e-3, generator=g)
    eye = torch.eye(3, dtype=F64)
    covs = ridge * eye.repeat(2, 1, 1)
    covs[:, :2, :2] += fit.mixture.covariances
    covs[:, 2, 2] += principal.values[2]
    means = torch.cat([fit.mixture.means, torch.zeros(2, 1, dtype=F64)], 1)
    law = GaussianMixture(
        means @ frame.T + principal.mean, weights=fit.mixture.weights, cov=frame @ covs @ frame.T
    )
    axis = (torch.arange(30, dtype=F64) + 0.5) / 30
    cell = torch.cartesian_prod(axis, axis, axis)
    points = (test.double()[:, None] + cell) / levels
    exact = (law.log_prob(points)).logsumexp(1) - 3 * math.log(30) - d * math.log(levels)
    assert (exact + cost > 0).all()
    assert (exact + cost < 0.3).all()


def test_histogram_mixture_sums_to_one_and_never_lowers_its_objective() -> None:
    x = torch.randint(0, 3, (60, 3), generator=seeded(), dtype=torch.int64)
    every = torch.cartesian_prod(*[torch.arange(3)] * 3)
    for strength, K in itertools.product((0.1, 5.0), (1, 4)):
        law = HistogramMixture(x, 3, K, strength=strength, tolerance=0.0, generator=seeded(1))
        assert law.log_prob(every).exp().sum().item() == pytest.approx(1, abs=1e-10)
        assert (law.objective.diff() >= -1e-9).all()
        prior = (
            strength * (law.common.log_table.exp()[:, :, None] * law.log_table).sum() + law.log_weights.sum()
        )
        assert law.objective[-1].item() == pytest.approx((law.log_prob(x).sum() + prior).item(), rel=1e-12)
        again = law.smoothed(2.0)
        assert not hasattr(again, "objective")  # that of the other strength would be a lie
        assert again.log_prob(every).exp().sum().item() == pytest.approx(1, abs=1e-10)
    one = HistogramMixture(x, 3, 1, strength=1e-9, smoothing=0.5)
    tables = PixelHistograms(x, 3, smoothing=1e-9)
    assert torch.allclose(one.log_prob(every), tables.log_prob(every), atol=1e-6)
    twice = HistogramMixture(x, 3, 1, strength=5.0, smoothing=0.5)
    counts = torch.stack([(x == level).sum(0) for level in range(3)], -1)
    theta = (counts + 5.0 * twice.common.log_table.exp()) / (60 + 5.0)
    torch.testing.assert_close(twice.log_table[:, :, 0].exp(), theta)
    stiff = HistogramMixture(x, 3, 4, strength=1e9, smoothing=0.5, generator=seeded())
    assert torch.allclose(
        stiff.log_prob(every), PixelHistograms(x, 3, smoothing=0.5).log_prob(every), atol=1e-6
    )


def test_histogram_mixture_finds_templates() -> None:
    """Two templates with 5 % of noise: the cost comes within a few hundredths of a nat of the law that made them."""
    g = seeded()
    templates = torch.randint(0, 2, (2, 20), generator=g)
    which = torch.randint(0, 2, (4000,), generator=g)
    x = templates[which] ^ (torch.rand(4000, 20, generator=g) < 0.05).long()
    fitted = HistogramMixture(x[:2000], 2, 2, generator=g).log_prob(x[2000:])
    agree = (x[2000:, None] == templates).double()
    truth = (agree * math.log(0.95) + (1 - agree) * math.log(0.05)).sum(-1).logsumexp(-1) - math.log(2)
    shortfall = truth - fitted
    assert abs(shortfall.mean().item()) < 0.05
    assert PixelHistograms(x[:2000], 2).log_prob(x[2000:]).mean().item() < truth.mean().item() - 3


@pytest.mark.gpu
def test_the_gpu_gives_the_cpus_numbers() -> None:
    train, test = images("train"), images("test")
    here = floor_rows(train, test, 17, generator=seeded())
    there = floor_rows(train.cuda(), test.cuda(), 17, generator=torch.Generator("cuda").manual_seed(0))
    for a, b in zip(here, there, strict=True):
        # The mixtures start from other draws.
        assert b.nats == pytest.approx(a.nats, abs=4.0 if "mixture" in a.name else 1e-6)


@pytest.mark.parametrize("d", [1, 3])
def test_the_mixture_may_live_in_all_coordinates(d: int) -> None:
    """Ten images are enough, and with one component it is the one Gaussian, but for the drawn dequantisation."""
    train, test = small(2000, 0)[:, :d], small(500, 1)[:, :d]
    rows = {
        row.name: row for row in floor_rows(train, test, 8, components=1, coordinates=d, generator=seeded())
    }
    assert rows["mixture of Gaussians"].nats == pytest.approx(rows["one Gaussian"].nats, abs=0.01)
    assert math.isfinite(floor_rows(train[:10], test, 8, components=8, coordinates=d)[-1].nats)


@pytest.mark.bad_input
def test_bad_input() -> None:
    x = small(30, 0)
    with pytest.raises(ValueError, match=r"components must be at most 8, .* got 10"):
        floor_rows(x[:10], x, 8, coordinates=2)
    with pytest.raises(TypeError, match=r"test must be a torch.Tensor, got list"):
        floor_rows(x, x.tolist(), 8)
    with pytest.raises(ValueError, match="test must hold at least 2 images, got 1"):
        floor_rows(x, x[:1], 8)
    with pytest.raises(ValueError, match="train must hold at least 10 images, got 5"):
        floor_rows(x[:5], x, 8)
    with pytest.raises(TypeError, match="x must hold whole numbers"):
        floor_rows(x.float(), x, 8)
    with pytest.raises(ValueError, match=r"x must hold levels 0 \.\. 1"):
        floor_rows(x, x, 2)
    with pytest.raises(ValueError, match="x must have 3 pixels, got 2"):
        floor_rows(x, x[:, :2], 8)
    with pytest.raises(ValueError, match="coordinates must be at most d = 3, got 4"):
        floor_rows(x, x, 8, components=2, coordinates=4)
    with pytest.raises(ValueError, match="components must be at least 1"):
        floor_rows(x, x, 8, components=0, coordinates=2)
    with pytest.raises(ValueError, match="K must be at most the number of images 30"):
        HistogramMixture(x, 8, 31)
    with pytest.raises(ValueError, match="strength"):
        HistogramMixture(x, 8, 2, strength=0.0)
    with pytest.raises(ValueError, match="x must hold levels"):
        HistogramMixture(x, 8, 2).log_prob(x + 5)
