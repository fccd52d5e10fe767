"""Weldon's crabs: the table to which Pearson fitted the first mixture of two normal laws.

Weldon measured 1000 shore crabs from Naples. The ratio of the breadth of the forehead to the length of
the body falls into 29 classes of width 0.004; the lopsided histogram made Pearson ask whether two types were
mixed, and fit two normal laws by their moments.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

CLASS_WIDTH = 0.004
"""Width of a class, in units of the ratio."""

FIRST_MIDPOINT = 0.5815
"""Midpoint of the first class, in units of the ratio."""

COUNTS = (
    *(1, 3, 5, 2, 7, 10, 13, 19, 20, 25, 40, 31, 60, 62, 54),
    *(74, 84, 86, 96, 85, 75, 47, 43, 24, 19, 9, 5, 0, 1),
)
"""Number of crabs in each of the 29 classes."""


def crab_table(*, dtype: torch.dtype = torch.float64) -> tuple[Float[Tensor, " 29"], Int[Tensor, " 29"]]:
    """The table: midpoints of the classes (ratio of forehead breadth to body length) and counts.

    Args:
        dtype: dtype of the midpoints.

    Returns:
        Midpoints, shape ``(29,)``, and counts, shape ``(29,)``, which sum to 1000.

    Raises:
        TypeError: if ``dtype`` is not a floating dtype.

    References:
        K. Pearson, *Contributions to the mathematical theory of evolution* (1894), Phil. Trans. A 185,
        71-110; data of W. F. R. Weldon (1893).

    Example:
        >>> midpoints, counts = crab_table()
        >>> print(int(counts.sum()), f"{midpoints[0].item():.4f}")
        1000 0.5815
    """
    if not dtype.is_floating_point:
        raise TypeError(f"dtype must be a floating dtype, got {dtype}")
    classes = torch.arange(len(COUNTS), dtype=torch.float64)
    return (FIRST_MIDPOINT + CLASS_WIDTH * classes).to(dtype), torch.tensor(COUNTS)


def crab_sample(*, dtype: torch.dtype = torch.float64) -> Float[Tensor, "1000 1"]:
    """The 1000 crabs one by one, each at the midpoint of its class, in increasing order.

    Args:
        dtype: dtype of the result.

    Returns:
        Ratios, shape ``(1000, 1)``.

    Raises:
        TypeError: if ``dtype`` is not a floating dtype.

    References:
        As `crab_table`.

    Example:
        >>> crab_sample().shape
        torch.Size([1000, 1])
    """
    midpoints, counts = crab_table(dtype=dtype)
    return midpoints.repeat_interleave(counts).unsqueeze(-1)
