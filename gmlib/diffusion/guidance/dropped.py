r"""A condition that is not always told: one network then learns two models.

.. math:: \tilde c = \begin{cases} c & \text{with probability } 1 - p, \\ \varnothing & \text{else} \end{cases}

Given :math:`\varnothing` the best guess is that of all data, given c that of the data with this c.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Shaped
from torch import Tensor

from gmlib._checks import check_tensor


def told_or_not(
    condition: Shaped[Tensor, "batch *event"], told: Bool[Tensor, " batch"], nothing: float | int
) -> Shaped[Tensor, "batch *event"]:
    r"""The conditions of a batch, and for those that are not told what stands for none.

    Args:
        condition: what there is to tell, such as classes (batch,) or embeddings (batch, d).
        told: whose is told, (batch,).
        nothing: the value that stands for none: a class of its own, or 0 for an embedding.

    Returns:
        Conditions, ``(batch, *event)``.

    Raises:
        TypeError: ``condition`` is no tensor, or ``told`` no tensor of truth values.
        ValueError: ``told`` has not a value for each condition.

    References:
        J. Ho and T. Salimans, *Classifier-free diffusion guidance* (2022), algorithm 1, line 3.

    Example:
        >>> told_or_not(torch.tensor([3, 4]), torch.tensor([True, False]), 10).tolist()
        [3, 10]
        >>> told_or_not(torch.ones(2, 3), torch.tensor([True, False]), 0).tolist()
        [[1.0, 1.0, 1.0], [0.0, 0.0, 0.0]]
    """
    check_tensor("condition", condition, floating=False)
    check_tensor("told", told, floating=False)
    if told.dtype != torch.bool:
        raise TypeError(f"told must have dtype bool, got {told.dtype}")
    if told.shape != condition.shape[:1]:
        raise ValueError(f"told must have shape {tuple(condition.shape[:1])}, got {tuple(told.shape)}")
    return torch.where(told.reshape(-1, *[1] * (condition.dim() - 1)), condition, nothing)
