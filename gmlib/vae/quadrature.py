"""Exact answers for a one-dimensional latent: the integral that the bound avoids, done on a grid.

The trapezoid rule on a grid that covers the integrand converges faster than any power of the spacing for the smooth,
decaying integrands of these models, so a few hundred points give all the digits of float64.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_tensor


def log_evidence(
    log_joint: Float[Tensor, "*batch grid"], z: Float[Tensor, " grid"]
) -> Float[Tensor, "*batch"]:
    r"""Integrate out a one-dimensional latent, :math:`\log p(x) = \log \int p(x \mid z)\, p(z)\, dz`.

    :eq:`eq-02-evidence` in the book.

    Args:
        log_joint: :math:`\log p(x, z)` in nats on the grid, (\*batch, grid).
        z: the grid, increasing, at least 3 points; it must cover the integrand.

    Returns:
        The log-evidence in nats, (\*batch,).

    Raises:
        ValueError: the grid is too short, does not increase, or does not match ``log_joint``.

    Example:
        >>> import math, torch
        >>> from gmlib.vae import log_evidence
        >>> z = torch.linspace(-12, 12, 401, dtype=torch.float64)
        >>> log_joint = -0.5 * z**2 - 0.5 * (1.3 - z) ** 2 - math.log(2 * math.pi)  # x | z ~ N(z, 1), x = 1.3
        >>> round(log_evidence(log_joint, z).item(), 7)
        -1.6880121
    """
    return torch.logsumexp(log_joint + _log_trapezoid(log_joint, z), dim=-1)


def grid_posterior(
    log_joint: Float[Tensor, "*batch grid"], z: Float[Tensor, " grid"]
) -> Float[Tensor, "*batch grid"]:
    r"""The posterior density :math:`p(z \mid x) = p(x, z) / p(x)` on the grid.

    Args:
        log_joint: :math:`\log p(x, z)` in nats on the grid, (\*batch, grid).
        z: the grid, increasing, at least 3 points; it must cover the integrand.

    Returns:
        Densities (not weights), (\*batch, grid); their trapezoid integral is 1.

    Raises:
        ValueError: the grid is too short, does not increase, or does not match ``log_joint``.

    Example:
        >>> import torch
        >>> from gmlib.vae import grid_posterior
        >>> z = torch.linspace(-8, 8, 201, dtype=torch.float64)
        >>> p = grid_posterior(-0.5 * z**2, z)
        >>> round(torch.trapezoid(p, z).item(), 10), round(torch.trapezoid(z**2 * p, z).item(), 10)
        (1.0, 1.0)
    """
    return torch.exp(log_joint - log_evidence(log_joint, z)[..., None])


def _log_trapezoid(log_joint: Tensor, z: Tensor) -> Tensor:
    """Logs of the trapezoid rule's weights."""
    check_tensor("z", z)
    check_tensor("log_joint", log_joint)
    if z.dim() != 1 or z.shape[0] < 3:
        raise ValueError(f"z must be a grid of at least 3 points, got shape {tuple(z.shape)}")
    if log_joint.shape[-1] != z.shape[0]:
        raise ValueError(
            f"log_joint must end in the grid's {z.shape[0]} points, got shape {tuple(log_joint.shape)}"
        )
    gaps = z.diff()
    if not bool((gaps > 0).all()):
        raise ValueError("z must increase")
    ends = torch.nn.functional.pad(gaps, (1, 1))
    return torch.log(0.5 * (ends[1:] + ends[:-1]))
