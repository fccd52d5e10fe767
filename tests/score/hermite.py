"""Gauss-Hermite quadrature: expectations over the standard normal law without a draw."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def hermite(n: int) -> tuple[Tensor, Tensor]:
    """Nodes (n,) and weights (n,) of the standard normal law: exact for polynomials of degree 2n - 1."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(n)
    return torch.from_numpy(nodes), torch.from_numpy(weights / weights.sum())


def hermite_pairs(n: int) -> tuple[Tensor, Tensor, Tensor]:
    """Two independent standard normal numbers, (n^2, 1) each, with weights (n^2,)."""
    nodes, weights = hermite(n)
    pairs = torch.cartesian_prod(nodes, nodes)
    return pairs[:, :1], pairs[:, 1:], torch.cartesian_prod(weights, weights).prod(1)
