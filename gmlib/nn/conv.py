"""Convolutional blocks, and the encoder and decoder pair that the image chapters share."""

from __future__ import annotations

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn

from gmlib._checks import check_count, check_event


class ConvBlock(nn.Module):
    """A residual block of two 3x3 convolutions with group normalisation; keeps height and width.

    The second convolution starts at zero, so that a fresh block passes its input on (through a 1x1 convolution where
    the number of channels changes).

    Args:
        inputs: channels in.
        outputs: channels out.
        groups: largest number of normalisation groups; the largest divisor of ``outputs`` up to it is used.

    Raises:
        ValueError: a count below 1.

    Example:
        >>> import torch
        >>> from gmlib.nn import ConvBlock
        >>> ConvBlock(3, 8)(torch.zeros(2, 3, 7, 7)).shape
        torch.Size([2, 8, 7, 7])
    """

    def __init__(self, inputs: int, outputs: int, *, groups: int = 8) -> None:
        super().__init__()
        check_count("inputs", inputs)
        check_count("outputs", outputs)
        check_count("groups", groups)
        self.inputs = inputs
        self.skip = nn.Identity() if inputs == outputs else nn.Conv2d(inputs, outputs, 1)
        last = nn.Conv2d(outputs, outputs, 3, padding=1)
        for parameter in last.parameters():
            nn.init.zeros_(parameter)
        self.body = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, padding=1),
            nn.GroupNorm(max(g for g in range(1, groups + 1) if outputs % g == 0), outputs),
            nn.SiLU(),
            last,
        )

    def forward(
        self, x: Float[Tensor, "batch inputs height width"]
    ) -> Float[Tensor, "batch outputs height width"]:
        """Map images (batch, inputs, height, width) to (batch, outputs, height, width).

        Raises:
            ValueError: the number of channels is not ``inputs``.
        """
        check_event("x", x, (self.inputs, *x.shape[2:]))
        return self.skip(x) + self.body(x)


class ConvEncoder(nn.Module):
    """Images to vectors: one block a level, halving height and width between levels, and a linear map at the end.

    Args:
        channels: channels of the image.
        size: height = width of the image, divisible by ``2 ** (len(widths) - 1)``.
        widths: channels of each level, finest first.
        outputs: size of the output vector.

    Raises:
        ValueError: a count below 1, or a size that cannot be halved so often.

    Example:
        >>> import torch
        >>> from gmlib.nn import ConvEncoder
        >>> ConvEncoder(1, 28, [8, 16, 32], 10)(torch.zeros(4, 1, 28, 28)).shape
        torch.Size([4, 10])
    """

    def __init__(self, channels: int, size: int, widths: Sequence[int], outputs: int) -> None:
        super().__init__()
        coarse = coarse_size(size, widths)
        check_count("channels", channels)
        check_count("outputs", outputs)
        self.event_shape = (channels, size, size)
        layers: list[nn.Module] = [nn.Conv2d(channels, widths[0], 3, padding=1)]
        for level, width in enumerate(widths):
            if level:
                layers.append(nn.Conv2d(widths[level - 1], width, 4, stride=2, padding=1))
            layers += [ConvBlock(width, width), nn.SiLU()]
        self.body = nn.Sequential(*layers, nn.Flatten(), nn.Linear(widths[-1] * coarse**2, outputs))

    def forward(self, x: Float[Tensor, "batch channels size size"]) -> Float[Tensor, "batch outputs"]:
        """Map images (batch, channels, size, size) to vectors (batch, outputs).

        Raises:
            ValueError: the images have another shape.
        """
        check_event("x", x, self.event_shape)
        return self.body(x)


class ConvDecoder(nn.Module):
    """Vectors to images: the mirror of :class:`ConvEncoder`, doubling height and width between levels.

    Args:
        inputs: size of the input vector.
        widths: channels of each level, finest first (the same list as the encoder's).
        size: height = width of the image, divisible by ``2 ** (len(widths) - 1)``.
        channels: channels of the output (more than the image's when a pixel has several parameters).

    Raises:
        ValueError: a count below 1, or a size that cannot be halved so often.

    Example:
        >>> import torch
        >>> from gmlib.nn import ConvDecoder
        >>> ConvDecoder(10, [8, 16, 32], 28, 1)(torch.zeros(4, 10)).shape
        torch.Size([4, 1, 28, 28])
    """

    def __init__(self, inputs: int, widths: Sequence[int], size: int, channels: int) -> None:
        super().__init__()
        coarse = coarse_size(size, widths)
        check_count("inputs", inputs)
        check_count("channels", channels)
        self.inputs = inputs
        layers = from_vector(inputs, widths[-1], coarse)
        for level in reversed(range(len(widths))):
            layers += [ConvBlock(widths[level], widths[level]), nn.SiLU()]
            if level:
                layers.append(nn.ConvTranspose2d(widths[level], widths[level - 1], 4, stride=2, padding=1))
        self.body = nn.Sequential(*layers, nn.Conv2d(widths[0], channels, 3, padding=1))

    def forward(self, z: Float[Tensor, "batch inputs"]) -> Float[Tensor, "batch channels size size"]:
        """Map vectors (batch, inputs) to images (batch, channels, size, size).

        Raises:
            ValueError: the vectors have another size.
        """
        check_event("z", z, (self.inputs,))
        return self.body(z)


def coarse_size(size: int, widths: Sequence[int], *, below: bool = False) -> int:
    """Height = width at the coarsest of several levels, each half as high and wide as the one before.

    Args:
        size: height = width of the image.
        widths: channels of each level, finest first.
        below: the finest level is already half the image, instead of as large.

    Raises:
        ValueError: a count below 1, no level, or a size that cannot be halved so often.

    Example:
        >>> from gmlib.nn.conv import coarse_size
        >>> coarse_size(28, [8, 16, 32]), coarse_size(28, [8, 16], below=True)
        (7, 7)
    """
    check_count("size", size)
    if not widths:
        raise ValueError("widths must name at least one level, got an empty list")
    for width in widths:
        check_count("widths", width)
    factor = 2 ** (len(widths) - (not below))
    if size % factor:
        raise ValueError(f"size must be divisible by {factor} for {len(widths)} levels, got {size}")
    return size // factor


def from_vector(inputs: int, width: int, coarse: int) -> list[nn.Module]:
    """The layers that make a coarse image of a vector: a linear map and a change of shape.

    Args:
        inputs: size of the vector.
        width: channels of the image.
        coarse: its height = width.

    Example:
        >>> import torch
        >>> from gmlib.nn.conv import from_vector
        >>> torch.nn.Sequential(*from_vector(5, 8, 7))(torch.zeros(2, 5)).shape
        torch.Size([2, 8, 7, 7])
    """
    return [nn.Linear(inputs, width * coarse**2), nn.Unflatten(1, (width, coarse, coarse))]
