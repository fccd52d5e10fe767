"""A student's file as a set of names: a Python file is run, of a notebook only imports, definitions and answers."""

from __future__ import annotations

import ast
import contextlib
import json
import linecache
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any


def load(path: Path, wanted: Iterable[str]) -> dict[str, Any]:
    """Run a submission and return its names.

    Of a notebook, the cells that define one of the ``wanted`` names are run in full. Of all the others only imports and
    definitions of functions and classes are run (under ``if`` and ``try`` too), and those that fail are left out: figures
    and training cost nothing, and an answer that needs what is missing says so itself. IPython's own lines, those with
    ``%`` or ``!``, are skipped.

    Args:
        path: a ``.py`` or ``.ipynb`` file.
        wanted: the names of the answers.

    Raises:
        Exception: whatever the student's code raises.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "ada.py")
        ...     _ = path.write_text("def twice(x): return 2 * x")
        ...     load(path, ["twice"])["twice"](3)
        6
    """
    space: dict[str, Any] = {"__name__": "submission", "__file__": str(path)}
    text = path.read_text("utf-8-sig")  # some editors begin a file with a byte-order mark
    for number, source in enumerate(_cells(text) if path.suffix == ".ipynb" else [text]):
        name = f"{path.name}, cell {number}" if path.suffix == ".ipynb" else path.name
        # With the text in the cache, a traceback can quote the student's line.
        linecache.cache[name] = (len(source), None, source.splitlines(True), name)
        if path.suffix == ".ipynb":
            _cell(source, name, set(wanted), space)
        else:
            exec(compile(source, name, "exec"), space)
    return space


def _cell(source: str, name: str, wanted: set[str], space: dict[str, Any]) -> None:
    try:
        tree = ast.parse(source, name)
    except SyntaxError:
        # A cell that cannot be read is an error when an answer may be in it.
        if any(word in source for word in wanted):
            raise
        return
    if wanted.intersection(_bound(tree)):
        exec(compile(tree, name, "exec"), space)
        return
    for node in tree.body:
        if _only_defines(node):
            with contextlib.suppress(Exception, SystemExit):
                exec(compile(ast.Module([node], []), name, "exec"), space)


def _cells(text: str) -> list[str]:
    notebook = json.loads(text)
    sources = ["".join(c["source"]) for c in notebook["cells"] if c["cell_type"] == "code"]
    # A timed cell is Python below its first line; other cell magics (%%bash, %%html) are not.
    sources = [source.partition("\n")[2] if source.startswith("%%time") else source for source in sources]
    return [_python(source) for source in sources if not source.startswith("%%")]


def _python(source: str) -> str:
    """A cell with IPython's lines blank. A line of Python may start with ``%`` as well, in brackets or in a string."""
    if _parses(source):
        return source
    rows = source.split("\n")
    kept = ["" if row.lstrip().startswith(("%", "!")) else row for row in rows]
    for number, row in enumerate(rows):
        tried = [*kept[:number], row, *kept[number + 1 :]]
        if kept[number] != row and _parses("\n".join(tried)):
            kept = tried
    return "\n".join(kept)


def _parses(source: str) -> bool:
    try:
        ast.parse(source)
    except (SyntaxError, ValueError):
        return False
    return True


def _bound(node: ast.AST) -> Iterator[str]:
    """The names that a piece of code binds or changes where it stands, not inside functions."""
    match node:
        case ast.FunctionDef() | ast.ClassDef():
            yield node.name
        case ast.Lambda() | ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
            pass
        case ast.AnnAssign(value=None):
            pass
        case ast.Name(ctx=ast.Store()):
            yield node.id
        case ast.Subscript(ctx=ast.Store()) | ast.Attribute(ctx=ast.Store()):
            base: ast.AST = node
            while isinstance(base, ast.Subscript | ast.Attribute):
                base = base.value
            if isinstance(base, ast.Name):
                yield base.id
        case _:
            for child in ast.iter_child_nodes(node):
                yield from _bound(child)


def _only_defines(node: ast.stmt) -> bool:
    """Whether a statement imports or defines, or chooses what to import or define."""
    match node:
        case ast.Import() | ast.ImportFrom() | ast.FunctionDef() | ast.ClassDef():
            return True
        case ast.If() | ast.Try():
            parts = [*node.body, *node.orelse]
            if isinstance(node, ast.Try):
                parts += [*node.finalbody, *(part for handler in node.handlers for part in handler.body)]
            return all(_only_defines(part) or _is_harmless(part) for part in parts)
        case _:
            return False


def _is_harmless(node: ast.stmt) -> bool:
    """What stands beside imports: ``pass``, ``raise``, and a constant such as ``fast = False``."""
    constant = isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
    return constant or isinstance(node, ast.Pass | ast.Raise)
