"""Levels of an image flow: at each, some channels are done and leave, and only the rest goes on."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gmlib.flows.bijection import Bijection, shared_context
from gmlib.flows.squeeze import check_image


class Multiscale(Bijection):
    r"""A stack of levels, each of which takes fresh noise for some of its channels.

    .. math:: x^{(1)} = F_1(u^{(1)}), \qquad x^{(l)} = F_l\big(x^{(l-1)},\, u^{(l)}\big), \qquad
        \log|\det J| = \sum_l \log|\det J_{F_l}|

    On the way from data to noise, level l hands its first channels on to level l - 1, and the others are noise already.
    With a standard normal base this is the flow without the split whose coarser levels leave those channels alone, at a
    fraction of its cost; and the channels that leave early are trained through fewer layers.

    The noise is one vector: u of the coarsest level first, then what enters at each finer one, every part flattened.

    Args:
        levels: bijections of images, the coarsest first as on the way to the data. The noise of each has the height and
            width of the data of the one before it, and more channels; that of the first may have any shape. (What
            squeezes an image belongs to the level of the larger image.)

    Raises:
        TypeError: a level is no bijection.
        ValueError: no level; levels that are not of images, do not fit each other, or differ in their condition.

    References:
        L. Dinh, J. Sohl-Dickstein and S. Bengio, *Density estimation using Real NVP*, 2017, section 3.6; D. Kingma and
        P. Dhariwal, *Glow: Generative flow with invertible 1x1 convolutions*, 2018, figure 2b.

    Example:
        Channels 0 and 1 of the squeezed image go on, 2 and 3 leave:

        >>> from gmlib.flows import ActNorm, Multiscale, Squeeze
        >>> flow = Multiscale([ActNorm((2, 2, 2)), Squeeze((1, 4, 4))])
        >>> u, log_det = flow.inverse(torch.arange(16.0).reshape(1, 4, 4))
        >>> u[:8].tolist(), u.shape
        ([0.0, 2.0, 8.0, 10.0, 1.0, 3.0, 9.0, 11.0], torch.Size([16]))
    """

    def __init__(self, levels: Iterable[Bijection]) -> None:
        stack = list(levels)
        if not stack:
            raise ValueError("levels must hold at least one level, got none")
        for level in stack:
            if not isinstance(level, Bijection):
                raise TypeError(f"levels must hold Bijection objects, got {type(level).__name__}")
            check_image("levels", level.event_shape)
        for level in stack[1:]:
            check_image("levels", level.noise_shape)
        for i, (coarse, fine) in enumerate(pairwise(stack)):
            (done, *size), (channels, *fine_size) = coarse.event_shape, fine.noise_shape
            if size != fine_size or not done < channels:
                raise ValueError(
                    f"levels must fit each other: level {i + 1} takes {fine.noise_shape}, so that level {i} must give "
                    f"fewer channels of the same size, got {coarse.event_shape}"
                )
        context = shared_context("levels", stack)
        shape = stack[-1].event_shape
        super().__init__(shape, context=context, noise_shape=(math.prod(shape),))
        self.levels = nn.ModuleList(stack)
        enters = [stack[0].noise_shape]
        for coarse, fine in pairwise(stack):
            enters.append((fine.noise_shape[0] - coarse.event_shape[0], *fine.noise_shape[1:]))
        self.enters = enters
        self.sizes = [math.prod(shape) for shape in enters]

    def __len__(self) -> int:
        return len(self.levels)

    def __iter__(self) -> Iterator[Bijection]:
        return iter(self.levels)  # type: ignore[arg-type]

    def initialise(
        self, x: Float[Tensor, "..."], c: Float[Tensor, "..."] | None = None
    ) -> Float[Tensor, "..."]:
        """`Bijection.initialise` for each level, from the finest on."""
        self._check("x", x, c, self.event_shape)
        left = []
        for i, level in reversed(list(enumerate(self))):
            x, parts = self._leave(i, level.initialise(x, c if level.context else None))
            left += parts
        return torch.cat(left[::-1], -1)

    def _forward(self, u: Tensor, c: Tensor | None) -> tuple[Tensor, Tensor]:
        x, total = None, None
        for level, part, shape in zip(self, u.split(self.sizes, -1), self.enters, strict=True):
            part = part.unflatten(-1, shape)
            x, log_det = level.forward(
                part if x is None else torch.cat([x, part], -3), c if level.context else None
            )
            total = log_det if total is None else total + log_det
        assert x is not None
        assert total is not None
        return x, total

    def _inverse(self, x: Tensor, c: Tensor | None) -> tuple[Tensor, Tensor]:
        left, total = [], None
        for i, level in reversed(list(enumerate(self))):
            x, log_det = level.inverse(x, c if level.context else None)
            total = log_det if total is None else total + log_det
            x, parts = self._leave(i, x)
            left += parts
        assert total is not None
        return torch.cat(left[::-1], -1), total

    def _leave(self, i: int, u: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The noise of level i: what goes on to the coarser level, and what leaves, flattened."""
        if not i:
            return u, [u.flatten(-len(self.enters[0]))]
        channels = self.enters[i][0]
        going, leaving = u.split([u.shape[-3] - channels, channels], -3)
        return going, [leaving.flatten(-3)]
