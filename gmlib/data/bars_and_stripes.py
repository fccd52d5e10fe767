"""Bars and stripes: the classical small data set with a law known exactly."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_count


def bars_and_stripes(size: int, *, dtype: torch.dtype = torch.float32) -> Float[Tensor, "n pixels"]:
    r"""All distinct images of bars (columns on or off) and stripes (rows on or off), one a row.

    .. math:: n = 2 \cdot 2^{\text{size}} - 2

    The empty and the full image are both bars and stripes and appear once, so that the uniform law over the rows has
    entropy :math:`\log n`, the smallest mean negative log-likelihood of any model: :math:`\log 14 = 2.639` nats for size 3,
    :math:`\log 30 = 3.401` for size 4. (Tossing a coin for the direction first would give these two images twice the
    probability of the others, another law.)

    Args:
        size: pixels on a side, from 1 to 12; for 1 there are two images.
        dtype: a floating dtype.

    Returns:
        Pixels 0 or 1, flattened row by row, (n, size^2): stripes in binary order, then the bars that are no stripes.

    Raises:
        TypeError: ``size`` is no int, or ``dtype`` is not floating.
        ValueError: ``size`` is out of range.

    Example:
        >>> from gmlib.data import bars_and_stripes
        >>> bars_and_stripes(4).shape
        torch.Size([30, 16])
        >>> bars_and_stripes(2).tolist()[1:3]
        [[0.0, 0.0, 1.0, 1.0], [1.0, 1.0, 0.0, 0.0]]
    """
    check_count("size", size)
    if size > 12:
        raise ValueError(f"size must be at most 12, got {size}: there are 2^(size + 1) - 2 images")
    if not dtype.is_floating_point:
        raise TypeError(f"dtype must be floating, got {dtype}")
    lines = (torch.arange(2**size)[:, None] >> torch.arange(size - 1, -1, -1)) & 1
    stripes = lines[:, :, None].expand(-1, size, size)
    bars = lines[1:-1, None, :].expand(-1, size, size) if size > 1 else stripes[:0]
    return torch.cat((stripes, bars)).reshape(-1, size * size).to(dtype)
