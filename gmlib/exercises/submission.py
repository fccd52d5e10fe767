"""A student's file as a set of names: a Python file is run, of a notebook only imports, definitions and answers."""

from __future__ import annotations

import ast
import contextlib
import json
import linecache
from collections.abc import Iterable
from pathlib import Path
from typing import Any


def load(path: Path, wanted: Iterable[str]) -> dict[str, Any]:
    """Run a submission and return its names.

    Of a notebook, the cells that define one of the ``wanted`` names are run in full. Of all the others only imports and
    definitions of functions and classes are run, and those that fail are left out: figures and training cost nothing,
    and an answer that needs what is missing says so itself. Lines that start with ``%`` or ``!`` are skipped.

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
    text = path.read_text("utf8")
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
    if _binds(tree, wanted):
        exec(compile(tree, name, "exec"), space)
        return
    for node in tree.body:
        if isinstance(node, ast.Import | ast.ImportFrom | ast.FunctionDef | ast.ClassDef):
            with contextlib.suppress(Exception):
                exec(compile(ast.Module([node], []), name, "exec"), space)


def _cells(text: str) -> list[str]:
    notebook = json.loads(text)
    sources = ["".join(c["source"]) for c in notebook["cells"] if c["cell_type"] == "code"]
    lines = [source.splitlines() for source in sources]
    return [
        "\n".join("" if row.lstrip().startswith(("%", "!")) else row for row in rows)
        for rows in lines
        if not (rows and rows[0].startswith("%%"))
    ]


def _binds(tree: ast.Module, names: set[str]) -> bool:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name in names:
            return True
        targets = node.targets if isinstance(node, ast.Assign) else []
        found = {name.id for t in targets for name in ast.walk(t) if isinstance(name, ast.Name)}
        if found & names:
            return True
    return False
