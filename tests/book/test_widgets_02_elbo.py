"""The widgets of the evidence lower bound on their page: moved by hand, keys and touch, they show gmlib's numbers."""

from __future__ import annotations

from typing import Any

import pytest

from gmlib.widgets import ImportanceSamples, PosteriorTug

from .seen import assert_says, assert_shows, assert_tug, middle, numbers, opened, shown, widget

pytestmark = pytest.mark.browser


def test_keys_move_the_mean_and_the_sum_stays(browser: Any, site: str) -> None:
    with opened(browser, site, only="posterior-tug") as tab:
        tug = widget(tab, "posterior-tug")
        assert_tug(tug, 0.9, 0.5)
        handle = tug.locator("button[role=slider]").first
        handle.focus()
        tab.keyboard.press("ArrowRight")
        assert_tug(tug, 0.95, 0.5)
        tab.keyboard.press("Shift+ArrowLeft")
        assert_tug(tug, 0.45, 0.5)
        assert_says(handle, "aria-valuetext", "0.45")
        style = handle.evaluate("e => getComputedStyle(e).outlineStyle + getComputedStyle(e).outlineWidth")
        assert style == "solid3px"
        tab.wait_for_function(
            "() => document.querySelector('[data-widget=posterior-tug] .gm-w-live').textContent.includes('0.45')"
        )


def test_the_mouse_drags_mean_and_width(browser: Any, site: str) -> None:
    with opened(browser, site, only="posterior-tug") as tab:
        tug = widget(tab, "posterior-tug")
        for index, name in ((0, "mean of q"), (1, "standard deviation of q")):
            handle = tug.locator("button[role=slider]").nth(index)
            before = float(handle.get_attribute("aria-valuenow"))
            x, y = middle(handle)
            tab.mouse.move(x, y)
            tab.mouse.down()
            tab.mouse.move(x + 25, y - 3, steps=5)
            tab.mouse.up()
            tab.wait_for_timeout(150)
            now = float(handle.get_attribute("aria-valuenow"))
            assert now > before + 0.05, name
            assert abs(middle(handle)[0] - x - 25) < 3, "the handle stays under the mouse"
        mean, std = (
            float(tug.locator("button[role=slider]").nth(i).get_attribute("aria-valuenow")) for i in (0, 1)
        )
        assert_tug(tug, mean, std)


def test_a_finger_drags_the_mean(browser: Any, site: str) -> None:
    size = {"width": 375, "height": 800}
    with opened(browser, site, only="posterior-tug", viewport=size, has_touch=True, is_mobile=True) as tab:
        tug = widget(tab, "posterior-tug")
        handle = tug.locator("button[role=slider]").first
        handle.evaluate("e => e.scrollIntoView({ block: 'center', behavior: 'instant' })")
        x, y = middle(handle)
        touch = tab.context.new_cdp_session(tab)

        def send(kind: str, *points: tuple[float, float]) -> None:
            touch.send(
                "Input.dispatchTouchEvent",
                {"type": kind, "touchPoints": [{"x": a, "y": b} for a, b in points]},
            )

        send("touchStart", (x, y))
        for step in range(1, 6):
            send("touchMove", (x - 6 * step, y))
        send("touchEnd")
        tab.wait_for_timeout(150)
        mean = float(handle.get_attribute("aria-valuenow"))
        assert mean < 0.6
        assert_tug(tug, mean, 0.5)
        assert tab.evaluate("document.documentElement.scrollWidth") <= 375


def test_the_buttons_go_to_the_best_laws(browser: Any, site: str) -> None:
    with opened(browser, site, only="posterior-tug") as tab:
        tug = widget(tab, "posterior-tug")
        tug.get_by_role("button", name="Best bound").click()
        assert_shows(tug, {"reverse KL(q‖p)": shown(tug, "least, at the best bound")})
        tug.get_by_role("button", name="Match the moments").click()
        assert_shows(tug, {"forward KL(p‖q)": shown(tug, "least, at the moments")})
        tug.get_by_label("observed x").select_option(label="B, on the right loop")
        evidence = PosteriorTug(observation=1).terms().log_evidence
        assert_shows(tug, {"= log p(x)": [round(evidence, 3)]})


