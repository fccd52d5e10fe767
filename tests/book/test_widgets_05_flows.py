"""The widgets of flows on their page: moved by hand, keys and touch, they show gmlib's numbers."""

from __future__ import annotations

import math
import re
from typing import Any

import pytest
import torch

from gmlib.widgets import CouplingStack, EulerToOde, MapEditor

from .seen import F64, assert_says, assert_shows, middle, numbers, opened, shown, touched, widget

pytestmark = pytest.mark.browser


def assert_map(found: Any, **state: Any) -> None:
    """The read-outs have gmlib's numbers."""
    editor = MapEditor(**state)
    terms = editor.terms()
    assert_shows(
        found,
        {
            "u that is read": [round(editor.probe, 2)],
            "x = h(u)": pytest.approx([terms.x], abs=6e-3),
            "log |h′(u)|": pytest.approx([terms.log_slope], abs=6e-4),
            "density of u": pytest.approx([terms.base], abs=6e-5),
            "density of x, by the formula": pytest.approx([terms.density], abs=6e-5),
            "mass of the orange strip, below": pytest.approx([terms.below], abs=6e-5),
            "of its image, by the formula": pytest.approx([terms.beside], abs=6e-5),
            "area, by the formula": pytest.approx([terms.area], abs=6e-5),
        },
    )


def slope_of(found: Any, knot: int) -> float:
    ring = found.get_by_role("button", name=re.compile(f"^slope at knot {knot}"))
    return numbers(ring.get_attribute("aria-label"))[-1]


def test_a_map_is_bent_and_the_density_follows(browser: Any, site: str) -> None:
    with opened(browser, site, only="map-editor") as tab:
        found = widget(tab, "map-editor")
        assert_map(found)
        knots = [list(knot) for knot in MapEditor().knots]
        knot = found.get_by_role("button", name=re.compile("^knot 2"))
        knot.focus()
        tab.keyboard.press("ArrowUp")
        tab.keyboard.press("Shift+ArrowRight")
        knots[1] = [0.5, 0.05]
        assert_map(found, knots=knots)
        assert "h(0.50) = 0.05" in knot.get_attribute("aria-label")
        # The next stop is the slope there, and only there.
        tab.keyboard.press("Tab")
        assert slope_of(found, 2) == 3.5
        assert found.get_by_role("button", name=re.compile("^slope")).count() == 1
        tab.keyboard.press("Shift+ArrowDown")
        tab.wait_for_timeout(150)
        slopes = [0.35, slope_of(found, 2), 0.35]
        assert slopes[1] < 3
        # Three digits of a slope are on the label at most, and the numbers are read to four.
        given = MapEditor(knots=knots, slopes=slopes).terms()
        assert shown(found, "log |h′(u)|") == pytest.approx([given.log_slope], abs=0.01)
        assert shown(found, "area, by the formula") == [1.0]
        # No knot passes its neighbour.
        knot.focus()
        for _ in range(4):
            tab.keyboard.press("Shift+ArrowRight")
        tab.wait_for_timeout(150)
        assert "h(1.30)" in knot.get_attribute("aria-label")
        found.get_by_role("button", name="Identity").first.click()
        probe = found.get_by_role("slider", name="u that is read")
        probe.focus()
        tab.keyboard.press("Shift+ArrowLeft")
        assert_map(found, knots=[(v, v) for v in (-1.5, 0.0, 1.5)], slopes=[1.0] * 3, probe=0.1)


def test_slips_with_the_jacobian_change_the_area(browser: Any, site: str) -> None:
    with opened(browser, site, only="map-editor") as tab:
        found = widget(tab, "map-editor")
        found.get_by_role("radio", name="affine").check()
        for label, formula, area in (
            ("forget h′", "forgotten", 2.0),
            ("wrong sign", "wrong_sign", 4.0),
            ("p(u) / h′", "right", 1.0),
        ):
            found.get_by_role("radio", name=label).check()
            assert_map(found, kind="affine", formula=formula)
            assert shown(found, "area, by the formula") == [area]
        found.get_by_role("button", name="x = u/2").click()
        found.get_by_label("shift μ").focus()
        tab.keyboard.press("End")
        assert_map(found, kind="affine", log_scale=-math.log(2), shift=3.0)


