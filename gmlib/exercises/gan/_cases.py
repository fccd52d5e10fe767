"""Random inputs for the exercises of chapter 14, and the scalar losses that games are tried with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

Cases = list[dict[str, Any]]
F64 = torch.float64

SLOPES: dict[str, Callable[[Tensor], Tensor]] = {
    "linear": torch.ones_like,
    "logistic": lambda u: torch.sigmoid(-u),
}
"""Derivatives of the scalar losses psi of DiracGAN, by the names that a report shows."""


def normal(generator: torch.Generator, *shape: int) -> Tensor:
    """Standard normal numbers in double precision."""
    return torch.randn(*shape, generator=generator, dtype=F64)


def uniform(generator: torch.Generator, *shape: int) -> Tensor:
    """Uniform numbers between 0 and 1 in double precision."""
    return torch.rand(shape, generator=generator, dtype=F64)


def law(generator: torch.Generator, n: int) -> Tensor:
    """Probabilities of n cells, none of them small."""
    weights = 0.1 + uniform(generator, n)
    return weights / weights.sum()


def with_slope(answer: Any, case: Any) -> Any:
    """Call an answer with the derivative itself in place of its name."""
    name, *rest = case.values()
    return answer(SLOPES[name], *rest)
