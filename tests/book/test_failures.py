"""When something of a page fails: the reader is told in its place, and the rest of the page lives."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from gmbook.house import HTML
from gmbook.widgets import STATE, VIEW

pytestmark = pytest.mark.browser
SCORES = "book/widgets_08_score_matching.html"
PAGE = "book/widgets_02_elbo.html"
FAILING = {
    "while it is read": ("throw new Error('no ink');", "no ink"),
    "half drawn": (
        "export default { render({ el }) { el.append('half'); throw new Error('no pen'); } }",
        "no pen",
    ),
    "with something that is no error": (
        "export default { render() { throw 'plain words'; } }",
        "plain words",
    ),
    "later than at once": (
        "export default { async render() { await 0; throw new Error('too late'); } }",
        "too late",
    ),
}


def views(page: str) -> int:
    return (HTML / page).read_text("utf8").count(f'<script type="{VIEW}">')


def opened(browser: Any, **options: Any) -> tuple[Any, list[str]]:
    """A tab, and the exceptions that nobody caught."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, **options)
    context.set_default_timeout(20_000)
    tab = context.new_page()
    uncaught: list[str] = []
    tab.on("pageerror", lambda error: uncaught.append(str(error)))
    return tab, uncaught


def drawn(tab: Any, count: int) -> None:
    tab.wait_for_function(f"() => document.querySelectorAll('.gm-widget[data-ready]').length === {count}")


@pytest.mark.parametrize("page", [SCORES, "book/widgets_09_ddpm.html"])
def test_without_webassembly_every_widget_is_drawn_and_counts_on(browser: Any, site: str, page: str) -> None:
    tab, uncaught = opened(browser)
    tab.add_init_script("delete window.WebAssembly;")
    tab.goto(f"{site}/{page}")
    assert tab.evaluate("typeof WebAssembly") == "undefined"
    drawn(tab, views(page))
    assert tab.locator(".gm-notice, .gm-w-notice:visible").count() == 0
    assert uncaught == []
    tab.context.close()


def test_without_webassembly_the_numbers_are_the_same(browser: Any, site: str) -> None:
    said = []
    for script in ("", "delete window.WebAssembly;"):
        tab, _ = opened(browser, reduced_motion="reduce")
        tab.add_init_script(script)
        tab.goto(f"{site}/{SCORES}")
        found = tab.locator("[data-widget=swiss-roll-scores][data-ready]")
        found.scroll_into_view_if_needed()
        tab.wait_for_timeout(1500)
        said.append(
            (found.locator(".gm-w-live").text_content(), found.locator(".gm-w-readout").all_inner_texts())
        )
        tab.context.close()
    assert re.search(r"\d", str(said[0]))
    assert said[0] == said[1]


@pytest.mark.parametrize("case", FAILING)
def test_a_widget_that_throws_is_replaced_by_what_to_do(browser: Any, site: str, case: str) -> None:
    source, why = FAILING[case]
    text = (HTML / PAGE).read_text("utf8")
    state = json.loads(re.search(f'<script type="{re.escape(STATE)}">(.*?)</script>', text, re.S)[1])["state"]
    (bad,) = {entry["state"]["_esm"] for entry in state.values() if "mu" in entry["state"]}
    tab, uncaught = opened(browser)
    tab.route(
        f"**/_widgets/{bad}.js",
        lambda route: route.fulfill(
            body=f"gmBook.give({json.dumps(bad)}, {json.dumps(source)})", content_type="text/javascript"
        ),
    )
    tab.goto(f"{site}/{PAGE}")
    notice = tab.locator(".gm-view:has(.gm-notice)")
    notice.wait_for()
    words = notice.inner_text()
    assert f"could not be shown: {why}" in words
    assert "half" not in words.replace("could not be shown", "")
    assert "Load the page again" in words
    assert "/issues/new" in notice.locator("a").get_attribute("href")
    drawn(tab, views(PAGE) - 1)
    assert uncaught == []
    tab.context.close()


def test_without_javascript_a_page_says_where_a_widget_stands(browser: Any, site: str) -> None:
    tab, _ = opened(browser, java_script_enabled=False)
    tab.goto(f"{site}/{PAGE}")
    assert tab.locator("noscript p.gm-still, p.gm-still").count() == views(PAGE)
    assert tab.locator("p.gm-still").first.is_visible()
    tab.context.close()