def test_a_bump_that_is_too_steep_folds_the_map(browser: Any, site: str) -> None:
    with opened(browser, site, only="map-editor") as tab:
        found = widget(tab, "map-editor")
        found.get_by_role("radio", name="line + bump").check()
        assert_map(found, kind="nlsq")
        found.get_by_role("button", name="Fold it").click()
        assert_map(found, kind="nlsq", c=3.0)
        found.locator(".gm-w-hint", has_text="the area is 0.5735").wait_for()
        found.get_by_role("button", name="At the bound").click()
        found.locator(".gm-w-hint", has_text="one flat point").wait_for()
        bound = MapEditor("nlsq", c=3.0).terms().bound
        assert_map(found, kind="nlsq", a=bound, c=3.0)
        found.get_by_label("c, height of the bump").focus()
        tab.keyboard.press("Home")
        found.get_by_label("e, place").focus()
        tab.keyboard.press("End")
        assert_map(found, kind="nlsq", a=bound, c=-4.0, e=3.0)


def test_a_mouse_and_a_finger_drag_knots_and_the_probe(browser: Any, site: str) -> None:
    with opened(browser, site, only="map-editor") as tab:
        found = widget(tab, "map-editor")
        knot = found.get_by_role("button", name=re.compile("^knot 3"))
        for handle in (knot, found.get_by_role("button", name=re.compile("^slope at knot 3"))):
            if handle is not knot:
                tab.wait_for_timeout(150)
            before = handle.get_attribute("aria-label")
            x, y = middle(handle)
            tab.mouse.move(x, y)
            tab.mouse.down()
            tab.mouse.move(x + 20, y - 25, steps=4)
            tab.mouse.up()
            tab.wait_for_timeout(150)
            assert handle.get_attribute("aria-label") != before
            if handle is knot:
                assert middle(knot) == pytest.approx((x + 20, y - 25), abs=2)
        assert slope_of(found, 3) > 0.4
        assert shown(found, "area, by the formula") == [1.0]
    with opened(
        browser, site, only="map-editor", viewport={"width": 375, "height": 800}, has_touch=True
    ) as tab:
        handle = widget(tab, "map-editor").get_by_role("slider", name="u that is read")
        handle.evaluate("e => e.scrollIntoView({ block: 'center', behavior: 'instant' })")
        x, y = middle(handle)
        touched(tab, (x, y), (x - 10, y), (x - 30, y + 2))
        assert middle(handle)[0] == pytest.approx(x - 30, abs=2)
        assert float(handle.get_attribute("aria-valuenow")) < -0.5


def assert_stack(found: Any, **state: Any) -> None:
    given = CouplingStack(**state)
    terms = given.terms()
    rows = {
        "the point now": terms.place,
        "log p_u(u) at its base": [terms.log_base],
        "− sum of log |det J| so far": [-terms.log_det],
        "= log-density now, nats": [terms.log_prob],
        "its base u": given.u,
        "its data x": terms.end,
        "log p(x) of the flow": [terms.log_prob_end],
        "log p(x) of the law": [terms.log_law],
    }
    wanted: dict[str, Any] = {row: pytest.approx([*values], abs=5.1e-4) for row, values in rows.items()}
    assert_shows(found, {**wanted, "zeros of 16, four coordinates": [float(terms.zeros)]})


def test_a_point_is_followed_through_the_layers_and_back(browser: Any, site: str) -> None:
    with opened(browser, site, only="coupling-stack", reduced_motion="reduce") as tab:
        found = widget(tab, "coupling-stack")
        assert_stack(found)
        found.get_by_role("button", name="On one layer").click()
        assert_stack(found, level=1.0)
        slider = found.get_by_label("layers done")
        slider.focus()
        for _ in range(7):
            tab.keyboard.press("ArrowRight")
        assert_stack(found, level=1.35)
        found.get_by_role("button", name="On one layer").click()
        assert_stack(found, level=2.0)
        found.get_by_role("button", name="Back one layer").click()
        assert_stack(found, level=1.0)
        found.get_by_role("button", name="To the data").click()
        assert_stack(found, level=6.0)
        # Moved by keys among the data, its base is the flow's inverse.
        found.get_by_role("button", name="point at").focus()
        for key in ("ArrowRight", "Shift+ArrowUp", "ArrowLeft", "ArrowLeft"):
            tab.keyboard.press(key)
        place = torch.tensor(CouplingStack(level=6.0).terms().end, dtype=F64) + torch.tensor([-0.05, 0.5])
        with torch.no_grad():
            u = CouplingStack().flow.bijection.inverse(place)[0].tolist()
        assert_stack(found, level=6.0, u=u)
        found.get_by_role("button", name="To the base").click()
        assert_stack(found, level=0.0, u=u)
        found.get_by_label("law", exact=True).select_option("checkerboard")
        assert_stack(found, law="checkerboard", u=u)
        slider.focus()
        tab.keyboard.press("End")
        assert_stack(found, law="checkerboard", level=6.0, u=u)
        tab.wait_for_function(
            "() => document.querySelector('[data-widget=coupling-stack] .gm-w-live').textContent"
            ".startsWith('checkerboard, 6 of 6 layers')"
        )


