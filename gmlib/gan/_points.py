"""What the comparisons of two samples are given: points, tables on points, and functions of them, read by one rule."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor

from gmlib._checks import check_finite, check_table, check_tensor

Kernel = Callable[[Tensor, Tensor], Tensor]
"""``kernel(x, y)``: (n, \\*event), (m, \\*event) -> (n, m)."""


def kernel_values(kernel: Kernel, x: Tensor, y: Tensor) -> Tensor:
    """The kernel of all pairs, or an error: the mean of one value a row would be a number as well, and a wrong one."""
    values = kernel(x, y)
    check_tensor("kernel(x, y)", values)
    if tuple(values.shape) != (x.shape[0], y.shape[0]):
        raise ValueError(
            f"kernel must return the value of each pair, shape {(x.shape[0], y.shape[0])}, "
            f"got {tuple(values.shape)}"
        )
    return values


def check_vectors(**values: Any) -> None:
    """Raise unless each value is a non-empty floating vector, (n,); looks at shapes only."""
    for name, value in values.items():
        check_tensor(name, value)
        if value.dim() != 1 or value.shape[0] == 0:
            raise ValueError(f"{name} must have shape (n,) with n >= 1, got shape {tuple(value.shape)}")


def check_batch(name: str, x: Any, *, rows: int = 1, finite: bool = False) -> None:
    """Raise unless ``x`` holds points, (batch, *event), at least ``rows`` of them with at least one coordinate."""
    check_tensor(name, x)
    if x.dim() < 2 or x.shape[0] < rows or x.numel() == 0:
        raise ValueError(
            f"{name} must have shape (batch, *event) with at least {rows} point{'s' * (rows > 1)} and one "
            f"event dimension, got shape {tuple(x.shape)}"
        )
    if finite:
        check_finite(name, x)


def check_matrix(name: str, x: Any, *, rows: int = 1, finite: bool = False) -> None:
    """Raise unless ``x`` holds at least ``rows`` points as rows of a matrix, (n, d)."""
    check_tensor(name, x)
    if x.dim() != 2 or x.shape[0] < rows or x.numel() == 0:
        raise ValueError(
            f"{name} must be a matrix (n, d) with n >= {rows} and d >= 1, got shape {tuple(x.shape)}"
        )
    if finite:
        check_finite(name, x)


def check_partner(name: str, y: Tensor, other: str, x: Tensor) -> None:
    """Raise unless ``y`` has the event shape, dtype and device of ``x``; the number of points is its own."""
    if y.shape[1:] != x.shape[1:]:
        raise ValueError(
            f"{name} must have the event shape {tuple(x.shape[1:])} of {other}, got {tuple(y.shape[1:])}"
        )
    check_kind(name, y, other, x)


def check_like(name: str, y: Tensor, other: str, x: Tensor) -> None:
    """Raise unless ``y`` has the shape, dtype and device of ``x``."""
    if y.shape != x.shape:
        raise ValueError(f"{name} must have the shape {tuple(x.shape)} of {other}, got {tuple(y.shape)}")
    check_kind(name, y, other, x)


def check_kind(name: str, y: Tensor, other: str, x: Tensor) -> None:
    """Raise unless ``y`` has the dtype and device of ``x``."""
    for what, given, wanted in (("dtype", y.dtype, x.dtype), ("device", y.device, x.device)):
        if given != wanted:
            raise ValueError(f"{name} must have the {what} {wanted} of {other}, got {given}")


def check_vector(name: str, value: Any, n: int, what: str) -> None:
    """Raise unless ``value`` is a finite floating vector of ``n`` numbers, one for each ``what``."""
    check_tensor(name, value)
    if tuple(value.shape) != (n,):
        raise ValueError(
            f"{name} must have shape ({n},), one number for each {what}, got {tuple(value.shape)}"
        )
    check_finite(name, value)


def check_law(name: str, value: Any, points: Tensor) -> None:
    """Raise unless ``value`` is a table of probabilities, one for each row of ``points``, of their dtype and device."""
    check_vector(name, value, points.shape[0], "point")
    check_table(name, value)
    check_kind(name, value, "points", points)
