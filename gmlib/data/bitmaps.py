r"""Four letters of 5 x 5 pixels, small enough to be memories of a network of 25 units."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

FOUR_LETTERS = ("D", "J", "C", "M")
"""The names of the letters, in order."""

ROWS = (
    "XXXX. .X..X .X..X .X..X .XXX.",
    "XXXXX ...X. ...X. X..X. XXX..",
    ".XXXX X.... X.... X.... .XXXX",
    "X...X XX.XX X.X.X X...X X...X",
)
"""The letters' rows from top to bottom; X is +1, a dot -1."""


def four_letters() -> Float[Tensor, "4 25"]:
    r"""Return the letters D, J, C and M (MacKay 2003, chapter 42) as vectors of +1 and -1.

    .. math:: x^{(k)} \in \{-1, +1\}^{25}, \qquad k = 1, \dots, 4

    They are nearly orthogonal: the products :math:`x^{(k)\top} x^{(l)}` of two of them lie between -7 and 7.

    Returns:
        (4, 25), float32, row by row from the top; ``.reshape(4, 5, 5)`` gives images.

    Example:
        >>> from gmlib.data.bitmaps import four_letters
        >>> x = four_letters()
        >>> (x @ x.T).int().tolist()
        [[25, -1, 1, -7], [-1, 25, 7, -5], [1, 7, 25, -3], [-7, -5, -3, 25]]
    """
    return torch.tensor([[1.0 if c == "X" else -1.0 for c in rows if c != " "] for rows in ROWS])
