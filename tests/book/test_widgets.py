"""The widgets on the built pages: they come up without Python, move by hand, keys and touch, and show the right numbers."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import pytest
import torch
from gmbook.bundle import STATIC
from gmbook.house import HTML, built
from gmbook.widgets import STATE, VIEW, module, needed

from gmlib.classical import best_bandwidth
from gmlib.distributions import GaussianMixture, toy
from gmlib.energy import RBM, reference_rbm
from gmlib.widgets import (
    Bandwidth,
    BrowserGan,
    CouplingStack,
    DigitsChain,
    DigitsInTheBrowser,
    DiracLaboratory,
    EulerToOde,
    ForwardAndBack,
    HonestDashboard,
    HopfieldLetters,
    ImportanceSamples,
    LangevinStep,
    MapEditor,
    ModernRecall,
    PosteriorTug,
    ReverseKernel,
    ShiftedLaws,
    SwissRollScores,
    TinyRBM,
    TwoBumps,
    TwoModes,
    VarianceRecursion,
)
from gmlib.widgets.density_explorer import THREE
from gmlib.widgets.dirac_laboratory import PRESETS

pytestmark = pytest.mark.browser
INDEX = "book/widgets.html"
F64 = torch.float64


def views(page: str) -> int:
    return (HTML / page).read_text("utf8").count(f'<script type="{VIEW}">')


PAGES = [page for page in built() if views(page)]
GALLERY = [page for page in PAGES if page.startswith("book/widgets_")]


def state_of(text: str) -> dict[str, Any]:
    found = re.search(f'<script type="{re.escape(STATE)}">(.*?)</script>', text, re.S)
    assert found is not None
    return json.loads(found[1])["state"]


def digest(name: str) -> str:
    """The module of a widget, as the pages name it."""
    return module((STATIC / f"{name.replace('-', '_')}.js").read_text("utf8"))


@cache
def home(name: str) -> str:
    """The one page of the gallery that shows this widget."""
    pages = [page for page in GALLERY if f'"{digest(name)}"' in (HTML / page).read_text("utf8")]
    assert len(pages) == 1, f"{name} is on {pages or 'no page of the gallery'}"
    return pages[0]


def alone(html: str, name: str) -> str:
    """The page with the views of one widget only: a test of that one need not wait for all the others."""
    state, wanted = state_of(html), digest(name)

    def other(view: re.Match[str]) -> str:
        shown = state[json.loads(view[1])["model_id"]]["state"]
        return view[0] if shown.get("_esm") == wanted else ""

    return re.sub(f'<script type="{re.escape(VIEW)}">(.*?)</script>', other, html, flags=re.S)


@contextmanager
def opened(
    browser: Any,
    site: str,
    page: str | None = None,
    *,
    only: str | None = None,
    expected: int | None = None,
    **options: Any,
) -> Iterator[Any]:
    """The page (by default where ``only`` lives) with every widget drawn, or that one; nothing may go wrong meanwhile."""
    if page is None:
        assert only is not None, "which page?"
        page = home(only)
    context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
    context.add_init_script(
        "const ask = window.requestAnimationFrame.bind(window); window.frames_drawn = 0;"
        "window.requestAnimationFrame = (f) => ask((t) => { window.frames_drawn++; f(t); });"
    )
    context.set_default_timeout(10_000)
    tab = context.new_page()
    troubles: list[str] = []
    tab.on("console", lambda m: troubles.append(m.text) if m.type in ("error", "warning") else None)
    tab.on("pageerror", lambda e: troubles.append(str(e)))
    tab.on(
        "request",
        lambda r: None if r.url.startswith((site, "data:", "blob:")) else troubles.append(f"asks {r.url}"),
    )
    tab.on("requestfailed", lambda r: troubles.append(f"failed {r.url}"))
    count = views(page) if expected is None else expected
    if only is not None:
        text = alone((HTML / page).read_text("utf8"), only)
        count = text.count(f'<script type="{VIEW}">')
        assert count, f"{page} does not show {only}"
        tab.route(f"**/{page}", lambda route: route.fulfill(response=route.fetch(), body=text))
    # A chapter's page takes seconds on a busy machine with two cores.
    tab.goto(f"{site}/{page}", wait_until="load", timeout=40_000)
    tab.wait_for_function(
        f"() => document.querySelectorAll('.gm-widget[data-ready]').length === {count}", timeout=40_000
    )
    tab.troubles = troubles
    yield tab
    assert troubles == []
    context.close()


def widget(tab: Any, name: str) -> Any:
    found = tab.locator(f'.gm-widget[data-widget="{name}"]').first
    found.scroll_into_view_if_needed()
    return found


def numbers(text: str) -> list[float]:
    return [float(part) for part in re.findall(r"-?\d+\.?\d*", text.replace("−", "-"))]


def shown(found: Any, row: str) -> list[float]:
    """The numbers beside ``row`` in a read-out."""
    label = found.locator("dt", has_text=re.compile(f"^{re.escape(row)}$"))
    return numbers(label.locator("xpath=following-sibling::dd[1]").inner_text())


def assert_shows(found: Any, wanted: dict[str, Any]) -> None:
    """Within three seconds the read-out has these numbers: a picture follows its state in the next frames."""
    found.scroll_into_view_if_needed()
    for _ in range(60):
        got = {row: shown(found, row) for row in wanted}
        if got == wanted:
            return
        found.page.wait_for_timeout(50)
    assert got == wanted


def middle(handle: Any) -> tuple[float, float]:
    box = handle.bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def assert_tug(found: Any, mean: float, std: float) -> None:
    terms = PosteriorTug(mean=mean, std=std).terms()
    rows = {
        "expected log joint under q": terms.energy,
        "+ entropy of q": terms.entropy,
        "+ KL(q‖p)": terms.reverse,
        "= log p(x)": terms.log_evidence,
        "forward KL(p‖q)": terms.forward,
    }
    assert_shows(found, {row: [round(value, 3)] for row, value in rows.items()})


@pytest.mark.parametrize("page", PAGES)
def test_every_widget_of_a_page_comes_up_quietly(browser: Any, site: str, page: str) -> None:
    with opened(browser, site, page) as tab:
        assert tab.locator(".gm-notice").count() == 0
        for text in tab.locator(".gm-w-live").all_inner_texts():
            assert numbers(text), "the text that stands for the picture has no numbers"


def test_the_gallery_shows_every_widget_and_its_index_names_them() -> None:
    import gmlib.widgets

    names = [re.sub(r"(?<=[a-z])(?=[A-Z])", "-", name).lower() for name in gmlib.widgets.__all__]
    assert {home(name) for name in names} == set(GALLERY)
    index = (HTML / INDEX).read_text("utf8")
    for page in GALLERY:
        sections = set(re.findall(r'id="(sec-widgets-[\w-]+)"', (HTML / page).read_text("utf8")))
        assert len(sections) == views(page), page
        address = page.removeprefix("book/")
        assert {name for name in sections if f'href="{address}#{name}"' in index} == sections, page


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
        assert handle.get_attribute("aria-valuetext") == "0.45"
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


@pytest.mark.parametrize("page", PAGES)
def test_nothing_of_a_widget_is_cut_off_on_a_phone(browser: Any, site: str, page: str) -> None:
    with opened(browser, site, page, viewport={"width": 375, "height": 800}) as tab:
        cut = tab.evaluate(
            "() => [...document.querySelectorAll('.gm-widget')].flatMap((w) => [...w.querySelectorAll('*')]"
            ".filter((e) => e.className !== 'gm-w-live' && !e.hidden"
            " && e.getBoundingClientRect().right > w.getBoundingClientRect().right - 4)"
            ".map((e) => `${w.dataset.widget}: ${e.tagName} ${e.className} ${e.textContent.slice(0, 20)}`))"
        )
        assert cut == []


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
        assert handle.get_attribute("aria-valuetext") == "K = 128"
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
        assert length.get_attribute("aria-valuetext") == "ℓ = 0.350"
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


def touched(tab: Any, *path: tuple[float, float]) -> None:
    """A finger put down at the first place, moved along the others and lifted."""
    session = tab.context.new_cdp_session(tab)
    for kind, places in (("Start", path[:1]), *(("Move", [place]) for place in path[1:]), ("End", [])):
        points = [{"x": x, "y": y} for x, y in places]
        session.send("Input.dispatchTouchEvent", {"type": f"touch{kind}", "touchPoints": points})
    tab.wait_for_timeout(150)


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


RAISED = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")


def told(found: Any, row: str) -> str:
    """What stands beside ``row``."""
    label = found.locator("dt", has_text=re.compile(f"^{re.escape(row)}$"))
    return label.locator("xpath=following-sibling::dd[1]").inner_text()


def scientific(found: Any, row: str) -> float:
    """The number beside ``row``, which may be written 2.879·10⁻⁶."""
    return float(told(found, row).replace("−", "-").replace("·10", "e").translate(RAISED))


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
        assert level.get_attribute("aria-valuetext") == "σ = 0.00"
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


TWICE = """
const Observer = window.IntersectionObserver;
window.IntersectionObserver = class extends Observer {
  constructor(act, options) {
    super((entries, self) => {
      const seen = entries[0].target.matches(".gm-widget");
      act(seen ? [{ target: entries[0].target, isIntersecting: false }, ...entries] : entries, self);
    }, options);
  }
};
"""


def test_a_widget_that_is_left_and_met_again_at_once_goes_on_drawing(browser: Any, site: str) -> None:
    with opened(browser, site, only="dirac-laboratory") as tab:
        tab.context.add_init_script(TWICE)
        tab.reload(wait_until="load")
        found = widget(tab, "dirac-laboratory")
        found.get_by_role("button", name="Spiral", exact=True).click()
        assert_dirac(found, "spiral")


RADIUS = "radius r = √(φ² + θ²/ηθ)"


def assert_dirac(found: Any, preset: str = "circle", **state: Any) -> None:
    """The read-outs have the numbers of gmlib's game, rule and path."""
    given = DiracLaboratory(preset, **state)
    terms = given.terms()
    assert terms.factor is not None
    assert terms.modulus is not None
    wanted: dict[str, list[float]] = {
        "steps made, k": [given.steps],
        "measured factor a step, (r/r₀)^(1/k)": [round(terms.factor, 6)],
        "modulus of a step, exact": [round(terms.modulus, 6)],
    }
    for row, value in ((RADIUS, terms.radius), ("φ² + θ²/ηθ + ηψ′(0)φθ", terms.invariant)):
        if value is None:
            wanted[row] = []
        elif value > 0.01:  # below it is written with a power of ten
            wanted[row] = [round(value, 4)]
    assert_shows(found, wanted)


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
        assert law.get_attribute("aria-valuetext") == "Δ = 0.45"
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
        assert handle.get_attribute("aria-valuetext") == "Δt = 0.143"
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
        assert handle.get_attribute("aria-valuenow") == "0.99"


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


