"""Each page in a browser: quiet, self-contained, accessible, readable on a phone and in the dark."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import pytest
from gmbook.house import built

from .barriers import LETTERS, LOOKS, ONE_OF_A_LOOK, WORDS, but_colours, colours

pytestmark = pytest.mark.browser
PAGES = [page for page in built() if page != "index.html"]
DESKTOP = {"width": 1280, "height": 900}
TABLET, PHONE = {"width": 768, "height": 1024}, {"width": 375, "height": 800}


@cache
def reader(browser: Any) -> Any:
    """One who looks at one page after the other, and so loads only once what they share."""
    return browser.new_context(reduced_motion="reduce")


@contextmanager
def opened(
    browser: Any, site: str, page: str, scheme: str = "light", size: dict[str, int] = DESKTOP
) -> Iterator[Any]:
    """The page after its mathematics is set and its widgets are drawn, and what went wrong on the way."""
    tab = reader(browser).new_page()
    tab.set_viewport_size(size)
    tab.emulate_media(color_scheme=scheme)
    troubles: list[str] = []
    tab.on(
        "console",
        lambda m: troubles.append(f"{m.type}: {m.text}") if m.type in ("error", "warning") else None,
    )
    tab.on("pageerror", lambda e: troubles.append(f"exception: {e}"))
    tab.on(
        "request",
        lambda r: None if r.url.startswith((site, "data:", "blob:")) else troubles.append(f"asks {r.url}"),
    )
    tab.on(
        "request",
        lambda r: troubles.append(f"loads a whole icon font: {r.url}") if "/webfonts/" in r.url else None,
    )
    tab.on("response", lambda r: troubles.append(f"{r.status} {r.url}") if r.status >= 400 else None)
    tab.on("requestfailed", lambda r: troubles.append(f"failed {r.url}"))
    tab.goto(f"{site}/{page}", wait_until="load")
    # Pictures are loaded when they come into view: bring them all.
    tab.evaluate(
        "() => Promise.all([...document.images].map(i => { i.loading = 'eager';"
        " return getComputedStyle(i).display === 'none' ? null : i.decode().catch(() => null) }))"
    )
    tab.wait_for_function(
        "() => !window.MathJax || !MathJax.startup || !MathJax.startup.promise || "
        "MathJax.startup.promise.then(() => true)",
        timeout=40_000,
    )
    tab.wait_for_function(
        "() => !document.querySelector('script[type=\"application/vnd.jupyter.widget-view+json\"]')"
        " && document.querySelectorAll('.gm-view').length === document.querySelectorAll('.gm-widget[data-ready]').length",
        timeout=40_000,
    )
    tab.wait_for_load_state("networkidle")
    tab.troubles = troubles
    try:
        yield tab
    finally:
        tab.evaluate("() => localStorage.clear()")
        tab.close()


def turn(tab: Any, scheme: str) -> None:
    """What a reader's machine does at nightfall, or in the morning."""
    tab.emulate_media(color_scheme=scheme)
    tab.wait_for_function(f"() => document.documentElement.dataset.theme === '{scheme}'", timeout=40_000)


A_FRAME = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
TOO_WIDE = """() => [...document.querySelectorAll('article *')].filter((e) => {
  const edge = innerWidth + 1;
  if (e.getBoundingClientRect().right <= edge) return false;
  for (let box = e.parentElement; box; box = box.parentElement) {
    if (box.getBoundingClientRect().right <= edge && getComputedStyle(box).overflowX !== 'visible') return false;
  }
  return true;
}).slice(0, 5).map((e) => e.outerHTML.slice(0, 120))"""
"""What sticks out on a narrow screen, less what scrolls in a box of its own."""


def assert_figures(tab: Any, *, seen: str, unseen: str) -> None:
    """Each figure shows the picture of the mode, not the other one, and its caption."""
    for figure in tab.query_selector_all("figure.gm-figure"):
        assert figure.query_selector(f"img.{seen}").is_visible()
        assert not figure.query_selector(f"img.{unseen}").is_visible()
        assert figure.query_selector("figcaption").is_visible()


@pytest.mark.parametrize("page", PAGES)
def test_a_page_is_quiet_accessible_shows_its_figures_and_fits_a_phone(
    browser: Any, site: str, page: str
) -> None:
    with opened(browser, site, page) as tab:
        # Asked first: axe fetches style sheets by itself, and by wrong addresses.
        assert tab.troubles == []
        shown = "[...document.images].filter(i => getComputedStyle(i).display !== 'none')"
        assert tab.evaluate(f"() => {shown}.filter(i => !i.naturalWidth).map(i => i.src)") == [], (
            "broken pictures"
        )
        errors = tab.evaluate(
            "() => [...document.querySelectorAll('mjx-merror')].map(e => e.title || e.textContent)"
        )
        assert errors == [], "mathematics that MathJax cannot read"
        assert_figures(tab, seen="gm-light", unseen="gm-dark")
        # From here on without what a browser takes seconds to lay out anew, and axe to read.
        tab.evaluate(LETTERS)
        tab.evaluate(LOOKS)
        turn(tab, "dark")
        assert_figures(tab, seen="gm-dark", unseen="gm-light")
        tab.evaluate(LOOKS)
        tab.evaluate(WORDS)
        for size in (TABLET, PHONE):
            tab.set_viewport_size(size)
            width = tab.evaluate("document.documentElement.scrollWidth")
            assert width <= size["width"], tab.evaluate(TOO_WIDE)
        tab.set_viewport_size(DESKTOP)
        tab.evaluate(A_FRAME)  # then the page has heard that its window is another
        assert but_colours(tab) == []
        assert tab.evaluate(ONE_OF_A_LOOK) >= 3
        assert colours(tab) == [], "in dark mode"
        turn(tab, "light")
        assert colours(tab) == [], "in light mode"


def test_one_word_that_cannot_be_read_is_found_among_thousands(browser: Any, site: str) -> None:
    with opened(browser, site, "book/glossary.html") as tab:
        tab.evaluate(
            "() => document.querySelector('article section').insertAdjacentHTML('beforeend',"
            " `<p id=faint style='color: #555'>to be read <span style='background: #666'>by nobody</span></p>`)"
        )
        tab.evaluate(LOOKS)
        tab.evaluate(ONE_OF_A_LOOK)
        assert tab.evaluate("document.querySelectorAll('*').length") < 1000
        (found,) = [line for line in colours(tab) if "faint" in line]
        assert found.startswith("color-contrast: ['#faint > span']")


def test_the_mode_button_turns_a_page_dark(browser: Any, site: str) -> None:
    with opened(browser, site, "book/index.html") as tab:
        for _ in range(3):
            tab.click("button.theme-switch-button:visible")
            if tab.evaluate("document.documentElement.dataset.theme") == "dark":
                break
        assert tab.evaluate("document.documentElement.dataset.theme") == "dark"
        assert tab.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 24, 30)"


def test_the_search_finds_a_word(browser: Any, site: str) -> None:
    with opened(browser, site, "search.html?q=bound") as tab:
        tab.wait_for_selector("#search-results li a", timeout=40_000)
        assert tab.troubles == []
