"""What every invertible map of the book is: two directions, and the log-determinant of the one that was called."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gmlib._checks import check_count, check_event, check_instance, kind_of


class Bijection(nn.Module, ABC):
    r"""An invertible map F between noise u and data x, with its change of volume.

    `forward` goes from noise to data and returns :math:`\log|\det J_F(u)|`; `inverse` goes back and returns
    :math:`\log|\det J_{F^{-1}}(x)|`, the negative of the former at the same point. (Real NVP's and Glow's papers,
    nflows and zuko call the way from data to noise forward.)

    A kind of bijection writes the two private methods; the public ones check shapes, so that every kind complains in
    one voice.

    Args:
        event_shape: shape of one point x; everything in front of it is batch.
        context: length of the vector c that the map may depend on, 0 for none.
        noise_shape: shape of one point u where it is another than that of x (as when pixels become channels); it has
            as many numbers.

    Raises:
        ValueError: a size below 1, a negative ``context``, or shapes of different numbers of entries.
    """

    starts_from_data = False
    """Whether `initialise` sets parameters of this very map, and not only those of maps inside."""

    def __init__(
        self, event_shape: tuple[int, ...], *, context: int = 0, noise_shape: tuple[int, ...] | None = None
    ) -> None:
        super().__init__()
        noise_shape = event_shape if noise_shape is None else noise_shape
        for name, shape in (("event_shape", event_shape), ("noise_shape", noise_shape)):
            for size in shape:
                check_count(name, size)
        if math.prod(event_shape) != math.prod(noise_shape):
            raise ValueError(
                f"noise_shape must have as many entries as event_shape {tuple(event_shape)}, got {tuple(noise_shape)}"
            )
        check_count("context", context, low=0)
        self.event_shape = tuple(event_shape)
        self.noise_shape = tuple(noise_shape)
        self.context = context

    def forward(
        self, u: Float[Tensor, "..."], c: Float[Tensor, "..."] | None = None
    ) -> tuple[Float[Tensor, "..."], Float[Tensor, "*batch"]]:
        r"""Noise to data: x = F(u), and :math:`\log|\det J_F(u)|` in nats.

        Args:
            u: points, shape ``(*batch, *noise_shape)``.
            c: the condition, shape ``(*batch, context)``; None for a map without one.

        Returns:
            x, shape ``(*batch, *event_shape)``, and the log-determinant, shape ``(*batch)``.

        Raises:
            TypeError: ``u`` or ``c`` is not a floating tensor, or of another dtype than the parameters.
            ValueError: ``u`` does not end in the noise shape, or ``c`` is missing, unwanted or of another length.
        """
        self._check("u", u, c, self.noise_shape)
        return self._forward(u, c)

    def inverse(
        self, x: Float[Tensor, "..."], c: Float[Tensor, "..."] | None = None
    ) -> tuple[Float[Tensor, "..."], Float[Tensor, "*batch"]]:
        r"""Data to noise: u = F^{-1}(x), and :math:`\log|\det J_{F^{-1}}(x)|` in nats.

        Args:
            x: points, shape ``(*batch, *event_shape)``.
            c: the condition, shape ``(*batch, context)``; None for a map without one.

        Returns:
            u, shape ``(*batch, *noise_shape)``, and the log-determinant, shape ``(*batch)``.

        Raises:
            TypeError: ``x`` or ``c`` is not a floating tensor, or of another dtype than the parameters.
            ValueError: ``x`` does not end in the event shape, or ``c`` is missing, unwanted or of another length.
        """
        self._check("x", x, c, self.event_shape)
        return self._inverse(x, c)

    def push(self, u: Float[Tensor, "..."], c: Float[Tensor, "..."] | None = None) -> Float[Tensor, "..."]:
        """Noise to data without the log-determinant, as drawing needs it: ``forward(u, c)[0]``, or cheaper.

        Args:
            u: points, shape ``(*batch, *noise_shape)``.
            c: the condition, shape ``(*batch, context)``; None for a map without one.

        Returns:
            x, shape ``(*batch, *event_shape)``.

        Raises:
            TypeError: ``u`` or ``c`` is not a floating tensor, or of another dtype than the parameters.
            ValueError: ``u`` does not end in the noise shape, or ``c`` is missing, unwanted or of another length.
        """
        self._check("u", u, c, self.noise_shape)
        return self._push(u, c)

    def _push(self, u: Tensor, c: Tensor | None) -> Tensor:
        """F(u) for checked arguments; maps whose log-determinant costs much more than F have their own."""
        return self._forward(u, c)[0]

    @abstractmethod
    def _forward(self, u: Tensor, c: Tensor | None) -> tuple[Tensor, Tensor]:
        """F(u) and its log-determinant, for checked arguments."""

    @abstractmethod
    def _inverse(self, x: Tensor, c: Tensor | None) -> tuple[Tensor, Tensor]:
        """F^{-1}(x) and its log-determinant, for checked arguments."""

    def initialise(
        self, x: Float[Tensor, "..."], c: Float[Tensor, "..."] | None = None
    ) -> Float[Tensor, "..."]:
        """Set the parameters that start from a first batch of data (`ActNorm`'s), layer by layer; most maps have none.

        Args:
            x: data, shape ``(*batch, *event_shape)``.
            c: the condition, shape ``(*batch, context)``; None for a map without one.

        Returns:
            The noise u of the batch under the map as it is now.

        Raises:
            TypeError: ``x`` or ``c`` is not a floating tensor.
            ValueError: ``x`` or ``c`` has the wrong shape.
        """
        with torch.no_grad():
            return self.inverse(x, c)[0]

    def _check(self, name: str, point: Any, c: Any, shape: tuple[int, ...]) -> None:
        check_event(name, point, shape)
        self._check_dtype(name, point)
        self.check_condition(c)
        if c is None:
            return
        batch = tuple(point.shape[: point.dim() - len(shape)])
        if tuple(c.shape[:-1]) != batch:
            raise ValueError(f"c must have shape {(*batch, self.context)}, got shape {tuple(c.shape)}")

    def check_condition(self, c: Any) -> None:
        """Raise unless ``c`` can be a batch of conditions of this map, ``(*batch, context)``; None where it takes none.

        Raises:
            TypeError: ``c`` is not a floating tensor, or not of the dtype of the map's parameters.
            ValueError: ``c`` is missing, unwanted or of another length.
        """
        if not self.context:
            if c is not None:
                got = f"shape {tuple(c.shape)}" if isinstance(c, Tensor) else kind_of(c)
                raise ValueError(f"c must be None for a map without a condition, got {got}")
            return
        if c is None:
            raise ValueError(f"c must have shape (*batch, {self.context}) for this map, got None")
        check_event("c", c, (self.context,))
        self._check_dtype("c", c)

    def _check_dtype(self, name: str, value: Tensor) -> None:
        """Raise ``TypeError`` when the map has floating parameters and none of the dtype of ``value``."""
        found = None
        for parameter in self.parameters():
            if parameter.dtype == value.dtype:
                return
            if found is None and parameter.is_floating_point():
                found = parameter.dtype
        # Autocast mixes dtypes on purpose.
        if found is None or torch.is_autocast_enabled(value.device.type):
            return
        raise TypeError(
            f"{name} must have the dtype {found} of the parameters, got {value.dtype}; "
            f"convert it with {name}.to({found})"
        )


class Inverse(Bijection):
    r"""A bijection read backwards: its `forward` is the other's `inverse`.

    Turns the flow with the fast density into the flow with the fast sampler (MAF into IAF, and back).

    Args:
        bijection: the map to turn round.

    Example:
        >>> import torch
        >>> from gmlib.flows import Affine, Elementwise, Inverse
        >>> double = Elementwise(Affine(), (2,))
        >>> _ = torch.nn.init.constant_(double.params, 1.0)
        >>> x, log_det = Inverse(double)(torch.ones(3, 2))
        >>> torch.allclose(double(x)[0], torch.ones(3, 2)), log_det.shape
        (True, torch.Size([3]))
    """

    def __init__(self, bijection: Bijection) -> None:
        check_instance("bijection", bijection, Bijection)
        super().__init__(bijection.noise_shape, context=bijection.context, noise_shape=bijection.event_shape)
        self.bijection = bijection

    def initialise(
        self, x: Float[Tensor, "..."], c: Float[Tensor, "..."] | None = None
    ) -> Float[Tensor, "..."]:
        """`Bijection.initialise`; a map that starts from data has no such start in the other direction.

        Raises:
            TypeError: ``x`` or ``c`` is not a floating tensor.
            ValueError: ``x`` or ``c`` has the wrong shape, or the map inside starts from data.
        """
        if isinstance(self.bijection, Inverse):
            return self.bijection.bijection.initialise(x, c)
        for module in self.bijection.modules():
            if isinstance(module, Bijection) and module.starts_from_data:
                raise ValueError(
                    f"bijection must start from no data to be initialised backwards, got {type(module).__name__}; "
                    "put Inverse around the layers beside it instead"
                )
        return super().initialise(x, c)

    def _forward(self, u: Tensor, c: Tensor | None) -> tuple[Tensor, Tensor]:
        return self.bijection.inverse(u, c)

    def _inverse(self, x: Tensor, c: Tensor | None) -> tuple[Tensor, Tensor]:
        return self.bijection.forward(x, c)


def shared_context(name: str, layers: Sequence[Bijection]) -> int:
    """The length of the condition of all those layers that take one, 0 for none.

    Raises:
        ValueError: they differ; ``name`` is what the message calls the layers.

    Example:
        >>> from gmlib.flows import Permutation, maf
        >>> shared_context("layers", [maf(2, layers=1, context=3).bijection, Permutation(torch.tensor([1, 0]))])
        3
    """
    contexts = {layer.context for layer in layers} - {0}
    if len(contexts) > 1:
        raise ValueError(f"{name} must share one length of context, got {sorted(contexts)}")
    return max(contexts, default=0)


def sum_event(value: Float[Tensor, "..."], event_dims: int) -> Float[Tensor, "*batch"]:
    """Sum over the last ``event_dims`` dimensions; a sum over none leaves the tensor alone.

    Example:
        >>> import torch
        >>> sum_event(torch.ones(5, 2, 3), 2), sum_event(torch.ones(2), 0)
        (tensor([6., 6., 6., 6., 6.]), tensor([1., 1.]))
    """
    return value.flatten(-event_dims).sum(-1) if event_dims else value
