"""Random inputs for the exercises of chapter 09: chains, points, and guesses of the noise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

Cases = list[dict[str, Any]]
F64 = torch.float64

DATA_VAR = 0.25
"""Variance of the normal data whose best guess of the noise is among the guesses."""

GUESSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "best for N(0, 1/4)": lambda x, bar: (1 - bar).sqrt() * x / (bar * DATA_VAR + 1 - bar),
    "tanh": lambda x, bar: torch.tanh(2 * x) * (1 - bar),
    "wave": lambda x, bar: torch.sin(3 * x) + 0.3 * bar * x,
}
"""Guesses of the noise from a point and the product of its step, by the names that a report shows."""


def normal(generator: torch.Generator, *shape: int) -> Tensor:
    """Standard normal numbers in double precision."""
    return torch.randn(*shape, generator=generator, dtype=F64)


def uniform(generator: torch.Generator, *shape: int) -> Tensor:
    """Uniform numbers between 0 and 1 in double precision."""
    return torch.rand(shape, generator=generator, dtype=F64)


def numbers(*values: float | int) -> Tensor:
    """A row of numbers in double precision."""
    return torch.tensor(values, dtype=F64)


def chain(generator: torch.Generator, steps: int, low: float = 0.05, high: float = 0.5) -> Tensor:
    """The variances of a short chain."""
    return low + (high - low) * uniform(generator, steps)


def ddpm_chain() -> Tensor:
    """The variances of DDPM's own chain of 1000 steps."""
    return torch.linspace(1e-4, 0.02, 1000, dtype=F64)


def respaced(steps: int) -> Tensor:
    """DDPM's products at every (1000 / steps)-th step, with the 1 of the clean data in front."""
    bar = torch.cat([numbers(1.0), (1 - ddpm_chain()).cumprod(0)])
    return bar[:: 1000 // steps]


def basis(steps: int) -> tuple[Tensor, Tensor]:
    """Starts (steps + 1,) and noises (steps, steps + 1): each point has a single 1 among its draws and 0 elsewhere.

    A sampler that is linear in its draws turns them into its coefficients, whose squares add up to the variance.
    """
    draws = torch.eye(steps + 1, dtype=F64)
    return draws[0], draws[1:]


def with_guess(answer: Any, case: Any) -> Any:
    """Call an answer with the guess itself, which knows the products of the chain, in place of its name."""
    name, x, noise, alpha_bar = case.values()
    return answer(lambda points, k: GUESSES[name](points, alpha_bar[k]), x, noise, alpha_bar)
