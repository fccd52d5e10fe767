"""A small network that is a velocity field."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gmlib._checks import check_count
from gmlib.nn import MLP


class VelocityMLP(nn.Module):
    r"""A multilayer perceptron on a point, the time and the condition side by side.

    .. math:: b_t(x) = \mathrm{MLP}([x, t, c])

    The last layer starts at zero, so that nothing moves at first and the flow starts as the identity. The nonlinearity
    is smooth (SiLU): that of ReLU would give a divergence that jumps, and solvers of high order their order for nothing.

    Args:
        d: dimension of the points.
        hidden: widths of the hidden layers.
        context: length of the condition c, 0 for none.

    Raises:
        ValueError: a size below 1, or a negative ``context``.

    Example:
        >>> velocity = VelocityMLP(2, (64, 64))
        >>> velocity(torch.ones(5, 2), torch.tensor(0.5)).abs().sum().item()
        0.0
    """

    def __init__(self, d: int, hidden: Sequence[int] = (64, 64), *, context: int = 0) -> None:
        super().__init__()
        check_count("d", d)
        check_count("context", context, low=0)
        self.mlp = MLP([d + 1 + context, *hidden, d])
        last = self.mlp.layers[-1]
        assert isinstance(last, nn.Linear)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)

    def forward(
        self, x: Float[Tensor, "*batch d"], t: Float[Tensor, ""], c: Float[Tensor, "*batch k"] | None = None
    ) -> Float[Tensor, "*batch d"]:
        """b at points x, shape ``(*batch, d)``, the time t, shape ``()``, and conditions c, shape ``(*batch, context)``."""
        parts = [x, t.expand(*x.shape[:-1], 1)]
        return self.mlp(torch.cat(parts if c is None else [*parts, c], -1))
