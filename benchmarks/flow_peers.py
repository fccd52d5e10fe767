"""The same flows in four libraries: gmlib, zuko, nflows and normflows, as alike as they can be made.

Every coupling flow has eight layers on the plane, conditioners 1-64-64-(3K - 1) with ReLU and K = 8 bins on [-5, 5]; every
masked autoregressive flow has five affine layers with masked networks 2-64-64-4, the order turned round from layer to
layer. The networks hold the same weights. How numbers become knots or scales is left to each library, and so is the way
that the spline itself goes: from data to noise, but from noise to data in gmlib, whose densities therefore take its
inverse. (What agrees number by number once this is mapped: `tests/flows/test_peers.py`.)

What each calls forward differs, and normflows' masked layer is an IAF unless it is turned round: here `log_prob` of an
autoregressive flow takes one pass a layer everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from gmlib.flows import Flow, maf, spline_coupling

COUPLINGS, AUTOREGRESSIVE, BINS, BOUND = 8, 5, 8, 5.0


@dataclass
class Contender:
    """A flow of some library.

    Attributes:
        module: what holds the weights.
        networks: its conditioners, on the way from data to noise.
        log_prob: points (n, 2) to nats (n,).
        sample: a number n to points (n, 2).
    """

    module: nn.Module
    networks: list[nn.Module]
    log_prob: Callable[[Tensor], Tensor]
    sample: Callable[[int], Tensor]

    @property
    def size(self) -> int:
        """How many parameters."""
        return sum(p.numel() for p in self.module.parameters())


class Conditioner(nn.Sequential):
    """A multilayer perceptron; nflows and normflows call theirs with a second argument, which is None."""

    def __init__(self, inputs: int, outputs: int, hidden: int) -> None:
        super().__init__(
            nn.Linear(inputs, hidden),
            nn.ReLU(),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Linear(hidden, outputs),
        )

    def forward(self, input: Tensor, context: Tensor | None = None) -> Tensor:
        """The network's output."""
        return super().forward(input)


def linear_layers(network: nn.Module) -> list[Any]:
    """The linear maps of a network, first to last: zuko's are no ``nn.Linear``."""
    return [
        module for module in network.modules() if isinstance(getattr(module, "weight", None), nn.Parameter)
    ]


@torch.no_grad()
def give_weights(source: Contender, target: Contender) -> None:
    """Copy the weights of all conditioners."""
    for theirs, ours in zip(source.networks, target.networks, strict=True):
        for a, b in zip(linear_layers(theirs), linear_layers(ours), strict=True):
            b.weight.copy_(a.weight)
            b.bias.copy_(a.bias)


def of_gmlib(flow: Flow, networks: Iterable[Any]) -> Contender:
    """gmlib's flow, with last layers that are not zero: at the identity there would be less to do."""
    found = list(networks)[::-1]
    for network in found:
        linear_layers(network)[-1].reset_parameters()
    return Contender(flow, found, flow.log_prob, lambda n: flow.sample((n,)))


def of_zuko(transforms: list[Any]) -> Contender:
    """A flow of zuko's lazy transforms, which go from data to noise."""
    from zuko.distributions import DiagNormal
    from zuko.flows import Flow as ZukoFlow
    from zuko.flows import UnconditionalDistribution

    base = UnconditionalDistribution(DiagNormal, torch.zeros(2), torch.ones(2), buffer=True)
    flow = ZukoFlow(transforms, base)
    return Contender(
        flow, [t.hyper for t in transforms], lambda x: flow().log_prob(x), lambda n: flow().sample((n,))
    )


def of_nflows(transforms: list[Any], networks: list[nn.Module]) -> Contender:
    """A flow of nflows' transforms, which go from data to noise."""
    from nflows.distributions.normal import StandardNormal
    from nflows.flows.base import Flow as NFlow
    from nflows.transforms import CompositeTransform

    flow = NFlow(CompositeTransform(transforms), StandardNormal([2]))
    return Contender(flow, networks, flow.log_prob, flow.sample)


def of_normflows(layers: list[Any], networks: list[nn.Module]) -> Contender:
    """A flow of normflows' layers, which go from noise to data."""
    import normflows

    flow = normflows.NormalizingFlow(normflows.distributions.DiagGaussian(2, trainable=False), layers)
    return Contender(flow, networks[::-1], flow.log_prob, lambda n: flow.sample(n)[0])


