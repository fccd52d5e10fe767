"""Wasserstein distances between samples: exact on a line, over random lines, and exact by the best matching."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_count, check_finite, check_number, check_tensor
from gmlib._extras import require
from gmlib.metrics._samples import check_samples, raised
from gmlib.metrics.estimate import Estimate, mean_estimate
from gmlib.metrics.neighbours import BLOCK_BYTES, distance_blocks


def wasserstein_1d(
    x: Float[Tensor, "*batch n"], y: Float[Tensor, "*batch m"], *, p: float | int = 2
) -> Float[Tensor, "*batch"]:
    r"""The p-Wasserstein distance between two samples on a line.

    .. math:: W_p(x, y) = \Big(\int_0^1 \lvert F_x^{-1}(u) - F_y^{-1}(u) \rvert^p \, du\Big)^{1/p}

    (Villani 2003, "Topics in optimal transportation", section 2.2.) For samples of equal size it pairs the sorted
    points; for others the quantile functions are steps, and the integral is a sum over the n + m levels at which either
    steps.

    Args:
        x: (*batch, n).
        y: (*batch, m), with the same batch shape.
        p: the power, at least 1.

    Returns:
        (*batch,), in the units of the data. It has a gradient, 0 between equal samples; float16 and bfloat16 are raised to
        float32 in between.

    Raises:
        TypeError: not floating tensors, or ``p`` is not a number.
        ValueError: no points, NaN or infinity, batch shapes or devices that differ, or ``p`` < 1.

    Example:
        >>> import torch
        >>> from gmlib.metrics import wasserstein_1d
        >>> x = torch.tensor([3.0, 0.0, 1.0])
        >>> wasserstein_1d(x, x + 2).item()
        2.0
    """
    for name, value in (("x", x), ("y", y)):
        check_tensor(name, value)
        if value.dim() < 1 or value.shape[-1] < 1:
            raise ValueError(
                f"{name} must have at least one point on its last axis, got shape {tuple(value.shape)}"
            )
        check_finite(name, value)
    if y.shape[:-1] != x.shape[:-1]:
        raise ValueError(
            f"y must have the batch shape {tuple(x.shape[:-1])} of x, got shape {tuple(y.shape)}"
        )
    if y.device != x.device:
        raise ValueError(f"y must be on {x.device} as x is, got {y.device}")
    check_number("p", p, low=1.0)
    dtype = torch.promote_types(x.dtype, y.dtype)
    working = torch.promote_types(dtype, torch.float32)
    power = _power_1d(x.to(working), y.to(working), p)
    # The root has no finite slope at 0, which would make NaN of every gradient.
    positive = power > 0
    return torch.where(positive, torch.where(positive, power, 1.0) ** (1 / p), 0.0).to(dtype)


def _power_1d(x: Tensor, y: Tensor, p: float | int) -> Tensor:
    """:math:`W_p^p` along the last axis."""
    x, y = x.sort(-1).values, y.sort(-1).values
    n, m = x.shape[-1], y.shape[-1]
    if n == m:
        return (x - y).abs().pow(p).mean(-1)
    # Levels in units of 1 / (n m): whole numbers, so that i / n = j / m is decided without rounding.
    levels = torch.cat([torch.arange(1, n + 1) * m, torch.arange(1, m + 1) * n]).sort().values.to(x.device)
    widths = levels.diff(prepend=levels.new_zeros(1)).to(x.dtype) / (n * m)
    i, j = (levels + m - 1) // m - 1, (levels + n - 1) // n - 1
    return (x[..., i] - y[..., j]).abs().pow(p) @ widths


@torch.no_grad()
def sliced_wasserstein(
    x: Float[Tensor, "n d"],
    y: Float[Tensor, "m d"],
    *,
    p: float | int = 2,
    directions: int | Float[Tensor, "L d"] = 256,
    generator: torch.Generator | None = None,
) -> Estimate:
    r"""Sliced Wasserstein distance: samples projected on random lines.

    .. math:: \mathrm{SW}_p(x, y) = \Big(\mathbb{E}_\theta\, W_p^p(\theta^\top x, \theta^\top y)\Big)^{1/p}, \qquad
              \theta \text{ uniform on the unit sphere}

    (:eq:`eq-01b-sliced` in the book; Bonneel et al. 2015, "Sliced and Radon Wasserstein barycenters of measures".) At most
    :math:`W_p`; a shift by a costs :math:`\lvert a \rvert / \sqrt d` for p = 2. Finite samples bias it upwards, as they do
    every Wasserstein distance: print beside it that of two real samples of the same sizes.

    Args:
        x: one sample, (n, d); float16 and bfloat16 are raised to float32.
        y: the other, (m, d).
        p: the power, at least 1.
        directions: how many to draw, at least 2, or the directions themselves, (L, d), of length 1.
        generator: of the directions, on the device of the samples.

    Returns:
        In the units of the data. The standard error is that of drawing the directions (by the delta method), not of drawing
        the samples; ``n`` is the number of directions.

    Raises:
        TypeError: not floating tensors, or ``p`` or ``directions`` of another type.
        ValueError: not finite matrices with the same number of columns on one device, ``p`` < 1, fewer than two directions,
            or one whose length is off 1 by more than .001.

    Example:
        >>> import torch
        >>> from gmlib.metrics import sliced_wasserstein
        >>> x = torch.randn(100, 4)
        >>> estimate = sliced_wasserstein(x, x + 1.0, generator=torch.Generator().manual_seed(0))
        >>> abs(estimate.value - 1.0) < 4 * estimate.standard_error  # |a| / sqrt(d) = 2 / 2
        True
    """
    check_samples(x=x, y=y)
    check_number("p", p, low=1.0)
    dtype = torch.promote_types(torch.promote_types(x.dtype, y.dtype), torch.float32)
    # A common shift moves nothing, and float32 keeps its digits.
    centre = y.to(dtype).mean(0)
    x, y = x.to(dtype) - centre, y.to(dtype) - centre
    if isinstance(directions, Tensor):
        check_samples(x=x, directions=directions)
        theta, lengths = directions.to(dtype), raised(directions).norm(dim=1)
        if bool(((lengths - 1).abs() > max(1e-3, torch.finfo(directions.dtype).eps)).any()):
            low, high = (v.item() for v in lengths.aminmax())
            raise ValueError(f"directions must have length 1, got lengths from {low:.4g} to {high:.4g}")
    else:
        check_count("directions", directions, low=2)
        theta = torch.randn(directions, x.shape[1], dtype=dtype, device=x.device, generator=generator)
        theta = theta / theta.norm(dim=1, keepdim=True)
    if theta.shape[0] < 2:
        raise ValueError(f"directions must be at least 2, got shape {tuple(theta.shape)}")
    at_once = max(1, BLOCK_BYTES // (16 * (x.shape[0] + y.shape[0])))
    mean = mean_estimate(torch.cat([_power_1d(part @ x.T, part @ y.T, p) for part in theta.split(at_once)]))
    if mean.value == 0.0:
        return mean
    value = mean.value ** (1 / p)
    return Estimate(value, mean.standard_error * value / (p * mean.value), mean.n)


@torch.no_grad()
def exact_wasserstein(
    x: Float[Tensor, "n d"], y: Float[Tensor, "n d"], *, p: float | int = 2
) -> Float[Tensor, ""]:
    r"""The p-Wasserstein distance between two samples of equal size, by the best one-to-one matching.

    .. math:: W_p(x, y) = \Big(\min_\pi \frac1n \sum_{i=1}^n \lVert x_i - y_{\pi(i)} \rVert^p\Big)^{1/p}

    over the permutations (a vertex of the transport polytope is one, by Birkhoff's theorem). The matching is scipy's
    ``linear_sum_assignment``, on the CPU: time grows like n³ and memory like n², so a few thousand points. It is biased
    upwards, and in d > 4 dimensions the distance between two samples of the same law falls only like
    :math:`n^{-1/d}`.

    Args:
        x: (n, d).
        y: (n, d).
        p: the power, at least 1.

    Returns:
        A scalar in the units of the data.

    Raises:
        ImportError: scipy is not installed.
        TypeError: not floating tensors, or ``p`` is not a number.
        ValueError: not finite matrices of the same shape on one device, or ``p`` < 1.

    Example:
        >>> import torch
        >>> from gmlib.metrics import exact_wasserstein
        >>> x = torch.randn(20, 3, dtype=torch.float64)
        >>> round(exact_wasserstein(x, x.flip(0) + torch.tensor([3.0, 0.0, 4.0])).item(), 6)
        5.0
    """
    check_samples(x=x, y=y)
    if x.shape != y.shape:
        raise ValueError(f"y must have the shape {tuple(x.shape)} of x, got {tuple(y.shape)}")
    check_number("p", p, low=1.0)
    optimize = require("scipy.optimize", extra="book", purpose="to match two samples")
    costs = torch.cat([block.cpu() for _, block in distance_blocks(x, y)])
    _, match = optimize.linear_sum_assignment(costs.pow_(p / 2).numpy())
    # The distances of the pairs once more, by explicit differences: 0 between duplicates.
    distances = (raised(x) - raised(y)[torch.from_numpy(match).to(y.device)]).norm(dim=1)
    return (distances.pow(p).mean() ** (1 / p)).to(torch.promote_types(x.dtype, y.dtype))
