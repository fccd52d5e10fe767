"""Invertible matrices in factors: a determinant and an inverse that are read off instead of computed."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from gmlib._checks import check_choice, check_count
from gmlib.flows.bijection import Bijection


class PLU(Bijection):
    r"""A linear map kept as permutation times lower times upper triangular matrix.

    .. math:: x = P L (U + \operatorname{diag} s)\, u, \qquad \log|\det| = \sum_i \log|s_i|

    L has ones on its diagonal, U is zero on it, P is fixed. The determinant costs d additions instead of the
    :math:`O(d^3)` of a matrix without structure, the inverse two triangular solves of :math:`O(d^2)` each. The signs of s
    are fixed as well, so that no step of learning can pass through a singular matrix.

    (:eq:`eq-05b-plu` in the book.)

    Args:
        d: number of coordinates.
        start: "rotation" starts at a random orthogonal matrix, "identity" at the identity.
        generator: source of the rotation; None for torch's default.

    Attributes:
        lower: the part of L below its diagonal (entries elsewhere are not used), (d, d).
        upper: the part of U above its diagonal, (d, d).
        log_diagonal: log|s|, (d,).

    Raises:
        ValueError: ``d`` is below 1, or there is no such start.

    References:
        D. Kingma and P. Dhariwal, *Glow: Generative flow with invertible 1x1 convolutions*, 2018, equation 10;
        K. Murphy, *Probabilistic Machine Learning: Advanced Topics*, 2023, section 23.2.1.

    Example:
        >>> linear = PLU(3, generator=torch.Generator().manual_seed(0))
        >>> W = linear.matrix()
        >>> torch.allclose(W @ W.T, torch.eye(3), atol=1e-5)  # a rotation, at first
        True
        >>> torch.allclose(linear(torch.eye(3))[0], W.T, atol=1e-6)
        True
    """

    def __init__(self, d: int, *, start: str = "rotation", generator: torch.Generator | None = None) -> None:
        check_count("d", d)
        super().__init__((d,))
        W = starting_matrix(d, start, generator)
        P, L, U = torch.linalg.lu(W)
        dtype = torch.get_default_dtype()
        self.lower = nn.Parameter(L.tril(-1).to(dtype))
        self.upper = nn.Parameter(U.triu(1).to(dtype))
        diagonal = U.diagonal()
        self.log_diagonal = nn.Parameter(diagonal.abs().log().to(dtype))
        self.register_buffer("sign", diagonal.sign().to(dtype))
        # P as an order: (P v)_i = v_{order_i}.
        self.register_buffer("order", P.argmax(1))
        self.register_buffer("back", P.argmax(0))
        self.sign: Tensor
        self.order: Tensor
        self.back: Tensor

    def factors(self) -> tuple[Int[Tensor, " d"], Float[Tensor, "d d"], Float[Tensor, "d d"]]:
        """P as an order of rows, L with its ones, and U with its diagonal s."""
        upper = self.upper.triu(1) + torch.diag(self.sign * self.log_diagonal.exp())
        return self.order, self.lower.tril(-1) + _eye_like(upper), upper

    def matrix(self) -> Float[Tensor, "d d"]:
        """The whole matrix W, so that x = W u."""
        order, lower, upper = self.factors()
        return (lower @ upper)[order]

    def inverse_matrix(self) -> Float[Tensor, "d d"]:
        r""":math:`W^{-1}`, by two triangular solves."""
        _, lower, upper = self.factors()
        permuted = _eye_like(upper)[self.back]
        half = torch.linalg.solve_triangular(lower, permuted, upper=False, unitriangular=True)
        return torch.linalg.solve_triangular(upper, half, upper=True)

    def log_det(self) -> Float[Tensor, ""]:
        r""":math:`\log|\det W|` in d - 1 additions."""
        return self.log_diagonal.sum()

    def _forward(self, u: Tensor, c: Tensor | None) -> tuple[Tensor, Tensor]:
        # Under autocast the products would round to bfloat16, and the inverse would not be one.
        with torch.autocast(u.device.type, enabled=False):
            order, lower, upper = self.factors()
            # One row a point, so everything is transposed.
            x = (u.to(upper.dtype) @ upper.mT @ lower.mT).index_select(-1, order)
            return x, self.log_det().expand(u.shape[:-1])

    def _inverse(self, x: Tensor, c: Tensor | None) -> tuple[Tensor, Tensor]:
        with torch.autocast(x.device.type, enabled=False):
            _, lower, upper = self.factors()
            x = x.to(upper.dtype)
            # Columns are points: one solve for the whole batch.
            columns = x.index_select(-1, self.back).flatten(0, -2).mT if x.dim() > 1 else x[self.back, None]
            half = torch.linalg.solve_triangular(lower, columns, upper=False, unitriangular=True)
            u = torch.linalg.solve_triangular(upper, half, upper=True)
            return u.mT.reshape(x.shape), -self.log_det().expand(x.shape[:-1])


def _eye_like(matrix: Tensor) -> Tensor:
    """The identity in the place of a square matrix."""
    return torch.eye(len(matrix), dtype=matrix.dtype, device=matrix.device)


def starting_matrix(d: int, start: str, generator: torch.Generator | None = None) -> Float[Tensor, "d d"]:
    """Where a linear layer starts: "identity", or "rotation" for a random orthogonal matrix; float64.

    Example:
        >>> starting_matrix(2, "identity").tolist()
        [[1.0, 0.0], [0.0, 1.0]]
    """
    check_choice("start", start, ("rotation", "identity"))
    if start == "identity":
        return torch.eye(d, dtype=torch.float64)
    # The sign of R's diagonal makes the law of Q uniform.
    Q, R = torch.linalg.qr(torch.randn(d, d, dtype=torch.float64, generator=generator))
    return Q * R.diagonal().sign()
