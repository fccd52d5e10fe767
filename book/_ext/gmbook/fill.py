"""Put the outputs of the last run into the cells that are compared with them: ``python -m gmbook.fill``.

Only cells tagged ``nbval-check-output`` carry outputs in the repository. After a change to such a cell, run this, read
the difference, and commit it.
"""

from __future__ import annotations

import sys

import nbformat

from gmbook.execute import code_key, main, places, record
from gmbook.house import ROOT, notebooks
from gmbook.hygiene import clean, text
from gmlib._files import write_text


def fill() -> int:
    """Execute what is out of date, then fill and clean every notebook of the book; 1 when one fails."""
    if main([]):
        return 1
    for path in notebooks():
        notebook, executed = nbformat.read(path, 4), nbformat.read(places(path)[0], 4)
        if record(path)["code"] != code_key(notebook):
            print(f"  {path.relative_to(ROOT)} changed while it ran; run this again")
            return 1
        runs = iter([cell for cell in executed.cells if cell.cell_type == "code"])
        for cell in notebook.cells:
            if cell.cell_type == "code":
                cell.outputs = next(runs).outputs
        write_text(path, text(clean(notebook)))
    return 0


if __name__ == "__main__":
    sys.exit(fill())
