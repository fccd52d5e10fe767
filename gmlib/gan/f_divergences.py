r"""One table of f-divergences: from each row follow the bound, the best critic and the losses of two players.

.. math:: D_f(p \,\|\, q) = \int q\, f\Big(\frac pq\Big), \qquad f^*(c) = \sup_{u \ge 0} u c - f(u), \qquad
          c^*(x) = f'\Big(\frac{p(x)}{q(x)}\Big)

A critic's value c must stay where :math:`f^*` is finite, so a network's raw output v passes through an activation first,
and :math:`f^*` of the activation is written in v: neither overflows before the divergence does.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import logsigmoid

from gmlib.gan._line import on_line
from gmlib.gan.losses import PairLoss

LOG2 = math.log(2)
Function = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class FDivergence:
    r"""A row of the table (:eq:`eq-14-fdiv` in the book; Nowozin et al. 2016, tables 1, 2 and 6).

    All functions are elementwise.

    Attributes:
        name: key of :data:`F_DIVERGENCES`.
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
        divergence: a row of :data:`F_DIVERGENCES`, or any convex f, which needs q > 0 where p > 0.
        low: left end of the range; None: 12 standard deviations beyond both means.
        high: right end, likewise.
        points: nodes of the rule, at least 3.

    Returns:
        A scalar, infinite where the divergence is.

    Raises:
        TypeError: a law has no ``log_prob``, or ``divergence`` is neither.
        ValueError: a law is not over one coordinate, or ``low`` is not below ``high``.

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
    return line.expected(line.log_q, divergence(line.log_ratio.exp()))


def check_divergence(value: Any) -> None:
    """Raise ``TypeError`` unless ``value`` is a row of the table."""
    if not isinstance(value, FDivergence):
        raise TypeError(
            f"divergence must be an FDivergence such as F_DIVERGENCES['kl'], got {type(value).__name__}"
        )


def _below(c: Tensor, highest: float, values: Tensor) -> Tensor:
    """The values where c is in the domain of the conjugate, infinity elsewhere."""
    return torch.where(c < highest, values, torch.inf)


def _weighted(log_weight: Tensor, values: Tensor) -> Tensor:
    """e^log_weight times values, 0 where the weight is 0."""
    return torch.where(log_weight > -torch.inf, log_weight.exp() * values, 0.0)


def _kl_integrand(log_p: Tensor, log_q: Tensor) -> Tensor:
    return _weighted(log_p, log_p - log_q)


def _js_integrand(log_p: Tensor, log_q: Tensor) -> Tensor:
    middle = torch.logaddexp(log_p, log_q) - LOG2
    return _weighted(log_p, log_p - middle) + _weighted(log_q, log_q - middle)


def _pearson_integrand(log_p: Tensor, log_q: Tensor) -> Tensor:
    # (p - q)^2 / q: from the ratio where the two are near, from logs where q may be too small to stand alone.
    ratio = log_p - log_q
    near = log_q.exp() * torch.expm1(ratio.clamp(-1, 1)).square()
    far = _weighted(log_p, (log_p - log_q).exp() - 2) + log_q.exp()
    return torch.where(ratio.abs() < 1, near, far)


def _sqrt_minus_one_squared(u: Tensor) -> Tensor:
    return (u.sqrt() - 1).square()


