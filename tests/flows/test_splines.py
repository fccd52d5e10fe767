"""Splines against what defines them: their values and slopes at the knots, their derivatives and their inverses."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from gmlib.flows import (
    CubicSpline,
    Flow,
    LinearSpline,
    QuadraticSpline,
    RationalQuadratic,
    Spline,
    StandardUniform,
    cubic_is_monotone,
    histogram_layer,
)
from gmlib.flows._levels import level_counts

F64 = torch.float64
EVERY = [LinearSpline(6, 2.0), QuadraticSpline(6, 2.0), CubicSpline(6, 2.0), RationalQuadratic(6, 2.0)]
every = pytest.mark.parametrize("h", EVERY, ids=lambda h: type(h).__name__)


def shaken(h: Spline, n: int, *, scale: float = 1.0) -> Tensor:
    """One row of parameters, repeated for n points."""
    generator = torch.Generator().manual_seed(3)
    return (scale * torch.randn(h.n_params, dtype=F64, generator=generator)).expand(n, -1)


def knots(h: Spline, params: Tensor, part: int) -> Tensor:
    """Ends of the bins, from the definition; part 0 for widths, 1 for heights."""
    raw = params[0, part * h.bins : (part + 1) * h.bins]
    sizes = h.min_size + (1 - h.bins * h.min_size) * raw.exp() / raw.exp().sum()
    return h.low + (h.bound - h.low) * torch.cat([torch.zeros(1, dtype=F64), sizes.cumsum(0)])


def slope(h: Spline, u: Tensor, params: Tensor, *, step: float = 1e-6) -> Tensor:
    """The derivative by a central difference."""
    above, below = (h.forward(u + s, params)[0] for s in (step, -step))
    return (above - below) / (2 * step)


@every
def test_round_trip_and_derivative(h: Spline) -> None:
    # 397 points between -3.01 and 3.01 that meet no knot, so that the difference straddles none.
    u = torch.linspace(-3.01, 3.01, 397, dtype=F64)
    params = shaken(h, len(u))
    x, log_slope = h.forward(u, params)
    back, inverse_log_slope = h.inverse(x, params)
    torch.testing.assert_close(back, u, rtol=0, atol=1e-12)
    torch.testing.assert_close(inverse_log_slope, -log_slope, rtol=0, atol=1e-11)
    torch.testing.assert_close(slope(h, u, params), log_slope.exp(), rtol=1e-6, atol=1e-6)
    assert (x.diff() > 0).all()


@every
def test_zeros_are_the_identity_and_outside_always_is(h: Spline) -> None:
    u = torch.linspace(-2, 2, 41, dtype=F64)
    x, log_slope = h.forward(u, h.identity().to(F64).expand(41, -1))
    torch.testing.assert_close(x, u, rtol=0, atol=1e-14)
    torch.testing.assert_close(log_slope, torch.zeros_like(u), rtol=0, atol=1e-14)
    outside = torch.tensor([-50.0, -2.0 - 1e-9, 2.0 + 1e-9, 50.0], dtype=F64)
    for move in (h.forward, h.inverse):
        x, log_slope = move(outside, shaken(h, 4))
        assert torch.equal(x, outside)
        assert (log_slope == 0).all()
    ends = torch.tensor([-2.0, 2.0], dtype=F64)
    torch.testing.assert_close(h.forward(ends, shaken(h, 2))[0], ends, rtol=0, atol=1e-14)


@every
def test_any_parameters_are_valid_in_single_precision(h: Spline) -> None:
    # 100 times the size at which layers start: the least bins and slopes are reached.
    u = torch.linspace(-2, 2, 1001)
    params = shaken(h, len(u), scale=100.0).float()
    for move in (h.forward, h.inverse):
        x, log_slope = move(u, params)
        assert torch.isfinite(log_slope).all()
        assert (x.diff() >= -1e-6).all()


def test_rq_spline() -> None:
    h = RationalQuadratic(5, 3.0)
    params = shaken(h, 6)
    at_u, at_x = knots(h, params, 0), knots(h, params, 1)
    x, log_slope = h.forward(at_u, params)
    torch.testing.assert_close(x, at_x, rtol=0, atol=1e-12)
    # A raw slope r stands for softplus(r + o) + 1/1000 with o such that r = 0 gives 1; the outer ones are 1.
    offset = math.log(math.exp(1 - h.min_slope) - 1)
    inner = functional.softplus(params[0, 10:] + offset) + h.min_slope
    wanted = torch.cat([torch.ones(1, dtype=F64), inner, torch.ones(1, dtype=F64)])
    torch.testing.assert_close(log_slope.exp(), wanted, rtol=1e-9, atol=0)
    # From both sides: the derivative is continuous, over the ends of the interval as well.
    for side in (-1e-9, 1e-9):
        near = h.forward(at_u + side, params)[1].exp()
        torch.testing.assert_close(near, wanted, rtol=1e-6, atol=0)
    torch.testing.assert_close(h.inverse(at_x, params)[1].exp(), 1 / wanted, rtol=1e-9, atol=0)


def test_a_bin_whose_slopes_are_its_secant_is_straight() -> None:
    # Three bins, widths 1/3 each and heights (1/4, 1/2, 1/4): the middle one has the secant 3/2, and so do its ends.
    h = RationalQuadratic(3, 1.0, low=0.0, min_size=0.0)
    offset = math.log(math.exp(1 - h.min_slope) - 1)
    raw = math.log(math.exp(1.5 - h.min_slope) - 1) - offset
    params = torch.tensor([0.0, 0, 0, 0, math.log(2), 0, raw, raw], dtype=F64).expand(50, -1)
    u = torch.linspace(1 / 3 + 1e-6, 2 / 3 - 1e-6, 50, dtype=F64)
    x, log_slope = h.forward(u, params)
    torch.testing.assert_close(x, 0.25 + 1.5 * (u - 1 / 3), rtol=0, atol=1e-14)
    torch.testing.assert_close(log_slope.exp(), torch.full_like(u, 1.5), rtol=0, atol=1e-13)
    # Equal slopes alone make no identity: the outer bins have the secant 3/4 between slopes 1 and 3/2.
    assert (h.forward(torch.full((1,), 1 / 6, dtype=F64), params[:1])[0] - 1 / 6).abs() > 0.02


def test_rq_spline_keeps_its_digits_where_it_is_steep() -> None:
    # A bin of height 1/1000 beside one of width 1/1000: slopes from about 1/1000 to 1000.
    h = RationalQuadratic(2, 1.0, low=0.0)
    params = torch.tensor([20.0, -20, -20, 20, 0], dtype=F64).expand(999, -1)
    u = torch.linspace(0, 1, 1001, dtype=F64)[1:-1]
    x, log_slope = h.forward(u, params)
    back = h.inverse(x, params)[0]
    assert log_slope.max() - log_slope.min() > math.log(1e5)
    # What rounding x to 16 digits allows, a few hundred times.
    assert ((back - u).abs() * log_slope.exp().clamp(max=1) < 1e-13).all()


def test_rq_spline_in_single_precision_is_that_in_double() -> None:
    """Raw parameters of size 8: slopes from 1/1000 to 30, bins of all sizes. What float32 adds beside rounding x itself."""
    h, generator = RationalQuadratic(8, 5.0), torch.Generator().manual_seed(0)
    params = 8 * torch.randn(200_000, h.n_params, generator=generator)
    x = 10 * torch.rand(200_000, generator=generator) - 5
    u, log_slope = h.inverse(x, params)
    exact_u, exact = h.inverse(x.double(), params.double())
    # A rounding of x moves u by the inverse's slope, of which the knots have up to 1e6 and points near them more.
    steep = exact.exp().clamp(min=1)
    assert ((u - exact_u).abs() < 1e-5 * steep).all()
    assert (log_slope - exact).abs().max() < 0.15


def test_the_rq_inverse_has_its_gradient_where_the_two_forms_of_its_root_meet() -> None:
    # The identity at the middle of a bin: the slopes' shares at both ends are equal, as 1/8 is held without rounding.
    h = RationalQuadratic(4, 1.0, low=0.0, min_size=0.0)
    x = torch.tensor([0.125], dtype=F64, requires_grad=True)
    params = h.identity().to(F64)[None].requires_grad_()
    assert torch.autograd.gradcheck(h.inverse, (x, params))


def test_linear_spline() -> None:
    h = LinearSpline(6, 2.0)
    params = shaken(h, 7)
    at_u, at_x = knots(h, params, 0), knots(h, params, 1)
    torch.testing.assert_close(h.forward(at_u, params)[0], at_x, rtol=0, atol=1e-13)
    steps = at_x.diff() / at_u.diff()
    for share in (0.01, 0.5, 0.99):
        inside = at_u[:-1] + share * at_u.diff()
        torch.testing.assert_close(h.forward(inside, params[:6])[1].exp(), steps, rtol=1e-10, atol=0)
    assert (steps.diff().abs() > 0.05).all()  # the log-slope jumps at every knot
    # Density of x for uniform u: 1/slope, constant in each bin of x, and its integral a sum of widths.
    density = h.inverse((at_x[:-1] + at_x[1:]) / 2, params[:6])[1].exp() / 4
    assert float((density * at_x.diff()).sum()) == pytest.approx(1, abs=1e-13)


def test_quadratic_spline() -> None:
    h = QuadraticSpline(6, 2.0)
    params = shaken(h, 7)
    at_u = knots(h, params, 0)
    inner = at_u[1:-1]
    left, right = (h.forward(inner + s, params[:5])[1].exp() for s in (-1e-10, 1e-10))
    torch.testing.assert_close(left, right, rtol=1e-8, atol=0)  # the slope is continuous
    # Between knots it is a straight line: at the middle of a bin, the mean of the ends.
    ends = h.forward(at_u.clone(), params)[1].exp()
    middle = h.forward((at_u[:-1] + at_u[1:]) / 2, params[:6])[1].exp()
    torch.testing.assert_close(middle, (ends[:-1] + ends[1:]) / 2, rtol=1e-10, atol=0)
    # Read as a density on the interval, it integrates to 1: the trapezoidal rule is exact.
    assert float((at_u.diff() * middle).sum()) / 4 == pytest.approx(1, abs=1e-12)
    torch.testing.assert_close(h.forward(at_u, params)[0][-1], at_u[-1], rtol=0, atol=1e-14)
    assert (ends >= h.min_slope).all()


def hermite(xi: Tensor, a: float, b: float) -> Tensor:
    """The cubic from (0, 0) to (1, 1) with end slopes a and b, from the textbook's four basis polynomials."""
    return a * xi * (1 - xi) ** 2 + xi**2 * (3 - 2 * xi) + b * xi**2 * (xi - 1)


