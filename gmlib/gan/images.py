"""Players for small grey images: two strided convolutions each, in opposite order."""

from __future__ import annotations

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn

from gmlib._checks import check_count, check_event
from gmlib.nn.conv import coarse_size, from_vector


class ImageGenerator(nn.Module):
    r"""Latents to images with entries in (0, 1): a linear map to the coarsest level, then transposed convolutions.

    Group normalisation sees one image at a time, so that what one latent becomes does not depend on the batch.

    Args:
        latent_dim: coordinates of z.
        widths: channels of each level below the image, finest first; every level halves height and width.
        size: height = width of the image, divisible by ``2 ** len(widths)``.
        channels: channels of the image.
        groups: largest number of normalisation groups; the largest divisor of a width up to it is used.

    Raises:
        ValueError: a count below 1, no level, or a size that cannot be halved so often.

    References:
        A. Radford, L. Metz and S. Chintala, *Unsupervised representation learning with deep convolutional generative
        adversarial networks* (2016), for the form.

    Example:
        >>> import torch
        >>> from gmlib.gan import ImageGenerator
        >>> ImageGenerator(8, (4, 8))(torch.zeros(3, 8)).shape
        torch.Size([3, 1, 28, 28])
    """

    def __init__(
        self,
        latent_dim: int = 32,
        widths: Sequence[int] = (32, 64),
        *,
        size: int = 28,
        channels: int = 1,
        groups: int = 8,
    ) -> None:
        super().__init__()
        coarse = coarse_size(size, widths, below=True)
        check_count("latent_dim", latent_dim)
        check_count("channels", channels)
        check_count("groups", groups)
        self.latent_dim = latent_dim
        layers = from_vector(latent_dim, widths[-1], coarse)
        for level in reversed(range(len(widths))):
            width, out = widths[level], widths[level - 1] if level else channels
            divisor = max(g for g in range(1, groups + 1) if width % g == 0)
            layers += [nn.GroupNorm(divisor, width), nn.ReLU(), nn.ConvTranspose2d(width, out, 4, 2, 1)]
        self.body = nn.Sequential(*layers, nn.Sigmoid())

    def forward(self, z: Float[Tensor, "batch latent"]) -> Float[Tensor, "batch channels size size"]:
        """Map latents (batch, latent_dim) to images (batch, channels, size, size).

        Raises:
            ValueError: the latents have another size.
        """
        check_event("z", z, (self.latent_dim,))
        return self.body(z)


class ImageCritic(nn.Module):
    r"""Images to one number each: strided convolutions with leaky ReLU, without normalisation, and a linear map.

    Args:
        widths: channels of each level below the image, finest first; every level halves height and width.
        size: height = width of the image, divisible by ``2 ** len(widths)``.
        channels: channels of the image.

    Raises:
        ValueError: a count below 1, no level, or a size that cannot be halved so often.

    Example:
        >>> import torch
        >>> from gmlib.gan import ImageCritic
        >>> ImageCritic((4, 8))(torch.zeros(3, 1, 28, 28)).shape
        torch.Size([3])
    """

    def __init__(self, widths: Sequence[int] = (32, 64), *, size: int = 28, channels: int = 1) -> None:
        super().__init__()
        coarse = coarse_size(size, widths, below=True)
        check_count("channels", channels)
        self.event_shape = (channels, size, size)
        layers: list[nn.Module] = []
        for level, width in enumerate(widths):
            layers += [
                nn.Conv2d(widths[level - 1] if level else channels, width, 4, 2, 1),
                nn.LeakyReLU(0.2),
            ]
        self.body = nn.Sequential(*layers, nn.Flatten(), nn.Linear(widths[-1] * coarse**2, 1))

    def forward(self, x: Float[Tensor, "batch channels size size"]) -> Float[Tensor, " batch"]:
        """The critic's output, a logit or a value, at each image (batch, channels, size, size).

        Raises:
            ValueError: the images have another shape.
        """
        check_event("x", x, self.event_shape)
        return self.body(x).squeeze(1)
