r"""The steps of a sampler: pairs of times with everything a step needs, worked out once, on the host, in float64."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib.noise.schedule import Schedule

Times = Sequence[float | int] | Float[Tensor, " n"]


@dataclass(frozen=True)
class Sampled:
    """What a sampler returns.

    Attributes:
        x: the points at the last time, shape ``(batch, *event)``.
        nfe: how often the denoiser was called.
        path: the points at every time of the grid, the start first, shape ``(times, batch, *event)``; None if it was not
            asked for.
    """

    x: Tensor
    nfe: int
    path: Tensor | None


@dataclass(frozen=True)
class Step:
    r"""From time t to an earlier time s, with the signal and the noise at both.

    Attributes:
        t: where the step starts.
        s: where it ends.
        alpha_t: signal :math:`\alpha_t`.
        sigma_t: noise level :math:`\sigma_t`, positive.
        alpha_s: signal :math:`\alpha_s`, positive.
        sigma_s: noise level :math:`\sigma_s`.

    Example:
        >>> from gmlib.noise import Rectified
        >>> from gmlib.noise.samplers import steps_of
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
        r""":math:`\alpha_t/\alpha_s`, what the noising from s to t multiplies a point by."""
        return self.alpha_t / self.alpha_s

    @property
    def beta(self) -> float:
        r"""The variance that the noising from s to t adds, :math:`\sigma_t^2 - (\alpha_t/\alpha_s)^2\sigma_s^2`.

        (:eq:`eq-09-beta` in the book.)
        """
        return self.sigma_t**2 - (self.shrink * self.sigma_s) ** 2

    @property
    def beta_tilde(self) -> float:
        r""":math:`\tilde\beta = \beta\,\sigma_s^2/\sigma_t^2`, the variance of :math:`x_s` if both ends are known."""
        return self.beta * (self.sigma_s / self.sigma_t) ** 2

    @property
    def keep(self) -> float:
        r""":math:`\alpha_t\sigma_s^2/(\alpha_s\sigma_t^2)`, the part of :math:`x_t` in the mean of :math:`x_s` then."""
        return self.shrink * (self.sigma_s / self.sigma_t) ** 2

    @property
    def pull(self) -> float:
        r""":math:`\alpha_s\beta/\sigma_t^2`, the part of :math:`x_0` in that mean."""
        return self.alpha_s * self.beta / self.sigma_t**2

    @property
    def h(self) -> float:
        r""":math:`\log(\alpha_s/\sigma_s) - \log(\alpha_t/\sigma_t)`, half the gain in log-SNR; may be infinite."""
        if self.alpha_t == 0 or self.sigma_s == 0:
            return math.inf
        return math.log(self.alpha_s * self.sigma_t / (self.sigma_s * self.alpha_t))


def steps_of(schedule: Schedule, times: Times) -> list[Step]:
    """The steps between the times of a grid.

    Args:
        schedule: the schedule.
        times: at least two times, falling, within the schedule's range. An end that lies outside by no more than the
            rounding of float32 counts as the end.

    Returns:
        One step fewer than there are times.

    Raises:
        TypeError: ``schedule`` is no Schedule.
        ValueError: there are fewer than two times, they do not fall, leave the range, go on from where sigma is 0, or
            go to where alpha is 0.

    Example:
        >>> from gmlib.noise import VPCosine
        >>> from gmlib.noise.samplers import steps_of
        >>> [round(step.s, 2) for step in steps_of(VPCosine(), [0.9, 0.5, 0.0])]
        [0.5, 0.0]
    """
    if not isinstance(schedule, Schedule):
        raise TypeError(f"schedule must be a Schedule, got {type(schedule).__name__}")
    grid: list[float] = times.tolist() if isinstance(times, Tensor) else [float(t) for t in times]
    if len(grid) < 2:
        raise ValueError(f"times must be at least two, got {len(grid)}")
    grid[0], grid[-1] = time_within(schedule, grid[0]), time_within(schedule, grid[-1])
    for t, s in pairwise(grid):
        if not s < t:
            raise ValueError(f"times must fall from one to the next, got {s:g} after {t:g}")
    told = torch.tensor(grid, dtype=torch.float64)
    levels = list(zip(grid, schedule.alpha(told).tolist(), schedule.sigma(told).tolist(), strict=True))
    for t, _, sigma in levels[:-1]:
        if sigma == 0:
            raise ValueError(f"times must not go on from where sigma is 0, got {t:g}")
    for t, alpha, _ in levels[1:]:
        if alpha == 0:
            raise ValueError(f"times must not go to where alpha is 0, got {t:g}")
    return [
        Step(t, s, alpha_t, sigma_t, alpha_s, sigma_s)
        for (t, alpha_t, sigma_t), (s, alpha_s, sigma_s) in pairwise(levels)
    ]


def time_within(schedule: Schedule, t: float) -> float:
    """An end of a grid, brought into the schedule's range if only rounding has taken it out.

    Example:
        >>> from gmlib.noise import Rectified
        >>> time_within(Rectified(), 1.0 + 1e-8)
        1.0
    """
    near = min(max(t, schedule.t_min), schedule.t_max)
    if not math.isclose(t, near, rel_tol=1e-6, abs_tol=1e-9):
        raise ValueError(f"times must lie in [{schedule.t_min:g}, {schedule.t_max:g}], got {t:g}")
    return near
