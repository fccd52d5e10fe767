"""Chapter 11: captions for the 8x8 digits, "a thick seven leaning right", from what is measured of the image.

A toy of the captioned pictures of the web: a digit, two properties of three grades each, and one grammar, 90 captions in
all. The middle grade is not mentioned. An adjective is relative to its noun: a thick one is thicker than most ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from gmlib._checks import check_tensor
from gmlib.data import LabelledImages, digits, slant, thickness

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
WORDS = ("", "a", "thin", "thick", *DIGITS, "leaning", "left", "right")
"""The vocabulary; a word's number is its place here, and 0 fills a caption up."""
LENGTH = 5


class Said(NamedTuple):
    """What captions say.

    Attributes:
        label: the digit, (n,).
        thick: -1 thin, 1 thick, 0 not mentioned, (n,).
        lean: -1 left, 1 right, 0 not mentioned, (n,).
    """

    label: Tensor
    thick: Tensor
    lean: Tensor


class Thirds(NamedTuple):
    """For each digit, (10,), what the lower third of its training images is below and the upper one above."""

    thin: Tensor
    thick: Tensor
    left: Tensor
    right: Tensor


@cache
def thirds() -> Thirds:
    """The thirds of thickness and slant of each digit, in the training images.

    Example:
        >>> found = thirds()
        >>> bool((found.thin < found.thick).all()), found.left.shape
        (True, torch.Size([10]))
    """
    data, ends = digits("train"), torch.tensor([1 / 3, 2 / 3])
    x = data.images.float()
    cuts = [
        torch.stack([measured[data.labels == k].quantile(ends) for k in range(10)], 1)
        for measured in (thickness(x), slant(x))
    ]
    return Thirds(*cuts[0], *cuts[1])


def described(images: Float[Tensor, "n 1 8 8"], label: Int[Tensor, " n"]) -> Said:
    """What there is to say of images of known digits.

    Args:
        images: digits, paper being 0, (n, 1, 8, 8).
        label: which digits, (n,).

    Example:
        >>> said = described(torch.eye(8)[None, None], torch.tensor([7]))
        >>> said.thick.item(), said.lean.item()  # a line of one pixel, which falls to the right
        (-1, -1)
    """
    cut, place = thirds(), label.cpu()
    grades = []
    for measured, low, high in (
        (thickness(images), cut.thin, cut.thick),
        (slant(images), cut.left, cut.right),
    ):
        above, below = measured > high[place].to(measured), measured < low[place].to(measured)
        grades.append(above.long() - below.long())
    return Said(label, *grades)


def captions(said: Said) -> Int[Tensor, "n 5"]:
    """Put what is to be said into words, as numbers in `WORDS`.

    Example:
        >>> seven = Said(torch.tensor([7]), torch.tensor([1]), torch.tensor([0]))
        >>> spelt(captions(seven))
        ['a thick seven']
    """
    columns = []
    for label, thick, lean in zip(*(part.tolist() for part in said), strict=True):
        words = ["a", *[(), ("thick",), ("thin",)][thick], DIGITS[label]]
        words += [(), ("leaning", "right"), ("leaning", "left")][lean]
        columns.append([WORDS.index(word) for word in words] + [0] * (LENGTH - len(words)))
    return torch.tensor(columns, dtype=torch.long).reshape(-1, LENGTH)


def spelt(tokens: Int[Tensor, "n 5"]) -> list[str]:
    """Captions as text.

    Example:
        >>> spelt(torch.tensor([[1, 2, 4, 0, 0]]))
        ['a thin zero']
    """
    check_tensor("tokens", tokens, floating=False)
    return [" ".join(WORDS[word] for word in row if word) for row in tokens.tolist()]


def understood(text: Sequence[str]) -> Said:
    """What captions in words say.

    Args:
        text: captions of the grammar "a [thin|thick] DIGIT [leaning left|leaning right]".

    Raises:
        ValueError: a caption is not of this grammar.

    Example:
        >>> understood(["a seven leaning left"])
        Said(label=tensor([7]), thick=tensor([0]), lean=tensor([-1]))
    """
    known = dict(zip(spelt(captions(every())), zip(*every(), strict=True), strict=True))
    for caption in text:
        if caption not in known:
            raise ValueError(
                f"text must hold captions 'a [thin|thick] DIGIT [leaning left|leaning right]', got {caption!r}"
            )
    rows = torch.tensor([[int(value) for value in known[caption]] for caption in text]).reshape(-1, 3)
    return Said(*rows.unbind(1))


def every() -> Said:
    """All that can be said: 10 digits, 3 grades of thickness, 3 of slant.

    Example:
        >>> len(every().label)
        90
    """
    grades = torch.tensor([-1, 0, 1])
    return Said(*torch.cartesian_prod(torch.arange(10), grades, grades).unbind(1))


def agrees(said: Said, images: Float[Tensor, "n 1 8 8"], recognised: Int[Tensor, " n"]) -> Bool[Tensor, " n"]:
    """Whether all that is said of an image is true of it; what is not mentioned may be as it likes.

    Args:
        said: the captions.
        images: digits, paper being 0, (n, 1, 8, 8).
        recognised: the digits that a judge takes them for, (n,).

    Example:
        >>> line = torch.eye(8)[None, None]
        >>> said = understood(["a thin seven"])
        >>> agrees(said, line, torch.tensor([7])).item(), agrees(said, line, torch.tensor([1])).item()
        (True, False)
    """
    found = described(images, said.label)
    thick = (said.thick == 0) | (said.thick == found.thick)
    lean = (said.lean == 0) | (said.lean == found.lean)
    return (recognised == said.label) & thick & lean


def captioned(data: LabelledImages) -> tuple[Float[Tensor, "n 1 8 8"], Int[Tensor, "n 5"]]:
    """Digits with entries from 0 to 1, and their captions.

    Example:
        >>> images, tokens = captioned(digits("validation"))
        >>> images.shape, tokens.shape
        (torch.Size([350, 1, 8, 8]), torch.Size([350, 5]))
    """
    images = data.images.float() / 16
    return images, captions(described(images, data.labels))
