r"""Chapter 06: a modern Hopfield memory of the embedded MNIST digits, asked with half a digit or a noisy one.

The 10,000 training digits are stored as they are; nothing is trained. Pixels are binarised at one half and written as -1
and 1, so that all patterns have one length on whatever pixels are known, and the largest overlap is the smallest number of
differing pixels. With ink from 0 to 1 the digits with much ink have large overlaps with every cue.
"""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from gmlib._checks import check_choice, check_count, check_tensor
from gmlib.data import MNIST_LEVELS, mnist
from gmlib.energy import ModernHopfield

ENCODINGS = ("binary", "grey", "ink")
"""How a pixel is stored: -1 or 1; from -1 for paper to 1 for ink; from 0 for paper to 1 for ink."""


def encode_digits(
    images: Tensor, encoding: Literal["binary", "grey", "ink"] = "binary"
) -> Float[Tensor, "n pixels"]:
    """Write digits as patterns of the memory.

    Args:
        images: grey levels 0 to 255, ``torch.uint8``, (n, 1, 28, 28).
        encoding: "binary", -1 below 128 and 1 from there; "grey", from -1 to 1; "ink", from 0 to 1.

    Returns:
        Patterns in torch.float32, (n, 784).

    Raises:
        TypeError: ``images`` is no tensor of ``torch.uint8``.
        ValueError: ``encoding`` is unknown.

    Example:
        >>> import torch
        >>> from gmlib.recipes.memory import encode_digits
        >>> encode_digits(torch.tensor([[[[0, 255]]]], dtype=torch.uint8)).tolist()
        [[-1.0, 1.0]]
    """
    check_tensor("images", images, floating=False)
    if images.dtype != torch.uint8:
        raise TypeError(f"images must be torch.uint8 grey levels, got {images.dtype}")
    check_choice("encoding", encoding, ENCODINGS)
    ink = images.flatten(1).float() / (MNIST_LEVELS - 1)
    if encoding == "ink":
        return ink
    return 2 * ink - 1 if encoding == "grey" else 2 * (ink > 0.5).float() - 1


def upper_half() -> Bool[Tensor, "784"]:
    """The mask of the 14 upper rows: what a half-masked digit shows.

    Example:
        >>> from gmlib.recipes.memory import upper_half
        >>> int(upper_half().sum())
        392
    """
    return torch.arange(784) < 392


def digit_memory(
    inv_temp: float = 1.0,
    *,
    stored: int = 10_000,
    encoding: Literal["binary", "grey", "ink"] = "binary",
) -> ModernHopfield:
    r"""A memory of the first digits of the embedded training set.

    Args:
        inv_temp: :math:`\beta > 0`, per unit of overlap.
        stored: digits to store, at most 10,000.
        encoding: how a pixel is stored.

    Returns:
        The memory, on the CPU.

    Raises:
        ValueError: a number is out of range or ``encoding`` unknown.

    Example:
        >>> from gmlib.recipes.memory import digit_memory, upper_half
        >>> memory = digit_memory(stored=100)
        >>> x = memory.patterns[:5]
        >>> bool((memory.recall(x, known=upper_half()).sign() == x).all())  # completed in one step
        True
    """
    check_count("stored", stored)
    images = mnist("train").images
    if stored > len(images):
        raise ValueError(f"stored must be at most {len(images)}, got {stored}")
    return ModernHopfield(encode_digits(images[:stored], encoding), inv_temp)
