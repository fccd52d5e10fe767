"""Flows whose residual passes through a bottleneck, and the radial flow: determinants, inverses, when there is one."""

from __future__ import annotations

import math

import pytest
import torch
from scipy.optimize import brentq
from torch import Tensor

from gmlib.flows import (
    Composition,
    Planar,
    Radial,
    Sylvester,
    dense_log_det,
    jacobian,
    low_rank_log_det,
    low_rank_residual,
)
from gmlib.flows.planar import above_minus_one
from gmlib.flows.tanh_root import solve_tanh

F64 = torch.float64


def matrix(rows: int, columns: int, shift: float = 0.0) -> Tensor:
    """sin(ij + i + shift) for i, j = 1, 2, ..."""
    i, j = (torch.arange(1, n + 1, dtype=F64) for n in (rows, columns))
    return torch.sin(i[:, None] * j + i[:, None] + shift)


def shaken(layer: torch.nn.Module, size: float, seed: int = 0) -> None:
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(size * torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype))


@pytest.mark.parametrize(("d", "m"), [(5, 1), (7, 3), (4, 4), (2, 6)])
def test_determinant_lemma(d: int, m: int) -> None:
    a, b = matrix(d, m), matrix(m, d, 1.0)
    large = torch.linalg.det(torch.eye(d, dtype=F64) + a @ b)
    small = torch.linalg.det(torch.eye(m, dtype=F64) + b @ a)
    assert abs(large - small) <= 1e-12 * max(1, abs(large))
    assert low_rank_log_det(a, b).item() == pytest.approx(large.abs().log().item(), abs=1e-12)


def test_the_jacobian_of_a_bottleneck() -> None:
    a, b, bias = matrix(5, 2), matrix(2, 5, 1.0), torch.tensor([0.3, -0.2], dtype=F64)
    u = matrix(4, 5, 2.0)
    x, log_det = low_rank_residual(u, a, b, bias)
    for row in range(4):
        dense = torch.autograd.functional.jacobian(lambda p: low_rank_residual(p, a, b, bias)[0], u[row])
        torch.testing.assert_close(log_det[row], torch.linalg.slogdet(torch.as_tensor(dense))[1])
    torch.testing.assert_close(x - u, torch.tanh(u @ b.T + bias) @ a.T)


def along_w(kappa: float) -> Tensor:
    """w^T x on a line along w, for a planar map in the plane with w^T v = kappa."""
    w = torch.tensor([0.6, -0.8], dtype=F64)
    v = kappa * w + torch.tensor([0.8, 0.6], dtype=F64)
    s = torch.linspace(-4, 4, 801, dtype=F64)
    return low_rank_residual(s[:, None] * w, v[:, None], w[None], torch.zeros(1, dtype=F64))[0] @ w


def test_planar_flow() -> None:
    # Below -1 the map along w turns back; just above, it does not.
    assert bool((along_w(-1.5).diff() < 0).any())
    assert bool((along_w(-0.99).diff() > 0).all())
    for size in (0.5, 3.0, 30.0):
        layer = Planar(3).double()
        shaken(layer, size)
        v, kappa = layer.direction()
        assert kappa.item() > -1
        assert kappa.item() == pytest.approx((layer.w @ v).item(), abs=1e-9 * size**2)
        u = matrix(6, 3)
        x, log_det = layer(u)
        due = low_rank_residual(u, v[:, None], layer.w[None], layer.bias[None])
        torch.testing.assert_close((x, log_det), due)
        torch.testing.assert_close(log_det, dense_log_det(layer, u))


def test_a_planar_layer_moves_everything_in_one_direction_and_can_start_from_no_direction() -> None:
    layer = Planar(4).double()
    shaken(layer, 1.0)
    u = matrix(8, 4)
    assert torch.linalg.matrix_rank(layer(u)[0] - u).item() == 1
    with torch.no_grad():
        layer.w.zero_()
        layer.bias.zero_()
    x, log_det = layer(u)
    torch.testing.assert_close(x, u)
    assert log_det.tolist() == [0.0] * 8
    x.sum().backward()
    assert all(p.grad is not None and bool(torch.isfinite(p.grad).all()) for p in layer.parameters())


