"""The exercises of each notebook are those of the definitions, and its own cells run: as shipped, and filled in."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
from gmbook import exercises as page
from gmbook.fences import Directive, parse
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from gmlib.exercises import Exercise, Report, listed

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "chapters").glob("*.ipynb"))


@pytest.fixture(autouse=True)
def _nothing_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GMLIB_PROGRESS", "off")


def sources(cells: list[Any]) -> list[tuple[str, str]]:
    return [(cell.cell_type, cell.source) for cell in cells]


def is_due(path: Path, notebook: Any) -> bool:
    """Whether the chapter has exercises to show: a notebook without a summary is only begun."""
    text = "\n".join(c.source for c in notebook.cells if c.cell_type == "markdown")
    return bool(page.cells(path.stem)) and bool(page.SUMMARY.search(text))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_the_notebook_shows_the_definitions(path: Path) -> None:
    notebook = nbformat.read(path, 4)
    if not is_due(path, notebook):
        return
    found, due = sources(notebook.cells), sources(page.cells(path.stem))
    start = found.index(due[0]) if due[0] in found else 0
    assert found[start : start + len(due)] == due, f"run: python -m gmbook.exercises {path.relative_to(ROOT)}"
    everywhere = "\n".join(text for kind, text in found if kind == "markdown")
    assert re.findall(r"^:label: (ex-\S+)$", everywhere, re.M) == [
        e.label for e in listed() if e.chapter == path.stem
    ]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_every_check_says_not_done_yet_and_passes_with_the_reference(path: Path) -> None:
    notebook = nbformat.read(path, 4)
    if not is_due(path, notebook):
        return
    code = [c.source for c in notebook.cells if c.cell_type == "code"]
    for exercise in listed(path.stem):
        check = next(text for text in code if text.startswith(f'check("{exercise.id}"'))
        stub = code[code.index(check) - 1]
        assert run(exercise, stub, check).state == "not done"
        report = run(exercise, exercise.reference, check)
        assert report, report


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_answers_have_names_of_their_own(path: Path) -> None:
    """An answer that took a name of the chapter would change its cells when they are run again."""
    made = {cell.source for cell in page.cells(path.stem)}
    cells = [c.source for c in nbformat.read(path, 4).cells if c.cell_type == "code" and c.source not in made]
    bound: set[str] = set()
    for node in ast.walk(ast.parse("\n".join(cells))):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            bound.add(node.id)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            bound.add(node.name)
        elif isinstance(node, ast.ImportFrom):
            bound.update(alias.asname or alias.name for alias in node.names)
    answers = {e.answer for e in listed() if e.chapter == path.stem}
    assert not answers & bound


def run(exercise: Exercise, answer: str, check: str) -> Report:
    """The outcome of a notebook's check cell after the cell with the answer."""
    space: dict[str, Any] = {}
    exec("import math\nimport torch\nfrom gmlib.exercises import check", space)
    exec(answer, space)
    return eval(check, space)


CHAPTERS = sorted({exercise.chapter for exercise in listed()})


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_the_cells_are_text_that_both_editions_can_read(chapter: str) -> None:
    for cell in page.cells(chapter):
        if cell.cell_type != "markdown":
            continue
        nodes = parse(cell.source)
        names = [node.name for node in nodes if isinstance(node, Directive)]
        assert set(names) <= {"exercise", "dropdown", "solution"}
        # A line of a displayed formula that starts like a list item would become one on GitHub.
        for block in re.findall(r"\$\$\n(.*?)\$\$", cell.source, re.S):
            assert not re.search(r"^\s*[-+*#>] ", block, re.M)


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_writing_twice_changes_nothing(chapter: str) -> None:
    notebook = new_notebook(
        cells=[
            new_markdown_cell("# Title"),
            new_code_cell("1"),
            new_markdown_cell("The end.\n\n(sec-02-summary)=\n## Summary"),
        ]
    )
    page.write(notebook, chapter)
    once = sources(notebook.cells)
    assert once[:2] == [("markdown", "# Title"), ("code", "1")]
    assert once[2] == ("markdown", "The end.")
    assert once[-1] == ("markdown", "(sec-02-summary)=\n## Summary")
    page.write(notebook, chapter)
    assert sources(notebook.cells) == once


def test_a_notebook_without_summary_is_named() -> None:
    with pytest.raises(ValueError, match="has no summary"):
        page.write(new_notebook(cells=[]), CHAPTERS[0])


def test_an_exercises_id_on_other_text_does_not_remove_the_text() -> None:
    # jupytext --update hands ids out by likeness; prose, code or the summary may get an exercise's.
    prose = new_markdown_cell("## In practice\n\nSum over pixels.", id=f"{page.PREFIX}bound-help")
    code = new_code_cell("total = 1 + 1", id=f"{page.PREFIX}bound-stub")
    summary = new_markdown_cell("(sec-02-summary)=\n## Summary", id=f"{page.PREFIX}start")
    notebook = new_notebook(cells=[prose, code, summary])
    page.write(notebook, "02_elbo")
    kept = [c for c in notebook.cells if not c.id.startswith(page.PREFIX)]
    assert [c.source for c in kept] == [prose.source, code.source, summary.source]
    once = sources(notebook.cells)
    page.write(notebook, "02_elbo")
    assert sources(notebook.cells) == once
