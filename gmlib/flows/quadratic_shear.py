"""A flow that can be written out in full: four coordinates, two of them bent by squares of the others."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gmlib._checks import check_number
from gmlib.flows.bijection import Bijection


class QuadraticShear(Bijection):
    r"""One affine coupling layer of constant scale and quadratic shift, on four coordinates.

    .. math:: F(u) = \big(u_1,\; u_2,\; e^{a_0}u_3 + a_1u_1^2 + a_2u_2^2,\; e^{b_0}u_4 + b_1u_1^2 + b_2u_2^2\big),
        \qquad \log|\det J| = a_0 + b_0

    With a standard normal base, :math:`x_1, x_2` stay standard normal, and given them :math:`x_3` and :math:`x_4` are
    independent and normal, with means :math:`a_1x_1^2 + a_2x_2^2` and :math:`b_1x_1^2 + b_2x_2^2`. Hence

    .. math:: \mathbb E\,x_3 = a_1 + a_2, \qquad \mathrm{Var}\,x_3 = e^{2a_0} + 2a_1^2 + 2a_2^2, \qquad
        \mathrm{Cov}(x_3, x_4) = 2a_1b_1 + 2a_2b_2

    (:eq:`eq-05-shear` in the book.)

    Args:
        a0: log-scale of the third coordinate.
        a1: its shift for each unit of the first coordinate's square.
        a2: and of the second's.
        b0: log-scale of the fourth coordinate.
        b1: its shift for each unit of the first coordinate's square.
        b2: and of the second's.

    Attributes:
        coefficients: ``((a0, a1, a2), (b0, b1, b2))``, learnable.

    Raises:
        TypeError: a coefficient is not a real number.
        ValueError: a coefficient is not finite.

    Example:
        >>> x, log_det = QuadraticShear(0.0, 1.0, 2.0, 0.5, 0.0, -1.0)(torch.ones(4))
        >>> x, log_det
        (tensor([1.0000, 1.0000, 4.0000, 0.6487], grad_fn=<CatBackward0>), tensor(0.5000, grad_fn=<ExpandBackward0>))
    """

    def __init__(self, a0: float, a1: float, a2: float, b0: float, b1: float, b2: float) -> None:
        named = {"a0": a0, "a1": a1, "a2": a2, "b0": b0, "b1": b1, "b2": b2}
        for name, value in named.items():
            check_number(name, value)
        super().__init__((4,))
        self.coefficients = nn.Parameter(
            torch.tensor([float(value) for value in named.values()]).reshape(2, 3)
        )

    def _forward(self, u: Tensor, c: Tensor | None) -> tuple[Tensor, Tensor]:
        kept, changed = u.split(2, -1)
        x = changed * self.coefficients[:, 0].exp() + self._shift(kept)
        return torch.cat([kept, x], -1), self.coefficients[:, 0].sum().expand(u.shape[:-1])

    def _inverse(self, x: Tensor, c: Tensor | None) -> tuple[Tensor, Tensor]:
        kept, changed = x.split(2, -1)
        u = (changed - self._shift(kept)) * (-self.coefficients[:, 0]).exp()
        return torch.cat([kept, u], -1), (-self.coefficients[:, 0].sum()).expand(x.shape[:-1])

    def _shift(self, kept: Tensor) -> Tensor:
        return kept.square() @ self.coefficients[:, 1:].T
