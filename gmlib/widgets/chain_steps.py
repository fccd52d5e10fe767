"""The numbers of steps that widgets on DDPM's chain of a thousand times offer: those that divide it evenly."""

from __future__ import annotations

from gmlib._checks import check_count

TIMES = 1000
COUNTS = tuple(n for n in range(1, TIMES + 1) if TIMES % n == 0)
"""The divisors of a thousand."""
FINE = tuple(n for n in COUNTS if n >= 20)
"""Those with which a sampler comes near to what it makes in all thousand."""


def check_steps(steps: int, counts: tuple[int, ...]) -> None:
    """Raise unless ``steps`` is one of these divisors of a thousand.

    Example:
        >>> check_steps(30, FINE)
        Traceback (most recent call last):
        ValueError: steps must divide 1000 and be at least 20, got 30
    """
    check_count("steps", steps)
    if steps not in counts:
        least = "" if counts[0] == 1 else f" and be at least {counts[0]}"
        raise ValueError(f"steps must divide {TIMES}{least}, got {steps}")
