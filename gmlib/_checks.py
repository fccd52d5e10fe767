"""Argument checks with one voice: the argument, what was given, what is wanted."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor


def check_tensor(name: str, value: Any, *, floating: bool = True) -> None:
    """Raise ``TypeError`` unless ``value`` is a tensor (of a floating dtype, if ``floating``)."""
    if not isinstance(value, Tensor):
        raise TypeError(f"{name} must be a torch.Tensor, got {type(value).__name__}")
    if floating and not value.is_floating_point():
        raise TypeError(
            f"{name} must have a floating dtype, got {value.dtype}; convert it with {name}.float()"
        )


def check_event(name: str, value: Any, event_shape: tuple[int, ...]) -> None:
    """Raise unless ``value`` is a floating tensor whose last dimensions are ``event_shape``."""
    check_tensor(name, value)
    n = len(event_shape)
    if value.dim() < n or tuple(value.shape[value.dim() - n :]) != tuple(event_shape):
        raise ValueError(
            f"{name} must end in the event shape {tuple(event_shape)}, got shape {tuple(value.shape)}"
        )


def check_finite(name: str, value: Tensor) -> None:
    """Raise ``ValueError`` when ``value`` holds NaN or infinity. Synchronises with the device: not for hot paths."""
    if bool(torch.isfinite(value.sum())):  # a finite sum has finite terms, and costs one pass
        return
    if not bool(torch.isfinite(value).all()):
        bad = int((~torch.isfinite(value)).sum())
        raise ValueError(f"{name} must be finite, got {bad} NaN or infinite of {value.numel()} entries")


def check_number(
    name: str,
    value: Any,
    *,
    low: float = -math.inf,
    high: float = math.inf,
    low_open: bool = False,
    high_open: bool = False,
) -> None:
    """Raise unless ``value`` is a finite real number in the interval from ``low`` to ``high`` (open ends as asked)."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} must be a real number, got {type(value).__name__}")
    inside = (value > low if low_open else value >= low) and (value < high if high_open else value <= high)
    if not (math.isfinite(value) and inside):
        left, right = "(" if low_open else "[", ")" if high_open else "]"
        raise ValueError(f"{name} must be a finite number in {left}{low:g}, {high:g}{right}, got {value!r}")


def check_count(name: str, value: Any, *, low: int = 1) -> None:
    """Raise unless ``value`` is an integer of at least ``low``."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be an int, got {type(value).__name__}")
    if value < low:
        raise ValueError(f"{name} must be at least {low}, got {value}")


def check_choice(name: str, value: Any, choices: tuple[str, ...]) -> None:
    """Raise ``ValueError`` unless ``value`` is one of ``choices``."""
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}, got {value!r}")
