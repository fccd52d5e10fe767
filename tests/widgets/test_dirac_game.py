"""The browser's DiracGAN against gmlib.gan in float64; its flow and its eigenvalues against closed forms."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
import torch

from gmlib.gan import play
from gmlib.widgets import DiracLaboratory
from gmlib.widgets.dirac_laboratory import LOSSES, PENALTIES, PRESETS, RULES

from .node import assert_same, evaluate

F64 = torch.float64
SETTINGS = (
    "const settings = { loss: data.loss, penalty: data.penalty, gamma: data.gamma, rate: data.rate };"
    "const extra = { momentum: data.momentum, inner: data.inner, strength: data.strength };"
    "const game = diracGame(settings);"
)


def given(widget: DiracLaboratory) -> dict[str, Any]:
    """The widget's settings as the module takes them."""
    names = ("loss", "penalty", "rule", "momentum", "inner", "strength", "steps")
    gamma = 0.0 if widget.penalty == "none" else widget.gamma
    return {
        **{name: getattr(widget, name) for name in names},
        "gamma": gamma,
        "rate": widget.rate_theta,
        "eta": widget.step,
        "start": [widget.start_phi, widget.start_theta],
    }


@pytest.mark.parametrize("rule", RULES)
def test_a_hundred_steps_of_every_rule(rule: str) -> None:
    starts = torch.tensor([[1.0, 1.0], [-0.7, 2.3], [0.0, -1.5]], dtype=F64)
    rates = itertools.cycle((1.0, 0.25, 1.7))
    widgets = [
        DiracLaboratory(
            rule=rule, loss=loss, penalty=penalty, step=0.1, gamma=0.8, rate_theta=rate,
            momentum=0.3, inner=0.4, strength=0.6, steps=100,
        )
        for (loss, penalty), rate in zip(itertools.product(LOSSES, PENALTIES), rates, strict=False)
    ]  # fmt: skip
    got = evaluate(
        "diracGame, steps from dirac_game",
        f"return data.all.map((data) => {{ {SETTINGS} return data.starts.map((start) =>"
        " [...steps(game, data.rule, start, data.eta, extra, data.steps).to(data.steps)]); });",
        all=[{**given(widget), "starts": starts.tolist()} for widget in widgets],
    )
    for widget, places in zip(widgets, got, strict=True):
        truth = play(widget.game, starts, widget.update, 100)
        assert_same(places, truth.transpose(0, 1))
    assert_same(got[0][0], widgets[0].path())


@pytest.mark.parametrize("preset", PRESETS)
def test_the_experiments_and_their_numbers(preset: str) -> None:
    widget = DiracLaboratory(preset)
    modulus, places, kept, values = evaluate(
        "diracGame, steps, stepEigenvalues, modulus, energy, invariant from dirac_game",
        SETTINGS + "const values = stepEigenvalues(settings, data.rule, data.eta, extra);"
        "const places = [...steps(game, data.rule, data.start, data.eta, extra, data.steps).to(data.steps)];"
        "const [p, t] = places.slice(-2);"
        "return [modulus(values), places, [energy(p, t, data.rate), invariant(p, t, data, data.eta)], values];",
        **given(widget),
    )
    terms = widget.terms()
    assert terms.modulus is not None
    assert_same(modulus, torch.tensor(terms.modulus, dtype=F64))
    assert_same(places, widget.path())
    assert_same(kept[0], torch.tensor(terms.radius**2, dtype=F64))
    assert (terms.invariant is not None) == (preset in ("circle", "drift", "ellipse"))
    if terms.invariant is not None:
        assert_same(kept[1], torch.tensor(terms.invariant, dtype=F64))
    truth = sorted((value.real, value.imag) for value in widget.eigenvalues().tolist())
    assert_same(sorted(values), torch.tensor(truth, dtype=F64))


@pytest.mark.parametrize("eta", [0.1, 1.0, 2.5])
def test_moduli_in_closed_form(eta: float) -> None:
    s = eta * math.sqrt(0.25)  # of the rates 1 and 1/4
    cases = [
        (DiracLaboratory(rule=rule, step=eta, rate_theta=0.25), truth)
        for rule, truth in (
            ("simultaneous", math.sqrt(1 + s**2)),
            ("alternating", 1.0),
            ("extragradient", math.sqrt(1 - s**2 + s**4)),
            ("competitive", 1 / math.sqrt(1 + s**2)),
            ("rk4", math.sqrt(1 - s**6 / 72 + s**8 / 576)),
        )
    ]
    # The unrolled step has the determinant 1 - 2 s eta + eta^2; consensus is 1 - eta gamma beside the angle eta.
    cases += [
        (DiracLaboratory(rule="unrolled", step=0.1, inner=0.5), math.sqrt(0.91)),
        (DiracLaboratory(rule="consensus", step=0.1, strength=0.5), math.hypot(0.95, 0.1)),
    ]
    got = evaluate(
        "diracGame, stepEigenvalues, modulus from dirac_game",
        f"return data.all.map((data) => {{ {SETTINGS}"
        " return modulus(stepEigenvalues(settings, data.rule, data.eta, extra)); });",
        all=[given(widget) for widget, _ in cases],
    )
    for value, (widget, truth) in zip(got, cases, strict=True):
        for found in (value, widget.terms().modulus):
            assert found == pytest.approx(truth, abs=1e-9), widget.rule


