"""The widgets of the map on their page: moved by hand, keys and touch, they show gmlib's numbers."""

from __future__ import annotations

import math
import re
from typing import Any

import pytest
import torch

from gmlib.classical import best_bandwidth
from gmlib.distributions import GaussianMixture, toy
from gmlib.widgets import Bandwidth, HonestDashboard, TwoBumps
from gmlib.widgets.density_explorer import THREE

from .seen import F64, assert_says, assert_shows, middle, numbers, opened, shown, touched, widget

pytestmark = pytest.mark.browser


def assert_bandwidth(found: Any, **state: Any) -> None:
    """The read-outs have the numbers that gmlib computes for the same points."""
    given = Bandwidth(**state)
    terms = given.terms()
    train, _ = given.sample()
    rows = {
        "train NLL, nats a point": terms.train,
        "leave-one-out NLL": terms.leave_one_out,
        "test NLL, 300 points": terms.test,
        "entropy of the law": terms.entropy,
        "mean of the sample, and of the estimate": terms.mean,
        "variance S of the sample": terms.sample_variance,
        "= variance of the estimate": terms.variance,
    }
    wanted = {row: pytest.approx([value], abs=5.1e-4) for row, value in rows.items() if math.isfinite(value)}
    if given.kernel == "boxcar":
        apart = torch.pdist(train)  # a boxcar is at its best at a distance of two points
        best = best_bandwidth(train, apart[(apart > 0.03) & (apart < 4.0)], "boxcar")
    else:
        best = best_bandwidth(train, best_bandwidth(train) * torch.linspace(0.99, 1.01, 201, dtype=F64))
    wanted["at ℓ ="] = pytest.approx([best], abs=6e-4)
    assert_shows(found, wanted)


def test_the_bandwidth_follows_keys_and_sliders(browser: Any, site: str) -> None:
    with opened(browser, site, only="bandwidth") as tab:
        found = widget(tab, "bandwidth")
        assert_bandwidth(found, bandwidth=0.15)
        length = found.get_by_role("slider", name="bandwidth ℓ, as a length")
        length.focus()
        for key in ("ArrowRight", "Shift+ArrowRight", "ArrowLeft"):
            tab.keyboard.press(key)
        assert_bandwidth(found, bandwidth=0.35)
        assert_says(length, "aria-valuetext", "ℓ = 0.350")
        found.get_by_role("slider", name="bandwidth ℓ, on the leave-one-out curve").focus()
        tab.keyboard.press("Shift+ArrowLeft")
        assert_bandwidth(found, bandwidth=0.35 * 10**-0.1)
        slider = found.locator("input[aria-label='bandwidth ℓ']")
        slider.focus()
        tab.keyboard.press("Home")
        assert_bandwidth(found, bandwidth=0.03)
        tab.keyboard.press("End")
        assert_bandwidth(found, bandwidth=4.0)
        found.locator("input[aria-label='training points n']").focus()
        tab.keyboard.press("End")
        found.get_by_label("points from").select_option("crabs")
        found.get_by_role("button", name="New draws").click()
        assert_bandwidth(found, law="crabs", n=200, bandwidth=4.0, seed=1)
        found.get_by_role("button", name="Best leave-one-out").click()
        assert_shows(found, {"leave-one-out NLL": shown(found, "least leave-one-out NLL")})
        tab.wait_for_function(
            "() => document.querySelector('[data-widget=bandwidth] .gm-w-live').textContent.startsWith('200 points')"
        )


def test_a_boxcar_leaves_points_at_density_zero(browser: Any, site: str) -> None:
    with opened(browser, site, only="bandwidth") as tab:
        found = widget(tab, "bandwidth")
        found.get_by_role("radio", name="boxcar").check()
        assert_bandwidth(found, bandwidth=0.15, kernel="boxcar")
        train, test = Bandwidth().sample()
        missed = int(((test - train.T).abs() > 0.15).all(1).sum())
        cell = found.locator("dt", has_text=re.compile("^test NLL")).locator("xpath=following-sibling::dd[1]")
        assert cell.inner_text() == f"∞ ({missed} at density 0)"
        found.get_by_role("button", name="Best leave-one-out").click()
        assert_shows(found, {"leave-one-out NLL": shown(found, "least leave-one-out NLL")})


