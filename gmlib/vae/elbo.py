r"""The evidence lower bound, its terms, and the tighter bound from several samples.

Everything here is a function of three log-densities, so that the same code serves every prior, encoder and decoder:

.. math:: \log \omega = \log p_\theta(x \mid z) + \log p(z) - \log q_\phi(z \mid x), \qquad z \sim q_\phi(z \mid x).

The average of :math:`\omega` is the evidence :math:`p_\theta(x)` (if q covers the posterior); that of
:math:`\log \omega` is the ELBO.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_number, check_tensor


@dataclass(frozen=True)
class ELBO:
    r"""The evidence lower bound of each data point, in nats, with its two terms.

    .. math:: \mathrm{ELBO}(x) = \underbrace{\mathbb E_q \log p_\theta(x \mid z)}_{\text{reconstruction}}
              - \underbrace{\mathrm{KL}\big(q_\phi(z \mid x) \,\|\, p(z)\big)}_{\text{kl, the rate}}

    Attributes:
        reconstruction: (\*batch,), the expected log-likelihood of x given z.
        kl: (\*batch,), what the code costs; never negative when computed in closed form.
        total: (\*batch,), ``reconstruction - kl_weight * kl``: the bound when ``kl_weight`` is 1.

    Example:
        >>> import torch
        >>> from gmlib.vae import ELBO
        >>> ELBO(torch.tensor([-3.0]), torch.tensor([1.0]), torch.tensor([-4.0])).mean().total.item()
        -4.0
    """

    reconstruction: Tensor
    kl: Tensor
    total: Tensor

    def mean(self) -> ELBO:
        """Return the terms averaged over the batch."""
        return ELBO(self.reconstruction.mean(), self.kl.mean(), self.total.mean())


def elbo(
    reconstruction: Float[Tensor, "*batch"], kl: Float[Tensor, "*batch"], *, kl_weight: float = 1.0
) -> ELBO:
    r"""Join the two terms of the bound, :math:`\mathbb E_q \log p(x \mid z) - \mathrm{KL}(q \,\|\, p(z))`.

    (:eq:`eq-02-bound` in the book; Kingma & Welling 2014, equation 3.) The KL is *subtracted*: it is a price. Both
    terms are sums over their coordinates; if one were averaged over pixels and the other not, the result would be the
    objective of a :math:`\beta`-VAE with :math:`\beta = d`, divided by d.

    Args:
        reconstruction: E_q log p(x | z), (\*batch,), in nats.
        kl: KL(q(z | x) || p(z)), (\*batch,), in nats.
        kl_weight: the price of a nat of rate; 1 gives the bound, other values the :math:`\beta`-VAE's objective.

    Returns:
        The terms and their total.

    Raises:
        ValueError: the shapes differ, or ``kl_weight`` is negative.

    Example:
        >>> import torch
        >>> from gmlib.vae import elbo
        >>> elbo(torch.tensor([-80.0]), torch.tensor([12.0])).total.item()
        -92.0
    """
    check_tensor("reconstruction", reconstruction)
    check_tensor("kl", kl)
    check_number("kl_weight", kl_weight, low=0.0)
    if reconstruction.shape != kl.shape:
        raise ValueError(
            f"kl must have the shape of reconstruction, {tuple(reconstruction.shape)}, got {tuple(kl.shape)}"
        )
    return ELBO(reconstruction, kl, reconstruction - kl_weight * kl)


def gaussian_kl(
    mean: Float[Tensor, "*batch k"], log_std: Float[Tensor, "*batch k"]
) -> Float[Tensor, "*batch"]:
    r"""KL divergence of a diagonal normal law from the standard normal one, in nats.

    .. math:: \mathrm{KL}\big(\mathcal N(\mu, \operatorname{diag}\sigma^2) \,\|\, \mathcal N(0, I)\big)
              = \tfrac12 \sum_j \big(\mu_j^2 + \sigma_j^2 - 1 - 2\log\sigma_j\big)

    (:eq:`eq-02-gaussian-kl` in the book; Kingma & Welling 2014, appendix B.) Zero if and only if :math:`\mu = 0` and
    :math:`\sigma = 1`.

    Args:
        mean: :math:`\mu`, (\*batch, k).
        log_std: :math:`\log\sigma`, the log of a standard deviation and not of a variance, (\*batch, k).

    Returns:
        The divergence, summed over the k coordinates, (\*batch,).

    Raises:
        ValueError: the shapes differ.

    Example:
        >>> import torch
        >>> from gmlib.vae import gaussian_kl
        >>> gaussian_kl(torch.tensor([[3.0, 4.0]]), torch.zeros(1, 2)).item()  # half the squared length
        12.5
    """
    check_tensor("mean", mean)
    check_tensor("log_std", log_std)
    if mean.shape != log_std.shape:
        raise ValueError(
            f"log_std must have the shape of mean, {tuple(mean.shape)}, got {tuple(log_std.shape)}"
        )
    # exp(2 l) - 1 as expm1: near the prior the two cancel.
    return 0.5 * (mean.square() + torch.expm1(2 * log_std) - 2 * log_std).sum(-1)


def importance_weighted_bound(log_weights: Float[Tensor, "samples ..."]) -> Float[Tensor, "*_"]:
    r"""The importance-weighted bound, in nats; one sample gives the ELBO's estimate.

    .. math:: \hat{\mathcal L}_K = \log \frac1K \sum_{k=1}^K \omega_k, \qquad
              \mathrm{ELBO} = \mathbb E \hat{\mathcal L}_1 \le \mathbb E \hat{\mathcal L}_2 \le \dots \le \log
              p_\theta(x)

    (:eq:`eq-02-iwae` in the book; Burda et al. 2016, equation 8 and theorem 1.) The order holds for expectations, not
    for single draws. Computed with log-sum-exp, and divided by K: without the :math:`-\log K` K equal weights would
    not give their common value.

    Args:
        log_weights: :math:`\log p(x, z_k) - \log q(z_k \mid x)`, samples first, (K, \*batch).

    Returns:
        (\*batch,).

    Raises:
        ValueError: there is no sample.

    Example:
        >>> import torch
        >>> from gmlib.vae import importance_weighted_bound
        >>> importance_weighted_bound(torch.full((5, 1), -7.0)).item()  # equal weights: K does not matter
        -7.0
    """
    check_tensor("log_weights", log_weights)
    if log_weights.dim() == 0 or log_weights.shape[0] == 0:
        raise ValueError(f"log_weights must hold at least one sample, got shape {tuple(log_weights.shape)}")
    return torch.logsumexp(log_weights, dim=0) - math.log(log_weights.shape[0])


def single_sample_elbo(
    x: Float[Tensor, "*batch d"],
    z: Float[Tensor, "*batch k"],
    *,
    decoder_mean: Float[Tensor, "*batch d"],
    decoder_var: float,
    q_mean: Float[Tensor, "*batch k"],
    q_log_std: Float[Tensor, "*batch k"],
) -> Float[Tensor, "*batch"]:
    r"""The integrand of the bound at one latent, for a Gaussian decoder and a diagonal Gaussian encoder, in nats.

    .. math:: -\tfrac12\Big[\tfrac{\lVert x - \mu_\theta(z)\rVert^2}{\sigma_\theta^2} + d\log\sigma_\theta^2
              + \lVert z\rVert^2 - \sum_j \tfrac{(z_j - \mu_j)^2}{\sigma_j^2} - \sum_j \log\sigma_j^2\Big]
              - \tfrac d2\log 2\pi

    :eq:`eq-02b-single` in the book. Textbooks often leave out the last constant; the bracket alone is no log-density.
    The :math:`2\pi` of prior and encoder cancel.

    Args:
        x: data, (\*batch, d).
        z: a draw from q(z | x), (\*batch, k).
        decoder_mean: :math:`\mu_\theta(z)`, (\*batch, d).
        decoder_var: :math:`\sigma_\theta^2`, positive.
        q_mean: :math:`\mu`, (\*batch, k).
        q_log_std: :math:`\log\sigma`, (\*batch, k).

    Returns:
        (\*batch,); its mean over z is the bound.

    Raises:
        ValueError: ``decoder_var`` is not positive.

    Example:
        >>> import math, torch
        >>> from gmlib.vae import single_sample_elbo
        >>> zero = torch.zeros(1, 2)
        >>> value = single_sample_elbo(zero, zero, decoder_mean=zero, decoder_var=1.0, q_mean=zero, q_log_std=zero)
        >>> round(value.item() + math.log(2 * math.pi), 6)  # d = 2: only the constant is left
        0.0
    """
    check_number("decoder_var", decoder_var, low=0.0, low_open=True)
    d = x.shape[-1]
    noise = (z - q_mean) * torch.exp(-q_log_std)
    bracket = (
        (x - decoder_mean).square().sum(-1) / decoder_var
        + d * math.log(decoder_var)
        + z.square().sum(-1)
        - noise.square().sum(-1)
        - 2 * q_log_std.sum(-1)
    )
    return -0.5 * bracket - 0.5 * d * math.log(2 * math.pi)
