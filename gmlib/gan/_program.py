"""The linear program behind the critics of the Wasserstein distance."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gmlib._extras import require


def highest(gain: Tensor, rows: Any, limits: Tensor) -> Tensor:
    """Return the x with ``rows @ x <= limits`` and x[0] = 0 whose ``gain @ x`` is largest, by scipy's HiGHS on the CPU.

    Args:
        gain: (n,), float64.
        rows: a sparse matrix (m, n) of scipy.
        limits: (m,), float64.

    Returns:
        (n,), float64, on the CPU.

    Raises:
        ImportError: scipy is not installed.
        RuntimeError: the solver gave up.

    Example:
        >>> import numpy as np
        >>> from gmlib.gan._program import highest
        >>> highest(torch.tensor([1.0, 2.0]), np.array([[0.0, 1.0]]), torch.tensor([3.0])).tolist()
        [0.0, 3.0]
    """
    optimize = require("scipy.optimize", extra="book", purpose="to solve a linear program")
    solution = optimize.linprog(
        (-gain).numpy(),
        A_ub=rows,
        b_ub=limits.numpy(),
        bounds=[(0.0, 0.0)] + [(None, None)] * (len(gain) - 1),
        method="highs",
    )
    if solution.x is None:
        raise RuntimeError(f"the linear program was not solved: {solution.message}")
    return torch.as_tensor(solution.x)
