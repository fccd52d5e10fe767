"""Scalar maps that a condition chooses: independent coordinates, whose laws depend on something else."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from gmlib._checks import check_callable, check_instance
from gmlib.flows.bijection import Bijection, sum_event
from gmlib.flows.scalar import ScalarMap


class Conditioned(Bijection):
    r"""Each coordinate through a scalar map whose parameters a network reads off the condition.

    .. math:: x_i = h\big(u_i;\, \theta_i(c)\big), \qquad \log|\det J(u)| = \sum_i \log h'\big(u_i; \theta_i(c)\big)

    Given c the coordinates are independent; without it they need not be.

    Args:
        event_shape: shape of one point.
        scalar_map: the rule h.
        conditioner: from c, ``(n, context)``, to ``(n, *event_shape, n_params)``.
        context: length of c.

    Raises:
        TypeError: ``scalar_map`` is no `ScalarMap`, or ``conditioner`` cannot be called.
        ValueError: ``context`` is below 1; in use, the conditioner gives another shape.

    Example:
        A regression whose noise has a variance of its own at each c:

        >>> import torch
        >>> from gmlib.flows import Affine, Conditioned
        >>> layer = Conditioned((1,), Affine(), lambda c: torch.stack([c.log(), 3 * c], -1), context=1)
        >>> layer(torch.ones(1, 1), torch.tensor([[2.0]]))
        (tensor([[8.]]), tensor([0.6931]))
    """

    def __init__(
        self,
        event_shape: tuple[int, ...],
        scalar_map: ScalarMap,
        conditioner: Callable[[Tensor], Tensor],
        *,
        context: int,
    ) -> None:
        check_instance("scalar_map", scalar_map, ScalarMap)
        check_callable("conditioner", conditioner)
        super().__init__(event_shape, context=context)
        if not context:
            raise ValueError("context must be at least 1, got 0; without a condition there is Elementwise")
        self.scalar_map = scalar_map
        self.conditioner = conditioner

    def _forward(self, u: Tensor, c: Tensor | None) -> tuple[Tensor, Tensor]:
        return self._move(u, c, self.scalar_map.forward)

    def _inverse(self, x: Tensor, c: Tensor | None) -> tuple[Tensor, Tensor]:
        return self._move(x, c, self.scalar_map.inverse)

    def _move(
        self, point: Tensor, c: Tensor | None, move: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
    ) -> tuple[Tensor, Tensor]:
        assert c is not None
        batch = c.shape[:-1]
        params = self.conditioner(c.reshape(batch.numel(), self.context))
        wanted = (batch.numel(), *self.event_shape, self.scalar_map.n_params)
        if params.shape != wanted:
            raise ValueError(f"conditioner must give shape {wanted}, got {tuple(params.shape)}")
        out, log_slope = move(point, params.to(point.dtype).reshape(*point.shape, wanted[-1]))
        return out, sum_event(log_slope, len(self.event_shape))