def test_a_penalty_makes_the_step_contract_up_to_a_size() -> None:
    # The logistic loss with R1: J = [[-g, 1/2], [-1/2, 0]], critical at g = 1 with the double eigenvalue -1/2.
    got = evaluate(
        "flowEigenvalues, largestStep, stepEigenvalues, modulus from dirac_game",
        "return data.gammas.map((gamma) => { const settings = { loss: 'logistic', penalty: 'r1', gamma, rate: 1 };"
        "const values = flowEigenvalues(settings, 'simultaneous', {}); const most = largestStep(values);"
        "const at = (eta) => modulus(stepEigenvalues(settings, 'simultaneous', eta, {}));"
        "return { values, most, below: at(0.999 * most), above: at(1.001 * most) }; });",
        gammas=[0.2, 1.0, 2.0],
    )
    for gamma, found in zip((0.2, 1.0, 2.0), got, strict=True):
        roots = torch.linalg.eigvals(torch.tensor([[-gamma, 0.5], [-0.5, 0.0]], dtype=F64)).tolist()
        most = min(-2 * root.real / abs(root) ** 2 for root in roots)
        # Eigenvalues of a double root are known to half the digits only.
        assert found["most"] == pytest.approx(most, rel=1e-6)
        assert found["below"] < 1 < found["above"]
    assert got[1]["values"] == [[-0.5, 0], [-0.5, 0]]
    assert got[1]["most"] == 4


@pytest.mark.parametrize(
    ("rule", "matrix"),
    [
        ("simultaneous", [[-0.6, 1.0], [-0.25, 0.0]]),
        ("momentum", [[-0.6 / 0.7, 1 / 0.7], [-0.25 / 0.7, 0.0]]),
        # The imagined critic is phi + s (theta - gamma phi); its slope by theta is s.
        ("unrolled", [[-0.6, 1.0], [-0.25 * (1 - 0.4 * 0.6), -0.25 * 2 * 0.4]]),
    ],
)
def test_the_flow_is_the_exponential_of_its_matrix(rule: str, matrix: list[list[float]]) -> None:
    # The linear loss with R1 of 0.6, the rate 1/4, momentum .3 and an inner step of .4.
    widget = DiracLaboratory(
        rule=rule, penalty="r1", gamma=0.6, rate_theta=0.25, momentum=0.3, inner=0.4, step=0.5, steps=20
    )
    places, values = evaluate(
        "diracGame, flow, flowEigenvalues from dirac_game",
        SETTINGS
        + "return [[...flow(game, data.rule, data.start, data.eta, extra, data.steps, 13).to(data.steps * 13)],"
        "flowEigenvalues(settings, data.rule, extra)];",
        **given(widget),
    )
    a = torch.tensor(matrix, dtype=F64)
    times = torch.arange(20 * 13 + 1, dtype=F64) * 0.5 / 13
    truth = torch.linalg.matrix_exp(times[:, None, None] * a) @ torch.ones(2, dtype=F64)
    assert_same(places, truth)
    roots = sorted((root.real, root.imag) for root in torch.linalg.eigvals(a).tolist())
    assert_same(sorted(values), torch.tensor(roots, dtype=F64))


def test_the_flow_keeps_its_energy_and_alternating_steps_their_invariant() -> None:
    flow, steps = evaluate(
        "diracGame, energy, flow, invariant, steps from dirac_game",
        "const at = (w, f) => Array.from({ length: w.length / 2 }, (_, i) => f(w[2 * i], w[2 * i + 1]));"
        "const spread = (values) => (Math.max(...values) - Math.min(...values)) / values[0];"
        "const game = (loss) => diracGame({ loss, rate: 0.25 });"
        "const along = flow(game('logistic'), 'rk4', [1, 1], 0.5, {}, 200, 13).to(2600);"
        "const made = steps(game('linear'), 'alternating', [1, 1], 0.5, {}, 2000).to(2000);"
        "const kept = (p, t) => invariant(p, t, { loss: 'linear', rate: 0.25 }, 0.5);"
        "return [spread(at(along, (p, t) => energy(p, t, 0.25))), spread(at(made, kept))];",
    )
    assert flow < 1e-6
    assert steps < 1e-9


def test_a_kink_has_no_eigenvalues() -> None:
    got = evaluate(
        "stepEigenvalues, flowEigenvalues from dirac_game",
        "const settings = { loss: 'linear', penalty: 'wgan_gp', gamma: 1, rate: 1 };"
        "return [stepEigenvalues(settings, 'simultaneous', 0.1, {}), flowEigenvalues(settings, 'simultaneous', {})];",
    )
    assert got == [None, None]
    assert DiracLaboratory(penalty="wgan_gp").terms().modulus is None


def test_players_who_left_stay_numbers() -> None:
    places = evaluate(
        "diracGame, steps from dirac_game",
        "return [...steps(diracGame({ loss: 'linear' }), 'simultaneous', [1, 1], 3, {}, 2000).to(2000)];",
    )
    assert all(isinstance(value, int | float) and abs(value) < 1e12 for value in places)


@pytest.mark.parametrize("steps", [1, 7, 100])
def test_simultaneous_steps_multiply_the_radius(steps: int) -> None:
    terms = DiracLaboratory("spiral", step=0.3, steps=steps, start_theta=-0.4).terms()
    assert terms.radius == pytest.approx(math.hypot(1, 0.4) * 1.09 ** (steps / 2), rel=1e-12)
    assert terms.factor == pytest.approx(math.sqrt(1.09), rel=1e-12)
