r"""The variational bound in continuous time: the cost of an example as an integral over the log-SNR.

Data are noised down to the log-SNR :math:`\lambda_{\min}`, where hardly anything of them is left, and up to
:math:`\lambda_{\max}`, where they can be read off. What lies between costs half the squared error of the noise for each
unit of log-SNR; the schedule, which only says when each level of noise is met, is not in it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_count, check_instance, check_number
from gmlib.diffusion.chain import check_points, over_event
from gmlib.diffusion.grey_levels import check_levels, level_cost
from gmlib.diffusion.objective import denoising_loss
from gmlib.diffusion.times import low_discrepancy_times
from gmlib.noise import Denoiser


@dataclass(frozen=True)
class VDMBound:
    """What an example costs, at most, in nats: three costs, (batch,) each.

    Attributes:
        prior: of the noise at the low end, which still knows a little of the example.
        diffusion: of the way from there to the high end.
        reconstruction: of the example itself, given the little noise there.

    Example:
        >>> import torch
        >>> from gmlib.diffusion import VDMBound
        >>> VDMBound(torch.zeros(1), torch.ones(1), torch.ones(1)).total
        tensor([2.])
    """

    prior: Tensor
    diffusion: Tensor
    reconstruction: Tensor

    @property
    def total(self) -> Tensor:
        """The bound on minus the log-likelihood, (batch,)."""
        return self.prior + self.diffusion + self.reconstruction


def vdm_bound(
    denoiser: Denoiser,
    x0: Float[Tensor, "batch *event"],
    *,
    low: float,
    high: float,
    draws: int = 1,
    levels: Float[Tensor, " k"] | None = None,
    decoder_var: float | None = None,
    generator: torch.Generator | None = None,
    **condition: Any,
) -> VDMBound:
    r"""The bound of each example, with random noise and random levels of it.

    .. math:: -\log p(x) \le \mathrm{KL}\big(q(z_{\lambda_{\min}}\mid x)\,\|\,\mathcal N(0, I)\big)
        + \tfrac12\int_{\lambda_{\min}}^{\lambda_{\max}}\mathbb E\lVert\varepsilon - \hat\varepsilon\rVert^2\,d\lambda
        - \mathbb E\log p(x\mid z_{\lambda_{\max}})

    The integral is estimated with ``draws`` log-SNRs an example, evenly spaced with a shift, and shifted from example to
    example, so that a batch has no gap. The three terms are unbiased; their sum bounds the cost in the mean only.

    For images in grey levels (``levels``) the last term is `level_cost`, from a mass. For other data it is
    :func:`density_cost`, from a normal density around :math:`\hat x_0`.

    (:eq:`eq-09-continuous` in the book.)

    Args:
        denoiser: the model; a schedule that does not preserve variance is rescaled to one that does.
        x0: clean points, (batch, ``*event``).
        low: :math:`\lambda_{\min}`.
        high: :math:`\lambda_{\max}`.
        draws: log-SNRs an example, each one call of the network.
        levels: the values a pixel can have, ascending, (k,); None for data with a density.
        decoder_var: without ``levels``, variance of the normal law around :math:`\hat x_0`; None is
            :math:`1/(1 + e^{\lambda_{\max}})`, the best for data of unit variance.
        generator: source of randomness; None is torch's default.
        condition: passed on to the network.

    Returns:
        The three terms, (batch,) each, in nats.

    Raises:
        TypeError: ``denoiser`` is no Denoiser or ``x0`` no floating tensor.
        ValueError: ``low`` is not below ``high``, the schedule does not reach one of them, ``draws`` is below 1,
            ``decoder_var`` is not positive or comes with ``levels``, or as `level_cost`.

    References:
        D. Kingma et al., *Variational diffusion models* (2021), sections 3.5 and 5.1.

    Example:
        >>> import torch
        >>> from gmlib.diffusion import vdm_bound
        >>> from gmlib.distributions import Gaussian
        >>> from gmlib.noise import VPCosine, exact_denoiser
        >>> law = Gaussian(torch.zeros(1), var=1.0)
        >>> g = torch.Generator().manual_seed(0)
        >>> x = law.sample((20_000,), generator=g)
        >>> bound = vdm_bound(exact_denoiser(law, VPCosine()), x, low=-6.0, high=6.0, generator=g)
        >>> f"{bound.total.mean():.1f}, entropy {-law.log_prob(x).mean():.1f}"
        '1.4, entropy 1.4'
    """
    check_instance("denoiser", denoiser, Denoiser)
    check_points("x0", x0)
    check_range(denoiser, low, high)
    check_count("draws", draws)
    if levels is not None:
        check_levels(x0, levels)
        if decoder_var is not None:
            raise ValueError("decoder_var must be None for data in levels")
    at = low_discrepancy_times(draws * len(x0), low, high, generator=generator, device=x0.device)
    errors = []
    for log_snr in at.to(x0).reshape(draws, -1):
        noise = torch.randn(x0.shape, generator=generator, device=x0.device, dtype=x0.dtype)
        errors.append(noise_error(denoiser, x0, log_snr, noise, **condition))
    noise = torch.randn(x0.shape, generator=generator, device=x0.device, dtype=x0.dtype)
    if levels is None:
        last = density_cost(denoiser, x0, high, noise, decoder_var=decoder_var, **condition)
    else:
        last = level_cost(x0, noise, levels, high)
    return VDMBound(prior_cost(x0, low), 0.5 * (high - low) * torch.stack(errors).mean(0), last)


def prior_cost(x0: Float[Tensor, "batch *event"], log_snr: float) -> Float[Tensor, " batch"]:
    r"""How far the noised example is from pure noise, in nats.

    .. math:: \mathrm{KL}\big(\mathcal N(\alpha x, \sigma^2I)\,\|\,\mathcal N(0, I)\big)
        = \tfrac12\sum_i\big(\alpha^2(x_i^2 - 1) - \log\sigma^2\big), \qquad
        \alpha^2 = 1 - \sigma^2 = \frac1{1 + e^{-\lambda}}

    Args:
        x0: clean points, (batch, ``*event``).
        log_snr: :math:`\lambda`.

    Returns:
        Nats, (batch,).

    Raises:
        TypeError: ``x0`` is no floating tensor, or ``log_snr`` no number.
        ValueError: ``x0`` has no batch dimension, or ``log_snr`` is not finite.

    References:
        D. Kingma et al. (2021), section 3.5 (prior loss).

    Example:
        >>> import torch
        >>> from gmlib.diffusion import prior_cost
        >>> f"{prior_cost(torch.ones(1, 1), 0.0).item():.4f}"  # half of log 2
        '0.3466'
    """
    check_points("x0", x0)
    check_number("log_snr", log_snr)
    level = torch.tensor(log_snr, dtype=torch.float64)
    alpha2, log_sigma2 = torch.sigmoid(level), F.logsigmoid(-level)
    return 0.5 * over_event(alpha2 * (x0.square() - 1) - log_sigma2)


def noise_error(
    denoiser: Denoiser,
    x0: Float[Tensor, "batch *event"],
    log_snr: Float[Tensor, " batch"],
    noise: Float[Tensor, "batch *event"],
    **condition: Any,
) -> Float[Tensor, " batch"]:
    r"""The squared error of the noise, :math:`\lVert\varepsilon - \hat\varepsilon\rVert^2`, at given log-SNRs.

    Args:
        denoiser: the model.
        x0: clean points, (batch, ``*event``).
        log_snr: (batch,).
        noise: standard normal noise, shaped as ``x0``.
        condition: passed on to the network.

    Returns:
        (batch,), summed over the event.

    Raises:
        TypeError: as `denoising_loss`.
        ValueError: as `denoising_loss`.

    References:
        D. Kingma et al. (2021), section 5.1.

    Example:
        >>> import torch
        >>> from gmlib.diffusion import noise_error
        >>> from gmlib.noise import Denoiser, VPCosine
        >>> nothing = Denoiser(lambda x, t: torch.zeros_like(x), VPCosine(), "eps")
        >>> noise_error(nothing, torch.zeros(1, 3), torch.tensor([2.0]), torch.ones(1, 3))
        tensor([3.])
    """
    check_instance("denoiser", denoiser, Denoiser)
    t = denoiser.schedule.t_of_log_snr(log_snr)
    return denoising_loss(denoiser, x0, t, noise, **condition).squared_error


def density_cost(
    denoiser: Denoiser,
    x0: Float[Tensor, "batch *event"],
    log_snr: float,
    noise: Float[Tensor, "batch *event"],
    *,
    decoder_var: float | None = None,
    **condition: Any,
) -> Float[Tensor, " batch"]:
    r"""Minus the log-density of an example under a normal law around the denoiser's guess of it.

    .. math:: -\log\mathcal N\big(x;\ \hat x_0(z), sI\big), \qquad z = \alpha x + \sigma\varepsilon

    Args:
        denoiser: the model.
        x0: clean points, (batch, ``*event``).
        log_snr: :math:`\lambda` of z.
        noise: standard normal noise, shaped as ``x0``.
        decoder_var: the variance s; None is :math:`1/(1 + e^\lambda)`, that of :math:`x\mid z` for unit-variance
            normal data.
        condition: passed on to the network.

    Returns:
        Nats, (batch,).

    Raises:
        TypeError: as `denoising_loss`.
        ValueError: ``decoder_var`` is not positive, or as `denoising_loss`.

    References:
        D. Kingma et al. (2021), section 3.5 (reconstruction loss).

    Example:
        >>> import torch
        >>> from gmlib.diffusion import density_cost
        >>> from gmlib.noise import Denoiser, VPCosine
        >>> sure = Denoiser(lambda x, t: torch.zeros_like(x), VPCosine(), "x0")
        >>> f"{density_cost(sure, torch.zeros(1, 1), 5.0, torch.ones(1, 1), decoder_var=1.0).item():.4f}"
        '0.9189'
    """
    check_instance("denoiser", denoiser, Denoiser)
    check_points("x0", x0)
    check_number("log_snr", log_snr)
    if decoder_var is not None:
        check_number("decoder_var", decoder_var, low=0.0, low_open=True)
    log_var = -math.log1p(math.exp(log_snr)) if decoder_var is None else math.log(decoder_var)
    t = denoiser.schedule.t_of_log_snr(x0.new_full(x0.shape[:1], log_snr))
    error = denoising_loss(denoiser, x0, t, noise, target="x0", **condition).squared_error
    return 0.5 * (error * math.exp(-log_var) + x0.shape[1:].numel() * (math.log(2 * math.pi) + log_var))


def check_range(denoiser: Denoiser, low: Any, high: Any) -> None:
    """Raise unless ``low < high`` are log-SNRs that the denoiser's schedule reaches.

    Example:
        >>> from gmlib.noise import VPCosine
        >>> check_range(Denoiser(lambda x, t: x, VPCosine(), "eps"), -10.0, 13.0)
    """
    check_number("high", high)
    check_number("low", low, high=high, high_open=True)
    if torch.compiler.is_compiling():
        return
    schedule = denoiser.schedule
    least, most = (schedule.log_snr(t).item() for t in (schedule.t_max, schedule.t_min))
    if low < least - 1e-6 or high > most + 1e-6:
        raise ValueError(
            f"low and high must lie in the schedule's range of log-SNR, {least:g} to {most:g}, got {low:g} and {high:g}"
        )
