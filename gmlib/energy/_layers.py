"""Checks of what goes into a machine of two layers: its weights and biases, and the states of a layer."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from gmlib._checks import check_event, check_finite, check_tensor
from gmlib.energy._spins import check_like


def check_layer(name: str, value: Any, n: int, like: Tensor) -> None:
    """Raise unless ``value`` is (*batch, n), of the dtype and on the device of ``like``, the machine's weights."""
    check_event(name, value, (n,))
    check_like(name, value, like, "the machine")


def check_parameters(weight: Any, visible: dict[str, Any], hidden: dict[str, Any]) -> None:
    """Raise unless ``weight`` is (d, d_h) and the vectors, by name, (d,) and (d_h,), all finite and of one kind."""
    for name, value in {"weight": weight, **visible, **hidden}.items():
        check_tensor(name, value)
        check_finite(name, value)
    if weight.dim() != 2 or weight.numel() == 0:
        raise ValueError(
            f"weight must have shape (d, d_h), one row a visible unit, got {tuple(weight.shape)}"
        )
    for vectors, n in ((visible, weight.shape[0]), (hidden, weight.shape[1])):
        for name, value in vectors.items():
            if tuple(value.shape) != (n,):
                raise ValueError(
                    f"{name} must have shape ({n},) for a weight of shape {tuple(weight.shape)}, "
                    f"got {tuple(value.shape)}"
                )
            check_like(name, value, weight, "weight")


def check_bits(name: str, value: Tensor) -> None:
    """Raise unless ``value`` holds 0 and 1 only. Synchronises with the device."""
    bad = (value != 0) & (value != 1)
    if bool(bad.any()):
        raise ValueError(f"{name} must hold 0 and 1 only, got {value[bad][0].item():g} among its entries")
