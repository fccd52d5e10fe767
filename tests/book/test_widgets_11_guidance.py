"""The widgets of guidance on their page: moved by hand, keys and touch, they show gmlib's numbers."""

from __future__ import annotations

import re
from typing import Any

import pytest

from gmlib.widgets import FillTheGap, GuidanceWeight, GuidedDigits, GuidedField

from .seen import assert_says, assert_shows, middle, numbers, opened, rows, shown, touched, widget

pytestmark = pytest.mark.browser


def assert_guided(found: Any, **state: Any) -> None:
    """The read-outs have what gmlib's guided denoiser makes of the browser's noise."""
    readings = GuidedField(**state).readings()
    wanted = {
        "taken for the class": pytest.approx([100 * readings.accuracy], abs=0.06),
        "variance, over the class's": pytest.approx([readings.spread], abs=6e-4),
        "calls of the denoiser, a particle": [readings.calls],
    }
    assert_shows(found, wanted)


def test_the_weight_moves_particles_to_the_class_and_together(browser: Any, site: str) -> None:
    with opened(browser, site, only="guided-field", reduced_motion="reduce") as tab:
        found = widget(tab, "guided-field")
        assert_guided(found)
        weight = found.get_by_label("weight w of the guidance")
        weight.focus()
        tab.keyboard.press("End")
        assert_guided(found, w=8.0)
        tab.keyboard.press("Home")
        assert_guided(found, w=0.0)
        for _ in range(10):
            tab.keyboard.press("ArrowRight")
        assert_guided(found, w=1.0)
        tab.keyboard.press("End")
        found.get_by_label("law", exact=True).select_option("star")
        found.get_by_role("radio", name="right").check()
        found.get_by_role("radio", name="ancestral").check()
        found.get_by_label("steps", exact=True).focus()
        tab.keyboard.press("Home")
        state = {"law": "star", "asked": 2, "sampler": "ancestral", "steps": 5, "w": 8.0}
        assert_guided(found, **state)
        found.get_by_label("guide between two times only").check()
        assert_guided(found, **state, interval=(0.2, 0.7))
        begins = found.get_by_role("slider", name="guidance begins, at high noise")
        begins.focus()
        for _ in range(2):
            tab.keyboard.press("Shift+ArrowRight")
        assert_says(begins, "aria-valuetext", "t = 0.90")
        assert_guided(found, **state, interval=(0.2, 0.9))
        # One end does not pass the other.
        ends = found.get_by_role("slider", name="guidance ends, at low noise")
        ends.focus()
        for _ in range(9):
            tab.keyboard.press("Shift+ArrowRight")
        assert_says(ends, "aria-valuenow", "0.9")
        assert_guided(found, **state, interval=(0.9, 0.9))
        found.get_by_label("guide between two times only").uncheck()
        found.get_by_role("button", name="New noise").click()
        assert_guided(found, **state, seed=1)
        # The numbers are those of the end, whatever time is shown and whichever fields.
        found.get_by_label("time t, from the end to noise").focus()
        tab.keyboard.press("End")
        for name in ("without the class", "with the class"):
            found.get_by_label(name, exact=True).check()
        assert_guided(found, **state, seed=1)


def test_particles_run_from_noise_until_a_hand_stops_them(browser: Any, site: str) -> None:
    with opened(browser, site, only="guided-field") as tab:
        found = widget(tab, "guided-field")
        time = found.get_by_label("time t, from the end to noise")
        found.get_by_role("button", name="Run").click()
        tab.wait_for_function("(slider) => Number(slider.value) < 0.95", arg=time.element_handle())
        found.get_by_role("button", name="Stop").click()
        now = time.input_value()
        assert 0 < float(now) < 1
        tab.wait_for_timeout(200)
        assert time.input_value() == now
        found.get_by_role("button", name="Run").click()
        tab.wait_for_function("(slider) => Number(slider.value) === 0", arg=time.element_handle())
        found.get_by_role("button", name="Run").wait_for()


def assert_drawn(found: Any, **state: Any) -> None:
    """Within a minute the pictures are there, with gmlib's numbers from the same seed."""
    weight = found.locator("dt", has_text="weight of these pictures").locator(
        "xpath=following-sibling::dd[1]"
    )
    for _ in range(600):
        if numbers(weight.inner_text()) == [state["w"]] and found.get_by_role("button", name="Draw").count():
            break
        found.page.wait_for_timeout(100)
    terms = GuidedDigits(**state).terms()
    rows = {
        "calls of the network, an image": [terms.calls],
        "variance between those of a class": pytest.approx([terms.between], abs=6e-5),
        "mean grey (MNIST: 0.13)": pytest.approx([terms.grey], abs=6e-4),
    }
    assert_shows(found, rows)


