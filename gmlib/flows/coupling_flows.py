"""Coupling layers stacked into flows on vectors: NICE, Real NVP, and splines."""

from __future__ import annotations

from collections.abc import Sequence

from gmlib._checks import check_count
from gmlib.flows.bases import StandardNormal
from gmlib.flows.bijection import Bijection
from gmlib.flows.coupling import Coupling, conditioner
from gmlib.flows.elementwise import Elementwise
from gmlib.flows.flow import Flow
from gmlib.flows.masks import half_mask
from gmlib.flows.rational_quadratic import RationalQuadratic
from gmlib.flows.scalar import Additive, Affine, ScalarMap, Scale


def nice(
    d: int, *, layers: int = 4, hidden: Sequence[int] = (64, 64), scale: bool = True, context: int = 0
) -> Flow:
    r"""Additive couplings on d coordinates, with a diagonal scale next to the base.

    Each coupling preserves volume, and so does their stack: :math:`\log|\det J| = 0`, and the entropy of x is that of
    the base, whatever is learnt. The scale, the last layer on the way from data to noise, is what changes it: by
    :math:`\sum_i a_i`.

    Args:
        d: number of coordinates, at least 2.
        layers: number of couplings; they change the two halves in turn.
        hidden: widths of the hidden layers of each conditioner.
        scale: whether there is a diagonal scale.
        context: length of the condition, 0 for none.

    Returns:
        A flow that starts as the standard normal law.

    Raises:
        ValueError: a number out of range.

    References:
        L. Dinh, D. Krueger and Y. Bengio, *NICE: Non-linear Independent Components Estimation*, 2015, sections 3.2
        and 3.3.

    Example:
        >>> import torch
        >>> flow = nice(4, scale=False)
        >>> flow.bijection(torch.randn(3, 4))[1]
        tensor([0., 0., 0.])
    """
    couplings = _stack(d, layers, Additive(), hidden, context)
    start: list[Bijection] = [Elementwise(Scale(), (d,))] if scale else []
    return Flow(StandardNormal((d,)), [*start, *couplings])


def real_nvp(
    d: int,
    *,
    layers: int = 8,
    hidden: Sequence[int] = (64, 64),
    bound: float | None = 3.0,
    context: int = 0,
) -> Flow:
    r"""Affine couplings on d coordinates.

    Args:
        d: number of coordinates, at least 2.
        layers: number of couplings; they change the two halves in turn.
        hidden: widths of the hidden layers of each conditioner.
        bound: largest absolute log-scale of a layer (see `Affine`); None for no limit.
        context: length of the condition, 0 for none.

    Returns:
        A flow that starts as the standard normal law.

    Raises:
        ValueError: a number out of range.

    References:
        L. Dinh, J. Sohl-Dickstein and S. Bengio, *Density estimation using Real NVP*, 2017, sections 3.3 to 3.5.

    Example:
        >>> import torch
        >>> flow = real_nvp(3, context=2)
        >>> flow.log_prob(torch.zeros(5, 3), torch.randn(5, 2)).shape
        torch.Size([5])
    """
    return Flow(StandardNormal((d,)), _stack(d, layers, Affine(bound=bound), hidden, context))


def spline_coupling(
    d: int,
    *,
    layers: int = 8,
    bins: int = 8,
    bound: float = 5.0,
    hidden: Sequence[int] = (64, 64),
    context: int = 0,
) -> Flow:
    r"""Rational-quadratic spline couplings on d coordinates.

    Args:
        d: number of coordinates, at least 2.
        layers: number of couplings; they change the two halves in turn.
        bins: pieces of each spline.
        bound: the splines bend [-bound, bound] and leave the rest of the line alone; scale the data accordingly.
        hidden: widths of the hidden layers of each conditioner.
        context: length of the condition, 0 for none.

    Returns:
        A flow that starts as the standard normal law.

    Raises:
        ValueError: a number out of range.

    References:
        C. Durkan, A. Bekasov, I. Murray and G. Papamakarios, *Neural spline flows*, 2019, section 3.

    Example:
        >>> import torch
        >>> flow = spline_coupling(2, layers=2)
        >>> flow.sample((4,)).shape
        torch.Size([4, 2])
    """
    return Flow(StandardNormal((d,)), _stack(d, layers, RationalQuadratic(bins, bound), hidden, context))


def _stack(
    d: int, layers: int, scalar_map: ScalarMap, hidden: Sequence[int], context: int
) -> list[Bijection]:
    check_count("layers", layers)
    check_count("context", context, low=0)
    stack: list[Bijection] = []
    for i in range(layers):
        mask = half_mask(d, flip=i % 2 == 1)
        kept = int(mask.sum())
        net = conditioner(kept + context, d - kept, scalar_map, hidden=hidden)
        stack.append(Coupling(mask, scalar_map, net, context=context))
    return stack
