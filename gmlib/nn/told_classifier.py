"""A classifier of images that is told how noisy they are."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from gmlib._checks import check_count, check_tensor, check_times
from gmlib.nn.conditioning import TimeAndClass
from gmlib.nn.told_block import ToldBlock


class ToldClassifier(nn.Module):
    """The way down of a U-Net, and class logits at its end.

    Args:
        channels: channels of the image.
        widths: channels of the levels, finest first; each level has half the height and width of the one before.
        classes: number of classes.
        patch: pixels that make one place of the finest level, in each direction.
        groups: of the group normalisations; divides every width.

    Raises:
        ValueError: a count below 1, no widths, or ``groups`` does not divide them.

    References:
        P. Dhariwal and A. Nichol, *Diffusion models beat GANs on image synthesis* (2021), section 4.

    Example:
        >>> import torch
        >>> from gmlib.nn import ToldClassifier
        >>> ToldClassifier(1, [8, 16])(torch.randn(4, 1, 28, 28), torch.rand(4)).shape
        torch.Size([4, 10])
    """

    def __init__(
        self, channels: int, widths: Sequence[int], *, classes: int = 10, patch: int = 2, groups: int = 8
    ) -> None:
        super().__init__()
        for name, count in (
            ("channels", channels),
            ("classes", classes),
            ("patch", patch),
            ("groups", groups),
        ):
            check_count(name, count)
        if not widths:
            raise ValueError("widths must name at least one level, got an empty list")
        for width in widths:
            check_count("widths", width)
            if width % groups:
                raise ValueError(f"groups must divide every one of the widths {list(widths)}, got {groups}")
        told = 2 * widths[0]
        self.channels, self.patch, self.stride = channels, patch, patch * 2 ** (len(widths) - 1)
        self.told = TimeAndClass(told, told)
        self.stem = nn.Conv2d(channels * patch**2, widths[0], 3, padding=1)
        self.blocks = nn.ModuleList(
            [
                ToldBlock(before, after, told, groups=groups)
                for before, after in zip([widths[0], *widths[:-1]], widths, strict=True)
            ]
        )
        self.norm = nn.GroupNorm(groups, widths[-1])
        self.head = nn.Linear(widths[-1], classes)

    def forward(
        self, x: Float[Tensor, "batch channels height width"], t: Float[Tensor, " batch"]
    ) -> Float[Tensor, "batch classes"]:
        """Class logits of noised images, told how noisy they are.

        Args:
            x: images, (batch, channels, height, width).
            t: numbers in [0, 1], (batch,).

        Raises:
            TypeError: ``x`` or ``t`` is no floating tensor.
            ValueError: ``x`` is no batch of such images, or its height or width cannot be divided by ``patch`` and halved
                for each level; or ``t`` is not of shape (batch,).
        """
        check_tensor("x", x)
        if (
            x.dim() != 4
            or x.shape[1] != self.channels
            or x.shape[2] % self.stride
            or x.shape[3] % self.stride
        ):
            raise ValueError(
                f"x must have shape (batch, {self.channels}, height, width), divisible by {self.stride}, "
                f"got {tuple(x.shape)}"
            )
        check_times("t", t, x)
        told = F.silu(self.told(t))
        h = self.stem(F.pixel_unshuffle(x, self.patch))
        for number, block in enumerate(self.blocks):
            h = block(F.avg_pool2d(h, 2) if number else h, told)
        return self.head(F.silu(self.norm(h)).mean((2, 3)))
