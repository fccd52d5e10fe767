"""A U-Net for images in grey levels: it sees patches of pixels, and fine waves of each pixel's value."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from gmlib._checks import check_count, check_tensor
from gmlib.nn.unet import UNet


class PixelUNet(nn.Module):
    r"""A U-Net between two changes of form: patches of pixels become channels, and channels become pixels again.

    At low noise, what tells the noise of a pixel is how far its value lies from a grey level, a difference that a
    convolution hardly sees beside the value itself. So each pixel is given with the waves

    .. math:: x \mapsto \big(x,\ \sin 2^n\pi x,\ \cos 2^n\pi x\big), \qquad n \in \texttt{octaves}

    For levels :math:`x = (k + \tfrac12)/128 - 1`, k = 0..255, the wave n = 8 has one period a level. Folding p x p pixels
    into channels makes the convolutions :math:`p^2` times cheaper.

    Args:
        channels: channels of the image.
        widths: channels of the levels of the U-Net, the finest of which has 1/patch of the height and width.
        patch: height = width p of a patch.
        octaves: the numbers n.
        options: further keywords of `UNet`.

    Raises:
        ValueError: ``channels`` or ``patch`` is below 1, or as `UNet`.

    References:
        D. Kingma et al., *Variational diffusion models* (2021), section 3.4 (Fourier features).

    Example:
        >>> import torch
        >>> from gmlib.nn import PixelUNet
        >>> PixelUNet(1, [8, 16])(torch.randn(4, 1, 28, 28), torch.rand(4)).shape
        torch.Size([4, 1, 28, 28])
    """

    def __init__(
        self,
        channels: int,
        widths: Sequence[int],
        *,
        patch: int = 2,
        octaves: Sequence[int] = (7, 8),
        **options: Any,
    ) -> None:
        super().__init__()
        check_count("channels", channels)
        check_count("patch", patch)
        self.channels, self.patch, self.octaves = channels, patch, tuple(octaves)
        inputs = channels * (1 + 2 * len(self.octaves)) * patch**2
        self.unet = UNet(inputs, widths, outputs=channels * patch**2, **options)

    def forward(
        self,
        x: Float[Tensor, "batch channels height width"],
        t: Float[Tensor, " batch"],
        label: Int[Tensor, " batch"] | None = None,
    ) -> Float[Tensor, "batch channels height width"]:
        """Map noised images and times to a prediction of the same shape.

        Raises:
            TypeError: ``x`` is no floating tensor, or as `UNet`.
            ValueError: ``x`` is not of shape (batch, channels, height, width), its height or width cannot be divided by
                ``patch`` and halved for each level, or as `UNet`.
        """
        check_tensor("x", x)
        if x.dim() != 4 or x.shape[1] != self.channels:
            raise ValueError(
                f"x must have shape (batch, {self.channels}, height, width), got {tuple(x.shape)}"
            )
        if x.shape[-1] % self.patch or x.shape[-2] % self.patch:
            raise ValueError(
                f"height and width of x must be divisible by {self.patch}, got {tuple(x.shape[-2:])}"
            )
        angles = [2**n * math.pi * x for n in self.octaves]
        seen = torch.cat([x, *(wave(angle) for angle in angles for wave in (torch.sin, torch.cos))], dim=1)
        out = self.unet(F.pixel_unshuffle(seen, self.patch), t, label)
        return F.pixel_shuffle(out, self.patch)