def test_digits_are_drawn_anew_when_the_weight_moves(browser: Any, site: str) -> None:
    with opened(browser, site, only="guided-digits") as tab:
        found = widget(tab, "guided-digits")
        found.get_by_label("steps", exact=True).focus()
        tab.keyboard.press("Home")
        found.get_by_role("radio", name="7", exact=True).check()
        found.get_by_role("button", name="Load the network").click()
        found.get_by_role("button", name="Draw").click()
        assert_drawn(found, asked="7", w=3.0, steps=5)
        weight = found.get_by_label("weight w of the guidance")
        weight.focus()
        tab.keyboard.press("Home")
        # What was drawn before stays, and says what it is.
        found.get_by_text("still those of before").wait_for()
        assert_drawn(found, asked="7", w=0.0, steps=5)
        for _ in range(2):
            tab.keyboard.press("ArrowRight")
        found.get_by_role("radio", name="each", exact=True).check()
        assert_drawn(found, w=1.0, steps=5)
        # Back to what was drawn already: it is there at once.
        for _ in range(4):
            weight.focus()
            tab.keyboard.press("ArrowRight")
        found.get_by_role("radio", name="7", exact=True).check()
        assert_shows(found, {"weight of these pictures": [3.0], "calls of the network, an image": [10.0]})
        assert "thread" in found.locator(".gm-w-hint").last.inner_text()


def test_drawing_is_stopped_by_a_finger(browser: Any, site: str) -> None:
    size = {"width": 375, "height": 800}
    with opened(
        browser, site, only="guided-digits", viewport=size, has_touch=True, reduced_motion="reduce"
    ) as tab:
        found = widget(tab, "guided-digits")
        found.get_by_role("button", name="Load the network").tap()
        found.get_by_role("button", name="Draw").tap()
        found.get_by_text("Drawing with w = 3").wait_for()
        found.get_by_role("button", name="Stop").tap()
        found.get_by_role("button", name="Draw").wait_for()
        assert shown(found, "mean grey (MNIST: 0.13)") == []
        # What is seen is what the network guessed, or still the noise if it was stopped before its first guess.
        step = found.locator("progress").evaluate("bar => bar.value")
        words = f"Stopped at step {step} of 20" if step else "Noise. Press Draw."
        found.get_by_text(words).wait_for()
        told = f"guesses them at step {step} of 20" if step else "images of noise"
        found.locator(".gm-w-live", has_text=told).wait_for(state="attached")


def assert_rows(found: Any, wanted: dict[str, Any]) -> None:
    """Within three seconds the table has these rows."""
    for _ in range(60):
        got = {name: cells for name, cells in rows(found).items() if name in wanted}
        if got == wanted:
            return
        found.page.wait_for_timeout(50)
    assert got == wanted


def assert_weight(found: Any, *state: float, **more: Any) -> None:
    terms = GuidanceWeight(*state, **more).terms()
    laws = {
        "the class": terms.one,
        "all data": terms.everything,
        "tilted law": terms.tilt,
        "ancestral sampler": terms.ancestral,
        "DDIM": terms.ddim,
        "endless flow": terms.flow,
    }
    near = {
        name: [None, None] if law is None else pytest.approx([law.mean, law.var], abs=6e-5, rel=6e-4)
        for name, law in laws.items()
    }
    assert_rows(found, near)


def test_a_weight_moves_the_laws_apart(browser: Any, site: str) -> None:
    with opened(browser, site, only="guidance-weight") as tab:
        found = widget(tab, "guidance-weight")
        assert_weight(found)
        assert "Beyond the class" in found.inner_text()
        handle = found.get_by_role("slider", name="guidance weight w, on the picture")
        handle.focus()
        tab.keyboard.press("ArrowRight")
        tab.keyboard.press("Shift+ArrowRight")
        assert_weight(found, 2.55)
        found.get_by_role("button", name="w = 1", exact=True).click()
        assert_weight(found, 1.0)
        found.get_by_text("is Bayes’ rule").wait_for()
        found.get_by_label("steps of the samplers").focus()
        tab.keyboard.press("Home")
        assert_weight(found, 1.0, steps=20)
        found.get_by_text("up to what 20 steps miss").wait_for()
        slider = found.get_by_role("slider", name="guidance weight w", exact=True)
        slider.focus()
        for _ in range(20):
            tab.keyboard.press("ArrowLeft")
        assert_weight(found, 0.0, steps=20)
        found.get_by_text("asks for no class").wait_for()
        for _ in range(6):
            tab.keyboard.press("ArrowLeft")
        assert_weight(found, -0.3, steps=20)
        found.get_by_text("it cannot be normalised").wait_for()
        tab.keyboard.press("End")
        assert_weight(found, 6.0, steps=20)
        centre = found.get_by_role("slider", name="class c", exact=True)
        centre.focus()
        tab.keyboard.press("Shift+ArrowRight")
        assert_weight(found, 6.0, 1.5, steps=20)
        for label in ("variance v within the class", "variance v_c of the classes"):
            found.get_by_label(label).focus()
            tab.keyboard.press("Home")
        assert_weight(found, 6.0, 1.5, 0.05, 0.05, steps=20)
        found.get_by_role("group", name="beside the densities").get_by_role("radio", name="mean").check()
        assert_weight(found, 6.0, 1.5, 0.05, 0.05, steps=20)


