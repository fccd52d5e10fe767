"""The Sylvester flow: a residual block with m hidden units, kept invertible by two triangles."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gmlib._checks import check_count
from gmlib.flows.bijection import Bijection
from gmlib.flows.planar import LEAST_SLOPE
from gmlib.flows.tanh_root import solve_tanh


class Sylvester(Bijection):
    r"""A planar flow with m directions at once, whose determinant is the product of m numbers.

    .. math:: x = u + QR\tanh(\tilde R Q^\top u + b), \qquad
        \det J(u) = \prod_{j=1}^m \big(1 + r_{jj}\tilde r_{jj}\tanh'_j\big)

    Q has m orthonormal columns (the QR decomposition of a free matrix), R and :math:`\tilde R` are upper triangular
    with diagonals in (-1, 1), so that :math:`r_{jj}\tilde r_{jj} > -1`, which makes the map invertible. The way back
    concerns :math:`y = Q^\top u` only, and R being triangular it is solved from the last coordinate to the first,
    m scalar equations :math:`s_j + r_{jj}\tilde r_{jj}\tanh s_j = \dots` one after the other. Under autocast its products
    are rounded to 8 bits, and the two ways no longer meet: there, put the layer into `FullPrecision`.

    Args:
        d: number of coordinates.
        m: number of hidden units, at most d.

    Raises:
        ValueError: ``d`` or ``m`` below 1, or m above d.

    References:
        R. van den Berg et al., *Sylvester normalizing flows for variational inference*, 2018, theorem 2 and equation 13.

    Example:
        >>> layer = Sylvester(5, 2)
        >>> x, log_det = layer(torch.ones(7, 5))
        >>> bool((x == 1).all()), log_det.shape
        (True, torch.Size([7]))
    """

    def __init__(self, d: int, m: int) -> None:
        check_count("d", d)
        check_count("m", m)
        if m > d:
            raise ValueError(f"m must be at most d = {d}, got {m}")
        super().__init__((d,))
        self.m = m
        self.frame = nn.Parameter(torch.randn(d, m))
        # The outer triangle starts at 0: the identity. The inner one has to differ from 0 for the outer to learn.
        self.outer = nn.Parameter(torch.zeros(m, m))
        self.inner = nn.Parameter(torch.eye(m) + 0.1 * torch.randn(m, m))
        self.bias = nn.Parameter(torch.zeros(m))

    def factors(self) -> tuple[Float[Tensor, "d m"], Float[Tensor, "m m"], Float[Tensor, "m m"]]:
        r"""Q, R and :math:`\tilde R`; the A and B of `low_rank_residual` are :math:`QR` and :math:`\tilde RQ^\top`."""
        return torch.linalg.qr(self.frame)[0], _triangle(self.outer), _triangle(self.inner)

    def _forward(self, u: Tensor, c: Tensor | None) -> tuple[Tensor, Tensor]:
        q, outer, inner = self.factors()
        t = torch.tanh(u @ (q @ inner.mT) + self.bias)
        return u + t @ (q @ outer).mT, self._log_det(t, outer, inner)

    def _inverse(self, x: Tensor, c: Tensor | None) -> tuple[Tensor, Tensor]:
        q, outer, inner = self.factors()
        goal = x @ q
        y: list[Tensor] = []
        t: list[Tensor] = []
        for j in reversed(range(self.m)):
            rest, shift = goal[..., j], self.bias[j]
            for k, (y_k, t_k) in enumerate(zip(y, t, strict=True), start=j + 1):
                rest = rest - outer[j, k] * t_k
                shift = shift + inner[j, k] * y_k
            # y_j + r tanh(r' y_j + shift) = rest, written for s = r' y_j + shift, which may be constant (r' = 0).
            s = solve_tanh(inner[j, j] * rest + shift, outer[j, j] * inner[j, j])
            t.insert(0, torch.tanh(s))
            y.insert(0, rest - outer[j, j] * t[0])
        hidden = torch.stack(t, -1)
        return x - hidden @ (q @ outer).mT, -self._log_det(hidden, outer, inner)

    @staticmethod
    def _log_det(t: Tensor, outer: Tensor, inner: Tensor) -> Tensor:
        return torch.log1p((1 - t * t) * (outer.diagonal() * inner.diagonal())).sum(-1)


def _triangle(free: Tensor) -> Tensor:
    """Upper triangular, the diagonal squeezed into (-1, 1), and a little further so that products stay above -1."""
    return free.triu(1) + torch.diag((1 - LEAST_SLOPE) ** 0.5 * torch.tanh(free.diagonal()))
