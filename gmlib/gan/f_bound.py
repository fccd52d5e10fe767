r"""The variational lower bound on an f-divergence, from samples and exactly on the line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from jaxtyping import Float
from torch import Tensor

from gmlib.gan._line import Critic, on_line, on_nodes
from gmlib.gan._points import check_vectors
from gmlib.gan.f_divergences import FDivergence, check_divergence


@dataclass(frozen=True)
class BoundTerms:
    r"""A comparison of two laws by what a critic says of each.

    Attributes:
        real: the mean of the critic's term over real points, a scalar.
        fake: that over fake points, a scalar.
        total: what the critic raises and the generator lowers.

    Example:
        >>> import torch
        >>> from gmlib.gan import BoundTerms
        >>> BoundTerms(torch.tensor(3.0), torch.tensor(1.0), torch.tensor(2.0)).total.item()
        2.0
    """

    real: Tensor
    fake: Tensor
    total: Tensor


def f_divergence_bound(
    c_real: Float[Tensor, " n"], c_fake: Float[Tensor, " m"], divergence: FDivergence
) -> BoundTerms:
    r"""The lower bound on an f-divergence, from a critic's values on samples of both laws.

    .. math:: D_f(p \,\|\, q) \ge \mathbb E_p\, c(x) - \mathbb E_q\, f^*(c(x))

    (:eq:`eq-14-bound` in the book; Nguyen et al. 2010, lemma 1; Nowozin et al. 2016, equation 4.) It holds for every
    critic, with equality at :math:`c = f'(p / q)`. Differentiable in both arguments. An average over samples is unbiased
    for a critic that was chosen without them; see :mod:`gmlib.gan.comparison` for one that was not.

    Args:
        c_real: the critic's values c (not raw outputs) on points of p, (n,).
        c_fake: on points of q, (m,).
        divergence: a row of ``gmlib.gan.F_DIVERGENCES``.

    Returns:
        The mean of c, the mean of :math:`f^*(c)`, and their difference: minus infinity if a value lies outside
        the domain of :math:`f^*`.

    Raises:
        TypeError: not floating tensors, or ``divergence`` is not an ``FDivergence``.
        ValueError: not non-empty vectors.

    Example:
        >>> import torch
        >>> from gmlib.gan import F_DIVERGENCES, f_divergence_bound
        >>> ones = torch.ones(3)  # c = 1 says r = 1 everywhere
        >>> f_divergence_bound(ones, ones, F_DIVERGENCES["kl"]).total.item()
        0.0
    """
    check_vectors(c_real=c_real, c_fake=c_fake)
    check_divergence(divergence)
    real, fake = c_real.mean(), divergence.conjugate(c_fake).mean()
    return BoundTerms(real, fake, real - fake)


def f_bound_1d(
    p: Any,
    q: Any,
    divergence: FDivergence,
    critic: Critic | None = None,
    *,
    low: float | None = None,
    high: float | None = None,
    points: int = 20_001,
) -> BoundTerms:
    r"""The bound of two laws on the line for a given critic, by the trapezoid rule instead of samples.

    (:eq:`eq-14-bound` in the book.)

    Args:
        p: the data's law over one coordinate: ``log_prob`` of (n, 1), in nats.
        q: the model's law.
        divergence: a row of ``gmlib.gan.F_DIVERGENCES``.
        critic: x (n, 1) -> c (n,); None: the best one, :math:`f'(p / q)`.
        low: left end of the range; None: 12 standard deviations beyond both means.
        high: right end, likewise.
        points: nodes of the rule, at least 3.

    Returns:
        The two expectations and their difference, at most the divergence.

    Raises:
        TypeError: ``divergence`` is not an ``FDivergence``, or a law has no ``log_prob``.
        ValueError: a law is not over one coordinate, or the critic's values have the wrong shape.

    Example:
        >>> import torch
        >>> from gmlib.distributions import Gaussian
        >>> from gmlib.gan import F_DIVERGENCES, f_bound_1d
        >>> zero = torch.zeros(1, dtype=torch.float64)
        >>> p, q = Gaussian(zero, var=1.0), Gaussian(zero + 1, var=1.0)
        >>> straight = f_bound_1d(p, q, F_DIVERGENCES["kl"], lambda x: 1.5 - x[:, 0])  # 1 + log r is a straight line
        >>> print(f"{straight.total:.6f} of {f_bound_1d(p, q, F_DIVERGENCES['kl']).total:.6f}")
        0.500000 of 0.500000
    """
    check_divergence(divergence)
    line = on_line(p, q, low, high, points)
    if critic is None:
        v = divergence.output(line.log_ratio)
        c, conjugate = divergence.activation(v), divergence.conjugate_of_output(v)
    else:
        c = on_nodes("critic", critic, line)
        conjugate = divergence.conjugate(c)
    real, fake = line.expected(line.log_p, c), line.expected(line.log_q, conjugate)
    return BoundTerms(real, fake, real - fake)