def test_a_click_and_a_drag_put_the_point_where_they_are(browser: Any, site: str) -> None:
    with opened(browser, site, only="coupling-stack", reduced_motion="reduce") as tab:
        found = widget(tab, "coupling-stack")
        assert_stack(found)
        canvas = found.locator("canvas").first
        canvas.scroll_into_view_if_needed()
        box = canvas.bounding_box()
        tab.mouse.click(box["x"] + 0.25 * box["width"], box["y"] + 0.5 * box["height"])
        tab.wait_for_timeout(150)
        u = shown(found, "its base u")
        # The middle of the picture of the moons is at (0.2, 0.1), its side is 5.5.
        assert u == pytest.approx([0.2 - 0.25 * 5.5, 0.1], abs=0.05)
        found.get_by_role("button", name="To the data").click()
        handle = found.get_by_role("button", name="point at")
        tab.wait_for_timeout(150)
        x, y = middle(handle)
        tab.mouse.move(x, y)
        tab.mouse.down()
        tab.mouse.move(x + 30, y - 40, steps=4)
        tab.mouse.up()
        tab.wait_for_timeout(150)
        assert middle(handle) == pytest.approx((x + 30, y - 40), abs=2)


def test_layers_play_to_the_data_and_stop_there(browser: Any, site: str) -> None:
    with opened(browser, site, only="coupling-stack") as tab:
        found = widget(tab, "coupling-stack")
        assert_stack(found)
        play = found.get_by_role("button", name="To the data")
        play.click()
        tab.wait_for_function(
            "() => Number(document.querySelector('[data-widget=coupling-stack] input[type=range]').value) > 0.2"
        )
        assert play.get_attribute("aria-pressed") == "true"
        play.click()
        level = float(found.get_by_label("layers done").input_value())
        assert 0 < level < 6
        tab.wait_for_timeout(300)
        assert float(found.get_by_label("layers done").input_value()) == level
        for check in ("density", "grid", "samples"):
            found.get_by_label(check, exact=True).uncheck()
        found.get_by_label("data", exact=True).check()
        slider = found.get_by_label("layers done")
        slider.focus()
        play.click()
        tab.wait_for_timeout(200)
        slider.focus()
        tab.keyboard.press("Home")  # a hand on the slider stops it
        assert_stack(found, level=0.0)
        assert play.get_attribute("aria-pressed") == "false"
        tab.keyboard.press("End")
        tab.keyboard.press("ArrowLeft")
        play.click()
        # The slider shows steps of a twentieth: it stands at 6 a little before the flow does.
        tab.wait_for_function("(button) => button.ariaPressed === 'false'", arg=play.element_handle())
        assert_stack(found, level=6.0)


def assert_euler(found: Any, *field: Any, **state: Any) -> None:
    """The read-outs have torch's numbers, and those of whole steps to T."""
    terms = EulerToOde(*field, **state).terms()
    rows = {
        "log |det| of Euler's map": terms.log_det,
        "T tr A": terms.exact,
        "difference": terms.difference,
        "− ½ Δt T tr A²": terms.first_order,
        "det(I + Δt A)": terms.det,
        "end points are apart": terms.apart,
    }
    wanted = {row: pytest.approx([value], abs=6e-5) for row, value in rows.items()}
    assert_shows(found, {**wanted, "Δt ‖A‖": pytest.approx([terms.stretch], abs=6e-4)})


