r"""Classifier guidance as DDPM's sampler takes it: the mean of each step is shifted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_callable
from gmlib.noise import Denoiser
from gmlib.noise.guidance import Weight, log_prob_gradient
from gmlib.noise.guidance.weight import check_weight, weight_over
from gmlib.noise.samplers import Sampled, steps_of
from gmlib.noise.samplers.start import check_start, noise_like
from gmlib.noise.samplers.steps import Times


@torch.no_grad()
def mean_shifted(
    denoiser: Denoiser,
    log_prob: Callable[..., Tensor],
    x: Float[Tensor, "batch *event"],
    times: Times,
    *,
    w: Weight = 1.0,
    generator: torch.Generator | None = None,
    path: bool = False,
    **condition: Any,
) -> Sampled:
    r"""Ancestral sampling whose steps are pulled to where a classifier sees the class.

    (:eq:`eq-11b-shift` in the book.)

    .. math:: x_s \sim \mathcal N\big(\mu + w\,\beta\,\nabla\log p_s(c \mid x)\big|_{x=\mu},\ \beta I\big)

    Bayes' rule for one step is :math:`q(x_s \mid x_t, c) \propto q(x_s \mid x_t)\,p_s(c \mid x_s)`, and a normal law
    times :math:`e^{g^\top x}` is the same law with its mean shifted by variance times g. So the step is right (at w = 1)
    where :math:`\log p_s(c \mid x)` is a straight line on the scale of the step; elsewhere shift and variance are wrong
    by a share of about :math:`w\beta` times the curvature. The classifier is asked about the *less* noisy time s, at the
    mean.

    Args:
        denoiser: an unconditional model.
        log_prob: called as ``log_prob(x, t, **condition)``; returns :math:`\log p_t(c \mid x)` of each point, (batch,).
        x: points at the first time.
        times: the grid, falling.
        w: the weight: a number, a tensor (batch,), or a function of the time at which the classifier is asked.
        generator: source of the noise, on the device of ``x``; None is torch's default.
        path: keep the points of all times.
        condition: passed on to ``log_prob``.

    Returns:
        The points at the last time; one call of the denoiser and one of the classifier, there and back, a step. The last
        step adds no noise, and is shifted like the others.

    Raises:
        TypeError: ``denoiser`` is no Denoiser, ``log_prob`` cannot be called or returns no tensor, ``x`` is no floating
            tensor, or ``w`` no weight.
        ValueError: ``log_prob`` does not return one number for each point or cannot be differentiated, ``w`` is not finite
            or not as long as the batch, or ``times`` are no falling times of the schedule.

    References:
        J. Sohl-Dickstein et al. (2015), appendix C; P. Dhariwal and A. Nichol (2021), algorithm 1.

    Example:
        >>> import torch
        >>> from gmlib.diffusion.guidance import mean_shifted
        >>> from gmlib.noise import Denoiser, VPCosine
        >>> still = Denoiser(lambda x, t: torch.zeros_like(x), VPCosine(), "x0")
        >>> uphill = lambda x, t: 2.0 * x.sum(1)
        >>> found = mean_shifted(still, uphill, torch.zeros(3, 1), [0.5, 0.4, 0.3])
        >>> found.x.shape, found.nfe
        (torch.Size([3, 1]), 2)
    """
    check_start(denoiser, x)
    check_callable("log_prob", log_prob)
    check_weight(w, None)
    steps, kept = steps_of(denoiser.schedule, times), [x]
    for step in steps:
        mean = step.keep * x + step.pull * denoiser.x0(x, step.t)
        gradient = log_prob_gradient(log_prob, mean, step.s, **condition)
        x = mean + weight_over(w, step.s, x, None) * step.beta * gradient
        if step is not steps[-1]:
            x = x + step.beta**0.5 * noise_like(x, generator)
        if path:
            kept.append(x)
    return Sampled(x, len(steps), torch.stack(kept) if path else None)
