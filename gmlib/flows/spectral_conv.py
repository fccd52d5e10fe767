r"""Convolutions of bounded stretch: the norm of a convolution is that of the operator, not that of its kernel."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from gmlib._checks import check_count, check_tensor
from gmlib.flows.spectral import SpectralMap


class SpectralConv2d(SpectralMap):
    r"""A convolution with zero padding and a bias, of stretch at most ``bound`` *as an operator on images*.

    The kernel as a matrix (outputs x inputs k k), which spectral normalisation for GANs divides by its norm, says
    little about it: the operator's norm can be larger by up to the kernel's side k.

    Args:
        inputs: channels of an image.
        outputs: channels of a result.
        size: height and width of the images.
        kernel: side of the kernel, odd.
        bound: largest stretch c.
        steps: power iterations a call.

    Raises:
        ValueError: a number below 1, or an even ``kernel``.

    Example:
        >>> layer = SpectralConv2d(1, 1, (8, 8), bound=0.5, steps=100)
        >>> _ = torch.nn.init.constant_(layer.weight, 1.0)
        >>> x = torch.ones(1, 8, 8)
        >>> bool(layer(x).norm() < 0.5001 * x.norm())
        True
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        size: tuple[int, int],
        *,
        kernel: int = 3,
        bound: float = 1.0,
        steps: int = 5,
    ) -> None:
        for name, value in (("inputs", inputs), ("outputs", outputs), ("kernel", kernel)):
            check_count(name, value)
        for side in size:
            check_count("size", side)
        if kernel % 2 == 0:
            raise ValueError(f"kernel must be odd, so that the image keeps its size, got {kernel}")
        self.padding = kernel // 2
        weight = torch.randn(outputs, inputs, kernel, kernel) / math.sqrt(inputs * kernel**2)
        super().__init__(weight, outputs, (inputs, *size), bound=bound, steps=steps)

    def apply_to(self, v: Tensor, weight: Tensor) -> Tensor:
        """The convolution, over any dimensions in front."""
        y = functional.conv2d(v.reshape(-1, *v.shape[-3:]), weight, padding=self.padding)
        return y.reshape(*v.shape[:-3], *y.shape[-3:])

    def adjoint(self, y: Tensor, weight: Tensor) -> Tensor:
        """The transposed convolution."""
        v = functional.conv_transpose2d(y.reshape(-1, *y.shape[-3:]), weight, padding=self.padding)
        return v.reshape(*y.shape[:-3], *v.shape[-3:])

    def add_bias(self, y: Tensor) -> Tensor:
        """y + b, one b for each channel."""
        return y + self.bias[:, None, None]


def circular_conv_norm(
    kernel: Float[Tensor, "outputs inputs k k"], height: int, width: int
) -> Float[Tensor, ""]:
    r"""The exact norm of a convolution that wraps round the edges, from the Fourier transform of its kernel.

    .. math:: \lVert W\rVert_2 = \max_\omega \lVert\hat K(\omega)\rVert_2

    At each frequency the operator is a matrix from channels to channels.

    Args:
        kernel: shape (outputs, inputs, k, k).
        height: height of the images, at least k.
        width: their width.

    Returns:
        The norm, a scalar.

    Raises:
        TypeError: ``kernel`` is not a floating tensor.
        ValueError: the kernel is not of four dimensions, or larger than the image.

    References:
        H. Sedghi, V. Gupta and P. Long, *The singular values of convolutional layers*, 2019, theorem 6.

    Example:
        A box whose kernel, as a matrix, has norm 1:

        >>> box = torch.ones(1, 1, 3, 3) / 3
        >>> circular_conv_norm(box, 16, 16), torch.linalg.matrix_norm(box.flatten(1), 2)
        (tensor(3.), tensor(1.0000))
    """
    check_tensor("kernel", kernel)
    if kernel.dim() != 4 or kernel.shape[-2] > height or kernel.shape[-1] > width:
        raise ValueError(
            f"kernel must have shape (outputs, inputs, k, k) with k at most {min(height, width)}, "
            f"got shape {tuple(kernel.shape)}"
        )
    spectrum = torch.fft.fft2(kernel, s=(height, width))
    return torch.linalg.matrix_norm(spectrum.movedim((0, 1), (-2, -1)), 2).max()
