"""The pages on which people land, in a browser: the paths of the first page, the graph, and the glossary in the search."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from gmbook.objectives import chapters

pytestmark = pytest.mark.browser
PHONE, DESKTOP = {"width": 375, "height": 800}, {"width": 1280, "height": 900}


@pytest.fixture
def tab(browser: Any) -> Iterator[Any]:
    """A tab on a desk, waiting at most ten seconds for anything."""
    context = browser.new_context(viewport=DESKTOP, reduced_motion="reduce")
    context.set_default_timeout(10_000)
    yield context.new_page()
    context.close()


def test_the_first_page_has_a_widget_and_four_doors_with_three_steps_each(tab: Any, site: str) -> None:
    tab.goto(f"{site}/book/index.html")
    found = tab.locator(".gm-widget[data-ready]")
    found.wait_for()
    before = found.inner_text()
    slider = found.get_by_label("noise level σ")
    slider.focus()
    tab.keyboard.press("End")
    tab.wait_for_function("(old) => document.querySelector('.gm-widget').innerText !== old", arg=before)
    doors = tab.locator(".gm-doors .sd-card")
    assert doors.locator(".sd-card-title").all_inner_texts() == [
        "I want to read",
        "I want to run it",
        "I study this",
        "I teach this",
    ]
    for door in doors.all():
        steps = door.locator("ol > li").all()
        assert len(steps) == 3
        assert all(step.locator("a").count() for step in steps)


def test_a_row_of_the_map_says_on_a_phone_what_its_marks_mean(tab: Any, site: str) -> None:
    tab.set_viewport_size(PHONE)
    tab.goto(f"{site}/book/index.html")
    said = tab.eval_on_selector_all(
        ".gm-map tbody tr:first-child td", "cells => cells.map(c => getComputedStyle(c, '::before').content)"
    )
    assert said[1:] == ['"how likely?"', '"a new one"', '"causes"', '"chapter"']
    right = tab.eval_on_selector_all(
        ".gm-map td", "cells => Math.max(...cells.map(c => c.getBoundingClientRect().right))"
    )
    assert right <= PHONE["width"]


def test_the_graph_leads_to_every_chapter_by_keys(tab: Any, site: str) -> None:
    tab.goto(f"{site}/book/prerequisites.html")
    links = tab.locator("svg.gm-graph a")
    assert links.count() == len(chapters())
    links.nth(1).focus()
    tab.keyboard.press("Shift+Tab")
    edges = [
        links.nth(number).locator("rect").evaluate("r => getComputedStyle(r).stroke") for number in (0, 1)
    ]
    assert edges[0] != edges[1], "the link that has the focus looks like any other"
    tab.keyboard.press("Enter")
    tab.wait_for_url("**/chapters/01_map.html", wait_until="commit")


@pytest.mark.parametrize("word", ["ELBO", "evidence lower bound", "KL", "β̃"])
def test_the_search_finds_a_word_of_the_glossary_first(tab: Any, site: str, word: str) -> None:
    tab.goto(f"{site}/search.html?q={quote(word)}")
    found = tab.locator("#search-results li a").first
    found.wait_for()
    address = found.get_attribute("href")
    assert re.search(r"book/glossary\.html#term", address), address