def test_a_finger_drags_the_bandwidth(browser: Any, site: str) -> None:
    with opened(
        browser, site, only="bandwidth", viewport={"width": 375, "height": 800}, has_touch=True
    ) as tab:
        handle = widget(tab, "bandwidth").get_by_role("slider", name="bandwidth ℓ, on the")
        handle.scroll_into_view_if_needed()
        x, y = middle(handle)
        touched(tab, (x, y), (x + 40, y))
        assert float(handle.get_attribute("aria-valuenow")) > 0.25
        assert abs(middle(handle)[0] - x - 40) < 3


def assert_bumps(found: Any, **state: float) -> None:
    terms = TwoBumps(**state).terms()
    rows = {
        "forward KL(p‖q), nats": terms.forward,
        "least, at the moments of p": terms.least_forward,
        "mean of p": terms.mean,
        "standard deviation of p": terms.std,
        "reverse KL(q‖p), nats": terms.reverse,
    }
    assert_shows(found, {row: pytest.approx([value], abs=5.1e-4) for row, value in rows.items()})


def test_q_is_moved_on_the_picture_and_on_the_maps(browser: Any, site: str) -> None:
    with opened(browser, site, only="two-bumps") as tab:
        found = widget(tab, "two-bumps")
        assert_bumps(found, mean=0.8, std=1.0)
        found.get_by_role("slider", name="mean of q").first.focus()
        tab.keyboard.press("Shift+ArrowLeft")
        assert_bumps(found, mean=0.3, std=1.0)
        found.get_by_role("slider", name="standard deviation of q").first.focus()
        tab.keyboard.press("ArrowRight")
        stds = [float(h.get_attribute("aria-valuenow")) for h in found.locator("button[role=slider]").all()]
        assert_bumps(found, mean=0.3, std=stds[1])
        for name in ("forward", "reverse"):
            handle = found.get_by_role("button", name=f"q on the {name} map")
            found.get_by_role("button", name="Forward minimum").click()
            assert_bumps(found, mean=0.0, std=4.25**0.5)
            handle.focus()
            for key in ("ArrowRight", "ArrowDown", "Shift+ArrowDown"):
                tab.keyboard.press(key)
            assert_bumps(found, mean=0.1, std=4.25**0.5 * 2**-0.55)
            x, y = middle(handle)
            tab.mouse.move(x, y)
            tab.mouse.down()
            tab.mouse.move(x - 30, y + 20, steps=4)
            tab.mouse.up()
            tab.wait_for_timeout(150)
            moved = middle(handle)
            assert abs(moved[0] - x + 30) < 2
            assert abs(moved[1] - y - 20) < 2


def test_the_buttons_visit_every_minimum(browser: Any, site: str) -> None:
    with opened(browser, site, only="two-bumps") as tab:
        found = widget(tab, "two-bumps")
        found.get_by_role("button", name="Forward minimum").click()
        assert_shows(found, {"forward KL(p‖q), nats": shown(found, "least, at the moments of p")})
        (least,) = shown(found, "least of all")
        again = found.get_by_role("button", name="Next reverse minimum")
        for value in (least, *shown(found, "its other minima"), least):
            again.click()
            assert_shows(found, {"reverse KL(q‖p), nats": [value]})
        target = found.locator("input[aria-label='weight of the left bump']")
        target.focus()
        tab.keyboard.press("End")
        assert_shows(found, {"standard deviation of p": [round(TwoBumps(weight=0.95).terms().std, 3)]})
        found.locator("input[aria-label='distance c of the bumps from 0']").focus()
        tab.keyboard.press("Home")
        # The bumps are one: both divergences have their minimum, zero, where q is that bump.
        assert_shows(found, {"least of all": [0.0], "at mean and width": [0.0, 0.5]})
        again.click()
        assert_bumps(found, mean=0.0, std=0.5, weight=0.95, centre=0.0)
        tab.wait_for_function(
            "() => document.querySelector('[data-widget=two-bumps] .gm-w-live').textContent"
            ".includes('Reverse divergence 0.000 nats')"
        )


