"""Autoregressive layers: each coordinate through a scalar map that the coordinates in front of it choose."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from gmlib._checks import check_count
from gmlib.flows.bijection import Bijection
from gmlib.flows.scalar import Affine, ScalarMap
from gmlib.nn.in_turn import InTurn
from gmlib.nn.masked import MaskedMLP

Move = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


class _Autoregressive(Bijection):
    """A masked network and the two ways through it: all coordinates at once, or one after the other.

    Autocast does not reach it. The two ways add up the same products in another order, and what bfloat16 rounds off differs
    with it: at 8 bits the inverse would not be one.
    """

    def __init__(
        self,
        d: int,
        scalar_map: ScalarMap | None = None,
        *,
        hidden: Sequence[int] = (64, 64),
        order: Sequence[int] | None = None,
        context: int = 0,
    ) -> None:
        check_count("d", d)
        super().__init__((d,), context=context)
        self.scalar_map = Affine() if scalar_map is None else scalar_map
        self.net = MaskedMLP(d, self.scalar_map.n_params, hidden=hidden, order=order, context=context)
        self.order = self.net.order
        self.net.start_constant(self.scalar_map.identity())

    def _at_once(self, move: Move, given: Tensor, c: Tensor | None) -> tuple[Tensor, Tensor]:
        """Every coordinate of ``given`` through its map, whose parameters ``given`` itself decides: one pass."""
        with torch.autocast(given.device.type, enabled=False):
            out, log_slope = move(given, self.net(given, c))
        return out, log_slope.sum(-1)

    def _in_turn(self, move: Move, given: Tensor, c: Tensor | None) -> tuple[Tensor, Tensor]:
        """The same where the *results* decide: each coordinate waits for those in front of it, d passes in sequence."""
        with torch.autocast(given.device.type, enabled=False):
            walk = InTurn(self.net, given.shape[:-1], c)
            columns = list(given.unbind(-1))
            total = torch.zeros_like(columns[0])
            for i in self.order:
                columns[i], log_slope = move(columns[i], walk.outputs())
                walk.tell(columns[i])
                total = total + log_slope
        return torch.stack(columns, -1), total


class MaskedAutoregressive(_Autoregressive):
    r"""The layer of MAF: parameters from the *data* in front, so that the density takes one pass.

    .. math:: x_i = h\big(u_i; \Theta_i(x_{<i})\big), \qquad \log|\det J(u)| = \sum_i \log h'\big(u_i; \Theta_i(x_{<i})\big)

    with a masked network :math:`\Theta` (:eq:`eq-05-autoregressive` in the book). The Jacobian is triangular.
    `inverse` knows all of x and takes one pass; `forward` finds :math:`x_1`, then :math:`x_2` from it, and takes d in
    sequence, each of which computes only what the coordinate before it settled. Neither is rounded under autocast, for the
    two would round differently.

    Args:
        d: number of coordinates.
        scalar_map: the rule h; None: `Affine`, with which each conditional law is normal.
        hidden: widths of the network; ``()`` makes it linear.
        order: the coordinates from the first to the last; None: as they stand.
        context: length of the condition c, which every coordinate sees.

    Raises:
        ValueError: a size below 1, a negative ``context``, or an ``order`` that is no permutation.

    References:
        G. Papamakarios, T. Pavlakou and I. Murray, *Masked autoregressive flow for density estimation*, 2017, equations
        3 to 5; K. Murphy, *Probabilistic Machine Learning: Advanced Topics*, 2023, equations 23.19 to 23.21.

    Example:
        >>> layer = MaskedAutoregressive(3)
        >>> x, log_det = layer(torch.ones(5, 3))
        >>> bool((x == 1).all()), log_det.shape
        (True, torch.Size([5]))
    """

    def _forward(self, u: Tensor, c: Tensor | None) -> tuple[Tensor, Tensor]:
        return self._in_turn(self.scalar_map.forward, u, c)

    def _inverse(self, x: Tensor, c: Tensor | None) -> tuple[Tensor, Tensor]:
        return self._at_once(self.scalar_map.inverse, x, c)


class InverseAutoregressive(_Autoregressive):
    r"""The layer of IAF: parameters from the *noise* in front, so that drawing takes one pass.

    .. math:: x_i = h\big(u_i; \Theta_i(u_{<i})\big), \qquad \log|\det J(u)| = \sum_i \log h'\big(u_i; \Theta_i(u_{<i})\big)

    (:eq:`eq-05-iaf` in the book.) `forward` takes one pass and knows the density of its own draws; that of a foreign
    point needs `inverse`, d passes. It is `MaskedAutoregressive` read backwards, with :math:`h^{-1}` in the place of
    h; autocast leaves it alone as well.

    Arguments as in `MaskedAutoregressive`.

    References:
        D. Kingma, T. Salimans, R. Jozefowicz, X. Chen, I. Sutskever and M. Welling, *Improved variational inference with
        inverse autoregressive flow*, 2016; K. Murphy, *Probabilistic Machine Learning: Advanced Topics*, 2023,
        equation 23.26.

    Example:
        >>> layer = InverseAutoregressive(3)
        >>> x, log_det = layer(torch.ones(5, 3))
        >>> bool((x == 1).all()), log_det.shape
        (True, torch.Size([5]))
    """

    def _forward(self, u: Tensor, c: Tensor | None) -> tuple[Tensor, Tensor]:
        return self._at_once(self.scalar_map.forward, u, c)

    def _inverse(self, x: Tensor, c: Tensor | None) -> tuple[Tensor, Tensor]:
        return self._in_turn(self.scalar_map.inverse, x, c)
