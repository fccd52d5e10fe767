"""The residual block of a U-Net, which is told the time."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from gmlib._checks import check_count, check_number
from gmlib.nn.zeroed import zeroed


class ToldBlock(nn.Module):
    r"""A residual block that is told something: the vector c scales and shifts its second normalisation.

    .. math:: h = \mathrm{conv}_1(\mathrm{silu}(\mathrm{norm}(x))), \qquad
        x' = x + \mathrm{conv}_2\big(\mathrm{silu}((1 + a(c))\,\mathrm{norm}(h) + b(c))\big)

    ``conv_2`` starts at zero: a fresh block passes its input on (through a 1x1 convolution where the channels change).

    Args:
        inputs: channels in.
        outputs: channels out.
        told: size of the vector c.
        groups: of the normalisations; must divide both.
        dropout: share of the channels' values set to 0 before ``conv_2`` in training.

    Raises:
        ValueError: a count below 1, ``groups`` does not divide both widths, or ``dropout`` is not in [0, 1).

    References:
        P. Dhariwal and A. Nichol, *Diffusion models beat GANs on image synthesis* (2021), section 3.1 (adaptive group
        normalisation).

    Example:
        >>> import torch
        >>> from gmlib.nn.told_block import ToldBlock
        >>> ToldBlock(8, 16, 4)(torch.zeros(2, 8, 7, 7), torch.zeros(2, 4)).shape
        torch.Size([2, 16, 7, 7])
    """

    def __init__(
        self, inputs: int, outputs: int, told: int, *, groups: int = 8, dropout: float = 0.0
    ) -> None:
        super().__init__()
        for name, count in (("inputs", inputs), ("outputs", outputs), ("told", told), ("groups", groups)):
            check_count(name, count)
        if inputs % groups or outputs % groups:
            raise ValueError(f"groups must divide inputs = {inputs} and outputs = {outputs}, got {groups}")
        check_number("dropout", dropout, low=0.0, high=1.0, high_open=True)
        self.norm1 = nn.GroupNorm(groups, inputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.modulation = nn.Linear(told, 2 * outputs)
        self.norm2 = nn.GroupNorm(groups, outputs)
        self.dropout = nn.Dropout(dropout)
        self.conv2 = zeroed(nn.Conv2d(outputs, outputs, 3, padding=1))
        self.skip = nn.Identity() if inputs == outputs else nn.Conv2d(inputs, outputs, 1)

    def forward(
        self, x: Float[Tensor, "batch inputs height width"], told: Float[Tensor, "batch told"]
    ) -> Float[Tensor, "batch outputs height width"]:
        """Map images (batch, inputs, height, width) and vectors (batch, told) to images of ``outputs`` channels."""
        h = self.conv1(F.silu(self.norm1(x)))
        scale, shift = self.modulation(told)[..., None, None].chunk(2, dim=1)
        h = torch.addcmul(shift, self.norm2(h), 1 + scale)
        return self.skip(x) + self.conv2(self.dropout(F.silu(h)))
