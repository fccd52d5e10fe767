r"""Covariances of some coordinates, and of the others once these are known.

With the known coordinates o first, one Cholesky factorisation holds both laws:

.. math:: C = \begin{pmatrix} L_o & 0 \\ B & L_r\end{pmatrix}\begin{pmatrix} L_o & 0 \\ B & L_r\end{pmatrix}^\top,
    \qquad C_{oo} = L_oL_o^\top, \quad C_{r\mid o} = L_rL_r^\top, \quad
    \mathbb E[x_r\mid x_o] = m_r + BL_o^{-1}(x_o - m_o)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib.distributions._covariance import Covariance, Diagonal, Full


def read_index(index: Any, d: int) -> tuple[list[int], list[int]]:
    """The coordinates named by ``index`` in its order, and the others in theirs.

    Example:
        >>> read_index((2, -4), 4)
        ([2, 0], [1, 3])
    """
    single = isinstance(index, int) and not isinstance(index, bool)
    given: list[Any] = [index] if single else list(index) if isinstance(index, Sequence) else []
    if not given or any(isinstance(i, bool) or not isinstance(i, int) for i in given):
        raise TypeError(f"index must be an int or a non-empty sequence of ints, got {index!r}")
    if any(not -d <= i < d for i in given):
        raise ValueError(f"index must name coordinates from 0 to {d - 1}, got {index!r}")
    known = [i % d for i in given]
    if len(set(known)) < len(known):
        raise ValueError(f"index must not name a coordinate twice, got {index!r}")
    return known, [i for i in range(d) if i not in known]


def block(cov: Covariance, known: list[int]) -> Covariance:
    """The covariance of the coordinates ``known``, in their order."""
    if isinstance(cov, Diagonal):
        var = cov.var if cov.var.shape[-1] == 1 else cov.var[..., known]
        return Diagonal(var, len(known))
    return Full.of(cov.cov[..., known, :][..., known])


def split(
    cov: Covariance, known: list[int], rest: list[int]
) -> tuple[Covariance, Covariance, Float[Tensor, "... r o"] | None]:
    """The covariance of ``known``, that of ``rest`` given them, and the slope of its mean (None: they do not interact)."""
    if isinstance(cov, Diagonal):
        return block(cov, known), block(cov, rest), None
    order, o = [*known, *rest], len(known)
    ordered = cov.cov[..., order, :][..., order]
    root = torch.linalg.cholesky_ex(ordered).L
    root_o, below, root_r = root[..., :o, :o], root[..., o:, :o], root[..., o:, o:]
    slope = torch.linalg.solve_triangular(root_o, below, upper=False, left=False)
    return Full(ordered[..., :o, :o], root_o), Full(root_r @ root_r.mT, root_r), slope
