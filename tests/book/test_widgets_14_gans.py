"""The widgets of games on their page: moved by hand, keys and touch, they show gmlib's numbers."""

from __future__ import annotations

from typing import Any

import pytest

from gmlib.widgets import BrowserGan, ShiftedLaws
from gmlib.widgets.dirac_laboratory import PRESETS

from .seen import (
    RADIUS,
    assert_dirac,
    assert_says,
    assert_shows,
    middle,
    numbers,
    opened,
    shown,
    touched,
    widget,
)

pytestmark = pytest.mark.browser


def dirac_step(found: Any) -> float:
    """The step that the slider stands at, which has 300 parts."""
    count = int(found.get_by_label("step size η").input_value())
    return 0.01 * 300 ** (count / 300)


def test_every_experiment_of_the_laboratory_shows_gmlibs_numbers(browser: Any, site: str) -> None:
    with opened(browser, site, only="dirac-laboratory") as tab:
        found = widget(tab, "dirac-laboratory")
        assert_dirac(found)
        for name, title in ((name, values["title"]) for name, values in PRESETS.items()):
            found.get_by_role("button", name=title, exact=True).click()
            assert_dirac(found, name)
        # Simultaneous steps on the linear game: the radius grows by the square root of 1 + 0.1^2 in each of 130.
        found.get_by_role("button", name="Spiral", exact=True).click()
        assert_shows(found, {RADIUS: [round(2**0.5 * 1.01**65, 4)]})
        assert_shows(found, {"r₀ · modulusᵏ": [round(2**0.5 * 1.01**65, 4)]})


def test_keys_change_the_step_the_rule_and_the_start(browser: Any, site: str) -> None:
    with opened(browser, site, only="dirac-laboratory") as tab:
        found = widget(tab, "dirac-laboratory")
        found.get_by_role("button", name="Spiral", exact=True).click()
        found.get_by_label("step size η").focus()
        for _ in range(30):
            tab.keyboard.press("ArrowRight")
        step = dirac_step(found)
        assert step > 0.17
        assert_dirac(found, "spiral", step=step)
        found.get_by_role("button", name="One step", exact=True).click()
        assert_dirac(found, "spiral", step=step, steps=131)
        found.get_by_label("rule of a step").select_option("competitive")
        found.get_by_role("button", name="Back to the start").click()
        found.get_by_role("button", name="Ten steps", exact=True).click()
        assert_dirac(found, "spiral", step=step, steps=10, rule="competitive")
        start = found.get_by_role("button", name="start, φ")
        start.focus()
        for key in ("ArrowRight", "Shift+ArrowUp", "ArrowDown"):
            tab.keyboard.press(key)
        moved = {"start_phi": 1.05, "start_theta": 1.45}
        assert_dirac(found, "spiral", step=step, steps=10, rule="competitive", **moved)
        found.get_by_label("penalty of the critic").select_option("wgan_gp")
        assert_shows(found, {"modulus of a step, exact": []})
        assert "kink" in found.inner_text()


def test_a_finger_drags_the_players_start(browser: Any, site: str) -> None:
    with opened(
        browser, site, only="dirac-laboratory", viewport={"width": 375, "height": 800}, has_touch=True
    ) as tab:
        found = widget(tab, "dirac-laboratory")
        handle = found.get_by_role("button", name="start, φ")
        handle.scroll_into_view_if_needed()
        x, y = middle(handle)
        session = tab.context.new_cdp_session(tab)
        for kind, points in (("Start", [(x, y)]), ("Move", [(x - 60, y + 20)]), ("End", [])):
            touches = [{"x": left, "y": up} for left, up in points]
            session.send("Input.dispatchTouchEvent", {"type": f"touch{kind}", "touchPoints": touches})
        tab.wait_for_timeout(200)
        phi, theta = numbers(handle.get_attribute("aria-label"))
        assert phi < 0.5
        assert theta < 0.9
        assert_dirac(found, start_phi=phi, start_theta=theta)


def test_the_players_move_in_view_and_rest_for_those_who_ask(browser: Any, site: str) -> None:
    for motion, moves in (("no-preference", True), ("reduce", False)):
        with opened(browser, site, only="dirac-laboratory", reduced_motion=motion) as tab:
            found = widget(tab, "dirac-laboratory")
            found.get_by_role("button", name="Play", exact=True).click()
            tab.wait_for_timeout(600)
            if moves:
                found.get_by_role("button", name="Pause", exact=True).click()
            (made,) = shown(found, "steps made, k")
            assert (made > 60) == moves
            assert ("reduced motion" in found.inner_text()) != moves
            if moves:
                assert_dirac(found, steps=int(made))


