"""Printed letters: drawn from outlines, with their holes, and as random as they say."""

from __future__ import annotations

import pytest
import torch

from gmlib.data import LETTERS, letters
from gmlib.data.letters import FONTS, _glyphs


def test_letters() -> None:
    images, labels = letters(2600, generator=torch.Generator().manual_seed(0))
    assert images.shape == (2600, 1, 28, 28)
    assert images.dtype == torch.uint8
    assert int(images.max()) == 255
    assert labels.dtype == torch.int64
    counts = labels.bincount(minlength=26)  # 100 each, give or take five standard deviations
    assert bool(((counts - 100).abs() < 5 * (100 * 25 / 26) ** 0.5).all())
    again = letters(2600, generator=torch.Generator().manual_seed(0))
    assert torch.equal(again.images, images)
    assert letters(3, size=8).images.shape == (3, 1, 8, 8)


def test_glyphs_have_the_holes_of_their_letters() -> None:
    glyphs = _glyphs(28).float() / 255
    assert glyphs.shape == (len(FONTS), 26, 28, 28)
    # Paper that no way of paper joins to the border: one piece in A, D, O, P, Q, R, two in B, none in the others.
    holes = {**dict.fromkeys(LETTERS, 0), **dict.fromkeys("ADOPQR", 1), "B": 2}
    from scipy.ndimage import label

    for i, letter in enumerate(LETTERS):
        _, pieces = label((glyphs[FONTS.index("DejaVuSans"), i] < 0.5).numpy())
        assert pieces - 1 == holes[letter], letter


def test_a_letter_fills_its_box() -> None:
    ink = _glyphs(28)[0, LETTERS.index("H")] > 0
    rows, columns = ink.any(1).nonzero().flatten(), ink.any(0).nonzero().flatten()
    assert (int(rows.min()), int(rows.max())) == (4, 23)  # 20 of 28 pixels, centred
    assert int(columns.min()) + int(columns.max()) == 27


def test_without_variation_only_font_and_pen_differ() -> None:
    images, labels = letters(400, variation=0.0, generator=torch.Generator().manual_seed(1))
    some = images[labels == 0]
    assert len(some.unique(dim=0)) <= 3 * len(FONTS)


@pytest.mark.bad_input
def test_bad_input() -> None:
    with pytest.raises(ValueError, match="n must be at least 1"):
        letters(0)
    with pytest.raises(ValueError, match="size must be at least 8"):
        letters(3, size=4)
    with pytest.raises(ValueError, match="variation must be a finite number"):
        letters(3, variation=-1.0)