def test_a_finger_drags_q_on_a_map(browser: Any, site: str) -> None:
    with opened(
        browser, site, only="two-bumps", viewport={"width": 375, "height": 800}, has_touch=True
    ) as tab:
        handle = widget(tab, "two-bumps").get_by_role("button", name="q on the reverse map")
        handle.evaluate("e => e.scrollIntoView({ block: 'center', behavior: 'instant' })")
        x, y = middle(handle)
        touched(tab, (x, y), (x - 15, y + 10), (x - 40, y + 30))
        assert abs(middle(handle)[0] - x + 40) < 3
        assert abs(middle(handle)[1] - y - 30) < 3


DASHBOARD = {
    "Inception score": ("inception", 2),
    "Fréchet distance": ("frechet", 3),
    "precision, k = 3": ("precision", 3),
    "recall, k = 3": ("recall", 3),
    "neighbour ratio": ("ratio", 3),
    "test NLL, nats": ("test", 2),
    "training NLL, nats": ("train", 2),
}


def assert_dashboard(found: Any, preset: str = "memoriser", **state: Any) -> None:
    """The table has the numbers that gmlib computes for the same points."""
    dashboard = HonestDashboard(preset, **state)
    model, real, exact = dashboard.numbers(), dashboard.real(), dashboard.exact()
    wanted = {}
    for row, (name, digits) in DASHBOARD.items():
        columns = [getattr(model, name), getattr(real, name)]
        columns += [getattr(exact, name)] if hasattr(exact, name) else []
        wanted[row] = pytest.approx(columns, abs=0.5001 * 10**-digits)
    for _ in range(60):
        rows = found.locator("tbody tr").all()
        got = {
            row.locator("th").inner_text(): numbers(" ".join(row.locator("td").all_inner_texts()))
            for row in rows
        }
        if got == wanted:
            return
        found.page.wait_for_timeout(50)
    assert got == wanted


def test_the_dashboard_follows_the_presets(browser: Any, site: str) -> None:
    with opened(browser, site, only="honest-dashboard") as tab:
        found = widget(tab, "honest-dashboard")
        assert_dashboard(found)
        model = found.get_by_label("model", exact=True)
        for preset in ("99 % noise", "99 % matched noise", "half the modes", "honest"):
            model.select_option(preset)
            assert_dashboard(found, preset)
            assert model.input_value() == preset
        found.get_by_role("button", name="New points").click()
        assert_dashboard(found, "honest", seed=1)


def test_the_dashboards_sliders_spoil_the_model(browser: Any, site: str) -> None:
    with opened(browser, site, only="honest-dashboard") as tab:
        found = widget(tab, "honest-dashboard")
        model = found.get_by_label("model", exact=True)
        width = found.get_by_label("memoriser's bandwidth ℓ")
        width.focus()
        tab.keyboard.press("Home")
        assert_dashboard(found, bandwidth=0.001)
        assert model.input_value() == "own setting"
        tab.keyboard.press("End")
        assert_dashboard(found, bandwidth=1.0)
        found.get_by_label("share of noise").focus()
        tab.keyboard.press("End")
        assert_dashboard(found, bandwidth=1.0, share=0.99)
        found.get_by_label("kind of noise").select_option("gaussian")
        assert_dashboard(found, bandwidth=1.0, share=0.99, noise="gaussian")
        found.get_by_label("share of noise").focus()
        tab.keyboard.press("Home")
        found.get_by_label("memoriser: training points by heart").uncheck()
        assert width.is_hidden()
        found.get_by_label("modes dropped").focus()
        tab.keyboard.press("End")
        assert_dashboard(found, "honest", dropped=7)
        tab.keyboard.press("ArrowLeft")
        assert_dashboard(found, "honest", dropped=6)
        tab.wait_for_function(
            "() => document.querySelector('[data-widget=honest-dashboard] .gm-w-live').textContent"
            ".includes('6 of 8 modes dropped')"
        )


