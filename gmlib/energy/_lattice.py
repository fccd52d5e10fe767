"""Checks of what goes into the Ising model: lattices and inverse temperatures."""

from __future__ import annotations

from torch import Tensor

from gmlib._checks import check_number, check_tensor


def check_lattice(name: str, x: Tensor, *, periodic: bool, parity: bool = True) -> None:
    """Raise unless ``x`` is (*batch, height, width) with sides that suit the boundary (even ones for a chessboard)."""
    check_tensor(name, x)
    if x.dim() < 2 or 0 in x.shape[-2:]:
        raise ValueError(f"{name} must have shape (*batch, height, width), got shape {tuple(x.shape)}")
    height, width = x.shape[-2:]
    if periodic and (min(height, width) < 3 or (parity and (height % 2 or width % 2))):
        kind = "even and at least 4" if parity else "at least 3"
        raise ValueError(
            f"{name} must have sides that are {kind} when the boundary is periodic, got {height} x {width}"
        )


def check_inv_temp(inv_temp: Tensor, name: str = "inv_temp") -> None:
    """Raise unless ``inv_temp``, which the message calls ``name``, is a floating tensor of finite numbers >= 0."""
    check_tensor(name, inv_temp)
    if inv_temp.numel() == 0:
        raise ValueError(f"{name} must not be empty, got shape {tuple(inv_temp.shape)}")
    for value in (inv_temp.detach().min(), inv_temp.detach().max()):
        check_number(name, float(value), low=0.0)
