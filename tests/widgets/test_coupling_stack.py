"""The browser's stack of spline couplings against gmlib.flows in float64."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from torch import Tensor

from gmlib.distributions import toy
from gmlib.flows import Composition, Flow, jacobian, spline_coupling
from gmlib.recipes.flow_stack import LAWS, stack_flow
from gmlib.widgets import CouplingStack
from gmlib.widgets.coupling_stack import LAYERS, pattern

from .node import assert_same, evaluate

F64 = torch.float64
LANES = pytest.mark.parametrize("simd", [True, False], ids=["webassembly", "plain"])
LEVELS = [0.0, 0.4, 1.0, 1.75, 2.0, 2.9, 3.0]
MODULE = (
    "CouplingFlow from coupling_flow; carried, DensityMaps, densityRows, lines from carried_density;"
    "gridPath from grid_path"
)
FLOW = (
    "const arrays = Object.fromEntries(Object.entries(data.arrays).map(([name, { shape, values }]) =>"
    "  [name, { shape, data: Float32Array.from(values) }]));"
    "const flow = new CouplingFlow(arrays, data.simd ?? true);"
)


def some_flow(layers: int = 3, size: float = 1.5) -> Flow:
    """With weights of that size, rounded to float32: 1.5 bends the plane well."""
    generator = torch.Generator().manual_seed(layers)
    flow = stack_flow(layers=layers, hidden=(9, 7))
    with torch.no_grad():
        for weight in flow.parameters():
            scale = size / weight.shape[-1] ** 0.5 if weight.dim() == 2 else size / 3
            weight.copy_(scale * torch.randn(weight.shape, generator=generator))
    return flow.double()


def stack(flow: Flow) -> Composition:
    assert isinstance(flow.bijection, Composition)
    return flow.bijection


def described(flow: Flow) -> dict[str, Any]:
    """The arrays that the browser gets."""
    found = {
        "bound": torch.tensor([4.0]),
        "changed": torch.tensor([1.0, 0.0, 1.0, 0.0])[: len(stack(flow))],
    }
    for key, value in flow.state_dict().items():
        if ".conditioner." in key:
            found[key.removeprefix("bijection.layers.").replace(".conditioner.", ".")] = value
    return {
        name: {"shape": [*value.shape], "values": value.flatten().tolist()} for name, value in found.items()
    }


def some_points(n: int = 37) -> Tensor:
    near = 1.5 * torch.randn(n, 2, generator=torch.Generator().manual_seed(5), dtype=F64)
    # At the bound, beyond it in one coordinate, and in both.
    return torch.cat([near, torch.tensor([[4.0, 0.3], [-0.2, 5.0], [-4.5, -6.0], [0.0, 0.0]], dtype=F64)])


def at(flow: Flow, u: Tensor, level: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Place, log-determinant and Jacobian after a level's layers, and the last layer's own Jacobian, by gmlib."""
    points, _ = stack(flow).path(u)
    eye = torch.eye(2, dtype=F64).expand(len(u), 2, 2)
    place, so_far, own = points[0], eye, eye
    for i, layer in enumerate(stack(flow)):
        share = min(1.0, level - i)
        if share > 0:
            place = points[i] + share * (points[i + 1] - points[i])
            own = (1 - share) * eye + share * jacobian(layer, points[i])
            so_far = own @ so_far
    return place, torch.linalg.slogdet(so_far)[1], so_far, own


@LANES
def test_points_on_their_way_and_the_log_determinants(simd: bool) -> None:
    flow, points = some_flow(), some_points()
    with torch.no_grad():
        places, logs = stack(flow).path(points)
    got = evaluate(
        MODULE,
        FLOW + "const { places, logs } = flow.path(data.points.flat());"
        "return { places: places.map((p) => [...p]), logs: logs.map((p) => [...p]) };",
        arrays=described(flow),
        points=points,
        simd=simd,
    )
    assert_same(got["places"], torch.stack(places))
    assert_same(got["logs"], torch.stack(logs))


def test_the_log_density_after_any_number_of_layers() -> None:
    flow, points = some_flow(), some_points()
    got = evaluate(
        MODULE,
        FLOW + "return [0, 1, 2, 3].map((k) => [...flow.logDensity(k, data.points.flat())]);",
        arrays=described(flow),
        points=points,
    )
    with torch.no_grad():
        assert_same(got[0], flow.base.log_prob(points))
        for k in (1, 2, 3):
            assert_same(got[k], Flow(flow.base, list(stack(flow))[:k]).log_prob(points))


