"""The grey levels that the data have."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_count


def as_levels(x: Float[Tensor, "n *event"], levels: int) -> Float[Tensor, "n *event"]:
    r"""Round to the grey levels 0, 1/(L - 1), ..., 1; what lies outside is brought in.

    Args:
        x: samples, (n, \*event).
        levels: their number L, at least 2: `gmlib.data.DIGITS_LEVELS`, `gmlib.data.MNIST_LEVELS`.

    Raises:
        ValueError: ``levels`` is below 2.

    Example:
        >>> import torch
        >>> from gmlib.recipes.as_levels import as_levels
        >>> as_levels(torch.tensor([[0.27, 1.1]]), 17).tolist()
        [[0.25, 1.0]]
    """
    check_count("levels", levels, low=2)
    return ((levels - 1) * x.clamp(0, 1)).round() / (levels - 1)
