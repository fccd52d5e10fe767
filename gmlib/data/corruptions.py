"""Images made worse by a known amount: noise, blur, missing classes, images that are nothing but noise."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float, Int64, Shaped
from torch import Tensor
from torch.nn.functional import conv2d, pad

from gmlib._checks import check_number, check_tensor


def add_noise(
    images: Float[Tensor, "n channels height width"],
    sigma: float,
    *,
    generator: torch.Generator | None = None,
) -> Float[Tensor, "n channels height width"]:
    r"""Gaussian noise on every pixel, cut to the range of an image.

    .. math:: x' = \min(1, \max(0, x + \sigma \varepsilon)), \qquad \varepsilon \sim \mathcal N(0, I)

    Args:
        images: grey values in [0, 1], (n, channels, height, width).
        sigma: standard deviation, in grey values.
        generator: source of the draws; None for torch's default generator.

    Raises:
        ValueError: ``images`` has not four dimensions or leaves [0, 1], or ``sigma`` is negative.
        TypeError: ``images`` is not a floating tensor.

    Example:
        >>> add_noise(torch.full((1, 1, 4, 4), 0.5), 0.1, generator=torch.Generator().manual_seed(0)).shape
        torch.Size([1, 1, 4, 4])
    """
    check_images("images", images)
    check_number("sigma", sigma, low=0.0)
    noise = torch.randn(images.shape, generator=generator, dtype=images.dtype, device=images.device)
    return (images + sigma * noise).clamp(0, 1)


def blur(
    images: Float[Tensor, "n channels height width"], sigma: float
) -> Float[Tensor, "n channels height width"]:
    r"""Gaussian blur: each pixel becomes an average of its neighbours with normal weights.

    .. math:: x'_{ij} = \sum_{a, b} k_a k_b\, x_{i - a, j - b}, \qquad
              k_a \propto e^{-a^2 / 2 \sigma^2}, \quad |a| \le \lceil 3 \sigma \rceil

    Outside the image there is paper (0). The kernel is normalised, so a drawing that stays off the border keeps its ink.

    Args:
        images: grey values in [0, 1], (n, channels, height, width).
        sigma: width of the kernel, in pixels; 0 leaves the images as they are.

    Raises:
        ValueError: ``images`` has not four dimensions or leaves [0, 1], or ``sigma`` is negative.
        TypeError: ``images`` is not a floating tensor.

    Example:
        >>> x = torch.zeros(1, 1, 9, 9)
        >>> x[..., 4, 4] = 1.0
        >>> round(float(blur(x, 1.0).sum()), 5)
        1.0
    """
    check_images("images", images)
    check_number("sigma", sigma, low=0.0)
    if sigma == 0:
        return images.clone()
    reach = math.ceil(3 * sigma)
    a = torch.arange(-reach, reach + 1, dtype=images.dtype, device=images.device)
    kernel = torch.exp(-0.5 * (a / sigma).square())
    kernel = kernel / kernel.sum()
    flat = pad(images.flatten(0, 1)[:, None], (reach,) * 4)
    flat = conv2d(conv2d(flat, kernel[None, None, None]), kernel[None, None, :, None])
    return flat.reshape(images.shape).clamp(0, 1)


def drop_classes(
    images: Shaped[Tensor, "n channels height width"], labels: Int64[Tensor, " n"], dropped: Sequence[int]
) -> Shaped[Tensor, "m channels height width"]:
    """The images of all classes but some: what a sampler gives that has lost these modes.

    Fewer images are left; compare samples of equal size (``gmlib.metrics.with_ceiling`` does).

    Args:
        images: (n, channels, height, width), of any dtype.
        labels: the class of each, (n,).
        dropped: the classes to leave out.

    Returns:
        The remaining images, in their order.

    Raises:
        ValueError: images and labels differ in number, a dropped class does not occur, or nothing is left.

    Example:
        >>> images, labels = torch.zeros(4, 1, 2, 2), torch.tensor([0, 1, 2, 1])
        >>> drop_classes(images, labels, [1]).shape
        torch.Size([2, 1, 2, 2])
    """
    check_tensor("images", images, floating=False)
    check_tensor("labels", labels, floating=False)
    if labels.dim() != 1 or len(labels) != len(images):
        raise ValueError(
            f"labels must have shape ({len(images)},), one for each image, got {tuple(labels.shape)}"
        )
    present = set(labels.unique().tolist())
    if missing := sorted(set(dropped) - present):
        raise ValueError(f"dropped must name classes that occur, got {missing}; there are {sorted(present)}")
    kept = ~torch.isin(labels, labels.new_tensor(list(dropped)))
    if not bool(kept.any()):
        raise ValueError(f"dropped must leave a class, got all of {sorted(present)}")
    return images[kept]


def replace_by_noise(
    images: Float[Tensor, "n channels height width"],
    share: float,
    *,
    generator: torch.Generator | None = None,
) -> Float[Tensor, "n channels height width"]:
    r"""Images of which a share is nothing but noise, uniform on [0, 1] in every pixel.

    Exactly :math:`\lfloor \text{share} \cdot n + 1/2 \rfloor` images are replaced, at random places.

    Args:
        images: grey values in [0, 1], (n, channels, height, width).
        share: the share of noise, from 0 to 1.
        generator: source of the draws; None for torch's default generator.

    Raises:
        ValueError: ``images`` has not four dimensions or leaves [0, 1], or ``share`` is outside [0, 1].
        TypeError: ``images`` is not a floating tensor.

    Example:
        >>> x = replace_by_noise(torch.zeros(100, 1, 8, 8), 0.99)
        >>> int((x.flatten(1).sum(1) > 0).sum())
        99
    """
    check_images("images", images)
    check_number("share", share, low=0.0, high=1.0)
    n = len(images)
    chosen = torch.randperm(n, generator=generator, device=images.device)[: math.floor(share * n + 0.5)]
    size = (len(chosen), *images.shape[1:])
    replaced = images.clone()
    replaced[chosen] = torch.rand(size, generator=generator, dtype=images.dtype, device=images.device)
    return replaced


def check_images(name: str, images: Tensor) -> None:
    """Raise unless ``images`` is a floating tensor (n, channels, height, width) of grey values in [0, 1], n at least 1.

    Raises:
        ValueError: the shape or the range is another, or there is no image.
        TypeError: not a floating tensor.

    Example:
        >>> check_images("x", torch.zeros(3, 1, 8, 8))
    """
    check_tensor(name, images)
    if images.dim() != 4 or len(images) == 0:
        raise ValueError(
            f"{name} must have shape (n, channels, height, width) with n at least 1, got shape {tuple(images.shape)}"
        )
    if not bool(((images >= 0) & (images <= 1)).all()):
        raise ValueError(
            f"{name} must lie in [0, 1], got {float(images.min())} to {float(images.max())}; "
            "divide grey levels by the highest one"
        )
