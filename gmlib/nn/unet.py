r"""The U-Net of diffusion models: down to coarse images and up again, with a bridge at every level.

.. code-block:: text

    x (28x28) -> stem -> [blocks] -----------------------------------> [blocks] -> head (28x28)
                            | half                                       ^ twice
                         [blocks] ---------------------> [blocks] -------+
                            | half                          ^ twice
                         [blocks] -> block, attention, block -> [blocks]

Every block is told the time (and the class). The bridges carry the output of each block on the way down to a block on the
way up, so that what is small in the image need not pass through the coarse levels.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from gmlib._checks import check_count, check_number, check_tensor, check_times
from gmlib.nn.conditioning import TimeAndClass
from gmlib.nn.self_attention import SelfAttention
from gmlib.nn.told_block import ToldBlock
from gmlib.nn.zeroed import zeroed


class UNet(nn.Module):
    """A U-Net that is told the time and, if it has classes, the class.

    Args:
        channels: channels of the image.
        widths: channels of the levels, finest first; each level has half the height and width of the one before.
        blocks: residual blocks a level on the way down; one more on the way up.
        attention: levels (0 is the finest) whose blocks are followed by attention. The middle always has it.
        heads: heads of every attention.
        classes: number of classes, 0 for none.
        outputs: channels of the output; ``channels`` if None. A network that also predicts a variance has twice as many.
        groups: of the group normalisations; divides every width.
        dropout: in the residual blocks, in training.

    Raises:
        ValueError: a count below 1, a level that does not exist, or groups or heads that do not divide a width.

    References:
        O. Ronneberger, P. Fischer and T. Brox, *U-Net* (2015); J. Ho, A. Jain and P. Abbeel (2020), appendix B.

    Example:
        >>> import torch
        >>> from gmlib.nn import UNet
        >>> network = UNet(1, [8, 16], classes=10)
        >>> network(torch.randn(4, 1, 28, 28), torch.rand(4), label=torch.tensor([3, 1, 4, 10])).shape
        torch.Size([4, 1, 28, 28])
    """

    def __init__(
        self,
        channels: int,
        widths: Sequence[int],
        *,
        blocks: int = 1,
        attention: Collection[int] = (),
        heads: int = 1,
        classes: int = 0,
        outputs: int | None = None,
        groups: int = 8,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        widths = list(widths)
        _check(channels, widths, blocks, attention, heads, outputs, groups, dropout)
        self.channels, self.stride = channels, 2 ** (len(widths) - 1)
        told = 4 * widths[0]
        self.told = TimeAndClass(told, max(4, widths[0] + widths[0] % 2), classes=classes)
        self.stem = nn.Conv2d(channels, widths[0], 3, padding=1)

        def block(inputs: int, outputs: int) -> ToldBlock:
            return ToldBlock(inputs, outputs, told, groups=groups, dropout=dropout)

        def after(level: int) -> nn.Module:
            return (
                SelfAttention(widths[level], heads=heads, groups=groups)
                if level in attention
                else nn.Identity()
            )

        self.down, width, bridges = nn.ModuleList(), widths[0], [widths[0]]
        for level, wide in enumerate(widths):
            for _ in range(blocks):
                self.down.append(nn.ModuleList([block(width, wide), after(level)]))
                width = wide
                bridges.append(width)
            if level < len(widths) - 1:
                self.down.append(nn.Conv2d(width, width, 3, stride=2, padding=1))
                bridges.append(width)
        self.middle = nn.ModuleList(
            [block(width, width), SelfAttention(width, heads=heads, groups=groups), block(width, width)]
        )
        self.up = nn.ModuleList()
        for level in reversed(range(len(widths))):
            for _ in range(blocks + 1):
                self.up.append(nn.ModuleList([block(width + bridges.pop(), widths[level]), after(level)]))
                width = widths[level]
            if level:
                self.up.append(nn.Conv2d(width, width, 3, padding=1))
        self.norm = nn.GroupNorm(groups, width)
        self.head = zeroed(nn.Conv2d(width, channels if outputs is None else outputs, 3, padding=1))

    def forward(
        self,
        x: Float[Tensor, "batch channels height width"],
        t: Float[Tensor, " batch"],
        label: Int[Tensor, " batch"] | None = None,
    ) -> Float[Tensor, "batch outputs height width"]:
        """Map noised images and times to a prediction; a fresh network predicts 0.

        Args:
            x: images, (batch, channels, height, width); height and width must be divisible by 2 for each level but one.
            t: times in [0, 1], (batch,).
            label: classes, (batch,); see `TimeAndClass`.

        Raises:
            TypeError: ``x`` or ``t`` is no floating tensor, or ``label`` no tensor of whole numbers.
            ValueError: ``x``, ``t`` or ``label`` has another shape than it must.
        """
        check_tensor("x", x)
        if x.dim() != 4 or x.shape[1] != self.channels:
            raise ValueError(
                f"x must have shape (batch, {self.channels}, height, width), got {tuple(x.shape)}"
            )
        if x.shape[2] % self.stride or x.shape[3] % self.stride:
            raise ValueError(
                f"height and width of x must be divisible by {self.stride} for {self.stride.bit_length()} levels, "
                f"got {tuple(x.shape[2:])}"
            )
        check_times("t", t, x)
        told = F.silu(self.told(t, label))
        x = self.stem(x)
        bridges = [x]
        for step in self.down:
            x = step[1](step[0](x, told)) if isinstance(step, nn.ModuleList) else step(x)
            bridges.append(x)
        x = self.middle[2](self.middle[1](self.middle[0](x, told)), told)
        for step in self.up:
            if isinstance(step, nn.ModuleList):
                x = step[1](step[0](torch.cat([x, bridges.pop()], dim=1), told))
            else:
                x = step(F.interpolate(x, scale_factor=2.0))
        return self.head(F.silu(self.norm(x)))


def _check(
    channels: int,
    widths: list[int],
    blocks: int,
    attention: Collection[int],
    heads: int,
    outputs: int | None,
    groups: int,
    dropout: float,
) -> None:
    if not widths:
        raise ValueError("widths must name at least one level, got an empty list")
    for width in widths:
        check_count("widths", width)
    counts = {
        "channels": channels,
        "blocks": blocks,
        "heads": heads,
        "groups": groups,
        "outputs": 1 if outputs is None else outputs,
    }
    for name, value in counts.items():
        check_count(name, value)
    if any(width % groups for width in widths):
        raise ValueError(f"groups must divide every one of the widths {widths}, got {groups}")
    if not set(attention) <= set(range(len(widths))):
        raise ValueError(f"attention must name levels from 0 to {len(widths) - 1}, got {sorted(attention)}")
    attended = [widths[level] for level in {*attention, len(widths) - 1}]
    if any(width % heads for width in attended):
        raise ValueError(f"heads must divide the widths that attend, {sorted(attended)}, got {heads}")
    check_number("dropout", dropout, low=0.0, high=1.0, high_open=True)
