"""A coupling layer: one part of the point stays and tells scalar maps what to do with the other part."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Bool
from torch import Tensor, nn

from gmlib._checks import check_callable, check_count, check_tensor
from gmlib.flows.bijection import Bijection
from gmlib.flows.scalar import ScalarMap
from gmlib.nn import MLP
from gmlib.nn.masked import RELU


class Coupling(Bijection):
    r"""Keeps the part B of a point, and moves each coordinate of the part A by a scalar map that B chooses.

    .. math:: x_B = u_B, \qquad x_i = h\big(u_i;\, \theta_i(u_B, c)\big) \;\; (i \in A), \qquad
        \log|\det J(u)| = \sum_{i\in A} \log h'(u_i; \theta_i)

    The Jacobian is block triangular with an identity block. Since B is the same on both sides, the way back asks the
    conditioner the same question: it is never inverted, and may be any function.

    (:eq:`eq-05-coupling`, :eq:`eq-05-coupling-inverse`, :eq:`eq-05-coupling-det` in the book.)

    Args:
        mask: True for the coordinates of B, which are kept, shape (d,).
        scalar_map: the rule h.
        conditioner: maps ``(*batch, n_kept + context)``, B followed by c, to ``(*batch, n_changed * n_params)``, the
            parameters of the first coordinate of A, then of the second, and so on. `conditioner` makes one that
            starts the layer at the identity.
        context: length of the condition c, 0 for none.

    Raises:
        TypeError: ``mask`` is not a tensor, or ``conditioner`` cannot be called.
        ValueError: ``mask`` is not a boolean vector that keeps some coordinates and changes some; in use, the
            conditioner gives another number of parameters than the scalar map takes.

    References:
        L. Dinh, D. Krueger and Y. Bengio, *NICE: Non-linear Independent Components Estimation*, 2015, section 3.2;
        K. Murphy, *Probabilistic Machine Learning: Advanced Topics*, 2023, equations 23.12 to 23.17.

    Example:
        >>> from gmlib.flows import Affine, Coupling, conditioner, half_mask
        >>> layer = Coupling(half_mask(3), Affine(), conditioner(2, 1, Affine()))
        >>> x, log_det = layer(torch.ones(5, 3))
        >>> bool((x == 1).all()), log_det.shape
        (True, torch.Size([5]))
    """

    def __init__(
        self,
        mask: Bool[Tensor, " d"],
        scalar_map: ScalarMap,
        conditioner: Callable[[Tensor], Tensor],
        *,
        context: int = 0,
    ) -> None:
        check_tensor("mask", mask, floating=False)
        n_kept = int(mask.sum())
        if mask.dtype != torch.bool or mask.dim() != 1 or not 0 < n_kept < len(mask):
            raise ValueError(
                "mask must be a boolean vector that keeps and changes at least one coordinate each, "
                f"got {mask.dtype} of shape {tuple(mask.shape)} with {n_kept} kept"
            )
        check_callable("conditioner", conditioner)
        super().__init__((len(mask),), context=context)
        self.scalar_map = scalar_map
        self.conditioner = conditioner
        self.n_changed = len(mask) - n_kept
        kept, changed = mask.nonzero()[:, 0], (~mask).nonzero()[:, 0]
        # A mask of two blocks needs views only; every other one gathers.
        self.kept_first = bool(mask[0])
        self.blocks = [n_kept, self.n_changed] if self.kept_first else [self.n_changed, n_kept]
        self.contiguous = bool((mask[1:] != mask[:-1]).sum() == 1)
        self.register_buffer("mask", mask.clone(), persistent=False)
        self.register_buffer("kept", kept, persistent=False)
        self.register_buffer("changed", changed, persistent=False)
        self.register_buffer("order", torch.cat([kept, changed]).argsort(), persistent=False)
        self.mask: Tensor
        self.kept: Tensor
        self.changed: Tensor
        self.order: Tensor

    def _forward(self, u: Tensor, c: Tensor | None) -> tuple[Tensor, Tensor]:
        kept, changed = self._split(u)
        x, log_slope = self.scalar_map.forward(changed, self._params(kept, c))
        return self._join(kept, x), self._sum(log_slope)

    def _inverse(self, x: Tensor, c: Tensor | None) -> tuple[Tensor, Tensor]:
        kept, changed = self._split(x)
        u, log_slope = self.scalar_map.inverse(changed, self._params(kept, c))
        return self._join(kept, u), self._sum(log_slope)

    def _params(self, kept: Tensor, c: Tensor | None) -> Tensor:
        seen = kept if c is None else torch.cat([kept, c], -1)
        params = self.conditioner(seen)
        wanted = (*seen.shape[:-1], self.n_changed * self.scalar_map.n_params)
        if params.shape != wanted:
            raise ValueError(f"conditioner must give shape {wanted}, got {tuple(params.shape)}")
        # A network under autocast answers in bfloat16; the map itself is computed as exactly as its point is given.
        return params.to(kept.dtype).unflatten(-1, (self.n_changed, self.scalar_map.n_params))

    def _split(self, point: Tensor) -> tuple[Tensor, Tensor]:
        if self.contiguous:
            first, second = point.split(self.blocks, -1)
            return (first, second) if self.kept_first else (second, first)
        return point.index_select(-1, self.kept), point.index_select(-1, self.changed)

    def _join(self, kept: Tensor, changed: Tensor) -> Tensor:
        if self.contiguous:
            return torch.cat([kept, changed] if self.kept_first else [changed, kept], -1)
        return torch.cat([kept, changed], -1).index_select(-1, self.order)

    def _sum(self, log_slope: Tensor) -> Tensor:
        return log_slope.squeeze(-1) if self.n_changed == 1 else log_slope.sum(-1)


def conditioner(
    inputs: int,
    coordinates: int,
    scalar_map: ScalarMap,
    *,
    hidden: Sequence[int] = (64, 64),
    activation: Callable[[], nn.Module] = RELU,
) -> MLP:
    """A multilayer perceptron that gives the parameters of scalar maps, and at first gives those of the identity.

    The weights of its last layer start at 0, and the biases at ``scalar_map.identity()``, so that a stack of any depth
    starts at the base law, with gradients of the size of those of one layer.

    Args:
        inputs: numbers it sees: the coordinates that are kept, and the condition.
        coordinates: how many coordinates it gives parameters for.
        scalar_map: the rule that takes them.
        hidden: widths of the hidden layers.
        activation: makes the nonlinearity between the layers; in place, ReLU takes no memory of its own.

    Returns:
        A network from ``(*batch, inputs)`` to ``(*batch, coordinates * scalar_map.n_params)``.

    Raises:
        ValueError: a size below 1.

    References:
        D. Kingma and P. Dhariwal, *Glow: Generative flow with invertible 1x1 convolutions*, 2018, section 3.3.

    Example:
        >>> from gmlib.flows import Affine
        >>> conditioner(2, 3, Affine())(torch.randn(5, 2)).abs().max()
        tensor(0., grad_fn=<MaxBackward1>)
    """
    check_count("inputs", inputs)
    check_count("coordinates", coordinates)
    net = MLP([inputs, *hidden, coordinates * scalar_map.n_params], activation=activation)
    last = net.layers[-1]
    assert isinstance(last, nn.Linear)
    nn.init.zeros_(last.weight)
    with torch.no_grad():
        last.bias.copy_(scalar_map.identity().repeat(coordinates))
    return net
