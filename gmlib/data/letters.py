"""Printed capital letters, drawn from the outlines of the fonts that come with matplotlib."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from gmlib._checks import check_count, check_number
from gmlib._extras import require
from gmlib.data.affine import jitter
from gmlib.data.corruptions import blur
from gmlib.data.labelled import LabelledImages

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
"""The classes, in their order."""

FONTS = tuple(
    [f"DejaVuSans{style}" for style in ("", "-Bold", "-Oblique", "-BoldOblique")]
    + [f"DejaVuSansMono{style}" for style in ("", "-Bold", "-Oblique", "-BoldOblique")]
    + [f"DejaVuSerif{style}" for style in ("", "-Bold", "-Italic", "-BoldItalic")]
)
"""The fonts, all of them bundled with matplotlib, so that every machine draws the same letters."""


def letters(
    n: int,
    *,
    size: int = 28,
    variation: float = 1.0,
    generator: torch.Generator | None = None,
) -> LabelledImages:
    r"""Printed capital letters in twelve fonts, turned, stretched, slanted, shifted and blurred at random.

    They have the format of MNIST (ink 255 on paper 0, in a box of 5/7 of the image) and no digit among them: a domain of
    its own to train a feature map in.

    Args:
        n: number of letters.
        size: height = width in pixels.
        variation: how far a letter is moved: 1 for about 9 degrees and 5 % of the size; 0 for upright letters in place.
        generator: source of the draws; None for torch's default generator.

    Returns:
        Images of shape (n, 1, size, size), ``torch.uint8`` levels 0 to 255, and labels of shape (n,), 0 for A to 25 for Z.

    Raises:
        ValueError: ``n`` is below 1, ``size`` below 8 or ``variation`` negative.
        ImportError: matplotlib is not installed.

    Example:
        >>> images, labels = letters(50, generator=torch.Generator().manual_seed(0))
        >>> images.shape, LETTERS[labels[0]]
        (torch.Size([50, 1, 28, 28]), 'Q')
    """
    check_count("n", n)
    check_count("size", size, low=8)
    check_number("variation", variation, low=0.0)
    glyphs = _glyphs(size)
    labels = torch.randint(len(LETTERS), (n,), generator=generator)
    fonts = torch.randint(len(FONTS), (n,), generator=generator)
    noise = torch.randn(n, 6, generator=generator)
    width = torch.randint(3, (n,), generator=generator)
    scale = variation * size / 28
    drawn = glyphs[fonts, labels].float()[:, None] / 255
    drawn = jitter(
        drawn,
        noise,
        rotate=0.15 * variation,
        stretch=0.1 * variation,
        slant=0.15 * variation,
        shift=1.5 * scale,
    )
    # Three widths of blur: pens of unequal sharpness.
    for i, sigma in enumerate((0.0, 0.5, 1.0)):
        chosen = width == i
        if bool(chosen.any()):
            drawn[chosen] = blur(drawn[chosen].clamp(0, 1), sigma * scale)
    return LabelledImages((255 * drawn).round().to(torch.uint8), labels)


@lru_cache(maxsize=4)
def _glyphs(size: int, oversampling: int = 4) -> UInt8[Tensor, "fonts letters size size"]:
    """Each letter in each font, upright, its box scaled to 5/7 of the image and centred, with smooth edges."""
    purpose = "to draw letters from the outlines of its fonts"
    Path: Any = require("matplotlib.path", extra="book", purpose=purpose).Path
    text: Any = require("matplotlib.textpath", extra="book", purpose=purpose)
    manager: Any = require("matplotlib.font_manager", extra="book", purpose=purpose)
    folder = require("matplotlib", extra="book", purpose=purpose).get_data_path()
    fine = size * oversampling
    centre = (torch.arange(fine, dtype=torch.float64) + 0.5) / fine - 0.5
    points = torch.cartesian_prod(-centre, centre).flip(1).numpy()  # rows run down, outlines up
    images = []
    for name in FONTS:
        font = manager.FontProperties(fname=f"{folder}/fonts/ttf/{name}.ttf")
        for letter in LETTERS:
            path = text.TextPath((0, 0), letter, size=100, prop=font)
            box = path.get_extents()
            scale = (5 / 7) / max(box.width, box.height)
            middle = ((box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2)
            # A hole runs the other way round than the outline that it lies in, and takes away what that counts.
            turns = torch.zeros(fine**2)
            for outline in path.to_polygons():
                x, y = outline.T
                inside = Path(outline).contains_points(points / scale + middle)
                turns += np.sign((x[:-1] * y[1:] - x[1:] * y[:-1]).sum()) * torch.from_numpy(inside)
            image = (turns != 0).double().reshape(size, oversampling, size, oversampling).mean((1, 3))
            images.append((255 * image).round().to(torch.uint8))
    return torch.stack(images).reshape(len(FONTS), len(LETTERS), size, size)
