"""Linear maps, for the sheet."""

import torch
from sheet import Case

from gmlib.flows import PLU, AffineMap, Permutation, reversal

CASES = [
    Case("affine-map", lambda: AffineMap(3)),
    Case("affine-map-plane", lambda: AffineMap(2), plane=True),
    Case("permutation", lambda: Permutation(torch.tensor([2, 0, 1]))),
    Case("permutation-of-channels", lambda: Permutation(torch.tensor([2, 0, 1]), (3, 2, 2))),
    Case("reversal", lambda: reversal(2), plane=True),
    Case("plu-rotation", lambda: PLU(4)),
    Case("plu-identity", lambda: PLU(2, start="identity"), plane=True),
]
