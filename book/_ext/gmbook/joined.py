"""A notebook as it is published: today's text, the outputs of its last run, the numbers in place, the aims on top."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat

from gmbook.execute import code_key, places, record
from gmbook.house import ROOT
from gmbook.ledger import substitute
from gmbook.objectives import box


def joined(path: Path) -> Any:
    """The notebook at ``path`` with the outputs of its last run, its claims in the text, and what a chapter is for.

    Raises:
        RuntimeError: the notebook has not been executed since its code cells changed.
    """
    where = path.relative_to(ROOT).as_posix()
    notebook = nbformat.read(path, 4)
    if not places(path)[1].exists() or record(path)["code"] != code_key(notebook):
        raise RuntimeError(f"{where} has no up-to-date run: `make book` executes it first")
    executed = nbformat.read(places(path)[0], 4)
    runs = iter([cell for cell in executed.cells if cell.cell_type == "code"])
    for cell in notebook.cells:
        if cell.cell_type == "code":
            run = next(runs)
            cell.outputs, cell.execution_count = run.outputs, run.execution_count
    if "widgets" in executed.metadata:
        notebook.metadata["widgets"] = executed.metadata["widgets"]
    substitute(notebook, where)
    notebook.cells[1:1] = box(path.stem)
    return notebook


def figure_of(output: Any) -> dict[str, str] | None:
    """Name, caption and alt text of an output that ``gmlib.plot.figure`` made; ``None`` for any other."""
    return output.get("metadata", {}).get("gmlib", {}).get("figure")
