"""What a page weighs on its way to a reader: ``python -m gmbook.weight``; the build prints it as well.

Counted, gzipped, are the page, its style sheets, scripts and fonts, and the modules of its widgets. Not counted are
MathJax, figures, and the arrays that a widget fetches when a reader asks for them.
"""

from __future__ import annotations

import gzip
import re
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

from gmbook.house import HTML, built
from gmbook.widgets import FOLDER, STATE, needed

WIDGETS_LIMIT, PAGE_LIMIT = 300_000, 600_000
"""Bytes that the widgets of a page, and a whole page, may weigh."""


@dataclass(frozen=True)
class Weight:
    """Bytes of a page, gzipped: its widgets (modules, states, loader) and all of it."""

    page: str
    widgets: int
    whole: int

    def __str__(self) -> str:
        return f"{self.page}: {self.whole / 1000:.0f} kB, of which widgets {self.widgets / 1000:.0f} kB"


@cache
def _zipped(path: Path) -> int:
    data = path.read_bytes()
    return len(data) if path.suffix == ".woff2" else len(gzip.compress(data, 9))


def _loaded(page: Path, text: str) -> set[Path]:
    """The style sheets and scripts of a page, and the fonts that the book's own style sheet names."""
    names = re.findall(r'<script[^>]*\ssrc="([^"]+)"', text)
    for tag in re.findall(r"<link[^>]*>", text):
        if re.search(r'rel="(?:stylesheet|preload|modulepreload)"', tag):
            names += re.findall(r'href="([^"]+)"', tag)
    files: set[Path] = set()
    for name in names:
        parts = urlsplit(name)
        path = (page.parent / unquote(parts.path)).resolve()
        if not parts.netloc and path.is_file() and "mathjax" not in path.as_posix().lower():
            files.add(path)
    for sheet in [path for path in files if path.name == "book.css"]:
        files |= {
            (sheet.parent / name).resolve()
            for name in re.findall(r'url\("([^"]+)"\)', sheet.read_text("utf8"))
        }
    return files


def weigh(page: str) -> Weight:
    """The weight of one page of the built site."""
    path = HTML / page
    text = path.read_text("utf8")
    state = re.search(rf'<script type="{re.escape(STATE)}">(.*?)</script>', text, re.S)
    widgets = 0
    if state:
        names = needed(re.findall(r'"_esm": "(\w+)"', state[1]), HTML / FOLDER)
        modules = {HTML / FOLDER / f"{name}.js" for name in names}
        widgets = sum(map(_zipped, modules)) + len(gzip.compress(state[1].encode(), 9))
        loader = _zipped(HTML / "_static" / "widgets.js")
        whole = (
            widgets
            + sum(_zipped(f) for f in _loaded(path, text))
            + len(gzip.compress(text.replace(state[1], "").encode(), 9))
        )
        return Weight(page, widgets + loader, whole)
    return Weight(page, 0, _zipped(path) + sum(_zipped(f) for f in _loaded(path, text)))


def report() -> list[Weight]:
    """Every page, the heaviest first."""
    return sorted(map(weigh, built()), key=lambda w: -w.whole)


def main() -> int:
    """Print the weights; 1 when a page is too heavy."""
    weights = report()
    shown = [w for w in weights if w.widgets] or weights[:1]
    for weight in {weights[0]: None, **dict.fromkeys(shown)}:
        print(f"  {weight}")
    heavy = [w for w in weights if w.whole > PAGE_LIMIT or w.widgets > WIDGETS_LIMIT]
    for weight in heavy:
        print(f"  too heavy: {weight} (limits {PAGE_LIMIT // 1000} and {WIDGETS_LIMIT // 1000} kB)")
    return 1 if heavy else 0


if __name__ == "__main__":
    sys.exit(main())
