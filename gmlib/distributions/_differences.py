"""Points less the means of a mixture's components, laid out so that the arithmetic that follows is fast."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor


def differences(x: Float[Tensor, "*points d"], means: Float[Tensor, "*lead K d"]) -> Float[Tensor, "*_ K d"]:
    r"""The vectors :math:`x - m_k`, shape ``(..., K, d)``; the leading dimensions of ``x`` and ``means`` broadcast.

    With fewer coordinates than components, the components lie side by side in memory and the coordinates apart: on a
    CPU a sum over two numbers that lie side by side takes several times as long as one over long rows, and what is
    computed from the result element by element keeps its layout.

    Example:
        >>> import torch
        >>> vectors = differences(torch.zeros(5, 2), torch.ones(3, 2))
        >>> vectors.shape, vectors.stride()
        (torch.Size([5, 3, 2]), (3, 1, 15))
    """
    if x.shape[-1] >= means.shape[-2]:
        return x.unsqueeze(-2) - means
    rank = max(x.dim(), means.dim() - 1)
    x, means = x[(None,) * (rank - x.dim())], means[(None,) * (rank + 1 - means.dim())]
    rows = x.movedim(-1, 0).contiguous().unsqueeze(-1) - means.movedim(-1, 0).contiguous()
    return rows.movedim(0, -1)
