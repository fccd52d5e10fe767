"""Attention over the pixels of an image."""

from __future__ import annotations

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from gmlib._checks import check_count
from gmlib.nn.zeroed import zeroed


class SelfAttention(nn.Module):
    """Every pixel looks at every other: normalisation, attention, and a projection that starts at zero; residual.

    Args:
        width: channels.
        heads: number of heads; divides ``width``.
        groups: of the normalisation; divides ``width``.

    Raises:
        ValueError: a count below 1, or ``heads`` or ``groups`` does not divide ``width``.

    References:
        A. Vaswani et al., *Attention is all you need* (2017), eq. 1.

    Example:
        >>> import torch
        >>> from gmlib.nn.self_attention import SelfAttention
        >>> x = torch.randn(2, 8, 3, 3)
        >>> torch.equal(SelfAttention(8)(x), x)
        True
    """

    def __init__(self, width: int, *, heads: int = 1, groups: int = 8) -> None:
        super().__init__()
        for name, count in (("width", width), ("heads", heads), ("groups", groups)):
            check_count(name, count)
            if width % count:
                raise ValueError(f"{name} must divide width = {width}, got {count}")
        self.heads = heads
        self.norm = nn.GroupNorm(groups, width)
        self.qkv = nn.Conv2d(width, 3 * width, 1)
        self.out = zeroed(nn.Conv2d(width, width, 1))

    def forward(
        self, x: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch channels height width"]:
        """Map images (batch, channels, height, width) to images of the same shape."""
        # (batch, 3, heads, pixels, channels of a head)
        qkv = self.qkv(self.norm(x)).unflatten(1, (3, self.heads, -1)).flatten(-2).mT
        # The fused kernels take channels that lie side by side; any others go through the table of all weights.
        qkv = qkv.contiguous()
        h = F.scaled_dot_product_attention(*qkv.unbind(1))
        return x + self.out(h.mT.reshape(x.shape))
