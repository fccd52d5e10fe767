"""Conditions of a batch: which of them have a row for each point, and what becomes of them when the batch changes.

The rule: a tensor of one dimension or more has a row for each point, or one row for all; within a tuple too. Whatever else
is told, a tensor without dimensions among it, is told to all points alike.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor


def with_rows(name: str, value: Tensor, n: int) -> Tensor:
    """A tensor with a row for each of n points; one row, or none, is that of all.

    Args:
        name: of the condition, for the message.
        value: (n, ...), (1, ...) or ().
        n: the size of the batch.

    Raises:
        ValueError: it has another number of rows.

    Example:
        >>> import torch
        >>> with_rows("label", torch.tensor(3), 2)
        tensor([3, 3])
    """
    if value.dim() and len(value) == n:
        return value
    if value.dim() and len(value) != 1:
        raise ValueError(
            f"{name} must have {n} rows, one for each point, or one for all, got shape {tuple(value.shape)}"
        )
    return value.expand(n, *value.shape[1:])


def map_rows(name: str, value: Any, n: int, change: Callable[[Tensor], Tensor]) -> Any:
    """A condition, changed where it has rows: every tensor of a dimension or more, within tuples too.

    Args:
        name: of the condition, for the message.
        value: the condition.
        n: the size of the batch.
        change: what to do with rows, called with (n, ...).

    Raises:
        ValueError: a tensor has neither n rows nor one.

    Example:
        >>> import torch
        >>> map_rows("pair", (torch.tensor([1, 2]), 0.5), 2, torch.neg)
        (tensor([-1, -2]), 0.5)
    """
    if isinstance(value, tuple):
        parts = [map_rows(f"{name}[{i}]", part, n, change) for i, part in enumerate(value)]
        return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
    if not isinstance(value, Tensor) or value.dim() == 0:
        return value
    return change(with_rows(name, value, n))


def ordinary(value: Any) -> Any:
    """A tensor of inference mode as a copy that can be differentiated, within tuples too; all else as it is.

    To be called where inference mode is off.

    Example:
        >>> import torch
        >>> with torch.inference_mode():
        ...     x = torch.ones(1)
        >>> x.is_inference(), ordinary(x).is_inference()
        (True, False)
    """
    if isinstance(value, tuple):
        parts = [ordinary(part) for part in value]
        return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
    return value.clone() if isinstance(value, Tensor) and value.is_inference() else value
