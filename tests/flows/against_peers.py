"""How far gmlib's flows are from those of nflows and zuko with the same knots or weights, in float64.

A program of its own: ``import zuko`` switches off the argument checks of all of ``torch.distributions``. It prints the
largest difference of each comparison.
"""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from gmlib.flows import (
    Affine,
    Composition,
    Coupling,
    Flow,
    Inverse,
    MaskedAutoregressive,
    RationalQuadratic,
    StandardNormal,
    conditioner,
    half_mask,
)

F64 = torch.float64
BINS, BOUND = 6, 3.0
OFFSET = math.log(math.expm1(1 - 1e-3))
"""What gmlib adds to a raw slope, so that 0 stands for slope 1; nflows adds nothing."""


def largest(*pairs: tuple[Tensor, Tensor]) -> float:
    return max(float((a - b).detach().abs().max()) for a, b in pairs)


def spline_inputs() -> tuple[Tensor, Tensor]:
    """Points, some of them outside the interval, and raw parameters."""
    generator = torch.Generator().manual_seed(0)
    points = 2.5 * torch.randn(500, dtype=F64, generator=generator)
    return points, 1.5 * torch.randn(500, 3 * BINS - 1, dtype=F64, generator=generator)


def spline_of_nflows() -> float:
    from nflows.transforms.splines.rational_quadratic import unconstrained_rational_quadratic_spline

    points, params = spline_inputs()
    widths, heights, slopes = params.split([BINS, BINS, BINS - 1], -1)
    ours = RationalQuadratic(BINS, BOUND)
    gaps = []
    for inverse, move in ((False, ours.forward), (True, ours.inverse)):
        theirs = unconstrained_rational_quadratic_spline(
            points, widths, heights, slopes + OFFSET, inverse=inverse, tails="linear", tail_bound=BOUND
        )
        gaps += list(zip(move(points, params), theirs, strict=True))
    return largest(*gaps)


def spline_of_zuko() -> float:
    """zuko squashes its raw parameters first: the raw numbers that give it gmlib's knots undo that."""
    from zuko.transforms import MonotonicRQSTransform

    points, params = spline_inputs()
    raw_slopes = params[:, 2 * BINS :]
    sizes = params[:, : 2 * BINS].unflatten(-1, (2, BINS)).softmax(-1) * (1 - BINS * 1e-3) + 1e-3
    logs = sizes.log() - sizes.log().mean(-1, keepdim=True)
    limit = -math.log(1e-6)
    widths, heights = (logs / (1 - (2 * logs / limit).abs())).unbind(-2)
    log_slopes = (torch.nn.functional.softplus(raw_slopes + OFFSET) + 1e-3).log()
    slopes = log_slopes / (1 - (log_slopes / limit).abs())
    theirs = MonotonicRQSTransform(widths, heights, slopes, bound=BOUND, slope=1e-6)
    x, log_slope = RationalQuadratic(BINS, BOUND).forward(points, params)
    u, _ = RationalQuadratic(BINS, BOUND).inverse(points, params)
    return largest(*zip((x, log_slope), theirs.call_and_ladj(points), strict=True), (u, theirs.inv(points)))


def filled(module: torch.nn.Module, seed: int) -> Any:
    """The module in float64, all its parameters drawn."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.double().parameters():
            parameter.copy_(0.4 * torch.randn(parameter.shape, dtype=F64, generator=generator))
    return module


class WithoutContext(torch.nn.Module):
    """A network as nflows calls it, its slopes moved to gmlib's zero."""

    def __init__(self, net: torch.nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, kept: Tensor, context: None) -> Tensor:
        params = self.net(kept).unflatten(-1, (-1, 3 * BINS - 1))
        shift = torch.zeros(3 * BINS - 1, dtype=F64)
        shift[2 * BINS :] = OFFSET
        return (params + shift).flatten(-2)


