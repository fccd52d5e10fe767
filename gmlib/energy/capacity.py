r"""How many patterns fit: the crosstalk of random patterns, and the load at which recall breaks down."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_count, check_number
from gmlib.energy.hopfield import Hopfield, hebb
from gmlib.energy.recall import recall


def bit_error(load: float) -> float:
    r"""The chance that a bit of a stored random pattern is unstable, for large d.

    .. math:: P(x_i a_i < 0) = \Phi\Big(-\sqrt{d/K}\Big), \qquad \frac{x_i a_i}{d} \approx
              1 + \mathcal N\Big(0, \frac Kd\Big)

    (:eq:`eq-06-crosstalk` in the book.) The pattern itself contributes d to the margin, the K others a sum of about K d
    random signs.

    Args:
        load: K / d, patterns a unit, above 0.

    Returns:
        The chance.

    Raises:
        TypeError: ``load`` is no number.
        ValueError: ``load`` is not above 0.

    Example:
        >>> from gmlib.energy import bit_error
        >>> round(bit_error(0.1), 6), round(bit_error(0.185), 4)
        (0.000783, 0.01)
    """
    check_number("load", load, low=0.0, low_open=True)
    return 0.5 * math.erfc(math.sqrt(0.5 / load))


def finite_bit_error(d: int, count: int) -> float:
    r"""The same chance, exactly, for d units and K random patterns stored by Hebb's rule.

    .. math:: x_i^{(k)} a_i = (d - 1) + \sum_{l \ne k} \sum_{j \ne i} x_i^{(k)} x_i^{(l)} x_j^{(l)} x_j^{(k)}

    The :math:`(K-1)(d-1)` terms of the sum are independent fair signs, so the margin is binomial. On a tie
    :math:`\operatorname{sgn}(0) = +1` is wrong for every other bit.

    Args:
        d: units, at least 2.
        count: K, patterns, at least 1.

    Returns:
        The chance that one synchronous update changes a given bit of a stored pattern.

    Raises:
        TypeError: a number is no integer.
        ValueError: ``d`` is below 2 or ``count`` below 1.

    Example:
        >>> from gmlib.energy import finite_bit_error
        >>> finite_bit_error(2, 2)  # the margin is 0 or 2, a tie is lost half the time
        0.25
    """
    check_count("d", d, low=2)
    check_count("count", count)
    n = (count - 1) * (d - 1)  # S = 2 B - n, B binomial; an error is S < -(d - 1), or half of S = -(d - 1)
    edge = n - (d - 1)
    if edge < 0:
        return 0.0
    # The terms fall towards 0 wrong ones at least as fast as a Gaussian of this binomial's deviation, sqrt(n)/2: what is
    # 12 deviations away from the edge is below exp(-72) of the term there.
    first = max(0, edge // 2 - 6 * math.isqrt(n) - 6)
    wrong = torch.arange(first, edge // 2 + 1, dtype=torch.float64)
    total = torch.tensor(float(n), dtype=torch.float64)
    log_p = (
        torch.lgamma(total + 1)
        - torch.lgamma(wrong + 1)
        - torch.lgamma(total - wrong + 1)
        - total * math.log(2)
    )
    p = log_p.exp()
    return (p.sum() - 0.5 * p[-1] if edge % 2 == 0 else p.sum()).item()


def critical_load() -> tuple[float, float]:
    r"""The largest load at which a stored pattern is still recalled (almost), and the overlap there.

    .. math:: \frac Kd = \frac12\Big(\frac{\operatorname{erf} y}{y} - \frac{2}{\sqrt\pi}\,e^{-y^2}\Big)^2

    The overlap equation of :func:`gmlib.energy.capacity.overlap_theory` in terms of :math:`y = o/\sqrt{2V}`, where
    :math:`o = \operatorname{erf} y`; the load as a function of y has one maximum.

    Returns:
        K / d and the overlap.

    Example:
        >>> from gmlib.energy import critical_load
        >>> load, overlap = critical_load()
        >>> round(load, 4), round(overlap, 3)
        (0.1379, 0.967)
    """
    y = _peak()
    return _load(y), math.erf(y)


def overlap_theory(load: float) -> float:
    r"""The overlap of the state recalled from a stored pattern, for many units, in mean-field theory.

    .. math:: o = \operatorname{erf}\Big(\frac{o}{\sqrt{2V}}\Big), \qquad
              V = \frac Kd \Big(1 - \sqrt{\frac{2}{\pi V}}\;e^{-o^2/(2V)}\Big)^{-2}

    (:eq:`eq-06-overlap` in the book; Amit, Gutfreund and Sompolinsky 1985, at zero temperature, replica symmetric.)
    K/d is the load and V the variance of the crosstalk in units of :math:`d^2`, which recall itself makes larger than the
    load. Of the solutions with o > 0 the largest is the memory; above the critical load there is none.

    Args:
        load: K/d, above 0.

    Returns:
        o, or 0 above the critical load.

    Raises:
        TypeError: ``load`` is no number.
        ValueError: ``load`` is not above 0.

    Example:
        >>> from gmlib.energy import overlap_theory
        >>> round(overlap_theory(0.1), 4), overlap_theory(0.15)
        (0.998, 0.0)
    """
    check_number("load", load, low=0.0, low_open=True)
    low = _peak()
    if load > _load(low):
        return 0.0
    high = low + 1.0
    while _load(high) > load:  # falls beyond its maximum, like 1 / (2 y^2)
        high *= 2
    for _ in range(200):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if _load(middle) > load else (low, middle)
    return math.erf(0.5 * (low + high))


def recall_overlap(
    d: int,
    count: int,
    *,
    draws: int = 20,
    cues: int | None = None,
    flips: int = 0,
    sweeps: int = 100,
    generator: torch.Generator | None = None,
    device: torch.device | str | None = None,
) -> Float[Tensor, "{draws}"]:
    r"""Store random patterns, recall some of them asynchronously, and measure how much of them is left.

    .. math:: o = \frac1d\, x^\top x^{(k)}

    Args:
        d: units.
        count: K, patterns.
        draws: networks, each with patterns of its own.
        cues: how many of the patterns are recalled, at most K; None for all.
        flips: how many bits of each cue are wrong at the start (random places), 0 to d.
        sweeps: at most that many.
        generator: source of patterns, flips and orders, on ``device``.
        device: where it is computed.

    Returns:
        The mean overlap over the cues of each draw, (draws,), float32.

    Raises:
        TypeError: a number is no integer.
        ValueError: a number is out of range.

    Example:
        >>> import torch
        >>> from gmlib.energy import recall_overlap
        >>> recall_overlap(100, 2, draws=3, flips=10, generator=torch.Generator().manual_seed(0)).tolist()
        [1.0, 1.0, 1.0]
    """
    for name, value in (("d", d), ("count", count), ("draws", draws), ("sweeps", sweeps)):
        check_count(name, value)
    cues = count if cues is None else cues
    check_count("cues", cues)
    check_count("flips", flips, low=0)
    if cues > count:
        raise ValueError(f"cues must be at most count, {count}, got {cues}")
    if flips > d:
        raise ValueError(f"flips must be at most d, {d}, got {flips}")
    means = []
    for _ in range(draws):
        patterns = 2 * torch.randint(2, (count, d), generator=generator, device=device).float() - 1
        wanted = patterns[:cues]
        start = wanted
        if flips:
            places = torch.rand(cues, d, generator=generator, device=device).topk(flips).indices
            start = wanted.scatter(1, places, -wanted.gather(1, places))
        found = recall(Hopfield(hebb(patterns)), start, sweeps=sweeps, generator=generator)
        means.append((found.state * wanted).mean())
    return torch.stack(means)


def _load(y: float) -> float:
    return 0.5 * (math.erf(y) / y - 2 / math.sqrt(math.pi) * math.exp(-y * y)) ** 2


def _peak() -> float:
    """The y at which the load is largest, by golden section."""
    low, high, ratio = 0.5, 4.0, (math.sqrt(5) - 1) / 2
    for _ in range(100):
        left, right = high - ratio * (high - low), low + ratio * (high - low)
        low, high = (left, high) if _load(left) < _load(right) else (low, right)
    return 0.5 * (low + high)
