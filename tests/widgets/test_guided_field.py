"""The browser's labelled law, guidance and runs against gmlib in float64, on the same noise."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from traitlets import TraitError

from gmlib.noise import VPCosine
from gmlib.noise.guidance import ClassifierFree, ClassifierGuided
from gmlib.noise.samplers import ddim, even_times
from gmlib.widgets import GuidedField
from gmlib.widgets.draws import Draws
from gmlib.widgets.guided_field import CLASSES, COUNT, LAWS, _law

from .node import assert_same, evaluate

F64 = torch.float64
WEIGHTS = [0.0, 1.0, 6.0]


def points(n: int = 40) -> torch.Tensor:
    return 1.5 * torch.randn(n, 2, generator=torch.Generator().manual_seed(0), dtype=F64)


@pytest.mark.parametrize("name", LAWS)
def test_guided_denoisers_at_every_noise_level(name: str) -> None:
    x, times = points(), [0.999, 0.4, 0.02]
    denoiser = _law(name).denoiser(VPCosine())
    got = evaluate(
        "LabelledLaw from labelled_law",
        "const law = new LabelledLaw(data.law); const x = Float64Array.from(data.x.flat());"
        "return data.levels.map(([alpha, sigma]) => data.weights.map((w) => [0, 2].map((label) =>"
        " [...law.guided(label, w)(x, alpha, sigma)])));",
        law=LAWS[name],
        x=x,
        levels=[[float(VPCosine().alpha(t)), float(VPCosine().sigma(t))] for t in times],
        weights=WEIGHTS,
    )
    for t, by_weight in zip(times, got, strict=True):
        for w, by_label in zip(WEIGHTS, by_weight, strict=True):
            guided = ClassifierFree(denoiser, w, {"label": CLASSES})
            for label, values in zip([0, 2], by_label, strict=True):
                assert_same(values, guided.x0(x, t, label=torch.full((len(x),), label)))


@pytest.mark.parametrize("name", LAWS)
def test_the_three_fields_are_scores_and_bayes_rule(name: str) -> None:
    x, t, w = points(), 0.3, 2.5
    law, schedule = _law(name), VPCosine()
    denoiser, label = law.denoiser(schedule), torch.full((len(x),), 1)
    none = torch.full_like(label, CLASSES)
    got = evaluate(
        "LabelledLaw from labelled_law",
        "const law = new LabelledLaw(data.law); const x = Float64Array.from(data.x.flat());"
        "return law.scores(x, data).map((field) => [...field]);",
        law=LAWS[name],
        x=x,
        label=1,
        w=w,
        alpha=float(schedule.alpha(t)),
        sigma=float(schedule.sigma(t)),
    )
    unconditional = lambda x, t: denoiser(x, t, label=none)  # noqa: E731
    by_classifier = ClassifierGuided(
        type(denoiser)(unconditional, schedule, "x0"), law.classifier(schedule), w
    )
    assert_same(got[0], denoiser.score(x, t, label=none))
    assert_same(got[1], denoiser.score(x, t, label=label))
    assert_same(got[2], by_classifier.score(x, t, label=label))


@pytest.mark.parametrize("name", LAWS)
def test_the_judge_is_the_best_classifier(name: str) -> None:
    x, law = points(200), _law(name)
    got = evaluate(
        "LabelledLaw from labelled_law",
        "const law = new LabelledLaw(data.law); const x = Float64Array.from(data.x.flat());"
        "return { judged: [...law.judge(x)], variances: law.each.map((one) => one.moments().variance) };",
        law=LAWS[name],
        x=x,
    )
    one = torch.ones((), dtype=F64)
    assert got["judged"] == law.class_log_prob(x, one, 0 * one).argmax(-1).tolist()
    assert_same(got["variances"], torch.stack([each.variance for each in law.laws]))


RUN = (
    "const law = new LabelledLaw(data.law); let i = 0;"
    "const run = new GuidedRun(law, { ...data.state, n: data.n }, () => data.tape[i++]);"
    "const { path, calls } = run.run(data.w);"
    "return { path: path.map((points) => [...points]), calls, ...law.measure(path.at(-1), data.state.label) };"
)


@pytest.mark.parametrize(
    "state",
    [
        {},
        {"law": "pairs", "sampler": "ancestral", "w": 2.0, "asked": 1},
        {"law": "star", "interval": (0.3, 0.8), "w": 6.0},
        {"law": "pairs", "w": 0.0, "asked": 2, "interval": (0.0, 0.5), "sampler": "ancestral"},
        {"law": "star", "w": 1.0, "seed": 4},
        {"w": 0.0, "steps": 9},
    ],
)
def test_a_run_is_that_of_gmlib(state: dict[str, Any]) -> None:
    shown = GuidedField(**{"steps": 6, **state})
    draws = Draws(shown.seed)
    got = evaluate(
        "LabelledLaw from labelled_law; GuidedRun from guided_run",
        RUN,
        law=LAWS[shown.law],
        n=COUNT,
        w=shown.w,
        tape=[draws.normal() for _ in range(2 * COUNT * (shown.steps + 1))],
        state={
            "label": shown.asked,
            "steps": shown.steps,
            "sampler": shown.sampler,
            "interval": shown.interval if shown.limited else None,
        },
    )
    readings = shown.readings()
    assert_same(got["path"], shown.path().flatten(1))
    assert got["calls"] == readings.calls
    assert_same(
        [got["accuracy"], got["spread"]], torch.tensor([readings.accuracy, readings.spread], dtype=F64)
    )


def test_a_run_is_gmlibs_ddim() -> None:
    shown = GuidedField("star", steps=10, w=2.0, interval=(0.2, 0.6))
    path = shown.path()
    label = torch.full((COUNT,), 0)
    found = ddim(shown.denoiser, path[0], even_times(VPCosine(), 10), label=label)
    assert torch.allclose(found.x, path[-1], rtol=1e-12, atol=1e-12)
    # Of the times 0.0999 k, those with k = 3 to 6 lie between.
    assert shown.readings().calls == 14


def test_more_weight_is_more_of_the_class_and_less_of_its_spread() -> None:
    told, guided = (GuidedField("pairs", w=w, steps=10).readings() for w in (1.0, 4.0))
    untold = GuidedField("pairs", w=0.0, steps=10).readings()
    # By chance a third are right, n = 600: five standard errors.
    assert abs(untold.accuracy - 1 / 3) < 5 * (2 / 9 / COUNT) ** 0.5
    assert guided.accuracy >= told.accuracy > 0.9
    assert guided.spread < 0.3 * told.spread


@pytest.mark.parametrize("interval", [[0.2], [0.1, 0.5, 0.7], [0.7, 0.2], [-0.1, 0.5], [0.5, 1.1]])
def test_an_interval_that_is_none_is_refused(interval: list[float]) -> None:
    shown = GuidedField(interval=(0.3, 0.6))
    with pytest.raises(TraitError):
        shown.interval = interval
    assert shown.interval == [0.3, 0.6]


def test_what_is_said_makes_the_same_widget() -> None:
    for shown in (GuidedField(time=0.25), GuidedField("pairs", interval=(0.1, 0.9))):
        again = eval(repr(shown))
        assert (again.time, again.limited, again.interval) == (shown.time, shown.limited, shown.interval)


def test_the_classes_are_turned_by_thirds() -> None:
    for law in map(_law, LAWS):
        means = torch.stack([one.mean for one in law.laws])
        assert torch.allclose(means.norm(dim=1), means[0].norm().expand(3))
        assert torch.allclose(means.sum(0), torch.zeros(2, dtype=F64), atol=1e-12)