def picture(found: Any) -> str:
    return found.locator("canvas").first.evaluate("c => c.toDataURL()")


def test_motion_runs_in_view_rests_out_of_view_and_stops_on_demand(browser: Any, site: str) -> None:
    with opened(browser, site, only="density-explorer") as tab:
        found = widget(tab, "density-explorer")
        still = picture(found)
        play = found.get_by_role("button", name="Move samples")
        play.click()
        tab.mouse.move(5, 5)
        tab.wait_for_timeout(400)
        assert picture(found) != still
        tab.evaluate("window.scrollTo(0, document.body.scrollHeight)")
        tab.wait_for_timeout(400)
        first = tab.evaluate("window.frames_drawn")
        tab.wait_for_timeout(400)
        assert tab.evaluate("window.frames_drawn") - first <= 2
        found.scroll_into_view_if_needed()
        tab.wait_for_timeout(400)
        assert tab.evaluate("window.frames_drawn") - first > 3
        play.click()
        assert play.get_attribute("aria-pressed") == "false"


def test_nothing_moves_for_those_who_asked_for_less_motion(browser: Any, site: str) -> None:
    with opened(browser, site, only="density-explorer", reduced_motion="reduce") as tab:
        found = widget(tab, "density-explorer")
        found.get_by_role("button", name="Move samples").click()
        tab.mouse.move(5, 5)
        tab.wait_for_timeout(200)
        still = picture(found)
        tab.wait_for_timeout(300)
        assert picture(found) == still
        assert "reduced motion" in found.locator(".gm-w-notice").inner_text()


