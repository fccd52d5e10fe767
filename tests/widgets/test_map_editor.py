"""The browser's maps of the line against gmlib.flows and against integrals, in float64."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from gmlib.widgets import MapEditor
from gmlib.widgets.map_editor import FORMULAS, STEEPEST, STRIP

from .node import assert_same, evaluate

F64 = torch.float64
MODULE = "affine, area, bound, law, nlsq, normal, said, spline from scalar_maps"
MAKE = (
    "const make = ({ kind, knots, slopes, a, b, c, d, e, log_scale, shift }) =>"
    " kind === 'affine' ? affine(log_scale, shift)"
    " : kind === 'nlsq' ? nlsq({ a, b, c, d, e }) : spline({ u: [-5, ...knots.map((k) => k[0]), 5],"
    " x: [-5, ...knots.map((k) => k[1]), 5], slopes: [1, ...slopes, 1] });"
)
STEEP: dict[str, Any] = {
    "knots": [(-2.0, -4.6), (0.2, 0.5), (0.5, 3.0), (4.0, 4.5)],
    "slopes": [0.05, 9.0, 2.0, 20.0],
}
MAPS: dict[str, MapEditor] = {
    "spline": MapEditor(),
    "steep spline": MapEditor(**STEEP, probe=-1.7),
    "one knot": MapEditor(knots=[(1.0, -1.0)], slopes=[0.5], probe=2.0),
    "affine": MapEditor("affine"),
    "narrow": MapEditor("affine", log_scale=-1.5, shift=2.5, probe=-1.0),
    "bump": MapEditor("nlsq", a=0.8, b=0.5, c=-1.0, d=1.1, e=0.4, probe=-0.5),
    "almost flat": MapEditor("nlsq", a=1.0, c=0.9999 / STEEPEST, probe=0.5),
}
FOLDS: dict[str, MapEditor] = {
    "fold": MapEditor("nlsq", c=3.0, probe=1.8),
    "fold to the left": MapEditor("nlsq", a=0.4, b=-1.0, c=-2.0, d=2.0, e=1.0, probe=-0.2),
    "deep": MapEditor("nlsq", a=0.1, b=1.0, c=4.0, d=3.0, e=-3.0),
    "far out": MapEditor("nlsq", a=0.1, c=4.0, d=0.3, e=3.0),
}


def state(widget: MapEditor, **other: Any) -> dict[str, Any]:
    return {**{name: getattr(widget, name) for name in widget.shown}, **other}


def readings(widgets: list[MapEditor]) -> list[dict[str, Any]]:
    """What the page computes for these widgets."""
    return evaluate(
        MODULE,
        MAKE + "const flat = affine(0, 0);"
        "return data.states.map((now) => { const map = make(now); const { probe, formula } = now;"
        " const [x, slope] = map.at(probe); const strip = [probe - data.half, probe + data.half];"
        " const ends = strip.map((u) => map.at(u)[0]).sort((p, q) => p - q);"
        " return { x, log_slope: Math.log(Math.abs(slope)), base: normal(probe), density: said(map, formula, x),"
        " area: area(map, formula), below: area(flat, 'right', ...strip), beside: area(map, formula, ...ends),"
        " bound: now.kind === 'nlsq' ? bound(now) : 0, turns: map.turns }; });",
        states=[state(widget) for widget in widgets],
        half=STRIP,
    )


@pytest.mark.parametrize("formula", FORMULAS)
def test_the_page_shows_gmlibs_numbers(formula: str) -> None:
    widgets = [*MAPS.values(), *FOLDS.values()]
    for widget in widgets:
        widget.formula = formula
    for widget, got in zip(widgets, readings(widgets), strict=True):
        for name, value in vars(widget.terms()).items():
            assert_same(got[name], torch.tensor(value, dtype=F64))


@pytest.mark.parametrize("name", MAPS)
def test_there_and_back_as_gmlib_does(name: str) -> None:
    widget = MAPS[name]
    u = torch.linspace(-6, 6, 61, dtype=F64)
    h, params = widget.scalar_map()
    x, log_slope = h.forward(u, params.expand(61, -1))
    got = evaluate(
        MODULE,
        MAKE
        + "const map = make(data.now); return [data.u.map((u) => map.at(u)[0]), data.u.map((u) => Math.log(map.at(u)[1])),"
        " data.x.map((x) => map.roots(x)), data.x.map((x) => said(map, 'right', x)), data.x.map((x) => law(map, x))];",
        now=state(widget),
        u=u,
        x=x,
    )
    assert_same(got[0], x)
    assert_same(got[1], log_slope)
    assert {len(roots) for roots in got[2]} == {1}
    # As well as the slope allows: where it is 1e-4, nine digits of x are five of u.
    places = torch.tensor(got[2], dtype=F64)[:, 0]
    assert float(((places - u) * log_slope.exp().clamp(max=1)).abs().max()) < 1e-12
    density = widget.flow().log_prob(x[:, None]).exp().detach()
    close = log_slope > math.log(1e-3)
    for column in (3, 4):
        assert_same(torch.tensor(got[column], dtype=F64)[close].tolist(), density[close])


@pytest.mark.parametrize("name", FOLDS)
def test_a_fold_has_three_u_for_one_x(name: str) -> None:
    widget = FOLDS[name]
    left, right = widget.terms().turns
    heights = widget._at(torch.tensor([left, right], dtype=F64))[0]
    low, high = sorted(heights.tolist())
    assert heights[0] == high, "it falls from the first turn to the second"
    x = torch.linspace(low, high, 9, dtype=F64)[1:-1]
    got = evaluate(
        MODULE,
        MAKE + "const map = make(data.now); return data.x.map((x) => map.roots(x));",
        now=state(widget),
        x=x,
    )
    for value, roots in zip(x, got, strict=True):
        assert len(roots) == 3
        assert roots[0] < left < roots[1] < right < roots[2]
        assert_same(widget._at(torch.tensor(roots, dtype=F64))[0].tolist(), value.expand(3))
    # The law of h(u) has all its mass; what the first u says of it is what the area counts.
    whole = evaluate(
        MODULE + "; integratePieces from quadrature",
        MAKE
        + "const map = make(data.now); const cuts = map.turns.map((u) => map.at(u)[0]).sort((p, q) => p - q);"
        "return integratePieces((x) => law(map, x), [map.reach[0], ...cuts, map.reach[1]], 1e-9);",
        now=state(widget),
    )
    assert whole == pytest.approx(1, abs=1e-5)
    widget.formula = "right"
    assert widget.terms().area < 1 - 1e-6


def test_areas_that_can_be_done_by_hand() -> None:
    # E h' and E h'^2 of u e^a + mu; a density has area 1 whatever the map.
    for widget in MAPS.values():
        widget.formula = "right"
        assert widget.terms().area == pytest.approx(1, abs=1e-12)
    areas = [MapEditor("affine", formula=formula).terms().area for formula in FORMULAS]
    assert areas == pytest.approx([1, 2, 4], abs=1e-12)
    # E h' of a line with a bump at its middle: the bump is even, its slope odd.
    even = MapEditor("nlsq", a=0.9, c=0.7, d=1.2, formula="forgotten")
    assert even.terms().area == pytest.approx(0.9, abs=1e-12)


@pytest.mark.parametrize("c", [1.0, -1.0])
def test_the_bound_is_where_the_slope_touches_zero(c: float) -> None:
    steep = 1 / STEEPEST
    below, above = (MapEditor("nlsq", a=1.0, c=share * steep * c) for share in (0.999, 1.001))
    assert below.terms().turns == ()
    assert len(above.terms().turns) == 2
    u = torch.linspace(-3, 3, 6001, dtype=F64)
    at = MapEditor("nlsq", a=1.0, c=steep * c)
    assert at.terms().turns == ()
    slope = at._at(u)[1]
    assert 0 <= float(slope.min()) < 1e-6
    assert float(u[slope.argmin()]) == pytest.approx(c / math.sqrt(3), abs=1e-3)
    assert readings([at])[0]["area"] == pytest.approx(1, abs=2e-5), "a flat point is a spike, and no more"
    with pytest.raises(ValueError, match="c must"):
        above.flow()


def test_integrals_with_spikes_at_their_ends() -> None:
    got = evaluate(
        "integrate, integratePieces from quadrature",
        "return [integrate((x) => 1 / Math.sqrt(x), 0, 1), integrate(Math.log, 0, 1), integrate((x) => x * x, -1, 2),"
        " integrate((x) => x ** (-2 / 3), 0, 1), integratePieces(Math.abs, [-1, 0, 0, 2]), integrate(() => 0, 0, 1)];",
    )
    # Rounding leaves out what lies within 1e-16 of a spike, 1e-5 of the whole for the power -2/3.
    assert got[:3] == pytest.approx([2, -1, 3], abs=1e-7)
    assert got[3:] == pytest.approx([3, 2.5, 0], abs=1e-4)


def test_a_knot_stays_between_its_neighbours_and_its_handle_turns_the_slope() -> None:
    found = evaluate(
        "arm, between, bins, slopeTo from map_knots",
        "const knots = [{ u: -1, x: -2, slope: 0.5 }, { u: 0.5, x: 0, slope: 3 }];"
        "const stage = { x: (v) => 40 * v, y: (v) => 300 - 25 * v };"
        "const pixels = ([u, x], k) => Math.hypot(stage.x(u) - stage.x(k.u), stage.y(x) - stage.y(k.x));"
        "return { free: between(knots, 0, [-1.5, -2.5]), held: between(knots, 0, [9, 9]),"
        " last: between(knots, 1, [9, 9]), bins: bins(knots),"
        " slopes: knots.map((k) => slopeTo(k, arm(stage, k))), long: knots.map((k) => pixels(arm(stage, k), k)),"
        " behind: slopeTo(knots[0], [-3, 1]), under: slopeTo(knots[0], [0, -9]) };",
    )
    assert found["free"] == [-1.5, -2.5]
    assert found["held"] == [pytest.approx(0.3), pytest.approx(-0.2)]
    assert found["last"] == [4.8, 4.8]
    assert found["bins"] == {"u": [-5, -1, 0.5, 5], "x": [-5, -2, 0, 5], "slopes": [1, 0.5, 3, 1]}
    assert found["slopes"] == [0.5, 3]
    assert found["long"] == pytest.approx([46, 46])
    assert (found["behind"], found["under"]) == (20, 0.05)
