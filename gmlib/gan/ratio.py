r"""The density ratio from a classifier, and the divergence that the classifier's value measures.

The best classifier of real against fake points has the log-ratio as its logit, so a sampler without a density can be
compared with data after all.
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

from gmlib._checks import check_count, check_finite, check_number, check_tensor
from gmlib.gan._line import check_vectors, on_line

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
        (\*batch,), in nats; infinite where one law has no mass.

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
        if not callable(getattr(law, "log_prob", None)):
            raise TypeError(f"{name} must have a method log_prob, got {type(law).__name__}")
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


@dataclass(frozen=True)
class RatioFit:
    r"""A logistic regression of real against fake points, read as a log-ratio.

    Attributes:
        weights: one a feature, (k,).
        intercept: of the logit, a scalar; it includes ``log_prior``.
        covariance: of (weights, intercept) over repeated samples of these sizes, (k + 1, k + 1).
        log_prior: :math:`\log(n_{\mathrm{real}} / n_{\mathrm{fake}})`.
        features: the function of x that the logit is linear in.
        steps: Newton steps taken.

    Example:
        >>> import torch
        >>> from gmlib.gan import fit_ratio
        >>> fit = fit_ratio(torch.tensor([[-1.0], [2.0]]), torch.tensor([[1.0], [-2.0]]))
        >>> fit.log_prior, fit.log_ratio(torch.zeros(1, 1)).abs().item() < 1e-9
        (0.0, True)
    """

    weights: Tensor
    intercept: Tensor
    covariance: Tensor
    log_prior: float
    features: Callable[[Tensor], Tensor]
    steps: int

    @property
    def standard_errors(self) -> Float[Tensor, " k"]:
        """Of the weights and, last, of the intercept."""
        return self.covariance.diagonal().sqrt()

    def logit(self, x: Float[Tensor, "batch d"]) -> Float[Tensor, " batch"]:
        """The classifier's logit a(x): the log-ratio plus ``log_prior``."""
        return self.features(x).to(self.weights) @ self.weights + self.intercept

    def log_ratio(self, x: Float[Tensor, "batch d"]) -> Float[Tensor, " batch"]:
        """The estimate of log p(x) - log q(x), with the class sizes taken out."""
        return self.logit(x) - self.log_prior


def fit_ratio(
    real: Float[Tensor, "n d"],
    fake: Float[Tensor, "m d"],
    features: Callable[[Tensor], Tensor] | None = None,
    *,
    ridge: float = 0.0,
    most: int = 100,
) -> RatioFit:
    r"""Fit a log-ratio that is linear in features by logistic regression, to the maximum, by Newton's method.

    .. math:: \max_{w, b} \sum_i \log\sigma(a(x_i)) + \sum_j \log\sigma(-a(\tilde x_j)) - \tfrac\rho2 \lVert w \rVert^2,
              \qquad a(x) = w^\top \varphi(x) + b

    (:eq:`eq-14-prior` in the book.) The errors are those of samples of fixed sizes: the inverse of the information, less
    :math:`1/n + 1/m` at the intercept, because the numbers of either class are chosen and not drawn (Prentice & Pyke
    1979). They hold where the model does; with a ridge they are those of the penalised maximum.

    Args:
        real: points of p, (n, d).
        fake: points of q, (m, d).
        features: x (batch, d) -> (batch, k); None: the coordinates. The intercept comes by itself.
        ridge: :math:`\rho \ge 0`, which holds the weights when the classes can be separated.
        most: Newton steps after which to give up.

    Returns:
        The fit, in float64 where the device has it.

    Raises:
        TypeError: not floating tensors.
        ValueError: shapes or devices that do not match, entries that are not finite, or no finite maximum.

    Example:
        >>> import torch
        >>> from gmlib.gan import fit_ratio
        >>> generator = torch.Generator().manual_seed(0)
        >>> real, fake = torch.randn(4000, 1, generator=generator), 1 + torch.randn(1000, 1, generator=generator)
        >>> fit = fit_ratio(real, fake)  # truth: slope -1, intercept 1/2, and log 4 from the class sizes
        >>> print(f"{fit.weights.item():.2f} {fit.intercept.item() - fit.log_prior:.2f}")
        -1.00 0.48
    """
    for name, value in (("real", real), ("fake", fake)):
        check_tensor(name, value)
        if value.dim() != 2 or value.shape[0] == 0:
            raise ValueError(f"{name} must have shape (n, d) with n >= 1, got shape {tuple(value.shape)}")
        check_finite(name, value)
    if real.shape[1] != fake.shape[1] or real.device != fake.device:
        raise ValueError(
            f"fake must have the {real.shape[1]} coordinates and the device {real.device} of real, "
            f"got shape {tuple(fake.shape)} on {fake.device}"
        )
    check_number("ridge", ridge, low=0.0)
    check_count("most", most)
    chosen = features if features is not None else _coordinates
    wide = torch.float32 if real.device.type == "mps" else torch.float64
    parts = [chosen(x) for x in (real, fake)]
    check_tensor("features(real)", parts[0])
    if parts[0].dim() != 2 or parts[0].shape[0] != real.shape[0]:
        raise ValueError(f"features must map (n, d) to (n, k), got shape {tuple(parts[0].shape)}")
    n, m = real.shape[0], fake.shape[0]
    design = torch.cat([part.detach().to(wide) for part in parts])
    design = torch.cat([design, torch.ones_like(design[:, :1])], 1)
    sign = torch.cat([torch.ones_like(design[:n, 0]), -torch.ones_like(design[n:, 0])])
    penalty = torch.full_like(design[0], ridge)
    penalty[-1] = 0.0
    w, information, steps = _newton(design, sign, penalty, most)
    covariance = torch.linalg.inv(information)
    covariance[-1, -1] -= 1 / n + 1 / m
    return RatioFit(w[:-1], w[-1], covariance, math.log(n / m), chosen, steps)


def _coordinates(x: Tensor) -> Tensor:
    return x


def _newton(design: Tensor, sign: Tensor, penalty: Tensor, most: int) -> tuple[Tensor, Tensor, int]:
    """Minimise the penalised logistic loss; weights, information there and the number of steps."""

    def loss(w: Tensor) -> Tensor:
        return -logsigmoid(sign * (design @ w)).sum() + (penalty * w.square()).sum() / 2

    w = torch.zeros_like(design[0])
    enough = 1e-4 if design.dtype == torch.float32 else 1e-9
    for step in range(1, most + 1):
        prob = torch.sigmoid(design @ w)
        gradient = design.T @ (prob - (sign > 0).to(prob)) + penalty * w
        information = (design * (prob * (1 - prob))[:, None]).T @ design + penalty.diag()
        factor, failed = torch.linalg.cholesky_ex(information)
        if bool(failed):
            break
        direction = torch.cholesky_solve(gradient[:, None], factor)[:, 0]
        decrement = (gradient @ direction).sqrt()
        if float(decrement) < enough:
            # All on the right side: the classes are separated, and any longer w is better.
            if not bool(penalty.any()) and bool((sign * (design @ w) > 0).all()):
                break
            return w, information, step - 1
        length, before = 1.0, loss(w)
        allowed = before * (
            1 + 100 * torch.finfo(before.dtype).eps
        )  # near the end the differences are rounding
        while length > 1e-6 and not bool(loss(w - length * direction) <= allowed):
            length /= 2
        w = w - length * direction
    raise ValueError(
        "real and fake must overlap and the features must be independent: no finite maximum was found "
        f"in {most} Newton steps; a ridge > 0 makes one"
    )
