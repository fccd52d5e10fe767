"""The browser's noising, denoising and journeys against gmlib's samplers in float64, on the same noise."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from gmlib.noise import DDPM, Denoiser, Schedule, VPCosine, exact_denoiser
from gmlib.noise.samplers import Sampled, ancestral, ddim, heun, steps_of
from gmlib.widgets import ForwardAndBack
from gmlib.widgets.draws import normals
from gmlib.widgets.forward_and_back import LAWS, _law, _stream

from .node import assert_same, evaluate

F64 = torch.float64
PROCESSES: dict[str, Schedule] = {"cosine": VPCosine(), "linear": DDPM.linear()}
LAW = "const law = new Mixture({ weights: data.weights, means: data.means.flat(), covariances: data.covariances.flat() });"


def given(name: str) -> dict[str, Any]:
    law = _law(name)
    cov = law.covariances
    triples = torch.stack([cov[:, 0, 0], cov[:, 0, 1], cov[:, 1, 1]], -1)
    return {"weights": law.weights, "means": law.means, "covariances": triples}


def tapes(shown: ForwardAndBack) -> dict[int, list[float]]:
    """What the browser's generators give, in the order in which a journey asks for it, by their seeds."""
    n, found = shown.n, {}
    for which in (0, 2, 3):
        draws = _stream(shown.seed, which)
        rows = [(draws.uniform(), draws.normal(), draws.normal()) for _ in range(n)]
        found[4 * shown.seed + which] = [v for row in rows for v in row] + normals(
            draws, n, 2
        ).flatten().tolist()
    walk = _stream(shown.seed, 1)
    found[4 * shown.seed + 1] = normals(walk, n * shown.steps, 2).flatten().tolist()
    for k in range(shown.steps):
        seed = shown.seed + 7919 * (k + 1)
        found[4 * seed + 2] = normals(_stream(seed, 2), n, 2).flatten().tolist()
    return found


def grid(schedule: Schedule, n: int) -> torch.Tensor:
    return schedule.t_max * (torch.arange(n, -1, -1, dtype=F64) / n)


@pytest.mark.parametrize("name", LAWS)
def test_the_exact_denoiser_at_every_noise_level(name: str) -> None:
    x = torch.randn(33, 2, generator=torch.Generator().manual_seed(0), dtype=F64)
    denoiser = exact_denoiser(_law(name), VPCosine())
    times = [0.999, 0.9, 0.4, 0.1, 0.01]
    levels = [[float(VPCosine().alpha(t)), float(VPCosine().sigma(t))] for t in times]
    got = evaluate(
        "Mixture from mixture; exactDenoiser from mixture_samplers",
        LAW + "const x0 = exactDenoiser(law); const x = Float64Array.from(data.x.flat());"
        "return data.levels.map(([alpha, sigma]) => [...x0(x, alpha, sigma)]);",
        x=x,
        levels=levels,
        **given(name),
    )
    for t, values in zip(times, got, strict=True):
        assert_same(values, denoiser.x0(x, t))


def by_gmlib(
    sampler: str, eta: float, denoiser: Denoiser, start: torch.Tensor, times: torch.Tensor
) -> Sampled:
    source = torch.Generator().manual_seed(4)
    if sampler == "heun":
        return heun(denoiser, start, times, path=True)
    if sampler == "ddim":
        return ddim(denoiser, start, times, eta=eta, generator=source, path=True)
    kind = "beta" if sampler == "beta" else "beta_tilde"
    return ancestral(denoiser, start, times, variance=kind, generator=source, path=True)


@pytest.mark.parametrize(
    ("schedule", "name", "n"),
    [("cosine", "swiss_roll", 25), ("linear", "two_moons", 20), ("linear", "eight_gaussians", 100)],
)
def test_samplers_are_gmlibs_on_the_same_noise(schedule: str, name: str, n: int) -> None:
    process = PROCESSES[schedule]
    start = torch.randn(16, 2, generator=torch.Generator().manual_seed(3), dtype=F64)
    source = torch.Generator().manual_seed(4)  # as gmlib's samplers draw it, a step at a time
    noise = torch.stack([torch.randn(16, 2, generator=source, dtype=F64) for _ in range(n)])
    denoiser, times = exact_denoiser(_law(name), process), grid(process, n)
    runs = [("beta", 0.0), ("beta_tilde", 0.0), ("ddim", 0.0), ("ddim", 0.6), ("heun", 0.0)]
    got = evaluate(
        "Mixture from mixture; calls, denoised, exactDenoiser from mixture_samplers;"
        "SCHEDULES from noising_journey; evenTimes, stepsOf from schedules",
        LAW + "const schedule = SCHEDULES[data.schedule]; const x0 = exactDenoiser(law);"
        "return data.runs.map(([sampler, eta]) => {"
        " let [x, i, asked] = [Float64Array.from(data.start.flat()), 0, 0];"
        " const ask = (...given) => { asked++; return x0(...given); };"
        " const path = stepsOf(schedule, evenTimes(schedule, data.n)).map((step) => {"
        "  x = denoised(sampler, schedule, step, x, ask, () => data.noise[i++].flat(), eta); return [...x]; });"
        " return { path, asked, calls: calls(sampler, data.n, 0) }; });",
        schedule=schedule,
        start=start,
        noise=noise,
        n=n,
        runs=runs,
        **given(name),
    )
    for (sampler, eta), found in zip(runs, got, strict=True):
        truth = by_gmlib(sampler, eta, denoiser, start, times)
        assert truth.path is not None
        assert_same(found["path"], truth.path[1:].flatten(1))
        assert found["asked"] == found["calls"] == truth.nfe


