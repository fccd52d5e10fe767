"""The non-linear squared map: a line with a bump, inverted by a fixed number of safe steps."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_number
from gmlib.flows.scalar import ScalarMap

# The largest value of 2y / (1 + y^2)^2, at y = 1/sqrt(3): how steep the bump 1 / (1 + y^2) gets.
STEEPEST = 9 / (8 * math.sqrt(3))
# Steps of the safeguarded method: 20 reach the last digit in double precision, whatever the right-hand side.
STEPS = 24


class NLSq(ScalarMap):
    r"""A line plus a bump of free place, width and height: the least that turns one mode into two.

    .. math:: h(u) = au + b + \frac{c}{1 + (du + e)^2}, \qquad
        h'(u) = a - \frac{2cd\,(du + e)}{(1 + (du + e)^2)^2}, \qquad a, d > 0

    The slope is positive everywhere if and only if :math:`a > \frac{9}{8\sqrt3}\,|c|\,d`: the bump's sign does not
    matter. At equality h is still one-to-one, with one flat point. The parameters are
    :math:`(\log a, b, \gamma, \log d, e)` with :math:`c = (1 - m)\,\frac{8\sqrt3}{9}\,\frac ad\tanh\gamma`, so that the
    slope is at least :math:`ma`; all zeros are the identity.

    With :math:`v = du + e` the inverse is the one real root of
    :math:`v^3 - \rho v^2 + v + \gamma' - \rho = 0`, where :math:`\rho = e + d(x - b)/a` and :math:`\gamma' = cd/a`. It is
    found as the root of :math:`v + \gamma'/(1 + v^2) = \rho` (`bump_root`): Cardano's formula for it loses its digits
    where the map is nearly flat, and overflows far out.

    (:eq:`eq-05b-nlsq` in the book.)

    Args:
        min_slope: m, the least slope as a share of a; between 0 and 1.

    Raises:
        TypeError: ``min_slope`` is not a number.
        ValueError: ``min_slope`` is not between 0 and 1.

    References:
        Z. Ziegler and A. Rush, *Latent normalizing flows for discrete sequences*, 2019, section 5; K. Murphy,
        *Probabilistic Machine Learning: Advanced Topics*, 2023, equation 23.9.

    Example:
        >>> h = NLSq()
        >>> params = h.params(1.0, 0.3, 1.4, 1.0, 0.2).float()[None]
        >>> u, _ = h.inverse(torch.tensor([0.7]), params)
        >>> u, h.forward(u, params)[0]
        (tensor([-0.7105]), tensor([0.7000]))
    """

    def __init__(self, *, min_slope: float = 1e-3) -> None:
        check_number("min_slope", min_slope, low=0.0, high=1.0, low_open=True, high_open=True)
        self.min_slope = min_slope

    @property
    def n_params(self) -> int:
        return 5

    def identity(self) -> Float[Tensor, " k"]:
        """Zeros: a = d = 1 and no bump."""
        return torch.zeros(5)

    def params(self, a: float, b: float, c: float, d: float, e: float) -> Float[Tensor, " k"]:
        """The parameters of a given map, in float64.

        Args:
            a: slope of the line, positive.
            b: shift.
            c: height of the bump, of either sign.
            d: how narrow the bump is, positive.
            e: where the bump is: at u = -e/d.

        Returns:
            ``(log a, b, gamma, log d, e)``.

        Raises:
            TypeError: an argument is not a number.
            ValueError: ``a`` or ``d`` is not positive, or the slope would fall below ``min_slope`` times ``a``.
        """
        for name, value in (("a", a), ("d", d)):
            check_number(name, value, low=0.0, low_open=True)
        for name, value in (("b", b), ("e", e)):
            check_number(name, value)
        most = (1 - self.min_slope) * a / (STEEPEST * d)
        check_number("c", c, low=-most, high=most, low_open=True, high_open=True)
        return torch.tensor([math.log(a), b, math.atanh(c / most), math.log(d), e], dtype=torch.float64)

    def forward(
        self, u: Float[Tensor, "..."], params: Float[Tensor, "... k"]
    ) -> tuple[Float[Tensor, "..."], Float[Tensor, "..."]]:
        r"""x = h(u), and :math:`\log h'(u)`."""
        log_a, b, bump, log_d, e = self._read(params)
        v = log_d.exp() * u + e
        x, slope = _line_with_bump(v, bump)
        # a u + b + c / (1 + v^2) = (a / d)(v - e + bump / (1 + v^2)) + b, and v' = d.
        return (log_a - log_d).exp() * (x - e) + b, log_a + slope.log()

    def inverse(
        self, x: Float[Tensor, "..."], params: Float[Tensor, "... k"]
    ) -> tuple[Float[Tensor, "..."], Float[Tensor, "..."]]:
        r"""u = h^{-1}(x), and :math:`\log (h^{-1})'(x)`."""
        log_a, b, bump, log_d, e = self._read(params)
        rho = e + (log_d - log_a).exp() * (x - b)
        v = bump_root(rho, bump)
        return (-log_d).exp() * (v - e), -log_a - _line_with_bump(v, bump)[1].log()

    def _read(self, params: Tensor) -> tuple[Tensor, ...]:
        """log a, b, the bump c d / a, log d and e."""
        log_a, b, gamma, log_d, e = params.unbind(-1)
        return log_a, b, (1 - self.min_slope) / STEEPEST * torch.tanh(gamma), log_d, e


def _line_with_bump(v: Tensor, bump: Tensor) -> tuple[Tensor, Tensor]:
    """v + bump / (1 + v^2) and its slope."""
    rest = 1 / (1 + v.square())
    return v + bump * rest, 1 - 2 * bump * v * rest.square()


def bump_root(rho: Float[Tensor, "..."], bump: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    r"""The one root v of :math:`v + \beta/(1 + v^2) = \rho`, by Newton's method inside a bracket.

    The bump has a value between 0 and beta, so that v lies between :math:`\rho - \max(\beta, 0)` and
    :math:`\rho - \min(\beta, 0)`. Every evaluation narrows this bracket, and a step of Newton's that leaves it is replaced
    by its middle; the number of steps is fixed. Gradients are those of the implicit function, from two more steps that
    are recorded: the first makes first derivatives right, the second also those of the second order.

    Args:
        rho: right-hand side.
        bump: beta, smaller in size than :math:`8\sqrt3/9`.

    Returns:
        v, with derivatives.

    Example:
        >>> v = bump_root(torch.tensor([2.0]), torch.tensor([1.0]))
        >>> v + 1 / (1 + v**2)
        tensor([2.])
    """
    with torch.no_grad():
        low, high = rho - bump.clamp(min=0), rho - bump.clamp(max=0)
        v = (low + high) / 2
        for _ in range(STEPS):
            value, slope = _line_with_bump(v, bump)
            below = value < rho
            low, high = torch.where(below, v, low), torch.where(below, high, v)
            step = v - (value - rho) / slope
            v = torch.where((step >= low) & (step <= high), step, (low + high) / 2)
    for _ in range(2):
        value, slope = _line_with_bump(v, bump)
        v = v - (value - rho) / slope
    return v
