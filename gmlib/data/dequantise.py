"""From integers to real numbers and back: uniform dequantisation and its bound."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Shaped, UInt8
from torch import Tensor

from gmlib._checks import check_count, check_tensor


def dequantise(
    x: Shaped[Tensor, "*shape"],
    levels: int,
    *,
    generator: torch.Generator | None = None,
    dtype: torch.dtype = torch.float32,
) -> Float[Tensor, "*shape"]:
    r"""Spread each integer evenly over its cell: uniform dequantisation.

    .. math:: y = \frac{x + u}{L}, \qquad u \sim \mathcal U[0, 1)

    so that :math:`y \in [0, 1)` and :func:`quantise` gives x back. (The last few millionths of each cell are
    left out: there, rounding in floating point would carry y into the next cell.)

    Args:
        x: integers from 0 to ``levels`` - 1, any shape; any integer dtype.
        levels: number of levels L, up to about 80,000 in float32.
        generator: source of u; None for torch's default generator.
        dtype: dtype of the result.

    Returns:
        Real numbers in [0, 1), of the shape of ``x`` and on its device.

    Raises:
        TypeError: ``x`` is not a tensor of integers.
        ValueError: an entry of ``x`` is below 0 or above ``levels`` - 1, or ``levels`` is too many for
            ``dtype``. (This check synchronises with the device; a training step draws u itself and adds.)

    References:
        L. Theis, A. van den Oord and M. Bethge, *A note on the evaluation of generative models*, 2016,
        section 3.1; K. Murphy, *Probabilistic Machine Learning: Advanced Topics*, 2023, section 20.4.1.1.

    Example:
        >>> x = torch.tensor([0, 3, 16])
        >>> y = dequantise(x, 17, generator=torch.Generator().manual_seed(0))
        >>> quantise(y, 17)
        tensor([ 0,  3, 16], dtype=torch.uint8)
    """
    _check_levels(x, levels)
    # Rounding x + u and then y * levels moves the value by at most about levels * eps: keep u that far below
    # 1.
    margin = 2 * levels * torch.finfo(dtype).eps
    if margin > 0.02:
        raise ValueError(
            f"levels must be at most {int(0.01 / torch.finfo(dtype).eps)} in {dtype}, got {levels}"
        )
    u = torch.rand(x.shape, generator=generator, dtype=dtype, device=x.device)
    return (x.to(dtype) + u.clamp_(max=1 - margin)) / levels


def quantise(y: Float[Tensor, "*shape"], levels: int) -> UInt8[Tensor, "*shape"]:
    r"""The integer whose cell holds y: :math:`x = \lfloor L y \rfloor`, with y cut to [0, 1) first.

    Inverse of :func:`dequantise`; a model's sample that falls outside [0, 1) goes to the nearest level.

    Args:
        y: real numbers, any shape.
        levels: number of levels L, from 1 to 256.

    Returns:
        Integers from 0 to ``levels`` - 1, ``torch.uint8``.

    Raises:
        TypeError: ``y`` is not a floating tensor.
        ValueError: ``levels`` is not between 1 and 256.

    Example:
        >>> quantise(torch.tensor([-0.1, 0.0, 0.5, 0.99, 1.7]), 4)
        tensor([0, 0, 2, 3, 3], dtype=torch.uint8)
    """
    check_tensor("y", y)
    check_count("levels", levels)
    if levels > 256:
        raise ValueError(f"levels must be at most 256, got {levels}")
    return (y * levels).floor().clamp(0, levels - 1).to(torch.uint8)


def log_mass(log_density: Float[Tensor, "*batch"], levels: int, dim: int) -> Float[Tensor, "*batch"]:
    r"""From the log-density of dequantised data on [0, 1)^D to nats about the integers themselves.

    The mass of the cell of x is an integral of the density p of y, and Jensen's inequality bounds its
    logarithm:

    .. math:: \log P(x) = \log \int_{[0,1)^D} p\Big(\frac{x + u}{L}\Big) \frac{\mathrm du}{L^D}
              \;\ge\; \mathbb E_u \Big[\log p\Big(\frac{x + u}{L}\Big)\Big] - D \log L .

    This function subtracts :math:`D \log L`; averaged over u, the result is a lower bound on :math:`\log
    P(x)`, tight when p is constant over each cell.

    Args:
        log_density: log p(y) in nats, summed over the D dimensions, any batch shape.
        levels: number of levels L.
        dim: number of dimensions D.

    Returns:
        Nats, of the same shape.

    Raises:
        TypeError: ``log_density`` is not a floating tensor.
        ValueError: ``levels`` or ``dim`` is below 1.

    References:
        Theis, van den Oord and Bethge 2016, section 3.1; Murphy 2023, equations 20.4 and 20.5.

    Example:
        The uniform density on [0, 1)^64 gives every image of 17 levels the same mass, 64 log 17 = 181.3 nats:

        >>> log_mass(torch.zeros(1), levels=17, dim=64)
        tensor([-181.3257])
    """
    check_tensor("log_density", log_density)
    check_count("levels", levels)
    check_count("dim", dim)
    return log_density - dim * math.log(levels)


def _check_levels(x: Tensor, levels: int) -> None:
    check_tensor("x", x, floating=False)
    if x.is_floating_point() or x.is_complex() or x.dtype is torch.bool:
        raise TypeError(f"x must have an integer dtype, got {x.dtype}")
    check_count("levels", levels)
    if x.numel() and (int(x.min()) < 0 or int(x.max()) >= levels):
        raise ValueError(
            f"x must lie between 0 and levels - 1 = {levels - 1}, got {int(x.min())} to {int(x.max())}"
        )
