"""The four letters, pixel by pixel."""

from __future__ import annotations

from gmlib.data import FOUR_LETTERS, four_letters


def test_four_letters() -> None:
    x = four_letters()
    assert x.shape == (4, 25)
    assert FOUR_LETTERS == ("D", "J", "C", "M")
    assert set(x.unique().tolist()) == {-1.0, 1.0}
    assert (x @ x.T).triu(1).flatten().tolist() == [0, -1, 1, -7, 0, 0, 7, -5, 0, 0, 0, -3, 0, 0, 0, 0]
    assert ((x + 1) / 2).sum(1).tolist() == [13, 12, 11, 13]
    images = x.reshape(4, 5, 5)
    assert images[1, 0].tolist() == [1] * 5  # the bar of the J
    assert images[2, 1:4].tolist() == [[1, -1, -1, -1, -1]] * 3  # the back of the C
    assert images[3].equal(images[3].flip(1))  # M is its own mirror image
    assert images[2].equal(images[2].flip(0))  # C its own reflection in water
    assert images[0, 1:4].tolist() == [[-1, 1, -1, -1, 1]] * 3  # the two strokes of the D
    four_letters()[0] = 0  # a copy
    assert four_letters()[0].abs().min() == 1
