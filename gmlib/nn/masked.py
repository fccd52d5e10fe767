"""Masked networks: outputs that may look at the coordinates in front of them and at no other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from gmlib._checks import check_count, check_event

# In place, because nothing else needs what it overwrites: a layer's largest tensor less, in time and in memory.
RELU = partial(nn.ReLU, inplace=True)


class MaskedLinear(nn.Linear):
    r"""A linear map some of whose weights are held at zero.

    .. math:: x \mapsto (M \odot W)\,x + b

    The weights are stored whole: the mask is no parameter, and the masked ones get no gradient.

    Args:
        mask: True where an input (column) may reach an output (row), shape ``(outputs, inputs)``.

    Raises:
        TypeError: ``mask`` is not a boolean tensor.
        ValueError: ``mask`` is not a matrix.

    Example:
        >>> layer = MaskedLinear(torch.tensor([[False, False], [True, False]]))
        >>> bool((layer(torch.ones(2)) == layer(torch.tensor([1.0, 9.0]))).all())
        True
    """

    def __init__(self, mask: Bool[Tensor, "outputs inputs"]) -> None:
        if not isinstance(mask, Tensor) or mask.dtype != torch.bool:
            found = mask.dtype if isinstance(mask, Tensor) else type(mask).__name__
            raise TypeError(f"mask must be a boolean tensor, got {found}")
        if mask.dim() != 2:
            raise ValueError(f"mask must have shape (outputs, inputs), got shape {tuple(mask.shape)}")
        super().__init__(mask.shape[1], mask.shape[0])
        # Held in the weights' dtype (a product of equal dtypes is the fast one), and rebuilt rather than saved.
        self.register_buffer("mask", mask.to(self.weight), persistent=False)
        self.mask: Tensor

    def forward(self, input: Float[Tensor, "*batch inputs"]) -> Float[Tensor, "*batch outputs"]:
        """The masked map of ``input``."""
        return F.linear(input, self.weight * self.mask, self.bias)


def spread_degrees(n: int, low: int, high: int) -> list[int]:
    """Degrees of n hidden units, rising evenly from ``low`` to ``high``, both of which occur if the units suffice.

    Drawn at random they may miss a degree, and dealt out in turns they stop short when units are few; both leave
    coordinates unseen.

    Example:
        >>> spread_degrees(5, 1, 3), spread_degrees(3, 1, 9)
        ([1, 2, 2, 3, 3], [3, 6, 9])
    """
    count = high - low + 1
    return [low + ((k + 1) * count - 1) // n for k in range(n)]


class MaskedMLP(nn.Module):
    r"""MADE: one network for the parameters of all conditional laws :math:`p(x_i\mid x_{<i})`.

    The coordinates have the degrees 1 to d in the chosen order, the condition has 0. A hidden unit of degree m sees what
    has at most m, and the outputs of a coordinate of degree i see hidden units of less than i:

    .. math:: M_{kj} = [m_k \ge m_j], \qquad M^{\mathrm{out}}_{ik} = [i > m_k]

    (:eq:`eq-05-mask` in the book), so that no path leads from a coordinate to itself or to one before it. The first
    one's outputs depend on the condition alone. Hidden units have the degrees 1 to d - 1, and 0 as well where there is
    a condition, which the first coordinate would not see otherwise.

    Args:
        d: number of coordinates.
        outputs: parameters of each.
        hidden: widths of the hidden layers; at least d - 1 units (d with a condition) for every allowed dependence to
            be there. ``()`` makes the outputs linear.
        order: the coordinates from the first to the last; None: as they stand.
        context: length of a condition c that all outputs may see.
        activation: makes the nonlinearity; it may work in place.

    Attributes:
        order: the coordinates from the first to the last.
        degrees: the degrees of each hidden layer's units, which rise.

    Raises:
        ValueError: a size below 1, a negative ``context``, or an ``order`` that is no permutation.

    References:
        M. Germain, K. Gregor, I. Murray and H. Larochelle, *MADE: Masked autoencoder for distribution estimation*,
        2015, equations 10 to 14.

    Example:
        >>> net = MaskedMLP(3, 2)
        >>> theta = net(torch.randn(5, 3))
        >>> theta.shape, bool((theta[:, 0] == theta[0, 0]).all())
        (torch.Size([5, 3, 2]), True)
    """

    def __init__(
        self,
        d: int,
        outputs: int = 1,
        *,
        hidden: Sequence[int] = (64, 64),
        order: Sequence[int] | None = None,
        context: int = 0,
        activation: Callable[[], nn.Module] = RELU,
    ) -> None:
        super().__init__()
        check_count("d", d)
        check_count("outputs", outputs)
        check_count("context", context, low=0)
        for width in hidden:
            check_count("hidden", width)
        order = tuple(range(d)) if order is None else tuple(order)
        if sorted(order) != list(range(d)):
            raise ValueError(f"order must name each coordinate from 0 to {d - 1} once, got {order}")
        self.d, self.outputs, self.context, self.order = d, outputs, context, order
        # One coordinate has no predecessor: its units see the condition at most.
        low, high = (0 if context or d == 1 else 1), d - 1
        degree = [0] * d
        for place, coordinate in enumerate(order):
            degree[coordinate] = place + 1
        self.degrees = [spread_degrees(width, low, high) for width in hidden]
        # What drawing in turn asks for: how many units each degree has, and the inputs in the order of their degrees.
        self.sizes = [[degrees.count(k) for k in range(d)] for degrees in self.degrees]
        columns = [*range(context), *(context + i for i in order)]
        self.register_buffer("columns", torch.tensor(columns), persistent=False)
        self.columns: Tensor
        levels = [torch.tensor([0] * context + degree), *map(torch.tensor, self.degrees)]
        masks = [after[:, None] >= before for before, after in pairwise(levels)]
        masks.append(torch.tensor(degree).repeat_interleave(outputs)[:, None] > levels[-1])
        self.layers = nn.ModuleList(MaskedLinear(mask) for mask in masks)
        self.activation = activation()

    def forward(
        self, x: Float[Tensor, "*batch d"], c: Float[Tensor, "*batch context"] | None = None
    ) -> Float[Tensor, "*batch d outputs"]:
        """The outputs of all coordinates in one pass.

        Args:
            x: points, shape ``(*batch, d)``.
            c: the condition, shape ``(*batch, context)``; None for a network without one.

        Returns:
            Shape ``(*batch, d, outputs)``; row i depends on the coordinates in front of i in the order, and on c.

        Raises:
            ValueError: ``x`` or ``c`` has the wrong shape, or ``c`` is missing or unwanted.
        """
        check_event("x", x, (self.d,))
        h = x if c is None else torch.cat([c, x], -1)
        if h.shape[-1] != self.context + self.d:
            found = None if c is None else tuple(c.shape)
            raise ValueError(f"c must have shape (*batch, {self.context}), or be None for 0, got {found}")
        for layer in self.layers[:-1]:
            h = self.activation(layer(h))
        return self.layers[-1](h).unflatten(-1, (self.d, self.outputs))

    @torch.no_grad()
    def start_constant(self, values: Float[Tensor, " outputs"]) -> None:
        """Set the last layer so that every coordinate's outputs are ``values``, whatever the input.

        Args:
            values: shape ``(outputs,)``.

        Raises:
            ValueError: ``values`` has another shape.
        """
        if tuple(values.shape) != (self.outputs,):
            raise ValueError(f"values must have shape ({self.outputs},), got shape {tuple(values.shape)}")
        last = self.layers[-1]
        assert isinstance(last, MaskedLinear)
        last.weight.zero_()
        last.bias.copy_(values.repeat(self.d))
