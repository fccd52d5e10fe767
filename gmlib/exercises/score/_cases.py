"""Random inputs for the exercises of chapter 08, and the fields on which losses and chains are tried."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

Cases = list[dict[str, Any]]
F64 = torch.float64

FIELDS: dict[str, Callable[[Tensor], Tensor]] = {
    "zero": lambda x: 0 * x,
    "-x/2": lambda x: -0.5 * x,
    "swirl": lambda x: 0.7 * torch.roll(x, 1, -1) - x,
    "wave": lambda x: torch.sin(x) - torch.roll(x, 1, -1) * x,
    "tanh": lambda x: 2 * torch.tanh(2 * x) - x,
}
"""Scores by the names that a report shows; ``swirl`` and ``wave`` mix the coordinates."""


def normal(generator: torch.Generator, *shape: int) -> Tensor:
    """Standard normal numbers in double precision."""
    return torch.randn(*shape, generator=generator, dtype=F64)


def uniform(generator: torch.Generator, *shape: int) -> Tensor:
    """Uniform numbers between 0 and 1 in double precision."""
    return torch.rand(shape, generator=generator, dtype=F64)


def balanced(scale: float) -> tuple[Tensor, Tensor]:
    """Four points ±scale and noises ±1 in all combinations: uncorrelated, with the moments of a law."""
    signs = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]], dtype=F64)
    return scale * signs[:, 0], signs[:, 1]


def with_field(answer: Any, case: Any) -> Any:
    """Call an answer with the field itself in place of its name."""
    name, *rest = case.values()
    return answer(FIELDS[name], *rest)
