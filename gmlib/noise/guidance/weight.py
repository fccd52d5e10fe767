r"""How strongly to guide: a number, a number for each point, or a function of the time, perhaps only for a while.

The book's w weighs the *difference* that a condition makes, :math:`u + w\,(c - u)`: 0 is the unconditional model, 1 the
conditional one, more than 1 exaggerates. Other texts count from other zeros; `weight_from` translates.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import anywhere, check_choice, check_number, check_tensor
from gmlib.noise.schedule import Time

Weight = float | int | Tensor | Callable[[Any], Any]
Convention = Literal["difference", "excess"]
CONVENTIONS: tuple[str, ...] = get_args(Convention)


def weight_from(strength: float | int, convention: Convention) -> float:
    r"""The book's w from another text's guidance strength.

    ============  ==========================================  =============
    convention    the guided noise                            w
    ============  ==========================================  =============
    difference    :math:`u + w\,(c - u)`                      :math:`w`
    excess        :math:`(1 + \rho)\,c - \rho\,u`             :math:`1 + \rho`
    ============  ==========================================  =============

    Args:
        strength: the other text's number.
        convention: "difference" or "excess", which is that of the paper that proposed it.

    Raises:
        TypeError: ``strength`` is no number.
        ValueError: ``convention`` is neither.

    References:
        J. Ho and T. Salimans, *Classifier-free diffusion guidance* (2022), eq. 6 ("excess").

    Example:
        >>> from gmlib.noise.guidance import weight_from
        >>> weight_from(3.0, "excess")
        4.0
    """
    check_number("strength", strength)
    check_choice("convention", convention, CONVENTIONS)
    return float(strength) + (1.0 if convention == "excess" else 0.0)


def check_weight(w: Any, interval: Any) -> None:
    """Raise unless ``w`` is a weight and ``interval`` None or a pair of times, the smaller first.

    Raises:
        TypeError: ``w`` is neither a number, a floating tensor nor a function, or ``interval`` no pair of numbers.
        ValueError: ``w`` is not finite or of another shape than () or (batch,), or ``interval`` ends before it begins.

    Example:
        >>> check_weight(2.0, (0.0, 1.0))
    """
    if not callable(w):
        _check_value("w", w)
    if interval is None:
        return
    if not isinstance(interval, (tuple, list)) or len(interval) != 2:
        raise TypeError(f"interval must be a pair of times, got {interval!r}")
    low, high = interval
    check_number("interval[1]", high)
    check_number("interval[0]", low, high=high)


def weight_at(w: Weight, t: Time, interval: tuple[float, float] | None) -> float | Tensor:
    """The weight at a time, 1 outside the interval: a number where it is one for the whole batch.

    Both ends belong to the interval, and so does a time that only the rounding of float32 has taken out (or that of the
    dtype of ``t``, if that is coarser).

    Args:
        w: the weight.
        t: the time, a number or shape ``()`` or ``(batch,)``.
        interval: first and last time at which to guide; None is always.

    Returns:
        A number, or shape ``()`` (where to read it the host would wait, or a gradient be lost) or ``(batch,)``.

    Raises:
        TypeError: a function ``w`` gives neither a number nor a floating tensor.
        ValueError: what it gives is not finite (seen on the CPU) or of another shape.

    Example:
        >>> weight_at(3.0, 0.9, (0.2, 0.8)), weight_at(lambda t: 1 + 2 * t, 0.5, None)
        (1.0, 2.0)
    """
    value = w
    if callable(w):
        value = w(t)
        _check_value("w(t)", value)
    slack = max(1e-6, torch.finfo(t.dtype).eps) if isinstance(t, Tensor) else 1e-6
    t, value = _read(t), _read(value)
    if interval is None:
        return value
    low, high = interval
    low, high = low - slack * abs(low), high + slack * abs(high)
    if not isinstance(t, Tensor):
        return value if low <= t <= high else 1.0
    inside = (t >= low) & (t <= high)
    if not isinstance(value, Tensor):
        return torch.ones_like(t).masked_fill(inside, value)
    value = value.to(inside.device)
    return torch.where(inside, value, torch.ones_like(value))


def weight_over(
    w: Weight, t: Time, x: Float[Tensor, "batch *event"], interval: tuple[float, float] | None
) -> float | Tensor:
    """The weight at a time, ready to multiply points: a number, or of the dtype of ``x``, ``()`` or (batch, 1, ..., 1).

    Args:
        w: the weight.
        t: the time.
        x: the points.
        interval: as of `weight_at`.

    Raises:
        TypeError: as of `weight_at`.
        ValueError: as of `weight_at`, or the weight is not as long as the batch.

    Example:
        >>> weight_over(torch.tensor([1.0, 2.0]), 0.5, torch.zeros(2, 3, 4), None).shape
        torch.Size([2, 1, 1])
    """
    value = weight_at(w, t, interval)
    if not isinstance(value, Tensor):
        return value
    if value.dim() == 0:
        return value.to(x)
    if len(value) != len(x):
        raise ValueError(
            f"w must have shape ({len(x)},), one weight for each point, got {tuple(value.shape)}"
        )
    return value.to(x).reshape(-1, *[1] * (x.dim() - 1))


def _check_value(name: str, value: Any) -> None:
    if not isinstance(value, Tensor):
        return check_number(name, value)
    check_tensor(name, value)
    if value.dim() > 1:
        raise ValueError(f"{name} must have shape () or (batch,), got {tuple(value.shape)}")
    if anywhere(~torch.isfinite(value)):
        raise ValueError(f"{name} must be finite, got {value.tolist()}")
    return None


def _read(value: Any) -> Any:
    """A number, where a tensor holds one and it costs nothing to look."""
    if not isinstance(value, Tensor):
        return float(value)
    free = value.dim() == 0 and value.device.type == "cpu" and not value.requires_grad
    return value.item() if free and not torch.compiler.is_compiling() else value
