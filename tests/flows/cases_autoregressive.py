"""Autoregressive layers, for the sheet."""

from sheet import Case, uniform_points

from gmlib.distributions import banana, cross
from gmlib.flows import (
    Affine,
    InverseAutoregressive,
    MaskedAutoregressive,
    MixtureQuantile,
    NormalConditionals,
    RationalQuadratic,
    iaf,
    maf,
)

CASES = [
    Case("maf", lambda: MaskedAutoregressive(2, hidden=(16, 16)), plane=True, shake=0.15),
    Case("maf-order", lambda: MaskedAutoregressive(4, hidden=(12, 10), order=(2, 0, 3, 1)), shake=0.1),
    Case("maf-context", lambda: MaskedAutoregressive(2, hidden=(16,), context=3), plane=True, shake=0.15),
    Case("maf-linear", lambda: MaskedAutoregressive(3, Affine(bound=1.0), hidden=())),
    Case("maf-one-coordinate", lambda: MaskedAutoregressive(1, hidden=(8,), context=2)),
    Case("iaf", lambda: InverseAutoregressive(2, hidden=(16, 16)), plane=True, shake=0.15),
    Case("iaf-order", lambda: InverseAutoregressive(3, hidden=(12,), order=(1, 2, 0)), shake=0.1),
    Case("iaf-context", lambda: InverseAutoregressive(2, hidden=(16,), context=3), plane=True, shake=0.15),
    Case(
        "maf-spline",
        lambda: MaskedAutoregressive(2, RationalQuadratic(bins=5, bound=4.0), hidden=(16,), context=1),
        plane=True,
        shake=0.15,
    ),
    Case("iaf-spline", lambda: InverseAutoregressive(3, RationalQuadratic(bins=5), hidden=(16,)), shake=0.15),
    Case("iaf-stack", lambda: iaf(2, layers=2, hidden=(16,)).bijection, plane=True, shake=0.1),
    Case(
        "mixture-quantile",
        lambda: MaskedAutoregressive(2, MixtureQuantile(4), hidden=(16,)),
        points=uniform_points,
        edges=(1e-4, 0.5, 1 - 1e-4),
        shake=0.15,
    ),
    Case("normal-conditionals-cross", lambda: NormalConditionals(cross()), plane=True),
    Case("normal-conditionals-banana", lambda: NormalConditionals(banana(51), (1, 0)), plane=True),
    Case("maf-stack", lambda: maf(2, layers=3, hidden=(16,)).bijection, plane=True, shake=0.1),
]
