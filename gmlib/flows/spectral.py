r"""Linear maps of bounded stretch: spectral normalisation of the map itself, be it a matrix or a convolution."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from gmlib._checks import check_count, check_number, check_tensor


class SpectralMap(nn.Module, ABC):
    r"""A linear map with a bias whose largest stretch is at most c.

    .. math:: \bar W = W \big/ \max\big(1,\ \lVert W\rVert_2 / c\big), \qquad
        \lVert W\rVert_2 = \max_v \frac{\lVert Wv\rVert}{\lVert v\rVert}

    The norm is found by power iteration, :math:`v \leftarrow W^\top Wv` made a unit vector, with the map and its adjoint
    as they act on points. It comes from below, so leave c some room under 1. The v of a training step is kept for the
    next one, which starts where this one stopped; in evaluation nothing is kept.

    Args:
        weight: initial weights.
        bias: number of biases.
        points: shape of one point that the map takes.
        bound: c.
        steps: power iterations a call.

    Attributes:
        right: the v reached so far, of the shape of a point.

    Raises:
        ValueError: ``bound`` not positive, or ``steps`` below 1.

    References:
        H. Gouk et al., *Regularisation of neural networks by enforcing Lipschitz continuity*, 2018, section 3.2; J.
        Behrmann et al., *Invertible residual networks*, 2019, section 2.1.
    """

    def __init__(
        self, weight: Tensor, bias: int, points: tuple[int, ...], *, bound: float, steps: int
    ) -> None:
        super().__init__()
        check_number("bound", bound, low=0.0, low_open=True)
        check_count("steps", steps)
        self.bound, self.steps = float(bound), steps
        self.weight = nn.Parameter(weight)
        self.bias = nn.Parameter(torch.zeros(bias))
        v = torch.randn(points)
        self.register_buffer("right", v / torch.linalg.vector_norm(v))
        self.right: Tensor
        with torch.no_grad():
            for _ in range(10):
                self.norm()

    @abstractmethod
    def apply_to(self, v: Tensor, weight: Tensor) -> Tensor:
        """The map with these weights, without the bias: ``(*any, *points)`` to ``(*any, *outputs)``."""

    @abstractmethod
    def adjoint(self, y: Tensor, weight: Tensor) -> Tensor:
        """The transposed map, from outputs back to points."""

    @abstractmethod
    def add_bias(self, y: Tensor) -> Tensor:
        """Outputs with the bias added."""

    def norm(self) -> Float[Tensor, ""]:
        """The largest stretch of the map by its weights as they are; its gradient goes to the weights."""
        weight, v = self.weight.detach(), self.right
        for _ in range(self.steps):
            better = self.adjoint(self.apply_to(v, weight), weight)
            size = torch.linalg.vector_norm(better)
            # A map to 0 has no direction: keep the old one.
            v = torch.where(size > 0, better / size.clamp_min(torch.finfo(v.dtype).tiny), v)
        if self.training:
            with torch.no_grad():
                self.right.copy_(v)
        return torch.linalg.vector_norm(self.apply_to(v, self.weight))

    def normalised(self) -> Tensor:
        """The weights in use, divided by what their norm is too large."""
        return self.weight / (self.norm() / self.bound).clamp_min(1.0)

    def forward(self, x: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """The map of bounded stretch, with its bias: ``(*batch, *points)`` to ``(*batch, *outputs)``."""
        return self.add_bias(self.apply_to(x, self.normalised()))


class SpectralLinear(SpectralMap):
    """A matrix with a bias, of stretch at most ``bound``.

    Args:
        inputs: entries of a point.
        outputs: entries of a result.
        bound: largest stretch c.
        steps: power iterations a call.

    Example:
        >>> layer = SpectralLinear(3, 4, bound=0.5)
        >>> _ = torch.nn.init.constant_(layer.weight, 1.0)
        >>> bool(torch.linalg.matrix_norm(layer.normalised(), 2) < 0.5001)
        True
    """

    def __init__(self, inputs: int, outputs: int, *, bound: float = 1.0, steps: int = 5) -> None:
        check_count("inputs", inputs)
        check_count("outputs", outputs)
        weight = torch.randn(outputs, inputs) / math.sqrt(inputs)
        super().__init__(weight, outputs, (inputs,), bound=bound, steps=steps)

    def apply_to(self, v: Tensor, weight: Tensor) -> Tensor:
        """v W^T."""
        return v @ weight.mT

    def adjoint(self, y: Tensor, weight: Tensor) -> Tensor:
        """y W."""
        return y @ weight

    def add_bias(self, y: Tensor) -> Tensor:
        """y + b."""
        return y + self.bias


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
        >>> layer = SpectralConv2d(1, 1, (8, 8), bound=0.5)
        >>> _ = torch.nn.init.constant_(layer.weight, 1.0)
        >>> x = torch.ones(1, 8, 8)
        >>> bool(layer(x).norm() <= 0.5 * x.norm())
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
