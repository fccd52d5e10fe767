"""Filling gaps in a table with column means, and what that does to it."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_tensor


def impute_means(x: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
    r"""Replace each missing entry by the mean of the observed entries of its column.

    .. math:: x_{nj} \leftarrow \frac{1}{N_j} \sum_{m:\, x_{mj} \text{ observed}} x_{mj}

    It leaves the column means as they are. The variance of column j (divisor N) becomes the observed variance times the
    observed share :math:`N_j / N`, exactly: the filled-in entries have no spread of their own.

    Args:
        x: a table with NaN for what is missing, (n, d).

    Returns:
        The filled table, (n, d).

    Raises:
        ValueError: ``x`` is not a matrix, holds an infinity, or a column has no observed entry.

    Example:
        >>> import torch
        >>> from gmlib.classical import impute_means
        >>> nan = float("nan")
        >>> impute_means(torch.tensor([[1.0, nan], [3.0, 5.0]])).tolist()
        [[1.0, 5.0], [3.0, 5.0]]
    """
    check_tensor("x", x)
    if x.dim() != 2 or x.numel() == 0:
        raise ValueError(f"x must be a matrix (n, d) with n, d >= 1, got shape {tuple(x.shape)}")
    if bool(x.isinf().any()):
        raise ValueError("x must be finite where it is observed (NaN marks what is missing), got an infinity")
    missing = x.isnan()
    if bool(missing.all(0).any()):
        raise ValueError(
            f"x must have an observed entry in each column, got none in column {int(missing.all(0).int().argmax())}"
        )
    return torch.where(missing, x.nanmean(0), x)
