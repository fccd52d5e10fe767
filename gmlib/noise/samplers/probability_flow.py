r"""Euler's and Heun's rules on the probability-flow ODE."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib.noise.denoiser import Denoiser
from gmlib.noise.samplers.start import check_start
from gmlib.noise.samplers.steps import Sampled, Times, steps_of


@torch.no_grad()
def euler(
    denoiser: Denoiser,
    x: Float[Tensor, "batch *event"],
    times: Times,
    *,
    path: bool = False,
    **condition: Any,
) -> Sampled:
    r"""Straight steps along the velocity; an error of first order.

    .. math:: x_s = x_t + (s - t)\,\hat b_t(x_t), \qquad \hat b = \alpha'\hat x_0 + \sigma'\hat\varepsilon

    (:eq:`eq-09-flow` in the book.)

    Args:
        denoiser: the model.
        x: points at the first time, ``(batch, *event)``, as from `start_noise`.
        times: the grid, falling; the velocity must be finite at all but the last.
        path: keep the points of all times.
        condition: passed on to the network.

    Returns:
        The points at the last time; one call of the denoiser a step.

    Raises:
        TypeError: ``denoiser`` is no Denoiser or ``x`` no floating tensor.
        ValueError: ``times`` are no falling times of the schedule, or the velocity divides by zero at one.

    References:
        Y. Song et al., *Score-based generative modeling through stochastic differential equations* (2021), section 4.3.

    Example:
        >>> from gmlib.distributions import Gaussian
        >>> from gmlib.noise import Rectified, euler, exact_denoiser
        >>> denoiser = exact_denoiser(Gaussian(torch.zeros(1), var=1.0), Rectified())
        >>> euler(denoiser, torch.ones(1, 1), [0.5, 0.0]).x
        tensor([[1.]])
    """
    check_start(denoiser, x)
    steps, kept = steps_of(denoiser.schedule, times), [x]
    for step in steps:
        x = x + (step.s - step.t) * denoiser.velocity(x, step.t, **condition)
        if path:
            kept.append(x)
    return Sampled(x, len(steps), torch.stack(kept) if path else None)


@torch.no_grad()
def heun(
    denoiser: Denoiser,
    x: Float[Tensor, "batch *event"],
    times: Times,
    *,
    path: bool = False,
    **condition: Any,
) -> Sampled:
    r"""Euler's step, and then again with the mean of the velocities at both of its ends; an error of second order.

    .. math:: \bar x = x_t + (s - t)\,\hat b_t(x_t), \qquad
        x_s = x_t + (s - t)\,\tfrac12\big(\hat b_t(x_t) + \hat b_s(\bar x)\big)

    A last step to where :math:`\sigma = 0` is Euler's: there the velocity asks for the noise of a point that has none.
    With `DDPM` the velocity jumps from step to step of the chain, and the error does not fall below the order of 1/T.

    (:eq:`eq-09-flow` in the book.)

    Args:
        denoiser: the model.
        x: points at the first time, ``(batch, *event)``, as from `start_noise`.
        times: the grid, falling.
        path: keep the points of all times.
        condition: passed on to the network.

    Returns:
        The points at the last time; two calls of the denoiser a step, one for a last step to :math:`\sigma = 0`.

    Raises:
        TypeError: ``denoiser`` is no Denoiser or ``x`` no floating tensor.
        ValueError: ``times`` are no falling times of the schedule, or the velocity divides by zero at one.

    References:
        T. Karras, M. Aittala, T. Aila and S. Laine, *Elucidating the design space of diffusion-based generative models*
        (2022), algorithm 1.

    Example:
        >>> from gmlib.distributions import Gaussian
        >>> from gmlib.noise import Rectified, exact_denoiser, heun
        >>> denoiser = exact_denoiser(Gaussian(torch.zeros(1), var=1.0), Rectified())
        >>> heun(denoiser, torch.ones(1, 1), [0.75, 0.5, 0.0]).nfe
        3
    """
    check_start(denoiser, x)
    steps, kept, nfe = steps_of(denoiser.schedule, times), [x], 0
    for step in steps:
        length = step.s - step.t
        ahead = x + length * denoiser.velocity(x, step.t, **condition)
        nfe += 1
        if step.sigma_s == 0:
            x = ahead
        else:  # the mean of Euler's point and of a step from x along the velocity there
            x = (ahead + x + length * denoiser.velocity(ahead, step.s, **condition)) / 2
            nfe += 1
        if path:
            kept.append(x)
    return Sampled(x, nfe, torch.stack(kept) if path else None)
