"""A table of probabilities: the model that can be any law on finitely many symbols."""

from __future__ import annotations

import torch
from jaxtyping import Integer
from torch import Tensor
from torch.distributions import Categorical

from gmlib._checks import check_count, check_number, check_tensor


def fit_table(x: Integer[Tensor, " n"], categories: int, *, smoothing: float = 0.0) -> Categorical:
    r"""The table of probabilities with the largest average log-likelihood: the empirical frequencies.

    .. math:: \hat\theta = \arg\max_\theta \frac1N\sum_n \log\theta_{x_n}, \qquad
              \hat\theta_k = \frac{n_k + a}{N + aK}

    (:eq:`eq-01-mle` in the book.) With a = 0 this is the maximum, and its value is minus the entropy of the frequencies,
    :math:`-H(\hat p)`. A symbol that was not seen then has probability 0, and costs infinitely many nats when it comes.

    Args:
        x: symbols 0 .. K - 1, (n,), any integer dtype.
        categories: the number K of symbols.
        smoothing: pseudo-count a added to each symbol, at least 0.

    Returns:
        The law, whose ``probs`` are float64.

    Raises:
        TypeError: ``x`` does not hold whole numbers.
        ValueError: ``x`` is empty or not a vector, or a symbol lies outside 0 .. K - 1.

    Example:
        >>> import torch
        >>> from gmlib.classical import fit_table
        >>> law = fit_table(torch.tensor([0, 2, 2, 2]), 3)
        >>> law.probs.tolist(), round(law.log_prob(torch.tensor([0, 2, 2, 2])).mean().item(), 4)
        ([0.25, 0.0, 0.75], -0.5623)
    """
    check_tensor("x", x, floating=False)
    if x.is_floating_point() or x.is_complex() or x.dtype is torch.bool:
        raise TypeError(f"x must hold whole numbers, got {x.dtype}")
    if x.dim() != 1 or x.numel() == 0:
        raise ValueError(f"x must be a vector of at least one symbol, got shape {tuple(x.shape)}")
    check_count("categories", categories)
    check_number("smoothing", smoothing, low=0.0)
    low, high = int(x.min()), int(x.max())
    if low < 0 or high >= categories:
        raise ValueError(f"x must hold symbols 0 .. {categories - 1}, got {low} .. {high}")
    counts = torch.bincount(x.long(), minlength=categories).double() + smoothing
    return Categorical(probs=counts / counts.sum(), validate_args=False)
