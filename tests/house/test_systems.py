"""The model index: every chapter, anchor, symbol and test that ``book/systems.tsv`` names exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import nbformat
import pytest
from gmbook import excerpt, generated

ROOT = Path(__file__).resolve().parents[2]
COLUMNS = ["slug", "name", "chapter", "section", "symbol", "test"]


def test_the_table_has_its_columns_and_each_system_once() -> None:
    assert generated.SYSTEMS.read_text("utf8").splitlines()[0].split("\t") == COLUMNS
    slugs = [row["slug"] for row in generated.systems()]
    assert len(slugs) == len(set(slugs))


@pytest.mark.parametrize("row", generated.systems(), ids=lambda row: row["slug"])
def test_what_a_row_names_exists(row: dict[str, str]) -> None:
    assert all(row[column] for column in COLUMNS)
    notebook = nbformat.read(ROOT / "chapters" / f"{row['chapter']}.ipynb", 4)
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    assert re.search(rf"^\({re.escape(row['section'])}\)=", text, re.M), f"no anchor {row['section']}"
    assert excerpt.find(row["symbol"]) is not None
    path, _, name = row["test"].partition("::")
    tree = ast.parse((ROOT / path).read_text("utf8"))
    tests = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    assert name.split("::")[-1].split("[")[0] in tests
