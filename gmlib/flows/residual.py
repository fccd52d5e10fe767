r"""Contractive residual flows: u + g(u), invertible because g brings points closer together."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from gmlib._checks import check_count, check_number
from gmlib.flows.bases import StandardNormal
from gmlib.flows.bijection import Bijection, Inverse
from gmlib.flows.elementwise import Elementwise
from gmlib.flows.fixed_point import iterations_for
from gmlib.flows.flow import Flow
from gmlib.flows.lipschitz import Layers, LipschitzMLP, LipschitzNet
from gmlib.flows.residual_log_det import DenseLogDet, ResidualLogDet, RouletteLogDet
from gmlib.flows.scalar import Affine


class ContractiveResidual(Bijection):
    r"""A residual block whose residual contracts.

    .. math:: x = u + g(u, c), \qquad \operatorname{Lip}(g) \le L < 1

    Every x has one u, the limit of :math:`u \leftarrow x - g(u, c)`, which this layer repeats a fixed number of times: by
    default as often as Banach's bound asks for to reach the precision of the dtype. Gradients do not go through the
    iteration; they are those of the implicit function,

    .. math:: \mathrm du = (I + J)^{-1}\,\big(\mathrm dx - \partial_\theta g\,\mathrm d\theta\big) ,

    with the inverse matrix applied by the same kind of iteration. To *train* by maximum likelihood put the block the
    other way round (`Inverse`, or `residual_flow`): then the way from data to noise is the one without iteration.

    Under autocast g is rounded to 8 bits, and the iteration ends as far from u: there, put the layer into `FullPrecision`.

    (:eq:`eq-05-residual` in the book.)

    Args:
        net: g.
        log_det: how the log-determinant is computed: `DenseLogDet` (the default, exact), `SeriesLogDet` or
            `RouletteLogDet`.
        iterations: how often the inverse repeats; None for as often as it takes.

    Raises:
        TypeError: ``net`` or ``log_det`` is of another type.
        ValueError: ``net`` does not contract, ``iterations`` is below 1, or ``log_det`` is a roulette that stops so early
            that its variance is infinite.

    References:
        J. Behrmann et al., *Invertible residual networks*, 2019; R. Chen et al., *Residual flows for invertible
        generative modeling*, 2019; K. Murphy, *Probabilistic Machine Learning: Advanced Topics*, 2023, section 23.2.5.1.

    Example:
        >>> from gmlib.flows import ContractiveResidual, LipschitzMLP
        >>> block = ContractiveResidual(LipschitzMLP(2, lipschitz=0.5))
        >>> u = torch.tensor([[1.0, -2.0]])
        >>> x, log_det = block(u)
        >>> torch.allclose(block.inverse(x)[0], u, atol=1e-5), log_det.shape
        (True, torch.Size([1]))
    """

    def __init__(
        self, net: LipschitzNet, *, log_det: ResidualLogDet | None = None, iterations: int | None = None
    ) -> None:
        if not isinstance(net, LipschitzNet):
            raise TypeError(f"net must be a LipschitzNet, got {type(net).__name__}")
        if not (log_det is None or isinstance(log_det, ResidualLogDet)):
            raise TypeError(f"log_det must be a ResidualLogDet or None, got {type(log_det).__name__}")
        if not net.lipschitz < 1:
            raise ValueError(f"net must have a Lipschitz constant below 1, got {net.lipschitz:g}")
        if isinstance(log_det, RouletteLogDet) and not log_det.survive > net.lipschitz**2:
            raise ValueError(
                f"log_det must survive with a chance above {net.lipschitz**2:g}, the square of net's Lipschitz constant, "
                f"for its variance to be finite, got {log_det.survive:g}"
            )
        if iterations is not None:
            check_count("iterations", iterations)
        super().__init__(net.event_shape, context=net.context)
        self.net = net
        self.log_det = DenseLogDet() if log_det is None else log_det
        self.iterations = iterations

    def _forward(self, u: Tensor, c: Tensor | None) -> tuple[Tensor, Tensor]:
        g, along = self.net.linearised(u, self.net.prepared(c))
        return u + g, self.log_det(along, u, event_dims=len(self.event_shape))

    def _inverse(self, x: Tensor, c: Tensor | None) -> tuple[Tensor, Tensor]:
        layers = self.net.prepared(c)
        n = self.iterations or iterations_for(self.net.lipschitz, torch.finfo(x.dtype).eps)
        with torch.no_grad():
            u = x
            for _ in range(n):
                u = x - self.net.evaluate(u, layers)
        if torch.is_grad_enabled():
            u = self._attached(u, x, layers, n)
        along = self.net.linearised(u, layers)[1]
        return u, -self.log_det(along, u, event_dims=len(self.event_shape))

    def _attached(self, u: Tensor, x: Tensor, layers: Layers, n: int) -> Tensor:
        """The same u with the implicit function's gradient: one Newton step whose matrix is a constant."""
        miss = u + self.net.evaluate(u, layers) - x
        if not miss.requires_grad:
            return u
        # (I + J)^{-1} applied to the miss, which is all but 0; its gradient is what is wanted.
        fixed = [(weight.detach(), None if shift is None else shift.detach()) for weight, shift in layers]
        with torch.no_grad():
            along = self.net.linearised(u, fixed)[1]
        step = miss
        for _ in range(n):
            step = miss - along(step)
        return u - step


def residual_flow(
    d: int,
    *,
    blocks: int = 8,
    hidden: Sequence[int] = (64, 64),
    lipschitz: float = 0.9,
    zoom: float = 5.0,
    log_det: ResidualLogDet | None = None,
    context: int = 0,
) -> Flow:
    """A flow of contractive residual blocks, turned so that densities need no iteration and samples do.

    A network of bounded slope is smooth on the scale of one: it does not see finer things. So the blocks work on data
    that are enlarged in front of them and reduced again behind, with learnt scales and shifts in between.

    Args:
        d: number of coordinates.
        blocks: how many.
        hidden: hidden widths of each residual.
        lipschitz: L of each block, between 0 and 1.
        zoom: how much larger the blocks see the data at the start; 5 suits data of unit size with details of 0.2.
        log_det: as for `ContractiveResidual`.
        context: length of the condition c, 0 for none.

    Returns:
        The flow, over a standard normal base.

    Raises:
        ValueError: a number outside its range.

    Example:
        >>> flow = residual_flow(2, blocks=2, hidden=(8,))
        >>> flow.log_prob(torch.zeros(5, 2)).shape, flow.sample((3,)).shape
        (torch.Size([5]), torch.Size([3, 2]))
    """
    check_count("blocks", blocks)
    check_number("zoom", zoom, low=0.0, low_open=True)
    layers: list[Bijection] = [_scaling(d, zoom)]
    for i in range(blocks):
        net = LipschitzMLP(d, hidden, lipschitz=lipschitz, context=context)
        layers.append(Inverse(ContractiveResidual(net, log_det=log_det)))
        layers.append(_scaling(d, 1 / zoom if i == blocks - 1 else 1.0))
    return Flow(StandardNormal((d,)), layers)


def _scaling(d: int, scale: float) -> Elementwise:
    """A learnt scale and shift a coordinate, the same scale for all at the start."""
    layer = Elementwise(Affine(), (d,))
    with torch.no_grad():
        layer.params[:, 0] = math.log(scale)
    return layer
