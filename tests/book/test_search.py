"""The search finds a symbol, an equation, a theorem or a figure by its name, and the find leads to the thing itself."""

from __future__ import annotations

from typing import Any

import pytest
from gmbook.search import letters, plain

from .barriers import serious
from .test_pages import opened

PHONE = {"width": 375, "height": 800}
WANTED = {
    "eq-02-bound": "chapters/02_elbo.html#equation-eq-02-bound",
    "evidence lower bound": "chapters/02_elbo.html#thm-02-elbo",
    "ELBO": "chapters/02_elbo.html#thm-02-elbo",
    r"\bar\alpha": "book/notation.html#symbol-bar-alpha-t",
    "alpha_bar": "book/notation.html#symbol-bar-alpha-t",
    "classifier-free guidance": "chapters/11_guidance.html#",
    "posterior tug": "book/widgets_02_elbo.html#",
    "perplexity": "chapters/01_map.html#equation-eq-01-perplexity",
}
"""What is typed and where one of the first three results must lead."""


@pytest.mark.parametrize(
    ("text", "good"), [(r"\bar\alpha_t", "α"), (r"\Lambda, \varphi", "Λ φ"), (r"\mathcal K", "")]
)
def test_greek_letters_of_a_formula(text: str, good: str) -> None:
    assert letters(text) == good


def test_a_line_of_a_docstring_without_its_marks() -> None:
    line = r"Squared distance of :math:`p` and ``q`` (:eq:`eq-01-frechet` in the book)."
    assert plain(line) == "Squared distance of p and q"


@pytest.mark.browser
@pytest.mark.parametrize("words", WANTED)
def test_the_first_finds_hold_the_thing_itself(browser: Any, site: str, words: str) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
    asked: list[str] = []
    tab = context.new_page()
    tab.on("request", lambda r: None if r.url.startswith((site, "data:", "blob:")) else asked.append(r.url))
    tab.on("pageerror", lambda e: asked.append(str(e)))
    tab.goto(f"{site}/search.html")
    field = tab.locator("main input[type=search]").first
    field.fill(words)
    field.press("Enter")
    tab.wait_for_selector("#search-results li:nth-child(3) a", timeout=15_000)
    found = tab.locator("#search-results li a").evaluate_all("links => links.slice(0, 3).map((a) => a.href)")
    good = [href for href in found if f"{site}/{WANTED[words]}" in href]
    assert good, found
    tab.goto(good[0])
    anchor = good[0].split("#")[1]
    assert tab.evaluate("id => document.getElementById(id)?.getClientRects().length > 0", anchor)
    assert asked == []
    context.close()


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_results_fit_a_phone_and_can_be_read(browser: Any, site: str, scheme: str) -> None:
    with opened(browser, site, "search.html?q=alpha", scheme, PHONE) as tab:
        tab.wait_for_selector("#search-results li a", timeout=15_000)
        tab.wait_for_function("() => document.querySelector('.search-summary').textContent.includes('found')")
        assert tab.evaluate("document.documentElement.scrollWidth") <= 375
        assert serious(tab) == []