def test_a_slider_changes_the_exact_variance(browser: Any, site: str) -> None:
    with opened(browser, site, only="gradient-estimators") as tab:
        found = widget(tab, "gradient-estimators")
        slider = found.get_by_label("mean μ")
        slider.focus()
        for _ in range(20):
            tab.keyboard.press("ArrowRight")
        mu = float(slider.input_value())
        assert mu == pytest.approx(2.0)
        tab.wait_for_timeout(100)
        row = found.locator("tr", has_text="score function")
        assert numbers(row.inner_text())[1:3] == [0.0, mu**4 + 14 * mu**2 + 15]
        assert numbers(found.locator("tr", has_text="detached").inner_text()) == [0.0, -2 * mu, 0.0, 0.0]
        before = row.inner_text()
        found.get_by_role("button", name="New draws").click()
        tab.wait_for_timeout(100)
        assert row.inner_text() != before
        draws = found.get_by_label("draws n")
        draws.focus()
        tab.keyboard.press("Home")
        tab.wait_for_timeout(100)
        assert (
            "1 draws" in found.locator(".gm-w-live").inner_text()
            or draws.get_attribute("aria-valuetext") == "1"
        )


def assert_importance(found: Any, k: int, **state: float) -> None:
    terms = ImportanceSamples(**state).terms()
    exact = {"ELBO, exact": terms.elbo, "+ gap, KL(q‖p)": terms.gap, "= log p(x), exact": terms.log_evidence}
    assert_shows(found, {row: [round(value, 3) + 0.0] for row, value in exact.items()})
    (error,) = shown(found, "its standard error")
    (below,) = shown(found, "log p(x) − mean")
    # The mean lies between the two exact lines, up to five standard errors of its 400 draws.
    assert -5 * error - 1e-3 <= below <= terms.gap + 5 * error + 1e-3
    effective, of = shown(found, "effective samples of K")
    assert of == k
    assert 1 <= effective <= k


def test_more_samples_close_the_gap(browser: Any, site: str) -> None:
    with opened(browser, site, only="importance-samples") as tab:
        found = widget(tab, "importance-samples")
        assert_importance(found, 4, x=1.3)
        handle = found.locator("button[role=slider]")
        handle.focus()
        for key in ("ArrowRight", "Shift+ArrowRight", "ArrowLeft"):
            tab.keyboard.press(key)
        tab.wait_for_timeout(150)
        assert_says(handle, "aria-valuetext", "K = 128")
        assert_importance(found, 128, x=1.3)
        (below,) = shown(found, "log p(x) − mean")
        assert abs(below) < 0.03
        found.locator("input[aria-label='samples K']").focus()
        tab.keyboard.press("Home")
        assert_shows(found, {"effective samples of K": [1.0, 1.0]})
        assert_importance(found, 1, x=1.3)
        tab.keyboard.press("End")
        tab.wait_for_timeout(150)
        assert_importance(found, 256, x=1.3)
        before = shown(found, "mean of the draws")
        found.get_by_role("button", name="New draws").click()
        tab.wait_for_timeout(150)
        assert shown(found, "mean of the draws") != before
        tab.wait_for_function(
            "() => document.querySelector('[data-widget=importance-samples] .gm-w-live').textContent"
            ".includes('of 256 samples are effective')"
        )


def test_the_exact_posterior_gathers_every_draw(browser: Any, site: str) -> None:
    with opened(browser, site, only="importance-samples") as tab:
        found = widget(tab, "importance-samples")
        observed = found.locator("input[aria-label='observed x']")
        observed.focus()
        for _ in range(6):
            tab.keyboard.press("ArrowRight")
        assert_importance(found, 4, x=1.6)
        found.get_by_role("button", name="Exact posterior").click()
        truth = round(ImportanceSamples(1.6).terms().log_evidence, 3)
        assert_shows(
            found, {"mean of the draws": [truth], "its standard error": [0.0], "ELBO, exact": [truth]}
        )
        assert_shows(found, {"effective samples of K": [4.0, 4.0]})
        found.get_by_role("button", name="Prior").click()
        assert_importance(found, 4, x=1.6)


def test_a_finger_drags_the_number_of_samples(browser: Any, site: str) -> None:
    with opened(
        browser, site, only="importance-samples", viewport={"width": 375, "height": 800}, has_touch=True
    ) as tab:
        handle = widget(tab, "importance-samples").locator("button[role=slider]")
        handle.scroll_into_view_if_needed()
        x, y = middle(handle)
        session = tab.context.new_cdp_session(tab)
        for kind, points in (("Start", [(x, y)]), ("Move", [(x + 60, y - 4)]), ("End", [])):
            touches = [{"x": left, "y": up} for left, up in points]
            session.send("Input.dispatchTouchEvent", {"type": f"touch{kind}", "touchPoints": touches})
        tab.wait_for_timeout(150)
        now = int(handle.get_attribute("aria-valuenow"))
        assert now > 4
        assert now & (now - 1) == 0