def test_place_log_determinant_and_jacobian_at_any_level() -> None:
    flow, points = some_flow(), some_points()
    points = points[points.abs().amax(-1) != 4.0]  # where the map has no derivative
    got = evaluate(
        MODULE,
        FLOW + "return data.levels.map((level) => data.points.map((u) => flow.at(flow.follow(u), level)));",
        arrays=described(flow),
        points=points,
        levels=LEVELS,
    )
    for level, found in zip(LEVELS, got, strict=True):
        truth = at(flow, points, level)
        for name, value in zip(("place", "logDet", "jacobian", "layer"), truth, strict=True):
            assert_same([row[name] for row in found], value)


def test_a_place_at_any_level_is_pulled_back_to_its_base() -> None:
    flow, points = some_flow(), some_points()
    places = torch.stack([at(flow, points, level)[0] for level in LEVELS])
    got = evaluate(
        MODULE,
        FLOW + "return data.places.map((row, i) => row.map((place) => flow.pull(place, data.levels[i])));",
        arrays=described(flow),
        places=places,
        levels=LEVELS,
    )
    assert_same(got, points.expand(len(LEVELS), -1, -1))


GRID = (
    FLOW + "const { n } = data, h = 8 / n, grid = { x0: -4 + h / 2, y0: -4 + h / 2, h, nx: n, ny: n };"
    "const map = (k) => { const out = new Float64Array(n * n);"
    "  for (let row = 0; row < n; row += 5) densityRows(flow, k, grid, row, Math.min(5, n - row), out); return out; };"
)


def test_the_density_on_a_grid() -> None:
    flow, n = some_flow(), 24
    got = evaluate(MODULE, GRID + "return [0, 2, 3].map((k) => [...map(k)]);", arrays=described(flow), n=n)
    centres = -4 + 8 / n * (torch.arange(n, dtype=F64) + 0.5)
    y, x = torch.meshgrid(centres, centres, indexing="ij")  # row by row
    points = torch.stack([x, y], -1).reshape(-1, 2)
    with torch.no_grad():
        assert_same(got[0], flow.base.log_prob(points).exp())
        for found, k in ((got[1], 2), (got[2], 3)):
            assert_same(found, Flow(flow.base, list(stack(flow))[:k]).log_prob(points).exp())


@pytest.mark.parametrize("i", [0, 1])
def test_a_layer_carries_the_density_along(i: int) -> None:
    # Linear between nodes: the error falls with the square of their distance. At share 0 nothing happens.
    flow, share = some_flow(size=0.6), 0.6
    errors = []
    for n in (40, 80):
        got = evaluate(
            MODULE,
            GRID + "const before = map(data.i), line = lines(flow, data.i, grid);"
            "const at = (t) => [...carried(before, line, t, new Float64Array(n * n))];"
            "return { before: [...before], none: at(0), part: at(data.share), all: at(1), after: [...map(data.i + 1)] };",
            arrays=described(flow),
            n=n,
            i=i,
            share=share,
        )
        assert_same(got["none"], torch.tensor(got["before"], dtype=F64))
        after = torch.tensor(got["after"], dtype=F64)
        error = (torch.tensor(got["all"], dtype=F64) - after).abs().mean() / after.mean()
        mass = torch.tensor([got[name] for name in ("before", "part")], dtype=F64).sum(-1) * (8 / n) ** 2
        errors.append([float(error), abs(float(mass[0] - mass[1]))])
    (coarse, lost), (fine, less) = errors
    assert fine < 0.4 * coarse < 0.02
    assert less < max(0.4 * lost, 1e-3)


