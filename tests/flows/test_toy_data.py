"""The laws of the plane that the flows are held to: their entropies, and what one affine layer cannot do on them."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from gmlib.distributions import Gaussian, GaussianMixture, banana, cross, four_gaussians
from gmlib.flows import Flow, NormalConditionals, StandardNormal, affine_layer_floor, grid_integral

F64 = torch.float64
HALF_LOG_2PIE = 0.5 * math.log(2 * math.pi * math.e)


def kl_on_grid(law: GaussianMixture, flow: Flow, *, low: float, high: float, n: int = 250) -> float:
    """KL(law || flow) by the midpoint rule over a square, in float64."""
    step = (high - low) / n
    axis = low + step * (torch.arange(n, dtype=F64) + 0.5)
    x = torch.cartesian_prod(axis, axis)
    log_p = law.log_prob(x)
    with torch.no_grad():
        return float((log_p.exp() * (log_p - flow.log_prob(x))).sum()) * step**2


def best_layer(law: GaussianMixture, order: tuple[int, int]) -> Flow:
    return Flow(StandardNormal((2,)), NormalConditionals(law, order)).double()


def test_cross_density() -> None:
    law = cross(dtype=F64)
    for order in ((0, 1), (1, 0)):  # the law is symmetric
        floor = affine_layer_floor(law, order)
        assert floor.entropy == pytest.approx(1.4531, abs=5e-5)
        assert floor.total == pytest.approx(0.3283, abs=5e-5)
        assert floor.first == pytest.approx(0.2517, abs=5e-5)
        # The bound is attained: the layer in closed form, its KL by another rule over another grid.
        assert kl_on_grid(law, best_layer(law, order), low=-7, high=7) == pytest.approx(floor.total, abs=1e-6)
    # One normal law over both coordinates: variances (1 + .15²)/2, no correlation.
    whole = 2 * HALF_LOG_2PIE + math.log((1 + 0.15**2) / 2)
    assert Gaussian(law.mean, cov=law.covariance).entropy().item() == pytest.approx(whole, abs=1e-12)
    assert whole - floor.entropy == pytest.approx(0.7139, abs=5e-5)


def banana_floor() -> tuple[float, float]:
    """Both parts of the floor in the order (x1, x2), from the definition of the banana: rows x1, columns x2."""
    (x1, h1), (x2, h2) = (np.linspace(-8, 40, 1001, retstep=True), np.linspace(-13, 13, 1001, retstep=True))
    joint = np.exp(-0.5 * (x1[:, None] - x2**2 / 4) ** 2 - x2**2 / 8) / (4 * math.pi)
    p1 = joint.sum(1) * h2
    entropy_1 = -(p1 * np.log(p1)).sum() * h1
    spread = (joint * x2**2).sum(1) * h2 / p1  # E[x2 | x1] is 0 by symmetry
    first = HALF_LOG_2PIE + 0.5 * math.log(3) - entropy_1
    second = HALF_LOG_2PIE + 0.5 * (p1 * np.log(spread)).sum() * h1 - (banana_entropy() - entropy_1)
    return first, second


def banana_entropy() -> float:
    """H(x2) + H(x1 | x2), of variances 4 and 1."""
    return 2 * HALF_LOG_2PIE + math.log(2)


def test_banana_density() -> None:
    assert banana_entropy() == pytest.approx(3.5310, abs=5e-5)
    first, second = banana_floor()
    assert first + second == pytest.approx(0.3354, abs=5e-5)
    # Our banana is a mixture along the parabola that ends 4.5 deviations out; its own numbers differ by that.
    law = banana(dtype=F64)
    floor = affine_layer_floor(law, (0, 1), n=200)
    assert floor.entropy == pytest.approx(banana_entropy(), abs=2e-4)
    assert floor.first == pytest.approx(first, abs=5e-4)
    assert floor.second == pytest.approx(second, abs=5e-4)
    # x2 first: both of the true conditional laws are normal, and one layer is enough.
    assert affine_layer_floor(law, (1, 0), n=200).total == pytest.approx(0, abs=1e-5)
    exact = NormalConditionals(law, (1, 0))
    u = torch.randn(200, 2, generator=torch.Generator().manual_seed(0), dtype=F64)
    x = exact(u)[0]
    torch.testing.assert_close(x[:, 1], 2 * u[:, 1], rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(x[:, 0], u[:, 1] ** 2 + u[:, 0], rtol=1e-2, atol=1e-2)


def test_four_gaussians() -> None:
    s, m = 0.3, math.sqrt(2)
    law = four_gaussians(s, dtype=F64)
    # Two independent coordinates, so that everything follows from the line.
    line = torch.linspace(-6, 6, 2001, dtype=F64)
    parts = [
        torch.exp(-0.5 * ((line - sign * m) / s) ** 2) / (s * math.sqrt(2 * math.pi)) for sign in (-1, 1)
    ]
    p = (parts[0] + parts[1]) / 2
    entropy = -float(torch.special.xlogy(p, p).sum()) * 12 / 2000
    # Blobs 9.4 deviations apart: almost a fair coin and a normal law each.
    assert entropy == pytest.approx(math.log(2) + HALF_LOG_2PIE + math.log(s), abs=1e-4)
    assert affine_layer_floor(law).entropy == pytest.approx(2 * entropy, abs=1e-9)
    x = torch.cartesian_prod(line[::100], line[::100])
    product = (p[::100, None] * p[None, ::100]).flatten()
    torch.testing.assert_close(law.log_prob(x).exp(), product, rtol=1e-10, atol=1e-14)
    assert grid_integral(law.log_prob) == pytest.approx(1, abs=1e-6)
    # The oracle's negative log-likelihood on 20,000 draws is the entropy within 4 standard errors.
    nll = -law.log_prob(law.sample((20_000,), generator=torch.Generator().manual_seed(0)))
    assert abs(nll.mean() - 2 * entropy) < 4 * nll.std() / math.sqrt(20_000)
    # Nothing in one coordinate tells about the other: an affine layer pays twice for the two bumps.
    price = HALF_LOG_2PIE + 0.5 * math.log(m**2 + s**2) - entropy
    floor = affine_layer_floor(law)
    assert floor.first == pytest.approx(price, abs=1e-9)
    assert floor.second == pytest.approx(price, abs=1e-9)


BAD = [
    (
        lambda: affine_layer_floor(torch.zeros(2)),
        TypeError,
        "law must have the methods marginal and condition",
    ),
    (
        lambda: affine_layer_floor(GaussianMixture(torch.zeros(2, 3), var=1.0)),
        ValueError,
        "law must be one law over two coordinates",
    ),
    (
        lambda: NormalConditionals(GaussianMixture(torch.zeros(4, 2, 2), var=1.0)),
        ValueError,
        "law must be one law over two coordinates",
    ),
    (lambda: affine_layer_floor(cross(), (0, 0)), ValueError, r"order must be \(0, 1\) or \(1, 0\)"),
    (lambda: NormalConditionals(cross(), (1, 2)), ValueError, r"order must be \(0, 1\) or \(1, 0\)"),
    (lambda: affine_layer_floor(cross(), n=1), ValueError, "n must be at least 2"),
    (lambda: four_gaussians(0.0), ValueError, "noise must be a finite number"),
]


@pytest.mark.bad_input
@pytest.mark.parametrize(("call", "error", "match"), BAD)
def test_bad_input(call, error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        call()