def test_any_number_makes_one_above_minus_one() -> None:
    raw = torch.tensor([-1e4, -30.0, -1.0, 0.0, 2.0, 1e4], dtype=F64)
    value = above_minus_one(raw)
    assert bool((value >= -0.999).all())
    assert value[3].item() == 0
    assert bool((value.diff() >= 0).all())
    # softplus to far above: the number itself, and the log(e^0.999 - 1) - 0.999 that is lost at 0.
    assert (value[-1] - raw[-1]).item() == pytest.approx(math.log(math.expm1(0.999)) - 0.999)


@pytest.mark.parametrize("kappa", [-0.999, -0.5, 0.0, 0.3, 5.0, 1e3])
def test_the_root_of_the_planar_equation_against_scipy(kappa: float) -> None:
    for target in (-40.0, -1.0, -1e-3, 0.0, 0.2, 3.0, 900.0):
        found = solve_tanh(torch.tensor(target, dtype=F64), torch.tensor(kappa, dtype=F64)).item()
        wide = abs(target) + abs(kappa) + 1
        due = brentq(lambda s, t=target: s + kappa * math.tanh(s) - t, -wide, wide, xtol=1e-15, rtol=1e-15)
        assert found == pytest.approx(due, rel=1e-11, abs=1e-11)


def test_the_root_is_exact_on_a_grid_of_everything() -> None:
    kappa = torch.cat([-1 + torch.logspace(-6, 0, 61), torch.logspace(-4, 5, 91)]).double()
    size = torch.cat([torch.zeros(1), torch.logspace(-8, 6, 141)]).double()
    target = torch.cat([-size, size])
    s = solve_tanh(target.expand(len(kappa), -1), kappa[:, None])
    miss = s + kappa[:, None] * s.tanh() - target
    assert bool((miss.abs() <= 1e-12 * (1 + target.abs() + kappa[:, None].abs())).all())


def test_the_root_has_the_gradient_of_the_implicit_function() -> None:
    target = torch.tensor([-2.0, 0.0, 0.4, 3.0], dtype=F64, requires_grad=True)
    kappa = torch.tensor([-0.9, 0.5, 4.0, -0.2], dtype=F64, requires_grad=True)
    s = solve_tanh(target, kappa)
    slopes = torch.autograd.grad(s.sum(), (target, kappa))
    slope = 1 + kappa * (1 - s.tanh().square())
    torch.testing.assert_close(slopes, (1 / slope, -s.tanh() / slope))
    assert torch.autograd.gradcheck(solve_tanh, (target, kappa))


def test_radial_flow() -> None:
    for d, size in ((1, 1.0), (2, 1.0), (5, 3.0)):
        layer = Radial(d).double()
        shaken(layer, size)
        alpha, beta = layer.coefficients()
        assert beta > -alpha
        u = 3 * matrix(6, d)
        x, log_det = layer(u)
        r = (u - layer.centre).norm(dim=-1)
        h, slope = 1 / (alpha + r), -1 / (alpha + r) ** 2
        det = (1 + beta * h) ** (d - 1) * (1 + beta * h + beta * slope * r)
        torch.testing.assert_close(log_det, det.log())
        torch.testing.assert_close(log_det, dense_log_det(layer, u))
        torch.testing.assert_close(layer.inverse(x)[0], u, rtol=1e-12, atol=1e-12)


def test_a_radial_map_is_invertible_for_beta_above_minus_alpha_and_not_below() -> None:
    alpha, r = 0.7, torch.linspace(0, 5, 1001, dtype=F64)
    for beta, monotone in ((-0.69, True), (-0.71, False), (4.0, True)):
        assert bool(((r + beta * r / (alpha + r)).diff() > 0).all()) is monotone
    for raw in (-1e3, -30.0, 0.0, 1e3):
        layer = Radial(2).double()
        torch.nn.init.constant_(layer.free_beta, raw)
        alpha_now, beta_now = layer.coefficients()
        assert beta_now > -alpha_now


def test_the_residual_of_a_radial_flow_is_no_bottleneck() -> None:
    layer = Radial(5).double()
    shaken(layer, 1.0)
    residual = jacobian(layer, torch.ones(5, dtype=F64)) - torch.eye(5, dtype=F64)
    assert torch.linalg.matrix_rank(residual).item() == 5


