"""The browser's Langevin chains against gmlib.score in float64, and both against closed forms."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from gmlib.widgets import LangevinStep
from gmlib.widgets.draws import Draws
from gmlib.widgets.langevin_step import FAR, HIGH, LOW, MOST, RULES

from .node import assert_same, evaluate

F64 = torch.float64
STEPS = [LOW, 0.25, 1.0, 1.99, 2.0, 2.5, 3.9, 4.0, HIGH]
MODULE = "Chains, factor, forget, histogram, laws, moments, stationary from langevin_chain"


def normals(seed: int, count: int) -> list[float]:
    draws = Draws(seed)
    return [draws.normal() for _ in range(count)]


@pytest.mark.parametrize("rule", RULES)
def test_the_exact_law_at_every_step(rule: str) -> None:
    got = evaluate(
        MODULE,
        "return data.steps.map((step) => { const law = laws(data.rule, step, -2.5, 40);"
        " return [[...law.means], [...law.variances], factor(data.rule, step)]; });",
        rule=rule,
        steps=STEPS,
    )
    for step, (means, variances, factor) in zip(STEPS, got, strict=True):
        for k in (0, 1, 7, 40):
            terms = LangevinStep(step, start=-2.5, steps=k, rule=rule).terms()
            truth = torch.tensor([terms.mean, terms.variance, terms.factor], dtype=F64)
            assert_same([means[k], variances[k], factor], truth)


@pytest.mark.parametrize("rule", RULES)
def test_where_the_chains_settle_and_when(rule: str) -> None:
    got = evaluate(
        MODULE,
        "return data.steps.map((step) => [stationary(data.rule, step), forget(data.rule, step)]);",
        rule=rule,
        steps=STEPS,
    )
    for step, (variance, forget) in zip(STEPS, got, strict=True):
        terms = LangevinStep(step, rule=rule).terms()
        for value, truth in ((variance, terms.stationary), (forget, terms.forget)):
            if math.isinf(truth):
                assert value is None  # JSON has no infinity
            else:
                assert_same(value, torch.tensor(truth, dtype=F64))


def test_stationary_variances_are_the_fixed_points() -> None:
    # V = a^2 V + b^2 with the drift and the noise that the rule's name says.
    for step in (0.01, 0.25, 1.0, 1.9, 3.5):
        written = {
            "langevin": (1 - step / 2, step),
            "double_drift": (1 - step, step),
            "step_noise": (1 - step / 2, step**2),
            "double_noise": (1 - step / 2, 2 * step),
        }
        for rule, (a, b2) in written.items():
            terms = LangevinStep(step, rule=rule).terms()
            assert terms.factor == pytest.approx(a, abs=1e-15)
            assert terms.stationary == pytest.approx(b2 / (1 - a * a) if abs(a) < 1 else math.inf)
    at = {rule: LangevinStep(0.25, rule=rule).terms().stationary for rule in RULES}
    assert [round(value, 3) for value in at.values()] == [1.067, 0.571, 0.267, 2.133]


@pytest.mark.parametrize(
    ("step", "forget"), [(1.0, 7), (2.0, 1), (0.01, 919), (4.0, math.inf), (5.0, math.inf), (1.8, 2)]
)
def test_steps_to_forget(step: float, forget: float) -> None:
    # The first k with |1 - step/2|^k <= 0.01; at 1.8 it is 0.1^2, which is equal but for rounding.
    assert LangevinStep(step).terms().forget == forget


@pytest.mark.parametrize("rule", RULES)
def test_chains_under_the_same_noise(rule: str) -> None:
    k, n, steps = 20, 100, [0.01, 0.25, 2.5, 5.0]
    got = evaluate(
        MODULE,
        "let i = 0; const chains = new Chains(data.n, () => data.noise[i++]);"
        "return data.steps.map((step) => {"
        " chains.at('langevin', 0.5, 0, 7);"  # an earlier run must leave no trace, nor use other noise
        " chains.at(data.rule, step, -3, 5, 2);"  # and a run may be continued
        " const places = [...chains.at(data.rule, step, -3, data.k, 2)];"
        " return [places, moments(places), chains.paths]; });",
        noise=normals(5, n * k),
        rule=rule,
        steps=steps,
        n=n,
        k=k,
    )
    for step, (places, drawn, paths) in zip(steps, got, strict=True):
        sample = LangevinStep(step, start=-3.0, steps=k, rule=rule, n=n, seed=5).sample()
        assert_same(places, sample)
        assert_same([drawn["mean"], drawn["variance"]], torch.stack([sample.mean(), sample.var()]))
        assert [path[0] for path in paths] == [-3, -3]
        assert [path[-1] for path in paths] == places[:2]
        assert [len(path) for path in paths] == [k + 1, k + 1]


@pytest.mark.parametrize("rule", RULES)
def test_a_sample_has_the_moments_of_its_law(rule: str) -> None:
    # n = 2000 chains, four standard errors.
    widget = LangevinStep(0.5, start=2.0, steps=6, rule=rule, n=2000)
    sample, terms = widget.sample(), widget.terms()
    assert abs(float(sample.mean()) - terms.mean) < 4 * (terms.variance / 2000) ** 0.5
    assert abs(float(sample.var()) - terms.variance) < 4 * terms.variance * (2 / 1999) ** 0.5


def test_chains_that_diverge_stay_numbers() -> None:
    got = evaluate(
        MODULE,
        "let s = 1; const chains = new Chains(100, () => (s = -s));"
        f"const places = [...chains.at('double_drift', 5, 0, {MOST})];"
        f"const law = laws('double_drift', 5, 0, {MOST}); const m = moments(places);"
        f"return [places, m.mean, m.variance, law.means[{MOST}], law.variances[{MOST}] === Infinity,"
        " histogram(places, -6, 6, 60)];",
    )
    places, mean, variance, exact, infinite, counts = got
    assert {abs(x) for x in places} == {FAR}
    assert abs(mean) <= FAR
    assert variance is not None
    assert exact == 0
    assert infinite
    assert counts["below"] + counts["above"] == 100
    terms = LangevinStep(5.0, start=0.0, steps=MOST, rule="double_drift").terms()
    assert (terms.mean, terms.variance, terms.stationary) == (0.0, math.inf, math.inf)


def test_every_chain_is_in_one_bin() -> None:
    x = torch.tensor([*normals(2, 500), -6.0, 6.0, 5.9999999, 7.0, -8.0], dtype=F64)
    got: dict[str, Any] = evaluate(
        MODULE, "const h = histogram(data.x, -6, 6, 60); return { ...h, bins: [...h.bins] };", x=x
    )
    truth = torch.histc(x[(x >= -6) & (x < 6)], 60, -6, 6)
    assert_same(got["bins"], truth)
    assert (got["below"], got["above"]) == (1, 2)
