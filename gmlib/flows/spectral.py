r"""Linear maps of bounded stretch: spectral normalisation by power iteration on the map itself."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gmlib._checks import check_count, check_number


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
