"""The non-linear squared map: its bound, its cubic, and what happens at and beyond the bound."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from gmlib.flows import NLSq
from gmlib.flows.nlsq import bump_root

F64 = torch.float64
LIMIT = 8 * math.sqrt(3) / 9  # largest |c| d / a


def h_of(u: Tensor, a: float, b: float, c: float, d: float, e: float) -> Tensor:
    return a * u + b + c / (1 + (d * u + e) ** 2)


def slope_of(u: Tensor, a: float, c: float, d: float, e: float) -> Tensor:
    v = d * u + e
    return a - 2 * c * d * v / (1 + v**2) ** 2


def test_nlsq_flow() -> None:
    # The bump is steepest at v = 1/sqrt(3), where 2v/(1 + v^2)^2 = 9/(8 sqrt 3) = .6495.
    v = torch.linspace(-20, 20, 400_001, dtype=F64)
    assert float((2 * v / (1 + v**2) ** 2).max()) == pytest.approx(9 / (8 * math.sqrt(3)), abs=1e-8)
    # Without the bars around c, the printed test passes a map that turns back: a = 1 > 9/(8 sqrt 3) * (-3).
    assert 9 / (8 * math.sqrt(3)) * -3 < 1
    assert float(slope_of(v, 1.0, -3.0, 1.0, 0.0).min()) == pytest.approx(-0.949, abs=5e-4)
    with pytest.raises(ValueError, match=r"^c must be a finite number in"):
        NLSq().params(1.0, 0.0, -3.0, 1.0, 0.0)
    # The only root of a cubic.
    h = NLSq()
    params = h.params(1.0, 0.3, 1.4, 1.0, 0.2)[None]
    u = h.inverse(torch.tensor([0.7], dtype=F64), params)[0]
    assert float(u) == pytest.approx(-0.7105, abs=5e-5)
    assert float(h_of(u, 1.0, 0.3, 1.4, 1.0, 0.2)) == pytest.approx(0.7, abs=1e-14)


def test_map_and_slope_are_those_of_the_formula() -> None:
    u = torch.linspace(-9, 9, 181, dtype=F64)
    for a, b, c, d, e in ((2.0, -1.0, 0.7, 1.5, 0.4), (0.5, 3.0, -2.0, 0.2, -1.0), (1.0, 0.0, 1.5, 1.0, 0.0)):
        params = NLSq().params(a, b, c, d, e).expand(len(u), -1)
        x, log_slope = NLSq().forward(u, params)
        torch.testing.assert_close(x, h_of(u, a, b, c, d, e), rtol=1e-13, atol=1e-13)
        torch.testing.assert_close(log_slope.exp(), slope_of(u, a, c, d, e), rtol=1e-11, atol=1e-12)
        back, inverse_log_slope = NLSq().inverse(x, params)
        torch.testing.assert_close(back, u, rtol=0, atol=1e-12)
        torch.testing.assert_close(inverse_log_slope, -log_slope, rtol=0, atol=1e-10)


def test_any_parameters_give_an_increasing_map() -> None:
    # Both signs of the bump as strong as they get, and lines of slope e^{-3} to e^3.
    generator = torch.Generator().manual_seed(0)
    params = 3 * torch.randn(200, 1, 5, dtype=F64, generator=generator)
    params[:, :, 2] *= 100
    u = torch.linspace(-30, 30, 3001, dtype=F64)
    h = NLSq(min_slope=0.01)
    x, log_slope = h.forward(u.expand(200, -1), params.expand(200, len(u), 5))
    assert (x.diff() > 0).all()
    assert (log_slope >= math.log(0.01) + params[:, :, 0] - 1e-9).all()
    back = h.inverse(x, params.expand(200, len(u), 5))[0]
    # x = h(u) and the shift b have 16 digits each; the inverse magnifies that by 1/h'.
    rounding = 1e-15 * (x.abs() + params[:, :, 1].abs()) * (-log_slope).exp()
    assert ((back - u).abs() < 1e-12 * (1 + u.abs()) + rounding).all()


def test_at_the_bound_the_map_is_one_to_one_with_one_flat_point() -> None:
    u = torch.linspace(-4, 4, 800_001, dtype=F64)
    flat = 1 / math.sqrt(3)
    for sign in (1.0, -1.0):
        slope = slope_of(u, 1.0, sign * LIMIT, 1.0, 0.0)
        assert float(slope.min()) == pytest.approx(0, abs=1e-9)
        assert float(u[slope.argmin()]) == pytest.approx(sign * flat, abs=1e-5)
        # Away from that point the slope is positive, so that h increases strictly even here.
        assert (slope[(u - sign * flat).abs() > 1e-4] > 0).all()
        assert (slope_of(u, 1.0, sign * 1.001 * LIMIT, 1.0, 0.0) < 0).any()  # just beyond, it turns back


def test_near_the_bound_a_normal_law_gets_two_modes() -> None:
    # Density of x over a fine grid of u: exp(log N(u) - log h'(u)), read in the order of u.
    u = torch.linspace(-4, 4, 8001, dtype=F64)
    for share, modes in ((0.0, 1), (0.95, 2)):
        params = NLSq().params(1.0, 0.0, share * LIMIT / 3, 3.0, 0.0).expand(len(u), -1)
        log_p = -u.square() / 2 - NLSq().forward(u, params)[1]
        inner = log_p[1:-1]
        assert int(((inner > log_p[:-2]) & (inner > log_p[2:])).sum()) == modes


def cardano(rho: Tensor, bump: Tensor) -> Tensor:
    """The real root of v^3 - rho v^2 + v + bump - rho = 0 by the textbook's formula, with v = w + rho/3."""
    q = -2 * (rho**3 / 27 + rho / 3 - bump / 2)
    root = (q**2 / 4 + (1 - rho**2 / 3) ** 3 / 27).sqrt()
    return sum((-q / 2 + s * root).abs().pow(1 / 3) * (-q / 2 + s * root).sign() for s in (1, -1)) + rho / 3


