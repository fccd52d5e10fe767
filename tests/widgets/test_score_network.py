"""The browser's score network, exact score, samplers and sliced distance against gmlib in float64."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from torch import Tensor

from gmlib.distributions import toy
from gmlib.distributions.toys import TOYS
from gmlib.metrics import sliced_wasserstein
from gmlib.score import ScoreNetwork, geometric_ladder, langevin_step, mlp_score
from gmlib.widgets import SwissRollScores
from gmlib.widgets.swiss_roll_scores import NODES, SIGMAS, _nodes

from .node import assert_same, evaluate
from .test_mixture import described, some_mixture, some_points

F64 = torch.float64
LANES = pytest.mark.parametrize("simd", [True, False], ids=["webassembly", "plain"])
NETWORK = (
    "const arrays = Object.fromEntries(Object.entries(data.weights).map(([name, { shape, values }]) =>"
    "  [name, { shape, data: Float32Array.from(values) }]));"
    "const network = new ScoreNetwork(arrays, data.simd);"
)


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=F64)


def some_network(*hidden: int) -> ScoreNetwork:
    """With weights that make its correction about one, and rounded to float32."""
    torch.manual_seed(1)
    network = mlp_score(2, list(hidden), torch.tensor([0.4, -0.3]), 1.8)
    with torch.no_grad():
        for weight in network.parameters():
            weight.copy_(torch.randn_like(weight) * (1.5 / weight.shape[-1] ** 0.5))
    return network.double()


def arrays(network: ScoreNetwork) -> dict[str, Any]:
    return {
        name: {"shape": list(value.shape), "values": value.flatten().tolist()}
        for name, value in network.state_dict().items()
    }


def learnt(network: ScoreNetwork, x: Tensor, sigma: float) -> Tensor:
    with torch.no_grad():
        return network(x, torch.tensor(sigma, dtype=F64))


def test_webassembly_is_what_is_tested() -> None:
    assert evaluate("kernels from simd", "return Object.keys(kernels(65537)).length;") == 4


@LANES
@pytest.mark.parametrize("hidden", [(64, 64), (17, 5, 30), (3,), (64, 64, 64, 64)])
def test_the_score_of_a_network(hidden: tuple[int, ...], simd: bool) -> None:
    network = some_network(*hidden)
    points = torch.cat(
        [3 * noise(70, 2), torch.tensor([[0.4, -0.3], [200.0, -90.0], [1e-9, 8.0]], dtype=F64)]
    )
    sigmas = [SIGMAS[0], 0.3, SIGMAS[1]]
    got = evaluate(
        "ScoreNetwork from score_network",
        NETWORK + "const points = Float64Array.from(data.points.flat());"
        "return data.sigmas.map((sigma) => [...network.scores(points, sigma)]);",
        weights=arrays(network),
        points=points,
        sigmas=sigmas,
        simd=simd,
    )
    for found, sigma in zip(got, sigmas, strict=True):
        assert_same(found, learnt(network, points, sigma))


@LANES
@pytest.mark.parametrize("name", [*TOYS, "full"])
def test_the_exact_score(name: str, simd: bool) -> None:
    law = some_mixture(1) if name == "full" else toy(name, dtype=F64)
    points = some_points(3)[:99]
    sigmas = [0.0, SIGMAS[0], 0.4, SIGMAS[1]]
    got = evaluate(
        "Mixture from mixture; ExactScore from exact_score",
        "const exact = new ExactScore(new Mixture(data.law), data.simd);"
        "const points = Float64Array.from(data.points.flat());"
        "return data.sigmas.map((sigma) => [...exact.scores(points, sigma)]);",
        law=described(law),
        points=points,
        sigmas=sigmas,
        simd=simd,
    )
    for found, sigma in zip(got, sigmas, strict=True):
        assert_same(found, (law.noised(1.0, sigma) if sigma else law).score(points))


def test_more_points_than_fit_at_once() -> None:
    law = toy("banana", dtype=F64).noised(1.0, 0.2)
    points = 2 * noise(2500, 2)
    got = evaluate(
        "Mixture from mixture; ExactScore from exact_score",
        "return [...new ExactScore(new Mixture(data.law)).scores(Float64Array.from(data.points.flat()), 0)];",
        law=described(law),
        points=points,
    )
    assert_same(got, law.score(points))


@LANES
def test_a_hundred_langevin_steps_of_a_network(simd: bool) -> None:
    network, start, kicks = some_network(64, 64), noise(20, 2, seed=1), noise(100, 20, 2)
    x, sigma, step = start.clone(), 0.3, 0.2 * 0.3**2
    for kick in kicks:
        x = langevin_step(x, learnt(network, x, sigma), kick, step, temperature=0.7)
    got = evaluate(
        "ScoreNetwork from score_network; langevinStep from annealed",
        NETWORK + "const x = Float64Array.from(data.start.flat());"
        "for (const kick of data.kicks) langevinStep(x, network.scores(x, 0.3), 0.2 * 0.09, kick.flat(), 0.7);"
        "return [...x];",
        weights=arrays(network),
        start=start,
        kicks=kicks,
        simd=simd,
    )
    assert_same(got, x.flatten())


def test_annealed_langevin_down_the_ladder() -> None:
    law, start, kicks = toy("swiss_roll", dtype=F64), 5 * noise(20, 2, seed=1), noise(96, 20, 2)
    sigmas = geometric_ladder(5.0, 0.05, 24, dtype=F64)
    x = start.clone()
    for i, kick in enumerate(kicks):
        sigma = float(sigmas[i // 4])
        x = langevin_step(x, law.noised(1.0, sigma).score(x), kick, 0.2 * sigma**2)
    got = evaluate(
        "Mixture from mixture; ExactScore from exact_score; ladder, langevinStep from annealed",
        "const exact = new ExactScore(new Mixture(data.law)), sigmas = ladder(5, 0.05, 24);"
        "const x = Float64Array.from(data.start.flat());"
        "data.kicks.forEach((kick, i) => { const sigma = sigmas[i >> 2];"
        "  langevinStep(x, exact.scores(x, sigma), 0.2 * sigma ** 2, kick.flat()); });"
        "return { sigmas: [...sigmas], x: [...x] };",
        law=described(law),
        start=start,
        kicks=kicks,
    )
    assert_same(got["sigmas"], sigmas)
    assert_same(got["x"], x.flatten())


FLOW = (
    "for (let i = 0; i + 1 < sigmas.length; i++) flowStep(x, score(x, sigmas[i]), sigmas[i], sigmas[i + 1]);"
)


WALK = (
    "const law = new Mixture(data.law), drawn = data.normals[Symbol.iterator]();"
    "const moved = new ScoreParticles(20, { mean: [0.5, -1], variance: 2 }, [0.05, 5], () => drawn.next().value);"
    "const scores = (points, sigma, out) => law.noised(sigma).scores(points, out);"
)


def test_particles_go_down_the_ladder_or_along_the_flow() -> None:
    law, normals = toy("two_moons", dtype=F64), noise(1 + 24, 20, 2, seed=3)
    start = torch.tensor([0.5, -1.0], dtype=F64) + (2 + 25) ** 0.5 * normals[0]
    sigmas = geometric_ladder(5.0, 0.05, 12, dtype=F64).tolist()
    x = start.clone()
    for i, kick in enumerate(normals[1:]):
        sigma = sigmas[i // 2]
        x = langevin_step(x, law.noised(1.0, sigma).score(x), kick, 0.2 * sigma**2, temperature=0.5)
    y = start.clone()
    for above, below in itertools.pairwise(sigmas):
        y = y + above * (above - below) * law.noised(1.0, above).score(y)
    got = evaluate(
        "Mixture from mixture; ScoreParticles from score_particles",
        WALK
        + "const settings = { step: 0.2, temperature: 0.5, levels: 12, steps: 2 }; let sigma = 5, over = [];"
        "for (let i = 0; i < 24; i++) { over.push(moved.descend(scores, sigma, settings)); sigma = moved.at; }"
        "const { places, taken, lost } = moved; return { x: [...places], taken, lost, over };",
        law=described(law),
        normals=normals.flatten(),
    )
    assert_same(got["x"], x.flatten())
    assert (got["taken"], got["lost"], got["over"]) == (24, False, [False] * 23 + [True])
    got = evaluate(
        "Mixture from mixture; ScoreParticles from score_particles",
        WALK + "while (moved.at !== 0.05) moved.ride(scores, 0.05, 12);"
        "return { x: [...moved.places], taken: moved.taken, outside: moved.outside([-3, 3], [-3, 3]) };",
        law=described(law),
        normals=normals.flatten(),
    )
    assert_same(got["x"], y.flatten())
    assert (got["taken"], got["outside"]) == (11, int((y.abs() >= 3).any(-1).sum()))


def test_particles_on_a_ladder_go_on_from_the_nearest_level_and_far_ones_are_lost() -> None:
    got = evaluate(
        "Mixture from mixture; ScoreParticles from score_particles",
        WALK + "const settings = { step: 0.2, temperature: 1, levels: 3, steps: 5 };"
        "moved.descend(scores, 0.4, settings); const near = [moved.at, moved.within];"
        "moved.jump(scores, 0.05, { step: 1e8, temperature: 1 }); return { near, lost: moved.lost };",
        law=described(toy("two_moons", dtype=F64)),
        normals=noise(60, 2).flatten(),
    )
    assert got["near"] == [pytest.approx(0.5), 1]
    assert got["lost"]


@LANES
def test_the_probability_flow_of_a_network(simd: bool) -> None:
    network, start = some_network(64, 64), 5 * noise(20, 2)
    sigmas = geometric_ladder(5.0, 0.05, 60, dtype=F64).tolist()
    x = start.clone()
    for above, below in itertools.pairwise(sigmas):
        x = x + above * (above - below) * learnt(network, x, above)
    got = evaluate(
        "ScoreNetwork from score_network; flowStep, ladder from annealed",
        NETWORK + "const x = Float64Array.from(data.start.flat()), sigmas = ladder(5, 0.05, 60);"
        "const score = (points, sigma) => network.scores(points, sigma);" + FLOW + "return [...x];",
        weights=arrays(network),
        start=start,
        simd=simd,
    )
    assert_same(got, x.flatten())


def test_the_flow_of_a_normal_law_only_shrinks() -> None:
    # N(m, v I): the flow keeps (x - m) / sqrt(v + sigma^2). Euler's error falls with the number of steps.
    start = 5 * noise(20, 2)
    mean, v = torch.tensor([0.5, -1.0], dtype=F64), 0.49
    exact = mean + (start - mean) * ((v + 0.05**2) / (v + 25)) ** 0.5
    errors = []
    for levels in (100, 200):
        got = evaluate(
            "Mixture from mixture; flowStep, ladder from annealed",
            "const law = new Mixture({ weights: [1], means: [0.5, -1], covariances: [0.49, 0, 0.49] });"
            "const x = Float64Array.from(data.start.flat()), sigmas = ladder(5, 0.05, data.levels);"
            "const score = (points, sigma) => law.noised(sigma).scores(points);" + FLOW + "return [...x];",
            start=start,
            levels=levels,
        )
        errors.append(float((torch.tensor(got, dtype=F64).reshape(20, 2) - exact).abs().max()))
    assert errors[0] < 0.05
    assert errors[1] == pytest.approx(errors[0] / 2, rel=0.05)


@pytest.mark.parametrize("count", [1, 7, 32])
def test_the_sliced_distance(count: int) -> None:
    x, y = noise(60, 2, seed=1), 1.3 * noise(60, 2, seed=2) + 0.4
    angle = torch.pi * (torch.arange(count, dtype=F64) + 0.5) / count
    lines = torch.stack([angle.cos(), angle.sin()], -1)
    got = evaluate(
        "directions, slicedWasserstein, sortedProjections from sliced",
        "const lines = directions(data.count);"
        "const [x, y] = [data.x, data.y].map((points) => sortedProjections(points.flat(), lines));"
        "return { lines: [...lines], distance: slicedWasserstein(x, y) };",
        count=count,
        x=x,
        y=y,
    )
    assert_same(got["lines"], lines)
    shared = torch.cat([lines, lines]) if count == 1 else lines  # gmlib wants two at least
    assert_same(got["distance"], torch.tensor(sliced_wasserstein(x, y, directions=shared).value, dtype=F64))


# --- what Python says of the widget -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TOYS)
def test_the_nodes_have_the_moments_of_the_law(name: str) -> None:
    law, nodes = toy(name, dtype=F64), _nodes(name)
    points, normal = nodes["points"].double(), nodes["noise"].double()
    assert points.shape == normal.shape == (NODES, 2)
    # Half the standard error of as many independent draws, four times over.
    bound = 2 / NODES**0.5
    assert float(((points.mean(0) - law.mean) / law.stddev).abs().max()) < bound
    assert float((points.var(0) / law.variance - 1).abs().max()) < 2 * bound
    assert float(normal.mean(0).abs().max()) < bound
    assert float((torch.cov(torch.cat([points / law.stddev, normal], 1).T)[:2, 2:]).abs().max()) < bound


@pytest.mark.parametrize(("name", "sigma"), [("swiss_roll", 0.1), ("swiss_roll", 1.0), ("cross", 0.3)])
def test_the_average_error_is_that_of_fresh_draws(name: str, sigma: float) -> None:
    widget = SwissRollScores(name, sigma=sigma)
    found = widget.readings()
    law = widget.distribution
    x = law.sample((20_000,), generator=torch.Generator().manual_seed(3))
    truth, guess = law.score(x), learnt(widget.network, x, sigma)
    for value, squares in (
        (found.rms_error, (guess - truth).square().sum(-1)),
        (found.rms_score, truth.square().sum(-1)),
    ):
        # Draws err by their standard error, and 1,024 nodes by at most that of as many draws.
        spread = float(squares.std()) * (1 / 20_000**0.5 + 1 / NODES**0.5)
        assert value**2 == pytest.approx(float(squares.mean()), abs=4 * spread)


@pytest.mark.parametrize("name", TOYS)
def test_every_law_has_a_network_that_knows_its_score(name: str) -> None:
    found = SwissRollScores(name, sigma=1.0).readings()
    assert found.rms_error < 0.2 * found.rms_score
    widget = SwissRollScores(name, sigma=0.5)
    widget.probe = [0.3, -0.2]
    found, point = widget.readings(), torch.tensor([0.3, -0.2], dtype=F64)
    assert found.log_density == pytest.approx(widget.distribution.log_prob(point).item())
    assert found.exact == pytest.approx(widget.distribution.score(point).tolist())
    dx, dy = (a - b for a, b in zip(found.learnt, found.exact, strict=True))
    assert found.error == pytest.approx((dx**2 + dy**2) ** 0.5)


def test_the_browser_gets_law_network_and_nodes_at_once() -> None:
    block = SwissRollScores.block("cross")
    names = {row["name"] for row in block.arrays}
    assert {"weights", "means", "covariances", "points", "noise", "mean", "var"} <= names
    assert len(block.data) < 64_000
