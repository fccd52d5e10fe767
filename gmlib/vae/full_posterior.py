"""A posterior that may correlate its latents: the full-covariance normal law by its Cholesky factor."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_event


@dataclass(frozen=True)
class FullPosterior:
    r"""Normal laws with full covariance, given by a Cholesky factor.

    .. math:: q(z \mid x) = \mathcal N(\mu, LL^\top), \qquad L = \operatorname{tril}_{-1}(A) + \operatorname{diag}\sigma

    The mask keeps the *strictly* lower triangle of A, so that the diagonal of L is :math:`\sigma` alone and
    :math:`\log\det L = \sum_j \log\sigma_j`. A draw's own log-density then needs no solve. With the upper triangle,
    or with A's own diagonal left in, it is not (Kingma & Welling 2019, section 2.5.1).

    Attributes:
        mean: :math:`\mu`, (\*batch, k).
        log_std: :math:`\log\sigma`, the logs of L's diagonal, (\*batch, k).
        lower: A, of which the strictly lower triangle is used, (\*batch, k, k).

    Example:
        >>> import torch
        >>> from gmlib.vae import FullPosterior
        >>> q = FullPosterior(torch.zeros(2), torch.zeros(2), torch.full((2, 2), 9.0))
        >>> q.scale_tril.tolist()
        [[1.0, 0.0], [9.0, 1.0]]
    """

    mean: Tensor
    log_std: Tensor
    lower: Tensor

    @property
    def scale_tril(self) -> Tensor:
        """The Cholesky factor L, (\\*batch, k, k)."""
        return self.lower.tril(-1) + torch.diag_embed(self.log_std.exp())

    def rsample(self, noise: Float[Tensor, "*samples_batch k"]) -> Float[Tensor, "*samples_batch k"]:
        r"""Reparameterised draw, :math:`z = \mu + L\varepsilon`.

        Args:
            noise: standard normal, (\*samples, \*batch, k).

        Raises:
            ValueError: ``noise`` does not end in the shape of ``mean``.
        """
        check_event("noise", noise, tuple(self.mean.shape))
        return self.mean + (self.scale_tril @ noise[..., None])[..., 0]

    def log_prob(self, z: Float[Tensor, "*samples_batch k"]) -> Float[Tensor, "*samples_batch"]:
        r"""Log-density in nats.

        .. math:: -\sum_j \big(\tfrac12 \varepsilon_j^2 + \tfrac12\log 2\pi + \log\sigma_j\big),
                  \qquad \varepsilon = L^{-1}(z - \mu)

        Args:
            z: latents, (\*samples, \*batch, k).

        Raises:
            ValueError: ``z`` does not end in the shape of ``mean``.
        """
        check_event("z", z, tuple(self.mean.shape))
        noise = torch.linalg.solve_triangular(self.scale_tril, (z - self.mean)[..., None], upper=False)[
            ..., 0
        ]
        return -(0.5 * noise.square() + 0.5 * math.log(2 * math.pi) + self.log_std).sum(-1)

    def kl(self) -> Float[Tensor, "*batch"]:
        r"""KL divergence from :math:`\mathcal N(0, I)` in nats.

        .. math:: \tfrac12\big(\lVert\mu\rVert^2 + \lVert L\rVert_F^2 - k\big) - \sum_j \log\sigma_j
        """
        square = self.mean.square().sum(-1) + self.scale_tril.square().sum((-2, -1))
        return 0.5 * (square - self.mean.shape[-1]) - self.log_std.sum(-1)
