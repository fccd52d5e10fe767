"""What a committed notebook holds, and nothing else: ``python -m gmbook.hygiene NOTEBOOK ...`` rewrites and reports.

Cells tagged ``nbval-check-output`` keep their outputs, with execution count 1 (nbval calls a cell without a count
"unrun"); all others lose outputs and counts. Volatile metadata goes; the ``python3`` kernelspec stays, because without
it JupyterLab stops to ask for a kernel. Cells keep their ids.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import nbformat

from gmlib._files import write_text

KEPT_CELL_METADATA = ("tags",)
NOTEBOOK_METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def clean(notebook: Any) -> Any:
    """The notebook as it is committed; the argument stays as it is."""
    result: Any = nbformat.from_dict(
        {**notebook, "cells": [], "metadata": NOTEBOOK_METADATA, "nbformat_minor": 5}
    )
    seen: set[str] = set()
    for number, old in enumerate(notebook.cells):
        cell: Any = nbformat.from_dict(dict(old))
        name = cell.get("id", f"cell-{number}")
        cell.id = name if name not in seen else f"{name}-{number}"
        seen.add(cell.id)
        cell.metadata = nbformat.from_dict(
            {k: v for k, v in cell.metadata.items() if k in KEPT_CELL_METADATA and v}
        )
        cell.pop("attachments", None)
        if cell.cell_type == "code":
            kept = "nbval-check-output" in cell.metadata.get("tags", [])
            cell.outputs = [_settled(output) for output in cell.outputs] if kept else []
            cell.execution_count = 1 if kept else None
        result.cells.append(cell)
    return result


def _settled(old: Any) -> Any:
    output: Any = nbformat.from_dict(dict(old))
    if "execution_count" in output:
        output.execution_count = 1
    return output


def text(notebook: Any) -> str:
    """A notebook as the bytes of its file."""
    return nbformat.writes(notebook) + "\n"


def main(names: list[str]) -> int:
    """Clean each notebook in place; 1 when one cannot be read (pre-commit sees for itself what was changed)."""
    failed = 0
    for name in names:
        path = Path(name)
        try:
            before = path.read_text("utf8")
            after = text(clean(nbformat.reads(before, 4)))
        except (OSError, ValueError, nbformat.ValidationError) as error:
            print(f"{name}: {error}", file=sys.stderr)
            failed = 1
            continue
        if after != before:
            write_text(path, after)
            print(f"cleaned {name}")
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
