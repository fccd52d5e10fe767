"""Toy laws that are a curve blurred by isotropic noise: moons, Swiss roll, ring.

The curve is replaced by points at the midpoints of equal steps of its parameter, or at Gauss-Legendre nodes where it has
ends. The points lie closer than the noise is wide, so that the mixture differs from the continuous law by rounding along
the curve and by the rule's error at its ends.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from gmlib._checks import check_count
from gmlib.distributions._toy_parts import blurred, midpoints
from gmlib.distributions.mixture import GaussianMixture


def two_moons(
    noise: float = 0.1,
    n_components: int = 400,
    *,
    dtype: torch.dtype | None = None,
    device: torch.device | str | None = None,
) -> GaussianMixture:
    r"""Two interleaved half circles with isotropic noise.

    .. math:: (\cos\theta, \sin\theta) \text{ or } (1-\cos\theta, \tfrac12-\sin\theta), \qquad
        \theta\sim\mathcal U(0,\pi), \qquad \text{each with probability } \tfrac12

    The continuous law has entropy 0.2892, 1.0076 and 1.6775 nats at noise 0.05, 0.1 and 0.2; its mean is
    (1/2, 1/4). The noise should not be below the largest spacing :math:`\pi^2/K` of
    the components (0.025).

    Args:
        noise: standard deviation of the noise.
        n_components: number K of components, even, at least 2.
        dtype: dtype of the law; None is torch's default.
        device: device of the law.

    Returns:
        The mixture.

    Raises:
        ValueError: if ``noise`` is not positive or ``n_components`` not even.

    References:
        F. Pedregosa et al., *Scikit-learn* (2011), ``make_moons``, with random instead of equally spaced
        angles.

    Example:
        >>> two_moons()
        GaussianMixture(batch_shape=(), K=400, d=2, covariance=diagonal)
    """
    check_count("n_components", n_components, low=2)
    if n_components % 2:
        raise ValueError(f"n_components must be even, half for each moon, got {n_components}")
    angle, weights = _uniform(n_components // 2, 0.0, math.pi)
    upper = torch.stack([angle.cos(), angle.sin()], -1)
    lower = torch.stack([1 - angle.cos(), 0.5 - angle.sin()], -1)
    return blurred(torch.cat([upper, lower]), noise, dtype, device, weights.repeat(2))


def swiss_roll(
    noise: float = 0.1,
    n_components: int = 400,
    *,
    dtype: torch.dtype | None = None,
    device: torch.device | str | None = None,
) -> GaussianMixture:
    r"""A spiral of one turn and a half: the planar slice of the Swiss roll.

    .. math:: \tfrac15(\theta\cos\theta, \theta\sin\theta), \qquad \theta\sim\mathcal U(1.5\pi, 4.5\pi)

    The arms are :math:`2\pi/5 = 1.26` apart, and the density falls outwards since the angle is uniform.

    Args:
        noise: standard deviation of the noise.
        n_components: number of components; their largest spacing is about 0.08 at 400.
        dtype: dtype of the law; None is torch's default.
        device: device of the law.

    Returns:
        The mixture.

    Raises:
        ValueError: if ``noise`` is not positive.

    References:
        S. Marsland, *Machine Learning: An Algorithmic Perspective* (2009), as in scikit-learn's
        ``make_swiss_roll``.

    Example:
        >>> swiss_roll(noise=0.05).n_components
        400
    """
    check_count("n_components", n_components)
    theta, weights = _uniform(n_components, 1.5 * math.pi, 4.5 * math.pi)
    points = torch.stack([theta * theta.cos(), theta * theta.sin()], -1) / 5
    return blurred(points, noise, dtype, device, weights)


def ring(
    noise: float = 0.1,
    n_components: int = 200,
    *,
    dtype: torch.dtype | None = None,
    device: torch.device | str | None = None,
) -> GaussianMixture:
    r"""A circle of radius 2 with isotropic noise, :math:`2(\cos\theta,\sin\theta)`, :math:`\theta\sim\mathcal
    U(0,2\pi)`.

    Args:
        noise: standard deviation of the noise.
        n_components: number K of components; their spacing is :math:`4\pi/K`.
        dtype: dtype of the law; None is torch's default.
        device: device of the law.

    Returns:
        The mixture.

    Raises:
        ValueError: if ``noise`` is not positive.

    References:
        The continuous law has the density :math:`e^{-(r^2+4)/(2s^2)} I_0(2r/s^2)/(2\pi s^2)` at radius r
        (Rice's law).

    Example:
        >>> ring().n_components
        200
    """
    check_count("n_components", n_components)
    theta = 2 * math.pi * midpoints(n_components)
    return blurred(2 * torch.stack([theta.cos(), theta.sin()], -1), noise, dtype, device)


def _uniform(n: int, low: float, high: float) -> tuple[Tensor, Tensor]:
    """The uniform law on [low, high] as ``n`` Gauss-Legendre nodes and weights; largest step (high - low) pi/2n."""
    nodes, weights = np.polynomial.legendre.leggauss(n)
    return torch.from_numpy(low + (high - low) * (nodes + 1) / 2), torch.from_numpy(weights)