def assert_shift(found: Any, shift: float, bandwidth: float = 0.5) -> None:
    """Rows of the table: value and slope of each distance, as gmlib has them."""
    terms = ShiftedLaws(shift, bandwidth=bandwidth).terms()
    wanted = {
        "JSD": [terms.jsd, terms.jsd_slope],
        "W₁": [terms.w1, terms.w1_slope],
        "MMD²": [terms.mmd2, terms.mmd2_slope, terms.mmd2_most],
    }
    for row, values in wanted.items():
        text = found.locator("tr", has_text=row)
        got: list[float] = []
        for _ in range(60):
            got = numbers(text.inner_text())[: len(values)]
            if got == pytest.approx(values, abs=2e-4):
                break
            found.page.wait_for_timeout(50)
        assert got == pytest.approx(values, abs=2e-4), row
    assert ("∞" in found.locator("tr", has_text="KL").locator("td").first.inner_text()) == (shift != 0)


def test_distances_of_laws_that_are_moved_apart(browser: Any, site: str) -> None:
    with opened(browser, site, only="shifted-laws") as tab:
        found = widget(tab, "shifted-laws")
        assert_shift(found, 1.0)
        row = found.locator("tr", has_text="W₁")
        assert numbers(row.inner_text())[0] == 1.025
        found.get_by_role("button", name="Δ = 2").click()
        assert_shift(found, 2.0)
        assert numbers(row.inner_text())[0] == 2.025
        law = found.locator("button[role=slider]").first
        law.focus()
        for key in ("Shift+ArrowLeft", "Shift+ArrowLeft", "Shift+ArrowLeft", "ArrowLeft"):
            tab.keyboard.press(key)
        assert_shift(found, 0.45)
        assert_says(law, "aria-valuetext", "Δ = 0.45")
        found.get_by_label("bandwidth ℓ of the kernel").focus()
        tab.keyboard.press("Home")
        assert_shift(found, 0.45, 0.1)
        found.get_by_role("button", name="Δ = 0", exact=True).click()
        assert_shift(found, 0.0, 0.1)


def test_a_mouse_drags_the_law(browser: Any, site: str) -> None:
    with opened(browser, site, only="shifted-laws") as tab:
        found = widget(tab, "shifted-laws")
        law = found.locator("button[role=slider]").first
        x, y = middle(law)
        tab.mouse.move(x, y)
        tab.mouse.down()
        tab.mouse.move(x + 120, y, steps=6)
        tab.mouse.up()
        tab.wait_for_timeout(150)
        shift = float(law.get_attribute("aria-valuenow"))
        assert shift > 1.2
        assert_shift(found, shift)


def assert_trained(found: Any, **state: Any) -> None:
    """The read-outs have the numbers of the same steps in torch."""
    gan = BrowserGan(**state)
    terms = gan.terms()
    half = pytest.approx  # of a unit in the last place, and a little
    assert_shows(
        found,
        {
            "steps made": [gan.steps],
            "modes with generated points within 0.1": [terms.modes, len(gan.centres)],
            "generated points within 0.1 of a mode": half([100 * terms.share], abs=0.051),
            "critic's loss": half([terms.critic_loss], abs=5.1e-4),
            "its penalty": half([terms.penalty], abs=5.1e-4),
            "generator's loss": half([terms.generator_loss], abs=5.1e-4),
        },
    )


