"""The game on twenty points: a largest value of affine functions, and the steps that reach its least value."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from gmlib.gan import best_critic_value, critic_value, simplex_descent, value_subgradient

F64 = torch.float64
POINTS = 20


def laws(n: int, seed: int = 0) -> Tensor:
    return torch.rand(n, POINTS, dtype=F64, generator=torch.Generator().manual_seed(seed)).softmax(-1)


def spread(seed: int = 0) -> Tensor:
    return torch.randn(POINTS, dtype=F64, generator=torch.Generator().manual_seed(seed)).mul(0.7).softmax(-1)


def test_gan_convexity() -> None:
    p_data = spread()
    p, q = (
        laws(50, 1),
        torch.randn(50, POINTS, dtype=F64, generator=torch.Generator().manual_seed(2)).mul(2).softmax(-1),
    )
    # The largest value of affine functions: any critic's value is affine in the law and below the best one's, which is
    # reached at D* = p_data/(p_data + p).
    critics = torch.rand(50, POINTS, dtype=F64, generator=torch.Generator().manual_seed(3))
    mixed = 0.3 * p + 0.7 * q
    ends = 0.3 * critic_value(p_data, p, critics) + 0.7 * critic_value(p_data, q, critics)
    assert torch.allclose(critic_value(p_data, mixed, critics), ends, rtol=1e-12)
    assert bool((critic_value(p_data, p, critics) < best_critic_value(p_data, p)).all())
    assert torch.allclose(
        critic_value(p_data, p, p_data / (p_data + p)), best_critic_value(p_data, p), rtol=1e-12
    )
    # Hence convex, and above each of its tangents.
    chord = 0.3 * best_critic_value(p_data, p) + 0.7 * best_critic_value(p_data, q)
    assert bool((best_critic_value(p_data, mixed) < chord).all())
    tangent = best_critic_value(p_data, p) + (value_subgradient(p_data, p) * (q - p)).sum(-1)
    assert bool((best_critic_value(p_data, q) > tangent).all())

    # Steps on the simplex reach the data's law, in both geometries, from a corner as well.
    corner = torch.zeros(POINTS, dtype=F64)
    corner[3] = 1.0
    for start in (laws(1, 4)[0], corner):
        for geometry, eta, steps in (("euclidean", p_data.min().item(), 1500), ("entropic", 0.5, 80)):
            path = simplex_descent(p_data, start, eta=eta, steps=steps, geometry=geometry)
            assert torch.allclose(path.sum(-1), torch.ones(steps + 1, dtype=F64))
            assert bool((path >= 0).all())
            assert (path[-1] - p_data).abs().max() < 1e-6
            assert best_critic_value(p_data, path[-1]).item() == pytest.approx(-math.log(4), abs=1e-9)
    # The entropic step of size 1 halves the distance.
    path = simplex_descent(p_data, corner, eta=1.0, steps=5, geometry="entropic")
    halves = 0.5 ** torch.arange(6, dtype=F64)[:, None]
    assert torch.allclose(path, p_data + halves * (corner - p_data), rtol=1e-10)


def test_values_at_the_ends() -> None:
    p_data = spread()
    assert best_critic_value(p_data, p_data).item() == pytest.approx(-math.log(4), rel=1e-12)
    one, two = torch.eye(POINTS, dtype=F64)[:2]
    assert best_critic_value(one, two).item() == 0.0
    # A certain critic is worth minus infinity when it is wrong, and 0 when right.
    assert critic_value(one, two, one).item() == 0.0
    assert critic_value(one, two, two).item() == -math.inf
    # The gradient is that of autograd along the simplex (up to a constant).
    p = laws(1, 5)[0].requires_grad_()
    value = (p_data * (p_data / (p_data + p)).log() + p * (p / (p_data + p)).log()).sum()
    (gradient,) = torch.autograd.grad(value, p)
    assert torch.allclose(value_subgradient(p_data, p.detach()), gradient, rtol=1e-9)
    assert value_subgradient(one, two)[:3].tolist() == [-math.inf, 0.0, pytest.approx(-math.log(2))]


def test_not_convex_in_a_parameter() -> None:
    # The same value as a function of where a bump sits: no chord stays above it.
    x = torch.arange(POINTS, dtype=F64)

    def bump(at: float) -> Tensor:
        return (-((x - at) ** 2) / 2).softmax(-1)

    near, middle, far = (best_critic_value(bump(4), bump(at)).item() for at in (6.0, 10.0, 14.0))
    assert middle > (near + far) / 2 + 0.1


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda p: best_critic_value(p, 2 * p), ValueError, "p_model must sum to one"),
        (lambda p: best_critic_value(-p, p), ValueError, "p_data must not be negative"),
        (
            lambda p: critic_value(p, p, 3 * torch.ones_like(p)),
            ValueError,
            r"d must hold probabilities in \[0, 1\]",
        ),
        (
            lambda p: critic_value(p, p, torch.ones_like(p)[:3]),
            ValueError,
            r"d must have the points of p_data and a batch shape that broadcasts .* got shape \(3,\)",
        ),
        (
            lambda p: best_critic_value(p, torch.ones(1, dtype=p.dtype)),  # would broadcast over the points
            ValueError,
            r"p_model must have the points of p_data .* got shape \(1,\)",
        ),
        (
            lambda p: value_subgradient(p.expand(2, -1), p.expand(3, -1)),
            ValueError,
            r"p_model .* broadcasts with the laws' \(2, 20\), got shape \(3, 20\)",
        ),
        (
            lambda p: simplex_descent(p, p.float(), eta=1.0, steps=1),
            ValueError,
            "p_model must have the dtype torch.float64 of p_data, got torch.float32",
        ),
        (lambda p: value_subgradient(p, p.tolist()), TypeError, "p_model must be a torch.Tensor, got list"),
        (
            lambda p: simplex_descent(p, p, eta=0.0, steps=1),
            ValueError,
            r"eta must be a finite number in \(0",
        ),
        (lambda p: simplex_descent(p, p, eta=1.0, steps=0), ValueError, "steps must be at least 1, got 0"),
        (
            lambda p: simplex_descent(p, p, eta=1.0, steps=1, geometry="flat"),
            ValueError,
            "geometry must be one of 'euclidean', 'entropic', got 'flat'",
        ),
        (
            lambda p: simplex_descent(p, laws(2), eta=1.0, steps=1),
            ValueError,
            r"p_data and p_model must have one shape \(points,\), got \(20,\) and \(2, 20\)",
        ),
    ],
)
def test_bad_input(call: Any, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        call(spread())
