"""Checks of states whose units are +1 or -1."""

from __future__ import annotations

from typing import Any

import torch

from gmlib._checks import check_tensor


def check_spins(name: str, value: Any, d: int | None = None) -> None:
    """Raise unless ``value`` is a floating tensor of +1 and -1, (*batch, d). Synchronises with the device."""
    check_tensor(name, value)
    if value.dim() < 1 or value.shape[-1] == 0 or (d is not None and value.shape[-1] != d):
        want = "(*batch, d) with d >= 1" if d is None else f"(*batch, {d})"
        raise ValueError(f"{name} must have shape {want}, got shape {tuple(value.shape)}")
    bad = value.abs() != 1
    if bool(bad.any()):
        raise ValueError(f"{name} must hold +1 and -1 only, got {value[bad][0].item():g} among its entries")


def check_like(name: str, value: torch.Tensor, like: torch.Tensor, what: str) -> None:
    """Raise unless ``value`` has the dtype and the device of ``like``, which the message calls ``what``."""
    if value.dtype != like.dtype:
        raise TypeError(f"{name} must have the dtype of {what}, {like.dtype}, got {value.dtype}")
    if value.device != like.device:
        raise ValueError(f"{name} must be on the device of {what}, {like.device}, got {value.device}")
