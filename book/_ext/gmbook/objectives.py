"""What each chapter builds on and what its reader can do afterwards, from ``book/objectives.toml``."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from graphlib import TopologicalSorter
from typing import Any

import nbformat
from nbformat.v4 import new_markdown_cell
from sphinx.environment import BuildEnvironment

from gmbook.house import ROOT, chapter

SOURCE = ROOT / "book" / "objectives.toml"


@dataclass(frozen=True)
class Chapter:
    """One row: the notebook's stem, a short title, the chapters that it builds on, and pairs of section and ability."""

    file: str
    short: str
    builds_on: tuple[str, ...]
    can: tuple[tuple[str, str], ...]

    @property
    def number(self) -> str:
        """As it is printed: ``9``, ``9b``."""
        return chapter(self.file)

    @property
    def is_companion(self) -> bool:
        """Whether it is the second part of a chapter."""
        return not self.number.isdigit()

    @property
    def link(self) -> str:
        """A link whose words are the number."""
        return f"{{doc}}`{self.number} </chapters/{self.file}>`"

    @property
    def named(self) -> str:
        """A link whose words are the number and the short title."""
        return f"{{doc}}`{self.number}. {self.short} </chapters/{self.file}>`"


@cache
def chapters() -> dict[str, Chapter]:
    """Every row by the stem of its notebook, in the order of the book.

    Raises:
        ValueError: a chapter builds on one that has no row.
    """
    rows = {
        name: Chapter(name, row["short"], tuple(row["builds_on"]), tuple((a, b) for a, b in row["can"]))
        for name, row in tomllib.loads(SOURCE.read_text("utf8")).items()
    }
    for row in rows.values():
        for name in row.builds_on:
            if name not in rows:
                raise ValueError(f"book/objectives.toml: {row.file} builds on {name!r}, which has no row")
    return rows


def order() -> list[str]:
    """The chapters so that each comes after those that it builds on.

    Raises:
        graphlib.CycleError: two chapters build on each other.
    """
    return list(TopologicalSorter({row.file: row.builds_on for row in chapters().values()}).static_order())


def before(file: str) -> set[str]:
    """Every chapter that this one needs, directly or not."""
    direct = chapters()[file].builds_on
    return {*direct, *(name for row in direct for name in before(row))}


def abilities(row: Chapter) -> str:
    """What the reader can do, one a line, each with the section that delivers it."""
    return "\n".join(f"- {able} ({{ref}}`{section}`)" for section, able in row.can)


def box(file: str) -> list[Any]:
    """The cell that stands under a chapter's opening; none for a notebook that is no chapter."""
    row = chapters().get(file)
    if row is None:
        return []
    text = f":::{{dropdown}} After this chapter you can\n{abilities(row)}\n:::"
    return [new_markdown_cell(text, id="objectives")]


def title(file: str) -> str:
    """The chapter's title as its notebook has it."""
    opening = nbformat.read(ROOT / "chapters" / f"{file}.ipynb", 4).cells[0].source
    return next(line for line in opening.splitlines() if line.startswith("# ")).lstrip("# ")


def listing(_: str, env: BuildEnvironment) -> str:
    """One section a chapter: what it builds on, what builds on it, and the abilities, its companion's below."""
    env.note_dependency(str(SOURCE))
    rows = chapters()
    parts = []
    for row in rows.values():
        if row.is_companion:
            parts.append(f"In its second part, {{doc}}`/chapters/{row.file}`:\n\n{abilities(row)}")
            continue
        needs = ", ".join(rows[name].link for name in row.builds_on) or "no other chapter"
        later = [other for other in rows.values() if row.file in other.builds_on and not other.is_companion]
        leads = ", ".join(other.link for other in later) or "none so far"
        parts.append(
            f"## {row.number}. {title(row.file)}\n\n{{doc}}`Read the chapter </chapters/{row.file}>`. Builds on: {needs}. "
            f"Needed by: {leads}.\n\nAfterwards you can\n\n{abilities(row)}"
        )
    return "\n\n".join(parts)
