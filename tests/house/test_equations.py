"""Equations and code point at each other: every labelled equation of a chapter and the function that computes it.

A docstring names its equation as ``:eq:`eq-02-bound```; the text links the function with ``{py:obj}`` beside the equation.
An equation that no function computes stands in ``WITHOUT_CODE``, with the reason.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import nbformat
import pytest
from gmbook.house import notebooks

ROOT = Path(__file__).resolve().parents[2]
WITHOUT_CODE: dict[str, str] = {}
LABEL = re.compile(r"^:label: (eq-[\w-]+)$", re.M)
NAMED = re.compile(r":eq:`(eq-[\w-]+)`")
LINK = re.compile(r"\{py:obj\}`~?(gmlib[\w.]+)`")


def _docstrings() -> dict[str, list[str]]:
    """Label -> the functions, classes and methods of gmlib whose docstrings name it."""
    found: dict[str, list[str]] = {}
    for path in sorted((ROOT / "gmlib").rglob("*.py")):
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")

        def visit(node: ast.AST, name: str) -> None:
            for child in ast.iter_child_nodes(node):
                if isinstance(child, ast.FunctionDef | ast.ClassDef):
                    inner = f"{name}.{child.name}"
                    for label in NAMED.findall(ast.get_docstring(child) or ""):
                        found.setdefault(label, []).append(inner)
                    visit(child, inner)

        visit(ast.parse(path.read_text("utf8")), module)
    return found


def _texts() -> dict[str, str]:
    """Label -> the Markdown around the equation: its cell and the cells of text on either side."""
    found: dict[str, str] = {}
    for path in notebooks():
        cells = [c.source for c in nbformat.read(path, 4).cells if c.cell_type == "markdown"]
        for i, source in enumerate(cells):
            for label in LABEL.findall(source):
                assert label not in found, f"{label} labels two equations"
                found[label] = "\n".join(cells[max(0, i - 1) : i + 2])
    return found


DOCSTRINGS, TEXTS = _docstrings(), _texts()


def test_docstrings_name_equations_that_exist() -> None:
    assert set(DOCSTRINGS) <= set(TEXTS), sorted(set(DOCSTRINGS) - set(TEXTS))
    assert set(WITHOUT_CODE) <= set(TEXTS)


@pytest.mark.parametrize("label", sorted(TEXTS))
def test_equation_and_function_point_at_each_other(label: str) -> None:
    functions = DOCSTRINGS.get(label, [])
    if label in WITHOUT_CODE:
        assert not functions, f"{label} has code now: {functions}"
        return
    assert functions, f"no docstring names {label}; name it, or say in WITHOUT_CODE why nothing computes it"
    links = LINK.findall(TEXTS[label])
    assert set(functions) & set(links), f"the text beside {label} links {links}, none of {functions}"
