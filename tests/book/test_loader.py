"""The page's loader of widgets: one module for all its views, and what it says when something is missing."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from gmbook.house import HTML
from gmbook.widgets import VIEW, needed

from .seen import PAGES, assert_tug, home, opened, state_of, views, widget

pytestmark = pytest.mark.browser


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
    found.locator(".gm-w-live", has_text=re.compile("^banana")).wait_for(state="attached")
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
