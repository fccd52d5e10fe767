"""One fixed matrix, on which every estimate of a trace or a log-determinant in chapter 05 is tried."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def reference_matrix() -> Float[Tensor, "6 6"]:
    r"""The matrix of the chapter's numbers: not symmetric, not normal, and easy to write down.

    .. math:: A_{ij} \propto \sin(ij + i), \qquad i, j = 1, \dots, 6, \qquad \lVert A\rVert_2 = 0.6

    Its eigenvalues are smaller than its norm: the largest modulus is 0.460.

    Returns:
        A in float64, shape (6, 6).

    Example:
        >>> a = reference_matrix()
        >>> print(f"{a.trace():.7f} {(a @ a).trace():.7f} {torch.linalg.slogdet(torch.eye(6) + a)[1]:.7f}")
        -0.2380566 -0.1222242 -0.2712624
    """
    i = torch.arange(1, 7, dtype=torch.float64)
    a = torch.sin(torch.outer(i, i) + i[:, None])
    return 0.6 * a / torch.linalg.matrix_norm(a, 2)
