"""What every sampler does alike: look at its arguments, and draw."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gmlib._checks import check_instance, check_tensor
from gmlib.noise.denoiser import Denoiser


def check_start(denoiser: Any, x: Any) -> None:
    """Raise unless a sampler can start here."""
    check_instance("denoiser", denoiser, Denoiser)
    check_tensor("x", x)
    if x.dim() < 1:
        raise ValueError("x must have shape (batch, *event), got shape ()")


def noise_like(x: Tensor, generator: torch.Generator | None) -> Tensor:
    """Standard normal noise of the shape, dtype and device of x."""
    return torch.randn(x.shape, generator=generator, dtype=x.dtype, device=x.device)
