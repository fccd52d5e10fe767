"""A toy law on its way to a browser: the components of its mixture."""

from __future__ import annotations

import torch
from torch import Tensor

from gmlib.distributions import toy


def toy_arrays(name: str) -> dict[str, Tensor]:
    """A toy's ``weights`` (K,), ``means`` (K, 2) and ``covariances`` (K, 3) as xx, xy, yy, in float32.

    Args:
        name: a key of `gmlib.distributions.TOYS`.

    Returns:
        Tensors by name.

    Raises:
        ValueError: there is no such toy.

    Example:
        >>> from gmlib.widgets.toy_arrays import toy_arrays
        >>> toy_arrays("cross")["covariances"].shape
        torch.Size([2, 3])
    """
    law = toy(name, dtype=torch.float64)
    cov = law.covariances
    triples = torch.stack([cov[:, 0, 0], cov[:, 0, 1], cov[:, 1, 1]], -1)
    return {
        "weights": law.weights.float().contiguous(),
        "means": law.means.float().contiguous(),
        "covariances": triples.float(),
    }