def couplings(hidden: int) -> dict[str, Contender]:
    """Rational-quadratic spline couplings, zuko first."""
    import normflows
    from nflows.transforms import PiecewiseRationalQuadraticCouplingTransform
    from normflows.flows.neural_spline.coupling import PiecewiseRationalQuadraticCoupling
    from zuko.flows.coupling import GeneralCouplingTransform
    from zuko.transforms import MonotonicRQSTransform

    ours = spline_coupling(2, layers=COUPLINGS, bins=BINS, bound=BOUND, hidden=(hidden, hidden))
    mine = of_gmlib(ours, (layer.conditioner for layer in ours.bijection))  # type: ignore[attr-defined]
    # gmlib's layers keep the first, the second, the first, ... coordinate on the way from noise to data.
    kept = [i % 2 for i in range(COUPLINGS)]
    kind: Any = GeneralCouplingTransform  # its annotations ask for less than it takes
    zuko = [
        kind(
            2,
            mask=[k == 0, k == 1],
            univariate=MonotonicRQSTransform,
            shapes=[(BINS,), (BINS,), (BINS - 1,)],
            hidden_features=(hidden, hidden),
        )
        for k in reversed(kept)
    ]
    settings: dict[str, Any] = {
        "transform_net_create_fn": lambda inputs, outputs: Conditioner(inputs, outputs, hidden),
        "num_bins": BINS,
        "tails": "linear",
        "tail_bound": BOUND,
    }
    # Their masks are 1 for what changes.
    nflows = [PiecewiseRationalQuadraticCouplingTransform([k, 1 - k], **settings) for k in reversed(kept)]
    inner = [PiecewiseRationalQuadraticCoupling(torch.tensor([k, 1 - k]), **settings) for k in kept]
    contenders = {
        "zuko": of_zuko(zuko),
        "nflows": of_nflows(nflows, [t.transform_net for t in nflows]),
        # Reverse: the spline itself goes from data to noise, as with zuko and nflows.
        "normflows": of_normflows(
            [normflows.flows.Reverse(t) for t in inner], [t.transform_net for t in inner]
        ),
        "gmlib": mine,
    }
    return equal(contenders)


def autoregressive(hidden: int) -> dict[str, Contender]:
    """Masked autoregressive flows of affine layers, zuko first."""
    import normflows
    from nflows.transforms import MaskedAffineAutoregressiveTransform, ReversePermutation
    from zuko.flows.autoregressive import MaskedAutoregressiveTransform

    ours = maf(2, layers=AUTOREGRESSIVE, hidden=(hidden, hidden))
    mine = of_gmlib(ours, (layer.net for layer in ours.bijection))  # type: ignore[attr-defined]
    orders = [[0, 1] if i % 2 == 0 else [1, 0] for i in range(AUTOREGRESSIVE)]
    kind: Any = MaskedAutoregressiveTransform  # its annotations ask for less than it takes
    zuko = [kind(2, order=order, hidden_features=(hidden, hidden)) for order in reversed(orders)]
    settings: dict[str, Any] = {"num_blocks": 1, "use_residual_blocks": False}
    nflows: list[nn.Module] = []
    layers: list[nn.Module] = []
    inner = [normflows.flows.MaskedAffineAutoregressive(2, hidden, **settings) for _ in orders]
    for layer in inner:
        nflows += [MaskedAffineAutoregressiveTransform(2, hidden, **settings), ReversePermutation(2)]
        layers += [normflows.flows.Reverse(layer), normflows.flows.Permute(2, mode="swap")]
    contenders = {
        "zuko": of_zuko(zuko),
        "nflows": of_nflows(nflows, [t.autoregressive_net for t in nflows[::2]]),  # type: ignore[misc]
        "normflows": of_normflows(layers, [t.autoregressive_net for t in inner]),
        "gmlib": mine,
    }
    return equal(contenders)


def equal(contenders: dict[str, Contender]) -> dict[str, Contender]:
    """The same weights for all, and the assertion that nobody has more of them."""
    for contender in contenders.values():
        assert contender.size == contenders["gmlib"].size, {k: c.size for k, c in contenders.items()}
        give_weights(contenders["gmlib"], contender)
    return contenders
