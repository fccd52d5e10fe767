"""A network for points that is told the time: what a diffusion model of the plane needs."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from gmlib._checks import check_count, check_tensor, check_times
from gmlib.nn.embedding import SinusoidalEmbedding
from gmlib.nn.mlp import ResidualMLP


class TimeMLP(nn.Module):
    """A residual MLP whose every block is told the time by sinusoids; a fresh one predicts 0.

    Args:
        dim: size of a point.
        width: size of the residual stream.
        depth: number of blocks.
        frequencies: size of the embedding of the time, even.

    Raises:
        ValueError: a size out of range.

    Example:
        >>> import torch
        >>> from gmlib.nn import TimeMLP
        >>> TimeMLP(2, width=32, depth=2)(torch.randn(5, 2), torch.rand(5)).abs().max().item()
        0.0
    """

    def __init__(self, dim: int, *, width: int = 64, depth: int = 3, frequencies: int = 32) -> None:
        super().__init__()
        check_count("dim", dim)
        self.dim = dim
        self.time = SinusoidalEmbedding(frequencies, max_frequency=100.0)
        self.body = ResidualMLP(dim, dim, width=width, depth=depth, condition=frequencies)
        nn.init.zeros_(self.body.last.weight)
        nn.init.zeros_(self.body.last.bias)

    def forward(
        self, x: Float[Tensor, "batch dim"], t: Float[Tensor, " batch"]
    ) -> Float[Tensor, "batch dim"]:
        """Map points (batch, dim) and times in [0, 1], (batch,), to predictions (batch, dim).

        Raises:
            TypeError: ``x`` or ``t`` is no floating tensor.
            ValueError: ``x`` is not of shape (batch, dim), or ``t`` not of shape (batch,).
        """
        check_tensor("x", x)
        if x.dim() != 2 or x.shape[1] != self.dim:
            raise ValueError(f"x must have shape (batch, {self.dim}), got {tuple(x.shape)}")
        check_times("t", t, x)
        return self.body(x, self.time(t))
