"""The check that something is a Hopfield network."""

from __future__ import annotations

from typing import Any

from gmlib.energy.hopfield import Hopfield


def check_net(net: Any) -> None:
    """Raise ``TypeError`` unless ``net`` is a Hopfield network."""
    if not isinstance(net, Hopfield):
        raise TypeError(f"net must be a gmlib.energy.hopfield.Hopfield, got {type(net).__name__}")
