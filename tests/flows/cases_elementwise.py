"""Elementwise maps, compositions and inverses, for the sheet."""

from sheet import Case

from gmlib.flows import Additive, Affine, Composition, Elementwise, Inverse

CASES = [
    Case("elementwise-affine", lambda: Elementwise(Affine(), (2,)), plane=True),
    Case("elementwise-affine-bounded", lambda: Elementwise(Affine(bound=1.5), (3, 2))),
    Case("elementwise-additive", lambda: Elementwise(Additive(), (2,)), plane=True),
    Case("scalar-event", lambda: Elementwise(Affine(), ())),
    Case("inverse", lambda: Inverse(Elementwise(Affine(), (2,))), plane=True),
    Case(
        "composition",
        lambda: Composition(
            [Elementwise(Affine(), (2,)), Elementwise(Additive(), (2,)), Elementwise(Affine(), (2,))]
        ),
        plane=True,
    ),
]
