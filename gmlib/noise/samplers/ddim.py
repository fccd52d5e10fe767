r"""DDIM: a family of samplers with the same marginals, from the ancestral one to one without noise."""

from __future__ import annotations

import math
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_number
from gmlib.noise.denoiser import Denoiser
from gmlib.noise.samplers.start import check_start, noise_like
from gmlib.noise.samplers.steps import Sampled, Times, steps_of


@torch.no_grad()
def ddim(
    denoiser: Denoiser,
    x: Float[Tensor, "batch *event"],
    times: Times,
    *,
    eta: float | int = 0.0,
    generator: torch.Generator | None = None,
    path: bool = False,
    **condition: Any,
) -> Sampled:
    r"""Take the point apart into its guesses of signal and noise, and put it together again at the earlier time.

    .. math:: x_s = \alpha_s\hat x_0 + \sqrt{\sigma_s^2 - \tilde\sigma^2}\,\hat\varepsilon + \tilde\sigma\varepsilon, \qquad
        \tilde\sigma^2 = \eta^2\tilde\beta

    with :math:`\tilde\beta` as in `ancestral`. :math:`\eta = 0` is deterministic: Euler's rule on the probability flow for
    :math:`x/\alpha` as a function of :math:`\sigma/\alpha`. :math:`\eta = 1` is `ancestral` with that variance.

    (:eq:`eq-09-ddim` in the book.)

    Args:
        denoiser: the model.
        x: points at the first time, ``(batch, *event)``, as from `start_noise`.
        times: the grid, falling.
        eta: share of fresh noise, from 0 to 1.
        generator: source of the noise, on the device of ``x``; None is torch's default.
        path: keep the points of all times.
        condition: passed on to the network.

    Returns:
        The points at the last time; one call of the denoiser a step.

    Raises:
        TypeError: ``denoiser`` is no Denoiser or ``x`` no floating tensor.
        ValueError: ``eta`` is outside [0, 1], or ``times`` are no falling times of the schedule.

    References:
        J. Song, C. Meng and S. Ermon, *Denoising diffusion implicit models* (2021), eq. 12 and 16.

    Example:
        >>> from gmlib.distributions import Gaussian
        >>> from gmlib.noise import Rectified, ddim, exact_denoiser
        >>> denoiser = exact_denoiser(Gaussian(torch.zeros(1), var=1.0), Rectified())
        >>> ddim(denoiser, torch.ones(1, 1), [0.5, 0.0]).x
        tensor([[1.]])
    """
    check_start(denoiser, x)
    check_number("eta", eta, low=0.0, high=1.0)
    steps, kept = steps_of(denoiser.schedule, times), [x]
    for step in steps:
        x0, eps = denoiser.predict(x, step.t, **condition)
        fresh = eta**2 * step.beta_tilde
        x = step.alpha_s * x0 + math.sqrt(max(step.sigma_s**2 - fresh, 0.0)) * eps
        if fresh > 0:
            x = x + math.sqrt(fresh) * noise_like(x, generator)
        if path:
            kept.append(x)
    return Sampled(x, len(steps), torch.stack(kept) if path else None)
