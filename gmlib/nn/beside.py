"""A network that is shown a second picture beside the noised one."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gmlib._checks import check_instance, check_tensor


class Beside(nn.Module):
    """Put a picture on further channels of the input: what makes a denoiser an upscaler, or a repairer.

    Args:
        network: called with as many channels as both pictures have; its output has those of the noised one.

    Raises:
        TypeError: ``network`` is no module.

    References:
        C. Saharia et al., *Image super-resolution via iterative refinement* (2021), section 2.1; the same, *Palette:
        image-to-image diffusion models* (2022).

    Example:
        >>> import torch
        >>> from gmlib.nn import Beside, UNet
        >>> network = Beside(UNet(2, [8, 16], outputs=1))
        >>> network(torch.randn(4, 1, 8, 8), torch.rand(4), image=torch.randn(4, 1, 8, 8)).shape
        torch.Size([4, 1, 8, 8])
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
        image: Float[Tensor, "batch extra height width"],
        **condition: Any,
    ) -> Tensor:
        """What the network says of noised pictures beside pictures of the same height and width.

        Raises:
            TypeError: ``image`` is no floating tensor.
            ValueError: ``image`` has not the batch, height and width of ``x``.
        """
        check_tensor("image", image)
        if image.dim() != 4 or image.shape[0] != x.shape[0] or image.shape[2:] != x.shape[2:]:
            raise ValueError(
                f"image must have shape ({x.shape[0]}, channels, {', '.join(map(str, x.shape[2:]))}), "
                f"got {tuple(image.shape)}"
            )
        return self.network(torch.cat([x, image], 1), t, **condition)
