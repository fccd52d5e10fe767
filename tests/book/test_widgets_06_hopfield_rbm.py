"""The widgets of memories and machines on their page: moved by hand, keys and touch, they show gmlib's numbers."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from gmlib.energy import RBM, reference_rbm
from gmlib.widgets import DigitsChain, HopfieldLetters, ModernRecall, TinyRBM

from .seen import assert_shows, middle, numbers, opened, shown, touched, widget

pytestmark = pytest.mark.browser


def assert_letters(found: Any, start: Any, **state: Any) -> None:
    terms = HopfieldLetters(start, flips=0, **state).terms()
    assert_shows(
        found,
        {
            "energy E(x)": [terms.energy],
            "smallest margin": [terms.smallest_margin],
            "units that would flip": [terms.unstable],
        },
    )


def test_a_letter_comes_back_without_a_network(browser: Any, site: str) -> None:
    with opened(browser, site, only="hopfield-letters") as tab:
        tab.context.set_offline(True)
        found = widget(tab, "hopfield-letters")
        start = [*HopfieldLetters("D", flips=4).start]
        assert_letters(found, start)
        found.get_by_role("group", name="the pattern").get_by_role("button").nth(12).focus()
        for key in ("ArrowRight", "ArrowUp", "Space"):
            tab.keyboard.press(key)
        start[8] *= -1
        assert_letters(found, start)
        for steps in (1, 2, 3):
            found.get_by_role("button", name="One unit").click()
            assert_letters(found, start, steps=steps)
        found.get_by_role("button", name="One sweep").click()
        assert_letters(found, start, steps=25)
        found.get_by_role("button", name="Back to the cue").click()
        found.get_by_label("all at once").check()
        found.get_by_role("button", name="One step").click()
        assert_letters(found, start, steps=1, mode="synchronous")
        found.get_by_label("one unit at a time").check()
        found.get_by_role("button", name="Play").click()
        found.get_by_role("button", name="Play").wait_for(timeout=15_000)  # again: the run has ended
        assert_letters(found, start, steps=1000)
        terms = HopfieldLetters(start, flips=0, steps=1000).terms()
        assert terms.end == "fixed"
        assert terms.energy < terms.energies[0]
        assert found.get_by_role("list", name="fixed points").get_by_role("button").count() == 1


def test_letters_are_damaged_stored_and_forgotten(browser: Any, site: str) -> None:
    with opened(browser, site, only="hopfield-letters") as tab:
        found = widget(tab, "hopfield-letters")
        found.get_by_label("pixels to flip").focus()
        tab.keyboard.press("Home")
        found.get_by_role("button", name="Recall 100 damaged").click()
        found.get_by_text("100 of 100 memories with 0 flipped pixels came back").wait_for()
        tab.keyboard.press("Tab")
        found.get_by_role("button", name="Recall 100 random").click()
        found.get_by_text("of 200 runs").wait_for()
        found.get_by_role("button", name="Store this pattern").click()
        found.get_by_text("5 memories in 25 units").wait_for()
        start = HopfieldLetters("D", flips=4).start
        assert_letters(found, start, extra=[start])
        found.get_by_role("button", name="Forget own 1").click()
        found.get_by_text("4 memories in 25 units").wait_for()
        assert_letters(found, start)
        found.get_by_role("button", name="Load M").click()
        assert_letters(found, "M")


def test_a_finger_flips_a_pixel(browser: Any, site: str) -> None:
    with opened(
        browser, site, only="hopfield-letters", viewport={"width": 375, "height": 800}, has_touch=True
    ) as tab:
        found = widget(tab, "hopfield-letters")
        start = [*HopfieldLetters("D", flips=4).start]
        found.get_by_role("group", name="the pattern").get_by_role("button").nth(6).tap()
        start[6] *= -1
        assert_letters(found, start)


def test_letters_wait_for_those_who_asked_for_less_motion(browser: Any, site: str) -> None:
    with opened(browser, site, only="hopfield-letters", reduced_motion="reduce") as tab:
        found = widget(tab, "hopfield-letters")
        start = HopfieldLetters("D", flips=4).start
        found.get_by_role("button", name="Play").click()
        tab.wait_for_timeout(600)
        assert_letters(found, start)
        assert "reduced motion" in found.locator(".gm-w-notice").inner_text()
        found.get_by_role("button", name="One unit").click()
        assert_letters(found, start, steps=1)


def assert_recall(found: Any, **state: Any) -> None:
    given = ModernRecall(**state)
    terms, at = given.terms(), given.at
    assert_shows(
        found,
        {
            "weight of the stored digit": pytest.approx([terms.weight[at]], abs=6e-4),
            "weight of its class": pytest.approx([terms.class_weight[at]], abs=6e-4),
            "patterns that share, exp(entropy)": pytest.approx([terms.effective[at]], abs=6e-3),
            "energy": pytest.approx([terms.energies[at]], abs=6e-3),
            "wrong pixels, cue → last": [terms.wrong[0], terms.wrong[-1]],
        },
    )


def test_a_digit_is_recalled_by_attention(browser: Any, site: str) -> None:
    with opened(browser, site, only="modern-recall") as tab:
        found = widget(tab, "modern-recall")
        assert_recall(found)
        found.get_by_role("radio", name="2").check()
        assert_recall(found, at=2)
        found.get_by_role("radio", name="cue").check()
        for label, key in (("rows unknown", "ArrowLeft"), ("pixels flipped", "Home")):
            found.get_by_label(label).focus()
            tab.keyboard.press(key)
        assert_recall(found, hidden=13, flipped=0.0)
        found.get_by_role("button", name="β = 1/√d").click()
        assert_recall(found, hidden=13, flipped=0.0, inv_temp=1 / 28)
        beta = found.get_by_label("inverse temperature")
        beta.focus()
        tab.keyboard.press("End")
        assert_recall(found, hidden=13, flipped=0.0, inv_temp=1.0)
        tab.keyboard.press("Home")
        assert_recall(found, hidden=13, flipped=0.0, inv_temp=0.001)
        found.get_by_label("stored digit", exact=True).focus()
        tab.keyboard.press("Home")
        assert_recall(found, chosen=0, hidden=13, flipped=0.0, inv_temp=0.001)
        tab.wait_for_function(
            "() => document.querySelector('[data-widget=modern-recall] .gm-w-live').textContent.startsWith('Stored: a 0')"
        )


def test_a_digit_is_chosen_on_the_wall_and_drawn_over(browser: Any, site: str) -> None:
    with opened(browser, site, only="modern-recall") as tab:
        found = widget(tab, "modern-recall")
        wall = found.get_by_role("img", name="All stored digits")
        box = wall.bounding_box()
        wall.click(position={"x": box["width"] * 0.25, "y": box["height"] * 0.35})
        assert_recall(found, chosen=32)
        found.get_by_label("draw on the cue").check()
        found.get_by_role("button", name="brush at row 15, column 15").focus()
        tab.keyboard.press("ArrowUp")
        tab.keyboard.press("Space")
        pixels = [13 * 28 + 15, 13 * 28 + 16, 14 * 28 + 15, 14 * 28 + 16]
        assert_recall(found, chosen=32, strokes=pixels)
        found.get_by_label("erase").check()
        found.get_by_role("button", name="brush at").focus()
        tab.keyboard.press("Space")
        assert_recall(found, chosen=32, strokes=[-pixel for pixel in pixels])
        found.get_by_role("button", name="Clear the drawing").click()
        assert_recall(found, chosen=32)


def test_a_finger_draws_on_the_cue(browser: Any, site: str) -> None:
    with opened(
        browser, site, only="modern-recall", viewport={"width": 375, "height": 800}, has_touch=True
    ) as tab:
        found = widget(tab, "modern-recall")
        found.get_by_label("draw on the cue").check()
        cue = found.get_by_role("img", name="The cue")
        cue.evaluate("e => e.scrollIntoView({ block: 'center', behavior: 'instant' })")
        before = shown(found, "wrong pixels, cue → last")
        box = cue.bounding_box()
        touched(tab, *((box["x"] + x, box["y"] + 0.8 * box["height"]) for x in range(8, 60, 6)))
        assert shown(found, "wrong pixels, cue → last")[0] < before[0]


def assert_tiny(found: Any, *, machine: Any = "reference", steps: int = 0, **state: Any) -> None:
    given = TinyRBM(machine, **state)
    terms = given.terms()
    rows: dict[str, Any] = {
        "log Z": round(terms.log_z, 4),
        "mean log-likelihood of the data": round(terms.log_likelihood, 4),
        "KL(data‖machine)": round(terms.kl, 4),
        "KL after k steps of the chain": round(terms.left, 4),
        "CD-k: KL − KL after k steps": round(terms.objective, 4),
        "steps of the chain": steps,
    }
    if terms.angle is not None and terms.error is not None:
        rows |= {
            "CD-k beside it, angle": round(terms.angle, 1),
            "relative error of CD-k": round(100 * terms.error, 1),
        }
    if steps:
        away = (given.visits(steps) - given.model_law).abs().sum() / 2
        rows["visits to law, total variation"] = round(float(away), 4)
    assert_shows(found, {row: [value + 0.0] for row, value in rows.items()})


def test_a_tiny_machine_is_counted_climbed_and_sampled(browser: Any, site: str) -> None:
    with opened(browser, site, only="tiny-rbm") as tab:
        found = widget(tab, "tiny-rbm")
        assert_tiny(found)
        steps = found.get_by_label("steps k of the chain in CD-k")
        steps.focus()
        tab.keyboard.press("End")
        assert_tiny(found, k=10)
        tab.keyboard.press("Home")
        found.get_by_role("button", name="100 steps", exact=True).click()
        assert_tiny(found, steps=100)
        found.get_by_role("button", name="One step").click()
        assert_tiny(found, machine=TinyRBM().followed(1))  # another law: the visits are counted anew
        found.get_by_role("button", name="Stuck chain").click()
        assert_tiny(found, machine="stuck", data="lopsided")
        found.get_by_role("radio", name="mean of CD-k").check()
        for _ in range(5):
            found.get_by_role("button", name="100 steps uphill").click()
        worse = TinyRBM("stuck", data="lopsided", rule="cd").followed(500)
        assert_tiny(found, machine=worse, data="lopsided")
        tab.wait_for_function(
            "() => document.querySelector('[data-widget=tiny-rbm] .gm-w-live').textContent.includes('state 1111')"
        )
        found.get_by_label("law of the data").select_option("one")
        assert_tiny(found, machine=worse, data="one")


def test_weights_of_a_tiny_machine_move_by_keys_and_by_hand(browser: Any, site: str) -> None:
    def moved(**values: float) -> RBM:
        machine = reference_rbm()
        with torch.no_grad():
            for name, value in values.items():
                row, column = int(name[1]) - 1, int(name[2]) - 1
                machine.weight[row, column] = value
        return machine

    with opened(browser, site, only="tiny-rbm") as tab:
        found = widget(tab, "tiny-rbm")
        value = found.get_by_label("value of weight of x1 and h1")
        value.focus()
        tab.keyboard.press("End")
        assert_tiny(found, machine=moved(W11=6.0))
        tab.keyboard.press("ArrowLeft")
        assert_tiny(found, machine=moved(W11=5.95))
        point = found.get_by_role("button", name="machine in the plane")
        point.focus()
        tab.keyboard.press("Shift+ArrowLeft")
        second = round(reference_rbm().weight[1, 1].item(), 2)
        assert_tiny(found, machine=moved(W11=4.95, W22=second))
        grip = found.get_by_role("slider", name="weight of x2 and h2: up for more")
        grip.focus()
        tab.keyboard.press("ArrowUp")
        assert_tiny(found, machine=moved(W11=4.95, W22=round(second + 0.1, 2)))
        found.get_by_label("to the right").select_option("W22")  # the axes stay two different parameters
        assert found.get_by_label("upwards").input_value() != "W22"
        found.get_by_role("button", name="Reference machine").click()
        graph = found.locator("canvas").first
        graph.scroll_into_view_if_needed()
        box = graph.bounding_box()
        # The leftmost visible unit: its bias, pulled up.
        place = (
            box["x"] + 6 + (box["width"] - 12) * 0.25 / 3.5,
            box["y"] + box["height"] - 8 - (box["height"] - 32) * 0.16 / 1.32,
        )
        tab.mouse.move(*place)
        tab.mouse.down()
        tab.mouse.move(place[0], place[1] - 45, steps=5)
        tab.mouse.up()
        assert found.get_by_label("to the right").input_value() == "b1"
        wanted = reference_rbm()
        with torch.no_grad():
            wanted.b[0] = round(wanted.b[0].item() + 1, 2)
        assert_tiny(found, machine=wanted)


def test_a_finger_drags_a_tiny_machine(browser: Any, site: str) -> None:
    with opened(
        browser, site, only="tiny-rbm", viewport={"width": 375, "height": 800}, has_touch=True
    ) as tab:
        found = widget(tab, "tiny-rbm")
        point = found.get_by_role("button", name="machine in the plane")
        point.evaluate("e => e.scrollIntoView({ block: 'center', behavior: 'instant' })")
        x, y = middle(point)
        touched(tab, (x, y), (x + 20, y - 10), (x + 40, y - 30))
        assert abs(middle(point)[0] - x - 40) < 3
        assert abs(middle(point)[1] - y + 30) < 3
        assert numbers(found.locator(".gm-w-value").first.inner_text())[0] > 1


def test_a_tiny_chain_runs_in_view_and_rests_for_those_who_ask(browser: Any, site: str) -> None:
    with opened(browser, site, only="tiny-rbm") as tab:
        found = widget(tab, "tiny-rbm")
        found.get_by_role("button", name="Run the chain").click()
        tab.wait_for_timeout(1000)
        found.get_by_role("button", name="Pause the chain").click()
        tab.wait_for_timeout(150)
        (steps,) = shown(found, "steps of the chain")
        assert steps > 5
        assert_tiny(found, steps=int(steps))
    with opened(browser, site, only="tiny-rbm", reduced_motion="reduce") as tab:
        found = widget(tab, "tiny-rbm")
        found.get_by_role("button", name="Climb").click()
        tab.wait_for_timeout(300)
        assert_tiny(found)
        assert "reduced motion" in found.locator(".gm-w-notice").inner_text()
        found.get_by_role("button", name="One step").click()
        assert_tiny(found, machine=TinyRBM().followed(1))


def assert_dreams(found: Any, steps: int, **state: Any) -> None:
    given = DigitsChain(**state)
    terms = given.terms(steps)
    rows = {
        "steps of the chain": steps,
        "free energy of the picture, nats": round(terms.free_energy, 2),
        "ten test digits, on average": round(terms.digits, 2),
        "pixels on": terms.pixels,
        "hidden units on, expected": round(terms.hidden, 1),
    }
    assert_shows(found, {row: [value + 0.0] for row, value in rows.items()})


def test_a_trained_machine_dreams_as_gmlib_does(browser: Any, site: str) -> None:
    with opened(browser, site, only="digits-chain") as tab:
        found = widget(tab, "digits-chain")
        assert_dreams(found, 0)
        step = found.get_by_role("button", name="One step")
        for _ in range(3):
            step.click()
        assert_dreams(found, 3)
        found.get_by_role("radio", name="noise").check()
        assert_dreams(found, 0, start="noise")
        found.get_by_role("button", name="New noise").click()
        found.get_by_role("button", name="100 steps").click()
        assert_dreams(found, 100, start="noise", seed=1)
        found.get_by_label("inverse temperature").focus()
        tab.keyboard.press("End")
        found.get_by_role("button", name="Start again").click()
        step.click()
        assert_dreams(found, 1, start="noise", inv_temp=3.0, seed=1)
        found.get_by_role("radio", name="a test digit").check()
        found.get_by_label("test digit", exact=True).focus()
        tab.keyboard.press("Home")
        assert_dreams(found, 0, digit=0, inv_temp=3.0, seed=1)
        found.get_by_role("radio", name="upper").check()
        assert_shows(found, {"pixels held": [392.0]})
        step.click()
        assert_dreams(found, 1, digit=0, half="upper", inv_temp=3.0, seed=1)
        tab.wait_for_function(
            "() => document.querySelector('[data-widget=digits-chain] .gm-w-live').textContent.includes('392 held')"
        )


def test_pixels_are_held_by_keys_and_by_hand(browser: Any, site: str) -> None:
    with opened(browser, site, only="digits-chain") as tab:
        found = widget(tab, "digits-chain")
        assert_dreams(found, 0)  # the weights are there
        found.get_by_role("radio", name="a blank sheet").check()
        pen = found.get_by_label("width of the pen")
        pen.focus()
        tab.keyboard.press("Home")
        found.get_by_role("button", name="pen at column 15, row 15").focus()
        for key in ("Space", "ArrowRight", "Space", "ArrowDown", "Delete"):
            tab.keyboard.press(key)
        held = {"ink": [14 * 28 + 14, 14 * 28 + 15], "paper": [15 * 28 + 15]}
        assert_shows(found, {"pixels held": [3.0]})
        assert_dreams(found, 0, start="blank", **held)
        found.get_by_role("button", name="One step").click()
        assert_dreams(found, 1, start="blank", **held)
        found.get_by_role("radio", name="let go").check()
        found.get_by_role("button", name="pen at").focus()
        tab.keyboard.press("ArrowUp")
        tab.keyboard.press("Space")
        assert_shows(found, {"pixels held": [2.0]})
        found.get_by_role("button", name="Let go of all").click()
        assert_shows(found, {"pixels held": [0.0]})
        found.get_by_role("radio", name="ink").check()
        canvas = found.locator("canvas").first
        canvas.scroll_into_view_if_needed()
        box = canvas.bounding_box()
        cell = box["width"] / 28
        tab.mouse.move(box["x"] + 4.5 * cell, box["y"] + 6.5 * cell)
        tab.mouse.down()
        tab.mouse.move(box["x"] + 20.5 * cell, box["y"] + 6.5 * cell, steps=3)
        tab.mouse.up()
        assert_shows(found, {"pixels held": [17.0]})  # none is left out on the way
        found.get_by_role("button", name="Start again").click()
        assert_dreams(found, 0, start="blank", ink=[6 * 28 + column for column in range(4, 21)])
        found.get_by_role("button", name="Let go of all").click()
        found.get_by_label("hold what I draw").uncheck()
        found.get_by_role("button", name="Start again").click()
        tab.mouse.click(box["x"] + 4.5 * cell, box["y"] + 6.5 * cell)
        assert_shows(found, {"pixels held": [0.0], "pixels on": [1.0]})


def test_a_finger_draws_what_the_machine_completes(browser: Any, site: str) -> None:
    with opened(
        browser, site, only="digits-chain", viewport={"width": 375, "height": 800}, has_touch=True
    ) as tab:
        found = widget(tab, "digits-chain")
        assert_dreams(found, 0)  # the weights are there
        found.get_by_role("radio", name="a blank sheet").check()
        canvas = found.locator("canvas").first
        canvas.evaluate("e => e.scrollIntoView({ block: 'center', behavior: 'instant' })")
        box = canvas.bounding_box()
        touched(tab, *((box["x"] + x, box["y"] + 80) for x in range(80, 200, 20)))
        (held,) = shown(found, "pixels held")
        assert held > 15
        assert shown(found, "pixels on") == [held]


def test_the_chain_of_digits_runs_in_view_and_rests_for_those_who_ask(browser: Any, site: str) -> None:
    with opened(browser, site, only="digits-chain") as tab:
        found = widget(tab, "digits-chain")
        assert_dreams(found, 0)  # the weights are there
        found.get_by_role("button", name="Play").click()
        tab.wait_for_timeout(1000)
        found.get_by_role("button", name="Pause").click()
        tab.wait_for_timeout(150)
        (steps,) = shown(found, "steps of the chain")
        assert steps > 3
        assert_dreams(found, int(steps))
    with opened(browser, site, only="digits-chain", reduced_motion="reduce") as tab:
        found = widget(tab, "digits-chain")
        assert_dreams(found, 0)
        found.get_by_role("button", name="Play").click()
        tab.wait_for_timeout(300)
        assert_dreams(found, 0)
        assert "reduced motion" in found.locator(".gm-w-notice").inner_text()
