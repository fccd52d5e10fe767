"""Which coordinates a coupling layer keeps: True stays as it is and steers the rest."""

from __future__ import annotations

import torch
from jaxtyping import Bool
from torch import Tensor

from gmlib._checks import check_count


def half_mask(d: int, *, flip: bool = False) -> Bool[Tensor, " d"]:
    """Keep the first half of d coordinates, rounded up; ``flip`` keeps the others.

    Args:
        d: number of coordinates, at least 2.
        flip: the complement.

    Raises:
        ValueError: ``d`` is below 2.

    Example:
        >>> half_mask(4), half_mask(3, flip=True)
        (tensor([ True,  True, False, False]), tensor([False, False,  True]))
    """
    check_count("d", d, low=2)
    return (torch.arange(d) < (d + 1) // 2) ^ flip


def alternating_mask(d: int, *, flip: bool = False) -> Bool[Tensor, " d"]:
    """Keep the coordinates 0, 2, 4, ...; ``flip`` keeps the others.

    Args:
        d: number of coordinates, at least 2.
        flip: the complement.

    Raises:
        ValueError: ``d`` is below 2.

    References:
        L. Dinh, D. Krueger and Y. Bengio, *NICE: Non-linear Independent Components Estimation*, 2015, section 5.1.

    Example:
        >>> alternating_mask(4)
        tensor([ True, False,  True, False])
    """
    check_count("d", d, low=2)
    return (torch.arange(d) % 2 == 0) ^ flip


def checkerboard_mask(event_shape: tuple[int, ...], *, flip: bool = False) -> Bool[Tensor, "..."]:
    """Keep the pixels whose row and column add to an even number, in every channel; ``flip`` keeps the others.

    Args:
        event_shape: (*channels, height, width), of more than one pixel.
        flip: the complement.

    Raises:
        ValueError: fewer than two dimensions, a size below 1, or a single pixel.

    References:
        L. Dinh, J. Sohl-Dickstein and S. Bengio, *Density estimation using Real NVP*, 2017, section 3.4.

    Example:
        >>> checkerboard_mask((1, 2, 3)).int()
        tensor([[[1, 0, 1],
                 [0, 1, 0]]], dtype=torch.int32)
    """
    for size in event_shape:
        check_count("event_shape", size)
    if len(event_shape) < 2 or event_shape[-1] * event_shape[-2] < 2:
        raise ValueError(
            f"event_shape must be (..., height, width) of more than one pixel, got {event_shape}"
        )
    parity = torch.arange(event_shape[-2])[:, None] + torch.arange(event_shape[-1])
    return ((parity % 2 == 0) ^ flip).expand(event_shape).clone()


def channel_mask(event_shape: tuple[int, int, int], *, flip: bool = False) -> Bool[Tensor, "..."]:
    """Keep the first half of the channels, rounded up; ``flip`` keeps the others.

    Args:
        event_shape: (channels, height, width), of at least 2 channels.
        flip: the complement.

    Raises:
        ValueError: not three dimensions, a size below 1, or a single channel.

    References:
        L. Dinh, J. Sohl-Dickstein and S. Bengio, *Density estimation using Real NVP*, 2017, section 3.4.

    Example:
        >>> channel_mask((4, 1, 2))[:, 0, 0]
        tensor([ True,  True, False, False])
    """
    if len(event_shape) != 3:
        raise ValueError(f"event_shape must be (channels, height, width), got {event_shape}")
    for size in event_shape:
        check_count("event_shape", size)
    check_count("channels", event_shape[0], low=2)
    return half_mask(event_shape[0], flip=flip)[:, None, None].expand(event_shape).clone()
