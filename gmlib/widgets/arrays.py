"""Arrays on their way to a browser: one block of bytes with a table of what lies where."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gmlib._checks import check_finite, check_tensor

DTYPES = {torch.float32: "float32", torch.float16: "float16", torch.int8: "int8"}


@dataclass(frozen=True)
class Block:
    """Named arrays in one block of little-endian bytes.

    Attributes:
        arrays: for each array its name, dtype, shape, offset in bytes, and for int8 the scale that its entries are
            multiplied by.
        data: the bytes.

    Example:
        >>> import torch
        >>> from gmlib.widgets.arrays import pack
        >>> pack({"mean": torch.zeros(3, 2)}).arrays
        [{'name': 'mean', 'dtype': 'float32', 'shape': [3, 2], 'offset': 0}]
    """

    arrays: list[dict[str, Any]]
    data: bytes

    @property
    def sha256(self) -> str:
        """Hash of the bytes: the name of their file on the page."""
        return hashlib.sha256(self.data).hexdigest()


def pack(arrays: Mapping[str, Tensor], *, scales: Mapping[str, float] | None = None) -> Block:
    """Put tensors into one block.

    Args:
        arrays: float32, float16 or int8 tensors by name, of any shape.
        scales: for each int8 tensor the number that its entries are multiplied by in the browser; see
            :func:`quantise`.

    Returns:
        The block.

    Raises:
        TypeError: a value is no tensor of one of these dtypes.
        ValueError: an int8 tensor has no scale.

    Example:
        >>> import torch
        >>> from gmlib.widgets.arrays import pack
        >>> len(pack({"w": torch.ones(2, 3, dtype=torch.float16)}).data)
        12
    """
    table: list[dict[str, Any]] = []
    data = b""
    for name, value in arrays.items():
        check_tensor("arrays", value, floating=False)
        if value.dtype not in DTYPES:
            raise TypeError(f"arrays must be float32, float16 or int8, got {value.dtype} for {name!r}")
        row: dict[str, Any] = {"name": name, "dtype": DTYPES[value.dtype], "shape": list(value.shape)}
        row["offset"] = len(data)
        if value.dtype == torch.int8:
            if name not in (scales or {}):
                raise ValueError(f"scales must name every int8 array, got none for {name!r}")
            row["scale"] = float((scales or {})[name])
        table.append(row)
        array = value.detach().cpu().contiguous().numpy()
        data += array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
    return Block(table, data)


def quantise(value: Tensor) -> tuple[Tensor, float]:
    r"""Round to 255 levels, :math:`w \approx s\,q` with :math:`q \in \{-127, \dots, 127\}` and :math:`s = \max|w|/127`.

    Args:
        value: floating tensor of any shape.

    Returns:
        The int8 tensor q and the scale s; the error is at most s/2 an entry.

    Raises:
        TypeError: ``value`` is no floating tensor.
        ValueError: ``value`` holds NaN or infinity.

    Example:
        >>> import torch
        >>> from gmlib.widgets.arrays import quantise
        >>> quantise(torch.tensor([-1.27, 0.64]))[0].tolist()
        [-127, 64]
    """
    check_tensor("value", value)
    check_finite("value", value)
    largest = float(value.abs().max()) if value.numel() else 0.0
    scale = float(np.float32(largest / 127)) or 1.0
    return (value / scale).round().clamp(-127, 127).to(torch.int8), scale