def test_maps_of_the_density_are_made_nearest_first_and_carried_in_between() -> None:
    got = evaluate(
        MODULE,
        FLOW + "const maps = new DensityMaps(flow, 30), { grid } = maps, order = [];"
        "const before = [maps.at(2), maps.at(1.5)];"
        "while (maps.left) if (maps.work(1.6)) order.push(maps.maps.findIndex((m, k) => m.top && !order.includes(k)));"
        "const exact = new Float64Array(900), part = new Float64Array(900);"
        "densityRows(flow, 1, grid, 0, 30, exact);"
        "carried(exact, lines(flow, 1, grid), 0.5, part);"
        "return { before, order, exact: [...exact], whole: [...maps.at(1).values], part: [...part],"
        " between: [...maps.at(1.5).values], tops: [1, 1.5, 2].map((level) => maps.at(level).top) };",
        arrays=described(some_flow(size=0.6)),
    )
    assert got["before"] == [None, None]
    assert got["order"] == [2, 1, 3, 0]
    assert (got["whole"], got["between"]) == (got["exact"], got["part"])
    assert got["tops"][1] == pytest.approx((got["tops"][0] * got["tops"][2]) ** 0.5)
    # No more than the highest value, and 2.2 times the mean of the density over its own law.
    values = torch.tensor(got["exact"], dtype=F64)
    mean = float(values.square().sum() / values.sum())
    assert got["tops"][0] == pytest.approx(min(float(values.max()), 2.2 * mean))


def test_a_grid_has_more_points_where_it_is_stretched() -> None:
    flow = some_flow(size=0.8)
    got = evaluate(
        MODULE,
        FLOW
        + "const { places, ends } = gridPath(flow, { lines: 3, points: 9, gap: 1.5, stretched: 0.4, passes: 7 });"
        "return { places: places.map((p) => [...p]), ends };",
        arrays=described(flow),
    )
    places = torch.tensor(got["places"], dtype=F64).unflatten(-1, (-1, 2))
    with torch.no_grad():
        assert_same(got["places"], torch.stack(stack(flow).path(places[0])[0]))
    lines = places.split(got["ends"], 1)
    assert len(lines) == 6
    for number, line in enumerate(lines):
        start, along = line[0], 1 - number // 3  # the three vertical lines first
        assert start[:, 1 - along].tolist() == [1.5 * (number % 3 - 1)] * len(start)
        assert start[[0, -1], along].tolist() == [-1.5, 1.5]
        assert bool((start[:, along].diff() > 0).all())
        assert float(line.diff(dim=1).norm(dim=-1).max()) <= 0.4
    assert max(got["ends"]) > 9


def test_a_walk_stays_at_its_goal_and_goes_gently_through_each_layer() -> None:
    got = evaluate(
        "neighbour, onward from layer_walk",
        "const walk = (from, to) => { const levels = [from];"
        "  for (let i = 0; i < 200; i++) levels.push(onward(levels.at(-1), to, 0.05)); return levels; };"
        "return { up: walk(0, 3), down: walk(2.5, 1), rest: onward(2, 2, 0.1),"
        " next: [0, 0.3, 2].map((v) => [neighbour(v, true), neighbour(v, false)]) };",
    )
    for way, (start, goal) in ((got["up"], (0, 3)), (got["down"], (2.5, 1))):
        assert (way[0], way[-1]) == (start, goal)
        assert sorted(way, reverse=start > goal) == way
    up = got["up"]
    # The share t of a layer's time is at t² (3 - 2 t) of the layer: half of it in half the time.
    assert up[5] == pytest.approx(0.25**2 * (3 - 2 * 0.25))
    assert [up[10], up[20], up[50]] == pytest.approx([0.5, 1, 2.5])
    assert got["rest"] == 2
    assert got["next"] == [[1, -1], [1, 0], [3, 1]]


@pytest.mark.parametrize("d", [2, 3, 4])
def test_the_pattern_is_that_of_a_stack_of_couplings(d: int) -> None:
    generator = torch.Generator().manual_seed(d)
    flow = spline_coupling(d, layers=4, hidden=(6,)).double()
    with torch.no_grad():
        for weight in flow.parameters():
            weight.copy_(torch.randn(weight.shape, generator=generator))
    u = torch.rand(20, d, generator=generator, dtype=F64) - 0.5
    points, _ = stack(flow).path(u)
    own = [jacobian(layer, point) for layer, point in zip(stack(flow), points, strict=False)]
    so_far = [torch.eye(d, dtype=F64), *itertools.accumulate(own, lambda before, layer: layer @ before)]
    found = evaluate(
        "pattern from jacobian_pattern",
        "return [0, 1, 2, 3, 4].map((n) => [pattern(n, data.d), pattern(n, data.d, true)]);",
        d=d,
    )
    for layers, matrix in enumerate(so_far):
        assert torch.equal(pattern(layers, d), (matrix.reshape(-1, d, d) != 0).any(0))
        alone = (own[layers - 1] != 0).any(0) if layers else torch.eye(d, dtype=torch.bool)
        assert found[layers] == [pattern(layers, d).int().tolist(), alone.int().tolist()]


