"""Runs: what makes one stale, and what a failing cell says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import pytest
from gmbook import execute
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook


@pytest.fixture
def book(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(execute, "ROOT", tmp_path)
    monkeypatch.setattr(execute, "EXECUTED", tmp_path / "_build")
    return tmp_path


def written(book: Path, *cells: Any) -> Path:
    path = book / "chapters" / "01_test.ipynb"
    path.parent.mkdir(exist_ok=True)
    nbformat.write(new_notebook(cells=list(cells)), path)
    return path


def test_a_run_leaves_outputs_and_a_record(book: Path) -> None:
    path = written(book, new_markdown_cell("# T"), new_code_cell("print(6 * 7)"))
    assert execute.run(path) == ""
    assert execute.is_fresh(path)
    result, _ = execute.places(path)
    assert nbformat.read(result, 4).cells[1].outputs[0].text == "42\n"
    facts = execute.record(path)
    assert (facts["notebook"], facts["mode"]) == ("chapters/01_test.ipynb", "smoke")
    assert "torch" in facts["versions"]
    assert not list(book.rglob("*.part"))


def test_lines_printed_one_after_the_other_are_one_output(book: Path) -> None:
    """Else a pause between two lines is a gap on the page, in one run and not in the next."""
    code = "import time\nfor i in range(3):\n    print(i, flush=True)\n    time.sleep(0.3)"
    path = written(book, new_code_cell(code))
    assert execute.run(path) == ""
    assert [output.text for output in nbformat.read(execute.places(path)[0], 4).cells[0].outputs] == [
        "0\n1\n2\n"
    ]


def test_text_may_change_without_a_new_run_and_code_may_not(book: Path) -> None:
    path = written(book, new_markdown_cell("# T"), new_code_cell("1"))
    execute.run(path)
    written(book, new_markdown_cell("# Another"), new_code_cell("1"))
    assert execute.is_fresh(path)
    written(book, new_markdown_cell("# Another"), new_code_cell("2"))
    assert not execute.is_fresh(path)


def test_a_failing_cell_is_shown_with_its_traceback(book: Path) -> None:
    problem = execute.run(written(book, new_code_cell("a = 1"), new_code_cell("a / 0")))
    assert "chapters/01_test.ipynb, cell 1 failed" in problem
    assert "a / 0" in problem
    assert "ZeroDivisionError" in problem


def test_a_warning_in_the_output_fails(book: Path) -> None:
    problem = execute.run(written(book, new_code_cell("import warnings; warnings.warn('look out')")))
    assert "cell 0 wrote to stderr" in problem
    assert "look out" in problem


def test_the_key_depends_on_code_and_tags_and_not_on_text(book: Path) -> None:
    def key(text: str, code: str, tags: list[str]) -> str:
        return execute.code_key(
            new_notebook(cells=[new_markdown_cell(text), new_code_cell(code, metadata={"tags": tags})])
        )

    assert key("a", "1", []) == key("b", "1", [])
    assert len({key("a", "1", []), key("a", "2", []), key("a", "1", ["x"])}) == 3
