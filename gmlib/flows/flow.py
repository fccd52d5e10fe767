"""A normalizing flow: a base law and the maps that bend it; a density and a sampler in one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gmlib._checks import kind_of
from gmlib.flows.bijection import Bijection
from gmlib.flows.composition import Composition


class Flow(nn.Module):
    r"""The law of x = F(u), where u has a simple density and F is invertible.

    .. math:: \log p(x) = \log p_u\big(F^{-1}(x)\big) + \log\big|\det J_{F^{-1}}(x)\big|

    Args:
        base: the law of u: a module of `gmlib.flows.bases`, or anything with ``log_prob(u)``, ``event_shape`` and
            ``sample(shape, generator=)``, such as the laws of `gmlib.distributions`. Such a law is no module, and stays
            where it is when the flow moves by `.to()`: move it before.
        bijections: one bijection, or several, the first one first on the way from noise to data.

    Raises:
        TypeError: ``base`` lacks one of these, or something in ``bijections`` is no bijection.
        ValueError: the base's event shape is not the shape of the maps' noise.

    References:
        D. Rezende and S. Mohamed, *Variational inference with normalizing flows*, 2015, equations 5 and 6; K. Murphy,
        *Probabilistic Machine Learning: Advanced Topics*, 2023, equations 23.2 and 23.3.

    Example:
        The convention: 3 + 2u has mean 3.

        >>> from gmlib.flows import Affine, Elementwise, Flow, StandardNormal
        >>> map = Elementwise(Affine(), (1,))
        >>> _ = map.params.data.copy_(torch.tensor([[torch.tensor(2.0).log(), 3.0]]))
        >>> flow = Flow(StandardNormal((1,)), map)
        >>> x = flow.sample((10_000,), generator=torch.Generator().manual_seed(0))
        >>> bool((x.mean() - 3).abs() < 0.1), bool((x.std() - 2).abs() < 0.1)
        (True, True)
        >>> torch.allclose(flow.log_prob(x), torch.distributions.Normal(3.0, 2.0).log_prob(x[:, 0]))
        True
    """

    def __init__(self, base: Any, bijections: Bijection | Iterable[Bijection]) -> None:
        super().__init__()
        lacking = [
            name
            for name in ("log_prob", "sample", "event_shape")
            if isinstance(base, type) or not hasattr(base, name)
        ]
        if lacking:
            raise TypeError(f"base must be a law with {', '.join(lacking)}, got {kind_of(base)}")
        self.base = base
        self.bijection = bijections if isinstance(bijections, Bijection) else Composition(bijections)
        self.event_shape = self.bijection.event_shape
        self.context = self.bijection.context
        noise_shape = self.bijection.noise_shape
        if tuple(base.event_shape) != noise_shape:
            raise ValueError(
                f"base must have the shape of the bijections' noise, {noise_shape}, got {tuple(base.event_shape)}"
            )

    @property
    def place(self) -> Tensor:
        """A tensor in the flow's dtype and on its device: its first parameter or buffer; else a zero by torch's defaults.

        Example:
            >>> from gmlib.flows import Affine, Elementwise, StandardNormal
            >>> Flow(StandardNormal((2,)), Elementwise(Affine(), (2,))).double().place.dtype
            torch.float64
        """
        tensors = chain(self.parameters(), self.buffers())
        return next((tensor for tensor in tensors if tensor.is_floating_point()), torch.zeros(()))

    def log_prob(
        self, x: Float[Tensor, "..."], c: Float[Tensor, "..."] | None = None
    ) -> Float[Tensor, "*batch"]:
        """Exact log-density in nats.

        (:eq:`eq-05-change` in the book.)

        Args:
            x: points, shape ``(*batch, *event_shape)``.
            c: the condition, shape ``(*batch, context)``; None for a flow without one.

        Returns:
            Nats, shape ``(*batch)``.

        Raises:
            TypeError: ``x`` or ``c`` is not a floating tensor.
            ValueError: ``x`` does not end in the event shape, or ``c`` is missing, unwanted or of another shape.
        """
        u, log_det = self.bijection.inverse(x, c)
        return self.base.log_prob(u) + log_det

    def forward(
        self, x: Float[Tensor, "..."], c: Float[Tensor, "..."] | None = None
    ) -> Float[Tensor, "*batch"]:
        """`log_prob`, under the name that wrappers of modules call."""
        return self.log_prob(x, c)

    def rsample_and_log_prob(
        self,
        sample_shape: Sequence[int] = (),
        c: Float[Tensor, "..."] | None = None,
        *,
        generator: torch.Generator | None = None,
    ) -> tuple[Float[Tensor, "..."], Float[Tensor, "..."]]:
        """Draws that carry gradients, and their log-density, in one pass through the maps.

        Args:
            sample_shape: how many; with a condition, how many for each condition.
            c: the conditions, shape ``(*batch, context)``; None for a flow without one.
            generator: source of the noise; None for torch's default.

        Returns:
            Points of shape ``(*sample_shape, *batch, *event_shape)``, and nats of shape ``(*sample_shape, *batch)``.

        Raises:
            TypeError: ``sample_shape`` is no sequence, or ``c`` not a floating tensor.
            ValueError: ``c`` is missing, unwanted or of another length.
        """
        u, c = self._noise(sample_shape, c, generator)
        x, log_det = self.bijection.forward(u, c)
        return x, self.base.log_prob(u) - log_det

    def rsample(
        self,
        sample_shape: Sequence[int] = (),
        c: Float[Tensor, "..."] | None = None,
        *,
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, "..."]:
        """Draws that carry gradients to the maps; arguments as in `rsample_and_log_prob`."""
        return self.bijection.push(*self._noise(sample_shape, c, generator))

    @torch.no_grad()
    def sample(
        self,
        sample_shape: Sequence[int] = (),
        c: Float[Tensor, "..."] | None = None,
        *,
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, "..."]:
        """Draws without gradients; arguments as in `rsample_and_log_prob`."""
        return self.rsample(sample_shape, c, generator=generator)

    def _noise(
        self, sample_shape: Sequence[int], c: Tensor | None, generator: torch.Generator | None
    ) -> tuple[Tensor, Tensor | None]:
        """Noise, and the condition of each of its points."""
        if not isinstance(sample_shape, Sequence):
            raise TypeError(f"sample_shape must be a sequence of integers, got {kind_of(sample_shape)}")
        shape = tuple(sample_shape)
        self.bijection.check_condition(c)
        if c is not None:
            c = c.expand(*shape, *c.shape)
            shape = tuple(c.shape[:-1])
        return self.base.sample(shape, generator=generator), c