def coupling_of_nflows() -> float:
    """Splines read from data to noise, as nflows has them; in gmlib that is the inverse of a stack."""
    from nflows.distributions.normal import StandardNormal as TheirNormal
    from nflows.flows.base import Flow as TheirFlow
    from nflows.transforms import CompositeTransform, PiecewiseRationalQuadraticCouplingTransform

    rule, ours, theirs = RationalQuadratic(BINS, BOUND), [], []
    for i in range(4):
        mask = half_mask(3, flip=bool(i % 2))
        kept = int(mask.sum())
        net = filled(conditioner(kept, 3 - kept, rule, hidden=(16, 16)), i)
        ours.append(Coupling(mask, rule, net))
        theirs.append(
            PiecewiseRationalQuadraticCouplingTransform(
                (~mask).int(),
                transform_net_create_fn=lambda inputs, outputs, net=net: WithoutContext(net),
                num_bins=BINS,
                tails="linear",
                tail_bound=BOUND,
            )
        )
    x = 2 * torch.randn(300, 3, dtype=F64, generator=torch.Generator().manual_seed(9))
    transform = CompositeTransform(theirs).double()
    stack = Composition(ours)
    found = Flow(StandardNormal((3,)).to(F64), Inverse(stack)).log_prob(x)
    wanted = TheirFlow(transform, TheirNormal([3])).double().log_prob(x)
    moved = zip(stack(x) + stack.inverse(x), transform(x) + transform.inverse(x), strict=True)
    return largest((found, wanted), *moved)


class SoftplusScale(Affine):
    """nflows' affine rule: u = softplus(a) x + mu, up to its smallest scale of 0.001."""

    def forward(self, u: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        scale = torch.nn.functional.softplus(params[..., 0]) + 1e-3
        return (u - params[..., 1]) / scale, -scale.log()

    def inverse(self, x: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        scale = torch.nn.functional.softplus(params[..., 0]) + 1e-3
        return scale * x + params[..., 1], scale.log()


def maf_of_nflows() -> float:
    """Five layers with the order turned round between them, units sorted by their degrees as gmlib has them."""
    from nflows.distributions.normal import StandardNormal as TheirNormal
    from nflows.flows.base import Flow as TheirFlow
    from nflows.transforms import CompositeTransform, MaskedAffineAutoregressiveTransform, ReversePermutation

    d, hidden = 4, 24
    theirs: list[torch.nn.Module] = []
    ours: list[MaskedAutoregressive] = []
    for i in range(5):
        layer = MaskedAffineAutoregressiveTransform(d, hidden, num_blocks=1, use_residual_blocks=False)
        made = filled(layer, 20 + i).autoregressive_net
        theirs += [layer, ReversePermutation(d)]
        # Their layer sees the coordinates turned round, gmlib's has another order of the same coordinates.
        places = torch.arange(d) if i % 2 == 0 else torch.arange(d).flip(0)
        mine = MaskedAutoregressive(
            d, SoftplusScale(), hidden=(hidden, hidden), order=places.tolist()
        ).double()
        units = made.initial_layer.degrees.argsort(stable=True)
        first, second, last = made.initial_layer, made.blocks[0].linear, made.final_layer
        rows = torch.arange(2 * d).unflatten(0, (d, 2))[places].flatten()
        with torch.no_grad():
            for a, b, out, into in (
                (mine.net.layers[0], first, units, places),
                (mine.net.layers[1], second, units, units),
                (mine.net.layers[2], last, rows, units),
            ):
                a.weight.copy_(b.weight[out][:, into])
                a.bias.copy_(b.bias[out])
        ours.append(mine)
    x = torch.randn(300, d, dtype=F64, generator=torch.Generator().manual_seed(9))
    flow = Flow(StandardNormal((d,)).to(F64), ours[::-1])
    return largest(
        (flow.log_prob(x), TheirFlow(CompositeTransform(theirs), TheirNormal([d])).double().log_prob(x))
    )


def continuous_of_zuko() -> float:
    """The contenders of the benchmark, in float64, where the tolerances are all that is left."""
    from benchmarks import continuous_peers as peers

    torch.manual_seed(0)
    velocity = peers.steep_velocity().double()
    x = torch.randn(20, 2, dtype=F64)
    found = peers.with_gmlib(velocity)
    with torch.no_grad():
        return max(
            largest((found.log_prob(x), other.log_prob(x)), (found.push(x), other.push(x)))  # type: ignore[misc]
            for other in (peers.with_torchdiffeq(velocity), peers.with_zuko(velocity))
        )


COMPARISONS: tuple[Callable[[], float], ...] = (
    spline_of_nflows,
    spline_of_zuko,
    coupling_of_nflows,
    maf_of_nflows,
    continuous_of_zuko,
)

if __name__ == "__main__":
    warnings.filterwarnings("ignore", "Inputs to the softmax are not scaled down")
    checks_before = torch.distributions.Distribution._validate_args
    gaps = {compare.__name__: compare() for compare in COMPARISONS}
    print(json.dumps({"checks": checks_before, **gaps}))
