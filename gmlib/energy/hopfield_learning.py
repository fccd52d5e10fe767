r"""Hopfield weights learnt by gradient ascent: one logistic regression a unit, with the weights shared in pairs."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import logsigmoid

from gmlib._checks import check_count, check_finite, check_number, check_tensor
from gmlib.energy._spins import check_like, check_spins


@dataclass(frozen=True)
class LearntWeights:
    """Weights learnt from patterns, and how near they are to the optimum.

    Attributes:
        weights: W, (d, d), symmetric with a zero diagonal.
        slope: largest entry of the objective's gradient at ``weights``, in size; 0 at the optimum.
        objective: its value there, in nats.
        steps: steps taken.
        converged: the slope is within the tolerance.

    Example:
        >>> import torch
        >>> from gmlib.energy import learn_hopfield
        >>> learnt = learn_hopfield(torch.tensor([[1.0, -1.0]]))
        >>> round(learnt.weights[0, 1].item(), 4)  # the root of w = -2 sigmoid(w)
        -0.6748
    """

    weights: Float[Tensor, "d d"]
    slope: float
    objective: float
    steps: int
    converged: bool


def learning_objective(
    weights: Float[Tensor, "d d"], patterns: Float[Tensor, "K d"], weight_decay: float
) -> Float[Tensor, ""]:
    r"""Log-likelihood of every bit given the others, less the weight decay.

    .. math:: \mathcal L(W) = \sum_{k=1}^K \sum_i \log\operatorname{sigmoid}\big(x_i^{(k)} a_i^{(k)}\big)
              - \frac\lambda2 \sum_{i<j} w_{ij}^2, \qquad a^{(k)} = W x^{(k)}

    Each unit is a logistic regression on the others, and :math:`w_{ij}` serves unit i and unit j: a sum of concave
    functions, with a unique maximum when :math:`\lambda > 0`. A Boltzmann machine with the weights W/2 has these
    conditionals, so without the decay this is its pseudo-likelihood; Hopfield recall does not see the factor.

    Args:
        weights: W, (d, d), symmetric with a zero diagonal.
        patterns: :math:`x^{(1)}, \dots, x^{(K)}`, -1 and 1, (K, d).
        weight_decay: :math:`\lambda \ge 0`.

    Returns:
        The objective in nats, at most 0.

    Example:
        >>> import torch
        >>> from gmlib.energy import learning_objective
        >>> learning_objective(torch.zeros(3, 3), torch.ones(2, 3), 1.0).item()  # -6 log 2
        -4.158883094787598
    """
    _check(weights, patterns, weight_decay)
    fit = logsigmoid(patterns * (patterns @ weights)).sum()
    return fit - 0.25 * weight_decay * weights.square().sum()  # both halves of W: 1/2 of each


def learning_gradient(
    weights: Float[Tensor, "d d"], patterns: Float[Tensor, "K d"], weight_decay: float
) -> Float[Tensor, "d d"]:
    r"""The gradient rule: error times input, from both ends of each connection, less the weight decay.

    .. math:: \frac{\partial\mathcal L}{\partial w_{ij}} = \sum_k \big(x_i^{(k)} e_j^{(k)} + e_i^{(k)} x_j^{(k)}\big)
              - \lambda w_{ij}, \qquad
              e_i^{(k)} = \frac{x_i^{(k)} + 1}2 - \operatorname{sigmoid}\big(a_i^{(k)}\big)

    (:eq:`eq-06b-learning` in the book.) Where W = 0, :math:`e = x/2` and the first step is Hebb's rule. A pattern that
    already has wide margins has small errors and stops teaching, which Hebb's rule never does.

    Args:
        weights: W, (d, d), symmetric with a zero diagonal.
        patterns: :math:`x^{(1)}, \dots, x^{(K)}`, -1 and 1, (K, d).
        weight_decay: :math:`\lambda \ge 0`.

    Returns:
        The gradient with respect to each :math:`w_{ij} = w_{ji}`, i < j, written in both places; zero on the diagonal.

    Reference:
        D. J. C. MacKay, *Information Theory, Inference, and Learning Algorithms*, 2003, Algorithm 42.9.

    Example:
        >>> import torch
        >>> from gmlib.energy import learning_gradient
        >>> learning_gradient(torch.zeros(2, 2), torch.tensor([[1.0, -1.0]]), 1.0).tolist()
        [[0.0, -1.0], [-1.0, 0.0]]
    """
    _check(weights, patterns, weight_decay)
    return _gradient(weights, patterns, weight_decay)


def learn_hopfield(
    patterns: Float[Tensor, "K d"],
    *,
    weight_decay: float = 1.0,
    start: Float[Tensor, "d d"] | None = None,
    lr: float | None = None,
    steps: int = 5000,
    tolerance: float | None = None,
    check_every: int = 50,
) -> LearntWeights:
    r"""Learn the weights of a Hopfield net by gradient ascent, with weight decay to the unique optimum.

    The gradient changes at most :math:`L = \lambda + \frac12 \lambda_{\max}(X X^\top)` times as fast as the weights, which
    makes :math:`\eta = 1/L` safe. With weight decay the steps carry the momentum
    :math:`(1 - \sqrt{\lambda/L})/(1 + \sqrt{\lambda/L})` (Nesterov's method for strongly concave functions); without, they
    are plain, there is no optimum if the patterns can all be stored (the weights grow for ever), and the result depends on
    ``start`` and ``steps``.

    Args:
        patterns: :math:`x^{(1)}, \dots, x^{(K)}`, -1 and 1, (K, d).
        weight_decay: :math:`\lambda \ge 0`.
        start: first weights, (d, d); None for zeros. Symmetrised, and the diagonal cleared.
        lr: the learning rate :math:`\eta`; None for 1/L.
        steps: at most so many.
        tolerance: stop once no entry of the gradient is larger, if ``weight_decay`` is not 0. None for 1e-9, or for what
            rounding leaves of the gradient where that is more: 16 (K + :math:`\lambda`) times the dtype's epsilon.
        check_every: steps between two looks at it (each waits for the device).

    Returns:
        Weights, slope, objective, steps and whether they converged, the weights in the dtype and on the device of
        ``patterns``.

    Raises:
        TypeError: an argument is no floating tensor or no number, or the dtypes differ.
        ValueError: a shape does not fit, ``patterns`` holds something else than -1 and 1, or a number is out of range.

    Example:
        >>> import torch
        >>> from gmlib.data import city_strings, encode_strings
        >>> from gmlib.energy import learn_hopfield
        >>> x = encode_strings(city_strings()).double()
        >>> learnt = learn_hopfield(x)
        >>> bool((x * (x @ learnt.weights) > 0).all())  # every bit of every string is stable
        True
    """
    check_tensor("patterns", patterns)
    zeros = patterns.new_zeros(patterns.shape[-1:] * 2)
    w = zeros if start is None else start
    _check(w, patterns, weight_decay)
    check_count("steps", steps)
    check_count("check_every", check_every)
    if tolerance is None:
        eps = torch.finfo(patterns.dtype).eps
        tolerance = max(1e-9, 16 * (len(patterns) + weight_decay) * eps)
    check_number("tolerance", tolerance, low=0.0)
    if lr is not None:
        check_number("lr", lr, low=0.0, low_open=True)
    # X X' and X' X share their eigenvalues: the smaller of them will do.
    gram = patterns @ patterns.T if len(patterns) <= patterns.shape[1] else patterns.T @ patterns
    steepest = weight_decay + 0.5 * float(torch.linalg.eigvalsh(gram)[-1])
    rate = 1 / steepest if lr is None else lr
    root = math.sqrt(min(1.0, weight_decay * rate))
    momentum = (1 - root) / (1 + root) if weight_decay > 0 else 0.0
    w = 0.5 * (w + w.T)
    w = w - w.diag().diag()
    ahead, taken = w, 0
    while taken < steps:
        for _ in range(min(check_every, steps - taken)):
            new = ahead + rate * _gradient(ahead, patterns, weight_decay)
            ahead = new + momentum * (new - w)
            w = new
            taken += 1
        if weight_decay > 0 and float(_gradient(w, patterns, weight_decay).abs().max()) <= tolerance:
            break
    w = 0.5 * (w + w.T)  # rounding: a matrix product need not be symmetric to the last bit
    slope = float(_gradient(w, patterns, weight_decay).abs().max())
    objective = float(learning_objective(w, patterns, weight_decay))
    return LearntWeights(w, slope, objective, taken, slope <= tolerance)


def _gradient(weights: Tensor, patterns: Tensor, weight_decay: float) -> Tensor:
    error = (patterns + 1) / 2 - torch.sigmoid(patterns @ weights)
    half = patterns.T @ error
    gradient = half + half.T - weight_decay * weights
    return gradient - gradient.diag().diag()


def _check(weights: Tensor, patterns: Tensor, weight_decay: float) -> None:
    check_tensor("patterns", patterns)
    if patterns.dim() != 2 or patterns.numel() == 0:
        raise ValueError(f"patterns must have shape (K, d) with K, d >= 1, got shape {tuple(patterns.shape)}")
    check_spins("patterns", patterns)
    d = patterns.shape[1]
    check_tensor("weights", weights)
    if tuple(weights.shape) != (d, d):
        raise ValueError(
            f"weights must have shape ({d}, {d}) to fit patterns, got shape {tuple(weights.shape)}"
        )
    check_like("weights", weights, patterns, "patterns")
    check_finite("weights", weights)
    check_number("weight_decay", weight_decay, low=0.0)