def test_two_scores_at_one_noise_level_have_two_slopes(browser: Any, site: str) -> None:
    with opened(browser, site, only="guidance-weight") as tab:
        found = widget(tab, "guidance-weight")
        level = found.get_by_label("noise level: signal squared, ᾱ")
        assert not level.is_visible()
        found.get_by_role("button", name="slopes −2.5 and −1.75").click()
        found.get_by_text("has slope −2.500, that of the tilted law once noised −1.750").wait_for()
        assert_weight(found, 3.0, 1.0, 1 / 3, 2 / 3)
        level.focus()
        tab.keyboard.press("End")
        terms = GuidanceWeight(3.0, 1.0, 1 / 3, 2 / 3, alpha_bar=0.98).terms()
        slope = f"{terms.guided_slope:.3f}".replace("-", "−")
        found.get_by_text(f"At ᾱ = 0.98 the guided score has slope {slope}").wait_for()
        found.get_by_role("button", name="w = 1", exact=True).click()
        found.get_by_text("there is nothing to tell apart").wait_for()
        found.get_by_role("group", name="beside the densities").get_by_role("radio", name="variance").check()
        found.get_by_text("is Bayes’ rule").wait_for()
        assert not level.is_visible()


def test_a_finger_drags_the_weight_and_the_class(browser: Any, site: str) -> None:
    size = {"width": 375, "height": 800}
    with opened(browser, site, only="guidance-weight", viewport=size, has_touch=True) as tab:
        found = widget(tab, "guidance-weight")
        for name, moved in (("class c", (20, 0)), ("guidance weight w, on the picture", (-30, 0))):
            handle = found.get_by_role("slider", name=name, exact=True)
            handle.evaluate("e => e.scrollIntoView({ block: 'center', behavior: 'instant' })")
            x, y = middle(handle)
            touched(tab, (x, y), (x + moved[0] / 2, y), (x + moved[0], y))
            assert abs(middle(handle)[0] - x - moved[0]) < 6, name
        c, w = (
            float(found.get_by_role("slider", name=name, exact=True).get_attribute("aria-valuenow"))
            for name in ("class c", "guidance weight w, on the picture")
        )
        assert c > 1.1
        assert w < 1.5
        assert_weight(found, w, c)


def assert_gap(found: Any, **state: Any) -> None:
    names = {
        "tweedie": "its true covariance",
        "isotropic": "one number",
        "none": "none: taken for the truth",
    }
    wanted: dict[str, Any] = {}
    for covariance, name in names.items():
        terms = FillTheGap(covariance=covariance, **state).terms()
        wild = not (terms.off < 10 and terms.band < 10)
        wanted[name] = [None, None] if wild else pytest.approx([terms.off, terms.band], abs=6e-4)
    assert_rows(found, wanted)


def test_a_gap_is_filled_as_gmlibs_samplers_do(browser: Any, site: str) -> None:
    with opened(browser, site, only="fill-the-gap") as tab:
        found = widget(tab, "fill-the-gap")
        found.get_by_label("steps", exact=True).focus()
        tab.keyboard.press("Home")
        gap = FillTheGap(steps=20)
        values, seen = list(gap.values), list(gap.seen)
        assert_gap(found, values=values, seen=seen, steps=20)
        found.get_by_role("slider", name="measured value of place 4", exact=True).focus()
        tab.keyboard.press("ArrowUp")
        tab.keyboard.press("Shift+ArrowUp")
        values[3] = round(values[3] + 0.55, 2)
        assert_gap(found, values=values, seen=seen, steps=20)
        tab.keyboard.press("Delete")
        seen.remove(3)
        assert_gap(found, values=values, seen=seen, steps=20)
        # The dot is gone, and the focus is not.
        assert tab.evaluate("document.activeElement.textContent") == "Measure place 9"
        found.get_by_role("slider", name="first place of the ellipse").focus()
        tab.keyboard.press("ArrowRight")
        found.get_by_role("button", name="Measure place 10").click()
        seen = sorted([*seen, 9])
        assert_gap(found, values=values, seen=seen, steps=20)
        found.get_by_role("group", name="sampler").get_by_role("radio", name="DDIM").check()
        assert_gap(found, values=values, seen=seen, steps=20, sampler="ddim")
        found.get_by_label("length scale ℓ of the field").focus()
        tab.keyboard.press("End")
        assert_gap(found, values=values, seen=seen, steps=20, sampler="ddim", length=6.0)
        found.get_by_role("group", name="how sure").get_by_role("radio", name="true").check()
        found.get_by_text("the score is exact").wait_for()
        found.get_by_role("button", name="Every fourth").click()
        found.get_by_label("noise of the measurement").focus()
        tab.keyboard.press("Home")
        assert_gap(
            found, values=values, seen=[0, 4, 8, 12, 16], steps=20, sampler="ddim", length=6.0, noise=0.05
        )
        found.get_by_role("group", name="how sure").get_by_role("radio", name="none").check()
        found.get_by_text("the samples fly off").wait_for()