F_DIVERGENCES: dict[str, FDivergence] = {
    row.name: row
    for row in (
        FDivergence(
            "kl",
            f=lambda u: torch.xlogy(u, u),
            conjugate=lambda c: (c - 1).exp(),
            highest=math.inf,
            activation=lambda v: v,
            conjugate_of_output=lambda v: (v - 1).exp(),
            output=lambda log_ratio: 1 + log_ratio,
            integrand=_kl_integrand,
        ),
        FDivergence(
            "reverse_kl",
            f=lambda u: -u.log(),
            conjugate=lambda c: _below(c, 0.0, -1 - (-c).clamp_min(0).log()),
            highest=0.0,
            activation=lambda v: -(-v).exp(),
            conjugate_of_output=lambda v: v - 1,
            output=lambda log_ratio: log_ratio,
            integrand=lambda log_p, log_q: _kl_integrand(log_q, log_p),
        ),
        FDivergence(
            "js",
            f=lambda u: torch.xlogy(u, u) - (u + 1) * (torch.log1p(u) - LOG2),
            conjugate=lambda c: _below(c, LOG2, -(2 - c.exp()).clamp_min(0).log()),
            highest=LOG2,
            activation=lambda v: LOG2 + logsigmoid(v),  # softplus is rounded to v beyond 20
            conjugate_of_output=lambda v: -LOG2 - logsigmoid(-v),
            output=lambda log_ratio: log_ratio,
            integrand=_js_integrand,
        ),
        FDivergence(
            "pearson",
            f=lambda u: (u - 1).square(),
            conjugate=lambda c: torch.where(c >= -2, c.square() / 4 + c, -1.0),
            highest=math.inf,
            activation=lambda v: v,
            conjugate_of_output=lambda v: torch.where(v >= -2, v.square() / 4 + v, -1.0),
            output=lambda log_ratio: 2 * torch.expm1(log_ratio),
            integrand=_pearson_integrand,
        ),
        FDivergence(
            "neyman",
            f=lambda u: (u - 1).square() / u,
            conjugate=lambda c: torch.where(c <= 1, 2 - 2 * (1 - c).clamp_min(0).sqrt(), torch.inf),
            highest=1.0,
            activation=lambda v: -torch.expm1(-v),
            conjugate_of_output=lambda v: -2 * torch.expm1(-v / 2),
            output=lambda log_ratio: 2 * log_ratio,
            integrand=lambda log_p, log_q: _pearson_integrand(log_q, log_p),
        ),
        FDivergence(
            "hellinger",
            f=_sqrt_minus_one_squared,
            conjugate=lambda c: _below(c, 1.0, c / (1 - c)),
            highest=1.0,
            activation=lambda v: -torch.expm1(-v),
            conjugate_of_output=torch.expm1,
            output=lambda log_ratio: log_ratio / 2,
            integrand=lambda log_p, log_q: ((log_p / 2).exp() - (log_q / 2).exp()).square(),
        ),
        FDivergence(
            "total_variation",
            f=lambda u: (u - 1).abs() / 2,
            conjugate=lambda c: torch.where(c <= 0.5, c.clamp_min(-0.5), torch.inf),
            highest=0.5,
            activation=lambda v: torch.tanh(v) / 2,
            conjugate_of_output=lambda v: torch.tanh(v) / 2,
            output=lambda log_ratio: 100 * log_ratio.sign(),  # tanh(100) is 1 to every digit
            integrand=lambda log_p, log_q: (log_p.exp() - log_q.exp()).abs() / 2,
        ),
    )
}
r"""The rows; in the last column the divergence of N(0, 1) from N(1, 1):

===============  ======================================  ============================  =======================  ========
name             :math:`f(u)`                            :math:`f^*(c)`                activation c(v)          value
===============  ======================================  ============================  =======================  ========
kl               :math:`u\log u`                         :math:`e^{c-1}`               :math:`v`                0.500000
reverse_kl       :math:`-\log u`                         :math:`-1-\log(-c)`           :math:`-e^{-v}`          0.500000
js               :math:`u\log u - (u+1)\log\frac{u+1}2`  :math:`-\log(2-e^c)`          :math:`\log 2\sigma(v)`  0.222843
pearson          :math:`(u-1)^2`                         :math:`c+c^2/4`; -1 below -2  :math:`v`                1.718282
neyman           :math:`(u-1)^2/u`                       :math:`2-2\sqrt{1-c}`         :math:`1-e^{-v}`         1.718282
hellinger        :math:`(\sqrt u-1)^2`                   :math:`c/(1-c)`               :math:`1-e^{-v}`         0.235006
total_variation  :math:`\lvert u-1\rvert/2`              :math:`\max(c, -1/2)`         :math:`\tanh(v)/2`       0.382925
===============  ======================================  ============================  =======================  ========

The domains end at 0 (reverse_kl), log 2 (js), 1 (hellinger; neyman, the end
included) and ½ (total_variation, likewise). The f of
``js`` gives *twice* the Jensen-Shannon divergence; with :math:`D = \sigma(v)` its critic is :math:`\log 2D`, and its
losses are those of the original GAN less log 4 in all.
"""
