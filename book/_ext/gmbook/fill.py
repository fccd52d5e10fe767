"""Put the outputs of the last run into the cells that are compared with them: ``python -m gmbook.fill``.

Only cells tagged ``nbval-check-output`` carry outputs in the repository. After a change to such a cell, run this, read
the difference, and commit it.
"""

from __future__ import annotations

import sys
from pathlib import Path

import nbformat

from gmbook.execute import code_key, main, places, record
from gmbook.house import ROOT, notebooks
from gmbook.hygiene import clean, text
from gmlib._files import write_text


def filled(path: Path) -> str:
    """The notebook's text with the outputs of its last run where the repository keeps them.

    Raises:
        ValueError: that run was of other code.
    """
    notebook, executed = nbformat.read(path, 4), nbformat.read(places(path)[0], 4)
    if record(path)["code"] != code_key(notebook):
        raise ValueError(f"{path.relative_to(ROOT)} is not what was executed; run this again")
    runs = iter([cell for cell in executed.cells if cell.cell_type == "code"])
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = next(runs).outputs
    return text(clean(notebook))


def fill() -> int:
    """Execute what is out of date, then fill and clean every notebook of the book; 1 when one fails."""
    if main([]):
        return 1
    for path in notebooks():
        write_text(path, filled(path))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(fill())
    except ValueError as error:
        sys.exit(f"  {error}")
