"""The widgets of scores on their page: moved by hand, keys and touch, they show gmlib's numbers."""

from __future__ import annotations

import math
from typing import Any

import pytest

from gmlib.widgets import DigitsInTheBrowser, LangevinStep, SwissRollScores, TwoModes

from .seen import assert_says, assert_shows, home, middle, opened, scientific, shown, touched, widget

pytestmark = pytest.mark.browser


def assert_modes(found: Any, *weights: float, **state: float) -> None:
    """The read-outs have the four digits that gmlib computes by quadrature."""
    terms = TwoModes(*weights, **state).terms()
    rows = {
        "D_F(p‖q), with the ½": terms.fisher,
        "σ²·D_F": terms.weighted,
        "2σ²·D_F, the orange curve": terms.square,
        "KL(p‖q), nats": terms.kl,
        "KL of the weights alone": terms.kl_weights,
    }
    wanted = {row: pytest.approx(value, rel=5.1e-4, abs=1e-300) for row, value in rows.items()}
    for _ in range(60):
        got = {row: scientific(found, row) for row in rows}
        if got == wanted:
            return
        found.page.wait_for_timeout(50)
    assert got == wanted


def test_noise_brings_back_what_the_scores_do_not_see(browser: Any, site: str) -> None:
    with opened(browser, site, only="two-modes") as tab:
        found = widget(tab, "two-modes")
        assert_modes(found, 0.5, 0.2)
        assert scientific(found, "D_F(p‖q), with the ½") == pytest.approx(2.879e-6)
        found.get_by_role("button", name="left mode of the data").focus()
        for key in ("Shift+ArrowUp", "Shift+ArrowUp", "Shift+ArrowUp"):
            tab.keyboard.press(key)
        assert_modes(found, 0.8, 0.2)
        found.get_by_role("button", name="right mode of the model").focus()
        for key in ("Shift+ArrowDown", "Shift+ArrowDown", "Shift+ArrowDown"):
            tab.keyboard.press(key)
        assert_modes(found, 0.8, 0.5)
        width = found.locator("input[aria-label='standard deviation of each mode']")
        width.focus()
        for _ in range(10):
            tab.keyboard.press("ArrowLeft")
        assert_modes(found, 0.8, 0.5, std=0.5)
        distance = found.get_by_role("slider", name="distance c of the modes from 0").first
        distance.focus()
        tab.keyboard.press("Shift+ArrowLeft")
        assert_modes(found, 0.8, 0.5, std=0.5, centre=4.5)
        tab.keyboard.press("Shift+ArrowRight")
        found.locator("input[aria-label='noise level σ']").focus()
        tab.keyboard.press("End")
        assert_modes(found, 0.8, 0.5, std=0.5, sigma=20.0)
        level = found.get_by_role("slider", name="noise level σ, on the curves")
        level.focus()
        for _ in range(14):
            tab.keyboard.press("Shift+ArrowLeft")
        assert_modes(found, 0.8, 0.5, std=0.5)
        assert_says(level, "aria-valuetext", "σ = 0.00")
        found.get_by_role("button", name="Where it shows most").click()
        tab.wait_for_timeout(100)
        sigma = float(level.get_attribute("aria-valuenow"))
        assert sigma == pytest.approx(4.42, abs=0.01)
        assert_modes(found, 0.8, 0.5, std=0.5, sigma=sigma)
        tab.wait_for_function(
            "() => document.querySelector('[data-widget=two-modes] .gm-w-live').textContent"
            ".includes('noise level 4.42')"
        )
        found.get_by_role("button", name="No noise").click()
        assert_modes(found, 0.8, 0.5, std=0.5)


def test_two_modes_are_dragged_and_stay_under_the_hand(browser: Any, site: str) -> None:
    with opened(browser, site, only="two-modes") as tab:
        found = widget(tab, "two-modes")
        places = (("left mode of the data", 0, -20), ("right mode of the model", 0, 15))
        for name, right, down in places:
            handle = found.get_by_role("button", name=name)
            handle.evaluate("e => e.scrollIntoView({ block: 'center', behavior: 'instant' })")
            x, y = middle(handle)
            tab.mouse.move(x, y)
            tab.mouse.down()
            tab.mouse.move(x + 9, y + down, steps=4)
            tab.mouse.up()
            tab.wait_for_timeout(100)
            assert middle(handle) == pytest.approx((x + right, y + down), abs=2)
        handle = found.get_by_role("slider", name="distance c of the modes from 0").first
        x, y = middle(handle)
        tab.mouse.move(x, y)
        tab.mouse.down()
        tab.mouse.move(x - 60, y, steps=4)
        tab.mouse.up()
        tab.wait_for_timeout(100)
        assert middle(handle) == pytest.approx((x - 60, y), abs=2)


