"""The gradient that games are made of."""

from __future__ import annotations

import torch
from torch import Tensor

from gmlib._checks import check_tensor


def gradient(value: Tensor, at: Tensor, *, create_graph: bool = False, keep: bool = False) -> Tensor:
    """The gradient of each row's value by that row; zero where the value does not depend on it."""
    check_tensor("a loss", value)
    if not value.requires_grad:
        return torch.zeros_like(at)
    return torch.autograd.grad(
        value.sum(), at, create_graph=create_graph, retain_graph=create_graph or keep, materialize_grads=True
    )[0]
