r"""DPM-Solver++ (2M): the ODE in log-SNR, where its linear part is solved exactly, with the memory of one step."""

from __future__ import annotations

import math
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib.noise.denoiser import Denoiser
from gmlib.noise.samplers.start import check_start
from gmlib.noise.samplers.steps import Sampled, Times, steps_of


@torch.no_grad()
def dpm_solver_2m(
    denoiser: Denoiser,
    x: Float[Tensor, "batch *event"],
    times: Times,
    *,
    path: bool = False,
    **condition: Any,
) -> Sampled:
    r"""A multistep solver of second order at the price of Euler's rule.

    With h half of what the step gains in log-SNR, :math:`h = \tfrac12(\lambda_s - \lambda_t)`, and h' that of the step
    before,

    .. math:: x_s = \frac{\sigma_s}{\sigma_t}x_t + \alpha_s(1 - e^{-h})\,D, \qquad
        D = \hat x_0 + \frac{h}{2h'}\,(\hat x_0 - \hat x_0')

    A step of `ddim`, :math:`D = \hat x_0`, is made first, where there is no memory; last, if it goes to :math:`\sigma = 0`,
    where h is infinite; and second, if the first came from :math:`\alpha = 0`, where h' is.

    Args:
        denoiser: the model.
        x: points at the first time, ``(batch, *event)``, as from `start_noise`.
        times: the grid, falling; even in log-SNR it serves best (`snr_times`).
        path: keep the points of all times.
        condition: passed on to the network.

    Returns:
        The points at the last time; one call of the denoiser a step.

    Raises:
        TypeError: ``denoiser`` is no Denoiser or ``x`` no floating tensor.
        ValueError: ``times`` are no falling times of the schedule.

    References:
        C. Lu et al., *DPM-Solver++: fast solver for guided sampling of diffusion probabilistic models* (2022), algorithm 2.

    Example:
        >>> from gmlib.distributions import Gaussian
        >>> from gmlib.noise import Rectified, dpm_solver_2m, exact_denoiser
        >>> denoiser = exact_denoiser(Gaussian(torch.zeros(1), var=1.0), Rectified())
        >>> dpm_solver_2m(denoiser, torch.ones(1, 1), [0.5, 0.0]).x
        tensor([[1.]])
    """
    check_start(denoiser, x)
    steps, kept = steps_of(denoiser.schedule, times), [x]
    before = None
    for number, step in enumerate(steps):
        x0 = denoiser.x0(x, step.t, **condition)
        target = x0
        if before is not None and step.sigma_s > 0:
            target = x0 + step.h / (2 * steps[number - 1].h) * (x0 - before)
        x = step.sigma_s / step.sigma_t * x - step.alpha_s * math.expm1(-step.h) * target
        # A copy: a network that is replayed as a CUDA graph writes its next answer over this one.
        before = x0.clone()
        if path:
            kept.append(x)
    return Sampled(x, len(steps), torch.stack(kept) if path else None)
