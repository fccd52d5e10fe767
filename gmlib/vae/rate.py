r"""What the rate buys: information about x, and the mismatch between the codes in use and the prior.

.. math:: \mathbb E_{p_{\text{data}}} \mathrm{KL}\big(q(z \mid x) \,\|\, p(z)\big)
          = I_q(x; z) + \mathrm{KL}\big(q(z) \,\|\, p(z)\big)

with the aggregated posterior :math:`q(z) = \mathbb E_{p_{\text{data}}} q(z \mid x)`.
"""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_event
from gmlib.distributions import GaussianMixture
from gmlib.vae.discrete import check_probabilities
from gmlib.vae.posterior import DiagonalPosterior, standard_normal_log_prob


@dataclass(frozen=True)
class RateSplit:
    """The rate and its two parts, in nats; scalars.

    Attributes:
        rate: the expected KL of q(z | x) from the prior.
        information: mutual information of x and z under q; at most log N on N data points.
        marginal_kl: KL of the aggregated posterior from the prior.
    """

    rate: Tensor
    information: Tensor
    marginal_kl: Tensor


def split_rate(
    data: Float[Tensor, " x"], encoder: Float[Tensor, "x z"], prior: Float[Tensor, " z"]
) -> RateSplit:
    r"""Split the rate on finite alphabets, each part computed on its own (Hoffman & Johnson 2016).

    Args:
        data: :math:`p_{\text{data}}(x)`, (x,), positive, sums to 1.
        encoder: :math:`q(z \mid x)`, one row for each x, (x, z), positive.
        prior: :math:`p(z)`, (z,), positive.

    Raises:
        ValueError: the shapes do not match, or a table is not a positive law that sums to 1.

    Example:
        >>> import torch
        >>> from gmlib.vae import split_rate
        >>> half = torch.full((2,), 0.5, dtype=torch.float64)
        >>> perfect = torch.tensor([[1 - 1e-12, 1e-12], [1e-12, 1 - 1e-12]], dtype=torch.float64)
        >>> round(split_rate(half, perfect, half).information.item(), 6)  # one bit: log 2
        0.693147
    """
    if encoder.shape != (data.shape[-1], prior.shape[-1]):
        raise ValueError(
            f"encoder must have shape (x, z) = {(data.shape[-1], prior.shape[-1])}, got {tuple(encoder.shape)}"
        )
    for name, table in (("data", data), ("encoder", encoder), ("prior", prior)):
        check_probabilities(name, table, positive=True)
    code = data @ encoder
    rate = (data[:, None] * encoder * (encoder / prior).log()).sum()
    information = (data[:, None] * encoder * (encoder / code).log()).sum()
    return RateSplit(rate, information, (code * (code / prior).log()).sum())


def aggregated_posterior(q: DiagonalPosterior) -> GaussianMixture:
    r"""The aggregated posterior of N data points, :math:`q(z) = \frac1N \sum_n q(z \mid x_n)`, as an exact mixture.

    Args:
        q: the encoder's laws of N data points, each of shape (k,).

    Returns:
        A mixture of N diagonal normal laws with equal weights.

    Raises:
        ValueError: ``q`` is not a batch (N, k).

    Example:
        >>> import torch
        >>> from gmlib.vae import DiagonalPosterior, aggregated_posterior
        >>> q = DiagonalPosterior(torch.tensor([[-1.0], [1.0]]), torch.zeros(2, 1))
        >>> aggregated_posterior(q).variance.item()  # 1 within, 1 between
        2.0
    """
    if q.mean.dim() != 2:
        raise ValueError(f"q must hold a batch of laws (N, k), got means of shape {tuple(q.mean.shape)}")
    return GaussianMixture(q.mean, var=q.std.square())


def estimate_rate_split(q: DiagonalPosterior, noise: Float[Tensor, "samples n k"]) -> RateSplit:
    r"""Estimate the split for a Gaussian encoder on N data points: rate exactly, information by sampling.

    .. math:: I_q(x; z) = \frac1N \sum_n \mathbb E_{q(z \mid x_n)}\Big[\log q(z \mid x_n)
              - \log \frac1N \sum_m q(z \mid x_m)\Big] \le \log N

    The split is :eq:`eq-02b-rate` in the book. The inner sum runs over *all* data points; over a minibatch of B it
    would be capped at :math:`\log B`.

    Args:
        q: the encoder's laws of all N data points, (n, k).
        noise: standard normal, (samples, n, k).

    Raises:
        ValueError: ``noise`` does not end in the shape of the codes.

    Example:
        >>> import math, torch
        >>> from gmlib.vae import DiagonalPosterior, estimate_rate_split
        >>> q = DiagonalPosterior(torch.tensor([[-50.0], [50.0]]), torch.zeros(2, 1))
        >>> split = estimate_rate_split(q, torch.randn(10, 2, 1))
        >>> round(split.information.item(), 4) == round(math.log(2), 4)  # two codes that never overlap
        True
    """
    check_event("noise", noise, tuple(q.mean.shape))
    if noise.dim() != q.mean.dim() + 1 or noise.shape[0] == 0:
        raise ValueError(f"noise must have shape (samples, n, k) with samples >= 1, got {tuple(noise.shape)}")
    z = q.rsample(noise)
    information = (q.log_prob(z) - aggregated_posterior(q).log_prob(z)).mean()
    rate = q.kl().mean()
    return RateSplit(rate, information, rate - information)


def code_log_ratio(q: DiagonalPosterior, *, samples: Float[Tensor, "m k"]) -> Float[Tensor, " m"]:
    r"""How much likelier each latent is as a code than as a prior draw, :math:`\log q(z) - \log p(z)`, in nats.

    Very negative at draws from the prior: no code lies near. That need not be a fault of the encoder: N codes of
    finite width leave gaps in many dimensions even when the codes of the whole population fill the prior. Compare
    with a control that does, and use codes of held-out data (a point's own law is one of the N).

    Args:
        q: the encoder's laws of all N data points, (n, k).
        samples: latents, (m, k).

    Raises:
        ValueError: ``samples`` do not end in k.

    Example:
        >>> import torch
        >>> from gmlib.vae import DiagonalPosterior, code_log_ratio
        >>> q = DiagonalPosterior(torch.zeros(1, 2), torch.zeros(1, 2))  # the codes are the prior
        >>> code_log_ratio(q, samples=torch.ones(1, 2)).abs().item() < 1e-6
        True
    """
    check_event("samples", samples, tuple(q.mean.shape[-1:]))
    return aggregated_posterior(q).log_prob(samples) - standard_normal_log_prob(samples)
