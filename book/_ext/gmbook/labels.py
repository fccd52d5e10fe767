"""What every label of the book points at, with the number that Sphinx gives it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gmbook.fences import Directive, PlainError, Text, parse
from gmbook.house import ROOT, address, chapter, files
from gmbook.joined import figure_of

THEOREMS = ("theorem", "lemma", "definition", "proposition", "corollary", "remark", "example", "algorithm")
TARGET = re.compile(r"^\(([\w.:-]+)\)=\s*$")
HEADING = re.compile(r"^(#{1,6})\s+(.*?)\s*$")


@dataclass(frozen=True)
class Label:
    """A label: what it names (``"Theorem 2.1"``, ``"(2.1)"``, a section's title) and on which page it is."""

    text: str
    page: str

    @property
    def url(self) -> str:
        """The page on the published site."""
        return f"{address('Documentation')}/{self.page}.html"


def headings(text: Text) -> Iterator[tuple[str | None, str]]:
    """Each heading of a Markdown text with the label in front of it, if any."""
    waiting: str | None = None
    code = False
    for line in text.lines:
        if line.lstrip().startswith(("```", "~~~")):
            code = not code
        if code:
            continue
        if target := TARGET.match(line):
            waiting = target[1]
        elif heading := HEADING.match(line):
            yield waiting, heading[2]
            waiting = None


class Counted:
    """Numbers for one chapter: equations, figures, theorems and exercises, each counted by itself."""

    def __init__(self, page: str) -> None:
        self.page = page
        self.number = chapter(page)
        self.counts: Counter[str] = Counter()
        self.labels: dict[str, Label] = {}
        self.of_node: dict[int, str] = {}

    def add(self, label: str, text: str) -> None:
        """Note a label.

        Raises:
            PlainError: the label exists already.
        """
        if label and label in self.labels:
            raise PlainError(f"{self.page}: the label {label!r} is used twice")
        if label:
            self.labels[label] = Label(text, self.page)

    def next(self, kind: str) -> str:
        """The next number of a kind, as ``2.3``; just ``3`` on a page that is no chapter."""
        self.counts[kind] += 1
        return f"{self.number}.{self.counts[kind]}".lstrip(".")

    def walk(self, nodes: list[Text | Directive]) -> None:
        """Count what the nodes hold."""
        for node in nodes:
            if isinstance(node, Text):
                for label, title in headings(node):
                    self.add(label or "", title)
                for match in re.finditer(r"^\$\$ *\(([\w.:-]+)\) *$", str(node), re.M):
                    self.add(match[1], f"({self.next('equation')})")
                continue
            kind = node.name.removeprefix("prf:")
            if node.name == "math" and node.label:
                name = f"({self.next('equation')})"
            elif node.name.startswith("prf:") and kind in THEOREMS:
                name = f"{kind.capitalize()} {self.next(kind)}"
            elif node.name == "exercise":
                name = f"Exercise {self.next('exercise')}"
            elif node.name == "figure":
                name = f"Figure {self.next('figure')}"
            else:
                name = node.argument
            self.of_node[id(node)] = name
            self.add(node.label, name)
            if node.name != "math":
                self.walk(node.body)

    def figures(self, cell: Any) -> None:
        """Count the figures that a code cell made."""
        for output in cell.get("outputs", []):
            if about := figure_of(output):
                self.add(f"fig-{about['name']}", f"Figure {self.next('figure')}")


def count(page: str, notebook: Any) -> tuple[Counted, list[list[Text | Directive] | None]]:
    """The labels of a notebook, and the tree of each of its Markdown cells (``None`` for code cells)."""
    counted = Counted(page)
    trees: list[list[Text | Directive] | None] = []
    for cell in notebook.cells:
        tree = parse(cell.source) if cell.cell_type == "markdown" else None
        trees.append(tree)
        if tree is None:
            counted.figures(cell)
        else:
            counted.walk(tree)
    return counted, trees


def pages() -> dict[str, Label]:
    """The labels of the book's pages that are not notebooks: their targets, and each page by its name."""
    labels: dict[str, Label] = {}
    for name in files():
        path = Path(ROOT / f"{name}.md")
        if not path.exists():
            continue
        tree = parse(re.sub(r"^```\{eval-rst\}.*?^```$", "", path.read_text("utf8"), flags=re.M | re.S))
        title = ""
        for node in tree:
            if isinstance(node, Text):
                for label, heading in headings(node):
                    title = title or heading
                    if label:
                        labels[label] = Label(heading, name)
        labels[f"/{name}"] = Label(title, name)
    return labels
