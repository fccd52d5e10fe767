"""Autoregressive layers and flows: triangular Jacobians, passes counted, and what affine layers can and cannot do."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from gmlib.distributions import cross
from gmlib.flows import (
    Additive,
    Affine,
    Composition,
    Flow,
    InverseAutoregressive,
    MaskedAutoregressive,
    NormalConditionals,
    RationalQuadratic,
    ScalarMap,
    StandardNormal,
    affine_layer_floor,
    iaf,
    jacobian,
    maf,
)
from gmlib.nn import InTurn

F64 = torch.float64
ORDER = (2, 0, 3, 1)


def shaken(module, *, size: float = 0.3, seed: int = 0):
    """The module in float64, its parameters moved off their start."""
    g = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(size * torch.randn(parameter.shape, generator=g))
    return module.double()


def points(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=F64)


@pytest.fixture(autouse=True)
def _same_start() -> Iterator[None]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, int]]:
    """How many whole passes through masked networks there were, and how many steps in turn."""
    found = {"passes": 0, "steps": 0}
    step = InTurn.outputs

    def count_passes(module: torch.nn.Module, *_: object) -> None:
        found["passes"] += type(module).__name__ == "MaskedMLP"

    def count_steps(self: InTurn) -> Tensor:
        found["steps"] += 1
        return step(self)

    monkeypatch.setattr(InTurn, "outputs", count_steps)
    handle = torch.nn.modules.module.register_module_forward_hook(count_passes)
    yield found
    handle.remove()


@pytest.mark.parametrize(
    "rule", [Affine(), Additive(), RationalQuadratic(bins=4)], ids=lambda h: type(h).__name__
)
@pytest.mark.parametrize("kind", [MaskedAutoregressive, InverseAutoregressive])
def test_autoregressive_flow(kind: type, rule: ScalarMap, calls: dict[str, int]) -> None:
    layer = shaken(kind(4, rule, hidden=(9, 7), order=ORDER))
    u = points(6, 4)
    for inverse in (False, True):
        # Rows and columns in the order of the layer: triangular, exactly, with the slopes on the diagonal.
        J = jacobian(layer, u, inverse=inverse)[:, ORDER][:, :, ORDER]
        assert (J.triu(1) == 0).all()
        _, log_det = layer.inverse(u) if inverse else layer(u)
        slopes = J.diagonal(dim1=-2, dim2=-1)
        assert (slopes > 0).all()
        torch.testing.assert_close(log_det, slopes.log().sum(-1), rtol=0, atol=1e-12)
    calls.update(passes=0, steps=0)
    fast, slow = (layer.inverse, layer) if kind is MaskedAutoregressive else (layer, layer.inverse)
    fast(u)
    assert calls == {"passes": 1, "steps": 0}
    slow(u)
    assert calls == {"passes": 1, "steps": 4}


def test_each_whole_pass_settles_one_coordinate() -> None:
    """Why d passes: x <- F(u; Theta(x)) from any start is right in k coordinates after k rounds, and not in the others."""
    layer, u = shaken(MaskedAutoregressive(4, hidden=(16,), order=ORDER)), points(50, 4)
    truth, x = layer(u)[0], torch.zeros(50, 4, dtype=F64)
    for k in range(4):
        right = (x - truth).abs().amax(0)[list(ORDER)] < 1e-12
        assert right.tolist() == [True] * k + [False] * (4 - k)
        x, _ = layer.scalar_map.forward(u, layer.net(x))
    torch.testing.assert_close(x, truth, rtol=1e-12, atol=1e-12)


def test_affine_ar_flow() -> None:
    """Linear shifts and constant scales are a Cholesky factor: x = L u + m with (I - W) L = diag(L)."""
    place = torch.arange(4, dtype=F64)
    cov = torch.exp(-(place[:, None] - place).abs() / 2)
    L = torch.linalg.cholesky(cov)
    mean = torch.tensor([1.0, -2.0, 0.5, 3.0], dtype=F64)
    layer = MaskedAutoregressive(4, hidden=()).double()
    W = torch.eye(4, dtype=F64) - L.diagonal().diag() @ torch.linalg.inv(L)  # strictly lower
    last = layer.net.layers[0]
    with torch.no_grad():
        last.weight[1::2] = W  # rows: log-scale and shift of each coordinate in turn
        last.bias[0::2] = L.diagonal().log()
        last.bias[1::2] = mean - W @ mean
    u = points(10, 4)
    x, log_det = layer(u)
    torch.testing.assert_close(x, u @ L.T + mean, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(log_det, L.logdet().expand(10), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(jacobian(layer, u), L.expand(10, 4, 4), rtol=1e-12, atol=1e-12)
    normal = torch.distributions.MultivariateNormal(mean, cov)
    flow = Flow(StandardNormal((4,)).double(), layer)
    torch.testing.assert_close(flow.log_prob(x), normal.log_prob(x), rtol=1e-12, atol=1e-12)


def kl_from_cross(flow: Flow, n: int = 200) -> float:
    """KL(cross || flow) by the midpoint rule; steps of .06, where the narrowest width is .15."""
    step = 12 / n
    axis = step * (torch.arange(n, dtype=F64) + 0.5) - 6
    x = torch.cartesian_prod(axis, axis)
    log_p = cross(dtype=F64).log_prob(x)
    with torch.no_grad():
        return float((log_p.exp() * (log_p - flow.log_prob(x))).sum()) * step**2


def test_one_affine_layer_stays_above_its_floor() -> None:
    """The moments of the conditional laws are the minimum: layers near it cost more, in second order only."""
    law = cross(dtype=F64)
    best, floor = NormalConditionals(law), affine_layer_floor(law).total
    assert floor == pytest.approx(0.3283, abs=5e-5)
    for seed in range(3):
        extra, start = [], MaskedAutoregressive(2, hidden=(8,))
        for size in (0.002, 0.004):
            # A layer of the same order behind the best one is again one affine layer of that order.
            near = shaken(copy.deepcopy(start), size=size, seed=seed)
            extra.append(kl_from_cross(Flow(StandardNormal((2,)).double(), [best, near])) - floor)
        assert extra[0] > 0
        assert 3 < extra[1] / extra[0] < 5  # 4 for a quadratic


def conditional_log_prob(flow: Flow, x1: float) -> tuple[Tensor, Tensor]:
    """x2 on an even grid and log p(x1, x2) there, for one x1."""
    x2 = torch.linspace(-100, 100, 8001, dtype=F64)
    with torch.no_grad():
        return x2, flow.log_prob(torch.stack([torch.full_like(x2, x1), x2], -1))


def third_derivative(x: Tensor, log_p: Tensor) -> Tensor:
    near = x.abs() < 8
    return log_p[near].diff(n=3) / (x[1] - x[0]) ** 3


def excess_kurtosis(x: Tensor, log_p: Tensor) -> float:
    p = log_p.softmax(-1)
    x = x - (p * x).sum()
    return float((p * x**4).sum() / (p * x**2).sum() ** 2) - 3


def test_reversed_ar_stack() -> None:
    rules = {"layers": 5, "hidden": (8, 8), "scalar_map": Affine()}
    straight, turned = (shaken(maf(2, reverse=r, **rules), size=0.2) for r in (False, True))
    u = points(30, 2)
    # Without reversal: x1 depends on u1 alone, and x2 is affine in u2, with a slope that u1 chooses.
    step = torch.tensor([0.0, 0.7], dtype=F64)
    middle, up, down = (straight.bijection(v)[0] for v in (u, u + step, u - step))
    assert torch.equal(up[:, 0], middle[:, 0])
    torch.testing.assert_close(up + down, 2 * middle, rtol=0, atol=1e-12)
    # That is one affine layer, which the parameters of the five give: scales multiply, and shifts are carried along.
    x1, shift, scale = u[:, 0], torch.zeros(30, dtype=F64), torch.ones(30, dtype=F64)
    for layer in straight.bijection:
        before = layer(torch.stack([x1, x1], -1))[0][:, 0]
        params = layer.net(torch.stack([before, before], -1))[:, 1]
        shift, scale = shift * params[:, 0].exp() + params[:, 1], scale * params[:, 0].exp()
        x1 = before
    torch.testing.assert_close(middle, torch.stack([x1, shift + scale * u[:, 1]], -1), rtol=1e-12, atol=1e-12)
    # With reversal it is not affine.
    middle, up, down = (turned.bijection(v)[0] for v in (u, u + step, u - step))
    assert (up + down - 2 * middle).abs().max() > 0.01
    # As laws: x2 given x1 is normal without reversal, so its log-density has no third difference and no excess kurtosis.
    for x1 in (-0.5, 0.0, 1.0):
        x2, log_p = conditional_log_prob(straight, x1)
        assert third_derivative(x2, log_p).abs().max() < 1e-4
        assert abs(excess_kurtosis(x2, log_p)) < 1e-6
    assert third_derivative(*conditional_log_prob(turned, 0.0)).abs().max() > 0.1


def fitted_to_cross(reverse: bool, seed: int) -> Flow:
    """Four small affine layers after 300 steps on 256 points each."""
    torch.manual_seed(seed)
    flow, law = maf(2, layers=4, hidden=(16,), reverse=reverse), cross()
    optimiser = torch.optim.Adam(flow.parameters())
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 2e-2, total_steps=300)
    for _ in range(300):
        optimiser.zero_grad()
        (-flow.log_prob(law.sample((256,))).mean()).backward()
        torch.nn.utils.clip_grad_norm_(flow.parameters(), 5.0)
        optimiser.step()
        schedule.step()
    return flow.double()


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.weekly) for seed in (1, 2))])
def test_reversal_gets_below_the_floor_of_one_layer(seed: int) -> None:
    floor = affine_layer_floor(cross(dtype=F64)).total
    straight = fitted_to_cross(False, 0)
    assert (
        floor - 1e-6 < kl_from_cross(straight) < floor + 0.05
    )  # it reaches one layer's minimum, and goes no lower
    assert abs(excess_kurtosis(*conditional_log_prob(straight, 0.45))) < 1e-6
    turned = fitted_to_cross(True, seed)
    assert kl_from_cross(turned) < floor / 2
    # At x1 = .45 the cross has a narrow part and a wide one, and so heavy tails.
    assert excess_kurtosis(*conditional_log_prob(turned, 0.45)) > 1


def test_maf(calls: dict[str, int]) -> None:
    flow = shaken(maf(3, layers=3, hidden=(12, 12)), size=0.2)
    assert [layer.order for layer in flow.bijection] == [(0, 1, 2), (2, 1, 0), (0, 1, 2)]
    u = points(20, 3)
    x, log_det = flow.bijection(u)
    assert calls == {"passes": 0, "steps": 9}  # d a layer
    back, inverse_log_det = flow.bijection.inverse(x)
    assert calls == {"passes": 3, "steps": 9}  # one a layer
    torch.testing.assert_close(back, u, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(inverse_log_det, -log_det, rtol=1e-12, atol=1e-12)
    flow.log_prob(x)
    assert calls == {"passes": 6, "steps": 9}
    # No parameter of coordinate i feels x_j for j >= i (in the layer's order): exactly zero, while those in front do.
    for layer in flow.bijection:
        J = torch.func.vmap(torch.func.jacrev(layer.net))(x)[:, layer.order][..., layer.order]
        J = J.transpose(1, 2).flatten(0, 1)  # (points and parameters, i, j)
        front = torch.ones(3, 3).tril(-1).bool()
        assert (J[:, ~front] == 0).all()
        assert (J[:, front] != 0).any(0).all()
    # The stack starts as the identity.
    fresh = maf(3, layers=3).double()
    torch.testing.assert_close(fresh.bijection.inverse(u)[0], u, rtol=0, atol=0)


class Swapped(ScalarMap):
    """The inverse of a scalar map, as a scalar map."""

    def __init__(self, h: ScalarMap) -> None:
        self.h = h

    @property
    def n_params(self) -> int:
        return self.h.n_params

    def forward(self, u: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        return self.h.inverse(u, params)

    def inverse(self, x: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        return self.h.forward(x, params)

    def identity(self) -> Tensor:
        return self.h.identity()


@pytest.mark.parametrize("rule", [Affine(), RationalQuadratic(bins=4)], ids=lambda h: type(h).__name__)
def test_iaf(rule: ScalarMap, calls: dict[str, int]) -> None:
    """An IAF layer is a MAF layer with the same network read backwards, u and x, h and its inverse exchanged."""
    forwards = shaken(MaskedAutoregressive(4, rule, hidden=(9, 7), order=ORDER, context=2))
    backwards = InverseAutoregressive(4, Swapped(rule), hidden=(9, 7), order=ORDER, context=2).double()
    backwards.load_state_dict(forwards.state_dict())
    y, c = points(20, 4), points(20, 2, seed=2)
    for a, b in zip(backwards(y, c), forwards.inverse(y, c), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-12)
    for a, b in zip(backwards.inverse(y, c), forwards(y, c), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-12)
    calls.update(passes=0, steps=0)
    flow = shaken(iaf(4, layers=2, hidden=(8,), scalar_map=rule), size=0.1)
    x, log_prob = flow.rsample_and_log_prob((5,), generator=torch.Generator().manual_seed(0))
    assert calls == {"passes": 2, "steps": 0}  # drawing, with the density of what was drawn: one pass a layer
    found = flow.log_prob(x)
    assert calls == {"passes": 2, "steps": 8}  # of a foreign point: d a layer
    torch.testing.assert_close(found, log_prob, rtol=1e-12, atol=1e-12)


def test_iaf_with_affine_maps_in_the_usual_parameters() -> None:
    """x = u e^a + mu inverted is again affine: a' = -a, mu' = -mu e^{-a}."""
    layer, u = shaken(InverseAutoregressive(3, hidden=(6,))), points(8, 3)
    log_scale, shift = layer.net(u).unbind(-1)
    x, log_det = layer(u)
    torch.testing.assert_close(x, u * log_scale.exp() + shift, rtol=1e-13, atol=1e-13)
    torch.testing.assert_close(log_det, log_scale.sum(-1), rtol=1e-13, atol=1e-13)


def test_layers_of_different_orders_do_not_share_masks() -> None:
    one, other = MaskedAutoregressive(3), MaskedAutoregressive(3, order=(2, 1, 0))
    assert not torch.equal(one.net.layers[0].mask, other.net.layers[0].mask)
    # The order belongs to the layer, not to its weights: loading them does not change it.
    other.load_state_dict(copy.deepcopy(one.state_dict()))
    J = jacobian(Composition([shaken(other)]), points(3, 3))
    assert (J.tril(-1) == 0).all()
    assert math.isfinite(float(J.sum()))


BAD = [
    (lambda: MaskedAutoregressive(0), ValueError, "d must be at least 1, got 0"),
    (lambda: InverseAutoregressive(2, context=-1), ValueError, "context must be at least 0"),
    (lambda: MaskedAutoregressive(2, order=(1, 1)), ValueError, "order must name each coordinate"),
    (lambda: MaskedAutoregressive(2, hidden=(0,)), ValueError, "hidden must be at least 1"),
    (lambda: maf(2, layers=0), ValueError, "layers must be at least 1"),
    (lambda: iaf(2, layers=0), ValueError, "layers must be at least 1"),
    (lambda: maf(0), ValueError, "d must be at least 1"),
]


@pytest.mark.bad_input
@pytest.mark.parametrize(("call", "error", "match"), BAD)
def test_bad_input(call, error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        call()
