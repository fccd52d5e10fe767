"""Maps one after the other: their log-determinants add, each taken at the point that reaches it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise

from jaxtyping import Float
from torch import Tensor, nn

from gmlib._checks import kind_of
from gmlib.flows.bijection import Bijection, shared_context


class Composition(Bijection):
    r"""Several bijections, the first one first on the way from noise to data.

    .. math:: F = F_N \circ \dots \circ F_1, \qquad
        \log|\det J_F(u)| = \sum_{i=1}^{N} \log|\det J_{F_i}(u_{i-1})|, \qquad u_0 = u,\; u_i = F_i(u_{i-1})

    Each Jacobian is taken at that layer's own input. A layer that knows no condition is called without it, so that
    conditioned and unconditioned layers mix.

    (:eq:`eq-05-composition` in the book.)

    Args:
        bijections: the layers, at least one; each takes the shape that the one before it gives, and those with a
            condition agree on its length.

    Raises:
        TypeError: something in ``bijections`` is no bijection.
        ValueError: no layer, or layers that do not fit each other.

    References:
        K. Murphy, *Probabilistic Machine Learning: Advanced Topics*, 2023, equation 23.4.

    Example:
        >>> import torch
        >>> from gmlib.flows import Affine, Composition, Elementwise
        >>> layers = [Elementwise(Affine(), (2,)), Elementwise(Affine(), (2,))]
        >>> flow = Composition(layers)
        >>> x, log_det = flow(torch.zeros(4, 2))
        >>> len(flow), x.shape, log_det.shape
        (2, torch.Size([4, 2]), torch.Size([4]))
    """

    def __init__(self, bijections: Iterable[Bijection]) -> None:
        if not isinstance(bijections, Iterable):
            raise TypeError(f"bijections must be Bijection objects, got {kind_of(bijections)}")
        layers = list(bijections)
        for layer in layers:
            if not isinstance(layer, Bijection):
                raise TypeError(f"bijections must hold Bijection objects, got {kind_of(layer)}")
        if not layers:
            raise ValueError("bijections must hold at least one layer, got none")
        for i, (layer, after) in enumerate(pairwise(layers)):
            if layer.event_shape != after.noise_shape:
                raise ValueError(
                    f"bijections must fit each other, got layer {i} that gives shape {layer.event_shape} and layer "
                    f"{i + 1} that takes {after.noise_shape}"
                )
        context = shared_context("bijections", layers)
        super().__init__(layers[-1].event_shape, context=context, noise_shape=layers[0].noise_shape)
        self.layers = nn.ModuleList(layers)

    def __len__(self) -> int:
        return len(self.layers)

    def __iter__(self) -> Iterator[Bijection]:
        return iter(self.layers)  # type: ignore[arg-type]

    def _forward(self, u: Tensor, c: Tensor | None) -> tuple[Tensor, Tensor]:
        return self._through(u, c, forward=True)

    def _push(self, u: Tensor, c: Tensor | None) -> Tensor:
        for layer in self:
            u = layer.push(u, c if layer.context else None)
        return u

    def _inverse(self, x: Tensor, c: Tensor | None) -> tuple[Tensor, Tensor]:
        return self._through(x, c, forward=False)

    def _through(self, point: Tensor, c: Tensor | None, *, forward: bool) -> tuple[Tensor, Tensor]:
        total = None
        for layer in self if forward else reversed(list(self)):
            condition = c if layer.context else None
            move = layer.forward if forward else layer.inverse
            point, log_det = move(point, condition)
            total = log_det if total is None else total + log_det
        assert total is not None
        return point, total

    def initialise(
        self, x: Float[Tensor, "..."], c: Float[Tensor, "..."] | None = None
    ) -> Float[Tensor, "..."]:
        """`Bijection.initialise` for each layer, from the data on: each sees the batch as those behind it leave it."""
        self._check("x", x, c, self.event_shape)
        for layer in reversed(list(self)):
            x = layer.initialise(x, c if layer.context else None)
        return x

    def path(self, u: Tensor, c: Tensor | None = None) -> tuple[list[Tensor], list[Tensor]]:
        r"""The points :math:`u_0, u_1, \dots, u_N` on the way to the data, and each layer's log-determinant.

        Args:
            u: points, shape ``(*batch, *noise_shape)``.
            c: the condition, shape ``(*batch, context)``; None for a map without one.

        Returns:
            N + 1 tensors, each of the shape that its layer gives, and N log-determinants of shape ``(*batch)``.

        Raises:
            TypeError: ``u`` or ``c`` is not a floating tensor.
            ValueError: ``u`` or ``c`` has the wrong shape.
        """
        self._check("u", u, c, self.noise_shape)
        points, log_dets = [u], []
        for layer in self:
            point, log_det = layer(points[-1], c if layer.context else None)
            points.append(point)
            log_dets.append(log_det)
        return points, log_dets
