"""Integers from 0 to L - 1: the check that they are, and how often each of them occurs."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gmlib._checks import check_tensor

PART = 2**22
"""Entries that are counted at a time: their places are 64-bit numbers, eight times as large as levels in bytes."""


def check_levels(name: str, x: Any, levels: int) -> None:
    """Raise unless ``x`` is a tensor of integers from 0 to ``levels`` - 1. Waits for the device: not for hot paths."""
    check_tensor(name, x, floating=False)
    if x.is_floating_point() or x.is_complex() or x.dtype == torch.bool:
        raise TypeError(f"{name} must hold integers, got {x.dtype}")
    if not x.numel():
        return
    low, high = int(x.min()), int(x.max())
    if low < 0 or high >= levels:
        raise ValueError(f"{name} must lie between 0 and {levels - 1}, got values from {low} to {high}")


def level_counts(x: Tensor, levels: int) -> Tensor:
    """How often each level occurs in each coordinate: (n, *event) to (*event, levels), float64, on the same device.

    Example:
        >>> level_counts(torch.tensor([[0, 1], [0, 2]]), 3)
        tensor([[2., 0., 0.],
                [0., 1., 1.]], dtype=torch.float64)
    """
    rows = x.reshape(len(x), -1)
    size = rows.shape[1]
    places = torch.arange(size, device=x.device) * levels
    counts = torch.zeros(levels * size, dtype=torch.long, device=x.device)
    for part in rows.split(max(1, PART // size)):
        counts += torch.bincount((part.long() + places).flatten(), minlength=len(counts))
    return counts.double().reshape(*x.shape[1:], levels)
