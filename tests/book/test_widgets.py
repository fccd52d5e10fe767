"""Every widget on the built pages: it comes up without Python, fits a phone, rests when it should, turns dark."""

from __future__ import annotations

import re
from typing import Any

import pytest
from gmbook.house import HTML

from .barriers import serious
from .seen import GALLERY, PAGES, assert_dirac, assert_tug, home, numbers, opened, views, widget

pytestmark = pytest.mark.browser


INDEX = "book/widgets.html"


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


@pytest.mark.parametrize("page", PAGES)
def test_every_widget_comes_up_on_a_phone_and_nothing_of_it_is_cut_off(
    browser: Any, site: str, page: str
) -> None:
    with opened(browser, site, page, viewport={"width": 375, "height": 800}) as tab:
        assert tab.locator(".gm-notice").count() == 0
        for text in tab.locator(".gm-w-live").all_inner_texts():
            assert numbers(text), "the text that stands for the picture has no numbers"
        cut = tab.evaluate(
            "() => [...document.querySelectorAll('.gm-widget')].flatMap((w) => [...w.querySelectorAll('*')]"
            ".filter((e) => e.className !== 'gm-w-live' && !e.hidden"
            " && e.getBoundingClientRect().right > w.getBoundingClientRect().right - 4)"
            ".map((e) => `${w.dataset.widget}: ${e.tagName} ${e.className} ${e.textContent.slice(0, 20)}`))"
        )
        assert cut == []


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
    with opened(browser, site, home("density-explorer"), color_scheme=scheme) as tab:
        widget(tab, "density-explorer").get_by_label("law", exact=True).select_option("mixture")
        tab.wait_for_timeout(200)
        assert serious(tab, ".gm-widget") == []
        tab.troubles.clear()  # axe fetches style sheets' sources
