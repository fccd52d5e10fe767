"""Residual blocks: contractive, planar, radial, Sylvester; for the sheet."""

from sheet import Case

from gmlib.flows import (
    Composition,
    ContractiveResidual,
    Inverse,
    LipschitzConv,
    LipschitzMLP,
    Planar,
    Radial,
    Sylvester,
)

CASES = [
    Case("contractive", lambda: ContractiveResidual(LipschitzMLP(3, (8, 8), lipschitz=0.5))),
    # Turned round, so that the density on the grid needs no iteration.
    Case(
        "contractive-turned",
        lambda: Inverse(ContractiveResidual(LipschitzMLP(2, (8, 8), lipschitz=0.2))),
        plane=True,
    ),
    Case(
        "contractive-condition",
        lambda: ContractiveResidual(LipschitzMLP(3, (8,), lipschitz=0.2, context=2)),
    ),
    Case(
        "contractive-conv",
        lambda: ContractiveResidual(LipschitzConv(1, (3, 4), (4,), lipschitz=0.2)),
    ),
    Case("planar", lambda: Planar(2), plane=True, shake=1.0),
    Case("planar-wide", lambda: Composition([Planar(5), Planar(5)])),
    Case("radial", lambda: Radial(2), plane=True, shake=1.0),
    Case("radial-wide", lambda: Radial(5), shake=1.0),
    Case("sylvester", lambda: Sylvester(2, 2), plane=True, shake=1.0),
    Case("sylvester-wide", lambda: Sylvester(5, 3), shake=1.0),
]
