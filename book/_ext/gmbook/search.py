r"""What the search finds by name: equations, theorems, figures, widgets and the symbols of the notation page.

Sphinx's search knows pages, headings and Python objects. A formula has no words in it, so each labelled equation is entered
under its label, what the function that computes it says of itself, and its section; a row of the notation page under its
TeX (``\bar\alpha_t``), its Greek letters, its name in gmlib and its meaning. Each entry leads to the thing itself.
"""

from __future__ import annotations

import ast
import pickle
import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from docutils import nodes
from sphinx.application import ENV_PICKLE_FILENAME, Sphinx
from sphinx.domains import Domain, ObjType

from gmbook.house import ROOT
from gmbook.labels import THEOREMS
from gmlib._files import replacing

NOTATION = "book/notation"
LONGEST = 160
"""Characters of a name: enough for a line of results."""


class Entry(NamedTuple):
    """A thing that can be found: unique name, the name that is shown and searched, kind, anchor on its page."""

    name: str
    shown: str
    kind: str
    anchor: str


@cache
def computed() -> dict[str, str]:
    """What gmlib says of each equation: the first line of the docstring that names its label."""
    found: dict[str, str] = {}
    for path in sorted((ROOT / "gmlib").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf8"))):
            text = ast.get_docstring(node) if isinstance(node, ast.FunctionDef | ast.ClassDef) else None
            for label in re.findall(r":eq:`(eq-[\w-]+)`", text or ""):
                found.setdefault(label, plain(str(text).splitlines()[0]))
    return found


def plain(text: str) -> str:
    """A line of reStructuredText without its marks."""
    text = re.sub(r"\s*\(:eq:`[^`]*` in the book[^)]*\)", "", text)
    return re.sub(r"[`*]", "", re.sub(r":[\w:]+:`~?([^`]*)`", r"\1", text)).rstrip(".")


def letters(tex: str) -> str:
    r"""The Greek letters of a formula as themselves: ``\bar\alpha_t`` has an α."""
    kinds = (
        (word, "CAPITAL" if word[0].isupper() else "SMALL") for word in re.findall(r"\\([A-Za-z]+)", tex)
    )
    # Unicode writes lamda.
    words = ((word.removeprefix("var").upper().replace("LAMBDA", "LAMDA"), kind) for word, kind in kinds)
    names = (f"GREEK {kind} LETTER {word}" for word, kind in words)
    found = []
    for name in names:
        try:
            found.append(unicodedata.lookup(name))
        except KeyError:
            continue
    return " ".join(dict.fromkeys(found))


def _cut(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= LONGEST else text[: LONGEST - 2].rsplit(" ", 1)[0] + " …"


def _section(node: nodes.Node) -> str:
    """The title of the section around a node; exercises and proofs are sections without one."""
    around: Any = node.parent
    while around is not None and not (isinstance(around, nodes.section) and _title(around)):
        around = around.parent
    return _title(around) if around is not None else ""


def _title(node: nodes.Element) -> str:
    return next((child.astext() for child in node.children if isinstance(child, nodes.title)), "")


def _equations(doctree: nodes.document) -> Iterator[Entry]:
    for node in doctree.findall(nodes.math_block):
        label = node.get("label") or ""
        if label.startswith("eq-"):
            words = label.split("-", 2)[-1].replace("-", " ")
            shown = f"{label}: {computed().get(label, words)} ({_section(node)})"
            yield Entry(label, _cut(shown), "equation", nodes.make_id(f"equation-{label}"))


def _theorems(doctree: nodes.document) -> Iterator[Entry]:
    for node in doctree.findall(
        lambda n: isinstance(n, nodes.Element) and "realtype" in n and bool(n.get("label"))
    ):
        name = re.sub(r"^[\s(]+|[\s)]+$", "", _title(node))  # pyright: ignore[reportArgumentType]
        label = node["label"]  # pyright: ignore
        yield Entry(label, _cut(f"{label}: {name or _section(node)}"), node["realtype"], label)  # pyright: ignore


def _figures(doctree: nodes.document) -> Iterator[Entry]:
    for node in doctree.findall(nodes.figure):
        caption = node.next_node(nodes.caption)
        if node.get("ids") and caption is not None:
            name = node["ids"][0]
            yield Entry(name, _cut(f"{name}: {caption.astext()}"), "figure", name)


def _widgets(doctree: nodes.document) -> Iterator[Entry]:
    for node in doctree.findall(nodes.section):
        for name in node["names"]:
            if name.startswith("sec-widgets-"):
                yield Entry(name, f"{_title(node)} ({name})", "widget", name)


def _symbols(doctree: nodes.document) -> Iterator[Entry]:
    """The rows of the notation page; each gets an anchor on the way."""
    for body in doctree.findall(nodes.tbody):
        for row in body.findall(nodes.row):
            cells = [cell.astext() for cell in row.findall(nodes.entry)]
            tex = "\n".join(math.astext() for math in row[0].findall(nodes.math))  # pyright: ignore
            name = nodes.make_id("symbol-" + (tex or cells[0]))
            while name in doctree.ids:
                name += "-also"
            row["ids"].append(name)
            doctree.ids[name] = row
            known = ", ".join(filter(None, [letters(tex), *cells[2:3]]))
            sign = tex.replace("\n", ", ") or cells[0]
            yield Entry(
                name,
                _cut(f"{sign} ({known}): {cells[1]}" if known else f"{sign}: {cells[1]}"),
                "symbol",
                name,
            )


class Named(Domain):
    """The book's named things, so that Sphinx's search finds them as it finds Python objects."""

    name = "book"
    label = "Book"
    object_types = {  # noqa: RUF012 - Sphinx wants a class attribute
        kind: ObjType(kind) for kind in ("equation", "figure", "symbol", "widget", *THEOREMS)
    }
    initial_data = {"entries": {}}  # noqa: RUF012
    data_version = 1

    def get_type_name(self, type: ObjType, primary: bool = False) -> str:
        """``equation``, not ``Book equation``."""
        return type.lname

    def process_doc(self, env: Any, docname: str, document: nodes.document) -> None:
        """Note what a page holds."""
        found = [*_equations(document), *_theorems(document), *_figures(document), *_widgets(document)]
        if docname == NOTATION:
            found += _symbols(document)
        self.data["entries"][docname] = found

    def clear_doc(self, docname: str) -> None:
        """Forget a page that is read again."""
        self.data["entries"].pop(docname, None)

    def get_objects(self) -> Iterable[tuple[str, str, str, str, str, int]]:
        """Everything, with the highest priority: who types a name wants the thing, not pages that mention it."""
        for docname, entries in self.data["entries"].items():
            for entry in entries:
                # Where an anchor is the name, the index leaves it out, and the page would take the shown name for it.
                yield f"{entry.kind}/{entry.name}", entry.shown, entry.kind, docname, entry.anchor, 0


def keep(app: Sphinx, exception: Exception | None) -> None:
    """Save what the index knows of each page: of pages that it does not read again, Sphinx forgets the terms."""
    if exception is None and app.builder.name == "html":
        with replacing(Path(app.doctreedir) / ENV_PICKLE_FILENAME) as path, path.open("wb") as file:
            pickle.dump(app.env, file, pickle.HIGHEST_PROTOCOL)


def setup(app: Sphinx) -> dict[str, Any]:
    """Sphinx's entry; the book's extension loads this one."""
    app.add_domain(Named)
    app.connect("build-finished", keep)
    return {"parallel_read_safe": False, "parallel_write_safe": True}
