r"""The density ratio from a classifier, and the divergence that the classifier's value measures.

The best classifier of real against fake points has the log-ratio as its logit, so a sampler without a density can be
compared with data after all.
"""

from __future__ import annotations

import math
from typing import Any

from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import logsigmoid

from gmlib._checks import check_number, check_tensor
from gmlib.gan._line import check_log_prob, on_line
from gmlib.gan._points import check_vectors

LOG4 = math.log(4)


def optimal_logit(
    p: Any, q: Any, x: Float[Tensor, "*batch d"], *, log_prior: float = 0.0
) -> Float[Tensor, "*batch"]:
    r"""The logit of the best classifier of points of p (label 1) against points of q (label 0).

    .. math:: a^*(x) = \log\frac{p(x)}{q(x)} + \log\frac{n_{\mathrm{real}}}{n_{\mathrm{fake}}}, \qquad
              D^* = \sigma(a^*) = \frac{p}{p + q} \ \text{at equal numbers}, \qquad r = \frac{D^*}{1 - D^*}

    (:eq:`eq-14-ratio` and :eq:`eq-14-prior` in the book; Goodfellow et al. 2014, proposition 1.) With unequal numbers
    the critic also learns how often each class shows up; subtract ``log_prior`` to be left with the log-ratio.

    Args:
        p: the data's law, with ``log_prob`` in nats.
        q: the model's law.
        x: points, (\*batch, d).
        log_prior: :math:`\log(n_{\mathrm{real}} / n_{\mathrm{fake}})`, the log-odds of the classes.

    Returns:
        (\*batch,), in nats; infinite where one law has no mass, NaN where neither has.

    Raises:
        TypeError: a law has no ``log_prob``, ``x`` is not a floating tensor, or ``log_prior`` not a number.
        ValueError: ``log_prior`` is not finite.

    Example:
        >>> import torch
        >>> from gmlib.distributions import Gaussian
        >>> from gmlib.gan import optimal_logit
        >>> p, q = Gaussian(torch.zeros(1), var=1.0), Gaussian(torch.ones(1), var=1.0)
        >>> optimal_logit(p, q, torch.tensor([[0.0], [0.5], [1.0]])).tolist()  # 1/2 - x
        [0.5, 0.0, -0.5]
    """
    for name, law in (("p", p), ("q", q)):
        check_log_prob(name, law)
    check_tensor("x", x)
    check_number("log_prior", log_prior)
    return p.log_prob(x) - q.log_prob(x) + log_prior


def log_score_value(real_logits: Float[Tensor, " n"], fake_logits: Float[Tensor, " m"]) -> Float[Tensor, ""]:
    r"""The value of a critic under the log score, on samples.

    .. math:: V = \frac1n \sum_i \log D(x_i) + \frac1m \sum_j \log\big(1 - D(\tilde x_j)\big), \qquad D = \sigma(a)

    (:eq:`eq-14-value` in the book; Goodfellow et al. 2014, equation 1.) In expectation at most
    :math:`V^* = 2\,\mathrm{JSD} - \log 4`, reached by :func:`optimal_logit`. From logits, so that a confident critic
    costs no infinity.

    Args:
        real_logits: a on real points, (n,).
        fake_logits: a on fake points, (m,).

    Returns:
        A scalar, in nats, never positive.

    Raises:
        TypeError: not floating tensors.
        ValueError: not non-empty vectors.

    Example:
        >>> import torch
        >>> from gmlib.gan import jsd_from_value, log_score_value
        >>> value = log_score_value(torch.zeros(3), torch.zeros(5))  # it cannot tell them apart
        >>> print(f"{value:.4f}", jsd_from_value(value).item())
        -1.3863 0.0
    """
    check_vectors(real_logits=real_logits, fake_logits=fake_logits)
    return logsigmoid(real_logits).mean() + logsigmoid(-fake_logits).mean()


def jsd_from_value(value: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
    r"""The Jensen-Shannon divergence that a value of the log score stands for: :math:`(V + \log 4) / 2`.

    (:eq:`eq-14-value` in the book.) At the best critic it is the divergence; below it, a lower bound, which may be
    negative.

    Args:
        value: V of :func:`log_score_value`, in nats.

    Returns:
        Nats, at most log 2.

    Raises:
        TypeError: ``value`` is not a floating tensor.

    Example:
        >>> import torch
        >>> from gmlib.gan import jsd_from_value
        >>> print(f"{jsd_from_value(torch.zeros(())):.4f}")  # V = 0: told apart without an error
        0.6931
    """
    check_tensor("value", value)
    return (value + LOG4) / 2


def weighted_log_value(
    p: Any,
    q: Any,
    prior: float,
    *,
    low: float | None = None,
    high: float | None = None,
    points: int = 20_001,
) -> Float[Tensor, ""]:
    r"""The best log score when a point is real with probability :math:`\pi`, by the trapezoid rule.

    .. math:: \max_D\, \pi\,\mathbb E_p \log D + (1 - \pi)\,\mathbb E_q \log(1 - D)
              = \mathrm{JSD}_\pi - H(\pi), \qquad D^* = \frac{\pi p}{\pi p + (1 - \pi) q}

    where :math:`\mathrm{JSD}_\pi` is the mutual information between a point and its label, and H the entropy of the label.
    At :math:`\pi = \frac12` it is half of :math:`2\,\mathrm{JSD} - \log 4`.

    Args:
        p: the data's law over one coordinate: ``log_prob`` of (n, 1), in nats.
        q: the model's law.
        prior: :math:`\pi`, in (0, 1).
        low: left end of the range; None: 12 standard deviations beyond both means.
        high: right end, likewise.
        points: nodes of the rule, at least 3.

    Returns:
        A scalar, in nats, between :math:`-H(\pi)` and 0.

    Raises:
        TypeError: a law has no ``log_prob``.
        ValueError: ``prior`` is out of range, or a law is not over one coordinate.

    Example:
        >>> import torch
        >>> from gmlib.distributions import Gaussian
        >>> from gmlib.gan import weighted_log_value
        >>> law = Gaussian(torch.zeros(1, dtype=torch.float64), var=1.0)
        >>> print(f"{weighted_log_value(law, law, 0.8):.4f}")  # equal laws: only the prior is left, -H(.8)
        -0.5004
    """
    check_number("prior", prior, low=0.0, high=1.0, low_open=True, high_open=True)
    line = on_line(p, q, low, high, points)
    a = line.log_ratio + math.log(prior / (1 - prior))
    real, fake = line.expected(line.log_p, logsigmoid(a)), line.expected(line.log_q, logsigmoid(-a))
    return prior * real + (1 - prior) * fake