def test_cubic_spline() -> None:
    xi = torch.linspace(0, 1, 20001, dtype=F64)
    grid = torch.linspace(0, 4.5, 46, dtype=F64)
    a, b = torch.meshgrid(grid, grid, indexing="ij")
    said = cubic_is_monotone(a, b)
    assert said[a.square() + b.square() <= 9].all()  # the disc suffices
    for (i, j), answer in {(40, 10): True, (32, 0): False, (31, 31): False, (30, 30): True}.items():
        assert bool(said[i, j]) is answer
        assert bool((hermite(xi, float(grid[i]), float(grid[j])).diff() >= -1e-16).all()) is answer
    # Everywhere else on the plane: the slope's minimum over 2,001 places, off by at most 1e-5.
    at = xi[::10, None, None]
    low = (a * (1 - at) ** 2 + 2 * (3 - a - b) * at * (1 - at) + b * at**2).amin(0)
    assert (said == (low >= -1e-5)).all()
    # A piece outside the region bends back, and then there is no inverse.
    bent = hermite(xi, 3.1, 3.1)
    assert int((bent.diff() < 0).sum()) > 0

    h = CubicSpline(6, 2.0)
    params = shaken(h, 7)
    at_u, at_x = knots(h, params, 0), knots(h, params, 1)
    x, log_slope = h.forward(at_u, params)
    torch.testing.assert_close(x, at_x, rtol=0, atol=1e-13)
    secants = at_x.diff() / at_u.diff()
    a, b = log_slope.exp()[:-1] / secants, log_slope.exp()[1:] / secants
    assert cubic_is_monotone(a, b).all()
    middle = h.forward((at_u[:-1] + at_u[1:]) / 2, params[:6])[0]
    # At half way the basis gives 1/2 + (a - b)/8.
    torch.testing.assert_close(middle, at_x[:-1] + at_x.diff() * (0.5 + (a - b) / 8), rtol=0, atol=1e-12)


