r"""Euler and Maruyama's rule on the reverse-time stochastic differential equation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib.noise.denoiser import Denoiser
from gmlib.noise.samplers.steps import Sampled, check_start, noise_like, steps_of


@torch.no_grad()
def euler_maruyama(
    denoiser: Denoiser,
    x: Float[Tensor, "batch *event"],
    times: Sequence[float] | Float[Tensor, " n"],
    *,
    last_noise: bool = False,
    generator: torch.Generator | None = None,
    path: bool = False,
    **condition: Any,
) -> Sampled:
    r"""Small steps back along the reverse-time equation, with fresh noise; the law's error is of first order.

    .. math:: x_s = x_t + (s - t)\,\big(f_t x_t - g_t^2\,\hat s_t(x_t)\big) + g_t\sqrt{t - s}\,z

    Args:
        denoiser: the model.
        x: points at the first time, shape ``(batch, *event)``.
        times: the grid, falling; f and g must be finite at all but the last.
        last_noise: whether the last step adds noise too.
        generator: source of the noise.
        path: keep the points of all times.
        condition: passed on to the network.

    Returns:
        The points at the last time; one network call a step.

    Raises:
        TypeError: ``denoiser`` is no Denoiser or ``x`` no floating tensor.
        ValueError: ``times`` do not fall.

    References:
        Y. Song et al., *Score-based generative modeling through stochastic differential equations* (2021), eq. 6.

    Example:
        >>> from gmlib.distributions import Gaussian
        >>> from gmlib.noise import VPLinear, exact_denoiser
        >>> denoiser = exact_denoiser(Gaussian(torch.zeros(1), var=1.0), VPLinear())
        >>> euler_maruyama(denoiser, torch.ones(4, 1), [0.9, 0.8, 0.7]).x.shape
        torch.Size([4, 1])
    """
    check_start(denoiser, x)
    schedule = denoiser.schedule
    steps, kept = steps_of(schedule, times), [x]
    for number, step in enumerate(steps, 1):
        f, g, length = float(schedule.f(step.t)), float(schedule.g(step.t)), step.t - step.s
        x = x - length * (f * x - g**2 * denoiser.score(x, step.t, **condition))
        if number < len(steps) or last_noise:
            x = x + g * math.sqrt(length) * noise_like(x, generator)
        kept.append(x)
    return Sampled(x, len(steps), torch.stack(kept) if path else None)
