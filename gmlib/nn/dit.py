"""A transformer in the place of the U-Net: patches are words, and the time tells every block how to read them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from gmlib._checks import check_count, check_tensor, check_times
from gmlib.nn.conditioning import TimeAndClass
from gmlib.nn.zeroed import zeroed


class ToldAttention(nn.Module):
    r"""A block of a transformer that is told something: the vector c scales, shifts and admits each of its two halves.

    .. math:: h \mathrel{+}= g_1(c)\,\mathrm{attention}\big((1 + a_1(c))\,\mathrm{LN}(h) + b_1(c)\big), \qquad
        h \mathrel{+}= g_2(c)\,\mathrm{MLP}\big((1 + a_2(c))\,\mathrm{LN}(h) + b_2(c)\big)

    The map from c starts at zero, and with it the gates g: a fresh block passes its input on.

    Args:
        width: size of a token, and of c.
        heads: number of heads; divides ``width``.

    Raises:
        ValueError: a count below 1, or ``heads`` does not divide ``width``.

    References:
        W. Peebles and S. Xie, *Scalable diffusion models with transformers* (2023), section 3.2 (adaLN-Zero).

    Example:
        >>> import torch
        >>> from gmlib.nn.dit import ToldAttention
        >>> tokens = torch.randn(2, 9, 8)
        >>> torch.equal(ToldAttention(8, 2)(tokens, torch.randn(2, 8)), tokens)
        True
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        check_count("width", width)
        check_count("heads", heads)
        if width % heads:
            raise ValueError(f"heads must divide width = {width}, got {heads}")
        self.heads = heads
        self.modulation = zeroed(nn.Linear(width, 6 * width))
        self.norm1 = nn.LayerNorm(width, elementwise_affine=False)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.norm2 = nn.LayerNorm(width, elementwise_affine=False)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU("tanh"), nn.Linear(4 * width, width))

    def forward(
        self, h: Float[Tensor, "batch tokens width"], told: Float[Tensor, "batch width"]
    ) -> Float[Tensor, "batch tokens width"]:
        """Map tokens (batch, tokens, width) and vectors (batch, width) to tokens."""
        a1, b1, g1, a2, b2, g2 = self.modulation(told).unsqueeze(1).chunk(6, dim=-1)
        # (batch, heads, tokens, channels of a head), three times
        qkv = self.qkv(torch.addcmul(b1, self.norm1(h), 1 + a1)).unflatten(-1, (3, self.heads, -1))
        seen = F.scaled_dot_product_attention(*qkv.permute(2, 0, 3, 1, 4).unbind(0))
        h = torch.addcmul(h, g1, self.out(seen.transpose(1, 2).flatten(2)))
        return torch.addcmul(h, g2, self.mlp(torch.addcmul(b2, self.norm2(h), 1 + a2)))


class DiT(nn.Module):
    """A transformer over the patches of an image that is told the time and, if it has classes, the class.

    Called as `UNet`, in whose place it stands. It knows nothing of neighbours, except what it learns of the
    positions; so it wants more data than a U-Net, and gains more from size.

    Args:
        channels: channels of the image.
        size: height = width of the image.
        patch: height = width of a patch; divides ``size``.
        width: size of a token.
        depth: number of blocks.
        heads: heads of every attention; divides ``width``.
        classes: number of classes, 0 for none.
        outputs: channels of the output; ``channels`` if None.

    Raises:
        ValueError: a count below 1, a ``patch`` that does not divide ``size``, or ``heads`` that do not divide ``width``.

    References:
        W. Peebles and S. Xie, *Scalable diffusion models with transformers* (2023), section 3.

    Example:
        >>> import torch
        >>> from gmlib.nn import DiT
        >>> network = DiT(1, size=28, patch=4, width=32, depth=2, heads=4, classes=10)
        >>> network(torch.randn(4, 1, 28, 28), torch.rand(4), label=torch.tensor([3, 1, 4, 10])).shape
        torch.Size([4, 1, 28, 28])
    """

    def __init__(
        self,
        channels: int,
        *,
        size: int,
        patch: int,
        width: int,
        depth: int,
        heads: int = 1,
        classes: int = 0,
        outputs: int | None = None,
    ) -> None:
        super().__init__()
        counts = {"channels": channels, "size": size, "patch": patch, "width": width, "depth": depth}
        for name, value in (counts | {"heads": heads, "outputs": 1 if outputs is None else outputs}).items():
            check_count(name, value)
        if size % patch:
            raise ValueError(f"patch must divide size = {size}, got {patch}")
        if width % heads:
            raise ValueError(f"heads must divide width = {width}, got {heads}")
        self.channels, self.size, self.patch = channels, size, patch
        self.told = TimeAndClass(width, max(4, width + width % 2), classes=classes)
        self.embed = nn.Linear(channels * patch**2, width)
        self.position = nn.Parameter(0.02 * torch.randn((size // patch) ** 2, width))
        self.blocks = nn.ModuleList([ToldAttention(width, heads) for _ in range(depth)])
        self.modulation = zeroed(nn.Linear(width, 2 * width))
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.head = zeroed(nn.Linear(width, (channels if outputs is None else outputs) * patch**2))

    def forward(
        self,
        x: Float[Tensor, "batch channels height width"],
        t: Float[Tensor, " batch"],
        label: Int[Tensor, " batch"] | None = None,
    ) -> Float[Tensor, "batch outputs height width"]:
        """Map noised images and times to a prediction; a fresh network predicts 0.

        Args:
            x: images, (batch, channels, size, size).
            t: times in [0, 1], (batch,).
            label: classes, (batch,); see `TimeAndClass`.

        Raises:
            TypeError: ``x`` or ``t`` is no floating tensor, or ``label`` no tensor of whole numbers.
            ValueError: ``x``, ``t`` or ``label`` has another shape than it must.
        """
        check_tensor("x", x)
        wanted = (self.channels, self.size, self.size)
        if x.dim() != 4 or tuple(x.shape[1:]) != wanted:
            raise ValueError(
                f"x must have shape (batch, {', '.join(map(str, wanted))}), got {tuple(x.shape)}"
            )
        check_times("t", t, x)
        told = F.silu(self.told(t, label))
        h = self.embed(F.unfold(x, self.patch, stride=self.patch).mT) + self.position
        for block in self.blocks:
            h = block(h, told)
        scale, shift = self.modulation(told).unsqueeze(1).chunk(2, dim=-1)
        out = self.head(torch.addcmul(shift, self.norm(h), 1 + scale))
        return F.fold(out.mT, (self.size, self.size), self.patch, stride=self.patch)