def test_the_root_is_cardanos() -> None:
    rho = torch.linspace(-6, 6, 4001, dtype=F64)
    for share in (-0.999, -0.5, 0.0, 0.5, 0.999):
        bump = torch.full_like(rho, share * LIMIT)
        root = bump_root(rho, bump)
        torch.testing.assert_close(root, cardano(rho, bump), rtol=1e-9, atol=1e-9)
        torch.testing.assert_close(root + bump / (1 + root**2), rho, rtol=0, atol=4e-15)


def test_the_root_in_single_precision_near_the_bound_and_far_out() -> None:
    """Cardano's discriminant was negative there by rounding, and fourth powers overflowed."""
    x = torch.cat([torch.linspace(-6, 6, 40_001), torch.tensor([-1e30, -1e10, 1e10, 1e30])])
    for gamma in (-9.0, -3.0, 0.0, 3.0, 9.0):
        params = torch.tensor([0.0, 0.0, gamma, 0.0, 0.0]).expand(len(x), -1)
        u, log_slope = NLSq().inverse(x, params)
        wanted, wanted_log_slope = NLSq().inverse(x.double(), params.double())
        # A rounding of x moves u by up to 1/h'.
        assert ((u - wanted).abs() <= 1e-6 * (1 + wanted.abs()) * wanted_log_slope.exp().clamp(min=1)).all()
        assert (log_slope - wanted_log_slope).abs().max() < 0.02


def test_gradients_of_the_root_are_those_of_the_implicit_function() -> None:
    params = NLSq().params(1.0, 0.3, 1.4, 1.0, 0.2)[None].requires_grad_(True)
    x = torch.tensor([0.7], dtype=F64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x, p: NLSq().inverse(x, p), (x, params))
    assert torch.autograd.gradgradcheck(lambda x, p: NLSq().inverse(x, p), (x, params))


@pytest.mark.bad_input
def test_bad_arguments() -> None:
    with pytest.raises(ValueError, match=r"^min_slope must be a finite number in \(0, 1\), got 0"):
        NLSq(min_slope=0.0)
    with pytest.raises(ValueError, match=r"^a must be a finite number in \(0, inf\], got -1"):
        NLSq().params(-1.0, 0.0, 0.0, 1.0, 0.0)
    with pytest.raises(ValueError, match=r"^d must be a finite number in \(0, inf\], got 0"):
        NLSq().params(1.0, 0.0, 0.0, 0.0, 0.0)
