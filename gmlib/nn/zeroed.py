"""Layers that start at zero, so that what they end starts by changing nothing."""

from __future__ import annotations

from typing import TypeVar

from torch import nn

M = TypeVar("M", bound=nn.Module)


def zeroed(layer: M) -> M:
    """The layer with all its parameters set to 0.

    Example:
        >>> float(zeroed(nn.Linear(1, 1)).weight.detach())
        0.0
    """
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    return layer
