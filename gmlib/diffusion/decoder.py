"""The last step of the chain as a law over grey levels."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.special import log_ndtr

from gmlib._checks import anywhere, check_count, check_number
from gmlib.diffusion.chain import check_points, over_event


def discretised_gaussian(
    x0: Float[Tensor, "batch *event"],
    mean: Float[Tensor, "batch *event"],
    std: float | Float[Tensor, "*_"],
    levels: int,
    low: float = -1.0,
    high: float = 1.0,
) -> Float[Tensor, " batch"]:
    r"""Log-probability of an image of grey levels: the mass of a normal law in the bin around each level.

    .. math:: \log p(x) = \sum_i\log\int_{x_i - \Delta/2}^{x_i + \Delta/2}\mathcal N(u; \mu_i, \sigma^2)\,du, \qquad
        \Delta = \frac{\text{high} - \text{low}}{\text{levels} - 1}

    The bins of the lowest and the highest level reach to infinity, so the probabilities sum to one. Divided by
    :math:`-\log2` and the number of pixels this is in bits per dimension.

    Args:
        x0: images whose entries are levels, evenly spaced from ``low`` to ``high``, (batch, ``*event``).
        mean: :math:`\mu`, shaped as ``x0``.
        std: :math:`\sigma`, positive; a number or a tensor that broadcasts against ``x0``.
        levels: number of grey levels, at least 2.
        low: the lowest level.
        high: the highest level.

    Returns:
        Nats, (batch,).

    Raises:
        TypeError: ``x0`` or ``mean`` is no floating tensor, or ``levels`` no int.
        ValueError: shapes do not fit, ``std`` is not positive, ``levels`` is below 2, ``low`` not below ``high``, or an
            entry of ``x0`` is no level. The entries of tensors are looked at on the CPU only.

    References:
        J. Ho, A. Jain and P. Abbeel, *Denoising diffusion probabilistic models* (2020), eq. 13.

    Example:
        >>> import torch
        >>> from gmlib.diffusion import discretised_gaussian
        >>> black_or_white = torch.tensor([[-1.0], [1.0]])
        >>> discretised_gaussian(black_or_white, torch.full((2, 1), 0.5), 0.5, 2).exp().round(decimals=4)
        tensor([0.1587, 0.8413])
    """
    check_points("x0", x0)
    check_points("mean", mean)
    if mean.shape != x0.shape:
        raise ValueError(f"mean must have shape {tuple(x0.shape)}, as x0, got {tuple(mean.shape)}")
    if not isinstance(std, Tensor):
        check_number("std", std, low=0.0, low_open=True)
    check_count("levels", levels, low=2)
    check_number("high", high)
    check_number("low", low, high=high, high_open=True)
    place = (x0 - low) * ((levels - 1) / (high - low))
    off = (place - place.round().clamp(0, levels - 1)).abs()
    # What the rounding of the pixels' dtype makes of a level is forgiven.
    if anywhere(~(off <= max(1e-3, 2 * levels * torch.finfo(x0.dtype).eps))):
        raise ValueError(
            f"x0 must be made of {levels} levels from {low:g} to {high:g}, got an entry that is {float(off.max()):.3g} of "
            "a level's distance from any"
        )
    if isinstance(std, Tensor) and anywhere(~(std > 0)):
        raise ValueError(f"std must be positive, got an entry of {float(std.min()):g}")
    half = 0.5 * (high - low) / (levels - 1)
    centred = x0 - mean
    left = torch.where(x0 < low + half, -torch.inf, (centred - half) / std)
    right = torch.where(x0 > high - half, torch.inf, (centred + half) / std)
    # Bins right of the mean are mirrored: in the left tail the difference of two probabilities keeps its digits.
    mirrored = centred > 0
    left, right = torch.where(mirrored, -right, left), torch.where(mirrored, -left, right)
    upper = log_ndtr(right)
    return over_event(upper + torch.log(-torch.expm1(log_ndtr(left) - upper)))
