r"""Two-dimensional toy laws, each a Gaussian mixture of at most 400 components.

As mixtures they have everything that `GaussianMixture` has: a density, a score, a denoiser at every noise
level. So "the true score of the Swiss roll" is a number here and not a picture. Three kinds:

- mixtures by definition: the four, eight and sixteen Gaussians, the cross;
- a curve blurred by isotropic noise (moons, ring, Swiss roll): the curve is replaced by points at the midpoints
  of equal steps of its parameter. The points lie closer than the noise is wide, so that the mixture differs from
  the continuous law by rounding along the curve and by the midpoint rule's error at its ends;
- a bent normal law (banana, pinwheel): the normal coordinate along the curve is itself split into a mixture of
  narrow normal laws, and on each the bend is replaced by its tangent.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gmlib._checks import check_choice, check_count, check_number
from gmlib.distributions.mixture import GaussianMixture


def _midpoints(n: int) -> Tensor:
    """The midpoints of ``n`` equal pieces of [0, 1]."""
    return (torch.arange(n, dtype=torch.float64) + 0.5) / n


def _uniform(n: int, low: float, high: float) -> tuple[Tensor, Tensor]:
    """The uniform law on [low, high] as ``n`` Gauss-Legendre nodes and weights; largest step (high - low) pi/2n."""
    nodes, weights = np.polynomial.legendre.leggauss(n)
    return torch.from_numpy(low + (high - low) * (nodes + 1) / 2), torch.from_numpy(weights)


def _cast(law: GaussianMixture, dtype: torch.dtype | None, device: Any) -> GaussianMixture:
    # Built in float64 and rounded once, so that the float32 law is the float64 law's rounding.
    return law.to(device=device, dtype=dtype or torch.get_default_dtype())


def _blurred(
    points: Tensor, noise: float, dtype: Any, device: Any, weights: Tensor | None = None
) -> GaussianMixture:
    check_number("noise", noise, low=0.0, low_open=True)
    return _cast(GaussianMixture(points, weights=weights, var=float(noise) ** 2), dtype, device)


def _split_normal(n: int, reach: float) -> tuple[Tensor, Tensor, float]:
    r"""Split N(0, 1) into ``n`` narrow normal laws with means on a grid over [-reach, reach].

    Weights are those of :math:`\mathcal N(0, 1 - \tau^2)` at the means, :math:`\tau^2` being the narrow
    variance and :math:`\tau` the grid's step: the sum then has variance one up to the tail beyond ``reach``.
    """
    z = torch.linspace(-reach, reach, n, dtype=torch.float64)
    tau = 2 * reach / (n - 1)
    return z, torch.exp(-0.5 * z**2 / (1 - tau**2)), tau


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
    return _blurred(torch.cat([upper, lower]), noise, dtype, device, weights.repeat(2))


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
    return _blurred(points, noise, dtype, device, weights)


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
    theta = 2 * math.pi * _midpoints(n_components)
    return _blurred(2 * torch.stack([theta.cos(), theta.sin()], -1), noise, dtype, device)


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
    return _blurred(torch.cartesian_prod(side, side), noise, dtype, device)


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
    return _blurred(2 * torch.stack([theta.cos(), theta.sin()], -1), noise, dtype, device)


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
    return _blurred(torch.cartesian_prod(side, side), noise, dtype, device)


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
    inside = torch.cartesian_prod(*2 * (_midpoints(n_cell),)).reshape(-1, 2)
    points = (cells[:, None] + inside).reshape(-1, 2)
    return _blurred(points, 0.6 / n_cell, dtype, device)


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
    return _cast(GaussianMixture(torch.zeros_like(var), var=var), dtype, device)


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
    return _cast(law, dtype, device)


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
    return _cast(law, dtype, device)


def _outer(v: Tensor) -> Tensor:
    return v.unsqueeze(-1) * v.unsqueeze(-2)


TOYS: dict[str, Callable[..., GaussianMixture]] = {
    make.__name__: make
    for make in (
        two_moons,
        swiss_roll,
        eight_gaussians,
        sixteen_gaussians,
        ring,
        pinwheel,
        checkerboard,
        banana,
        cross,
    )
}
"""The toy laws that recipes and widgets offer, by name."""


def toy(name: str, **constants: Any) -> GaussianMixture:
    """The toy law called ``name``.

    Args:
        name: a key of `TOYS`.
        constants: passed on, among them ``dtype`` and ``device``.

    Returns:
        The mixture.

    Raises:
        ValueError: if there is no toy of that name, or as the toy itself.

    References:
        Each toy's own.

    Example:
        >>> toy("ring", noise=0.3).event_shape
        torch.Size([2])
    """
    check_choice("name", name, tuple(TOYS))
    return TOYS[name](**constants)