def test_the_centre_of_a_radial_flow_stays_and_space_around_it_grows_evenly() -> None:
    layer = Radial(3).double()
    shaken(layer, 1.0, seed=2)
    alpha, beta = layer.coefficients()
    for move, factor in ((layer.forward, 1 + beta / alpha), (layer.inverse, 1 / (1 + beta / alpha))):
        point = layer.centre.detach().clone().requires_grad_(True)
        out, log_det = move(point)
        torch.testing.assert_close(out, layer.centre)
        torch.testing.assert_close(log_det, 3 * factor.log())
        (slope,) = torch.autograd.grad(out.sum(), point)
        torch.testing.assert_close(slope, factor.expand(3))


@pytest.mark.parametrize(("d", "m"), [(5, 2), (4, 4), (3, 1)])
def test_sylvester_flow(d: int, m: int) -> None:
    for size in (0.5, 3.0):
        layer = Sylvester(d, m).double()
        shaken(layer, size)
        q, outer, inner = layer.factors()
        torch.testing.assert_close(q.T @ q, torch.eye(m, dtype=F64))
        assert torch.equal(outer, outer.triu())
        assert torch.equal(inner, inner.triu())
        assert bool((outer.diagonal() * inner.diagonal() > -1).all())
        u = matrix(6, d)
        x, log_det = layer(u)
        due = low_rank_residual(u, q @ outer, inner @ q.T, layer.bias)
        torch.testing.assert_close((x, log_det), due)
        torch.testing.assert_close(log_det, dense_log_det(layer, u))
        torch.testing.assert_close(layer.inverse(x)[0], u, rtol=1e-11, atol=1e-11)


def test_a_sylvester_layer_with_one_hidden_unit_is_planar() -> None:
    sylvester, planar = Sylvester(3, 1).double(), Planar(3).double()
    shaken(sylvester, 1.0)
    q, outer, inner = (factor.detach() for factor in sylvester.factors())
    kappa = (outer * inner).item()
    # The free number whose image under `above_minus_one` is kappa.
    raw = math.log(math.expm1(kappa + 0.999)) - math.log(math.expm1(0.999))
    with torch.no_grad():
        planar.w.copy_(q[:, 0] * inner[0, 0])
        planar.free_v.copy_(raw * planar.w / planar.w.square().sum())
        planar.bias.copy_(sylvester.bias[0])
    u = matrix(6, 3)
    torch.testing.assert_close(planar(u), sylvester(u))


def test_layers_start_as_the_identity_and_learn_from_there() -> None:
    u = matrix(6, 4)
    for layer in (Planar(4), Radial(4), Sylvester(4, 2)):
        x, log_det = layer.double()(u)
        assert torch.equal(x, u)
        assert log_det.tolist() == [0.0] * 6
        (x.square().sum() - log_det.sum()).backward()
        assert any(bool((p.grad != 0).any()) for p in layer.parameters() if p.grad is not None)


def test_on_the_line_steep_planar_layers_are_increasing_and_come_back() -> None:
    generator = torch.Generator().manual_seed(0)
    flow = Composition([Planar(1).double(), Planar(1).double()])
    shaken(flow, 3.0, seed=4)
    u = torch.randn(500, 1, dtype=F64, generator=generator)
    x, log_det = flow(u)
    torch.testing.assert_close(flow.inverse(x)[0], u, rtol=1e-9, atol=1e-9)
    assert bool((x[u[:, 0].argsort(), 0].diff() > 0).all())
    torch.testing.assert_close(log_det, dense_log_det(flow, u))


@pytest.mark.bad_input
def test_bad_input_is_named() -> None:
    for make, message in (
        (lambda: Planar(0), r"^d must be at least 1, got 0"),
        (lambda: Radial(0), r"^d must be at least 1, got 0"),
        (lambda: Sylvester(3, 0), r"^m must be at least 1, got 0"),
        (lambda: Sylvester(3, 4), r"^m must be at most d = 3, got 4"),
        (lambda: low_rank_log_det(torch.ones(3, 2), torch.ones(3, 2)), r"^a and b must have shapes"),
        (
            lambda: low_rank_residual(torch.ones(4), torch.ones(3, 2), torch.ones(2, 3), torch.ones(2)),
            r"^u and bias must end in 3 and 2 entries",
        ),
    ):
        with pytest.raises(ValueError, match=message):
            make()
    with pytest.raises(TypeError, match=r"^a must have a floating dtype"):
        low_rank_log_det(torch.ones(3, 2, dtype=torch.int64), torch.ones(2, 3))