def assert_chains(found: Any, *, n: int = 1000, **state: Any) -> None:
    """The exact read-outs are gmlib's, and the chains' own moments those of gmlib's chains under the same noise."""
    given = LangevinStep(n=n, **state)
    terms, sample = given.terms(), given.sample()
    rows = {
        "steps made, k": given.steps,
        "exact mean, aᵏx₀": terms.mean,
        "exact variance": terms.variance,
        "factor a of a step": terms.factor,
        "steps until 1 % of the start is left": terms.forget,
        "variance where the chains settle": terms.stationary,
    }
    wanted: dict[str, Any] = {
        row: pytest.approx([value], abs=5.1e-4) if math.isfinite(value) else [] for row, value in rows.items()
    }
    drawn = {"mean of the chains": sample.mean().item(), "variance of the chains": sample.var().item()}
    errors = ((terms.variance / n) ** 0.5, terms.variance * (2 / (n - 1)) ** 0.5)
    for (row, value), error in zip(drawn.items(), errors, strict=True):
        wanted[row] = pytest.approx([value, error], abs=5.1e-4)
    assert_shows(found, wanted)


def test_chains_move_step_by_step_and_with_the_step_size(browser: Any, site: str) -> None:
    with opened(browser, site, only="langevin-step") as tab:
        found = widget(tab, "langevin-step")
        assert_chains(found, steps=4)
        found.get_by_role("button", name="One step").click()
        assert_chains(found, steps=5)
        found.get_by_role("button", name="Ten steps").click()
        assert_chains(found, steps=15)
        start = found.get_by_role("slider", name="start of every chain")
        start.focus()
        for key in ("Shift+ArrowLeft", "ArrowLeft"):
            tab.keyboard.press(key)
        assert_chains(found, steps=15, start=1.9)
        step = found.get_by_role("slider", name="step δ, on the curve")
        step.focus()
        tab.keyboard.press("Shift+ArrowRight")
        tab.wait_for_timeout(100)
        delta = float(step.get_attribute("aria-valuenow"))
        assert delta == pytest.approx(0.25 * 10**0.1, rel=2e-3)
        assert_chains(found, step=delta, steps=15, start=1.9)
        found.get_by_role("button", name="New noise").click()
        assert_chains(found, step=delta, steps=15, start=1.9, seed=1)
        found.get_by_role("button", name="Back to the start").click()
        assert_chains(found, step=delta, steps=0, start=1.9, seed=1)


@pytest.mark.parametrize("rule", ["double_drift", "step_noise", "double_noise"])
def test_a_wrong_rule_gives_itself_away(browser: Any, site: str, rule: str) -> None:
    with opened(browser, site, only="langevin-step") as tab:
        found = widget(tab, "langevin-step")
        found.get_by_label("rule, with s = −x").select_option(rule)
        assert_chains(found, rule=rule)
        assert "by a wrong rule" in found.locator(".gm-w-hint").inner_text()


def test_a_step_of_five_diverges_in_numbers(browser: Any, site: str) -> None:
    with opened(browser, site, only="langevin-step") as tab:
        found = widget(tab, "langevin-step")
        slider = found.locator("input[aria-label='step δ']")
        slider.focus()
        tab.keyboard.press("End")
        assert_chains(found, step=5.0)
        assert "diverge" in found.locator(".gm-w-hint").inner_text()
        for _ in range(100):
            found.get_by_role("button", name="Ten steps").click()
        assert_shows(found, {"steps made, k": [1000.0]})
        assert "NaN" not in found.inner_text()
        slider.focus()
        tab.keyboard.press("Home")
        assert_shows(found, {"factor a of a step": [0.995], "steps until 1 % of the start is left": [919.0]})


def test_play_runs_the_chains_and_stops_those_that_diverge(browser: Any, site: str) -> None:
    with opened(browser, site, only="langevin-step") as tab:
        found = widget(tab, "langevin-step")
        found.get_by_role("button", name="Play").click()
        for _ in range(100):
            if shown(found, "steps made, k") > [6]:
                break
            tab.wait_for_timeout(50)
        found.get_by_role("button", name="Pause").click()
        tab.wait_for_timeout(100)
        (k,) = shown(found, "steps made, k")
        assert k > 6
        tab.wait_for_timeout(400)
        assert shown(found, "steps made, k") == [k]
        found.locator("input[aria-label='step δ']").focus()
        tab.keyboard.press("End")
        found.get_by_label("rule, with s = −x").select_option("double_drift")
        found.get_by_role("button", name="Back to the start").click()
        found.get_by_role("button", name="Play").click()
        # From 3, times 4 a step: past a million after ten of them.
        found.get_by_role("button", name="Play").wait_for(timeout=8000)
        assert_shows(found, {"steps made, k": [10.0]})


