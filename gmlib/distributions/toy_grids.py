"""Toy laws that are mixtures by definition: four, eight and sixteen Gaussians, checkerboard, cross."""

from __future__ import annotations

import math

import torch

from gmlib._checks import check_count
from gmlib.distributions._toy_parts import blurred, cast, midpoints
from gmlib.distributions.mixture import GaussianMixture


def four_gaussians(
    noise: float = 0.3, *, dtype: torch.dtype | None = None, device: torch.device | str | None = None
) -> GaussianMixture:
    r"""Four equal normal laws at the corners :math:`(\pm\sqrt2, \pm\sqrt2)` of a square, on a circle of radius 2.

    The coordinates are independent, each an equal mixture of two normal laws: four modes, and nothing that one coordinate
    could tell about the other.

    Args:
        noise: standard deviation of each.
        dtype: dtype of the law; None is torch's default.
        device: device of the law.

    Returns:
        The mixture.

    Raises:
        ValueError: if ``noise`` is not positive.

    References:
        K. P. Murphy, *Probabilistic Machine Learning: Advanced Topics* (2023), figure 23.1.

    Example:
        >>> four_gaussians().mean.abs().max() < 1e-6
        tensor(True)
    """
    side = torch.tensor([-1.0, 1.0], dtype=torch.float64) * math.sqrt(2)
    return blurred(torch.cartesian_prod(side, side), noise, dtype, device)


def eight_gaussians(
    noise: float = 0.2, *, dtype: torch.dtype | None = None, device: torch.device | str | None = None
) -> GaussianMixture:
    """Eight equal normal laws on a circle of radius 2, the first on the positive x axis.

    Args:
        noise: standard deviation of each.
        dtype: dtype of the law; None is torch's default.
        device: device of the law.

    Returns:
        The mixture.

    Raises:
        ValueError: if ``noise`` is not positive.

    References:
        I. Gulrajani et al., *Improved training of Wasserstein GANs* (2017), section 3 and figure 1.

    Example:
        >>> eight_gaussians().n_components
        8
    """
    theta = 2 * math.pi * torch.arange(8, dtype=torch.float64) / 8
    return blurred(2 * torch.stack([theta.cos(), theta.sin()], -1), noise, dtype, device)


def sixteen_gaussians(
    noise: float = 0.1, *, dtype: torch.dtype | None = None, device: torch.device | str | None = None
) -> GaussianMixture:
    """Sixteen equal normal laws on a 4 x 4 grid of spacing 1, centred: coordinates ±1/2 and ±3/2.

    Args:
        noise: standard deviation of each.
        dtype: dtype of the law; None is torch's default.
        device: device of the law.

    Returns:
        The mixture.

    Raises:
        ValueError: if ``noise`` is not positive.

    References:
        V. Dumoulin et al., *Adversarially learned inference* (2017), whose grid is 5 x 5.

    Example:
        >>> sixteen_gaussians().n_components
        16
    """
    side = torch.arange(4, dtype=torch.float64) - 1.5
    return blurred(torch.cartesian_prod(side, side), noise, dtype, device)


def checkerboard(
    n_cell: int = 7, *, dtype: torch.dtype | None = None, device: torch.device | str | None = None
) -> GaussianMixture:
    r"""A smoothed checkerboard: the 8 dark unit cells of a 4 x 4 board on [-2, 2]², lower left cell dark.

    Each cell is a grid of ``n_cell`` x ``n_cell`` points, spacing :math:`h`, blurred by :math:`s = 0.6h`. A
    mixture has no sharp edge: edges are blurred by :math:`s` (0.086 at 7 a side), and inside a cell the
    density is flat to :math:`4e^{-2\pi^2 0.6^2} = 0.3\,\%`. It is *not* the uniform law on the board, whose
    entropy is log 8.

    Args:
        n_cell: points along the side of a cell, 1 to 7 (392 components).
        dtype: dtype of the law; None is torch's default.
        device: device of the law.

    Returns:
        The mixture.

    Raises:
        ValueError: if ``n_cell`` is not between 1 and 7.

    References:
        W. Grathwohl et al., *FFJORD* (2019), figure 2, for the sharp law at twice the size.

    Example:
        >>> checkerboard().n_components
        392
    """
    check_count("n_cell", n_cell)
    if n_cell > 7:
        raise ValueError(f"n_cell must be at most 7, so that there are at most 400 components, got {n_cell}")
    corner = torch.arange(-2, 2, dtype=torch.float64)
    cells = torch.cartesian_prod(corner, corner)
    cells = cells[(cells.sum(-1) % 2) == 0]
    inside = torch.cartesian_prod(*2 * (midpoints(n_cell),)).reshape(-1, 2)
    points = (cells[:, None] + inside).reshape(-1, 2)
    return blurred(points, 0.6 / n_cell, dtype, device)


def cross(*, dtype: torch.dtype | None = None, device: torch.device | str | None = None) -> GaussianMixture:
    r"""Two crossed normal laws, entropy 1.4531 nats.

    .. math:: \tfrac12\mathcal N\bigl(0, \operatorname{diag}(1, 0.15^2)\bigr)
        + \tfrac12\mathcal N\bigl(0, \operatorname{diag}(0.15^2, 1)\bigr)

    Args:
        dtype: dtype of the law; None is torch's default.
        device: device of the law.

    Returns:
        The mixture, which is the law itself.

    References:
        K. P. Murphy, *Probabilistic Machine Learning: Advanced Topics* (2023), figure 23.5.

    Example:
        >>> cross().n_components
        2
    """
    var = torch.tensor([[1.0, 0.15**2], [0.15**2, 1.0]], dtype=torch.float64)
    return cast(GaussianMixture(torch.zeros_like(var), var=var), dtype, device)
