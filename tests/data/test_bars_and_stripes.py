"""Bars and stripes: as many distinct images as counted by hand, of one kind or the other, and their optimal likelihood."""

import itertools
import math

import pytest
import torch

from gmlib.data import bars_and_stripes


def by_definition(size: int) -> set[tuple[int, ...]]:
    """Every image of 0s and 1s whose rows are all equal, or whose columns are."""
    images = set()
    for bits in itertools.product((0, 1), repeat=size * size):
        rows = [bits[i * size : (i + 1) * size] for i in range(size)]
        columns = list(zip(*rows, strict=True))
        if len(set(rows)) == 1 or len(set(columns)) == 1:
            images.add(bits)
    return images


def test_bars_and_stripes() -> None:
    for size, count in ((1, 2), (2, 6), (3, 14), (4, 30)):
        x = bars_and_stripes(size)
        assert x.shape == (count, size * size)
        assert x.dtype == torch.float32
        assert {tuple(row) for row in x.int().tolist()} == by_definition(size)
        assert len(set(map(tuple, x.tolist()))) == count  # each once
    # The optimum of any model is the entropy of the uniform law over the distinct images.
    assert round(math.log(len(bars_and_stripes(4))), 3) == 3.401
    assert round(math.log(len(bars_and_stripes(3))), 3) == 2.639
    assert len(bars_and_stripes(8)) == 510


def test_dtype() -> None:
    assert bars_and_stripes(3, dtype=torch.float64).dtype == torch.float64


@pytest.mark.bad_input
def test_bad_arguments() -> None:
    with pytest.raises(ValueError, match="size must be at least 1"):
        bars_and_stripes(0)
    with pytest.raises(ValueError, match="size must be at most 12"):
        bars_and_stripes(13)
    with pytest.raises(TypeError, match="size must be an int"):
        bars_and_stripes(3.0)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="dtype must be floating"):
        bars_and_stripes(3, dtype=torch.int64)
