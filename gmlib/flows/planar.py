"""The planar flow: stretch or squeeze space along one direction, across one ridge."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from gmlib._checks import check_count
from gmlib.flows.bijection import Bijection
from gmlib.flows.tanh_root import solve_tanh

LEAST_SLOPE = 1e-3
"""How flat a layer may become, so that it can be inverted in single precision as well."""


def above_minus_one(raw: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    r"""A number above -1 from any real number, and 0 from 0.

    .. math:: m(r) = \operatorname{softplus}\big(r + \log(e^\kappa - 1)\big) - \kappa, \qquad \kappa = 0.999

    Example:
        >>> above_minus_one(torch.tensor([-50.0, 0.0, 3.0]))
        tensor([-0.9990,  0.0000,  2.5694])
    """
    start = math.log(math.expm1(1 - LEAST_SLOPE))
    # The second softplus is 0.999, in the same arithmetic as the first: 0 goes to 0 exactly.
    return functional.softplus(raw + start) - functional.softplus(torch.full_like(raw, start))


class Planar(Bijection):
    r"""A residual block with one hidden unit, kept invertible.

    .. math:: x = u + v\tanh(w^\top u + b), \qquad \det J(u) = 1 + w^\top v\,\tanh'(w^\top u + b)

    As :math:`0 < \tanh' \le 1`, the map is one-to-one if and only if :math:`w^\top v \ge -1`. The free vector
    :math:`\hat v` is moved along w until :math:`w^\top v = m(w^\top\hat v) > -1`:

    .. math:: v = \hat v + \big(m(w^\top\hat v) - w^\top\hat v\big)\frac{w}{\lVert w\rVert^2}, \qquad
        m(r) = -1 + \operatorname{softplus}(r + \log(e - 1))

    (`above_minus_one`, which stays a little above -1. The paper's m has no :math:`\log(e - 1)`; here m(0) = 0, so that
    the layer starts as the identity.) The way back is one scalar equation,
    :math:`s + w^\top v\tanh s = w^\top x + b` for :math:`s = w^\top u + b`; then :math:`u = x - v\tanh s`.

    (:eq:`eq-05b-planar` in the book.) Under autocast its products are rounded to 8 bits, and the two ways no longer meet:
    there, put the layer into `FullPrecision`.

    Args:
        d: number of coordinates.

    Raises:
        ValueError: ``d`` below 1.

    References:
        D. Rezende and S. Mohamed, *Variational inference with normalizing flows*, 2015, equations 10 to 12 and appendix
        A.1; K. Murphy, *Probabilistic Machine Learning: Advanced Topics*, 2023, equations 23.39 and 23.40.

    Example:
        >>> layer = Planar(3)
        >>> x, log_det = layer(torch.ones(5, 3))
        >>> bool((x == 1).all()), log_det.shape
        (True, torch.Size([5]))
    """

    def __init__(self, d: int) -> None:
        check_count("d", d)
        super().__init__((d,))
        self.w = nn.Parameter(torch.randn(d) / math.sqrt(d))
        self.free_v = nn.Parameter(torch.zeros(d))
        self.bias = nn.Parameter(torch.zeros(()))

    def direction(self) -> tuple[Float[Tensor, " d"], Float[Tensor, ""]]:
        r"""The v in use, shape (d,), and :math:`w^\top v`, above -1."""
        along = self.w @ self.free_v
        kappa = above_minus_one(along)
        # A w of 0 makes the identity; the tiny number keeps it from dividing 0 by 0.
        square = self.w @ self.w + torch.finfo(self.w.dtype).tiny
        return self.free_v + (kappa - along) / square * self.w, kappa

    def _forward(self, u: Tensor, c: Tensor | None) -> tuple[Tensor, Tensor]:
        v, kappa = self.direction()
        t = torch.tanh(u @ self.w + self.bias)
        return u + t[..., None] * v, torch.log1p(kappa * (1 - t * t))

    def _inverse(self, x: Tensor, c: Tensor | None) -> tuple[Tensor, Tensor]:
        v, kappa = self.direction()
        t = torch.tanh(solve_tanh(x @ self.w + self.bias, kappa))
        return x - t[..., None] * v, -torch.log1p(kappa * (1 - t * t))
