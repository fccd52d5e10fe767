"""Shape checks that are written when a function is first called: a test process imports two thousand, and calls some."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from beartype import beartype


def checked(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function with its arguments checked by beartype; beartype writes the check at the first call."""
    check: Callable[..., Any] | None = None

    @wraps(function)
    def lazily(*arguments: Any, **named: Any) -> Any:
        nonlocal check
        if check is None:
            check = beartype(function)
        return check(*arguments, **named)

    return lazily
