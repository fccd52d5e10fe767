"""One scalar map for each coordinate: the bijection that leaves independence intact."""

from __future__ import annotations

from torch import Tensor, nn

from gmlib._checks import check_instance
from gmlib.flows.bijection import Bijection, sum_event
from gmlib.flows.scalar import ScalarMap


class Elementwise(Bijection):
    r"""Each coordinate through a scalar map with learnt parameters of its own.

    .. math:: x_i = h(u_i; \theta_i), \qquad \log|\det J(u)| = \sum_i \log h'(u_i; \theta_i)

    Independent coordinates stay independent: such a layer reshapes the marginals and couples nothing.

    (:eq:`eq-05-change-1d` in the book.)

    Args:
        scalar_map: the rule h.
        event_shape: shape of one point; each of its coordinates has its own parameters.

    Attributes:
        params: the parameters, shape ``(*event_shape, scalar_map.n_params)``; they start at the identity.

    Raises:
        TypeError: ``scalar_map`` is no `ScalarMap`.
        ValueError: a size below 1.

    References:
        K. Murphy, *Probabilistic Machine Learning: Advanced Topics*, 2023, section 23.2.2.

    Example:
        >>> import torch
        >>> from gmlib.flows import Affine, Elementwise
        >>> layer = Elementwise(Affine(), (3,))
        >>> x, log_det = layer(torch.ones(5, 3))
        >>> bool((x == 1).all()), log_det.shape
        (True, torch.Size([5]))
    """

    def __init__(self, scalar_map: ScalarMap, event_shape: tuple[int, ...]) -> None:
        check_instance("scalar_map", scalar_map, ScalarMap)
        super().__init__(event_shape)
        self.scalar_map = scalar_map
        start = scalar_map.identity()
        self.params = nn.Parameter(start.expand(*event_shape, -1).clone())

    def _forward(self, u: Tensor, c: Tensor | None) -> tuple[Tensor, Tensor]:
        x, log_slope = self.scalar_map.forward(u, self.params.expand(*u.shape, -1))
        return x, sum_event(log_slope, len(self.event_shape))

    def _inverse(self, x: Tensor, c: Tensor | None) -> tuple[Tensor, Tensor]:
        u, log_slope = self.scalar_map.inverse(x, self.params.expand(*x.shape, -1))
        return u, sum_event(log_slope, len(self.event_shape))
