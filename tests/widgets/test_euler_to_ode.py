"""The browser's linear flows and Euler's maps against torch in float64."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from gmlib.flows import ContinuousFlow, solve_ode
from gmlib.widgets import EulerToOde
from gmlib.widgets.euler_to_ode import FIELDS, MOST

from .node import assert_same, evaluate

F64 = torch.float64
MODULE = (
    "apply, determinant, eulerLogDet, eulerMaps, exponential, norm, stepOf, steps, trace, traceOfSquare"
    " from linear_field"
)
# Equal eigenvalues with and without a full set of eigenvectors, none at all, and two that are nearly equal.
ODD = [
    [[0.0, 0.0], [0.0, 0.0]],
    [[1.0, 0.0], [0.0, 1.0]],
    [[-1.0, 2.0], [0.0, -1.0]],
    [[1.0, 1e-9], [1e-9, 1.0]],
]
MATRICES = [[list(rows[:2]), list(rows[2:])] for rows, _ in FIELDS.values()] + ODD


def readings(widgets: list[EulerToOde]) -> list[dict[str, Any]]:
    """What the page computes for these widgets."""
    return evaluate(
        MODULE,
        "return data.states.map(({ matrix, n, time, start }) => {"
        " const [log, exact] = [eulerLogDet(matrix, n, time), time * trace(matrix)];"
        " const maps = eulerMaps(matrix, n, time); const path = maps.map((map) => apply(map, start));"
        " const end = apply(exponential(matrix, time), start);"
        " return { log_det: log, exact, difference: log - exact, first_order: -0.5 * time * traceOfSquare(matrix) / n,"
        " det: determinant(stepOf(matrix, 1 / n)), stretch: norm(matrix) / n,"
        " apart: Math.hypot(path.at(-1)[0] - end[0], path.at(-1)[1] - end[1]), path }; });",
        states=[
            {"matrix": w.matrix.flatten().tolist(), "n": w.n, "time": w.time, "start": w.start}
            for w in widgets
        ],
    )


def test_the_page_shows_torchs_numbers() -> None:
    widgets = [
        EulerToOde(matrix, n=n, time=time, start=(0.7, -1.1))
        for matrix in MATRICES
        for n, time in ((1, 3.0), (3, 1.25), (4, 0.0), (MOST, 4.0), (10, 0.3))
    ]
    for widget, got in zip(widgets, readings(widgets), strict=True):
        terms = vars(widget.terms())
        for name, value in terms.items():
            if math.isinf(value):
                assert got[name] is None  # JSON has no infinity
            else:
                assert_same(got[name], torch.tensor(value, dtype=F64))
        assert_same(got["path"], widget.path())


def test_exponentials() -> None:
    times = [0.0, 0.3, 1.0, 4.0]
    got = evaluate(
        MODULE,
        "return data.matrices.map((rows) => data.times.map((t) => exponential(rows.flat(), t)));",
        matrices=torch.tensor(MATRICES, dtype=F64),
        times=times,
    )
    for rows, matrices in zip(MATRICES, got, strict=True):
        a = torch.tensor(rows, dtype=F64)
        assert_same(matrices, torch.stack([torch.linalg.matrix_exp(t * a) for t in times]))


def test_steps_end_at_the_time() -> None:
    cases = [(1, 0.0), (1, 0.4), (3, 1.0), (7, 0.7), (100, 3.99), (12, 2.0), (49, 1.0)]
    got = evaluate(MODULE, "return data.cases.map(([n, t]) => steps(n, t));", cases=cases)
    for (n, time), counted in zip(cases, got, strict=True):
        lengths = EulerToOde(n=n, time=time).step_lengths()
        assert sum(lengths) == pytest.approx(time, abs=1e-12)
        assert len(lengths) == counted["whole"] + (counted["rest"] > 0)
        assert max([0, *lengths]) <= 1 / n + 1e-12


def test_the_difference_is_of_first_order_and_its_coefficient_is_known() -> None:
    # log det(I + s A) = s tr A - s^2/2 tr A^2 + s^3/3 tr A^3 - ...: the next term bounds what is left.
    for name in ("rotation", "spiral", "saddle", "sink"):
        a = EulerToOde(name).matrix
        cube = (
            abs(float(torch.linalg.eigvals(a).pow(3).sum().real)) + float(torch.linalg.matrix_norm(a, 2)) ** 4
        )
        for n in (25, 50, 100):
            terms = EulerToOde(name, n=n, time=2.0).terms()
            assert terms.difference == pytest.approx(terms.first_order, abs=2 * cube / n**2)
    # A nilpotent field: every step has the flow's determinant.
    assert EulerToOde("shear", n=1, time=3.0).terms().log_det == 0
    # Eigenvalues 1 + i and 1 - i: their squares cancel, and the order is two.
    halves = [EulerToOde([[1.0, -1.0], [1.0, 1.0]], n=n, time=1.0).terms() for n in (20, 40)]
    assert halves[0].first_order == 0
    assert halves[0].difference / halves[1].difference == pytest.approx(4, rel=0.05)


def test_steps_that_flatten_and_turn_over() -> None:
    sink = [EulerToOde("sink", n=n, time=2.0).terms() for n in (1, 2, 3)]
    assert [round(terms.det, 12) for terms in sink] == [-0.4, 0.0, round((1 - 2 / 3) * (1 - 0.2), 12)]
    assert sink[1].log_det == -math.inf
    for terms in sink:
        assert terms.stretch >= 1 or terms.det > 0
    for n in range(1, 20):
        terms = EulerToOde("spiral", n=n).terms()
        assert terms.stretch >= 1 or terms.det > 0


def test_the_limit_is_gmlibs_continuous_flow() -> None:
    widget = EulerToOde("spiral", n=100, time=1.5)
    a = widget.matrix
    flow = ContinuousFlow(lambda x, t: x @ a.T, (2,), time=1.5, method="rk4", steps=60)
    start = torch.tensor(widget.start, dtype=F64)[None]
    with torch.no_grad():
        end, log_det = flow.inverse(start)
    terms = widget.terms()
    assert terms.exact == pytest.approx(float(log_det), abs=1e-9)
    assert terms.apart == pytest.approx(float((widget.path()[-1] - end[0]).norm()), abs=1e-6)
    (euler,) = solve_ode(lambda state, t: (state[0] @ a.T,), (start,), 0.0, 1.5, method="euler", steps=150)
    assert float((euler[0] - widget.path()[-1]).abs().max()) < 1e-12
