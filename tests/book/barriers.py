"""What keeps somebody out of a page, as axe finds it."""

from __future__ import annotations

from typing import Any

from axe_playwright_python.sync_playwright import Axe

COLOURS = ["color-contrast", "link-in-text-block"]
"""The rules that look at colours: they take axe half a minute on a long page, in each mode."""

LETTERS = """() => {
  const drawn = [...document.querySelectorAll('mjx-container')].map((e) => [e, e.firstElementChild]);
  const boxes = drawn.map(([, math]) => math.getBoundingClientRect());
  drawn.forEach(([e], i) => {
    const letter = document.createElement('span');
    letter.textContent = 'x';
    letter.style.cssText = 'display: inline-block; line-height: 1; overflow: hidden; vertical-align: top';
    letter.style.width = `${boxes[i].width}px`;
    letter.style.height = `${boxes[i].height}px`;
    e.replaceChildren(letter);
  });
}"""
"""A formula becomes one letter as wide and high as it was: a page has thousands of them, each of dozens of elements."""

WORDS = """() => {
  const met = {};
  for (const e of document.querySelectorAll('.highlight pre span, dt.sig span')) {
    if (e.firstElementChild) continue;
    met[e.look] = (met[e.look] ?? 0) + 1;
    if (met[e.look] > 2) e.replaceWith(e.textContent);
  }
  document.body.normalize();
}"""
"""A word of code loses the element that colours it, unless it is one of the first two of its look (``LOOKS``)."""

LOOKS = """() => {
  const ground = new Map([[null, '']]);
  const below = (e) => {
    if (!ground.has(e)) {
      const { backgroundColor, backgroundImage, opacity, filter, mixBlendMode } = getComputedStyle(e);
      const own = [backgroundColor, backgroundImage, opacity, filter, mixBlendMode].join();
      ground.set(e, below(e.parentElement) + (own === 'rgba(0, 0, 0, 0),none,1,none,normal' ? '' : '/' + own));
    }
    return ground.get(e);
  };
  for (const e of document.querySelectorAll('body *')) {
    const text = [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
    if (!(text || e.matches('input, select, mjx-container')) || !e.checkVisibility()) continue;
    const { color, fontSize, fontWeight, textShadow, textDecorationLine } = getComputedStyle(e);
    const inside = e.localName === 'a' ? getComputedStyle(e.parentElement).color : '';
    e.look = [e.look ?? '', color, fontSize, fontWeight, textShadow, textDecorationLine, inside, below(e)].join(' ');
  }
}"""
"""Note with each element with text of its own all that its contrast is made of: its letters' and what lies below them."""

ONE_OF_A_LOOK = """() => {
  const met = {}, kept = new Set();
  for (const e of document.querySelectorAll('body *')) {
    if (!e.look) continue;
    met[e.look] = (met[e.look] ?? 0) + 1;
    if (met[e.look] > 2) continue;
    for (let a = e; a && !kept.has(a); a = a.parentElement) kept.add(a);
  }
  for (const e of document.querySelectorAll('body *')) if (!kept.has(e) && kept.has(e.parentElement)) e.remove();
  return Object.keys(met).length;
}"""
"""Two elements of each look stay, with all that they stand in; the rest of the page goes."""


def serious(tab: Any, part: str | None = None, **options: Any) -> list[str]:
    """What axe finds, in the page or in a part of it, that keeps somebody out: all rules, or those of ``options``."""
    found = Axe().run(tab, part, {"resultTypes": ["violations"], **options}).response["violations"]
    return [
        f"{finding['id']}: {node['target']} {node['failureSummary'][:160]}"
        for finding in found
        if finding["impact"] in ("serious", "critical")
        for node in finding["nodes"][:3]
    ]


def but_colours(tab: Any) -> list[str]:
    """What is wrong with the whole page, whatever its colours."""
    return serious(tab, rules={rule: {"enabled": False} for rule in COLOURS})


def colours(tab: Any) -> list[str]:
    """What cannot be read in the colours of this moment, of what ``ONE_OF_A_LOOK`` has left."""
    return serious(tab, runOnly=COLOURS)
