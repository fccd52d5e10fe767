r"""The ancestral sampler of DDPM, between any two times of any schedule."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_choice
from gmlib.noise.denoiser import Denoiser
from gmlib.noise.samplers.steps import Sampled, Step, check_start, noise_like, steps_of

Variance = Literal["beta", "beta_tilde"] | Callable[[Tensor, Step], Tensor]
VARIANCES = ("beta", "beta_tilde")


@torch.no_grad()
def ancestral(
    denoiser: Denoiser,
    x: Float[Tensor, "batch *event"],
    times: Sequence[float] | Float[Tensor, " n"],
    *,
    variance: Variance = "beta",
    last_noise: bool = False,
    generator: torch.Generator | None = None,
    path: bool = False,
    **condition: Any,
) -> Sampled:
    r"""Walk the chain backwards: at each step the mean of :math:`x_s` given :math:`x_t` and the guess of :math:`x_0`, and noise.

    .. math:: x_s = \frac{\alpha_t\sigma_s^2}{\alpha_s\sigma_t^2}\,x_t + \frac{\alpha_s\beta}{\sigma_t^2}\,\hat x_0(x_t)
        + \tilde\sigma z, \qquad \beta = \sigma_t^2 - \frac{\alpha_t^2}{\alpha_s^2}\sigma_s^2

    with :math:`\tilde\sigma^2 = \beta`, exact if the data are standard normal, or
    :math:`\tilde\beta = \beta\sigma_s^2/\sigma_t^2`, exact if they are one point, or any other.

    Args:
        denoiser: the model.
        x: points at the first time, shape ``(batch, *event)``.
        times: the grid, falling.
        variance: of the noise of a step: "beta", "beta_tilde", or a function of :math:`x_t` and the `Step` that gives it, of
            shape ``()`` or that of ``x``.
        last_noise: whether the last step adds noise too. Its result is the sample, and noise on it is only noise.
        generator: source of the noise.
        path: keep the points of all times.
        condition: passed on to the network.

    Returns:
        The points at the last time; one network call a step.

    Raises:
        TypeError: ``denoiser`` is no Denoiser or ``x`` no floating tensor.
        ValueError: ``variance`` is unknown, or ``times`` do not fall.

    References:
        J. Ho, A. Jain and P. Abbeel, *Denoising diffusion probabilistic models* (2020), eq. 7 and algorithm 2.

    Example:
        >>> from gmlib.distributions import Gaussian
        >>> from gmlib.noise import VPCosine, exact_denoiser
        >>> denoiser = exact_denoiser(Gaussian(torch.zeros(1), var=1.0), VPCosine())
        >>> found = ancestral(denoiser, torch.ones(3, 1), [0.9, 0.5, 0.1], path=True)
        >>> found.x.shape, found.nfe, found.path.shape
        (torch.Size([3, 1]), 2, torch.Size([3, 3, 1]))
    """
    check_start(denoiser, x)
    if not callable(variance):
        check_choice("variance", variance, VARIANCES)
    steps, kept = steps_of(denoiser.schedule, times), [x]
    for number, step in enumerate(steps, 1):
        x0 = denoiser.x0(x, step.t, **condition)
        keep = step.shrink * (step.sigma_s / step.sigma_t) ** 2
        mean = keep * x + (step.alpha_s * step.beta / step.sigma_t**2) * x0
        if number == len(steps) and not last_noise:
            x = mean
        elif callable(variance):
            x = mean + variance(x, step).sqrt() * noise_like(x, generator)
        else:
            x = mean + math.sqrt(getattr(step, variance)) * noise_like(x, generator)
        kept.append(x)
    return Sampled(x, len(steps), torch.stack(kept) if path else None)
