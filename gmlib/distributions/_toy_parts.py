"""What toy laws are put together from."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gmlib._checks import check_number
from gmlib.distributions.mixture import GaussianMixture


def midpoints(n: int) -> Tensor:
    """The midpoints of ``n`` equal pieces of [0, 1]."""
    return (torch.arange(n, dtype=torch.float64) + 0.5) / n


def cast(law: GaussianMixture, dtype: torch.dtype | None, device: Any) -> GaussianMixture:
    """The law in another dtype (None: torch's default) and on another device."""
    # Built in float64 and rounded once, so that the float32 law is the float64 law's rounding.
    return law.to(device=device, dtype=dtype or torch.get_default_dtype())


def blurred(
    points: Tensor, noise: float, dtype: Any, device: Any, weights: Tensor | None = None
) -> GaussianMixture:
    """Points, equally likely without ``weights``, with isotropic noise of that standard deviation."""
    check_number("noise", noise, low=0.0, low_open=True)
    return cast(GaussianMixture(points, weights=weights, var=float(noise) ** 2), dtype, device)