def test_eight_two_and_no_zeros_of_sixteen() -> None:
    got = evaluate(
        "pattern, zeros from jacobian_pattern", "return [0, 1, 2, 3].map((n) => zeros(pattern(n, 4)));"
    )
    assert got == [12, 8, 2, 0] == [CouplingStack(level=float(n)).terms().zeros for n in range(4)]


# --- the trained flows ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("law", LAWS)
def test_the_browser_has_the_trained_flow(law: str) -> None:
    widget = CouplingStack(law)
    block = widget.block(law)
    u = [[0.6, -0.9], [-1.7, 0.2], [2.5, 2.5]]
    levels = [0.0, 2.35, 3.0, 6.0]
    got = evaluate(
        "CouplingFlow from coupling_flow; Mixture from mixture; unpack from weights",
        "const bytes = Uint8Array.from(data.block);"
        "const arrays = unpack(data.arrays, new DataView(bytes.buffer)), flow = new CouplingFlow(arrays);"
        "const { weights, means, covariances } = arrays;"
        "const law = new Mixture({ weights: weights.data, means: means.data, covariances: covariances.data });"
        "return data.u.map((u) => { const path = flow.follow(u), end = path.places[flow.depth];"
        "  return { end, law: law.logDensity(...end), states: data.levels.map((level) => flow.at(path, level)) }; });",
        block=[*block.data],
        arrays=block.arrays,
        u=u,
        levels=levels,
    )
    for point, found in zip(u, got, strict=True):
        for level, state in zip(levels, found["states"], strict=True):
            terms = CouplingStack(law, level=level, u=point).terms()
            for name, value in (
                ("place", terms.place),
                ("logDet", terms.log_det),
                ("jacobian", terms.jacobian),
                ("layer", terms.layer),
            ):
                assert_same(state[name], torch.tensor(value, dtype=F64))
            assert terms.log_prob == pytest.approx(terms.log_base - terms.log_det, abs=1e-12)
            assert_same(found["end"], torch.tensor(terms.end, dtype=F64))
            assert_same(found["law"], torch.tensor(terms.log_law, dtype=F64))
            with torch.no_grad():
                there = float(widget.flow.log_prob(torch.tensor(terms.end, dtype=F64)))
            assert terms.log_prob_end == pytest.approx(there, abs=1e-9)
            if level == LAYERS:
                assert terms.place == terms.end
                assert terms.log_prob == pytest.approx(there, abs=1e-9)


@pytest.mark.parametrize("law", LAWS)
def test_a_trained_flow_is_near_its_law(law: str) -> None:
    widget = CouplingStack(law)
    x = toy(law, dtype=F64).sample((4000,), generator=torch.Generator().manual_seed(11))
    with torch.no_grad():
        excess = toy(law, dtype=F64).log_prob(x) - widget.flow.log_prob(x)
    # KL(law || flow), in nats, whose estimate has this standard error.
    error = float(excess.std()) / len(x) ** 0.5
    assert -3 * error < float(excess.mean()) < 0.1 + 3 * error


def test_terms_are_determinants_and_products() -> None:
    widget = CouplingStack("checkerboard", level=4.3, u=(-0.8, 1.1))
    terms = widget.terms()
    matrix = torch.tensor(terms.jacobian, dtype=F64)
    assert float(torch.linalg.slogdet(matrix)[1]) == pytest.approx(terms.log_det, abs=1e-10)
    assert terms.layer[1 - 4 % 2][1 - 4 % 2] != 1  # the fifth layer changes the second coordinate
    assert terms.layer[0] == (1.0, 0.0)
    assert terms.zeros == 0


def test_a_law_weighs_little() -> None:
    for law in LAWS:
        assert len(CouplingStack.block(law).data) < 40_000
    assert len(CouplingStack().layers) == LAYERS
