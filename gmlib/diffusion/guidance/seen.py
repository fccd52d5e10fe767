"""What is left of pictures when part of them is lost: the questions that a repairer is asked."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Bool
from torch import Tensor

from gmlib._checks import check_count, check_number, check_tensor
from gmlib.diffusion.guidance.cascade import Images, enlarged, pooled
from gmlib.noise.samplers.start import noise_like


class Seen(NamedTuple):
    """What is left of pictures.

    Attributes:
        image: the pictures as they are seen, (batch, channels, height, width); 0 where nothing is seen.
        known: where that is the truth, (batch, 1, height, width).
    """

    image: Tensor
    known: Tensor

    @property
    def shown(self) -> Tensor:
        """Both as channels of one picture, (batch, channels + 1, height, width): what `gmlib.nn.Beside` puts beside."""
        return torch.cat([self.image, self.known.to(self.image)], 1)


def masked(x: Images, known: Bool[Tensor, "..."]) -> Seen:
    """See the pixels of a mask and nothing of the others.

    Args:
        x: pictures, (batch, channels, height, width).
        known: the mask, which expands to (batch, 1, height, width).

    Raises:
        TypeError: ``x`` is no floating tensor, or ``known`` no tensor of truth values.
        ValueError: ``x`` is no batch of pictures, or ``known`` does not expand to one mask for each.

    Example:
        >>> masked(torch.ones(1, 1, 1, 2), torch.tensor([True, False])).shown.flatten(2)
        tensor([[[1., 0.],
                 [1., 0.]]])
    """
    check_pictures(x)
    check_tensor("known", known, floating=False)
    if known.dtype != torch.bool:
        raise TypeError(f"known must have dtype bool, got {known.dtype}")
    wanted = (len(x), 1, *x.shape[2:])
    sides = zip(reversed(known.shape), reversed(wanted), strict=False)
    if known.dim() > 4 or any(side not in (1, due) for side, due in sides):
        raise ValueError(f"known must expand to shape {wanted}, got {tuple(known.shape)}")
    known = known.expand(wanted)
    return Seen(torch.where(known, x, torch.zeros_like(x)), known)


def hole(x: Images, margin: int) -> Seen:
    """Lose all but a rim of ``margin`` pixels: inpainting.

    Raises:
        ValueError: ``x`` is no batch of pictures, or ``margin`` is below 1 or leaves no hole.

    Example:
        >>> hole(torch.ones(1, 1, 4, 4), 1).image[0, 0, 1].tolist()
        [1.0, 0.0, 0.0, 1.0]
    """
    return masked(x, ~inner(x, margin))


def border(x: Images, margin: int) -> Seen:
    """Lose a rim of ``margin`` pixels: uncropping.

    Raises:
        ValueError: ``x`` is no batch of pictures, or ``margin`` is below 1 or leaves nothing.

    Example:
        >>> border(torch.ones(1, 1, 4, 4), 1).image[0, 0, 1].tolist()
        [0.0, 1.0, 1.0, 0.0]
    """
    return masked(x, inner(x, margin))


def blocks(x: Images, factor: int = 2) -> Seen:
    """See means over blocks of factor x factor pixels only: deblurring. No pixel is known.

    Raises:
        ValueError: ``x`` is no batch of pictures, or its height or width is not divisible by ``factor``.

    Example:
        >>> blocks(torch.arange(4.0).reshape(1, 1, 2, 2)).image.flatten().tolist()
        [1.5, 1.5, 1.5, 1.5]
    """
    return Seen(enlarged(pooled(x, factor), factor), nothing_known(x))


def grainy(x: Images, std: float, *, generator: torch.Generator | None = None) -> Seen:
    """See pictures through normal noise: denoising. No pixel is known.

    Args:
        x: pictures, (batch, channels, height, width).
        std: standard deviation of the noise.
        generator: source of randomness; None is torch's default.

    Raises:
        ValueError: ``x`` is no batch of pictures, or ``std`` is negative.

    Example:
        >>> grainy(torch.zeros(500, 1, 4, 4), 0.5).image.std().round(decimals=1)
        tensor(0.5000)
    """
    check_pictures(x)
    check_number("std", std, low=0.0)
    return Seen(x + std * noise_like(x, generator), nothing_known(x))


def inner(x: Images, margin: int) -> Bool[Tensor, "1 1 height width"]:
    """The mask of pixels that are ``margin`` or further from the border.

    Raises:
        ValueError: there is none, or ``margin`` is below 1.

    Example:
        >>> int(inner(torch.zeros(1, 1, 5, 4), 1).sum())
        6
    """
    check_pictures(x)
    check_count("margin", margin)
    height, width = x.shape[2:]
    if 2 * margin >= min(height, width):
        raise ValueError(
            f"margin must be less than half of height and width, {height} and {width}, got {margin}"
        )
    mask = torch.zeros(1, 1, height, width, dtype=torch.bool, device=x.device)
    mask[..., margin:-margin, margin:-margin] = True
    return mask


def nothing_known(x: Images) -> Bool[Tensor, "batch 1 height width"]:
    """The mask without a pixel.

    Example:
        >>> bool(nothing_known(torch.zeros(2, 3, 4, 4)).any())
        False
    """
    return torch.zeros_like(x[:, :1], dtype=torch.bool)


def check_pictures(x: Tensor) -> None:
    """Raise unless ``x`` is a floating tensor (batch, channels, height, width).

    Raises:
        TypeError: it is no floating tensor.
        ValueError: it has another number of dimensions.

    Example:
        >>> check_pictures(torch.zeros(1, 3, 4, 4))
    """
    check_tensor("x", x)
    if x.dim() != 4:
        raise ValueError(f"x must have shape (batch, channels, height, width), got {tuple(x.shape)}")
