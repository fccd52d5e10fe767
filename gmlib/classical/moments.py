"""Pearson's method of moments for a mixture of two normal laws."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_count, check_counts, check_number, check_tensor
from gmlib.distributions import GaussianMixture


@dataclass(frozen=True)
class MomentSolution:
    r"""One mixture with the given moments.

    Attributes:
        mixture: two normal laws on the line, the one with the smaller mean first, float64.
        sixth_moment: its central moment :math:`\mu_6`, which was not matched and can choose among solutions.
    """

    mixture: GaussianMixture
    sixth_moment: float


def central_moments(
    x: Float[Tensor, " n"], order: int = 6, *, counts: Float[Tensor, " n"] | None = None
) -> tuple[float, list[float]]:
    r"""The mean of a sample and its central moments :math:`\mu_2, \dots, \mu_r` (divisor :math:`\sum_n c_n`).

    Args:
        x: numbers, (n,).
        order: the largest order r, at least 2.
        counts: how often each number was seen, (n,), non-negative; None: once.

    Returns:
        The mean, and r - 1 central moments from the second on, in powers of the unit of x.

    Raises:
        TypeError: ``x`` or ``counts`` is not a floating tensor.
        ValueError: ``x`` is empty or not a vector, or ``counts`` does not fit it.

    Example:
        >>> import torch
        >>> from gmlib.classical import central_moments
        >>> central_moments(torch.tensor([-1.0, 3.0]), 4)
        (1.0, [4.0, 0.0, 16.0])
    """
    check_tensor("x", x)
    if x.dim() != 1 or x.numel() == 0:
        raise ValueError(f"x must be a vector of at least one number, got shape {tuple(x.shape)}")
    check_count("order", order, low=2)
    x = x.double()
    if counts is not None:
        check_counts("counts", counts, len(x))
    weights = torch.ones_like(x) if counts is None else counts.to(x)
    weights = weights / weights.sum()
    mean = weights @ x
    return mean.item(), [(weights @ (x - mean) ** r).item() for r in range(2, order + 1)]


def pearson_moments(mean: float, moments: list[float]) -> list[MomentSolution]:
    r"""Every mixture of two normal laws that has the given mean and central moments :math:`\mu_2, \dots, \mu_5`.

    Five equations for five unknowns (weight, two means, two variances). With the means' distances
    :math:`\delta_1 < 0 < \delta_2` from the grand mean, :math:`p = \delta_1\delta_2`, :math:`w = p(\delta_1 + \delta_2)`
    and the cumulants :math:`\kappa_4 = \mu_4 - 3\mu_2^2`, :math:`\kappa_5 = \mu_5 - 10\mu_2\mu_3`, three of them
    solve themselves and two remain:

    .. math::
        2w^2 + 4\mu_3 w - \mu_3^2 - 6p^3 - 3\kappa_4 p &= 0, \\
        2w^3 - 5\mu_3^2 w - 4p^3 w + 20\mu_3 p^3 - 3\kappa_5 p^2 &= 0 .

    Without w this is a polynomial of degree nine in p, Pearson's nonic (:eq:`eq-01b-moments` in the book); each of its
    negative real roots gives a weight between 0 and 1, and a solution if both variances are positive. There may be
    none, one or several. (Two laws with *equal* means have p = 0: of these a whole curve shares the five moments, and
    none is returned.)

    Args:
        mean: the grand mean.
        moments: central moments from :math:`\mu_2` to at least :math:`\mu_5`, as :func:`central_moments` returns them;
            later ones are not used.

    Returns:
        The solutions in rising order of the first weight.

    Raises:
        ValueError: fewer than four moments, a number that is not finite, or :math:`\mu_2` not positive.

    References:
        K. Pearson, *Contributions to the mathematical theory of evolution* (1894), Phil. Trans. A 185, 71-110.

    Example:
        >>> import torch
        >>> from gmlib.classical import central_moments, pearson_moments
        >>> from gmlib.distributions import crab_table
        >>> classes = torch.arange(1.0, 30.0, dtype=torch.float64)
        >>> mean, moments = central_moments(classes, counts=crab_table()[1].double())
        >>> [round(s.mixture.weights[0].item(), 3) for s in pearson_moments(mean, moments)]
        [0.424, 0.533]
    """
    check_number("mean", mean)
    if len(moments) < 4:
        raise ValueError(f"moments must hold the central moments of order 2 to 5, got {len(moments)} of them")
    for value in moments[:4]:
        check_number("moments", value)
    if not moments[0] > 0:
        raise ValueError(f"moments must start with a positive variance, got {moments[0]!r}")
    unit = moments[0] ** 0.5
    m3, m4, m5 = (m / unit**r for r, m in enumerate(moments[1:4], 3))
    k4, k5 = m4 - 3, m5 - 10 * m3
    found: list[tuple[float, float, float, float, float]] = []
    for p in _negative_roots(m3, k4, k5):
        for w in _third_unknown(p, m3, k4, k5):
            s = w / p
            root = (s * s - 4 * p) ** 0.5
            low, high = (s - root) / 2, (s + root) / 2
            common, slope = 1 + p, -(m3 + w) / (3 * p)
            v_low, v_high = common + slope * low, common + slope * high
            solution = (high / root, low, high, v_low, v_high)
            # A root near p = 0 is rounding, and does not have the moments.
            if min(v_low, v_high) <= 0 or not np.allclose(
                [_central(r, *solution) for r in (3, 4, 5)], [m3, m4, m5], atol=1e-5
            ):
                continue
            if not any(np.allclose(solution, f, atol=1e-6) for f in found):
                found.append(solution)
    return [_solution(mean, unit, *f) for f in sorted(found)]


def _negative_roots(m3: float, k4: float, k5: float) -> list[float]:
    """The nonic's negative real roots, for unit variance."""
    n, d = np.poly1d([-8 * m3, 3 * k5, 6 * m3 * k4, 2 * m3**3]), np.poly1d([2, 0, 3 * k4, 4 * m3**2])
    nonic = 2 * n * n + 4 * m3 * n * d - np.poly1d([6, 0, 3 * k4, m3**2]) * d * d
    roots: list[complex] = np.roots(nonic.coeffs).tolist()
    # A double root comes out as a pair with small imaginary parts, and p = 0 (equal means) as a small number.
    return sorted({r.real for r in roots if abs(r.imag) < 1e-5 and r.real < -1e-9})


