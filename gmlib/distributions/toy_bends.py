"""Toy laws that are bent normal laws: banana, pinwheel.

The normal coordinate along the curve is itself split into a mixture of narrow normal laws, and on each the bend is replaced
by its tangent.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from gmlib._checks import check_count
from gmlib.distributions._toy_parts import cast
from gmlib.distributions.mixture import GaussianMixture


def banana(
    n_components: int = 101, *, dtype: torch.dtype | None = None, device: torch.device | str | None = None
) -> GaussianMixture:
    r"""A normal law bent along a parabola, entropy :math:`\log 2\pi e + \log 2 = 3.5310` nats.

    .. math:: x_2\sim\mathcal N(0, 4), \qquad x_1\mid x_2\sim\mathcal N(x_2^2/4, 1)

    :math:`x_2` is split into narrow normal laws of standard deviation :math:`\tau`; on each, :math:`x_1` has
    the right mean, variance and covariance with :math:`x_2`, but is jointly normal. The entropy of the
    mixture is then right to 1e-4.

    Args:
        n_components: number of components along the banana, 21 to 400.
        dtype: dtype of the law; None is torch's default.
        device: device of the law.

    Returns:
        The mixture.

    Raises:
        ValueError: if ``n_components`` is out of its range.

    References:
        K. P. Murphy, *Probabilistic Machine Learning: Advanced Topics* (2023), section 23.2.4.1; the shape
        goes back to H. Haario et al., *Adaptive proposal distribution for random walk Metropolis algorithm*
        (1999).

    Example:
        >>> banana().variance.round(decimals=1)
        tensor([3., 4.])
    """
    check_count("n_components", n_components, low=21)
    if n_components > 400:
        raise ValueError(f"n_components must be at most 400, got {n_components}")
    z, weights, tau = _split_normal(n_components, 4.5)
    x2, tau2 = 2 * z, (2 * tau) ** 2
    # x1 = (x2 + delta)²/4 + noise, delta ~ N(0, tau2): moments exact, only the quadratic's skewness is dropped.
    means = torch.stack([x2**2 / 4 + tau2 / 4, x2], -1)
    first = 1 + (x2 / 2) ** 2 * tau2 + tau2**2 / 8
    cross_term = x2 / 2 * tau2
    rows = torch.stack([first, cross_term, cross_term, torch.full_like(x2, tau2)], -1)
    law = GaussianMixture(means, weights=weights, cov=rows.reshape(-1, 2, 2))
    return cast(law, dtype, device)


def pinwheel(
    n_components: int = 305, *, dtype: torch.dtype | None = None, device: torch.device | str | None = None
) -> GaussianMixture:
    r"""Five arms that bend as they go out.

    An arm starts as a normal law along the x axis and is turned by an angle that grows with the radius:

    .. math:: 2R\bigl(\tfrac{2\pi k}{5} + \tfrac14e^{r}\bigr)\binom{r}{w}, \qquad
        r\sim\mathcal N(1, 0.3^2), \qquad w\sim\mathcal N(0, 0.1^2), \qquad k \text{ uniform in } 0,\dots,4

    The radius is split into narrow normal laws; on each, the turn is replaced by its tangent.

    Args:
        n_components: number of components, a multiple of 5 from 55 to 400.
        dtype: dtype of the law; None is torch's default.
        device: device of the law.

    Returns:
        The mixture.

    Raises:
        ValueError: if ``n_components`` is out of its range.

    References:
        M. J. Johnson et al., *Composing graphical models with neural networks* (2016), figure 1 and its code.

    Example:
        >>> pinwheel().n_components
        305
    """
    check_count("n_components", n_components, low=55)
    if n_components % 5 or n_components > 400:
        raise ValueError(f"n_components must be a multiple of 5 and at most 400, got {n_components}")
    z, weights, tau = _split_normal(n_components // 5, 3.5)
    r = (1 + 0.3 * z).repeat(5)
    arm = torch.arange(5, dtype=torch.float64).repeat_interleave(len(z))
    angle = 2 * math.pi / 5 * arm + 0.25 * r.exp()
    outward = torch.stack([angle.cos(), angle.sin()], -1)
    across = torch.stack([-angle.sin(), angle.cos()], -1)
    # d/dr of r * outward(angle(r)): out, and across by r times the angle's slope.
    tangent = outward + (r * 0.25 * r.exp()).unsqueeze(-1) * across
    cov = (0.3 * tau) ** 2 * _outer(tangent) + 0.1**2 * _outer(across)
    law = GaussianMixture(2 * r.unsqueeze(-1) * outward, weights=weights.repeat(5), cov=4 * cov)
    return cast(law, dtype, device)


def _split_normal(n: int, reach: float) -> tuple[Tensor, Tensor, float]:
    r"""Split N(0, 1) into ``n`` narrow normal laws with means on a grid over [-reach, reach].

    Weights are those of :math:`\mathcal N(0, 1 - \tau^2)` at the means, :math:`\tau^2` being the narrow
    variance and :math:`\tau` the grid's step: the sum then has variance one up to the tail beyond ``reach``.
    """
    z = torch.linspace(-reach, reach, n, dtype=torch.float64)
    tau = 2 * reach / (n - 1)
    return z, torch.exp(-0.5 * z**2 / (1 - tau**2)), tau


def _outer(v: Tensor) -> Tensor:
    return v.unsqueeze(-1) * v.unsqueeze(-2)
