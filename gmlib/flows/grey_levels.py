"""Grey levels on an axis of their own: room for black and for white, where most pixels are."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_instance
from gmlib.flows.scalar import ScalarMap

BLACK, WHITE = 1 / 256, 253 / 256
"""Below the one a pixel is level 0, above the other one of the three brightest levels."""
Y_BLACK, Y_WHITE = 0.35, 0.8
"""Where these two lie on the warped axis."""


class GreyLevels(ScalarMap):
    r"""A scalar map of [0, 1], seen through a fixed piecewise linear map that gives black and white more room.

    .. math:: x = G\big(h(u;\theta)\big), \qquad \log\frac{\mathrm dx}{\mathrm du} = \log G'(y) + \log h'(u; \theta),
              \qquad y = h(u; \theta)

    Four of five pixels of MNIST are black: their whole mass lies on 1/256 of the axis, and a spline must place two knots
    there to a thousandth of that. G takes :math:`[0, 0.35]` onto the cell of level 0, :math:`[0.35, 0.8]` onto the levels 1
    to 252 and the rest onto the three brightest. The same laws are then laws of moderate densities, which networks learn
    in far fewer steps and which survive rounded weights.

    Args:
        inner: the rule h, a map of [0, 1] onto itself.

    Raises:
        TypeError: ``inner`` is no `ScalarMap`.

    Example:
        >>> from gmlib.flows import Additive, GreyLevels
        >>> h = GreyLevels(Additive())
        >>> x, _ = h.forward(torch.tensor([0.35, 0.8, 1.0]), torch.zeros(3, 1))
        >>> (x * 256).round(decimals=3).tolist()
        [1.0, 253.0, 256.0]
    """

    def __init__(self, inner: ScalarMap) -> None:
        check_instance("inner", inner, ScalarMap)
        self.inner = inner

    @property
    def n_params(self) -> int:
        return self.inner.n_params

    def forward(
        self, u: Float[Tensor, "..."], params: Float[Tensor, "... k"]
    ) -> tuple[Float[Tensor, "..."], Float[Tensor, "..."]]:
        """x = G(h(u)), and the logarithm of its slope."""
        y, log_slope = self.inner.forward(u, params)
        x, log_warp = warp(y, (Y_BLACK, Y_WHITE), (BLACK, WHITE))
        return x, log_slope + log_warp

    def inverse(
        self, x: Float[Tensor, "..."], params: Float[Tensor, "... k"]
    ) -> tuple[Float[Tensor, "..."], Float[Tensor, "..."]]:
        """u = h^{-1}(G^{-1}(x)), and the logarithm of its slope."""
        y, log_warp = warp(x, (BLACK, WHITE), (Y_BLACK, Y_WHITE))
        u, log_slope = self.inner.inverse(y, params)
        return u, log_slope + log_warp

    def identity(self) -> Float[Tensor, " k"]:
        """Parameters at which h is the identity, so that x = G(u)."""
        return self.inner.identity()


def warp(point: Tensor, knots: tuple[float, float], values: tuple[float, float]) -> tuple[Tensor, Tensor]:
    """The map of [0, 1] onto itself that is linear between the knots and has these values there; and its log-slope.

    Example:
        >>> warp(torch.tensor([0.25, 0.75]), (0.5, 0.75), (0.25, 0.5))
        (tensor([0.1250, 0.5000]), tensor([-0.6931,  0.0000]))
    """
    (a, b), (p, q) = knots, values
    slopes = (p / a, (q - p) / (b - a), (1 - q) / (1 - b))
    low, high = point < a, point > b
    out = torch.where(low, slopes[0] * point, p + slopes[1] * (point - a))
    out = torch.where(high, 1 - slopes[2] * (1 - point), out)
    first, middle, last = (math.log(slope) for slope in slopes)
    # Sums and not choices between numbers, which would come out in the default dtype.
    return out, middle + (first - middle) * low.to(point) + (last - middle) * high.to(point)
