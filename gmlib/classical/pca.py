"""Principal components: the best linear code for squared error, and the Gaussian law that belongs to it."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_count, check_event, check_finite, check_tensor
from gmlib.distributions import Gaussian


class PCA:
    r"""The k directions in which the data vary most.

    With the covariance :math:`V = U \Lambda U^\top` (divisor N, eigenvalues in falling order), the code is
    :math:`U_k^\top (x - \bar x)`, the reconstruction :math:`\bar x + U_k z`, and the mean squared error is
    exactly the sum of the discarded eigenvalues (:eq:`eq-01-pca` in the book; Eckart & Young 1936). A linear
    autoencoder reaches the same error, and decoder times encoder is the same projector; the encoder alone is
    :math:`U_k^\top` only up to an invertible k x k matrix (Baldi & Hornik 1989).

    Args:
        x: data, (n, d), n >= 2.
        k: number of components, at most d.

    Attributes:
        mean: (d,).
        components: :math:`U_k`, (d, k), orthonormal columns.
        eigenvalues: all of them, in falling order, (d,).

    Raises:
        TypeError: ``x`` is not a float32 or float64 tensor.
        ValueError: ``x`` is not a finite matrix of at least two rows, or ``k`` is out of range.

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
        check_tensor("x", x)
        if x.dtype not in (torch.float32, torch.float64):
            raise TypeError(f"x must be float32 or float64 for its eigenvalues, got {x.dtype}")
        if x.dim() != 2 or x.shape[0] < 2:
            raise ValueError(f"x must be a matrix of at least two rows, got shape {tuple(x.shape)}")
        check_finite("x", x)
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

    def law(self) -> Gaussian:
        r"""The Gaussian law that a code of k numbers and isotropic noise make: probabilistic PCA.

        .. math:: p(x) = \mathcal N\big(x; \bar x,\ U_k(\Lambda_k - \sigma^2 I)U_k^\top + \sigma^2 I\big), \qquad
                  \sigma^2 = \frac1{d-k}\sum_{i>k}\lambda_i

        (:eq:`eq-01-ppca` in the book.) The maximum-likelihood fit among all such laws; its average log-likelihood on the
        data is :math:`-\tfrac12\big(\sum_{i\le k}\log\lambda_i + (d-k)\log\sigma^2 + d\log2\pi + d\big)`. With
        k = d it is the Gaussian with the data's covariance. (The linear VAE of chapter 2,
        `gmlib.vae.LinearVAE.from_ppca`, has the same evidence; there it is reached by a bound.)

        Returns:
            A full-covariance law, of the data's dtype and on its device.

        Raises:
            ValueError: the data do not vary in more than k directions (for k = d: in all d), so that the likelihood has
                no maximum.

        References:
            M. E. Tipping and C. M. Bishop, *Probabilistic principal component analysis* (1999), section 3.2.

        Example:
            >>> import torch
            >>> from gmlib.classical import PCA
            >>> x = torch.tensor([[2.0, 0.0], [-2.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
            >>> PCA(x, 1).law().variance
            tensor([2.0000, 0.5000])
        """
        d, k = self.components.shape
        rest = self.eigenvalues[k:].mean() if k < d else self.eigenvalues[-1]
        if not bool(rest > 10 * torch.finfo(rest.dtype).eps * self.eigenvalues[0]):
            raise ValueError(
                f"x must vary in more than k = {k} directions for a density: the discarded variance is {rest.item():.2e}"
            )
        noise = torch.diag(rest.expand(d)) if k < d else torch.zeros_like(self.eigenvalues).diag()
        kept = self.eigenvalues[:k] - (rest if k < d else 0)
        cov = (self.components * kept) @ self.components.T + noise
        return Gaussian(self.mean, cov=(cov + cov.T) / 2)
