"""Maps of images, for the sheet."""

import torch
from sheet import Case
from torch import nn

from gmlib.flows import (
    ActNorm,
    Affine,
    Bijection,
    Composition,
    Conv1x1,
    ConvConditioner,
    ImageCoupling,
    Multiscale,
    RationalQuadratic,
    Squeeze,
    half_mask,
)


class Pixelwise(nn.Module):
    """A conditioner with a condition: a linear map at each pixel of what is kept and of c."""

    def __init__(self, inputs: int, context: int, outputs: int) -> None:
        super().__init__()
        self.kept = nn.Conv2d(inputs, outputs, 1)
        self.condition = nn.Linear(context, outputs)

    def forward(self, kept: torch.Tensor, c: torch.Tensor) -> torch.Tensor:
        return 0.3 * self.kept(kept).tanh() + 0.3 * self.condition(c)[:, :, None, None]


def affine_coupling() -> Bijection:
    affine = Affine(bound=2.0)
    return ImageCoupling((3, 2, 3), half_mask(3), affine, ConvConditioner(2, 1, affine, hidden=4, blocks=1))


def spline_coupling_of_corners() -> Bijection:
    spline = RationalQuadratic(4)
    mask = torch.tensor([True, False, False, True])
    return ImageCoupling((4, 2, 2), mask, spline, ConvConditioner(2, 2, spline, hidden=4, blocks=0))


def two_levels() -> Bijection:
    fine = Composition([ActNorm((4, 2, 2)), Squeeze((1, 4, 4))])
    return Multiscale([Composition([Conv1x1((8, 1, 1)), Squeeze((2, 2, 2))]), fine])


CASES = [
    Case("squeeze", lambda: Squeeze((2, 4, 6))),
    Case("squeeze-by-3", lambda: Squeeze((1, 3, 6), factor=3)),
    Case("actnorm", lambda: ActNorm((3, 2, 2))),
    Case("actnorm-vector", lambda: ActNorm((2,)), plane=True),
    Case("conv1x1-plu", lambda: Conv1x1((3, 2, 4))),
    Case("conv1x1-dense", lambda: Conv1x1((3, 2, 4), kind="dense"), shake=0.1),
    Case("image-coupling-affine", affine_coupling, shake=0.1),
    Case("image-coupling-spline", spline_coupling_of_corners, shake=0.1),
    Case(
        "image-coupling-condition",
        lambda: ImageCoupling((2, 2, 2), half_mask(2), Affine(), Pixelwise(1, 3, 2), context=3),
    ),
    Case("multiscale", two_levels),
]
