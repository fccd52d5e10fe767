"""Autoregressive layers, for the sheet."""

from sheet import Case

from gmlib.flows import Affine, InverseAutoregressive, MaskedAutoregressive, maf

CASES = [
    Case("maf", lambda: MaskedAutoregressive(2, hidden=(16, 16)), plane=True, shake=0.15),
    Case("maf-order", lambda: MaskedAutoregressive(4, hidden=(12, 10), order=(2, 0, 3, 1)), shake=0.1),
    Case("maf-context", lambda: MaskedAutoregressive(2, hidden=(16,), context=3), plane=True, shake=0.15),
    Case("maf-linear", lambda: MaskedAutoregressive(3, Affine(bound=1.0), hidden=())),
    Case("maf-one-coordinate", lambda: MaskedAutoregressive(1, hidden=(8,), context=2)),
    Case("iaf", lambda: InverseAutoregressive(2, hidden=(16, 16)), plane=True, shake=0.15),
    Case("iaf-order", lambda: InverseAutoregressive(3, hidden=(12,), order=(1, 2, 0)), shake=0.1),
    Case("iaf-context", lambda: InverseAutoregressive(2, hidden=(16,), context=3), plane=True, shake=0.15),
    Case("maf-stack", lambda: maf(2, layers=3, hidden=(16,)).bijection, plane=True, shake=0.1),
]
