"""Shape checks that are written when a function is first called: a test process imports two thousand, and calls some.

A test's time with checks (`conftest.py`) stands still meanwhile.
"""

from __future__ import annotations

import signal
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
            left, _ = signal.setitimer(signal.ITIMER_VIRTUAL, 0)
            check = beartype(function)
            signal.setitimer(signal.ITIMER_VIRTUAL, left)
        return check(*arguments, **named)

    return lazily