def test_histogram_layer_is_the_table_of_counts() -> None:
    x = torch.tensor([[0, 2], [0, 2], [1, 2], [3, 0]])
    layer = histogram_layer(x, 4, smoothing=0.5)
    flow = Flow(StandardUniform((2,)), layer).to(F64)
    table = torch.tensor([[2.5, 1.5, 0.5, 1.5], [1.5, 0.5, 3.5, 0.5]], dtype=F64) / 6
    wanted = sum(table[i, x[:, i]].log() for i in range(2))
    for place in (0.01, 0.5, 0.99):
        # A cell has volume (1/4)^2: its mass is density times that.
        found = flow.log_prob((x.double() + place) / 4) - 2 * math.log(4)
        torch.testing.assert_close(found, wanted, rtol=1e-7, atol=1e-7)


def test_levels_are_counted_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    x = torch.randint(0, 5, (100, 2, 3), generator=torch.Generator().manual_seed(0))
    whole = torch.nn.functional.one_hot(x, 6).sum(0).double()
    assert torch.equal(level_counts(x, 6), whole)
    monkeypatch.setattr("gmlib.flows._levels.PART", 13)
    assert torch.equal(level_counts(x.to(torch.uint8), 6), whole)
    assert torch.equal(level_counts(x[:, 0, 0], 6), whole[0, 0])


