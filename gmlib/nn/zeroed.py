"""Layers that start at zero, so that what they end starts by changing nothing."""

from __future__ import annotations

from torch import nn


def zeroed(layer: nn.Module) -> nn.Module:
    """The layer with all its parameters set to 0.

    Example:
        >>> float(zeroed(nn.Linear(1, 1)).weight.detach())
        0.0
    """
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    return layer
