"""Grids of times for samplers: even in t, even in log-SNR, or a part of DDPM's own."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_count, check_instance, check_number
from gmlib.noise.ddpm import DDPM
from gmlib.noise.schedule import Schedule


def even_times(schedule: Schedule, n: int) -> Float[Tensor, " n_plus_1"]:
    r"""Times at equal distances over the schedule's range, the largest first.

    .. math:: t_i = t_{\max} - \tfrac in\,(t_{\max} - t_{\min}), \qquad i = 0, \dots, n

    Args:
        schedule: the schedule.
        n: number of steps.

    Returns:
        Times, float64, (n + 1,).

    Raises:
        TypeError: ``schedule`` is no Schedule.
        ValueError: ``n`` is below 1.

    Example:
        >>> from gmlib.noise import Rectified, even_times
        >>> even_times(Rectified(), 4).tolist()
        [1.0, 0.75, 0.5, 0.25, 0.0]
    """
    check_instance("schedule", schedule, Schedule)
    check_count("n", n)
    return torch.linspace(schedule.t_max, schedule.t_min, n + 1, dtype=torch.float64)


def snr_times(
    schedule: Schedule, n: int, *, low: float | int, high: float | int
) -> Float[Tensor, " n_plus_1"]:
    r"""Times at equal distances in log-SNR.

    .. math:: \lambda_i = \lambda_{\min} + \tfrac in\,(\lambda_{\max} - \lambda_{\min}), \qquad i = 0, \dots, n

    Args:
        schedule: the schedule.
        n: number of steps.
        low: log-SNR at the start, the noisy end.
        high: log-SNR at the end.

    Returns:
        Times, float64, (n + 1,), the largest first.

    Raises:
        TypeError: ``schedule`` is no Schedule.
        ValueError: ``n`` is below 1, or ``low`` is not below ``high``.

    References:
        C. Lu et al., *DPM-Solver: a fast ODE solver for diffusion probabilistic model sampling* (2022), section 4.2.

    Example:
        >>> import math
        >>> from gmlib.noise import Rectified, snr_times
        >>> [round(t, 3) for t in snr_times(Rectified(), 2, low=-2 * math.log(3), high=2 * math.log(3)).tolist()]
        [0.75, 0.5, 0.25]
    """
    check_instance("schedule", schedule, Schedule)
    check_count("n", n)
    check_number("high", high)
    check_number("low", low, high=high, high_open=True)
    return schedule.t_of_log_snr(torch.linspace(low, high, n + 1, dtype=torch.float64))


def ddpm_times(schedule: DDPM, n: int) -> Float[Tensor, " n_plus_1"]:
    r"""Every (T/n)-th time of DDPM's grid, :math:`T, T - T/n, \dots, T/n`, and 0 at the end: "respaced" sampling.

    Args:
        schedule: the discrete schedule.
        n: number of steps, a divisor of T.

    Returns:
        Times k/T, float64, (n + 1,).

    Raises:
        TypeError: ``schedule`` is not DDPM's.
        ValueError: ``n`` does not divide T.

    References:
        A. Nichol and P. Dhariwal, *Improved denoising diffusion probabilistic models* (2021), section 4.

    Example:
        >>> from gmlib.noise import DDPM, ddpm_times
        >>> ddpm_times(DDPM.linear(), 4).tolist()
        [1.0, 0.75, 0.5, 0.25, 0.0]
    """
    check_instance("schedule", schedule, DDPM)
    check_count("n", n)
    if schedule.T % n:
        raise ValueError(f"n must divide T = {schedule.T}, got {n}")
    return torch.arange(n, -1, -1, dtype=torch.float64) / n
