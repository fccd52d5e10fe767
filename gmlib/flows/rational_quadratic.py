"""The rational-quadratic spline: in each bin a quotient of two parabolas, smooth at the knots, inverted in closed form."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from gmlib._checks import check_number
from gmlib.flows.spline_knots import Bin, Spline, bin_sizes, find_bin


class RationalQuadratic(Spline):
    r"""Monotone spline with a free slope at every inner knot, the map of neural spline flows.

    In the bin that starts at :math:`(u_k, x_k)`, with :math:`\xi = (u - u_k)/\Delta u`, secant
    :math:`s = \Delta x/\Delta u` and slopes :math:`\delta_k, \delta_{k+1}` at its ends,

    .. math:: h(u) &= x_k + \Delta x\,\frac{s\xi^2 + \delta_k\,\xi(1-\xi)}
        {s + (\delta_{k+1} + \delta_k - 2s)\,\xi(1-\xi)}, \\
        h'(u) &= s^2\,\frac{\delta_{k+1}\xi^2 + 2s\,\xi(1-\xi) + \delta_k(1-\xi)^2}
        {[s + (\delta_{k+1} + \delta_k - 2s)\,\xi(1-\xi)]^2}.

    The parameters are (K widths, K heights, K - 1 inner slopes), softmax sizes and softplus slopes; the slope is 1 at
    both ends of the interval, where the identity takes over smoothly. All zeros are the identity.

    (:eq:`eq-05-spline`, :eq:`eq-05-spline-slope` in the book.)

    Args:
        bins: number of pieces K.
        bound: upper end of the interval.
        low: lower end; None for ``-bound``.
        min_size: least size of a bin, in u and in x, as a share of the interval.
        min_slope: least slope at a knot, below 1.

    Raises:
        TypeError: an argument is not a number.
        ValueError: no bin, an empty interval, bins that cannot all have their least size, or a slope of 1 or more.

    References:
        J. Gregory and R. Delbourgo, *Piecewise rational quadratic interpolation to monotonic data*, 1982; C. Durkan,
        A. Bekasov, I. Murray and G. Papamakarios, *Neural spline flows*, 2019, equations 4 to 8.

    Example:
        >>> h = RationalQuadratic(bins=4, bound=3.0)
        >>> params = torch.linspace(-1, 1, h.n_params).expand(5, -1)
        >>> u = torch.tensor([-9.0, -2.0, 0.0, 2.0, 9.0])
        >>> x, log_slope = h.forward(u, params)
        >>> x
        tensor([-9.0000, -2.0295,  0.0276,  2.1552,  9.0000])
        >>> torch.allclose(h.inverse(x, params)[0], u, atol=1e-5)
        True
    """

    def __init__(
        self,
        bins: int = 8,
        bound: float = 5.0,
        *,
        low: float | None = None,
        min_size: float = 1e-3,
        min_slope: float = 1e-3,
    ) -> None:
        super().__init__(bins, bound, low=low, min_size=min_size)
        check_number("min_slope", min_slope, low=0.0, high=1.0, low_open=True, high_open=True)
        self.min_slope = min_slope
        # softplus(offset) = 1 - min_slope, so that a raw slope of 0 is the slope 1 of the tails.
        self._offset = math.log(math.expm1(1 - min_slope))

    @property
    def n_params(self) -> int:
        return 3 * self.bins - 1

    def _knots(self, point: Tensor, params: Tensor, side: int) -> tuple[Bin, Tensor, Tensor]:
        """The bin of each point and the slopes at its two ends; ``side`` is 0 for points u, 1 for points x."""
        sizes = bin_sizes(params[..., : 2 * self.bins].unflatten(-1, (2, self.bins)), self.min_size)
        found = find_bin(point, sizes, side)
        raw = functional.pad(params[..., 2 * self.bins :], (1, 1))
        pair = torch.stack([found.number, found.number + 1], -1)
        # Slopes are made after the choice: two softplus a point instead of K - 1.
        left, right = (functional.softplus(raw.gather(-1, pair) + self._offset) + self.min_slope).unbind(-1)
        return found, left, right

    def _unit_forward(self, point: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        found, left, right = self._knots(point, params, 0)
        (start_u, start_x), (width, height) = found.start, found.size
        secant = height / width
        xi = (point - start_u) / width
        x = start_x + height * _fraction(xi, secant, left, right)
        return x, _log_slope(xi, 1 - xi, secant, left, right)

    def _unit_inverse(self, point: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        found, left, right = self._knots(point, params, 1)
        (start_u, start_x), (width, height) = found.start, found.size
        secant = height / width
        # Rounding may put a point just outside its bin, where the root below could be one of a negative number.
        eta = ((point - start_x) / height).clamp(0, 1)
        down, double = 1 - eta, 2 * secant
        gap, reach = left * down - right * eta, double * eta
        # xi / (1 - xi) = reach / t with t = root + gap, where root^2 = gap^2 + product has nothing to cancel. For gap < 0
        # the sum has, and t is the quotient of the product and root - gap: no digit of xi is lost, nor of 1 - xi, which
        # the slope needs as much.
        product, above = reach * double * down, gap >= 0
        whole = (gap.square() + product).sqrt() + torch.where(above, gap, -gap)
        t = torch.where(above, whole, product / whole)
        total = reach + t
        xi, rest = reach / total, t / total
        return start_u + width * xi, -_log_slope(xi, rest, secant, left, right)


def _fraction(xi: Tensor, secant: Tensor, left: Tensor, right: Tensor) -> Tensor:
    """How far up its bin the spline is at ``xi``, from 0 to 1."""
    arch = xi * (1 - xi)
    return (secant * xi.square() + left * arch) / (secant + (left + right - 2 * secant) * arch)


def _log_slope(xi: Tensor, rest: Tensor, secant: Tensor, left: Tensor, right: Tensor) -> Tensor:
    """Logarithm of the slope at ``xi``, ``rest`` being 1 - xi."""
    arch = xi * rest
    ratio = secant / (secant + (left + right - 2 * secant) * arch)
    return (ratio.square() * (right * xi.square() + 2 * secant * arch + left * rest.square())).log()