def test_chains_rest_for_those_who_asked_for_less_motion(browser: Any, site: str) -> None:
    with opened(browser, site, only="langevin-step", reduced_motion="reduce") as tab:
        found = widget(tab, "langevin-step")
        found.get_by_role("button", name="Play").click()
        tab.wait_for_timeout(600)
        assert shown(found, "steps made, k") == [4.0]
        assert "reduced motion" in found.locator(".gm-w-notice").inner_text()
        found.get_by_role("button", name="One step").click()
        assert_shows(found, {"steps made, k": [5.0]})


def test_a_finger_drags_step_and_noise(browser: Any, site: str) -> None:
    page = home("langevin-step")
    assert page == home("two-modes")
    with opened(browser, site, page, viewport={"width": 375, "height": 800}, has_touch=True) as tab:
        for name, handle_name in (
            ("langevin-step", "step δ, on the curve"),
            ("two-modes", "noise level σ, on the curves"),
        ):
            handle = widget(tab, name).get_by_role("slider", name=handle_name)
            handle.evaluate("e => e.scrollIntoView({ block: 'center', behavior: 'instant' })")
            x, y = middle(handle)
            touched(tab, (x, y), (x + 15, y), (x + 40, y + 3))
            assert abs(middle(handle)[0] - x - 40) < 3


def assert_scores(
    found: Any, law: str = "swiss_roll", *, sigma: float = 0.3, at: tuple[float, float] = (0, 0)
) -> None:
    """The read-outs have what gmlib computes of the law and of the network, at the probe and on average."""
    widget = SwissRollScores(law, sigma=sigma)
    widget.probe = [float(v) for v in at]
    truth = widget.readings()

    def near(value: Any, digits: int) -> Any:
        return pytest.approx(value if isinstance(value, list) else [value], abs=0.6 * 10**-digits)

    wanted = {
        "at x": list(at),
        "log q_σ(x), nats": near(truth.log_density, 3),
        "exact score, 1/length": near(list(truth.exact), 2),
        "learnt score, 1/length": near(list(truth.learnt), 2),
        "error here, 1/length": near(truth.error, 3),
        "rms error over q_σ, 1/length": near(truth.rms_error, 3),
        "as a share of the rms score": near(100 * truth.rms_error / truth.rms_score, 1),
    }
    assert_shows(found, wanted)


def arrived(found: Any) -> float:
    """Wait until the particles rest; their sliced distance to the data."""
    found.get_by_role("button", name="Play").wait_for(timeout=60_000)
    found.page.wait_for_timeout(200)
    (distance,) = shown(found, "sliced W₂, particles to data, length")
    return distance


def test_both_scores_are_read_at_the_probe_and_on_average(browser: Any, site: str) -> None:
    with opened(browser, site, only="swiss-roll-scores") as tab:
        found = widget(tab, "swiss-roll-scores")
        assert_scores(found)
        found.get_by_role("button", name="probe on the right picture").focus()
        for key in ("Shift+ArrowRight", "ArrowUp", "ArrowUp"):
            tab.keyboard.press(key)
        assert_scores(found, at=(0.5, 0.1))
        found.get_by_label("noise level σ").focus()
        tab.keyboard.press("Home")
        assert_scores(found, sigma=0.05, at=(0.5, 0.1))
        tab.keyboard.press("End")
        assert_scores(found, sigma=5.0, at=(0.5, 0.1))
        found.get_by_role("radio", name="difference").check()
        for law in ("two_moons", "eight_gaussians", "cross"):
            found.get_by_label("law", exact=True).select_option(law)
            assert_scores(found, law, sigma=5.0, at=(0.5, 0.1))


def test_particles_settle_on_the_roll(browser: Any, site: str) -> None:
    ends = []
    for motion in ("no-preference", "reduce"):
        with opened(browser, site, only="swiss-roll-scores", reduced_motion=motion) as tab:
            found = widget(tab, "swiss-roll-scores")
            assert shown(found, "sliced W₂, particles to data, length")[0] > 3
            found.get_by_role("button", name="Play").click()
            ends.append(arrived(found))
            assert_shows(found, {"steps taken": [192, 192]})
            assert_scores(found, sigma=0.05)
            (fresh,) = shown(found, "the same, fresh data to data")
            assert ends[-1] < 2 * fresh
            assert ("reduced motion" in found.inner_text()) == (motion == "reduce")
    assert ends[0] == ends[1]


