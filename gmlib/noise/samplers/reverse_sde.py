r"""Euler and Maruyama's rule on the reverse-time stochastic differential equation."""

from __future__ import annotations

import math
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib.noise.denoiser import Denoiser
from gmlib.noise.samplers.start import check_start, noise_like
from gmlib.noise.samplers.steps import Sampled, Times, steps_of


@torch.no_grad()
def euler_maruyama(
    denoiser: Denoiser,
    x: Float[Tensor, "batch *event"],
    times: Times,
    *,
    last_noise: bool = False,
    generator: torch.Generator | None = None,
    path: bool = False,
    **condition: Any,
) -> Sampled:
    r"""Small steps back along the reverse-time equation, with fresh noise; the law's error is of first order.

    .. math:: x_s = x_t + (s - t)\,\big(f_t x_t - g_t^2\,\hat s_t(x_t)\big) + g_t\sqrt{t - s}\,\varepsilon

    Args:
        denoiser: the model.
        x: points at the first time, ``(batch, *event)``, as from `start_noise`.
        times: the grid, falling; f and g must be finite at the first.
        last_noise: whether the last step adds noise too.
        generator: source of the noise, on the device of ``x``; None is torch's default.
        path: keep the points of all times.
        condition: passed on to the network.

    Returns:
        The points at the last time; one call of the denoiser a step.

    Raises:
        TypeError: ``denoiser`` is no Denoiser or ``x`` no floating tensor.
        ValueError: ``times`` are no falling times of the schedule, or f or g is infinite at the first.

    References:
        Y. Song et al., *Score-based generative modeling through stochastic differential equations* (2021), eq. 6.

    Example:
        >>> from gmlib.distributions import Gaussian
        >>> from gmlib.noise import VPLinear, euler_maruyama, exact_denoiser
        >>> denoiser = exact_denoiser(Gaussian(torch.zeros(1), var=1.0), VPLinear())
        >>> euler_maruyama(denoiser, torch.ones(4, 1), [0.9, 0.8, 0.7]).x.shape
        torch.Size([4, 1])
    """
    check_start(denoiser, x)
    steps, kept = steps_of(denoiser.schedule, times), [x]
    told = torch.tensor([step.t for step in steps], dtype=torch.float64)
    drift, diffusion = denoiser.schedule.f(told).tolist(), denoiser.schedule.g(told).tolist()
    if not math.isfinite(drift[0]) or not math.isfinite(diffusion[0]):
        raise ValueError(f"times must start where f and g are finite, got {steps[0].t:g}")
    for step, f, g in zip(steps, drift, diffusion, strict=True):
        length = step.t - step.s
        x = (1 - length * f) * x + length * g**2 * denoiser.score(x, step.t, **condition)
        if step is not steps[-1] or last_noise:
            x = x + g * math.sqrt(length) * noise_like(x, generator)
        if path:
            kept.append(x)
    return Sampled(x, len(steps), torch.stack(kept) if path else None)
