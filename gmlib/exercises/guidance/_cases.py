"""Random inputs for the exercises of chapter 11: points, noise levels, and DDPM's chain."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

Cases = list[dict[str, Any]]
F64 = torch.float64


def normal(generator: torch.Generator, *shape: int) -> Tensor:
    """Standard normal numbers in double precision."""
    return torch.randn(*shape, generator=generator, dtype=F64)


def uniform(generator: torch.Generator, low: float, high: float, *shape: int) -> Tensor:
    """Uniform numbers between two others in double precision."""
    return low + (high - low) * torch.rand(shape, generator=generator, dtype=F64)


def number(generator: torch.Generator, low: float, high: float) -> float:
    """One uniform number."""
    return uniform(generator, low, high).item()


def numbers(*values: float | int) -> Tensor:
    """A row of numbers in double precision."""
    return torch.tensor(values, dtype=F64)


def respaced(steps: int) -> Tensor:
    """DDPM's products at every (1000 / steps)-th step, with the 1 of the clean data in front."""
    bar = (1 - torch.linspace(1e-4, 0.02, 1000, dtype=F64)).cumprod(0)
    return torch.cat([numbers(1.0), bar])[:: 1000 // steps]
