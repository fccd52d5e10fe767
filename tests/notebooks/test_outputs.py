"""What the book's own run printed is what the repository keeps: the numbers that a chapter asserts."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from gmbook import fill
from gmbook.execute import is_fresh
from gmbook.house import notebooks
from nbformat.v4 import new_code_cell, new_notebook, new_output


@pytest.mark.parametrize("path", notebooks(), ids=lambda path: path.stem)
def test_the_last_run_printed_what_is_committed(path: Path) -> None:
    if not is_fresh(path):
        if os.environ.get("CI"):
            pytest.fail("not executed as it stands: python -m gmbook.execute")
        pytest.skip("not executed as it stands: make notebooks")
    assert fill.filled(path).splitlines() == path.read_text("utf8").splitlines(), (
        "if it is right: make outputs"
    )


def test_a_number_that_changed_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def said(number: str) -> str:
        cell = new_code_cell("print(x)", id="a", metadata={"tags": ["nbval-check-output"]})
        cell.outputs = [new_output("stream", name="stdout", text=number)]
        return fill.text(fill.clean(new_notebook(cells=[cell])))

    here, ran = tmp_path / "here.ipynb", tmp_path / "ran.ipynb"
    here.write_text(said("0.2839"), "utf8")
    ran.write_text(said("0.2840"), "utf8")
    monkeypatch.setattr(fill, "places", lambda path: (ran, ran))
    monkeypatch.setattr(fill, "record", lambda path: {"code": fill.code_key(fill.nbformat.read(path, 4))})
    assert fill.filled(here) == said("0.2840") != said("0.2839")
