"""Checks of units that are +1 or -1, of what couples them, and of masks that say which of them are known."""

from __future__ import annotations

from typing import Any

import torch

from gmlib._checks import check_finite, check_tensor


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


def check_couplings(weights: Any, bias: Any) -> torch.Tensor:
    """Raise unless ``weights`` couple d units in pairs and ``bias`` fits them; return the bias, zeros for None.

    Couplings are symmetric, finite and zero on the diagonal. Synchronises with the device.
    """
    check_tensor("weights", weights)
    if weights.dim() != 2 or weights.shape[0] != weights.shape[1] or not len(weights):
        raise ValueError(f"weights must have shape (d, d) with d >= 1, got shape {tuple(weights.shape)}")
    check_finite("weights", weights)
    if bool(weights.diagonal().any()):
        value = float(weights.diagonal().abs().max())
        raise ValueError(f"weights must have a zero diagonal, got an entry of size {value:g} on it")
    if not torch.equal(weights, weights.T):
        off = float((weights - weights.T).abs().max())
        raise ValueError(f"weights must be symmetric, got entries that differ from the transpose by {off:g}")
    if bias is None:
        return weights.new_zeros(len(weights))
    check_tensor("bias", bias)
    if tuple(bias.shape) != (len(weights),):
        raise ValueError(f"bias must have shape ({len(weights)},), got shape {tuple(bias.shape)}")
    check_like("bias", bias, weights, "the weights")
    check_finite("bias", bias)
    return bias


def check_known(known: Any, x: torch.Tensor) -> None:
    """Raise unless ``known`` is a boolean mask of the units of ``x`` (*batch, d), one for each state or one for all."""
    if not isinstance(known, torch.Tensor) or known.dtype != torch.bool:
        got = str(known.dtype) if isinstance(known, torch.Tensor) else type(known).__name__
        raise TypeError(f"known must be a torch.Tensor of dtype torch.bool, got {got}")
    one, each = tuple(x.shape[-1:]), tuple(x.shape)
    if tuple(known.shape) not in (one, each):
        raise ValueError(f"known must have shape {one} or {each}, got shape {tuple(known.shape)}")
    if known.device != x.device:
        raise ValueError(f"known must be on the device of x, {x.device}, got {known.device}")
