"""The quadratic spline: a piecewise linear slope, integrated."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from gmlib._checks import check_number
from gmlib.flows.spline_knots import Spline, bin_sizes, find_bin


class QuadraticSpline(Spline):
    r"""Parabolas whose slopes meet at the knots.

    In the bin that starts at :math:`(u_k, x_k)`, with :math:`\xi = (u - u_k)/w_k` and slopes :math:`v_k` at the knots,

    .. math:: h'(u) = v_k + (v_{k+1} - v_k)\,\xi, \qquad
        h(u) = x_k + w_k\big(v_k\xi + \tfrac12(v_{k+1} - v_k)\,\xi^2\big), \qquad
        x_{k+1} = x_k + \tfrac12 w_k(v_k + v_{k+1}).

    The slopes are scaled so that the interval maps onto itself, which is to say that the slope, read as a density of
    the interval, integrates to 1. It is continuous inside; at the ends of the interval it jumps to the 1 of the tails.
    The parameters are (K widths, K + 1 slopes); all zeros are the identity.

    Args:
        bins: number of pieces K.
        bound: upper end of the interval; outside, the map is the identity.
        low: lower end; None for ``-bound``. ``low=0.0, bound=1.0`` makes a map of the unit interval.
        min_size: least width of a bin as a share of the interval.
        min_slope: least slope, below 1.

    Raises:
        TypeError: an argument is not a number.
        ValueError: no bin, an empty interval, bins that cannot all have their least size, or a slope of 1 or more.

    References:
        T. Müller, B. McWilliams, F. Rousselle, M. Gross and J. Novák, *Neural importance sampling*, 2019, section 4.2.

    Example:
        Slopes that rise from 0 to 2: the square.

        >>> h = QuadraticSpline(1, 1.0, low=0.0, min_slope=1e-6)
        >>> params = torch.tensor([0.0, -30.0, 0.0]).expand(2, -1)
        >>> x, log_slope = h.forward(torch.tensor([0.5, 1.0]), params)
        >>> x, log_slope.exp().round(decimals=4)
        (tensor([0.2500, 1.0000]), tensor([1., 2.]))
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

    @property
    def n_params(self) -> int:
        return 2 * self.bins + 1

    def _piece(
        self, point: Tensor, params: Tensor, side: int
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Of each point's bin: where it starts in u and in x, its width, and the slopes at its two ends."""
        widths = bin_sizes(params[..., : self.bins], self.min_size)
        # Any positive numbers will do; those of softplus grow slowly, and one at 0 keeps the start at the identity.
        rough = functional.softplus(params[..., self.bins :] + math.log(math.expm1(1.0)))
        area = (widths * (rough[..., :-1] + rough[..., 1:])).sum(-1, keepdim=True) / 2
        slopes = self.min_slope + (1 - self.min_slope) * rough / area
        heights = widths * (slopes[..., :-1] + slopes[..., 1:]) / 2
        found = find_bin(point, torch.stack([widths, heights], -2), side)
        left, right = slopes.gather(-1, torch.stack([found.number, found.number + 1], -1)).unbind(-1)
        return found.start[0], found.start[1], found.size[0], left, right

    def _unit_forward(self, point: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        start_u, start_x, width, left, right = self._piece(point, params, 0)
        xi = (point - start_u) / width
        rise = (right - left) * xi
        return start_x + width * xi * (left + rise / 2), (left + rise).log()

    def _unit_inverse(self, point: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        start_u, start_x, width, left, right = self._piece(point, params, 1)
        eta = 2 * (point - start_x) / width
        # The slope at the root squared, a mean of the squares at the two ends: no difference, so nothing cancels.
        # (Rounding may put a point just outside its bin, where a square could turn negative.)
        share = (eta / (left + right)).clamp(0, 1)
        slope = (left.square() * (1 - share) + right.square() * share).sqrt()
        return start_u + width * eta / (left + slope), -slope.log()
