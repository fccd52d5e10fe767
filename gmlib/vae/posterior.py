r"""The approximate posterior :math:`q_\phi(z \mid x)` that an encoder returns."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_event
from gmlib.vae.elbo import gaussian_kl


@dataclass(frozen=True)
class DiagonalPosterior:
    r"""A diagonal normal law for each data point.

    .. math:: q(z \mid x) = \mathcal N\big(\mu(x), \operatorname{diag}\sigma(x)^2\big)

    Noise is an argument, never drawn inside, so that two bounds can share it and a compiled step stays pure.

    Attributes:
        mean: :math:`\mu`, (\*batch, k).
        log_std: :math:`\log\sigma`, (\*batch, k).

    Example:
        >>> import torch
        >>> from gmlib.vae import DiagonalPosterior
        >>> q = DiagonalPosterior(torch.ones(4, 2), torch.zeros(4, 2))
        >>> q.rsample(torch.zeros(3, 4, 2)).shape, q.kl().tolist()
        (torch.Size([3, 4, 2]), [1.0, 1.0, 1.0, 1.0])
    """

    mean: Tensor
    log_std: Tensor

    @property
    def std(self) -> Tensor:
        r"""The standard deviations :math:`\sigma`, (\*batch, k)."""
        return self.log_std.exp()

    def rsample(self, noise: Float[Tensor, "*samples_batch k"]) -> Float[Tensor, "*samples_batch k"]:
        r"""Reparameterised draw, :math:`z = \mu + \sigma \odot \varepsilon` (Kingma & Welling 2014, section 2.4).

        Args:
            noise: standard normal :math:`\varepsilon`, (\*samples, \*batch, k).

        Raises:
            ValueError: ``noise`` does not end in the shape of ``mean``.
        """
        check_event("noise", noise, tuple(self.mean.shape))
        return self.mean + self.std * noise

    def log_prob(self, z: Float[Tensor, "*samples_batch k"]) -> Float[Tensor, "*samples_batch"]:
        r"""Log-density of ``z`` in nats, summed over the k latents.

        Args:
            z: latents, (\*samples, \*batch, k).

        Raises:
            ValueError: ``z`` does not end in the shape of ``mean``.
        """
        check_event("z", z, tuple(self.mean.shape))
        noise = (z - self.mean) * torch.exp(-self.log_std)
        return -(0.5 * noise.square() + self.log_std + 0.5 * math.log(2 * math.pi)).sum(-1)

    def kl(self) -> Float[Tensor, "*batch"]:
        """KL divergence from the standard normal prior, in nats (see :func:`gmlib.vae.gaussian_kl`)."""
        return gaussian_kl(self.mean, self.log_std)


def standard_normal_log_prob(z: Float[Tensor, "*batch k"]) -> Float[Tensor, "*batch"]:
    r"""Log-density of the prior :math:`\mathcal N(0, I)` in nats, summed over the last dimension.

    .. math:: \log p(z) = -\tfrac12 \lVert z \rVert^2 - \tfrac k2 \log 2\pi

    Args:
        z: latents, (\*batch, k).

    Returns:
        (\*batch,).

    Example:
        >>> import torch
        >>> from gmlib.vae import standard_normal_log_prob
        >>> round(standard_normal_log_prob(torch.zeros(1, 2)).item(), 4)
        -1.8379
    """
    return -0.5 * z.square().sum(-1) - 0.5 * z.shape[-1] * math.log(2 * math.pi)