@pytest.mark.bad_input
def test_bad_arguments_of_splines() -> None:
    for kind in (LinearSpline, QuadraticSpline, CubicSpline, RationalQuadratic):
        with pytest.raises(ValueError, match=r"^bins must be at least 1, got 0"):
            kind(0)
        with pytest.raises(ValueError, match=r"^bound must be a finite number in \(0, inf\], got -1"):
            kind(4, -1.0)
        with pytest.raises(ValueError, match=r"^bound must be a finite number in \(2, inf\], got 1"):
            kind(4, 1.0, low=2.0)
        with pytest.raises(ValueError, match=r"^min_size must be a finite number in \[0, 0.25\), got 0.25"):
            kind(4, min_size=0.25)
        h = kind(4)
        with pytest.raises(
            ValueError, match=r"^params must have shape \(\*u.shape, \d+\) = \(3, \d+\), got shape \(3, 2\)"
        ):
            h.forward(torch.zeros(3), torch.zeros(3, 2))
        with pytest.raises(ValueError, match=r"^params must have shape \(\*x.shape"):
            h.inverse(torch.zeros(3), torch.zeros(2, h.n_params))
    for kind in (QuadraticSpline, RationalQuadratic):
        with pytest.raises(ValueError, match=r"^min_slope must be a finite number in \(0, 1\), got 1"):
            kind(4, min_slope=1.0)
    with pytest.raises(ValueError, match=r"^min_share must be a finite number in \(0, 0.333333\), got 0.5"):
        CubicSpline(4, min_share=0.5)


@pytest.mark.bad_input
def test_bad_arguments_of_the_histogram_layer() -> None:
    with pytest.raises(TypeError, match=r"^x must hold integers, got torch.float32"):
        histogram_layer(torch.zeros(3, 2), 4)
    with pytest.raises(TypeError, match=r"^x must be a torch.Tensor, got list"):
        histogram_layer([[1]], 4)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"^x must lie between 0 and 3, got values from 0 to 4"):
        histogram_layer(torch.tensor([[0], [4]]), 4)
    with pytest.raises(ValueError, match=r"^smoothing must be a finite number in \(0, inf\], got 0"):
        histogram_layer(torch.tensor([[0]]), 4, smoothing=0.0)
    with pytest.raises(
        ValueError, match=r"^x must have shape \(n, \*event\) with n >= 1, got shape \(0, 2\)"
    ):
        histogram_layer(torch.zeros(0, 2, dtype=torch.long), 4)
