"""What every Langevin chain does alike: look at its arguments, and move."""

from __future__ import annotations

import torch
from torch import Tensor

from gmlib._checks import check_count, check_finite, check_number, check_tensor
from gmlib.score._arguments import check_callable


def check_chain(score: object, x: Tensor, *, steps: int, temperature: float, name: str = "score") -> None:
    """Raise unless chains can start at ``x``, follow the score and make these steps."""
    check_callable(name, score)
    check_tensor("x", x)
    if x.dim() == 0:
        raise ValueError("x must have shape (batch, *event), got a tensor without dimensions")
    check_finite("x", x)
    check_count("steps", steps, low=0)
    check_number("temperature", temperature, low=0.0)


def moved(x: Tensor, value: Tensor, noise: Tensor, drift: float | Tensor, spread: float | Tensor) -> Tensor:
    """The points one step on: a drift along ``value``, and noise of standard deviation ``spread``."""
    # The chain keeps its dtype, whatever that of the score.
    value, noise = value.to(x.dtype), noise.to(x.dtype)
    if isinstance(drift, Tensor) or isinstance(spread, Tensor):
        return x + drift * value + spread * noise
    return torch.add(x, value, alpha=drift).add(noise, alpha=spread)
