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


def check_instance(name: str, value: Any, kind: type) -> None:
    """Raise ``TypeError`` unless ``value`` is an object of ``kind`` (and not the class itself)."""
    if not isinstance(value, kind):
        raise TypeError(f"{name} must be a {kind.__name__}, got {kind_of(value)}")


def kind_of(value: Any) -> str:
    """What was given, for a message: the name of its type, or that it is a class."""
    return f"the class {value.__name__}" if isinstance(value, type) else type(value).__name__


def check_callable(name: str, value: Any) -> None:
    """Raise ``TypeError`` unless ``value`` can be called."""
    if not callable(value):
        raise TypeError(f"{name} must be callable, got {type(value).__name__}")


def check_event(name: str, value: Any, event_shape: tuple[int, ...]) -> None:
    """Raise unless ``value`` is a floating tensor whose last dimensions are ``event_shape``."""
    check_tensor(name, value)
    n = len(event_shape)
    if value.dim() < n or tuple(value.shape[value.dim() - n :]) != tuple(event_shape):
        raise ValueError(
            f"{name} must end in the event shape {tuple(event_shape)}, got shape {tuple(value.shape)}"
        )


def check_times(name: str, value: Any, x: Tensor) -> None:
    """Raise unless ``value`` is a floating tensor with one time for each point of the batch ``x``."""
    check_tensor(name, value)
    if value.shape != x.shape[:1]:
        raise ValueError(
            f"{name} must have shape {tuple(x.shape[:1])}, a time for each of x, got {tuple(value.shape)}"
        )


def anywhere(condition: Tensor) -> bool:
    """Whether ``condition`` holds anywhere, or False where looking would make the host wait."""
    if condition.device.type != "cpu" or torch.compiler.is_compiling():
        return False
    try:
        return bool(condition.any())
    except RuntimeError:  # inside vmap a tensor has no single truth value
        return False


def check_finite(name: str, value: Tensor) -> None:
    """Raise ``ValueError`` when ``value`` holds NaN or infinity. Synchronises with the device: not for hot paths."""
    if bool(torch.isfinite(value.sum())):  # a finite sum has finite terms, and costs one pass
        return
    if not bool(torch.isfinite(value).all()):
        bad = int((~torch.isfinite(value)).sum())
        raise ValueError(f"{name} must be finite, got {bad} NaN or infinite of {value.numel()} entries")


def check_table(name: str, p: Any) -> None:
    """Raise unless ``p`` holds probabilities that sum to one over the last dimension, to the accuracy of its dtype."""
    check_tensor(name, p)
    if p.dim() < 1 or p.shape[-1] == 0:
        raise ValueError(f"{name} must have shape (*batch, V) with V >= 1, got shape {tuple(p.shape)}")
    check_finite(name, p)
    if p.numel() == 0:
        return
    if bool((p < 0).any()):
        raise ValueError(f"{name} must not be negative, got an entry of {float(p.min()):g}")
    # In 16 bits a sum of many small numbers stops growing, and 1,000 roundings are more than all of it.
    wide = torch.promote_types(p.dtype, torch.float32)
    off = float((p.detach().sum(-1, dtype=wide) - 1).abs().max())
    if off > min(1e3 * torch.finfo(p.dtype).eps, 1e-2):
        raise ValueError(f"{name} must sum to one over its last dimension, got a sum that is off by {off:g}")


def check_counts(name: str, value: Any, n: int) -> None:
    """Raise unless ``value`` says how often each of ``n`` things was seen: (n,), floating, non-negative, not all 0."""
    check_tensor(name, value)
    want = f"{name} must be {n} non-negative numbers, not all 0"
    if tuple(value.shape) != (n,):
        raise ValueError(f"{want}, got shape {tuple(value.shape)}")
    check_finite(name, value)
    if not bool((value >= 0).all()) or not bool((value > 0).any()):
        raise ValueError(f"{want}, got numbers from {float(value.min()):g} to {float(value.max()):g}")


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


def check_choice(name: str, value: Any, choices: tuple[str | int, ...]) -> None:
    """Raise ``ValueError`` unless ``value`` is one of ``choices``."""
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}, got {value!r}")
