"""The one check that matrices need."""

from __future__ import annotations

from torch import Tensor

from gmlib._checks import check_tensor


def check_square(name: str, matrix: Tensor) -> None:
    """Raise unless ``matrix`` is a floating tensor of square matrices, shape ``(*batch, d, d)``."""
    check_tensor(name, matrix)
    if matrix.dim() < 2 or matrix.shape[-1] != matrix.shape[-2]:
        raise ValueError(f"{name} must have shape (*batch, d, d), got shape {tuple(matrix.shape)}")
