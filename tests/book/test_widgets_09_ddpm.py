"""The widgets of diffusion on their page: moved by hand, keys and touch, they show gmlib's numbers."""

from __future__ import annotations

import math
from typing import Any

import pytest

from gmlib.widgets import ForwardAndBack, ReverseKernel, VarianceRecursion

from .seen import assert_says, assert_shows, middle, opened, scientific, shown, told, touched, widget

pytestmark = pytest.mark.browser


def assert_recursion(found: Any, **state: Any) -> None:
    """The read-outs have gmlib's four digits; a variance that outgrows float64 is said to."""
    terms = VarianceRecursion(**state).terms()
    rows = {
        "after the first step": terms.first,
        "there the noised data have": terms.exact_first,
        "final variance of the samples": terms.final,
    }
    wanted = {row: pytest.approx(value, rel=6e-4) for row, value in rows.items()}
    for _ in range(60):
        got = {row: math.inf if "overflow" in told(found, row) else scientific(found, row) for row in rows}
        if got == wanted:
            return
        found.page.wait_for_timeout(50)
    assert got == wanted


def test_three_bars_are_put_where_they_belong(browser: Any, site: str) -> None:
    with opened(browser, site, only="variance-recursion") as tab:
        found = widget(tab, "variance-recursion")
        assert_recursion(found)
        assert found.get_by_text("not tried").count() == 7
        places = {"front": "1 over, in front", "above": "above, at ε̂", "below": "below it"}
        for place, label in places.items():
            found.get_by_role("group", name=label).get_by_role("radio").first.focus()
            tab.keyboard.press("ArrowRight")
            done = [*places][: [*places].index(place) + 1]
            assert_recursion(found, **dict.fromkeys(done, True))
        assert "One step of the chain shrinks" in found.inner_text()
        for place, rest in (("front", {"above": True}), ("above", {})):
            found.get_by_role("group", name=places[place]).get_by_role("radio").first.check()
            assert_recursion(found, below=True, **rest)
        found.get_by_text("This is the step.").wait_for()
        assert found.get_by_text("not tried").count() == 2
        found.get_by_role("group", name=places["front"]).get_by_role("radio").last.check()
        assert_recursion(found, front=True, below=True)
        found.get_by_role("button", name="Forget what I tried").click()
        tab.wait_for_timeout(100)
        assert found.get_by_text("not tried").count() == 7


def test_samplers_with_fewer_steps_end_beside_the_variance(browser: Any, site: str) -> None:
    with opened(browser, site, only="variance-recursion") as tab:
        found = widget(tab, "variance-recursion")
        found.get_by_role("group", name="below it").get_by_role("radio").last.check()
        steps = found.get_by_role("slider", name="steps of the sampler, on the picture")
        steps.focus()
        for n in (500, 250, 200, 125, 100, 50):
            tab.keyboard.press("ArrowLeft")
            assert_recursion(found, steps=n, below=True)
        noise = found.get_by_role("group", name="noise of a step")
        noise.get_by_role("radio", name="β̃ₖ").check()
        assert_recursion(found, steps=50, below=True, noise="beta_tilde")
        found.get_by_label("noise in the last step, too").check()
        assert_recursion(found, steps=50, below=True, noise="beta_tilde", last_noise=True)
        noise.get_by_role("radio", name="none: DDIM").check()
        assert_recursion(found, steps=50, noise="ddim")
        assert found.get_by_role("group", name="below it").get_by_role("radio").first.is_disabled()
        found.get_by_label("variance v of the data").focus()
        tab.keyboard.press("End")
        assert_recursion(found, variance=4.0, steps=50, noise="ddim")
        found.get_by_label("steps of the sampler", exact=True).focus()
        tab.keyboard.press("Home")
        assert_recursion(found, variance=4.0, steps=1, noise="ddim")


def assert_kernel(found: Any, x: float = 0.0, **state: Any) -> None:
    widget = ReverseKernel(x, **state)
    terms = widget.terms()
    wanted: dict[str, Any] = {
        "signal after the step, ᾱₜ": pytest.approx([widget.alpha_bar_t], abs=6e-4),
        "mean of xₛ given xₜ": pytest.approx([terms.mean], abs=6e-4),
        "its standard deviation": pytest.approx([terms.std], abs=6e-4),
        "it came from the lump at 1": pytest.approx([100 * terms.upper], abs=0.06),
        "half the separation / std of a lump": pytest.approx([terms.half_separation], abs=6e-3),
        "peaks of the exact law": [float(terms.peaks)],
    }
    assert_shows(found, wanted)
    assert scientific(found, "KL to the normal law, nats") == pytest.approx(terms.kl, rel=6e-3, abs=1e-13)


