"""What an answer gives, as a tensor that can be compared, shown, and sent to another process."""

from __future__ import annotations

import math
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

LARGEST = 100_000
"""Numbers in a value, and the size of each of its dimensions; no exercise takes or wants half as many."""
DIMENSIONS = 16
"""Dimensions of a value."""


class OddValue(TypeError):
    """A value that is neither a number nor an array; the message says what it is."""


@dataclass(frozen=True)
class Value:
    """An array in double precision, and whether it was computed in less.

    Attributes:
        data: the entries, float64 on the CPU.
        coarse: whether they come from single precision or less.
    """

    data: Tensor
    coarse: bool = False


def value(found: Any) -> Value:
    """A number, tensor, array, or list of them, as a :class:`Value`.

    Raises:
        OddValue: it is none of these, or it cannot be read.

    Example:
        >>> value([1.0, 2]).data.tolist(), value(torch.ones(2)).coarse
        ([1.0, 2.0], True)
    """
    try:
        return _value(found)
    except OddValue:
        raise
    except (Exception, SystemExit) as error:
        # The error may be the student's too, down to its text.
        why = traceback.format_exception_only(error)[-1].strip().replace("\n", " ")[:200]
        raise OddValue(
            f"a value of type {type(found).__name__} that cannot be read as numbers ({why})"
        ) from None


def _value(found: Any) -> Value:
    if isinstance(found, Tensor):
        if found.is_complex():
            raise OddValue("a complex tensor")
        if found.layout != torch.strided or found.is_nested:
            raise OddValue("a sparse or nested tensor")
        if not _is_small(found.shape):
            raise OddValue(
                f"an array of {found.dim()} dimensions and {found.numel()} numbers, too large for any answer"
            )
        coarse = found.dtype in (torch.float32, torch.float16, torch.bfloat16)
        return Value(found.detach().to("cpu", torch.float64).clone(), coarse)
    if isinstance(found, bool | int | float):
        return Value(torch.tensor(float(found), dtype=torch.float64))
    if isinstance(found, list | tuple) and found:
        parts = [_value(part) for part in found]
        if len({part.data.shape for part in parts}) != 1:
            raise OddValue(f"a {type(found).__name__} of parts with different shapes")
        return Value(torch.stack([p.data for p in parts]), any(p.coarse for p in parts))
    if isinstance(found, type):
        raise OddValue(f"the class {found.__name__}")
    if convert := getattr(found, "__array__", None):
        array = convert()
        if array.dtype.kind in "fiub":
            return Value(torch.tensor(array.tolist(), dtype=torch.float64), array.dtype.itemsize < 8)
    raise OddValue(f"a value of type {type(found).__name__}")


def _is_small(shape: Sequence[int]) -> bool:
    within = len(shape) <= DIMENSIONS and all(0 <= n <= LARGEST for n in shape)
    return within and math.prod(shape) <= LARGEST


def close(given: Value, due: Value, rtol: float) -> bool:
    """Whether two values agree, shape included; NaN agrees with NaN.

    Example:
        >>> close(value(1.0), value(1.0 + 1e-9), 1e-6), close(value([1.0]), value(1.0), 1e-6)
        (True, False)
    """
    if given.data.shape != due.data.shape:
        return False
    tolerance = max(rtol, 1e-4) if given.coarse else rtol
    return torch.allclose(given.data, due.data, rtol=tolerance, atol=tolerance, equal_nan=True)


def shown(found: Any) -> str:
    """A value in a few characters, for a sentence.

    Example:
        >>> shown(torch.tensor([0.5, -1.25])), shown(0.1234567), shown(torch.tensor([3, 4])), shown("sin")
        ('[0.5, -1.25]', '0.12346', '[3, 4]', "'sin'")
    """
    if isinstance(found, Value):
        found = found.data
    if isinstance(found, Tensor):
        if found.dim() == 0:
            return _number(found.item())
        if found.numel() > 12 or found.numel() == 0:
            return f"an array of shape {tuple(found.shape)}"
        return _rows(found.tolist())
    return _number(found) if isinstance(found, float) else repr(found)


def _rows(part: Any) -> str:
    return f"[{', '.join(_rows(p) for p in part)}]" if isinstance(part, list) else _number(part)


def _number(number: float | int) -> str:
    return f"{number:.5g}" if isinstance(number, float) and math.isfinite(number) else str(number)


def encode(found: Value) -> dict[str, Any]:
    """A value as JSON can hold it.

    Example:
        >>> encode(value([1.0, 2.0]))
        {'shape': [2], 'numbers': [1.0, 2.0], 'coarse': False}
    """
    data = found.data
    return {"shape": list(data.shape), "numbers": data.flatten().tolist(), "coarse": found.coarse}


def decode(text: Any) -> Value:
    """The value that :func:`encode` wrote. It trusts nothing about ``text``.

    Raises:
        ValueError: it is not what :func:`encode` writes.

    Example:
        >>> decode({"shape": [2], "numbers": [1.0, 2.0], "coarse": False}).data.tolist()
        [1.0, 2.0]
    """
    try:
        shape = [int(n) for n in text["shape"]]
        numbers = [float(n) for n in text["numbers"]]
        # An array without numbers may have any number of rows, and a list of them takes the memory of all.
        if not _is_small(shape) or math.prod(shape) != len(numbers):
            raise ValueError
        return Value(torch.tensor(numbers, dtype=torch.float64).reshape(shape), text["coarse"] is True)
    except (KeyError, TypeError, ValueError, OverflowError, IndexError, RuntimeError):
        raise ValueError("not a value") from None
