"""Stacks of autoregressive layers over a standard normal base: MAF and IAF."""

from __future__ import annotations

from collections.abc import Sequence

from gmlib._checks import check_count
from gmlib.flows.autoregressive import InverseAutoregressive, MaskedAutoregressive
from gmlib.flows.bases import StandardNormal
from gmlib.flows.flow import Flow
from gmlib.flows.scalar import Affine, ScalarMap


def maf(
    d: int,
    *,
    layers: int = 5,
    hidden: Sequence[int] = (64, 64),
    reverse: bool = True,
    context: int = 0,
    scalar_map: ScalarMap | None = None,
) -> Flow:
    r"""A masked autoregressive flow: the density in one pass a layer, a draw in d.

    Args:
        d: number of coordinates.
        layers: how many autoregressive layers.
        hidden: widths of each layer's network.
        reverse: turn the order of the coordinates round from layer to layer. Without it a stack of affine layers is
            one affine layer (its conditional laws stay normal), however deep.
        context: length of the condition c.
        scalar_map: the rule of every layer; None: `Affine` with log-scales of at most 5 in size.

    Raises:
        ValueError: a size below 1, or a negative ``context``.

    References:
        G. Papamakarios, T. Pavlakou and I. Murray, *Masked autoregressive flow for density estimation*, 2017, section
        3.1 (without the batch normalisation).

    Example:
        >>> import torch
        >>> flow = maf(2)
        >>> flow.log_prob(torch.zeros(2)).item(), flow.sample((4,)).shape
        (-1.837877..., torch.Size([4, 2]))
    """
    check_count("layers", layers)
    rule = Affine(bound=5.0) if scalar_map is None else scalar_map
    turns = [_order(d, i, reverse) for i in range(layers)]
    stack = [MaskedAutoregressive(d, rule, hidden=hidden, order=order, context=context) for order in turns]
    return Flow(StandardNormal((d,)), stack)


def iaf(
    d: int,
    *,
    layers: int = 5,
    hidden: Sequence[int] = (64, 64),
    reverse: bool = True,
    context: int = 0,
    scalar_map: ScalarMap | None = None,
) -> Flow:
    r"""An inverse autoregressive flow: a draw with its density in one pass a layer, the density of other points in d.

    Arguments and errors as in `maf`.

    References:
        D. Kingma, T. Salimans, R. Jozefowicz, X. Chen, I. Sutskever and M. Welling, *Improved variational inference with
        inverse autoregressive flow*, 2016, section 3.

    Example:
        >>> import torch
        >>> x, log_prob = iaf(2).rsample_and_log_prob((4,))
        >>> x.shape, log_prob.shape
        (torch.Size([4, 2]), torch.Size([4]))
    """
    check_count("layers", layers)
    rule = Affine(bound=5.0) if scalar_map is None else scalar_map
    turns = [_order(d, i, reverse) for i in range(layers)]
    stack = [InverseAutoregressive(d, rule, hidden=hidden, order=order, context=context) for order in turns]
    return Flow(StandardNormal((d,)), stack)


def _order(d: int, layer: int, reverse: bool) -> range:
    """The coordinates as they stand, or, in every second layer, from the last to the first."""
    return range(d - 1, -1, -1) if reverse and layer % 2 else range(d)
