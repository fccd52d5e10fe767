"""Random inputs for the exercises of chapter 01."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

Cases = list[dict[str, Any]]
F64 = torch.float64


def normal(generator: torch.Generator, *shape: int) -> Tensor:
    """Standard normal numbers in double precision."""
    return torch.randn(*shape, generator=generator, dtype=F64)


def uniform(generator: torch.Generator, *shape: int) -> Tensor:
    """Uniform numbers between 0 and 1 in double precision."""
    return torch.rand(shape, generator=generator, dtype=F64)


def law(generator: torch.Generator, *shape: int) -> Tensor:
    """Random laws over the last dimension, none of them uniform and none with a zero."""
    return (0.9 * normal(generator, *shape)).softmax(-1)
