"""Base laws: what a flow bends. Modules without parameters, so that they move with the flow they belong to."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gmlib._checks import check_count, check_event
from gmlib.flows.bijection import sum_event


class Base(nn.Module, ABC):
    """A simple law of independent coordinates over points of shape ``event_shape``.

    It lives on a device and in a dtype as a module's buffers do: ``flow.to("cuda", torch.float64)`` moves it.

    Args:
        event_shape: shape of one point.

    Raises:
        ValueError: a size below 1.
    """

    def __init__(self, event_shape: tuple[int, ...]) -> None:
        super().__init__()
        for size in event_shape:
            check_count("event_shape", size)
        self.event_shape = tuple(event_shape)
        self.register_buffer("place", torch.zeros(()), persistent=False)
        self.place: Tensor

    def log_prob(self, u: Float[Tensor, "..."]) -> Float[Tensor, "*batch"]:
        """Log-density in nats, summed over the event: ``(*batch, *event_shape)`` to ``(*batch)``.

        Raises:
            TypeError: ``u`` is not a floating tensor.
            ValueError: ``u`` does not end in the event shape.
        """
        check_event("u", u, self.event_shape)
        return sum_event(self._log_density(u), len(self.event_shape))

    @abstractmethod
    def sample(
        self, sample_shape: Sequence[int] = (), *, generator: torch.Generator | None = None
    ) -> Float[Tensor, "..."]:
        """Draw points of shape ``(*sample_shape, *event_shape)``; ``generator`` None is torch's default."""

    @abstractmethod
    def _log_density(self, u: Tensor) -> Tensor:
        """Log-density of each coordinate."""


class StandardNormal(Base):
    """N(0, I) over points of any shape.

    Example:
        >>> StandardNormal((2,)).log_prob(torch.zeros(2))
        tensor(-1.8379)
    """

    def sample(
        self, sample_shape: Sequence[int] = (), *, generator: torch.Generator | None = None
    ) -> Float[Tensor, "..."]:
        """Draw points of shape ``(*sample_shape, *event_shape)``; ``generator`` None is torch's default."""
        shape = (*sample_shape, *self.event_shape)
        return torch.randn(shape, generator=generator, dtype=self.place.dtype, device=self.place.device)

    def _log_density(self, u: Tensor) -> Tensor:
        return -0.5 * (u.square() + math.log(2 * math.pi))


class StandardUniform(Base):
    """U(0, 1) in every coordinate; the log-density outside is minus infinity.

    Example:
        >>> StandardUniform((2,)).log_prob(torch.tensor([[0.5, 0.5], [0.5, 1.5]]))
        tensor([0., -inf])
    """

    def sample(
        self, sample_shape: Sequence[int] = (), *, generator: torch.Generator | None = None
    ) -> Float[Tensor, "..."]:
        """Draw points of shape ``(*sample_shape, *event_shape)``; ``generator`` None is torch's default."""
        shape = (*sample_shape, *self.event_shape)
        return torch.rand(shape, generator=generator, dtype=self.place.dtype, device=self.place.device)

    def _log_density(self, u: Tensor) -> Tensor:
        return torch.where((u >= 0) & (u <= 1), 0.0, -torch.inf).to(u)
