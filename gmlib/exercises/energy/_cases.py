"""Random inputs for the exercises of chapter 06, and the small models on which contrastive divergence is tried."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from gmlib.data import four_letters
from gmlib.energy import all_states

Cases = list[dict[str, Any]]
F64 = torch.float64


def normal(generator: torch.Generator, *shape: int) -> Tensor:
    """Standard normal numbers in double precision."""
    return torch.randn(*shape, generator=generator, dtype=F64)


def uniform(generator: torch.Generator, *shape: int) -> Tensor:
    """Uniform numbers between 0 and 1 in double precision."""
    return torch.rand(shape, generator=generator, dtype=F64)


def signs(generator: torch.Generator, *shape: int) -> Tensor:
    """Entries +1 and -1 with equal chances."""
    return 1 - 2 * (uniform(generator, *shape) < 0.5).to(F64)


def letters() -> Tensor:
    """The four letters as rows of ±1."""
    return four_letters().to(F64)


def symmetric(generator: torch.Generator, d: int) -> Tensor:
    """Symmetric weights with a diagonal of 0."""
    weights = normal(generator, d, d).triu(1)
    return weights + weights.T


def states(n: int, low: int = 0) -> Tensor:
    """All 2^n states of n units, one a row, in double precision."""
    return all_states(n, low, dtype=F64)


def law(generator: torch.Generator, n: int) -> Tensor:
    """Probabilities of n states, none of them small."""
    weights = 0.1 + uniform(generator, n)
    return weights / weights.sum()


def chances(logits: Tensor, units: Tensor) -> Tensor:
    """Probability of each row of 0/1 units under each row of logits: (n, m)."""
    on = torch.sigmoid(logits)[:, None, :]
    return torch.where(units > 0, on, 1 - on).prod(-1)


def _rbm(theta: Tensor) -> tuple[Tensor, Tensor]:
    """An RBM of three visible and two hidden units, all biases one half: free energies, one step of block Gibbs."""
    weights, visible, hidden = theta.reshape(3, 2), states(3), states(2)
    logits = visible @ weights + 0.5
    energy = -0.5 * visible.sum(-1) - torch.nn.functional.softplus(logits).sum(-1)
    return energy, chances(logits, hidden) @ chances(hidden @ weights.T + 0.5, visible)


def _triangle(theta: Tensor) -> tuple[Tensor, Tensor]:
    """Three units ±1 with three weights: energies, and the matrix of one sweep of Gibbs sampling."""
    x = states(3, -1)
    first, second, third = theta
    energy = -(first * x[:, 0] * x[:, 1] + second * x[:, 0] * x[:, 2] + third * x[:, 1] * x[:, 2])
    p = torch.exp(-energy)
    sweep = torch.eye(8, dtype=F64)
    for i in range(3):
        others = [j for j in range(3) if j != i]
        same = (x[:, None, others] == x[None, :, others]).all(-1).to(F64)
        sweep = sweep @ (same * p / (same @ p)[:, None])
    return energy, sweep


MODELS: dict[str, Callable[[Tensor], tuple[Tensor, Tensor]]] = {"rbm": _rbm, "triangle": _triangle}
"""Energies of all states and the transition matrix of the chain, by the names that a report shows."""


def with_model(answer: Any, case: Any) -> Any:
    """Call an answer with the model itself in place of its name."""
    name, *rest = case.values()
    return answer(MODELS[name], *rest)
