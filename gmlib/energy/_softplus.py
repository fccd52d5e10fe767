"""log(1 + e^a) to the accuracy of float64 (torch's default turns linear at 20, off by 2e-9), and laws of units with it."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional


def softplus(a: Tensor) -> Tensor:
    """Return log(1 + e^a), linear from 40 on."""
    return functional.softplus(a, threshold=40.0)


def log_conditional(logits: Tensor, states: Tensor) -> Tensor:
    """Return log p(state) of every state (rows, 0 or 1) under independent units of these logits, (*batch, states)."""
    return logits @ states.T - softplus(logits).sum(-1, keepdim=True)