def assert_probe(found: Any, law: GaussianMixture, x: float, y: float) -> None:
    point = torch.tensor([x, y], dtype=F64)
    near = pytest.approx
    score = near(law.score(point).tolist(), abs=6e-3)
    log_prob = near([law.log_prob(point).item()], abs=6e-4)
    assert_shows(found, {"at x": [x, y], "log p(x), nats": log_prob, "score": score})


def test_the_probe_reads_the_law_at_every_noise_level(browser: Any, site: str) -> None:
    with opened(browser, site, only="density-explorer") as tab:
        found = widget(tab, "density-explorer")
        law = toy("two_moons", dtype=F64)
        assert_probe(found, law.noised(1.0, 0.1), 0.0, 0.0)
        probe = found.get_by_role("button", name="probe at")
        probe.focus()
        for key in ("ArrowUp", "ArrowUp", "Shift+ArrowRight"):
            tab.keyboard.press(key)
        assert_probe(found, law.noised(1.0, 0.1), 0.5, 0.1)
        slider = found.get_by_label("noise level σ")
        slider.focus()
        tab.keyboard.press("Home")
        assert_probe(found, law, 0.5, 0.1)
        tab.keyboard.press("End")
        assert_probe(found, law.noised(1.0, 2.0), 0.5, 0.1)


def test_a_law_is_fetched_when_it_is_chosen_and_only_then(browser: Any, site: str) -> None:
    with opened(browser, site, only="density-explorer") as tab:
        asked: list[str] = []
        tab.on("request", lambda r: asked.append(r.url))
        found = widget(tab, "density-explorer")
        law = found.get_by_label("law", exact=True)
        for name in ("pinwheel", "two_moons", "pinwheel"):
            law.select_option(name)
            tab.wait_for_function(
                f"() => document.querySelector('.gm-w-live').textContent.startsWith('{name.replace('_', ' ')}')"
            )
            assert_probe(found, toy(name, dtype=F64).noised(1.0, 0.1), 0.0, 0.0)
        assert len([url for url in asked if "/_widgets/" in url]) == 1


def test_the_readers_own_mixture_follows_the_hand(browser: Any, site: str) -> None:
    with opened(browser, site, only="density-explorer") as tab:
        found = widget(tab, "density-explorer")
        found.get_by_label("law", exact=True).select_option("mixture")
        first = found.get_by_role("button", name="component 1")
        first.focus()
        for _ in range(4):
            tab.keyboard.press("ArrowUp")
        means = [list(m) for m in THREE["means"]]
        means[0][1] += 0.2

        def law(weights: list[float]) -> GaussianMixture:
            cov = torch.tensor([[[a, b], [b, c]] for a, b, c in THREE["covariances"]], dtype=F64)
            return GaussianMixture(
                torch.tensor(means, dtype=F64), weights=torch.tensor(weights, dtype=F64), cov=cov
            ).noised(1.0, 0.1)

        assert_probe(found, law(THREE["weights"]), 0.0, 0.0)
        share = found.get_by_label("its share")
        share.focus()
        tab.keyboard.press("ArrowRight")
        others = [w * (1 - 0.41) / 0.6 for w in THREE["weights"][1:]]
        assert_probe(found, law([0.41, *others]), 0.0, 0.0)
        x, y = middle(first)
        tab.mouse.move(x, y)
        tab.mouse.down()
        tab.mouse.move(x + 30, y, steps=4)
        tab.mouse.up()
        tab.wait_for_timeout(150)
        assert abs(middle(first)[0] - x - 30) < 2
