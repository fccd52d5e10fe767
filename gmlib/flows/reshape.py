"""The same numbers in another shape: so that maps of vectors and maps of images can follow each other."""

from __future__ import annotations

from torch import Tensor

from gmlib.flows.bijection import Bijection


class Reshape(Bijection):
    """Noise of one shape read as data of another, in row-major order; the log-determinant is 0.

    Args:
        event_shape: shape of the data.
        noise_shape: shape of the noise, of as many entries; None for one vector.

    Raises:
        ValueError: the shapes have different numbers of entries.

    Example:
        >>> import torch
        >>> Reshape((2, 2))(torch.arange(4.0))
        (tensor([[0., 1.],
                [2., 3.]]), tensor(0.))
    """

    def __init__(self, event_shape: tuple[int, ...], noise_shape: tuple[int, ...] | None = None) -> None:
        size = 1
        for side in event_shape:
            size *= side
        super().__init__(event_shape, noise_shape=(size,) if noise_shape is None else noise_shape)

    def _forward(self, u: Tensor, c: Tensor | None) -> tuple[Tensor, Tensor]:
        batch = u.shape[: u.dim() - len(self.noise_shape)]
        return u.reshape(*batch, *self.event_shape), u.new_zeros(batch)

    def _inverse(self, x: Tensor, c: Tensor | None) -> tuple[Tensor, Tensor]:
        batch = x.shape[: x.dim() - len(self.event_shape)]
        return x.reshape(*batch, *self.noise_shape), x.new_zeros(batch)