def test_the_same_seed_draws_the_same_picture(browser: Any, site: str) -> None:
    pictures = []
    for _ in range(2):
        with opened(browser, site, only="gradient-estimators") as tab:
            found = widget(tab, "gradient-estimators")
            tab.wait_for_timeout(200)
            pictures.append(picture(found))
            found.get_by_role("button", name="New draws").click()
            tab.wait_for_timeout(200)
            pictures.append(picture(found))
    assert pictures[:2] == pictures[2:]
    assert pictures[0] != pictures[1]


def test_the_page_turns_dark_and_the_widgets_with_it(browser: Any, site: str) -> None:
    with opened(browser, site, only="posterior-tug") as tab:
        found = widget(tab, "posterior-tug")
        light = picture(found)
        tab.evaluate("document.documentElement.dataset.theme = 'dark'")
        tab.wait_for_timeout(150)
        assert found.get_attribute("data-theme") == "dark"
        assert picture(found) != light
        assert found.evaluate("e => getComputedStyle(e).backgroundColor") == "rgb(20, 24, 30)"


def test_pictures_are_sharp_on_a_fine_screen(browser: Any, site: str) -> None:
    with opened(browser, site, only="density-explorer", device_scale_factor=2) as tab:
        width, shown_width = (
            widget(tab, "density-explorer").locator("canvas").evaluate("c => [c.width, c.clientWidth]")
        )
        assert width == pytest.approx(2 * shown_width, abs=2)


