r"""DPM-Solver++ (2M): the ODE in log-SNR, where its linear part is solved exactly, with the memory of one step."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib.noise.denoiser import Denoiser
from gmlib.noise.samplers.steps import Sampled, check_start, steps_of


@torch.no_grad()
def dpm_solver_2m(
    denoiser: Denoiser,
    x: Float[Tensor, "batch *event"],
    times: Sequence[float] | Float[Tensor, " n"],
    *,
    path: bool = False,
    **condition: Any,
) -> Sampled:
    r"""A multistep solver of second order at the price of Euler's rule.

    With :math:`\lambda = \log(\alpha/\sigma)`, :math:`h = \lambda_s - \lambda_t` and h' that of the step before,

    .. math:: x_s = \frac{\sigma_s}{\sigma_t}x_t + \alpha_s(1 - e^{-h})\,D, \qquad
        D = \hat x_0 + \frac{h}{2h'}\,(\hat x_0 - \hat x_0')

    The first step, which has no memory, and a last one to sigma = 0, which is infinitely long, take
    :math:`D = \hat x_0`: a step of `ddim`.

    Args:
        denoiser: the model.
        x: points at the first time, shape ``(batch, *event)``.
        times: the grid, falling; alpha must not be 0 at the first.
        path: keep the points of all times.
        condition: passed on to the network.

    Returns:
        The points at the last time; one network call a step.

    Raises:
        TypeError: ``denoiser`` is no Denoiser or ``x`` no floating tensor.
        ValueError: ``times`` do not fall, or alpha is 0 at the first.

    References:
        C. Lu et al., *DPM-Solver++: fast solver for guided sampling of diffusion probabilistic models* (2022), algorithm 2.

    Example:
        >>> from gmlib.distributions import Gaussian
        >>> from gmlib.noise import Rectified, exact_denoiser
        >>> denoiser = exact_denoiser(Gaussian(torch.zeros(1), var=1.0), Rectified())
        >>> dpm_solver_2m(denoiser, torch.ones(1, 1), [0.5, 0.0]).x
        tensor([[1.]])
    """
    check_start(denoiser, x)
    steps, kept = steps_of(denoiser.schedule, times), [x]
    if steps[0].alpha_t == 0:
        raise ValueError(f"times must start where alpha is not 0, got {steps[0].t:g}")
    before: tuple[Tensor, float] | None = None
    for step in steps:
        x0 = denoiser.x0(x, step.t, **condition)
        if step.sigma_s == 0:
            x = step.alpha_s * x0
        else:
            h = math.log(step.alpha_s * step.sigma_t / (step.sigma_s * step.alpha_t))
            target = x0 if before is None else x0 + h / (2 * before[1]) * (x0 - before[0])
            x = step.sigma_s / step.sigma_t * x - step.alpha_s * math.expm1(-h) * target
            before = x0, h
        kept.append(x)
    return Sampled(x, len(steps), torch.stack(kept) if path else None)
