"""Thickness and slant of signs whose measures are known."""

from __future__ import annotations

import math

import pytest
import torch

from gmlib.data import slant, thickness

F64 = torch.float64


@pytest.mark.parametrize(("height", "width"), [(7, 1), (6, 2), (9, 3), (2, 2)])
def test_the_thickness_of_a_bar(height: int, width: int) -> None:
    """Area over half the outline, each of the four corners of which is cut to the length of sqrt(1/2)."""
    x = torch.zeros(1, 1, 12, 12, dtype=F64)
    x[..., 1 : 1 + height, 4 : 4 + width] = 0.3
    corners, straight = 4 * math.sqrt(0.5), 2 * (height + width - 2)
    if width == 1:  # both ends are two corners in neighbouring blocks, and the sides begin a pixel in
        straight = 2 * (height - 1)
    assert thickness(x).item() == pytest.approx(2 * height * width / (straight + corners), abs=1e-12)
    turned = torch.rot90(x, 1, (2, 3))
    torch.testing.assert_close(thickness(turned), thickness(x), rtol=0, atol=1e-12)


def test_long_bars_have_their_width_also_where_they_are_aslant() -> None:
    rows, columns = torch.meshgrid(torch.arange(200.0), torch.arange(200.0), indexing="ij")
    for angle in (0.0, 0.3, math.pi / 4):
        across = (columns - 100) * math.cos(angle) + (rows - 100) * math.sin(angle)
        along = -(columns - 100) * math.sin(angle) + (rows - 100) * math.cos(angle)
        bar = (3.0 - across.abs()).clamp(0, 1) * (along.abs() < 90)  # 5 wide at half of its height
        assert thickness(bar[None, None]).item() == pytest.approx(5.0, rel=0.05)


@pytest.mark.parametrize("shear", [-1, 0, 1, 2])
def test_to_shear_a_sign_adds_to_its_slant(shear: int) -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.zeros(3, 1, 8, 40, dtype=F64)
    x[..., 16:24] = torch.rand(3, 1, 8, 8, generator=generator, dtype=F64)
    moved = torch.stack([x[..., row, :].roll(-shear * row, -1) for row in range(8)], 2)
    torch.testing.assert_close(slant(moved), slant(x) + shear, rtol=0, atol=1e-12)
    torch.testing.assert_close(slant(moved.flip(3)), -slant(moved), rtol=0, atol=1e-12)


def test_where_there_is_no_ink_there_is_neither() -> None:
    x = torch.zeros(2, 1, 8, 8)
    x[1, 0, 3] = 1.0  # one row
    assert thickness(x)[0] == 0
    assert slant(x).tolist() == [0, 0]


@pytest.mark.bad_input
@pytest.mark.parametrize("measure", [thickness, slant])
def test_what_is_no_sign_is_refused(measure) -> None:
    with pytest.raises(TypeError, match="images must have a floating dtype"):
        measure(torch.zeros(1, 1, 8, 8, dtype=torch.uint8))
    with pytest.raises(ValueError, match=r"images must have shape \(batch, 1, height, width\), got \(8, 8\)"):
        measure(torch.zeros(8, 8))
