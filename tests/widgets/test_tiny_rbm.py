"""The browser's tiny machine against gmlib.energy in float64, and both against sums that are written out."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch

from gmlib.energy import RBM
from gmlib.widgets import TinyRBM
from gmlib.widgets.draws import Draws
from gmlib.widgets.tiny_rbm import D_H, LAWS, LIMIT, MACHINES, NAMES, D

from .node import assert_same, evaluate

F64 = torch.float64
MODULE = "afterSteps, angle, Chain, enumerate, follow, landscape, parameters, report, traits from rbm"
CASES = [*itertools.product(MACHINES, LAWS)]


def given(widget: TinyRBM) -> dict[str, Any]:
    return {"p": flat(widget.machine), "data": widget.data_law}


def flat(machine: RBM) -> torch.Tensor:
    return torch.cat([machine.weight.detach().flatten(), machine.b.detach(), machine.c.detach()])


@pytest.mark.parametrize("k", [1, 3, 10])
def test_every_number_is_that_of_gmlib(k: int) -> None:
    widgets = [TinyRBM(machine, data=law, k=k) for machine, law in CASES]
    got = evaluate(
        MODULE,
        "return data.all.map(({ p, law }) => report(p, law, data.k));",
        all=[{"p": flat(w.machine).tolist(), "law": w.data_law.tolist()} for w in widgets],
        k=k,
    )
    for widget, found in zip(widgets, got, strict=True):
        terms = widget.terms()
        exact, cd = widget.gradients()
        assert_same(found["law"], widget.model_law)
        assert_same(found["exact"], exact.vector())
        assert_same(found["cd"], cd.vector())
        names = ("logZ", "likelihood", "kl", "left", "objective")
        truth = [terms.log_z, terms.log_likelihood, terms.kl, terms.left, terms.objective]
        assert_same([found[name] for name in names], torch.tensor(truth, dtype=F64))
        if terms.angle is None or terms.error is None:
            assert found["error"] is None or found["angle"] is None
        elif terms.error < 1e3:  # where the gradient is not 0 but for rounding
            assert_same([found["angle"], found["error"]], torch.tensor([terms.angle, terms.error], dtype=F64))


def test_the_law_is_a_sum_that_is_written_out() -> None:
    widget = TinyRBM()
    weight, b, c = (torch.tensor(v, dtype=F64) for v in (widget.weight, widget.b, widget.c))
    sums = []
    for x in itertools.product((0.0, 1.0), repeat=D):
        v = torch.tensor(x, dtype=F64)
        h = torch.tensor([*itertools.product((0.0, 1.0), repeat=D_H)], dtype=F64)
        sums.append(float((h @ (weight.T @ v + c) + v @ b).exp().sum()))
    total = torch.tensor(sums, dtype=F64)
    found = evaluate(MODULE, "return enumerate(data.p);", **given(widget))
    assert_same(found["law"], total / total.sum())
    assert_same(found["logZ"], total.sum().log())


def test_a_parameter_is_under_the_pointer_where_it_is_taken_hold_of() -> None:
    found = evaluate(
        "near, spot from rbm_graph",
        "const stage = { x: (v) => 90 * v, y: (v) => 200 * (1 - v) };"
        "const at = (i, dx = 0, dy = 0) => near(stage, stage.x(spot(i)[0]) + dx, stage.y(spot(i)[1]) + dy);"
        "return { there: data.names.map((_, i) => at(i)), beside: at(18, 20, 0), away: near(stage, -60, 100) };",
        names=NAMES,
    )
    assert found == {"there": [*range(len(NAMES))], "beside": len(NAMES) - 1, "away": -1}


def test_at_the_machines_own_law_nothing_pulls() -> None:
    found = evaluate(MODULE, "return report(data.p, data.data, 2);", **given(TinyRBM(data="reference")))
    assert max(map(abs, found["exact"])) < 1e-12
    assert max(map(abs, found["cd"])) < 1e-12
    assert abs(found["kl"]) < 1e-12
    assert TinyRBM(data="reference").terms().error is None


@pytest.mark.parametrize("rule", ["exact", "cd"])
@pytest.mark.parametrize("machine", MACHINES)
def test_steps_uphill_are_those_of_gmlib(rule: str, machine: str) -> None:
    widget = TinyRBM(machine, data=str(MACHINES[machine]["data"]), rule=rule, k=2, lr=1.5)
    found = evaluate(
        MODULE,
        "return follow(data.p, data.data, { rule: data.rule, k: 2, rate: 1.5, steps: 60 });",
        **given(widget),
        rule=rule,
    )
    assert_same(found, flat(widget.followed(60)))


def test_parameters_stay_within_their_limit() -> None:
    weight = torch.full((D, D_H), LIMIT, dtype=F64)
    start = RBM.from_weights(weight, torch.full((D,), -LIMIT, dtype=F64), torch.zeros(D_H, dtype=F64))
    widget = TinyRBM(start, data="one", lr=5.0)
    found = evaluate(
        MODULE,
        "return follow(data.p, data.data, { rule: 'exact', k: 1, rate: 5, steps: 5 });",
        **given(widget),
    )
    assert_same(found, flat(widget.followed(5)))
    assert max(map(abs, found)) <= LIMIT


def test_where_the_chain_is_stuck_contrastive_divergence_climbs_the_wrong_way() -> None:
    # All off and all on, 0.8 to 0.2 in the data: CD-1 sees hardly any of the difference.
    start = TinyRBM("stuck", data="lopsided", lr=0.5)
    exact, cd = start.gradients()
    assert float(cd.vector().norm()) < 0.1 * float(exact.vector().norm())
    kl = {
        rule: TinyRBM(TinyRBM("stuck", data="lopsided", rule=rule).followed(500), data="lopsided").terms().kl
        for rule in ("exact", "cd")
    }
    assert kl["exact"] < 0.05 < start.terms().kl < kl["cd"]


def test_the_chain_under_the_same_noise() -> None:
    for machine in MACHINES:
        widget = TinyRBM(machine, seed=3)
        draws = Draws(3)
        noise = [draws.uniform() for _ in range(100 * (D + D_H))]
        got = evaluate(
            MODULE,
            "let i = 0; const chain = new Chain(data.p, () => data.noise[i++]);"
            "chain.step(40); chain.step(60); return [chain.frequencies, chain.steps, i];",
            p=flat(widget.machine),
            noise=noise,
        )
        assert_same(got[0], widget.visits(100))
        assert got[1:] == [100, len(noise)]


def test_the_chain_settles_on_the_exact_law() -> None:
    # From any law the law after k steps approaches the machine's, and the machine's own stays where it is.
    widget = TinyRBM(data="lopsided")
    got = evaluate(
        MODULE,
        "const { law } = enumerate(data.p);"
        "return [law, afterSteps(data.p, law, 3), afterSteps(data.p, data.data, 40)];",
        **given(widget),
    )
    assert_same(got[1], torch.tensor(got[0], dtype=F64))
    assert_same(got[2], torch.tensor(got[0], dtype=F64))


def test_the_landscape_is_the_likelihood_over_two_parameters() -> None:
    widget = TinyRBM()
    axes = [NAMES.index("W23"), NAMES.index("c1")]
    side = 5
    got = evaluate(
        MODULE,
        "return [...landscape(data.p, data.data, data.axes, data.side)];",
        **given(widget),
        axes=axes,
        side=side,
    )
    truth = []
    for up, right in itertools.product(torch.linspace(-LIMIT, LIMIT, side).tolist(), repeat=2):
        values = flat(widget.machine)
        values[axes[0]], values[axes[1]] = right, up
        machine = RBM.from_weights(values[:12].reshape(D, D_H), values[12:16], values[16:])
        truth.append(TinyRBM(machine).terms().log_likelihood)
    assert_same(got, torch.tensor(truth, dtype=F64))


def test_parameters_are_listed_as_gradients_are() -> None:
    widget = TinyRBM()
    got = evaluate(
        MODULE,
        "const p = parameters(data.weight, data.b, data.c); return [p, traits(p)];",
        weight=widget.weight,
        b=widget.b,
        c=widget.c,
    )
    assert got[0] == flat(widget.machine).tolist()
    assert got[1] == {"weight": widget.weight, "b": widget.b, "c": widget.c}
    assert NAMES.index("W21") == D_H
    assert NAMES.index("b1") == D * D_H
    assert NAMES.index("c3") == len(got[0]) - 1


def test_a_law_of_the_readers_own() -> None:
    law = torch.arange(16, dtype=F64) / 120
    widget = TinyRBM(data=law)
    assert widget.data == "own"
    assert torch.allclose(widget.data_law, law, rtol=1e-12)
    assert "own" not in LAWS


@pytest.mark.parametrize(
    ("a", "b", "degrees"), [([1, 0], [0, 2], 90), ([1, 1], [2, 2], 0), ([1, 0], [-3, 0], 180)]
)
def test_angles(a: list[float], b: list[float], degrees: float) -> None:
    assert evaluate(MODULE, "return angle(data.a, data.b);", a=a, b=b) == pytest.approx(degrees, abs=1e-6)
    assert evaluate(MODULE, "return angle(data.a, [0, 0]);", a=a) is None
