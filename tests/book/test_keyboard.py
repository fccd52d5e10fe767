"""Pages without a mouse: the Tab key reaches everything that can be used, shows where it is, and gets out at the end."""

from __future__ import annotations

from typing import Any

import pytest

from tests.book.test_pages import opened

pytestmark = pytest.mark.browser
KINDS = [
    "book/index.html",
    "book/glossary.html",
    "book/api/vae.html",
    "book/widgets_02_elbo.html",
    "chapters/11_guidance.html",
    "search.html?q=bound",
]
"""A page of each kind."""

LISTEN = """() => {
  const kinds = "a[href], button, input, select, textarea, summary, [tabindex]";
  const usable = (e) => e.tabIndex >= 0 && !e.disabled && !e.closest("[inert]") &&
    e.checkVisibility({ visibilityProperty: true }) && e.getClientRects().length > 0;
  const called = (e) => `${e.tagName} ${e.className} ${(e.ariaLabel ?? e.textContent).trim().slice(0, 40)}`;
  // What is inside may show the focus: the arrow of a fold in the side bar.
  const look = (e) => {
    const styles = [e, e.firstElementChild ?? e].map((part) => getComputedStyle(part));
    const shown = styles.map((s) => [s.outlineStyle, s.outlineWidth, s.boxShadow, s.backgroundColor, s.borderColor,
      s.textDecorationLine, s.color]);
    return { style: shown.join(), box: e.getBoundingClientRect() };
  };
  const wanted = [...document.querySelectorAll(kinds)].filter(usable);
  const before = new Map(wanted.map((e) => [e, look(e).style]));
  window.met = { reached: new Set(), unseen: [], unmarked: [] };
  document.addEventListener("focusin", ({ target: e }) => {
    if (met.reached.has(e)) return;
    met.reached.add(e);
    const { style, box } = look(e);
    if (box.bottom < 0 || box.top > innerHeight || box.right < 0 || box.left > innerWidth) met.unseen.push(called(e));
    if (style === before.get(e)) met.unmarked.push(called(e));
  });
  met.missed = () => {
    const alike = (e) => e.type === "radio" && [...met.reached].some((r) => r.name === e.name);
    return wanted.filter((e) => usable(e) && !met.reached.has(e) && !alike(e)).map(called);
  };
  return wanted.length;
}"""


@pytest.mark.parametrize("page", KINDS)
def test_the_tab_key_reaches_everything_and_shows_where_it_is(browser: Any, site: str, page: str) -> None:
    with opened(browser, site, page) as tab:
        if page.startswith("search"):  # its finds come one after the other
            tab.wait_for_function(
                "() => document.querySelector('.search-summary').textContent.includes('found')"
            )
        count = tab.evaluate(LISTEN)
        for _ in range(count + 20):
            tab.keyboard.press("Tab")
        found = tab.evaluate(
            "() => ({ reached: met.reached.size, missed: met.missed(), unseen: met.unseen, unmarked: met.unmarked })"
        )
        assert found["missed"] == []
        assert found["unseen"] == [], "focus out of sight"
        assert found["unmarked"] == [], "nothing shows the focus"
        assert found["reached"] >= count * 0.9
