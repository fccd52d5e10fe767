"""Where things are: the repository's folders, its address, the notebooks of the table of contents."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[3]
BUILD = ROOT / "_build"
EXECUTED = BUILD / "executed"
FIGURES = BUILD / "figures"
PLAIN = BUILD / "notebooks"
HTML = BUILD / "html"


@cache
def address(name: str) -> str:
    """An address of the project (``"Repository"``, ``"Documentation"``): it stands in pyproject.toml only."""
    with open(ROOT / "pyproject.toml", "rb") as file:
        return tomllib.load(file)["project"]["urls"][name]


def files() -> list[str]:
    """Every page of the book, as in ``_toc.yml``: paths from the root without suffix."""
    found: list[str] = []

    def walk(node: object) -> None:
        if isinstance(node, dict):
            found.extend(node[key] for key in ("root", "file") if key in node)
            for value in node.values():
                walk(value)
        elif isinstance(node, list):
            for value in node:
                walk(value)

    walk(yaml.safe_load((ROOT / "_toc.yml").read_text("utf8")))
    return found


def notebooks() -> list[Path]:
    """The notebooks of the book in reading order."""
    paths = [ROOT / f"{name}.ipynb" for name in files()]
    return [path for path in paths if path.exists()]


def chapter(path: str | Path) -> str:
    """A chapter's number as it is printed: ``chapters/02_elbo`` is 2, ``chapters/02b_elbo_family`` is 2b.

    Empty for a notebook that is not a chapter, such as a gallery.
    """
    first = Path(path).stem.split("_")[0]
    return first.lstrip("0") if first[:1].isdigit() else ""


def built() -> list[str]:
    """Every page of the finished site, relative to its root."""
    pages = [path.relative_to(HTML) for path in HTML.rglob("*.html")]
    return sorted(page.as_posix() for page in pages if "_static" not in page.parts)