def test_short_steps_back_are_normal_and_long_ones_are_not(browser: Any, site: str) -> None:
    with opened(browser, site, only="reverse-kernel") as tab:
        found = widget(tab, "reverse-kernel")
        assert_kernel(found)
        for beta in (0.2, 0.05, 0.01):
            found.get_by_role("button", name=f"β = {beta}", exact=True).click()
            assert_kernel(found, beta=beta)
        found.get_by_role("button", name="β = 0.5", exact=True).click()
        found.get_by_role("button", name="noised point").focus()
        tab.keyboard.press("ArrowUp")
        tab.keyboard.press("Shift+ArrowUp")
        assert_kernel(found, 0.44)
        # To the right is more noise: 0.04 of 8 units are 0.005 of the variance.
        tab.keyboard.press("ArrowRight")
        beta = round(1 - 0.345 / 0.7, 4)
        assert_kernel(found, 0.44, beta=beta)
        earlier = found.get_by_role("slider", name="earlier noise level")
        earlier.focus()
        tab.keyboard.press("Shift+ArrowLeft")
        assert_kernel(found, 0.44, alpha_bar_s=0.75, beta=round(1 - 0.7 * (1 - beta) / 0.75, 4))
        found.get_by_label("signal before the step, ᾱₛ").focus()
        tab.keyboard.press("Home")
        for label in ("weight of the lump at −1", "width of each lump (0: two points)"):
            found.get_by_label(label).focus()
            tab.keyboard.press("End")
        found.get_by_role("button", name="Point to the middle").click()
        found.get_by_role("button", name="β = 0.2", exact=True).click()
        assert_kernel(found, alpha_bar_s=0.02, beta=0.2, weight=0.95, std=0.6)
        found.get_by_label("signal before the step, ᾱₛ").focus()
        tab.keyboard.press("End")
        handle = found.get_by_role("slider", name="β, on the curve")
        handle.focus()
        for _ in range(4):
            tab.keyboard.press("Shift+ArrowRight")
        assert_kernel(found, alpha_bar_s=0.99, beta=0.99, weight=0.95, std=0.6)
        assert_says(handle, "aria-valuenow", "0.99")


def test_a_finger_drags_the_noised_point(browser: Any, site: str) -> None:
    size = {"width": 375, "height": 800}
    with opened(browser, site, only="reverse-kernel", viewport=size, has_touch=True) as tab:
        found = widget(tab, "reverse-kernel")
        handle = found.get_by_role("button", name="noised point")
        handle.evaluate("e => e.scrollIntoView({ block: 'center', behavior: 'instant' })")
        x, y = middle(handle)
        touched(tab, (x, y), (x + 10, y - 10), (x + 20, y - 30))
        assert middle(handle) == pytest.approx((x + 20, y - 30), abs=2)
        (signal,) = shown(found, "signal after the step, ᾱₜ")
        assert signal < 0.3


def assert_walk(found: Any, **state: Any) -> None:
    """The read-outs have what gmlib's samplers give with the browser's noise."""
    given = ForwardAndBack(**state)
    terms = given.readings()
    wanted: dict[str, Any] = {
        "step of the grid": [terms.step, given.steps],
        "signal α, noise σ": pytest.approx([terms.alpha, terms.sigma], abs=6e-4),
        "calls of the denoiser": [terms.calls],
        "in the part they came from": pytest.approx([100 * terms.home], abs=0.06),
        "sliced W₂ to the law": pytest.approx([terms.distance], abs=6e-4),
        "the same, fresh draws": pytest.approx([terms.fresh], abs=6e-4),
    }
    assert_shows(found, wanted)


def test_particles_go_into_noise_and_come_back_as_gmlibs_do(browser: Any, site: str) -> None:
    with opened(browser, site, only="forward-and-back", reduced_motion="reduce") as tab:
        found = widget(tab, "forward-and-back")
        law = {"law": "eight_gaussians", "steps": 10}
        found.get_by_label("law", exact=True).select_option("eight_gaussians")
        steps = found.get_by_label("steps between data and noise")
        steps.focus()
        tab.keyboard.press("Home")
        for _ in range(7):
            tab.keyboard.press("ArrowRight")
        assert_walk(found, **law)
        forward, back = (found.get_by_role("button", name=name, exact=True) for name in ("Forward", "Back"))
        forward.click()
        assert_walk(found, **law, time=1.0)
        back.click()
        assert_walk(found, **law, way="back")
        sampler = found.get_by_label("way back", exact=True)
        for name in ("beta_tilde", "heun", "ddim"):
            sampler.select_option(name)
            assert_walk(found, **law, way="back", sampler=name)
        found.get_by_label("fresh noise η of DDIM").focus()
        tab.keyboard.press("End")
        assert_walk(found, **law, way="back", sampler="ddim", eta=1.0)
        found.get_by_role("radio", name="linear").check()
        law["schedule"] = "linear"
        time = found.get_by_label("time t, from data to noise")
        time.focus()
        for _ in range(4):
            tab.keyboard.press("ArrowRight")
        assert_walk(found, **law, way="back", sampler="ddim", eta=1.0, time=0.04)
        # Round again at t = 0.04: after one step the particles know well where they came from.
        forward.click()
        assert_walk(found, **law, time=1.0)
        time.focus()
        tab.keyboard.press("Home")
        for _ in range(4):
            tab.keyboard.press("ArrowRight")
        back.click()
        assert_walk(found, **law, way="back", sampler="ddim", eta=1.0, turn=0.04)
        # Dragged into more noise than there was, they turn round there.
        time.focus()
        tab.keyboard.press("End")
        assert_walk(found, **law, way="back", sampler="ddim", eta=1.0, time=1.0)


def test_time_runs_into_noise_until_a_hand_stops_it(browser: Any, site: str) -> None:
    with opened(browser, site, only="forward-and-back") as tab:
        found = widget(tab, "forward-and-back")
        forward = found.get_by_role("button", name="Forward", exact=True)
        forward.click()
        time = found.get_by_label("time t, from data to noise")
        tab.wait_for_function("(slider) => Number(slider.value) > 0.05", arg=time.element_handle())
        assert forward.get_attribute("aria-pressed") == "true"
        forward.click()
        now = time.input_value()
        assert 0 < float(now) < 1
        tab.wait_for_timeout(200)
        assert time.input_value() == now
        found.get_by_role("button", name="Back", exact=True).click()
        tab.wait_for_function("(slider) => Number(slider.value) === 0", arg=time.element_handle())
        found.get_by_text("came home").wait_for()
        (home,) = shown(found, "in the part they came from")
        assert home > 30
