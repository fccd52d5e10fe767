"""How far one law is from another: finite tables exactly, laws on the line by quadrature.

All logarithms are natural, so every number is in nats. `gmlib.distributions.gaussian_divergences` has the closed forms
of normal laws.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_count, check_number, check_table


def entropy(p: Float[Tensor, "*batch V"]) -> Float[Tensor, "*batch"]:
    r"""Entropy of a finite table, :math:`H(p) = -\sum_v p_v\log p_v`, in nats.

    Args:
        p: probabilities of V symbols, the last dimension summing to one; :math:`0\log0 = 0`.

    Returns:
        Nats, between 0 and :math:`\log V`, shape ``(*batch,)``.

    Raises:
        ValueError: an entry is negative or not finite, or a row does not sum to one.

    References:
        T. M. Cover and J. A. Thomas, *Elements of Information Theory* (2006), section 2.1.

    Example:
        >>> import torch
        >>> round(entropy(torch.full((8,), 1 / 8)).item(), 4)  # log 8
        2.0794
    """
    check_table("p", p)
    return -(p * _log_where(p > 0, p)).sum(-1)


def cross_entropy(p: Float[Tensor, "*batch V"], q: Float[Tensor, "*batch V"]) -> Float[Tensor, "*batch"]:
    r"""Cross entropy :math:`H_{\mathrm{ce}}(p, q) = -\sum_v p_v\log q_v`: the mean cost of q on data from p, in nats.

    With the frequencies of a data set as p it is the data set's average negative log-likelihood.

    Args:
        p: probabilities of the data, the last dimension summing to one.
        q: probabilities of the model, of a shape that broadcasts.

    Returns:
        Nats, at least ``entropy(p)``; infinite where q gives no mass to what p has.

    Raises:
        ValueError: as `entropy`, or the shapes do not fit.

    References:
        Cover and Thomas (2006), section 2.3.

    Example:
        >>> import torch
        >>> p, q = torch.tensor([0.5, 0.5, 0.0]), torch.tensor([0.25, 0.25, 0.5])
        >>> round(cross_entropy(p, q).item(), 4)  # log 4
        1.3863
    """
    _check_tables(p, q)
    return -(p * _log_where(p > 0, q)).sum(-1)


def kl(p: Float[Tensor, "*batch V"], q: Float[Tensor, "*batch V"]) -> Float[Tensor, "*batch"]:
    r"""Kullback-Leibler divergence of two finite tables, in nats.

    .. math:: \mathrm{KL}(p\,\|\,q) = \sum_v p_v\log\frac{p_v}{q_v} = H_{\mathrm{ce}}(p, q) - H(p) \;\ge\; 0

    (:eq:`eq-01-kl` in the book.) Zero if and only if the tables are equal.

    Args:
        p: probabilities, the last dimension summing to one; :math:`0\log0 = 0`.
        q: probabilities, of a shape that broadcasts.

    Returns:
        Nats; infinite where some :math:`q_v = 0 < p_v`.

    Raises:
        ValueError: as `cross_entropy`.

    References:
        S. Kullback and R. A. Leibler, *On information and sufficiency* (1951), section 2.

    Example:
        >>> import torch
        >>> p, q = torch.tensor([0.5, 0.5, 0.0]), torch.tensor([0.25, 0.25, 0.5])
        >>> round(kl(p, q).item(), 4), kl(q, p).item()  # log 2 one way, no bound the other
        (0.6931, inf)
    """
    _check_tables(p, q)
    # Each term is a difference of logs, as small as p and q are close: no two large sums cancel.
    positive = p > 0
    return (p * (_log_where(positive, p) - _log_where(positive, q))).sum(-1)


@dataclass(frozen=True)
class Divergences:
    r"""Five divergences of a law p from a law q, each a scalar tensor (or one for each law of a batch).

    Attributes:
        kl: :math:`\mathrm{KL}(p\,\|\,q)`, nats.
        reverse_kl: :math:`\mathrm{KL}(q\,\|\,p)`, nats.
        jsd: :math:`\tfrac12\mathrm{KL}(p\,\|\,m) + \tfrac12\mathrm{KL}(q\,\|\,m)`, :math:`m = \tfrac12(p+q)`;
            nats, between 0 and :math:`\log 2`.
        tv: total variation :math:`\tfrac12\int\lvert p - q\rvert`, between 0 and 1.
        hellinger2: squared Hellinger distance :math:`\int(\sqrt p - \sqrt q)^2`, between 0 and 2.

    Example:
        >>> import torch
        >>> from gmlib.distributions import Gaussian
        >>> law = Gaussian(torch.zeros(1), var=1.0)
        >>> divergences_1d(law, law).tv.item()
        0.0
    """

    kl: Tensor
    reverse_kl: Tensor
    jsd: Tensor
    tv: Tensor
    hellinger2: Tensor


def divergences_1d(
    p: Any, q: Any, *, low: float | None = None, high: float | None = None, points: int = 20_001
) -> Divergences:
    r"""Divergences of two laws on the line by the trapezoid rule, for mixtures and whatever else has no closed form.

    For smooth densities the rule is as good as the arithmetic once the spacing is finer than their narrowest feature;
    only the total variation, whose integrand has a kink where p = q, keeps an error of the order of the spacing's
    square. Mass outside the range is left out: choose it so that both densities are negligible at its ends.

    Args:
        p: a law over vectors of one coordinate: ``log_prob`` of ``(n, 1)`` in nats.
        q: the other.
        low: left end; None: the least of mean - 12 standard deviations over p and q, which must then have both.
        high: right end, likewise.
        points: nodes of the rule, at least 3.

    Returns:
        The divergences.

    Raises:
        TypeError: a law has no ``log_prob``, or no ``mean`` and ``variance`` where they are needed.
        ValueError: a law is not one-dimensional, or ``low`` is not below ``high``.

    References:
        J. Lin, *Divergence measures based on the Shannon entropy* (1991), for the Jensen-Shannon divergence.

    Example:
        >>> import torch
        >>> from gmlib.distributions import Gaussian
        >>> zero = torch.zeros(1, dtype=torch.float64)
        >>> d = divergences_1d(Gaussian(zero, var=1.0), Gaussian(zero + 1, var=1.0))
        >>> print(f"{d.kl:.6f} {d.jsd:.6f} {d.tv:.6f} {d.hellinger2:.6f}")
        0.500000 0.111421 0.382925 0.235006
    """
    check_count("points", points, low=3)
    for name, law in (("p", p), ("q", q)):
        if not callable(getattr(law, "log_prob", None)):
            raise TypeError(f"{name} must have a method log_prob, got {type(law).__name__}")
        if tuple(getattr(law, "event_shape", (1,))) != (1,):
            raise ValueError(
                f"{name} must be a law over one coordinate, got event shape {tuple(law.event_shape)}"
            )
    low, high = _reach(p, q, low, -1), _reach(p, q, high, 1)
    if not low < high:
        raise ValueError(f"low must be below high, got {low:g} and {high:g}")
    mean = getattr(p, "mean", None)
    like = mean if isinstance(mean, Tensor) else torch.zeros((), dtype=torch.float64)
    batch = torch.broadcast_shapes(getattr(p, "batch_shape", ()), getattr(q, "batch_shape", ()))
    x = torch.linspace(low, high, points, dtype=like.dtype, device=like.device)
    x = x.reshape(points, *(1 for _ in batch), 1)
    log_p, log_q = p.log_prob(x), q.log_prob(x)
    dens_p, dens_q = log_p.exp(), log_q.exp()
    log_m = torch.logaddexp(log_p, log_q) - math.log(2)

    def integral(values: Tensor) -> Tensor:
        return torch.trapezoid(values, dx=(high - low) / (points - 1), dim=0)

    def expected_ratio(density: Tensor, log_a: Tensor, log_b: Tensor) -> Tensor:
        return integral(torch.where(density > 0, density * (log_a - log_b), torch.zeros_like(density)))

    return Divergences(
        kl=expected_ratio(dens_p, log_p, log_q),
        reverse_kl=expected_ratio(dens_q, log_q, log_p),
        jsd=(expected_ratio(dens_p, log_p, log_m) + expected_ratio(dens_q, log_q, log_m)) / 2,
        tv=integral((dens_p - dens_q).abs()) / 2,
        hellinger2=integral((dens_p.sqrt() - dens_q.sqrt()).square()),
    )


def _reach(p: Any, q: Any, end: float | None, sign: int) -> float:
    """The given end of the range, or 12 standard deviations out."""
    if end is not None:
        check_number("low" if sign < 0 else "high", end)
        return float(end)
    ends: list[float] = []
    for name, law in (("p", p), ("q", q)):
        mean, variance = getattr(law, "mean", None), getattr(law, "variance", None)
        if not (isinstance(mean, Tensor) and isinstance(variance, Tensor)):
            raise TypeError(f"{name} has no mean and variance to choose a range by: give low and high")
        ends.append(float((sign * mean + 12 * variance.sqrt()).max()))
    return sign * max(ends)


def _log_where(positive: Tensor, q: Tensor) -> Tensor:
    """The logarithm where p is positive, 0 elsewhere: a masked softmax (p = q = 0) then has a gradient, and no NaN."""
    return torch.where(positive, q, 1.0).log()


def _check_tables(p: Tensor, q: Tensor) -> None:
    check_table("p", p)
    check_table("q", q)
    if p.shape[-1] != q.shape[-1]:
        raise ValueError(f"q must have the {p.shape[-1]} symbols of p, got shape {tuple(q.shape)}")
