"""Images with their labels."""

from __future__ import annotations

from typing import NamedTuple

from jaxtyping import Int64, UInt8
from torch import Tensor


class LabelledImages(NamedTuple):
    """Images as integer grey levels, and the class of each.

    Attributes:
        images: grey levels from 0, shape (N, 1, height, width), ``torch.uint8``.
        labels: classes from 0, shape (N,), ``torch.int64``.
    """

    images: UInt8[Tensor, "batch 1 height width"]
    labels: Int64[Tensor, " batch"]
