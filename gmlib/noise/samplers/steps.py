r"""The steps of a sampler: pairs of times with everything a step needs, worked out once, on the host, in float64."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_count
from gmlib.noise.ddpm import DDPM
from gmlib.noise.denoiser import Denoiser
from gmlib.noise.schedule import Schedule


@dataclass(frozen=True)
class Sampled:
    """What a sampler returns.

    Attributes:
        x: the points at the last time, shape ``(batch, *event)``.
        nfe: how often the network was called.
        path: the points at every time of the grid, the start first, shape ``(times, batch, *event)``; None if it was not
            asked for.
    """

    x: Tensor
    nfe: int
    path: Tensor | None


@dataclass(frozen=True)
class Step:
    r"""From time t to an earlier time s, with the signal and the noise at both.

    Example:
        >>> from gmlib.noise import Rectified
        >>> step = steps_of(Rectified(), [0.5, 0.25])[0]
        >>> step.alpha_s, step.sigma_s, round(step.beta, 4), round(step.beta_tilde, 4)
        (0.75, 0.25, 0.2222, 0.0556)
    """

    t: float
    s: float
    alpha_t: float
    sigma_t: float
    alpha_s: float
    sigma_s: float

    @property
    def shrink(self) -> float:
        r""":math:`\alpha_t/\alpha_s`, what a step of the forward chain from s to t multiplies the point by."""
        return self.alpha_t / self.alpha_s

    @property
    def beta(self) -> float:
        r""":math:`\sigma_t^2 - (\alpha_t/\alpha_s)^2\sigma_s^2`, the variance that this step of the chain adds."""
        return self.sigma_t**2 - (self.shrink * self.sigma_s) ** 2

    @property
    def beta_tilde(self) -> float:
        r""":math:`\beta\,\sigma_s^2/\sigma_t^2`, the variance of :math:`x_s` given :math:`x_t` and :math:`x_0`."""
        return self.beta * (self.sigma_s / self.sigma_t) ** 2


def steps_of(schedule: Schedule, times: Sequence[float] | Float[Tensor, " n"]) -> list[Step]:
    """The steps between the times of a grid.

    Args:
        schedule: the schedule.
        times: at least two times, falling, within the schedule's range; sigma may be 0 at the last one only, and alpha
            at none that a step starts from.

    Returns:
        One step fewer than there are times.

    Raises:
        ValueError: there are fewer than two times, they do not fall, or sigma is 0 at one that is not the last.

    Example:
        >>> from gmlib.noise import VPCosine
        >>> [round(step.s, 2) for step in steps_of(VPCosine(), [0.9, 0.5, 0.0])]
        [0.5, 0.0]
    """
    grid = [float(t) for t in times]
    if len(grid) < 2:
        raise ValueError(f"times must be at least two, got {len(grid)}")
    if any(not s < t for t, s in pairwise(grid)):
        raise ValueError(f"times must fall from one to the next, got {grid}")
    levels = [(float(schedule.alpha(t)), float(schedule.sigma(t))) for t in grid]
    for t, (_, sigma) in zip(grid[:-1], levels[:-1], strict=True):
        if sigma == 0:
            raise ValueError(f"times must not go on from where sigma is 0, got {t:g}")
    return [Step(t, s, *here, *there) for (t, here), (s, there) in pairwise(zip(grid, levels, strict=True))]


def even_times(schedule: Schedule, n: int) -> Float[Tensor, " n_plus_1"]:
    """Times at equal distances over the schedule's range, the largest first: n steps.

    Args:
        schedule: the schedule.
        n: number of steps.

    Raises:
        ValueError: ``n`` is below 1.

    Example:
        >>> from gmlib.noise import Rectified
        >>> even_times(Rectified(), 4).tolist()
        [1.0, 0.75, 0.5, 0.25, 0.0]
    """
    check_count("n", n)
    return torch.linspace(schedule.t_max, schedule.t_min, n + 1, dtype=torch.float64)


def snr_times(schedule: Schedule, n: int, *, low: float, high: float) -> Float[Tensor, " n_plus_1"]:
    """Times at equal distances in log-SNR.

    Args:
        schedule: the schedule.
        n: number of steps.
        low: log-SNR at the start, the noisy end.
        high: log-SNR at the end.

    Raises:
        ValueError: ``n`` is below 1, or ``low`` is not below ``high``.

    Example:
        >>> from gmlib.noise import Rectified
        >>> [round(t, 3) for t in snr_times(Rectified(), 2, low=-2 * math.log(3), high=2 * math.log(3)).tolist()]
        [0.75, 0.5, 0.25]
    """
    check_count("n", n)
    if not low < high:
        raise ValueError(f"low must be below high = {high:g}, got {low:g}")
    return schedule.t_of_log_snr(torch.linspace(low, high, n + 1, dtype=torch.float64))


def ddpm_times(schedule: DDPM, n: int) -> Float[Tensor, " n_plus_1"]:
    """Every (T/n)-th time of DDPM's grid, T first, and 0 at the end: "respaced" sampling.

    Args:
        schedule: the discrete schedule.
        n: number of steps, a divisor of T.

    Raises:
        ValueError: ``n`` does not divide T.

    References:
        A. Nichol and P. Dhariwal, *Improved denoising diffusion probabilistic models* (2021), section 4.

    Example:
        >>> ddpm_times(DDPM.linear(), 4).tolist()
        [1.0, 0.75, 0.5, 0.25, 0.0]
    """
    check_count("n", n)
    if schedule.T % n:
        raise ValueError(f"n must divide T = {schedule.T}, got {n}")
    return torch.arange(n, -1, -1, dtype=torch.float64) / n


def check_start(denoiser: Any, x: Any) -> None:
    """Raise unless a sampler can start here."""
    if not isinstance(denoiser, Denoiser):
        raise TypeError(f"denoiser must be a Denoiser, got {type(denoiser).__name__}")
    if not isinstance(x, Tensor) or not x.is_floating_point():
        raise TypeError("x must be a floating tensor")
    if x.dim() < 1:
        raise ValueError("x must have a batch dimension, got shape ()")


def noise_like(x: Tensor, generator: torch.Generator | None) -> Tensor:
    """Standard normal noise of the shape, dtype and device of x."""
    return torch.randn(x.shape, generator=generator, dtype=x.dtype, device=x.device)
