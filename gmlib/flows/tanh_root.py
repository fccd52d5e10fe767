r"""The one scalar equation behind planar and Sylvester flows, solved by Newton's method from the safe side."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

NEWTON_STEPS = 14
"""Enough in double precision for kappa from -1 + 1e-6 to 1e5 and every right-hand side."""


def solve_tanh(target: Float[Tensor, "*batch"], kappa: Float[Tensor, "*any"]) -> Float[Tensor, "*batch"]:
    r"""The s with :math:`s + \kappa\tanh s = \tau`, for :math:`\kappa > -1`.

    The left side increases, is odd, and for :math:`s > 0` is concave (:math:`\kappa > 0`) or convex
    (:math:`\kappa < 0`). It lies between its two asymptotes :math:`(1 + \kappa)s` and :math:`s + \kappa`, and the root
    of the nearer one is on the side from which Newton's method runs to the solution without ever crossing it: no
    bracket, no test, always the same number of steps. Gradients are those of the implicit function,

    .. math:: \frac{\partial s}{\partial\tau} = \frac{1}{1 + \kappa\tanh' s}, \qquad
        \frac{\partial s}{\partial\kappa} = -\frac{\tanh s}{1 + \kappa\tanh' s},

    from one more step that is recorded.

    Args:
        target: tau, any shape.
        kappa: a shape that broadcasts to that of ``target``.

    Returns:
        s, of the shape of ``target``.

    Example:
        >>> s = torch.tensor([-3.0, 0.0, 0.5])
        >>> solve_tanh(s - 0.9 * s.tanh(), torch.tensor(-0.9))
        tensor([-3.0000,  0.0000,  0.5000])
    """
    with torch.no_grad():
        size = target.abs()
        steep, level = size / (1 + kappa), size - kappa
        s = torch.where(kappa > 0, torch.maximum(steep, level), torch.minimum(steep, level))
        for _ in range(NEWTON_STEPS):
            t = s.tanh()
            s = s - (s + kappa * t - size) / (1 + kappa * (1 - t * t))
        s = torch.copysign(s, target)
        t = s.tanh()
        slope = 1 + kappa * (1 - t * t)
    return s - (s + kappa * t - target) / slope