@pytest.mark.parametrize(
    "state",
    [
        {"time": 0.5},
        {"time": 1.0, "schedule": "linear", "law": "two_moons"},
        {"way": "back", "sampler": "beta"},
        {"way": "back", "sampler": "beta_tilde", "turn": 0.55, "time": 0.2},
        {"way": "back", "sampler": "ddim", "eta": 1.0, "law": "eight_gaussians"},
        {"way": "back", "sampler": "heun", "schedule": "linear", "turn": 0.7},
        {"way": "back", "sampler": "ddim", "time": 0.4, "turn": 0.4},
    ],
)
def test_a_journey_is_that_of_gmlib(state: dict[str, Any]) -> None:
    shown = ForwardAndBack(**{"n": 100, "steps": 8, "seed": 5, **state})
    law = shown.law
    got = evaluate(
        "Mixture from mixture; Journey, parts from noising_journey;"
        "directions, slicedWasserstein, sortedProjections from sliced",
        LAW
        + "const s = data.state; const journey = new Journey(law, s, (seed) => { let i = 0; const tape = data.tapes[seed];"
        " const uniform = () => tape[i++]; uniform.normal = uniform; return uniform; });"
        "const x = s.way === 'forward' ? journey.forward(s.k) : journey.backward(s.k, s);"
        "const born = parts(law, journey.there[0]);"
        "const t = journey.time(s.k);"
        "const now = s.k ? law.noised(journey.schedule.sigma(t), journey.schedule.alpha(t)) : law;"
        "const lines = directions(32);"
        "const [one, two] = [0, 1].map((i) => sortedProjections(journey.truth(s.k, i), lines));"
        "return [[...x], parts(now, x).reduce((sum, part, i) => sum + (part === born[i]), 0) / s.n,"
        " slicedWasserstein(sortedProjections(x, lines), one), slicedWasserstein(two, one)];",
        state={
            **{
                name: getattr(shown, name)
                for name in ("n", "seed", "steps", "schedule", "way", "sampler", "eta")
            },
            "k": shown.step,
            "turn": shown.turned,
        },
        tapes=tapes(shown),
        **given(law),
    )
    readings = shown.readings()
    assert_same(got[0], shown.particles().flatten())
    assert_same(got[1:], torch.tensor([readings.home, readings.distance, readings.fresh], dtype=F64))


def test_the_chain_forward_has_the_exact_moments() -> None:
    # n = 2000 particles, 4.5 standard errors of mean and variance after four of eight steps.
    shown = ForwardAndBack("eight_gaussians", n=2000, steps=8, time=0.5)
    law, x = shown.distribution(4), shown.particles()
    assert bool((x.mean(0).abs() < 4.5 * (law.variance / 2000).sqrt()).all())
    assert bool(((x.var(0) - law.variance).abs() < 4.5 * law.variance * (2 / 1999) ** 0.5).all())


def test_where_particles_stand_between_two_times() -> None:
    there = ForwardAndBack(steps=10, time=0.37)
    assert there.step == 3
    assert ForwardAndBack(steps=10, time=0.3).step == 3
    back = ForwardAndBack(steps=10, time=0.37, way="back", turn=0.62)
    assert (back.turned, back.step) == (7, 4)
    # The slider may stand above the turning point, the particles may not.
    assert ForwardAndBack(steps=10, time=0.9, way="back", turn=0.5).step == 5
    steps = steps_of(there.process, there.grid.flip(0))
    assert len(steps) == 10


def test_the_law_comes_back_and_places_do_not() -> None:
    # 300 particles, a quarter by chance; five standard errors.
    state: dict[str, Any] = {"n": 300, "steps": 20, "way": "back"}
    far = ForwardAndBack("eight_gaussians", **state).readings()
    near = ForwardAndBack("eight_gaussians", turn=0.2, **state).readings()
    assert far.distance < 2 * far.fresh
    assert abs(far.home - 0.25) < 5 * (0.25 * 0.75 / 300) ** 0.5
    assert near.home > 0.9
