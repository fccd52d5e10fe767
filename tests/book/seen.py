"""A widget on a page of the built site: opened, found, read and touched, as the tests of all chapters need it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch
from gmbook.bundle import STATIC
from gmbook.house import HTML, built
from gmbook.widgets import STATE, VIEW, module

from gmlib.widgets import DiracLaboratory, PosteriorTug

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


def unset(html: str) -> str:
    """The page with its formulas left as they are written: no widget needs MathJax, which takes a quarter of the time."""
    found, count = re.subn(r'<script[^>]*src="[^"]*/mathjax/[^"]*"[^>]*></script>', "", html)
    assert count == 1
    return found


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
    """The page (by default where ``only`` lives) with every widget drawn, or that one; nothing may go wrong meanwhile.

    Its formulas are not set, but where the page is a file.
    """
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
    text = unset((HTML / page).read_text("utf8"))
    if only is not None:
        text = alone(text, only)
        count = text.count(f'<script type="{VIEW}">')
        assert count, f"{page} does not show {only}"
    if site.startswith("http"):  # a file cannot be put in another's place
        tab.route(f"**/{page}", lambda route: route.fulfill(response=route.fetch(), body=text))
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


def assert_says(handle: Any, attribute: str, wanted: str) -> None:
    """Within three seconds a handle has this attribute: it is written with the picture, in the next frames."""
    for _ in range(60):
        got = handle.get_attribute(attribute)
        if got == wanted:
            return
        handle.page.wait_for_timeout(50)
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


def touched(tab: Any, *path: tuple[float, float]) -> None:
    """A finger put down at the first place, moved along the others and lifted."""
    session = tab.context.new_cdp_session(tab)
    for kind, places in (("Start", path[:1]), *(("Move", [place]) for place in path[1:]), ("End", [])):
        points = [{"x": x, "y": y} for x, y in places]
        session.send("Input.dispatchTouchEvent", {"type": f"touch{kind}", "touchPoints": points})
    tab.wait_for_timeout(150)


RAISED = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")


def told(found: Any, row: str) -> str:
    """What stands beside ``row``."""
    label = found.locator("dt", has_text=re.compile(f"^{re.escape(row)}$"))
    return label.locator("xpath=following-sibling::dd[1]").inner_text()


def scientific(found: Any, row: str) -> float:
    """The number beside ``row``, which may be written 2.879·10⁻⁶."""
    return float(told(found, row).replace("−", "-").replace("·10", "e").translate(RAISED))


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


def rows(found: Any) -> dict[str, list[float | None]]:
    """The numbers of a table by the names of its rows; None where words stand in their place."""
    texts = found.locator("tbody tr").evaluate_all(
        "rows => rows.map((row) => [...row.children].map((cell) => cell.textContent.trim()))"
    )
    table: dict[str, list[float | None]] = {}
    for name, *cells in texts:
        plain = [cell.replace("−", "-").replace("·10", "e").translate(RAISED) for cell in cells]
        table[name] = [float(cell) if re.match(r"-?\d", cell) else None for cell in plain]
    return table