def test_widgets_go_on_without_a_network(browser: Any, site: str) -> None:
    with opened(browser, site, only="posterior-tug") as tab:
        tab.context.set_offline(True)
        tug = widget(tab, "posterior-tug")
        tug.locator("button[role=slider]").first.focus()
        tab.keyboard.press("ArrowRight")
        assert_tug(tug, 0.95, 0.5)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_in_use(browser: Any, site: str, scheme: str) -> None:
    from axe_playwright_python.sync_playwright import Axe

    with opened(browser, site, home("density-explorer"), color_scheme=scheme) as tab:
        widget(tab, "density-explorer").get_by_label("law", exact=True).select_option("mixture")
        tab.wait_for_timeout(200)
        found = Axe().run(tab, context=".gm-widget").response["violations"]
        tab.troubles.clear()  # axe fetches style sheets' sources
        assert [v["id"] for v in found if v["impact"] in ("serious", "critical")] == []


# --- the loader -------------------------------------------------------------------------------------------------------


def changed(site: str, browser: Any, text: str) -> tuple[Any, str]:
    """A copy of a page of the gallery with another text, at an address of its own."""
    page = "book/changed.html"
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.route(f"{site}/{page}", lambda route: route.fulfill(body=text, content_type="text/html"))
    return context, f"{site}/{page}"


def test_two_views_of_one_model_move_together(browser: Any, site: str) -> None:
    text = (HTML / home("posterior-tug")).read_text("utf8")
    state = state_of(text)
    (tug,) = (key for key, entry in state.items() if "observation" in entry["state"])
    twice = f'<script type="{VIEW}">{json.dumps({"model_id": tug})}</script>'
    context, address = changed(site, browser, text.replace("</article>", f"{twice}</article>", 1))
    context.set_default_timeout(10_000)
    tab = context.new_page()
    tab.goto(address)
    views = tab.locator("[data-widget=posterior-tug][data-ready]")
    views.nth(1).wait_for(timeout=15_000)
    views.first.locator("button[role=slider]").first.focus()
    tab.keyboard.press("ArrowRight")
    for view in (views.first, views.nth(1)):
        assert_tug(view, 0.95, 0.5)
    context.close()


