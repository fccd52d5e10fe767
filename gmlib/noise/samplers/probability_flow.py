r"""Euler's and Heun's rules on the probability-flow ODE."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib.noise.denoiser import Denoiser
from gmlib.noise.samplers.steps import Sampled, check_start, steps_of


@torch.no_grad()
def euler(
    denoiser: Denoiser,
    x: Float[Tensor, "batch *event"],
    times: Sequence[float] | Float[Tensor, " n"],
    *,
    path: bool = False,
    **condition: Any,
) -> Sampled:
    r"""Straight steps along the velocity :math:`\hat b = \alpha'\hat x_0 + \sigma'\hat\varepsilon`; an error of first order.

    .. math:: x_s = x_t + (s - t)\,\hat b_t(x_t)

    Args:
        denoiser: the model.
        x: points at the first time, shape ``(batch, *event)``.
        times: the grid, falling; the velocity must be finite at all but the last.
        path: keep the points of all times.
        condition: passed on to the network.

    Returns:
        The points at the last time; one network call a step.

    Raises:
        TypeError: ``denoiser`` is no Denoiser or ``x`` no floating tensor.
        ValueError: ``times`` do not fall.

    References:
        Y. Song et al., *Score-based generative modeling through stochastic differential equations* (2021), section 4.3.

    Example:
        >>> from gmlib.distributions import Gaussian
        >>> from gmlib.noise import Rectified, exact_denoiser
        >>> denoiser = exact_denoiser(Gaussian(torch.zeros(1), var=1.0), Rectified())
        >>> euler(denoiser, torch.ones(1, 1), [0.5, 0.0]).x
        tensor([[1.]])
    """
    check_start(denoiser, x)
    steps, kept = steps_of(denoiser.schedule, times), [x]
    for step in steps:
        x = x + (step.s - step.t) * denoiser.velocity(x, step.t, **condition)
        kept.append(x)
    return Sampled(x, len(steps), torch.stack(kept) if path else None)


@torch.no_grad()
def heun(
    denoiser: Denoiser,
    x: Float[Tensor, "batch *event"],
    times: Sequence[float] | Float[Tensor, " n"],
    *,
    path: bool = False,
    **condition: Any,
) -> Sampled:
    r"""Euler's step, and then again with the mean of the velocities at both of its ends; an error of second order.

    A last step to where sigma is 0 is Euler's: there the velocity asks for the noise of a point that has none.

    Args:
        denoiser: the model.
        x: points at the first time, shape ``(batch, *event)``.
        times: the grid, falling.
        path: keep the points of all times.
        condition: passed on to the network.

    Returns:
        The points at the last time; two network calls a step, one for a last step to sigma = 0.

    Raises:
        TypeError: ``denoiser`` is no Denoiser or ``x`` no floating tensor.
        ValueError: ``times`` do not fall.

    References:
        T. Karras, M. Aittala, T. Aila and S. Laine, *Elucidating the design space of diffusion-based generative models*
        (2022), algorithm 1.

    Example:
        >>> from gmlib.distributions import Gaussian
        >>> from gmlib.noise import Rectified, exact_denoiser
        >>> denoiser = exact_denoiser(Gaussian(torch.zeros(1), var=1.0), Rectified())
        >>> heun(denoiser, torch.ones(1, 1), [0.75, 0.5, 0.0]).nfe
        3
    """
    check_start(denoiser, x)
    steps, kept, nfe = steps_of(denoiser.schedule, times), [x], 0
    for step in steps:
        here = denoiser.velocity(x, step.t, **condition)
        ahead = x + (step.s - step.t) * here
        nfe += 1
        if step.sigma_s > 0:
            there = denoiser.velocity(ahead, step.s, **condition)
            ahead = x + (step.s - step.t) * (here + there) / 2
            nfe += 1
        x = ahead
        kept.append(x)
    return Sampled(x, nfe, torch.stack(kept) if path else None)
