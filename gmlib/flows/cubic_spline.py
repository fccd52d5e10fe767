"""The cubic spline: Hermite pieces, and when such a piece is monotone."""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from gmlib._checks import check_number
from gmlib.flows.spline_knots import Spline, bin_sizes, find_bin


def cubic_is_monotone(a: Float[Tensor, "..."], b: Float[Tensor, "..."]) -> Bool[Tensor, "..."]:
    r"""Whether the cubic from (0, 0) to (1, 1) with end slopes a and b increases all the way.

    Its slope at xi is :math:`a + 2(3 - 2a - b)\xi + 3(a + b - 2)\xi^2`. For :math:`a, b \ge 0` that never turns negative
    if and only if

    .. math:: (a, b) \in [0, 3]^2 \quad\text{or}\quad a^2 + ab + b^2 - 6a - 6b + 9 \le 0,

    a square and an ellipse that reaches to 4. The disc :math:`a^2 + b^2 \le 9` lies within the square.

    Args:
        a: slope at the start over the slope of the secant.
        b: slope at the end over the slope of the secant.

    Returns:
        True where the cubic is monotone.

    References:
        F. Fritsch and R. Carlson, *Monotone piecewise cubic interpolation*, 1980, lemmas 1 and 2.

    Example:
        >>> cubic_is_monotone(torch.tensor([2.0, 4.0, 3.2, 3.1]), torch.tensor([2.0, 1.0, 0.0, 3.1]))
        tensor([ True,  True, False, False])
    """
    square = (a <= 3) & (b <= 3)
    ellipse = a.square() + a * b + b.square() - 6 * (a + b) + 9 <= 0
    return (a >= 0) & (b >= 0) & (square | ellipse)


class CubicSpline(Spline):
    r"""Cubics with a free slope at every knot, limited so that each of them is monotone.

    In the bin that starts at :math:`(u_k, x_k)`, with :math:`\xi = (u - u_k)/\Delta u`, secant
    :math:`s = \Delta x/\Delta u` and end slopes :math:`as` and :math:`bs`,

    .. math:: h(u) = x_k + \Delta x\,\big(a\xi + (3 - 2a - b)\,\xi^2 + (a + b - 2)\,\xi^3\big).

    The slope at a knot is a share, between 0 and 1, of three times the smaller of the two secants that meet there, so
    that every piece has :math:`a, b \in (0, 3)`, which suffices. It is continuous inside; at the ends of the interval
    it jumps to the 1 of the tails. The parameters are (K widths, K heights, K + 1 shares, as logits); all zeros are the
    identity. The inverse bisects for the root, then takes a Newton step that carries its first derivatives (only those).

    (:eq:`eq-05b-fritsch` in the book.)

    Args:
        bins: number of pieces K.
        bound: upper end of the interval; outside, the map is the identity.
        low: lower end; None for ``-bound``. ``low=0.0, bound=1.0`` makes a map of the unit interval.
        min_size: least size of a bin, in u and in x, as a share of the interval.
        min_share: least share, below 1/3; the largest is as far from 1.

    Raises:
        TypeError: an argument is not a number.
        ValueError: no bin, an empty interval, bins that cannot all have their least size, or a share out of range.

    References:
        C. Durkan, A. Bekasov, I. Murray and G. Papamakarios, *Cubic-spline flows*, 2019, section 3; C. de Boor and
        B. Swartz, *Piecewise monotone interpolation*, 1977, for the square.

    Example:
        >>> h = CubicSpline(3, 2.0)
        >>> params = torch.linspace(-1, 1, h.n_params).expand(3, -1)
        >>> x, log_slope = h.forward(torch.tensor([-1.5, 0.0, 5.0]), params)
        >>> torch.allclose(h.inverse(x, params)[0], torch.tensor([-1.5, 0.0, 5.0]), atol=1e-5)
        True
    """

    def __init__(
        self,
        bins: int = 8,
        bound: float = 5.0,
        *,
        low: float | None = None,
        min_size: float = 1e-3,
        min_share: float = 1e-3,
    ) -> None:
        super().__init__(bins, bound, low=low, min_size=min_size)
        check_number("min_share", min_share, low=0.0, high=1 / 3, low_open=True, high_open=True)
        self.min_share = min_share
        start = (1 / 3 - min_share) / (1 - 2 * min_share)
        self._offset = math.log(
            start / (1 - start)
        )  # a logit of 0 is the share 1/3: slope 1 between equal bins

    @property
    def n_params(self) -> int:
        return 3 * self.bins + 1

    def _piece(self, point: Tensor, params: Tensor, side: int) -> tuple[Tensor, ...]:
        """Of each point's bin: its start in u and x, its sizes in u and x, and a and b."""
        sizes = bin_sizes(params[..., : 2 * self.bins].unflatten(-1, (2, self.bins)), self.min_size)
        secants = sizes[..., 1, :] / sizes[..., 0, :]
        smaller = torch.minimum(secants[..., :-1], secants[..., 1:])
        limits = 3 * torch.cat([secants[..., :1], smaller, secants[..., -1:]], -1)
        logits = params[..., 2 * self.bins :] + self._offset
        shares = self.min_share + (1 - 2 * self.min_share) * torch.sigmoid(logits)
        found = find_bin(point, sizes, side)
        pair = torch.stack([found.number, found.number + 1], -1)
        left, right = (shares * limits).gather(-1, pair).unbind(-1)
        secant = found.size[1] / found.size[0]
        return *found.start, *found.size, left / secant, right / secant

    def _unit_forward(self, point: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        start_u, start_x, width, height, a, b = self._piece(point, params, 0)
        xi = (point - start_u) / width
        return start_x + height * _cubic(xi, a, b), (_slope(xi, a, b) * height / width).log()

    def _unit_inverse(self, point: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        start_u, start_x, width, height, a, b = self._piece(point, params, 1)
        eta = (point - start_x) / height
        xi = _bisect(eta.detach(), a.detach(), b.detach())
        xi = xi - (_cubic(xi, a, b) - eta) / _slope(xi, a, b)
        return start_u + width * xi, (width / (_slope(xi, a, b) * height)).log()


def _cubic(xi: Tensor, a: Tensor, b: Tensor) -> Tensor:
    return xi * (a + xi * (3 - 2 * a - b + xi * (a + b - 2)))


def _slope(xi: Tensor, a: Tensor, b: Tensor) -> Tensor:
    rest = 1 - xi
    return a * rest.square() + 2 * (3 - a - b) * xi * rest + b * xi.square()


def _bisect(eta: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """The root of the cubic in [0, 1], to the last digit of the dtype but one."""
    xi = torch.full_like(eta, 0.5)
    step = 0.25
    for _ in range(50 if eta.dtype == torch.float64 else 22):
        xi = xi + torch.where(_cubic(xi, a, b) < eta, step, -step)
        step /= 2
    return xi
