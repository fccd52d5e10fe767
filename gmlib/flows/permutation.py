"""Reorderings: the bijections that cost nothing and let the next layer see other coordinates first."""

from __future__ import annotations

import torch
from jaxtyping import Integer
from torch import Tensor

from gmlib._checks import check_count, check_tensor
from gmlib.flows.bijection import Bijection


class Permutation(Bijection):
    r"""Coordinates in another order.

    .. math:: x_i = u_{\pi(i)}, \qquad \log|\det P| = \log 1 = 0

    Args:
        order: :math:`\pi`, the numbers 0 to d - 1 in some order, shape (d,).
        event_shape: shape of one point, whose first dimension (the channels of an image) is reordered; None for (d,).

    Raises:
        TypeError: ``order`` is not a tensor of integers.
        ValueError: ``order`` is not a permutation, or ``event_shape`` does not start with d.

    References:
        K. Murphy, *Probabilistic Machine Learning: Advanced Topics*, 2023, section 23.2.1.

    Example:
        >>> Permutation(torch.tensor([2, 0, 1]))(torch.tensor([1.0, 2.0, 3.0]))
        (tensor([3., 1., 2.]), tensor(0.))
    """

    def __init__(self, order: Integer[Tensor, " d"], event_shape: tuple[int, ...] | None = None) -> None:
        check_tensor("order", order, floating=False)
        if order.is_floating_point() or order.is_complex() or order.dtype is torch.bool:
            raise TypeError(f"order must have an integer dtype, got {order.dtype}")
        if order.dim() != 1 or not torch.equal(order.sort()[0].cpu(), torch.arange(order.numel())):
            raise ValueError(f"order must hold each of 0 .. d - 1 once, got {order.tolist()}")
        event_shape = (len(order),) if event_shape is None else tuple(event_shape)
        if not event_shape or event_shape[0] != len(order):
            raise ValueError(
                f"event_shape must start with the length of order {len(order)}, got {event_shape}"
            )
        super().__init__(event_shape)
        # 64 bits, which picking wants; a copy, so that no one else changes it.
        self.register_buffer("order", order.to(torch.long, copy=True))
        self.register_buffer("back", order.argsort())
        self.order: Tensor
        self.back: Tensor

    def _forward(self, u: Tensor, c: Tensor | None) -> tuple[Tensor, Tensor]:
        return self._pick(u, self.order)

    def _inverse(self, x: Tensor, c: Tensor | None) -> tuple[Tensor, Tensor]:
        return self._pick(x, self.back)

    def _pick(self, point: Tensor, order: Tensor) -> tuple[Tensor, Tensor]:
        n = len(self.event_shape)
        return point.index_select(-n, order), point.new_zeros(point.shape[: point.dim() - n])


def reversal(d: int) -> Permutation:
    """The order d - 1, ..., 1, 0: between autoregressive layers, the last coordinate's turn to come first.

    Args:
        d: number of coordinates.

    Raises:
        ValueError: ``d`` is below 1.

    Example:
        >>> reversal(3)(torch.tensor([1.0, 2.0, 3.0]))[0]
        tensor([3., 2., 1.])
    """
    check_count("d", d)
    return Permutation(torch.arange(d - 1, -1, -1))