def test_eulers_steps_become_the_flow(browser: Any, site: str) -> None:
    with opened(browser, site, only="euler-to-ode") as tab:
        found = widget(tab, "euler-to-ode")
        assert_euler(found)
        found.get_by_label("steps in a unit of time").focus()
        for n in (5, 6, 8):
            tab.keyboard.press("ArrowRight")
            assert_euler(found, n=n)
        # On the picture of the errors an arrow is one step more or fewer.
        handle = found.get_by_role("slider", name="step Δt", exact=True)
        handle.focus()
        tab.keyboard.press("ArrowLeft")
        assert_euler(found, n=9)
        tab.keyboard.press("ArrowRight")
        tab.keyboard.press("ArrowRight")
        assert_euler(found, n=7)
        assert_says(handle, "aria-valuetext", "Δt = 0.143")
        found.get_by_label("time T", exact=True).focus()
        tab.keyboard.press("ArrowRight")
        assert_euler(found, n=7, time=2.01)
        assert found.get_by_text("14, and a part").is_visible()
        tab.keyboard.press("End")
        found.get_by_role("button", name="Saddle").click()
        assert_euler(found, "saddle", n=7, time=4.0)
        found.get_by_label("A₂₁").focus()
        tab.keyboard.press("End")
        assert_euler(found, [[0.8, 0.0], [2.0, -0.8]], n=7, time=4.0, start=(0.5, 2.2))
        centre = found.get_by_role("button", name="centre of the disc")
        centre.focus()
        tab.keyboard.press("Shift+ArrowDown")
        assert_euler(found, [[0.8, 0.0], [2.0, -0.8]], n=7, time=4.0, start=(0.5, 1.7))


def test_steps_that_are_too_long_turn_the_plane_over(browser: Any, site: str) -> None:
    with opened(browser, site, only="euler-to-ode") as tab:
        found = widget(tab, "euler-to-ode")
        found.get_by_role("button", name="Sink").click()
        assert_euler(found, "sink")
        steps = found.get_by_label("steps in a unit of time")
        steps.focus()
        tab.keyboard.press("Home")
        found.locator(".gm-w-hint", has_text="turns the plane over").wait_for()
        assert_euler(found, "sink", n=1)
        tab.keyboard.press("ArrowRight")
        found.locator(".gm-w-hint", has_text="flattens the plane").wait_for()
        assert shown(found, "det(I + Δt A)") == [0.0]
        assert "−∞" in found.locator("dl").first.inner_text()
        found.get_by_role("button", name="Shear").click()
        found.locator(".gm-w-hint", has_text="A² = 0").wait_for()
        assert_euler(found, "shear", n=2)


def test_time_runs_and_waits_for_those_who_asked_for_less_motion(browser: Any, site: str) -> None:
    with opened(browser, site, only="euler-to-ode") as tab:
        found = widget(tab, "euler-to-ode")
        time = found.get_by_label("time T", exact=True)
        time.focus()
        tab.keyboard.press("End")
        found.get_by_role("button", name="Play").click()
        tab.wait_for_timeout(700)
        found.get_by_role("button", name="Pause").click()
        now = float(time.input_value())
        assert 0 < now < 4
        tab.wait_for_timeout(200)
        assert float(time.input_value()) == now
    with opened(browser, site, only="euler-to-ode", reduced_motion="reduce") as tab:
        found = widget(tab, "euler-to-ode")
        found.get_by_role("button", name="Play").click()
        tab.wait_for_timeout(400)
        assert_euler(found)
        assert "reduced motion" in found.locator(".gm-w-notice").inner_text()


def test_a_finger_drags_the_disc_and_the_step(browser: Any, site: str) -> None:
    with opened(
        browser, site, only="euler-to-ode", viewport={"width": 375, "height": 800}, has_touch=True
    ) as tab:
        found = widget(tab, "euler-to-ode")
        centre = found.get_by_role("button", name="centre of the disc")
        centre.evaluate("e => e.scrollIntoView({ block: 'center', behavior: 'instant' })")
        x, y = middle(centre)
        touched(tab, (x, y), (x - 10, y - 10), (x - 20, y - 25))
        assert middle(centre) == pytest.approx((x - 20, y - 25), abs=2)
        handle = found.get_by_role("slider", name="step Δt", exact=True)
        handle.evaluate("e => e.scrollIntoView({ block: 'center', behavior: 'instant' })")
        x, y = middle(handle)
        touched(tab, (x, y), (x - 20, y), (x - 60, y + 2))
        # n is a whole number: among the finer steps the handle is where the finger is.
        assert middle(handle)[0] == pytest.approx(x - 60, abs=4)