def test_a_gan_is_trained_by_keys(browser: Any, site: str) -> None:
    with opened(browser, site, only="browser-gan") as tab:
        found = widget(tab, "browser-gan")
        tab.context.set_offline(True)
        assert_shows(found, {"steps made": [150.0]})
        found.get_by_role("button", name="Start again").click()
        assert_shows(found, {"steps made": [0.0]})
        step = found.get_by_role("button", name="One step")
        step.focus()
        for _ in range(3):
            tab.keyboard.press("Enter")
        assert_trained(found, steps=3)
        found.get_by_role("button", name="Start again").click()
        assert_shows(found, {"steps made": [0.0]})
        gamma = found.locator("input[aria-label='strength γ of the penalty']")
        assert gamma.is_hidden()
        found.get_by_label("what holds the critic back").select_option("r1")
        found.get_by_label("losses", exact=True).select_option("least_squares")
        gamma.focus()
        tab.keyboard.press("End")
        k = found.locator("input[aria-label='critic steps k, each generator step']")
        k.focus()
        tab.keyboard.press("ArrowRight")
        step.click()
        step.click()
        assert_trained(found, steps=2, loss="least_squares", regulariser="r1", gamma=100.0, critic_steps=2)
        found.get_by_role("button", name="Cure: R1").click()
        tab.wait_for_timeout(300)
        found.get_by_role("button", name="Pause").click()
        found.get_by_role("button", name="Start again").click()
        assert_shows(found, {"steps made": [0.0]})
        found.get_by_role("button", name="100 steps").click()
        assert_trained(found, steps=100, regulariser="r1", gamma=0.3)
        tab.wait_for_function(
            "() => document.querySelector('[data-widget=browser-gan] .gm-w-live').textContent.startsWith('Step 100.')"
        )


def test_a_law_is_drawn_by_keys_and_by_hand(browser: Any, site: str) -> None:
    with opened(browser, site, only="browser-gan") as tab:
        found = widget(tab, "browser-gan")
        brush = found.locator("button.gm-w-handle")
        assert brush.is_hidden()
        found.get_by_label("data", exact=True).select_option("drawn")
        found.get_by_role("button", name="Clear the drawing").click()
        found.get_by_role("button", name="One step").click()
        found.locator(".gm-w-notice", has_text="draw something first").wait_for()
        brush.focus()
        for key in ("Space", "Shift+ArrowRight", "Space", "ArrowUp", "ArrowUp", "Space", "Delete"):
            tab.keyboard.press(key)
        tab.keyboard.press("Shift+ArrowLeft")
        tab.keyboard.press("Space")
        found.get_by_role("button", name="Start again").click()
        found.get_by_role("button", name="One step").click()
        assert_trained(found, law="drawn", drawn=[(0.0, 0.0), (1.0, 0.0), (0.0, 0.2)], steps=1)
        canvas = found.locator("canvas").first
        canvas.scroll_into_view_if_needed()
        box = canvas.bounding_box()
        tab.mouse.move(box["x"] + 40, box["y"] + 40)
        tab.mouse.down()
        tab.mouse.move(box["x"] + 140, box["y"] + 40, steps=12)
        tab.mouse.up()
        tab.wait_for_timeout(150)
        modes = "modes with generated points within 0.1"
        assert shown(found, modes)[1] > 6
        found.get_by_label("erase").check()
        canvas.scroll_into_view_if_needed()
        box = canvas.bounding_box()
        tab.mouse.move(box["x"] + 30, box["y"] + 40)
        tab.mouse.down()
        tab.mouse.move(box["x"] + 150, box["y"] + 40, steps=12)
        tab.mouse.up()
        tab.wait_for_timeout(150)
        assert shown(found, modes)[1] == 3


def test_a_finger_draws_a_law(browser: Any, site: str) -> None:
    with opened(
        browser, site, only="browser-gan", viewport={"width": 375, "height": 800}, has_touch=True
    ) as tab:
        found = widget(tab, "browser-gan")
        found.get_by_label("data", exact=True).select_option("drawn")
        canvas = found.locator("canvas").first
        canvas.evaluate("e => e.scrollIntoView({ block: 'center', behavior: 'instant' })")
        box = canvas.bounding_box()
        before = len(BrowserGan("drawn").centres)
        touched(tab, *((box["x"] + x, box["y"] + 30) for x in range(30, 160, 10)))
        assert shown(found, "modes with generated points within 0.1")[1] > before + 3


def test_a_gan_waits_for_those_who_asked_for_less_motion(browser: Any, site: str) -> None:
    with opened(browser, site, only="browser-gan", reduced_motion="reduce") as tab:
        found = widget(tab, "browser-gan")
        found.get_by_role("button", name="Start again").click()
        found.get_by_role("button", name="Play").click()
        tab.wait_for_timeout(400)
        assert shown(found, "steps made") == [0.0]
        assert "reduced motion" in found.locator(".gm-w-notice").inner_text()
        found.get_by_role("button", name="100 steps").click()
        assert_trained(found, steps=100)
