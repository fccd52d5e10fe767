r"""The ancestral sampler of DDPM, between any two times of any schedule."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import anywhere, check_choice, check_instance
from gmlib.noise.denoiser import Denoiser
from gmlib.noise.samplers.learned_variance import LearnedVariance
from gmlib.noise.samplers.start import check_start, noise_like
from gmlib.noise.samplers.steps import Sampled, Step, Times, steps_of

Variance = Literal["beta", "beta_tilde", "learned"] | Callable[[Tensor, Step], float | Tensor]
VARIANCES = ("beta", "beta_tilde", "learned")


@torch.no_grad()
def ancestral(
    denoiser: Denoiser,
    x: Float[Tensor, "batch *event"],
    times: Times,
    *,
    variance: Variance = "beta",
    last_noise: bool = False,
    generator: torch.Generator | None = None,
    path: bool = False,
    **condition: Any,
) -> Sampled:
    r"""Undo the noising step by step: the mean of :math:`x_s` given :math:`x_t` and the guess of :math:`x_0`, and noise.

    .. math:: x_s = \frac{\alpha_t\sigma_s^2}{\alpha_s\sigma_t^2}\,x_t + \frac{\alpha_s\beta}{\sigma_t^2}\,\hat x_0(x_t)
        + \tilde\sigma\varepsilon, \qquad \beta = \sigma_t^2 - \frac{\alpha_t^2}{\alpha_s^2}\sigma_s^2

    with :math:`\tilde\sigma^2 = \beta`, exact if the data are standard normal and :math:`\alpha^2 + \sigma^2 = 1`;
    or :math:`\tilde\beta = \beta\sigma_s^2/\sigma_t^2`, exact if they are one point; or what is given. On DDPM's grid the
    mean is :math:`\frac1{\sqrt{1-\beta_k}}\big(x_k - \frac{\beta_k}{\sqrt{1-\bar\alpha_k}}\hat\varepsilon\big)`.

    (:eq:`eq-09-ancestral` in the book.)

    Args:
        denoiser: the model.
        x: points at the first time, ``(batch, *event)``, as from `start_noise`.
        times: the grid, falling.
        variance: :math:`\tilde\sigma^2`: "beta", "beta_tilde", "learned" (the denoiser is a `LearnedVariance`), or a
            function of :math:`x_t` and the `Step` that gives a number or a tensor that multiplies ``x``.
        last_noise: whether the last step adds noise too. Its mean is the sample, and noise on it is only noise.
        generator: source of the noise, on the device of ``x``; None is torch's default.
        path: keep the points of all times.
        condition: passed on to the network.

    Returns:
        The points at the last time; one call of the denoiser a step.

    Raises:
        TypeError: ``denoiser`` is no Denoiser, for "learned" no LearnedVariance, or ``x`` no floating tensor.
        ValueError: ``variance`` is unknown or a function that (seen on the CPU) gives a negative number, or ``times`` are
            no falling times of the schedule.

    References:
        J. Ho, A. Jain and P. Abbeel, *Denoising diffusion probabilistic models* (2020), eq. 7 and algorithm 2.

    Example:
        >>> from gmlib.distributions import Gaussian
        >>> from gmlib.noise import VPCosine, ancestral, exact_denoiser
        >>> denoiser = exact_denoiser(Gaussian(torch.zeros(1), var=1.0), VPCosine())
        >>> found = ancestral(denoiser, torch.ones(3, 1), [0.9, 0.5, 0.1], path=True)
        >>> found.x.shape, found.nfe, found.path.shape
        (torch.Size([3, 1]), 2, torch.Size([3, 3, 1]))
    """
    check_start(denoiser, x)
    check_variance(denoiser, variance)
    steps, kept = steps_of(denoiser.schedule, times), [x]
    for step in steps:
        x0, spread = guess_and_variance(denoiser, x, step, variance, condition)
        x = step.keep * x + step.pull * x0
        if step is not steps[-1] or last_noise:
            x = x + spread**0.5 * noise_like(x, generator)
        if path:
            kept.append(x)
    return Sampled(x, len(steps), torch.stack(kept) if path else None)


def check_variance(denoiser: Denoiser, variance: Any) -> None:
    """Raise unless ``variance`` is one that the steps of a denoiser can have.

    Example:
        >>> from gmlib.noise import Rectified
        >>> check_variance(Denoiser(lambda x, t: x, Rectified(), "x0"), "beta_tilde")
    """
    if variance == "learned":
        check_instance("denoiser", denoiser, LearnedVariance)
    elif not callable(variance):
        check_choice("variance", variance, VARIANCES)


def guess_and_variance(
    denoiser: Denoiser, x: Tensor, step: Step, variance: Variance, condition: dict[str, Any]
) -> tuple[Tensor, float | Tensor]:
    """The guess of the clean point and the variance of the step, from one call of the denoiser.

    Example:
        >>> from gmlib.noise import Rectified
        >>> denoiser = Denoiser(lambda x, t: x, Rectified(), "x0")
        >>> step = steps_of(denoiser.schedule, [0.5, 0.25])[0]
        >>> guess_and_variance(denoiser, torch.ones(1, 1), step, lambda x, step: 0.5 * step.sigma_s, {})
        (tensor([[1.]]), 0.125)
    """
    if variance == "learned" and isinstance(denoiser, LearnedVariance):
        return denoiser.x0_and_variance(x, step, **condition)
    x0 = denoiser.x0(x, step.t, **condition)
    if not callable(variance):
        return x0, getattr(step, variance)
    var = variance(x, step)
    if anywhere(~(var >= 0)) if isinstance(var, Tensor) else not var >= 0:
        least = float(var.min()) if isinstance(var, Tensor) else var
        raise ValueError(f"variance must give numbers that are not negative, got {least:g} at t = {step.t:g}")
    return x0, var
