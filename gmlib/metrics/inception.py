"""The Inception score: does a classifier recognise each sample, and all classes?"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_finite, check_tensor


def inception_score(probs: Float[Tensor, "n classes"]) -> Float[Tensor, ""]:
    r"""The exponential of the information that a sample gives about its class.

    .. math:: \log \mathrm{IS} = \mathbb E_{x \sim p_\theta} \mathrm{KL}\big(p(y \mid x) \,\|\, p_\theta(y)\big)
              = H\big(p_\theta(y)\big) - \mathbb E_{x \sim p_\theta} H\big(p(y \mid x)\big)

    (:eq:`eq-01-inception` in the book; Salimans et al. 2016.) The marginal :math:`p_\theta(y)` is the average of
    :math:`p(y \mid x)` over the *same* samples: with another one in its place the two forms differ, and the result is no
    score of the model. It lies between 1 (each sample gets the same class law) and the number of classes, which one perfect
    sample per class already reaches: what happens within a class it cannot see.

    Args:
        probs: class probabilities of the model's samples by some classifier, one row a sample, (n, classes).

    Returns:
        A scalar between 1 and the number of classes.

    Raises:
        ValueError: there is no row, or a row is not a table of probabilities (to 1e-4).
        TypeError: ``probs`` is not floating point.

    Example:
        >>> import torch
        >>> from gmlib.metrics import inception_score
        >>> score = inception_score(torch.eye(10).repeat(100, 1))  # certain of each, and all ten occur
        >>> round(score.item(), 9)
        10.0
    """
    check_tensor("probs", probs)
    if probs.dim() != 2 or probs.numel() == 0:
        raise ValueError(f"probs must be a matrix (n, classes) with n >= 1, got shape {tuple(probs.shape)}")
    check_finite("probs", probs)
    if bool((probs < 0).any()) or bool(((probs.sum(1) - 1).abs() > 1e-4).any()):
        raise ValueError("probs must have rows of probabilities, non-negative and with sum 1")
    probs = probs.double()
    information = _entropy(probs.mean(0)) - _entropy(probs).mean()
    return information.exp()


def _entropy(probs: Tensor) -> Tensor:
    return -torch.special.xlogy(probs, probs).sum(-1)
