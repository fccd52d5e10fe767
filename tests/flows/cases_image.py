"""Maps of images, for the sheet."""

import torch
from sheet import Case, uniform_points
from torch import nn

from gmlib.flows import (
    ActNorm,
    Affine,
    Bijection,
    Composition,
    Conditioned,
    Conv1x1,
    ConvConditioner,
    Elementwise,
    FullPrecision,
    GreyLevels,
    ImageCoupling,
    Multiscale,
    RationalQuadratic,
    Reshape,
    Squeeze,
    Stretch,
    glow,
    glow_step,
    half_mask,
    real_nvp_image,
    spline_image_flow,
    spline_noise,
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


class OfCondition(nn.Module):
    """A conditioner that sees the condition alone."""

    def __init__(self, context: int, event_shape: tuple[int, ...], n_params: int) -> None:
        super().__init__()
        self.net = nn.Linear(context, 1)
        self.direction = nn.Parameter(0.3 * torch.randn(*event_shape, n_params))

    def forward(self, c: torch.Tensor) -> torch.Tensor:
        n = self.direction.dim()
        return self.net(c).tanh().reshape(-1, *(1,) * n) * self.direction


def grey() -> GreyLevels:
    return GreyLevels(RationalQuadratic(5, 1.0, low=0.0))


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
    Case("stretch", lambda: Stretch((2, 3), -1.0, 3.0)),
    Case("reshape", lambda: Reshape((2, 3, 1))),
    Case("reshape-between", lambda: Reshape((2, 6), (3, 4))),
    Case("conditioned", lambda: Conditioned((2,), Affine(), OfCondition(3, (2,), 2), context=3), plane=True),
    Case("full-precision", lambda: FullPrecision(Elementwise(Affine(), (2,))), plane=True),
    Case(
        "grey-levels",
        lambda: Elementwise(grey(), (2, 3)),
        points=uniform_points,
        edges=(0.01, 0.5, 0.99),
        # Black's cell is stretched 90 times on the way back, and the rounding of x with it.
        inverse_error=1e-11,
    ),
    Case("glow-step", lambda: glow_step((3, 2, 2), hidden=4), shake=0.1),
    Case("glow", lambda: glow((1, 4, 4), steps=2, hidden=4).bijection, shake=0.05, edges=(-5.0, 0.0, 5.0)),
    Case(
        "real-nvp-image",
        lambda: real_nvp_image((1, 4, 4), hidden=4, blocks=1).bijection,
        shake=0.05,
        edges=(-5.0, 0.0, 5.0),
    ),
    Case(
        "spline-image-flow",
        lambda: spline_image_flow((1, 4, 4), levels=1, bins=5, hidden=4, coarse_hidden=(8,)).bijection,
        shake=0.1,
        edges=(-3.0, 0.0, 3.0),
        inverse_error=1e-10,
    ),
    Case(
        "spline-noise",
        lambda: spline_noise((1, 4, 4), hidden=4).bijection,
        points=uniform_points,
        edges=(0.01, 0.5, 0.99),
        shake=0.1,
    ),
]
