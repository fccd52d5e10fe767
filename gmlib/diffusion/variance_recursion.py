r"""What a sampler does to a normal law, exactly: one number after another, and no sample.

For data :math:`\mathcal N(0, v)` the best denoiser is linear, so that each step multiplies the point by a number and adds
noise that it does not depend on. The law stays normal, and its variance says everything.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_choice, check_number
from gmlib.noise import Schedule
from gmlib.noise.samplers import Step, steps_of

SAMPLERS = ("ancestral", "ddim", "euler", "heun", "euler_maruyama", "dpm_solver_2m")


def variance_recursion(
    var: float | int,
    schedule: Schedule,
    times: Sequence[float | int] | Float[Tensor, " n"],
    *,
    sampler: Literal["ancestral", "ddim", "euler", "heun", "euler_maruyama", "dpm_solver_2m"] = "ancestral",
    variance: Literal["beta", "beta_tilde"] = "beta",
    eta: float | int = 0.0,
    last_noise: bool = False,
    start_var: float | int | None = None,
) -> Float[Tensor, " n"]:
    r"""Variances of a sampler's points at every time of its grid, for data :math:`\mathcal N(0, v)` and the exact denoiser.

    .. math:: S_s = m^2S_t + \tilde\sigma^2, \qquad \hat x_0 = \frac{\alpha_tv}{V_t}x_t, \quad
        \hat\varepsilon = \frac{\sigma_t}{V_t}x_t, \quad V_t = \alpha_t^2v + \sigma_t^2

    with m what the step multiplies a point by when these guesses are put into its formula. The right answers are
    :math:`S_t = V_t`, at the end :math:`S_0 = v`. DPM-Solver++ 2M remembers the point before, so that m is not known from
    one step alone; it draws no noise, and what all steps so far multiply the start by is followed instead.

    A mean follows the same m around :math:`\alpha_tm_0` in the ancestral sampler, DDIM and 2M, which move
    :math:`\alpha_tm_0` to :math:`\alpha_sm_0`. The other three do that only as well as they solve their equation.

    (:eq:`eq-09-recursion` in the book.)

    Args:
        var: variance v of the data, at least 0; a coordinate of a normal law along an eigenvector of its covariance.
        schedule: the schedule.
        times: the grid, falling.
        sampler: "ancestral", "ddim", "euler", "heun", "euler_maruyama" or "dpm_solver_2m".
        variance: for "ancestral": "beta" or "beta_tilde".
        eta: for "ddim": share of fresh noise, from 0 to 1.
        last_noise: for "ancestral" and "euler_maruyama": whether the last step adds noise too.
        start_var: variance at the first time; None is :math:`\sigma_t^2`, as of `start_noise`.

    Returns:
        Variances, float64, one for each time, the first that of the start.

    Raises:
        TypeError: ``schedule`` is no Schedule or a number none.
        ValueError: a number is out of its range, a name unknown, or ``times`` are no falling times of the schedule.

    References:
        J. Ho, A. Jain and P. Abbeel (2020), algorithm 2; J. Song, C. Meng and S. Ermon (2021), eq. 12; C. Lu et al.,
        *DPM-Solver++* (2022), algorithm 2.

    Example:
        >>> from gmlib.diffusion import variance_recursion
        >>> from gmlib.noise import DDPM, ddpm_times
        >>> schedule = DDPM.linear()
        >>> for n in (10, 50, 1000):
        ...     print(f"{variance_recursion(0.25, schedule, ddpm_times(schedule, n))[-1]:.4f}")
        0.2439
        0.2619
        0.2508
    """
    check_number("var", var, low=0.0)
    check_choice("sampler", sampler, SAMPLERS)
    check_choice("variance", variance, ("beta", "beta_tilde"))
    check_number("eta", eta, low=0.0, high=1.0)
    if start_var is not None:
        check_number("start_var", start_var, low=0.0)
    steps = steps_of(schedule, times)
    start = steps[0].sigma_t ** 2 if start_var is None else start_var
    if sampler == "dpm_solver_2m":
        return start * torch.tensor(_dpm_solver_2m(var, steps), dtype=torch.float64).square()
    found = [start]
    for step in steps:
        match sampler:
            case "ancestral":
                factor, fresh = _ancestral(var, step), getattr(step, variance)
            case "ddim":
                fresh = eta**2 * step.beta_tilde
                factor = _ddim(var, step, fresh)
            case "euler_maruyama":
                factor, fresh = _euler_maruyama(var, schedule, step)
            case _:
                factor, fresh = _probability_flow(var, schedule, step, sampler), 0.0
        if step is steps[-1] and not last_noise and sampler != "ddim":
            fresh = 0.0
        found.append(factor**2 * found[-1] + fresh)
    return torch.tensor(found, dtype=torch.float64)


def _guesses(var: float, alpha: float, sigma: float) -> tuple[float, float]:
    """What the exact denoiser multiplies a point by, for the clean point and for the noise."""
    total = alpha**2 * var + sigma**2
    return alpha * var / total, sigma / total


def _ancestral(var: float, step: Step) -> float:
    x0, _ = _guesses(var, step.alpha_t, step.sigma_t)
    return step.keep + step.pull * x0


def _ddim(var: float, step: Step, fresh: float) -> float:
    x0, eps = _guesses(var, step.alpha_t, step.sigma_t)
    return step.alpha_s * x0 + math.sqrt(max(step.sigma_s**2 - fresh, 0.0)) * eps


def _euler_maruyama(var: float, schedule: Schedule, step: Step) -> tuple[float, float]:
    f, g, length = float(schedule.f(step.t)), float(schedule.g(step.t)), step.t - step.s
    total = step.alpha_t**2 * var + step.sigma_t**2
    return 1 - length * (f + g**2 / total), length * g**2


def _probability_flow(var: float, schedule: Schedule, step: Step, sampler: str) -> float:
    length = step.s - step.t
    here = _velocity(var, schedule, step.t, step.alpha_t, step.sigma_t)
    if sampler == "euler" or step.sigma_s == 0:
        return 1 + length * here
    there = _velocity(var, schedule, step.s, step.alpha_s, step.sigma_s)
    return 1 + length * (here + there * (1 + length * here)) / 2


def _velocity(var: float, schedule: Schedule, t: float, alpha: float, sigma: float) -> float:
    x0, eps = _guesses(var, alpha, sigma)
    return float(schedule.d_alpha(t)) * x0 + float(schedule.d_sigma(t)) * eps


def _dpm_solver_2m(var: float, steps: list[Step]) -> list[float]:
    """What the steps so far multiply the start by."""
    found, before = [1.0], 0.0
    for number, step in enumerate(steps):
        x0 = _guesses(var, step.alpha_t, step.sigma_t)[0] * found[-1]
        memory = number > 0 and step.sigma_s > 0
        target = x0 + (step.h / (2 * steps[number - 1].h) * (x0 - before) if memory else 0.0)
        found.append(step.sigma_s / step.sigma_t * found[-1] - step.alpha_s * math.expm1(-step.h) * target)
        before = x0
    return found
