r"""Scoring rules: what a critic that names a probability is paid, and which distance its best pay measures.

The critic sees x and answers with a logit a, that is with :math:`D = \sigma(a)`, its probability that x is real. It is
paid :math:`S_1(a)` on real points and :math:`S_0(a)` on fake ones,

.. math:: V(a) = \mathbb E_{p_{\mathrm{data}}} S_1(a(x)) + \mathbb E_{p_\theta} S_0(a(x)),

and maximises. A rule is *proper* when :math:`D = p_{\mathrm{data}} / (p_{\mathrm{data}} + p_\theta)` is among the best
answers, and *strictly* proper when there is no other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import logsigmoid

from gmlib._checks import check_number, check_tensor
from gmlib.gan._line import Critic, on_line, on_nodes, weighted
from gmlib.gan.losses import PairLoss

Pay = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class ScoringRule:
    r"""A scoring rule in the logit a, its best answer and its best value (:eq:`eq-14b-scores` in the book).

    Attributes:
        name: key of :data:`SCORING_RULES`.
        real: :math:`S_1(a)`, elementwise.
        fake: :math:`S_0(a)`, elementwise.
        optimal: log r -> the best logit, elementwise, with :math:`r = p_{\mathrm{data}} / p_\theta`; log r for strictly
            proper rules.
        value: (log p, log q) -> density of the best value, elementwise; its integral is :math:`\max_a V(a)`.
        proper: the best logits include log r.
        strictly: the best logit is log r alone.

    Example:
        >>> import torch
        >>> from gmlib.gan import SCORING_RULES
        >>> hinge = SCORING_RULES["hinge"]
        >>> hinge.proper, hinge.optimal(torch.tensor([-3.0, 0.1])).tolist()  # it answers with a side, no probability
        (False, [-1.0, 1.0])
    """

    name: str
    real: Pay
    fake: Pay
    optimal: Pay
    value: Callable[[Tensor, Tensor], Tensor]
    proper: bool
    strictly: bool

    def losses(self) -> PairLoss:
        """The rule as losses of two players: the critic pays what it is not paid, the generator the rest."""
        return PairLoss(self.name, lambda a: -self.real(a), lambda a: -self.fake(a), self.fake)


def expected_score(rule: ScoringRule, a: Float[Tensor, "*batch"], prob: float) -> Float[Tensor, "*batch"]:
    r"""What the logit a is paid on average at a point that is real with probability :math:`\pi`.

    .. math:: \pi\, S_1(a) + (1 - \pi)\, S_0(a)

    Args:
        rule: one of :data:`SCORING_RULES`.
        a: logits, (\*batch,).
        prob: :math:`\pi`, in [0, 1].

    Returns:
        (\*batch,); for a proper rule it is largest at :math:`a = \log\frac\pi{1 - \pi}`.

    Raises:
        TypeError: ``rule`` is not a :class:`ScoringRule`, or ``a`` not a floating tensor.
        ValueError: ``prob`` is not in [0, 1].

    References:
        T. Gneiting and A. E. Raftery, *Strictly proper scoring rules, prediction, and estimation* (2007).

    Example:
        >>> import math, torch
        >>> from gmlib.gan import SCORING_RULES, expected_score
        >>> a = torch.tensor([1.0, math.log(4)])
        >>> [round(v, 3) for v in expected_score(SCORING_RULES["hinge"], a, 0.8).tolist()]  # the truth is paid less
        [-0.4, -0.477]
    """
    _check_rule(rule)
    check_tensor("a", a)
    check_number("prob", prob, low=0.0, high=1.0)
    zero = torch.zeros_like(a)
    real = prob * rule.real(a) if prob > 0 else zero
    return real + ((1 - prob) * rule.fake(a) if prob < 1 else zero)


def score_value(
    rule: ScoringRule,
    p: Any,
    q: Any,
    *,
    critic: Critic | None = None,
    low: float | None = None,
    high: float | None = None,
    points: int = 20_001,
) -> Float[Tensor, ""]:
    r"""The value :math:`\mathbb E_p S_1(a) + \mathbb E_q S_0(a)` of two laws on the line, by the trapezoid rule.

    Args:
        rule: one of :data:`SCORING_RULES`.
        p: the data's law over one coordinate: ``log_prob`` of (n, 1), in nats.
        q: the model's law.
        critic: x (n, 1) -> logits (n,); None: the best one, so that the result is the closed form of the maximum.
        low: left end of the range; None: 12 standard deviations beyond both means.
        high: right end, likewise.
        points: nodes of the rule, at least 3.

    Returns:
        A scalar; with ``critic=None`` a divergence up to constants, see :data:`SCORING_RULES`.

    Raises:
        TypeError: ``rule`` is not a :class:`ScoringRule`, or a law has no ``log_prob``.
        ValueError: a law is not over one coordinate, or the critic's values have the wrong shape.

    Example:
        >>> import torch
        >>> from gmlib.distributions import Gaussian
        >>> from gmlib.gan import SCORING_RULES, score_value
        >>> zero = torch.zeros(1, dtype=torch.float64)
        >>> p, q = Gaussian(zero, var=1.0), Gaussian(zero + 1, var=1.0)
        >>> print(f"{score_value(SCORING_RULES['log'], p, q):.5f}")  # 2 JSD - log 4
        -1.16345
    """
    _check_rule(rule)
    line = on_line(p, q, low, high, points)
    if critic is None:
        return line.integral(rule.value(line.log_p, line.log_q))
    a = on_nodes("critic", critic, line)
    return line.expected(line.log_p, rule.real(a)) + line.expected(line.log_q, rule.fake(a))


def _check_rule(rule: Any) -> None:
    if not isinstance(rule, ScoringRule):
        raise TypeError(f"rule must be a ScoringRule such as SCORING_RULES['log'], got {type(rule).__name__}")


def _log_value(log_p: Tensor, log_q: Tensor) -> Tensor:
    total = torch.logaddexp(log_p, log_q)
    return weighted(log_p, log_p - total) + weighted(log_q, log_q - total)


def _brier_value(log_p: Tensor, log_q: Tensor) -> Tensor:
    # (p - q)^2 / (p + q) - (p + q) = -4 p q / (p + q), without the difference.
    smaller, larger = torch.minimum(log_p, log_q), torch.maximum(log_p, log_q)
    ratio = torch.where(larger > -torch.inf, smaller - larger, 0.0).exp()
    return -smaller.exp() / (1 + ratio)


def _overlap(log_p: Tensor, log_q: Tensor) -> Tensor:
    return torch.minimum(log_p, log_q).exp()


def _same(log_ratio: Tensor) -> Tensor:
    return log_ratio


SCORING_RULES: dict[str, ScoringRule] = {
    rule.name: rule
    for rule in (
        ScoringRule("log", logsigmoid, lambda a: logsigmoid(-a), _same, _log_value, True, True),
        ScoringRule(
            "brier",
            lambda a: -torch.sigmoid(-a).square(),
            lambda a: -torch.sigmoid(a).square(),
            _same,
            _brier_value,
            True,
            True,
        ),
        ScoringRule(
            "exponential",
            lambda a: -torch.exp(-a / 2),
            lambda a: -torch.exp(a / 2),
            _same,
            lambda log_p, log_q: -2 * ((log_p + log_q) / 2).exp(),
            True,
            True,
        ),
        ScoringRule(
            "misclassification",
            lambda a: -(a <= 0).to(a.dtype),
            lambda a: -(a > 0).to(a.dtype),
            _same,
            lambda log_p, log_q: -_overlap(log_p, log_q),
            True,
            False,
        ),
        ScoringRule(
            "hinge",
            lambda a: -torch.relu(1 - a),
            lambda a: -torch.relu(1 + a),
            torch.sign,
            lambda log_p, log_q: -2 * _overlap(log_p, log_q),
            False,
            False,
        ),
        ScoringRule(
            "spherical",
            lambda a: (logsigmoid(2 * a) / 2).exp(),
            lambda a: (logsigmoid(-2 * a) / 2).exp(),
            _same,
            lambda log_p, log_q: (torch.logaddexp(2 * log_p, 2 * log_q) / 2).exp(),
            True,
            True,
        ),
    )
}
r"""The six rules; with p for the data, q for the model, and :math:`D = \sigma(a)`:

================== ================================ ================================ ==================================
rule               :math:`S_1`                      :math:`S_0`                      best value
================== ================================ ================================ ==================================
log                :math:`\log D`                   :math:`\log(1 - D)`              :math:`2\,\mathrm{JSD} - \log 4`
brier              :math:`-(1 - D)^2`               :math:`-D^2`                     :math:`\frac14\int\frac{(p-q)^2}{p+q}
                                                                                     - \frac12`
exponential        :math:`-e^{-a/2}`                :math:`-e^{a/2}`                 :math:`\int(\sqrt p-\sqrt q)^2 - 2`
misclassification  :math:`-[a \le 0]`               :math:`-[a > 0]`                 :math:`\mathrm{TV} - 1`
hinge              :math:`-\max(0, 1 - a)`          :math:`-\max(0, 1 + a)`          :math:`2\,\mathrm{TV} - 2`
spherical          :math:`D / N`                    :math:`(1 - D) / N`              :math:`\int\sqrt{p^2 + q^2}`
================== ================================ ================================ ==================================

with :math:`N = \sqrt{D^2 + (1 - D)^2}`. Misclassification is proper but flat: each a of the right sign is best. Hinge is
not proper: its best logit is :math:`\operatorname{sign}(p - q)`, a probability of .731 or .269 whatever the ratio.
"""
