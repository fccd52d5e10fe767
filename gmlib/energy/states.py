r"""Every state of n binary units: what turns sums over :math:`2^n` terms into tables."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_count, check_tensor

MAX_UNITS = 24
"""More units than this are not enumerated: 2^24 states are 16.8 million rows."""


def all_states(
    n: int,
    low: int = -1,
    *,
    dtype: torch.dtype = torch.float64,
    device: torch.device | str | None = None,
) -> Float[Tensor, "states {n}"]:
    r"""All :math:`2^n` states of n units, one a row, counted in binary with the first unit as the leading digit.

    .. math:: x_i = 1 \text{ if bit } n - i \text{ of the row's number is set, else } x_i = \text{low}, \qquad i = 1..n

    Args:
        n: units, at most ``MAX_UNITS``.
        low: the other value of a unit: -1 (Hopfield and Boltzmann units) or 0 (RBM units).
        dtype: a floating dtype.
        device: where the table lives.

    Returns:
        The table, (2^n, n).

    Raises:
        TypeError: ``n`` or ``low`` is no int, or ``dtype`` is not floating.
        ValueError: ``n`` is below 1 or above ``MAX_UNITS``, or ``low`` is neither -1 nor 0.

    Example:
        >>> from gmlib.energy import all_states
        >>> all_states(2).tolist()
        [[-1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 1.0]]
        >>> all_states(2, 0)[2].tolist()
        [1.0, 0.0]
    """
    _check(n, low, dtype)
    return _rows(0, 2**n, n, low, dtype, device)


def state_chunks(
    n: int,
    low: int = -1,
    *,
    size: int = 65_536,
    dtype: torch.dtype = torch.float64,
    device: torch.device | str | None = None,
) -> Iterator[Float[Tensor, "chunk {n}"]]:
    r"""The rows of :func:`gmlib.energy.states.all_states` in pieces, so that a sum needs the memory of one piece.

    Args:
        n: units, at most ``MAX_UNITS``.
        low: the other value of a unit: -1 or 0.
        size: rows of a piece, at least 1.
        dtype: a floating dtype.
        device: where the pieces live.

    Returns:
        An iterator over (at most ``size``, n) tensors, in order.

    Raises:
        TypeError: ``n``, ``low`` or ``size`` is no int, or ``dtype`` is not floating.
        ValueError: ``n``, ``low`` or ``size`` is out of range.

    Example:
        >>> from gmlib.energy import state_chunks
        >>> [len(piece) for piece in state_chunks(4, size=6)]
        [6, 6, 4]
    """
    _check(n, low, dtype)
    check_count("size", size)
    return (_rows(start, min(start + size, 2**n), n, low, dtype, device) for start in range(0, 2**n, size))


def state_index(x: Float[Tensor, "*batch n"]) -> Tensor:
    r"""The row of each state in :func:`gmlib.energy.states.all_states`; a unit counts as set where it is positive.

    Args:
        x: states, (\*batch, n), with n at most ``MAX_UNITS``.

    Returns:
        Row numbers, int64, (\*batch,).

    Raises:
        TypeError: ``x`` is not a floating tensor.
        ValueError: ``x`` has no units, or more than ``MAX_UNITS``.

    Example:
        >>> from gmlib.energy import all_states, state_index
        >>> bool((state_index(all_states(5)).diff() == 1).all())
        True
    """
    check_tensor("x", x)
    if x.dim() < 1:
        raise ValueError("x must have shape (*batch, n), got a scalar")
    if not 1 <= x.shape[-1] <= MAX_UNITS:
        raise ValueError(f"x must have shape (*batch, n) with n from 1 to {MAX_UNITS}, got {tuple(x.shape)}")
    return ((x > 0).long() << torch.arange(x.shape[-1] - 1, -1, -1, device=x.device)).sum(-1)


def _check(n: int, low: int, dtype: torch.dtype) -> None:
    check_count("n", n)
    if n > MAX_UNITS:
        raise ValueError(f"n must be at most {MAX_UNITS} to enumerate 2^n states, got {n}: sample instead")
    if isinstance(low, bool) or not isinstance(low, int):
        raise TypeError(f"low must be an int, got {type(low).__name__}")
    if low not in (-1, 0):
        raise ValueError(f"low must be -1 or 0, got {low}")
    if not dtype.is_floating_point:
        raise TypeError(f"dtype must be floating, got {dtype}")


def _rows(
    start: int, stop: int, n: int, low: int, dtype: torch.dtype, device: torch.device | str | None
) -> Tensor:
    number = torch.arange(start, stop, device=device)
    bits = (number[:, None] >> torch.arange(n - 1, -1, -1, device=device)) & 1
    return bits.to(dtype) if low == 0 else (2 * bits - 1).to(dtype)
