"""Draws of units that are 0 or 1."""

from __future__ import annotations

import torch
from torch import Tensor


@torch.no_grad()
def bernoulli(mean: Tensor, generator: torch.Generator | None = None, noise: Tensor | None = None) -> Tensor:
    """Draw bits: 1 where a uniform number, from ``noise`` if given, is below the mean."""
    if noise is None:
        noise = torch.rand(mean.shape, generator=generator, dtype=mean.dtype, device=mean.device)
    elif noise.shape != mean.shape:
        raise ValueError(f"noise must have shape {tuple(mean.shape)}, got {tuple(noise.shape)}")
    return (noise < mean).to(mean.dtype)