def test_particles_ride_the_flow_with_the_slider(browser: Any, site: str) -> None:
    with opened(browser, site, only="swiss-roll-scores") as tab:
        found = widget(tab, "swiss-roll-scores")
        found.get_by_role("radio", name="flow").check()
        found.get_by_role("radio", name="exact score").check()
        found.get_by_label("noise levels on the way down").focus()
        tab.keyboard.press("End")
        sigma = found.get_by_label("noise level σ")
        sigma.focus()
        for key, steps, low, high in (("Home", 99, 0.0, 0.1), ("End", 198, 3.0, 5.0)):
            tab.keyboard.press(key)
            assert_shows(found, {"steps taken": [steps, steps] if steps == 99 else [steps]})
            assert low < arrived(found) < high


def test_steps_that_are_too_long_throw_particles_out(browser: Any, site: str) -> None:
    with opened(browser, site, only="swiss-roll-scores") as tab:
        found = widget(tab, "swiss-roll-scores")
        found.get_by_role("radio", name="Langevin").check()
        for label in ("noise level σ", "step size δ"):
            found.get_by_label(label).focus()
            tab.keyboard.press("End")
        found.get_by_role("button", name="Play").click()
        found.locator(".gm-w-notice", has_text="too long").wait_for(timeout=15_000)
        found.get_by_label("step size δ").focus()
        tab.keyboard.press("Home")
        found.get_by_role("button", name="One step").click()
        assert_shows(found, {"steps taken": [1, 500]})
        assert found.locator(".gm-w-notice").is_hidden()


SLIDERS = {"moment": "step that is shown", "steps": "steps"}


def assert_denoised(found: Any, moment: int, **state: Any) -> None:
    """Within a minute that step is made and shown, with gmlib's numbers from the same seed."""
    slider = found.get_by_label(SLIDERS["moment"])
    for _ in range(600):
        if slider.input_value() == str(moment):
            break
        found.page.wait_for_timeout(100)
    terms = DigitsInTheBrowser(**state).terms(moment)
    rows = {
        "log-SNR where the network looked": pytest.approx([terms.log_snr], abs=0.0051),
        "images that it has seen": [terms.evaluations],
        "mean grey of its guesses (MNIST: 0.13)": pytest.approx([terms.grey], abs=0.0006),
    }
    assert_shows(found, rows)


def test_a_network_is_fetched_when_it_is_asked_for_and_denoises_as_gmlib_does(
    browser: Any, site: str
) -> None:
    with opened(browser, site, only="digits-in-the-browser") as tab:
        found, asked = widget(tab, "digits-in-the-browser"), []
        tab.on("request", lambda r: asked.append(r.url) if r.url.startswith(site) else None)
        tab.wait_for_timeout(300)
        assert asked == []
        found.get_by_role("button", name="Load the network").click()
        found.get_by_role("button", name="Denoise").wait_for()
        assert len(asked) == 1
        found.get_by_label(SLIDERS["steps"], exact=True).focus()
        tab.keyboard.press("Home")
        found.get_by_role("button", name="Denoise").click()
        assert_denoised(found, 5, steps=5)
        found.get_by_label(SLIDERS["moment"]).focus()
        tab.keyboard.press("ArrowLeft")
        assert_denoised(found, 4, steps=5)
        found.get_by_role("radio", name="ancestral").check()
        assert_shows(found, {"images that it has seen": [0.0]})
        found.get_by_role("button", name="New noise").click()
        found.get_by_role("button", name="Denoise").click()
        assert_denoised(found, 5, sampler="ancestral", steps=5, seed=1)
        assert "thread" in found.locator(".gm-w-hint").last.inner_text()
        tab.wait_for_function(
            "() => document.querySelector('[data-widget=digits-in-the-browser] .gm-w-live').textContent.includes('Step 5')"
        )


def test_denoising_is_stopped_and_one_image_followed_by_a_finger(browser: Any, site: str) -> None:
    size = {"width": 375, "height": 800}
    with opened(
        browser, site, only="digits-in-the-browser", viewport=size, has_touch=True, reduced_motion="reduce"
    ) as tab:
        found = widget(tab, "digits-in-the-browser")
        wall = found.locator("canvas").first
        wall.evaluate("e => e.scrollIntoView({ block: 'center', behavior: 'instant' })")
        box = wall.bounding_box()
        tab.touchscreen.tap(box["x"] + 0.6 * box["width"], box["y"] + 0.3 * box["height"])
        assert found.get_by_label("image whose way is shown").input_value() == "6"
        found.get_by_role("button", name="Load the network").tap()
        found.get_by_role("button", name="Denoise").tap()
        for _ in range(600):
            if shown(found, "images that it has seen") > [0]:
                break
            tab.wait_for_timeout(50)
        found.get_by_role("button", name="Stop").tap()
        found.get_by_role("button", name="Denoise").wait_for()
        seen = shown(found, "images that it has seen")
        assert [0] < seen < [320]
        tab.wait_for_timeout(1000)
        assert shown(found, "images that it has seen") == seen
