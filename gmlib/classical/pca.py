"""Principal components: the best linear code for squared error."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_count, check_event


class PCA:
    r"""The k directions in which the data vary most.

    With the covariance :math:`V = U \Lambda U^\top` (divisor N, eigenvalues in falling order), the code is
    :math:`U_k^\top (x - \bar x)`, the reconstruction :math:`\bar x + U_k z`, and the mean squared error is
    exactly the sum of the discarded eigenvalues (Eckart & Young 1936). A linear autoencoder reaches the same
    error, and decoder times encoder is the same projector; the encoder alone is :math:`U_k^\top` only up to an
    invertible k x k matrix (Baldi & Hornik 1989).

    Args:
        x: data, (n, d), n >= 2.
        k: number of components, at most d.

    Attributes:
        mean: (d,).
        components: :math:`U_k`, (d, k), orthonormal columns.
        eigenvalues: all of them, in falling order, (d,).

    Raises:
        ValueError: ``x`` is not a matrix of at least two rows, or ``k`` is out of range.

    Example:
        >>> import torch
        >>> from gmlib.classical import PCA
        >>> x = torch.randn(200, 5, dtype=torch.float64)
        >>> pca = PCA(x, 2)
        >>> error = (x - pca.decode(pca.encode(x))).square().sum(-1).mean()
        >>> abs(error.item() - pca.eigenvalues[2:].sum().item()) < 1e-12
        True
    """

    def __init__(self, x: Float[Tensor, "n d"], k: int) -> None:
        if x.dim() != 2 or x.shape[0] < 2:
            raise ValueError(f"x must be a matrix of at least two rows, got shape {tuple(x.shape)}")
        check_count("k", k)
        if k > x.shape[1]:
            raise ValueError(f"k must be at most d = {x.shape[1]}, got {k}")
        self.mean = x.mean(0)
        centred = x - self.mean
        values, vectors = torch.linalg.eigh(centred.T @ centred / x.shape[0])
        self.eigenvalues = values.flip(0)
        self.components = vectors.flip(1)[:, :k]

    def encode(self, x: Float[Tensor, "*batch d"]) -> Float[Tensor, "*batch k"]:
        """Return the codes of ``x``.

        Raises:
            ValueError: ``x`` does not end in d coordinates.
        """
        check_event("x", x, tuple(self.mean.shape))
        return (x - self.mean) @ self.components

    def decode(self, z: Float[Tensor, "*batch k"]) -> Float[Tensor, "*batch d"]:
        """Return the points of the data's hyperplane that have the codes ``z``.

        Raises:
            ValueError: ``z`` does not end in k coordinates.
        """
        check_event("z", z, (self.components.shape[1],))
        return self.mean + z @ self.components.T
