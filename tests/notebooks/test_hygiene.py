"""Committed notebooks hold text, code and the outputs that are compared: nothing volatile."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import pytest
from gmbook.house import notebooks
from gmbook.hygiene import NOTEBOOK_METADATA, clean, main, text
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

CHAPTERS = notebooks()


def dirty() -> Any:
    out = new_output("stream", text="3\n")
    result = new_output("execute_result", {"text/plain": "3"}, execution_count=7)
    return new_notebook(
        cells=[
            new_markdown_cell("# Title", metadata={"collapsed": True}),
            new_code_cell(
                "1 + 2", outputs=[out], execution_count=6, metadata={"execution": {"iopub": "2026"}}
            ),
            new_code_cell(
                "1 + 2",
                outputs=[result],
                execution_count=7,
                metadata={"tags": ["nbval-check-output"], "scrolled": True},
            ),
        ],
        metadata={"kernelspec": {"name": "my-venv", "display_name": "x"}, "widgets": {}},
    )


def test_outputs_stay_only_where_they_are_compared() -> None:
    _, plain, checked = clean(dirty()).cells
    assert (plain.outputs, plain.execution_count) == ([], None)
    assert (checked.execution_count, checked.outputs[0].execution_count) == (1, 1)
    assert checked.outputs[0].data == {"text/plain": "3"}


def test_metadata_is_the_kernel_and_the_tags() -> None:
    result = clean(dirty())
    assert result.metadata == NOTEBOOK_METADATA
    assert [dict(cell.metadata) for cell in result.cells] == [{}, {}, {"tags": ["nbval-check-output"]}]


def test_cells_keep_their_ids_and_a_second_pass_changes_nothing() -> None:
    before = dirty()
    once = clean(before)
    assert [c.id for c in once.cells] == [c.id for c in before.cells]
    assert text(clean(once)) == text(once)
    assert before.cells[1].outputs, "the argument stays as it is"


def test_the_command_rewrites_once_and_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.ipynb"
    path.write_text(nbformat.writes(dirty()), "utf8")
    assert main([str(path)]) == 0
    assert "cleaned" in capsys.readouterr().out
    assert main([str(path)]) == 0
    assert capsys.readouterr().out == ""
    assert list(tmp_path.iterdir()) == [path]


def test_the_command_fails_on_what_it_cannot_read_and_cleans_the_rest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, bad = tmp_path / "good.ipynb", tmp_path / "bad.ipynb"
    good.write_text(nbformat.writes(dirty()), "utf8")
    bad.write_text("{", "utf8")
    assert main([str(bad), str(tmp_path / "none.ipynb"), str(good)]) == 1
    said = capsys.readouterr()
    assert "cleaned" in said.out
    assert "bad.ipynb" in said.err
    assert "none.ipynb" in said.err
    assert bad.read_text("utf8") == "{"


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda p: p.stem)
def test_every_notebook_is_clean(path: Path) -> None:
    assert text(clean(nbformat.read(path, 4))) == path.read_text("utf8"), "run `make format`"


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda p: p.stem)
def test_every_compared_cell_has_an_output(path: Path) -> None:
    for cell in nbformat.read(path, 4).cells:
        if "nbval-check-output" in cell.metadata.get("tags", []):
            assert cell.outputs, f"{cell.source!r} has no output to compare: run `make outputs`"
