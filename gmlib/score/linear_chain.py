r"""The Langevin chain on a normal law, which is linear: its mean and variance at every step, and where they settle."""

from __future__ import annotations

import math

from gmlib._checks import check_count, check_number


def stationary_variance(step: float | int, var: float | int = 1.0, temperature: float | int = 1.0) -> float:
    r"""Variance of the law in which a Langevin chain on :math:`\mathcal N(m, v)` settles.

    .. math:: V_\infty = \frac{\tau v}{1 - \delta/(4v)}

    (:eq:`eq-08-stationary` in the book for :math:`v = \tau = 1`.) The step multiplies a deviation by
    :math:`a = 1 - \delta/(2v)` and adds the variance :math:`\delta\tau`; the formula is the fixed point of
    :math:`V = a^2V + \delta\tau`. For :math:`\delta \ge 4v`, where :math:`\lvert a\rvert \ge 1`, the chain has no
    stationary law and its variance grows without bound.

    Args:
        step: :math:`\delta > 0`, in the units of ``var``.
        var: :math:`v > 0`, the target's variance.
        temperature: :math:`\tau \ge 0`.

    Returns:
        The variance; infinite for :math:`\delta \ge 4v`.

    Raises:
        TypeError: an argument is not a number.
        ValueError: an argument is out of range.

    Example:
        >>> from gmlib.score import stationary_variance
        >>> round(stationary_variance(0.25), 4), round(stationary_variance(1.0), 4), stationary_variance(5.0)
        (1.0667, 1.3333, inf)
    """
    check_number("step", step, low=0.0, low_open=True)
    check_number("var", var, low=0.0, low_open=True)
    check_number("temperature", temperature, low=0.0)
    if step >= 4 * var:
        return math.inf
    return temperature * var / (1 - step / (4 * var))


def chain_moments(
    step: float | int,
    steps: int,
    *,
    start_mean: float | int = 0.0,
    start_var: float | int = 0.0,
    var: float | int = 1.0,
    temperature: float | int = 1.0,
) -> tuple[float, float]:
    r"""Mean and variance after k Langevin steps on :math:`\mathcal N(0, v)`, exactly.

    .. math:: m_k = a^k m_0, \qquad V_k = a^{2k} V_0 + \delta\tau\sum_{j<k} a^{2j}, \qquad a = 1 - \frac{\delta}{2v}

    A normal start stays normal, so these two numbers are the whole law. The mean is forgotten like :math:`a^k`, whatever
    the temperature.

    Args:
        step: :math:`\delta > 0`, in the units of ``var``.
        steps: k, at least 0.
        start_mean: :math:`m_0`.
        start_var: :math:`V_0 \ge 0`; 0 starts all chains in one point.
        var: :math:`v > 0`, the target's variance.
        temperature: :math:`\tau \ge 0`.

    Returns:
        The pair :math:`(m_k, V_k)`; infinite where it leaves the range of floats.

    Raises:
        TypeError: an argument is of the wrong kind.
        ValueError: an argument is out of range.

    Example:
        >>> from gmlib.score import chain_moments
        >>> chain_moments(1.0, 2, start_mean=4.0)  # a = 1/2
        (1.0, 1.25)
    """
    check_number("step", step, low=0.0, low_open=True)
    check_count("steps", steps, low=0)
    check_number("start_mean", start_mean)
    check_number("start_var", start_var, low=0.0)
    check_number("var", var, low=0.0, low_open=True)
    check_number("temperature", temperature, low=0.0)
    mean, variance = float(start_mean), float(start_var)
    factor = 1 - step / (2 * var)
    for _ in range(steps):
        mean *= factor
        variance = factor * factor * variance + step * temperature
    return mean, variance
