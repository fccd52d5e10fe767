"""Activation normalisation: a scale and a shift for each channel, set by the first batch and learnt from there on."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gmlib._checks import check_number
from gmlib.flows.bijection import Bijection


class ActNorm(Bijection):
    r"""One scale and one shift for each channel, the same at every pixel.

    .. math:: x_{cij} = u_{cij}\, e^{a_c} + \mu_c, \qquad \log|\det J(u)| = HW \sum_c a_c

    `initialise` sets them so that the noise of a first batch has mean 0 and variance 1 in every channel, which is what
    keeps deep stacks trainable without the noise of batch normalisation. It is a call of its own and not a state that
    the first pass changes: a map is the same whenever it is asked, and compiles.

    Args:
        event_shape: ``(channels, *space)``: a vector's entries are all channels.

    Attributes:
        log_scale: a, shape (channels,); starts at 0.
        shift: mu, shape (channels,); starts at 0.

    Raises:
        ValueError: ``event_shape`` is empty.

    References:
        D. Kingma and P. Dhariwal, *Glow: Generative flow with invertible 1x1 convolutions*, 2018, section 3.1.

    Example:
        >>> layer = ActNorm((2, 4, 4))
        >>> x = 3 + 2 * torch.randn(50, 2, 4, 4, generator=torch.Generator().manual_seed(0))
        >>> u = layer.initialise(x)
        >>> bool((u.mean((0, 2, 3)).abs() < 1e-5).all()), bool(((u.var((0, 2, 3)) - 1).abs() < 1e-2).all())
        (True, True)
    """

    starts_from_data = True

    def __init__(self, event_shape: tuple[int, ...]) -> None:
        if not event_shape:
            raise ValueError("event_shape must name channels, got ()")
        super().__init__(event_shape)
        self.log_scale = nn.Parameter(torch.zeros(event_shape[0]))
        self.shift = nn.Parameter(torch.zeros(event_shape[0]))

    def initialise(
        self, x: Float[Tensor, "..."], c: Float[Tensor, "..."] | None = None, *, eps: float = 1e-6
    ) -> Float[Tensor, "..."]:
        """Set scale and shift to the standard deviation and the mean of each channel over batch and space.

        Args:
            x: a batch of data, shape ``(*batch, *event_shape)``.
            c: None.
            eps: smallest standard deviation, for a channel that never changes.

        Returns:
            The noise of the batch: mean 0 and variance 1 in each channel.

        Raises:
            TypeError: ``x`` is not a floating tensor.
            ValueError: ``x`` does not end in the event shape, or is empty.
        """
        self._check("x", x, c, self.event_shape)
        check_number("eps", eps, low=0.0, low_open=True)
        if not x.numel():
            raise ValueError(f"x must hold at least one point to start from, got shape {tuple(x.shape)}")
        with torch.no_grad():
            space = len(self.event_shape) - 1
            rows = x.movedim(-1 - space, 0).flatten(1)
            self.shift.copy_(rows.mean(1))
            self.log_scale.copy_(rows.std(1, correction=0).clamp_min(eps).log())
        return super().initialise(x, c)

    def _forward(self, u: Tensor, c: Tensor | None) -> tuple[Tensor, Tensor]:
        log_scale, shift = self._columns()
        return u * log_scale.exp() + shift, self._log_det(u)

    def _inverse(self, x: Tensor, c: Tensor | None) -> tuple[Tensor, Tensor]:
        log_scale, shift = self._columns()
        return (x - shift) * (-log_scale).exp(), -self._log_det(x)

    def _columns(self) -> tuple[Tensor, Tensor]:
        shape = (-1,) + (1,) * (len(self.event_shape) - 1)
        return self.log_scale.reshape(shape), self.shift.reshape(shape)

    def _log_det(self, point: Tensor) -> Tensor:
        pixels = 1
        for size in self.event_shape[1:]:
            pixels *= size
        batch = point.shape[: point.dim() - len(self.event_shape)]
        return (pixels * self.log_scale.sum()).expand(batch)
