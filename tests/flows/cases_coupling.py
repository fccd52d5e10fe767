"""Coupling layers, for the sheet."""

import torch
from sheet import Case

from gmlib.flows import (
    Additive,
    Affine,
    Coupling,
    Elementwise,
    MaskedCoupling,
    QuadraticShear,
    Scale,
    alternating_mask,
    channel_mask,
    checkerboard_mask,
    conditioner,
    half_mask,
    nice,
    real_nvp,
    spline_coupling,
)


class Pixelwise(torch.nn.Module):
    """A conditioner for one-channel images of 2 x 3 pixels with a condition: all pixels and c through one linear map."""

    def __init__(self, context: int) -> None:
        super().__init__()
        self.linear = torch.nn.Linear(6 + context, 12)

    def forward(self, seen: torch.Tensor, c: torch.Tensor) -> torch.Tensor:
        return self.linear(torch.cat([seen.flatten(-3), c], -1))


CASES = [
    Case(
        "coupling-affine",
        lambda: Coupling(half_mask(2), Affine(bound=2.0), conditioner(1, 1, Affine(), hidden=(8,))),
        plane=True,
    ),
    Case(
        "coupling-second-half-kept",
        lambda: Coupling(
            half_mask(5, flip=True), Affine(bound=2.0), conditioner(2, 3, Affine(), hidden=(8,))
        ),
    ),
    Case(
        "coupling-alternating",
        lambda: Coupling(alternating_mask(5), Affine(bound=2.0), conditioner(3, 2, Affine(), hidden=(8,))),
    ),
    Case(
        "coupling-additive",
        lambda: Coupling(half_mask(2), Additive(), conditioner(1, 1, Additive(), hidden=(8,))),
        plane=True,
    ),
    Case(
        "coupling-condition",
        lambda: Coupling(
            half_mask(2), Affine(bound=2.0), conditioner(4, 1, Affine(), hidden=(8,)), context=3
        ),
        plane=True,
    ),
    Case(
        "masked-coupling",
        lambda: MaskedCoupling(half_mask(2), Affine(bound=2.0), conditioner(2, 2, Affine(), hidden=(8,))),
        plane=True,
    ),
    Case(
        "masked-coupling-checkerboard-condition",
        lambda: MaskedCoupling(checkerboard_mask((1, 2, 3)), Affine(bound=2.0), Pixelwise(2), context=2),
    ),
    Case(
        "masked-coupling-channels",
        lambda: MaskedCoupling(
            channel_mask((2, 1, 2)),
            Affine(bound=2.0),
            torch.nn.Sequential(torch.nn.Flatten(-3), torch.nn.Linear(4, 8)),
        ),
    ),
    Case("elementwise-scale", lambda: Elementwise(Scale(), (2,)), plane=True),
    Case("nice", lambda: nice(2, hidden=(8,)).bijection, plane=True),
    Case("real-nvp", lambda: real_nvp(4, layers=4, hidden=(8,), context=1).bijection, shake=0.15),
    Case("spline-coupling", lambda: spline_coupling(2, layers=2, bins=4, hidden=(8,)).bijection, plane=True),
    Case("quadratic-shear", lambda: QuadraticShear(0.3, 0.5, -0.2, -0.4, 0.1, 0.6)),
]
