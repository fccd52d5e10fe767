"""Random inputs for the exercises of chapter 02."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

Cases = list[dict[str, Any]]


def normal(generator: torch.Generator, *shape: int) -> Tensor:
    """Standard normal numbers in double precision."""
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def law(generator: torch.Generator, *shape: int) -> Tensor:
    """Random laws over the last dimension, none of them uniform and none with a zero."""
    return (0.9 * normal(generator, *shape)).softmax(-1)


def precision(generator: torch.Generator, k: int) -> Tensor:
    """A random precision matrix whose coordinates are correlated."""
    root = normal(generator, k, k)
    return root @ root.T + 0.5 * torch.eye(k, dtype=torch.float64)
