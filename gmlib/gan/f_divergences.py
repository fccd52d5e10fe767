r"""One table of f-divergences: from each row follow the bound, the best critic and the losses of two players.

.. math:: D_f(p \,\|\, q) = \int q\, f\Big(\frac pq\Big), \qquad f^*(c) = \sup_{u \ge 0} u c - f(u), \qquad
          c^*(x) = f'\Big(\frac{p(x)}{q(x)}\Big)

A critic's value c must stay where :math:`f^*` is finite, so a network's raw output v passes through an activation first,
and :math:`f^*` of the activation is written in v: neither overflows before the divergence does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from jaxtyping import Float
from torch import Tensor

from gmlib.gan._line import on_line
from gmlib.gan.losses import PairLoss

Function = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class FDivergence:
    r"""A row of the table (:eq:`eq-14-fdiv` in the book; Nowozin et al. 2016, tables 1, 2 and 6).

    All functions are elementwise.

    Attributes:
        name: key of ``F_DIVERGENCES``.
        f: :math:`f(u)`, convex on :math:`u \ge 0` with f(1) = 0.
        conjugate: :math:`f^*(c)`; infinite outside its domain.
        highest: upper end of the domain of :math:`f^*`; it has no lower one.
        activation: :math:`v \mapsto c`, from the line into the domain, increasing.
        conjugate_of_output: :math:`v \mapsto f^*(\mathrm{activation}(v))`, without overflow.
        output: log r -> the best v.
        integrand: (log p, log q) -> :math:`q f(p / q)`, where either density may be 0.

    Example:
        >>> import math, torch
        >>> from gmlib.gan import F_DIVERGENCES
        >>> js = F_DIVERGENCES["js"]
        >>> c = js.critic(torch.tensor([-800.0, 0.0, 800.0]))  # log 2r / (1 + r), at most log 2
        >>> [round(v, 2) for v in c.tolist()], round(js.highest, 2)
        ([-799.31, 0.0, 0.69], 0.69)
    """

    name: str
    f: Function
    conjugate: Function
    highest: float
    activation: Function
    conjugate_of_output: Function
    output: Function
    integrand: Callable[[Tensor, Tensor], Tensor]

    def critic(self, log_ratio: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
        r"""The best critic's value :math:`c^* = f'(r)` from log r."""
        return self.activation(self.output(log_ratio))

    def derivative(self, u: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
        r"""The derivative :math:`f'(u)` at :math:`u \ge 0`."""
        return self.critic(u.log())

    def losses(self, *, non_saturating: bool = False) -> PairLoss:
        r"""The row as losses of two players on the raw output v, with c = activation(v).

        .. math:: L_+(v) = -c, \qquad L_-(v) = f^*(c), \qquad L_G(v) = -f^*(c)

        (:eq:`eq-14b-fgan` in the book; Nowozin et al. 2016, equations 3 and 4.) The critic's loss is minus the bound.
        With the signs turned round it would have no minimum.

        Args:
            non_saturating: :math:`L_G = -c` instead, which pulls where the critic rejects (section 3.2 there); no longer
                the divergence.

        Example:
            >>> import torch
            >>> from gmlib.gan import F_DIVERGENCES
            >>> loss, v = F_DIVERGENCES["js"].losses(), torch.zeros(4)
            >>> loss.critic_loss(v, v).item()  # it cannot tell them apart: the bound is 0
            0.0
        """
        generator: Function
        if non_saturating:
            generator = lambda v: -self.activation(v)  # noqa: E731
        else:
            generator = lambda v: -self.conjugate_of_output(v)  # noqa: E731
        return PairLoss(self.name, lambda v: -self.activation(v), self.conjugate_of_output, generator)


def f_divergence_1d(
    p: Any,
    q: Any,
    divergence: FDivergence | Function,
    *,
    low: float | None = None,
    high: float | None = None,
    points: int = 20_001,
) -> Float[Tensor, ""]:
    r"""The divergence :math:`\int q f(p / q)` of two laws on the line, by the trapezoid rule.

    (:eq:`eq-14-fdiv` in the book.)

    Args:
        p: the data's law over one coordinate: ``log_prob`` of (n, 1), in nats.
        q: the model's law.
        divergence: a row of ``F_DIVERGENCES``, or any convex f, which needs q > 0 where p > 0.
        low: left end of the range; None: 12 standard deviations beyond both means.
        high: right end, likewise.
        points: nodes of the rule, at least 3.

    Returns:
        A scalar, infinite where the divergence is.

    Raises:
        TypeError: a law has no ``log_prob``, or ``divergence`` is neither.
        ValueError: a law is not over one coordinate, ``low`` is not below ``high``, or ``divergence`` is
            a function and q has no mass at points where p has.

    Example:
        >>> import torch
        >>> from gmlib.distributions import Gaussian
        >>> from gmlib.gan import F_DIVERGENCES, f_divergence_1d
        >>> zero = torch.zeros(1, dtype=torch.float64)
        >>> p, q = Gaussian(zero, var=1.0), Gaussian(zero + 1, var=1.0)
        >>> for name in ("kl", "reverse_kl", "js", "pearson", "hellinger"):
        ...     print(f"{name} {f_divergence_1d(p, q, F_DIVERGENCES[name]):.6f}")
        kl 0.500000
        reverse_kl 0.500000
        js 0.222843
        pearson 1.718282
        hellinger 0.235006
    """
    line = on_line(p, q, low, high, points)
    if isinstance(divergence, FDivergence):
        return line.integral(divergence.integrand(line.log_p, line.log_q))
    if not callable(divergence):
        raise TypeError(f"divergence must be an FDivergence or a function, got {type(divergence).__name__}")
    if bool(((line.log_p.exp() > 0) & (line.log_q.exp() == 0)).any()):
        raise ValueError(
            "q must have mass wherever p has, to the precision of its dtype, when the divergence is a function: "
            "got points without; F_DIVERGENCES knows the value there"
        )
    return line.expected(line.log_q, divergence(line.log_ratio.exp()))


def check_divergence(value: Any) -> None:
    """Raise ``TypeError`` unless ``value`` is a row of the table.

    Example:
        >>> from gmlib.gan.f_divergences import check_divergence
        >>> try:
        ...     check_divergence("kl")
        ... except TypeError as error:
        ...     print(error)
        divergence must be an FDivergence such as F_DIVERGENCES['kl'], got str
    """
    if not isinstance(value, FDivergence):
        raise TypeError(
            f"divergence must be an FDivergence such as F_DIVERGENCES['kl'], got {type(value).__name__}"
        )
