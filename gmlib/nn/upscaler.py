"""A denoiser's network that is shown the picture at half the size."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from gmlib._checks import check_instance, check_tensor


class Upscaler(nn.Module):
    """See each 2x2 block of the noised picture as channels of one place, beside the pixel that it was made from.

    Args:
        network: works at half the height and width; called with 5 channels for every channel of the picture (its four
            phases, and the small picture), returns 4.

    Raises:
        TypeError: ``network`` is no module.

    References:
        C. Saharia et al., *Image super-resolution via iterative refinement* (2021), section 2.1, where the small picture
        is enlarged instead.

    Example:
        >>> import torch
        >>> from gmlib.nn import UNet, Upscaler
        >>> network = Upscaler(UNet(5, [8, 16], outputs=4))
        >>> network(torch.randn(3, 1, 28, 28), torch.rand(3), image=torch.randn(3, 1, 28, 28)).shape
        torch.Size([3, 1, 28, 28])
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        check_instance("network", network, nn.Module)
        self.network = network

    def forward(
        self,
        x: Float[Tensor, "batch channels height width"],
        t: Float[Tensor, " batch"],
        *,
        image: Float[Tensor, "batch channels height width"],
        **condition: Any,
    ) -> Float[Tensor, "batch channels height width"]:
        """What the network says of noised pictures beside what they were before they were enlarged.

        Args:
            x: noised pictures; height and width are even.
            t: times, (batch,).
            image: the smaller picture, every pixel of which has become a block of 2x2: the means of these blocks are read.
            condition: passed on to the network.

        Raises:
            TypeError: ``image`` is no floating tensor.
            ValueError: ``image`` has not the shape of ``x``, or that is odd.
        """
        check_tensor("image", image)
        if image.shape != x.shape or x.dim() != 4 or x.shape[2] % 2 or x.shape[3] % 2:
            raise ValueError(
                f"image and x must have the same shape (batch, channels, height, width) with even height and width, "
                f"got {tuple(image.shape)} and {tuple(x.shape)}"
            )
        seen = torch.cat([F.pixel_unshuffle(x, 2), F.avg_pool2d(image, 2)], 1)
        return F.pixel_shuffle(self.network(seen, t, **condition), 2)
