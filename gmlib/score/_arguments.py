"""What the functions of this package are given: points, scores, noise levels and directions, read by one rule."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_callable as check_callable
from gmlib._checks import check_finite, check_number, check_tensor
from gmlib.distributions import Law

Score = Callable[..., Tensor]
Level = float | int | Tensor


def check_points(name: str, x: Any) -> None:
    """Raise unless ``x`` holds at least one point with at least one event dimension, (batch, *event)."""
    check_tensor(name, x)
    if x.dim() < 2 or x.numel() == 0:
        raise ValueError(
            f"{name} must have shape (batch, *event) with at least one point and one event dimension, "
            f"got shape {tuple(x.shape)}"
        )


def check_law(name: str, value: Any) -> None:
    """Raise unless ``value`` is an exact law."""
    if not isinstance(value, Law):
        raise TypeError(f"{name} must be a gmlib Law, got {type(value).__name__}")


def check_same(name: str, value: Any, other: str, x: Tensor) -> None:
    """Raise unless ``value`` is a floating tensor with the shape, dtype and device of ``x``."""
    check_tensor(name, value)
    if value.shape == x.shape and value.dtype == x.dtype and value.device == x.device:
        return
    for what, given, wanted in (
        ("shape", tuple(value.shape), tuple(x.shape)),
        ("dtype", value.dtype, x.dtype),
        ("device", value.device, x.device),
    ):
        if given != wanted:
            raise ValueError(f"{name} must have the {what} {wanted} of {other}, got {given}")


def check_value(name: str, value: Any, shape: tuple[int, ...], x: Tensor) -> None:
    """Raise unless ``value``, what a callable made of ``x``, is a floating tensor of that shape, on the device of x."""
    check_tensor(f"{name}(x)", value)
    if tuple(value.shape) != shape:
        wanted = (
            f"the shape {shape} of x" if shape == tuple(x.shape) else f"shape {shape}, one number a point"
        )
        raise ValueError(f"{name}(x) must have {wanted}, got shape {tuple(value.shape)}")
    if value.device != x.device:
        raise ValueError(f"{name}(x) must be on the device {x.device} of x, got {value.device}")


def evaluate(
    score: Score, x: Tensor, name: str = "score", *conditions: Tensor
) -> Float[Tensor, "batch *event"]:
    """Return ``score(x, *conditions)`` after a look at its kind, shape and device; its dtype is its own business."""
    value = score(x, *conditions)
    check_value(name, value, tuple(x.shape), x)
    return value


def evaluate_energy(energy: Callable[[Tensor], Tensor], x: Tensor) -> Float[Tensor, " batch"]:
    """Return ``energy(x)``, one number a point, after the same look."""
    value = energy(x)
    check_value("energy", value, tuple(x.shape[:1]), x)
    return value


def check_levels(name: str, sigmas: Any, low: int = 1) -> None:
    """Raise unless ``sigmas`` is a vector of at least ``low`` positive noise levels. Synchronises with the device."""
    check_tensor(name, sigmas)
    if sigmas.dim() != 1 or len(sigmas) < low:
        raise ValueError(
            f"{name} must have shape (levels,) with levels >= {low}, got shape {tuple(sigmas.shape)}"
        )
    check_positive(name, sigmas)


def check_positive(name: str, sigma: Tensor) -> None:
    """Raise unless all noise levels are positive and finite. Synchronises with the device."""
    check_finite(name, sigma)
    if not bool((sigma > 0).all()):
        raise ValueError(f"{name} must be positive, got a level of {float(sigma.min()):g}")


def level_tensor(name: str, sigma: Any, x: Tensor) -> Tensor:
    """Return a noise level, a positive number or a tensor () or (batch,), as such a tensor of x's dtype and device.

    The values of a tensor are not looked at.
    """
    if not isinstance(sigma, Tensor):
        check_number(name, sigma, low=0.0, low_open=True)
        return x.new_full((), sigma)
    check_tensor(name, sigma)
    if tuple(sigma.shape) not in ((), (x.shape[0],)):
        raise ValueError(
            f"{name} must have shape () or ({x.shape[0]},), one a point, got {tuple(sigma.shape)}"
        )
    if sigma.device != x.device and (sigma.dim() > 0 or sigma.device.type != "cpu"):
        raise ValueError(f"{name} must be on the device {x.device} of the points, got {sigma.device}")
    return sigma.to(device=x.device, dtype=x.dtype)


def read_level(name: str, sigma: Any, x: Tensor) -> Level:
    """Read a noise level as `level_tensor` does and make it broadcast against ``x``; a number stays a number."""
    if not isinstance(sigma, Tensor):
        check_number(name, sigma, low=0.0, low_open=True)
        return sigma
    return spread(level_tensor(name, sigma, x), x.dim() - 1)


def spread(level: Tensor, ones: int) -> Tensor:
    """Levels (batch,) followed by that many ones; one level for all points, (), as it is."""
    return level.reshape(-1, *(1,) * ones) if level.dim() else level


def split_directions(projections: Any, x: Tensor) -> tuple[Tensor, ...]:
    """Return the directions in ``projections``, shaped as ``x`` or with their number in front, one by one."""
    check_tensor("projections", projections)
    directions = projections.unbind() if projections.dim() == x.dim() + 1 else (projections,)
    if not directions or directions[0].dim() != x.dim():
        raise ValueError(
            f"projections must have the shape {tuple(x.shape)} of x, with at most the number of directions in front, "
            f"got {tuple(projections.shape)}"
        )
    check_same("projections", directions[0], "x", x)
    return directions


def average(terms: list[Tensor]) -> Tensor:
    """The mean of terms of one shape, one a direction."""
    return terms[0] if len(terms) == 1 else torch.stack(terms).mean(0)
