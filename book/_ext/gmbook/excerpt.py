"""Source shown in a chapter: taken from the module, with a link to it, never a copy."""

from __future__ import annotations

import ast
import importlib
import inspect
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.addnodes import pending_xref
from sphinx.util.docutils import SphinxDirective

from gmbook.house import ROOT, address


@dataclass(frozen=True)
class Excerpt:
    """A function's or class's source: the code, its file and lines, and its address in the repository."""

    name: str
    code: str
    path: str
    first: int
    last: int

    @property
    def url(self) -> str:
        """Where the repository shows these lines."""
        return f"{address('Repository')}/blob/main/{self.path}#L{self.first}-L{self.last}"


def find(name: str) -> Any:
    """The object with this dotted name.

    Raises:
        LookupError: there is none.
    """
    parts = name.split(".")
    for cut in range(len(parts), 0, -1):
        try:
            found: Any = importlib.import_module(".".join(parts[:cut]))
        except ModuleNotFoundError:
            continue
        try:
            for part in parts[cut:]:
                found = getattr(found, part)
        except AttributeError:
            continue
        return found
    raise LookupError(f"gmlib-source: there is no {name}")


def _without_docstrings(code: str) -> str:
    """The code without its docstrings: the chapter around it says what they say."""
    lines = code.splitlines()
    drop: set[int] = set()
    for node in ast.walk(ast.parse(code)):
        if not isinstance(node, ast.FunctionDef | ast.ClassDef) or ast.get_docstring(node) is None:
            continue
        doc = node.body[0]
        rows = set(range(doc.lineno, (doc.end_lineno or doc.lineno) + 1))
        if len(node.body) == 1:
            indent = " " * doc.col_offset
            lines[doc.lineno - 1] = f"{indent}..."
            rows.discard(doc.lineno)
        elif isinstance(node, ast.FunctionDef) and not lines[(doc.end_lineno or 0)].strip():
            rows.add((doc.end_lineno or 0) + 1)
        drop |= rows
    return "\n".join(line for number, line in enumerate(lines, 1) if number not in drop)


def excerpt(name: str, *, docstring: bool = False) -> Excerpt:
    """The source of a gmlib function, method or class, by default without docstrings."""
    found: Any = inspect.unwrap(find(name))
    if isinstance(found, property):
        found = inspect.unwrap(found.fget) if found.fget else found
    rows, first = inspect.getsourcelines(found)
    code = textwrap.dedent("".join(rows)).rstrip()
    file = Path(inspect.getsourcefile(found) or "").resolve().relative_to(ROOT).as_posix()
    return Excerpt(name, code if docstring else _without_docstrings(code), file, first, first + len(rows) - 1)


class Source(SphinxDirective):
    """``:::{gmlib-source} gmlib.vae.elbo.elbo``: the source, its place in the repository and in the reference."""

    required_arguments = 1
    option_spec = {"docstring": directives.flag}  # noqa: RUF012 - docutils wants a class attribute

    def run(self) -> list[nodes.Node]:
        """A container with the highlighted code and a line of links."""
        name = self.arguments[0]
        try:
            part = excerpt(name, docstring="docstring" in self.options)
        except LookupError as error:
            raise self.error(str(error)) from None
        self.env.note_dependency(str(ROOT / part.path))
        block = nodes.literal_block(part.code, part.code, language="python", classes=["gm-code"])
        self.set_source_info(block)
        foot = nodes.paragraph(classes=["gm-source-foot"])
        foot += nodes.reference("", f"{part.path}, lines {part.first} to {part.last}", refuri=part.url)
        foot += nodes.Text(" · ")
        api = pending_xref(
            "", nodes.Text("reference"), refdomain="py", reftype="obj", reftarget=name, refexplicit=True
        )
        api["refdoc"], api["refwarn"] = self.env.docname, True
        foot += api
        return [nodes.container("", block, foot, classes=["gm-source"])]
