"""The variational autoencoder: an encoder, a decoder, a likelihood, and the bound that trains all three."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gmlib._checks import check_count, check_tensor
from gmlib.vae.elbo import ELBO, elbo
from gmlib.vae.likelihoods import Likelihood
from gmlib.vae.posterior import DiagonalPosterior, standard_normal_log_prob


class VAE(nn.Module):
    r"""A latent-variable model :math:`p(z)\,p_\theta(x \mid z)` with an amortised posterior :math:`q_\phi(z \mid x)`.

    The prior is :math:`\mathcal N(0, I)`, the encoder a diagonal normal law, the likelihood any of
    :mod:`gmlib.vae.likelihoods` (Kingma & Welling 2014; Rezende et al. 2014).

    Args:
        encoder: maps standardised data (batch, d) to (batch, 2 k): :math:`\mu` and :math:`\log\sigma`.
        decoder: maps latents (\*batch, k) to (\*batch, num_params * d).
        likelihood: what the decoder's numbers mean.
        latent_dim: the number of latents k.

    Raises:
        ValueError: ``latent_dim`` below 1.

    Example:
        >>> import torch
        >>> from gmlib.nn import MLP
        >>> from gmlib.vae import VAE, Bernoulli
        >>> model = VAE(MLP([16, 32, 4]), MLP([2, 32, 16]), Bernoulli(), latent_dim=2)
        >>> x = torch.randint(0, 2, (5, 16)).float()
        >>> model.elbo(x, torch.randn(1, 5, 2)).total.shape
        torch.Size([5])
    """

    def __init__(
        self, encoder: nn.Module, decoder: nn.Module, likelihood: Likelihood, latent_dim: int
    ) -> None:
        super().__init__()
        check_count("latent_dim", latent_dim)
        self.encoder, self.decoder = encoder, decoder
        self.likelihood, self.latent_dim = likelihood, latent_dim

    def encode(self, x: Float[Tensor, "batch d"]) -> DiagonalPosterior:
        r"""Return :math:`q_\phi(z \mid x)`.

        Args:
            x: data in the units of the likelihood, (batch, d).

        Raises:
            TypeError: ``x`` is not a floating tensor (turn integer levels into floats first).
            ValueError: ``x`` is not a batch of vectors.
        """
        check_tensor("x", x)
        if x.dim() != 2:
            raise ValueError(f"x must be a batch of vectors (batch, d), got shape {tuple(x.shape)}")
        mean, log_std = self.encoder(self.likelihood.standardise(x)).chunk(2, dim=-1)
        return DiagonalPosterior(mean, log_std)

    def decode(self, z: Float[Tensor, "*batch k"]) -> Float[Tensor, "*batch num_params d"]:
        r"""Return the parameters of :math:`p_\theta(x \mid z)`, (\*batch, num_params, d).

        Args:
            z: latents, (\*batch, k).
        """
        out = self.decoder(z)
        return out.unflatten(-1, (self.likelihood.num_params, out.shape[-1] // self.likelihood.num_params))

    def elbo(
        self,
        x: Float[Tensor, "batch d"],
        noise: Float[Tensor, "samples batch k"],
        *,
        kl_weight: float = 1.0,
        q: DiagonalPosterior | None = None,
    ) -> ELBO:
        r"""The bound at each data point, in nats: reconstruction by sampling, rate in closed form.

        .. math:: \frac1S\sum_{s=1}^S \log p_\theta\big(x \mid \mu + \sigma \odot \varepsilon_s\big)
                  - \mathrm{KL}\big(q_\phi(z \mid x) \,\|\, p(z)\big)

        Args:
            x: data, (batch, d).
            noise: standard normal :math:`\varepsilon`, (samples, batch, k); one sample is enough to train.
            kl_weight: the price of a nat of rate (1 for the bound).
            q: the posterior to use; the encoder's when None.

        Returns:
            The terms, each (batch,).

        Raises:
            ValueError: ``noise`` does not have the shape (samples, batch, k).
        """
        _check_samples(noise)
        q = self.encode(x) if q is None else q
        reconstruction = self.likelihood.log_prob(self.decode(q.rsample(noise)), x).mean(0)
        return elbo(reconstruction, q.kl(), kl_weight=kl_weight)

    def log_weights(
        self,
        x: Float[Tensor, "batch d"],
        noise: Float[Tensor, "samples batch k"],
        *,
        q: DiagonalPosterior | None = None,
    ) -> Float[Tensor, "samples batch"]:
        r"""Log importance weights :math:`\log p(z) + \log p_\theta(x \mid z) - \log q(z \mid x)`, in nats.

        Args:
            x: data, (batch, d).
            noise: standard normal :math:`\varepsilon`, (samples, batch, k).
            q: the posterior to sample; the encoder's when None.

        Returns:
            (samples, batch): feed them to :func:`gmlib.vae.importance_weighted_bound`.
        """
        _check_samples(noise)
        q = self.encode(x) if q is None else q
        z = q.rsample(noise)
        return standard_normal_log_prob(z) + self.likelihood.log_prob(self.decode(z), x) - q.log_prob(z)

    def sample(
        self, n: int, *, generator: torch.Generator | None = None, mean: bool = False
    ) -> Float[Tensor, "n d"]:
        """Draw ``n`` data points: z from the prior, then x from the decoder.

        Args:
            n: how many.
            generator: the random source, on the model's device (None: torch's default).
            mean: return the decoder's means instead. They look cleaner and are *not* samples of the model.

        Raises:
            ValueError: ``n`` below 1.
        """
        check_count("n", n)
        parameter = next(self.parameters())
        z = torch.randn(
            n, self.latent_dim, generator=generator, device=parameter.device, dtype=parameter.dtype
        )
        params = self.decode(z)
        return self.likelihood.mean(params) if mean else self.likelihood.sample(params, generator=generator)


def _check_samples(noise: Tensor) -> None:
    check_tensor("noise", noise)
    if noise.dim() != 3 or noise.shape[0] == 0:
        raise ValueError(
            f"noise must have shape (samples, batch, k) with samples >= 1, got {tuple(noise.shape)}"
        )
