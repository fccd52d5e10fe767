"""A layer that is computed as exactly as its input is given, whatever the precision of the layers around it."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_instance
from gmlib.flows.bijection import Bijection


class FullPrecision(Bijection):
    """A bijection outside of autocast: for small layers whose parameters must not be rounded to 16 bits.

    The knots of a spline that holds a peak of the data may lie closer together than bfloat16 can tell apart.

    Args:
        bijection: the layer.

    Raises:
        TypeError: ``bijection`` is no `Bijection`.

    Example:
        >>> from gmlib.flows import Affine, Elementwise, FullPrecision
        >>> FullPrecision(Elementwise(Affine(), (2,)))(torch.ones(2))[0].detach()
        tensor([1., 1.])
    """

    def __init__(self, bijection: Bijection) -> None:
        check_instance("bijection", bijection, Bijection)
        super().__init__(bijection.event_shape, context=bijection.context, noise_shape=bijection.noise_shape)
        self.bijection = bijection

    def initialise(
        self, x: Float[Tensor, "..."], c: Float[Tensor, "..."] | None = None
    ) -> Float[Tensor, "..."]:
        """`Bijection.initialise` of the layer."""
        self._check("x", x, c, self.event_shape)
        with torch.autocast(x.device.type, enabled=False):
            return self.bijection.initialise(x, c)

    def _forward(self, u: Tensor, c: Tensor | None) -> tuple[Tensor, Tensor]:
        with torch.autocast(u.device.type, enabled=False):
            return self.bijection.forward(u, c)

    def _push(self, u: Tensor, c: Tensor | None) -> Tensor:
        with torch.autocast(u.device.type, enabled=False):
            return self.bijection.push(u, c)

    def _inverse(self, x: Tensor, c: Tensor | None) -> tuple[Tensor, Tensor]:
        with torch.autocast(x.device.type, enabled=False):
            return self.bijection.inverse(x, c)
