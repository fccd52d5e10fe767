"""A masked network asked for one coordinate after the other, at the cost of a single pass."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from gmlib.nn.masked import MaskedMLP


class InTurn:
    r"""The outputs of a `MaskedMLP` for one coordinate after the other, each told before the next is asked for.

    Drawing needs d passes in sequence. A whole pass each time would do most of its work again and again: a unit of degree
    k is settled once k coordinates are known. So the k-th step computes the units of degree k alone, from the settled
    ones in front of them; the d steps together multiply no more than one pass does.

    Args:
        net: the network.
        batch_shape: shape in front of the coordinates.
        c: the condition, shape ``(*batch_shape, net.context)``; None for a network without one.

    References:
        The recursion of NADE: H. Larochelle and I. Murray, *The neural autoregressive distribution estimator*, 2011,
        section 3.

    Example:
        >>> import torch
        >>> from gmlib.nn import MaskedMLP
        >>> net, x = MaskedMLP(3), torch.randn(5, 3)
        >>> walk = InTurn(net, (5,))
        >>> for i in net.order:
        ...     assert torch.allclose(walk.outputs(), net(x)[:, i], atol=1e-6)
        ...     walk.tell(x[:, i])
    """

    def __init__(self, net: MaskedMLP, batch_shape: Sequence[int], c: Tensor | None = None) -> None:
        self.net, self.k = net, 0
        layers: list[Any] = list(net.layers)
        self.last = layers.pop()
        nothing = self.last.weight.new_empty(*batch_shape, 0)
        # Of each layer, what is settled, in the order of the degrees (which is that of the units).
        self.settled = [nothing if c is None else c, *(nothing for _ in net.degrees)]
        self.blocks = [
            (layer.weight.split(sizes), layer.bias.split(sizes))
            for layer, sizes in zip(layers, net.sizes, strict=True)
        ]

    def outputs(self) -> Tensor:
        """The outputs of the next coordinate, shape ``(*batch_shape, outputs)``."""
        for i, (weights, biases) in enumerate(self.blocks):
            weight = weights[self.k]
            if len(weight):
                new = self.net.activation(F.linear(self.settled[i], self._seen(weight, i), biases[self.k]))
                self.settled[i + 1] = torch.cat([self.settled[i + 1], new], -1)
        first = self.net.order[self.k] * self.net.outputs
        rows = slice(first, first + self.net.outputs)
        weight = self._seen(self.last.weight[rows], len(self.blocks))
        return F.linear(self.settled[-1], weight, self.last.bias[rows])

    def tell(self, value: Tensor) -> None:
        """The value of the coordinate whose outputs were asked for, shape ``batch_shape``."""
        self.settled[0] = torch.cat([self.settled[0], value.unsqueeze(-1)], -1)
        self.k += 1

    def _seen(self, weight: Tensor, layer: int) -> Tensor:
        """The columns of the settled units, or, in the first layer, of the condition and the coordinates told."""
        if layer:
            return weight[:, : self.settled[layer].shape[-1]]
        return weight.index_select(1, self.net.columns[: self.net.context + self.k])
