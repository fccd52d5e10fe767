"""Multilayer perceptrons: plain, and residual with an embedding of the time."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from jaxtyping import Float
from torch import Tensor, nn

from gmlib._checks import check_count, check_event, check_number


class MLP(nn.Module):
    r"""A chain of linear maps with a nonlinearity between them.

    .. math:: x \mapsto W_L\, a(W_{L-1} \cdots a(W_1 x + b_1) \cdots) + b_L

    Args:
        sizes: widths of all layers, input first and output last, at least two of them.
        activation: makes the nonlinearity :math:`a`; called once per hidden layer.
        dropout: probability of dropping a hidden unit in training, in [0, 1).

    Raises:
        ValueError: fewer than two sizes, a size below 1, or a dropout outside [0, 1).

    Example:
        >>> import torch
        >>> from gmlib.nn import MLP
        >>> MLP([2, 32, 5])(torch.zeros(7, 2)).shape
        torch.Size([7, 5])
    """

    def __init__(
        self, sizes: Sequence[int], *, activation: Callable[[], nn.Module] = nn.SiLU, dropout: float = 0.0
    ) -> None:
        super().__init__()
        if len(sizes) < 2:
            raise ValueError(f"sizes must name at least an input and an output width, got {list(sizes)}")
        for size in sizes:
            check_count("sizes", size)
        check_number("dropout", dropout, low=0.0, high=1.0, high_open=True)
        layers: list[nn.Module] = []
        for i in range(len(sizes) - 1):
            layers.append(nn.Linear(sizes[i], sizes[i + 1]))
            if i < len(sizes) - 2:
                # Also at probability 0, so that the names of the weights do not depend on it.
                layers += [activation(), nn.Dropout(dropout)]
        self.in_features, self.out_features = sizes[0], sizes[-1]
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Float[Tensor, "*batch inputs"]) -> Float[Tensor, "*batch outputs"]:
        """Map ``x`` of shape (*batch, sizes[0]) to (*batch, sizes[-1]).

        Raises:
            ValueError: the last dimension of ``x`` is not ``sizes[0]``.
        """
        check_event("x", x, (self.in_features,))
        return self.layers(x)


class ResidualBlock(nn.Module):
    r"""One pre-normalised residual step, :math:`h + W_2\, a(W_1\,\mathrm{LN}(h) + V e)`.

    The conditioning vector :math:`e` (a time embedding, a label) enters between the two linear maps. The last map starts
    at zero, so that a deep stack starts as the identity (He et al. 2016, section 3; Goyal et al. 2017, section 5.1).

    Args:
        width: size of :math:`h`.
        condition: size of the conditioning vector, 0 for none.
        dropout: probability of dropping a hidden unit in training, in [0, 1).

    Raises:
        ValueError: a width below 1, a negative condition size, or a dropout outside [0, 1).

    Example:
        >>> import torch
        >>> from gmlib.nn import ResidualBlock
        >>> h = torch.randn(3, 16)
        >>> bool((ResidualBlock(16)(h) == h).all())
        True
    """

    def __init__(self, width: int, *, condition: int = 0, dropout: float = 0.0) -> None:
        super().__init__()
        check_count("width", width)
        check_count("condition", condition, low=0)
        check_number("dropout", dropout, low=0.0, high=1.0, high_open=True)
        self.norm = nn.LayerNorm(width)
        self.expand = nn.Linear(width, 2 * width)
        self.condition = nn.Linear(condition, 2 * width) if condition else None
        self.act = nn.SiLU()
        self.dropout = nn.Dropout(dropout)
        self.contract = nn.Linear(2 * width, width)
        nn.init.zeros_(self.contract.weight)
        nn.init.zeros_(self.contract.bias)

    def forward(
        self, h: Float[Tensor, "*batch width"], e: Float[Tensor, "*batch condition"] | None = None
    ) -> Float[Tensor, "*batch width"]:
        """Apply the block.

        Raises:
            ValueError: a condition is given to a block without one, or is missing from a block that has one.
        """
        if (e is None) != (self.condition is None):
            wanted = "a tensor" if self.condition is not None else "None"
            raise ValueError(f"e must be {wanted} for this block (condition={self.condition is not None})")
        a = self.expand(self.norm(h))
        if self.condition is not None:
            a = a + self.condition(e)
        return h + self.contract(self.dropout(self.act(a)))


class ResidualMLP(nn.Module):
    """A stack of residual blocks between two linear maps, with an optional conditioning vector for every block.

    Args:
        inputs: size of the input.
        outputs: size of the output.
        width: size of the residual stream.
        depth: number of blocks, at least 1.
        condition: size of the conditioning vector (see ``FourierEmbedding`` for a time), 0 for none.
        dropout: probability of dropping a hidden unit in training, in [0, 1).

    Raises:
        ValueError: a size out of range.

    Example:
        >>> import torch
        >>> from gmlib.nn import FourierEmbedding, ResidualMLP
        >>> net, embed = ResidualMLP(2, 2, width=32, depth=2, condition=16), FourierEmbedding(16)
        >>> net(torch.zeros(5, 2), embed(torch.rand(5))).shape
        torch.Size([5, 2])
    """

    def __init__(
        self, inputs: int, outputs: int, *, width: int, depth: int, condition: int = 0, dropout: float = 0.0
    ) -> None:
        super().__init__()
        check_count("inputs", inputs)
        check_count("outputs", outputs)
        check_count("depth", depth)
        self.inputs = inputs
        self.first = nn.Linear(inputs, width)
        self.blocks = nn.ModuleList(
            ResidualBlock(width, condition=condition, dropout=dropout) for _ in range(depth)
        )
        self.norm = nn.LayerNorm(width)
        self.last = nn.Linear(width, outputs)

    def forward(
        self, x: Float[Tensor, "*batch inputs"], e: Float[Tensor, "*batch condition"] | None = None
    ) -> Float[Tensor, "*batch outputs"]:
        """Map ``x`` (*batch, inputs), conditioned on ``e`` (*batch, condition), to (*batch, outputs).

        Raises:
            ValueError: the last dimension of ``x`` is not ``inputs``, or ``e`` does not match ``condition``.
        """
        check_event("x", x, (self.inputs,))
        h = self.first(x)
        for block in self.blocks:
            h = block(h, e)
        return self.last(self.norm(h))