BROKEN = {
    "a module that cannot be loaded": (None, "could not be loaded"),
    "a module that is no module": ("export default {", "could not be shown"),
    "a module that fails": (
        "export default { render() { throw new Error('no such model'); } }",
        "no such model",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_module_that_fails_leaves_a_notice_and_the_others(browser: Any, site: str, case: str) -> None:
    source, said = BROKEN[case]
    text = (HTML / home("gradient-estimators")).read_text("utf8")
    (bad,) = {entry["state"]["_esm"] for entry in state_of(text).values() if "mu" in entry["state"]}
    context, address = changed(site, browser, text)
    context.route(
        f"**/_widgets/{bad}.js",
        lambda route: (
            route.abort()
            if source is None
            else route.fulfill(
                body=f"gmBook.give({json.dumps(bad)}, {json.dumps(source)})", content_type="text/javascript"
            )
        ),
    )
    context.set_default_timeout(10_000)
    tab = context.new_page()
    tab.goto(address)
    tab.locator(".gm-notice").wait_for(timeout=15_000)
    assert said in tab.locator(".gm-notice").inner_text()
    tab.locator("[data-widget=posterior-tug][data-ready]").wait_for(timeout=15_000)
    context.close()


def test_a_shared_part_that_cannot_be_loaded_is_said_at_every_widget(browser: Any, site: str) -> None:
    page = home("gradient-estimators")
    text = (HTML / page).read_text("utf8")
    modules = {entry["state"]["_esm"] for entry in state_of(text).values()}
    (part, *_) = sorted(
        set.intersection(*(needed([name], HTML / "_widgets") for name in modules)),
        key=lambda name: -(HTML / "_widgets" / f"{name}.js").stat().st_size,
    )
    asked: list[str] = []
    context, address = changed(site, browser, text)
    context.route(f"**/_widgets/{part}.js", lambda route: (asked.append(part), route.abort()))
    context.set_default_timeout(10_000)
    tab = context.new_page()
    tab.goto(address)
    tab.wait_for_function(f"() => document.querySelectorAll('.gm-notice').length === {views(page)}")
    assert "could not be loaded" in tab.locator(".gm-notice").first.inner_text()
    assert 1 <= len(asked) <= len(modules)  # again for a module that comes later, for it may be there by then
    context.close()


def test_the_page_says_what_needs_python(browser: Any, site: str) -> None:
    source = (
        "export default { render({ model, el }) { model.on('msg:custom', (m) => el.append(`answer: ${m.error}`));"
        "model.send({ kind: 'train', id: 1 }); } }"
    )
    text = (HTML / home("gradient-estimators")).read_text("utf8")
    (module,) = {entry["state"]["_esm"] for entry in state_of(text).values() if "mu" in entry["state"]}
    context, address = changed(site, browser, text)
    body = f"gmBook.give({json.dumps(module)}, {json.dumps(source)})"
    context.route(
        f"**/_widgets/{module}.js", lambda route: route.fulfill(body=body, content_type="text/javascript")
    )
    context.set_default_timeout(10_000)
    tab = context.new_page()
    tab.goto(address)
    tab.locator(".gm-notice").wait_for(timeout=15_000)
    assert "needs Python" in tab.locator(".gm-notice").inner_text()
    assert (
        "answer: This part needs Python"
        in tab.locator(".gm-view", has=tab.locator(".gm-notice")).inner_text()
    )
    context.close()


def test_a_law_that_cannot_be_fetched_is_named(browser: Any, site: str) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(10_000)
    tab = context.new_page()
    tab.goto(f"{site}/{home('density-explorer')}")
    tab.locator("[data-widget=density-explorer][data-ready]").wait_for(timeout=15_000)
    context.set_offline(True)
    found = widget(tab, "density-explorer")
    found.get_by_label("law", exact=True).select_option("ring")
    found.locator(".gm-w-notice").wait_for(timeout=15_000)
    assert "ring" in found.locator(".gm-w-notice").inner_text()
    context.set_offline(False)
    found.get_by_label("law", exact=True).select_option("banana")
    tab.wait_for_function("() => document.querySelector('.gm-w-live').textContent.startsWith('banana')")
    assert found.locator(".gm-w-notice").is_hidden()
    context.close()


def test_widgets_live_on_a_page_opened_from_disk(browser: Any) -> None:
    with opened(browser, HTML.as_uri(), home("posterior-tug")) as tab:
        tug = widget(tab, "posterior-tug")
        tug.locator("button[role=slider]").first.focus()
        tab.keyboard.press("ArrowRight")
        assert_tug(tug, 0.95, 0.5)
    with opened(browser, HTML.as_uri(), home("density-explorer")) as tab:
        explorer = widget(tab, "density-explorer")
        explorer.get_by_label("law", exact=True).select_option(
            "ring"
        )  # its arrays come from a file of their own
        tab.wait_for_function("() => document.querySelector('.gm-w-live').textContent.startsWith('ring')")


def test_each_module_is_in_the_site_once_and_not_in_the_pages() -> None:
    stems = {path.stem for path in (HTML / "_widgets").glob("*.js")}
    used: set[str] = set()
    for page in PAGES:
        text = (HTML / page).read_text("utf8")
        assert "export{" not in text
        for entry in state_of(text).values():
            used.add(entry["state"]["_esm"])
            used.update(offer["packet"] for offer in entry.get("weights", {}).values())
    assert needed(used, HTML / "_widgets") == stems