def test_places_are_measured_and_forgotten_by_hand(browser: Any, site: str) -> None:
    size = {"width": 375, "height": 800}
    with opened(browser, site, only="fill-the-gap", viewport=size, has_touch=True) as tab:
        found = widget(tab, "fill-the-gap")
        dots = found.get_by_role("slider", name=re.compile("measured value"))
        assert dots.count() == 9
        canvas = found.locator("canvas").first
        canvas.evaluate("e => e.scrollIntoView({ block: 'center', behavior: 'instant' })")
        box = canvas.bounding_box()
        inner = box["width"] - 44
        # Place 10 of 20, between 0.4 and 20.6; a quarter below the middle.
        place = (box["x"] + 30 + inner * (10 - 0.4) / 20.2, box["y"] + box["height"] * 0.6)
        tab.touchscreen.tap(*place)
        new = found.get_by_role("slider", name="measured value of place 10", exact=True)
        new.wait_for()
        assert dots.count() == 10
        assert middle(new) == pytest.approx(place, abs=8)
        x, y = middle(new)
        touched(tab, (x, y), (x, y - 20), (x, y - 40))
        assert middle(new) == pytest.approx((x, y - 40), abs=2)
        value = float(new.get_attribute("aria-valuenow"))
        seen = sorted([*FillTheGap().seen, 9])
        values = [*FillTheGap().values]
        values[9] = value
        exact = FillTheGap(values, seen, steps=20)
        found.get_by_label("steps", exact=True).focus()
        tab.keyboard.press("Home")
        assert_gap(found, values=values, seen=seen, steps=20)
        assert exact.posterior().mean[9] == pytest.approx(value, abs=0.5)
        canvas.evaluate("e => e.scrollIntoView({ block: 'center', behavior: 'instant' })")
        x, y = middle(new)
        touched(tab, (x, y), (x, y - 60), (x, y - 300))
        assert dots.count() == 9


def test_of_close_dots_the_nearest_is_moved_and_a_cancelled_drag_forgets_nothing(
    browser: Any, site: str
) -> None:
    size = {"width": 375, "height": 800}
    with opened(browser, site, only="fill-the-gap", viewport=size, has_touch=True) as tab:
        found = widget(tab, "fill-the-gap")
        dots = found.get_by_role("slider", name=re.compile("measured value"))
        found.locator("canvas").first.evaluate(
            "e => e.scrollIntoView({ block: 'center', behavior: 'instant' })"
        )
        left, right = (
            found.get_by_role("slider", name=f"measured value of place {place}", exact=True)
            for place in (4, 5)
        )
        (x, y), (over, _) = middle(left), middle(right)
        assert over - x < 20
        now = float(right.get_attribute("aria-valuenow"))
        # Under the handle of place 5, which is on top; a little nearer to 4.
        touched(tab, (x + 2, y), (x + 2, y - 30))
        assert middle(left) == pytest.approx((x, y - 30), abs=2)
        assert float(right.get_attribute("aria-valuenow")) == now
        session = tab.context.new_cdp_session(tab)
        x, y = middle(left)
        for kind, points in (
            ("Start", [{"x": x, "y": y}]),
            ("Move", [{"x": x, "y": y - 250}]),
            ("Cancel", []),
        ):
            session.send("Input.dispatchTouchEvent", {"type": f"touch{kind}", "touchPoints": points})
        tab.wait_for_timeout(150)
        assert dots.count() == 9
        assert left.evaluate("e => e.style.opacity") == ""
        # Nor does the next tap.
        touched(tab, middle(left))
        assert dots.count() == 9
        touched(tab, middle(left), (x, y - 250))
        assert dots.count() == 8
        assert left.count() == 0