def _third_unknown(p: float, m3: float, k4: float, k5: float) -> list[float]:
    """The w that belongs to a root p: as a quotient, or from the quadratic where that is 0/0."""
    n = ((-8 * m3 * p + 3 * k5) * p + 6 * m3 * k4) * p + 2 * m3**3
    d = (2 * p * p + 3 * k4) * p + 4 * m3**2
    if abs(d) > 1e-7 * (abs(p) ** 3 + abs(k4 * p) + m3**2):
        return [n / d]
    roots: list[complex] = np.roots([2, 4 * m3, -(m3**2) - 6 * p**3 - 3 * k4 * p]).tolist()
    return [w.real for w in roots if abs(w.imag) < 1e-7]


def _central(r: int, weight: float, low: float, high: float, v_low: float, v_high: float) -> float:
    """The central moment of order r, 3 to 6, of a mixture with mean 0."""
    terms = {
        3: lambda m, v: m**3 + 3 * m * v,
        4: lambda m, v: m**4 + 6 * m**2 * v + 3 * v**2,
        5: lambda m, v: m**5 + 10 * m**3 * v + 15 * m * v**2,
        6: lambda m, v: m**6 + 15 * m**4 * v + 45 * m**2 * v**2 + 15 * v**3,
    }
    return weight * terms[r](low, v_low) + (1 - weight) * terms[r](high, v_high)


def _solution(
    mean: float, unit: float, weight: float, low: float, high: float, v_low: float, v_high: float
) -> MomentSolution:
    mixture = GaussianMixture(
        torch.tensor([[mean + unit * low], [mean + unit * high]], dtype=torch.float64),
        weights=torch.tensor([weight, 1 - weight], dtype=torch.float64),
        var=unit**2 * torch.tensor([v_low, v_high], dtype=torch.float64),
    )
    return MomentSolution(mixture, unit**6 * _central(6, weight, low, high, v_low, v_high))
