"""What lies in the chapters folder: what does not belong there is named before anything is executed."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from gmbook import execute, house
from gmbook.strays import faults


@pytest.fixture
def book(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A book of one chapter and one page, in order."""
    monkeypatch.setattr(house, "ROOT", tmp_path)
    (tmp_path / "chapters" / ".ipynb_checkpoints").mkdir(parents=True)
    (tmp_path / "_toc.yml").write_text("root: index\nchapters:\n  - file: chapters/01_map\n")
    (tmp_path / "index.md").write_text("# Book\n")
    nbformat.write(nbformat.v4.new_notebook(), tmp_path / "chapters" / "01_map.ipynb")
    return tmp_path


def test_the_book_itself_is_in_order() -> None:
    assert faults() == []


def test_a_book_in_order_has_no_faults(book: Path) -> None:
    assert faults() == []


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("02_elbo.ipynb", "chapters/02_elbo.ipynb is not in _toc.yml: list it there"),
        ("Untitled.ipynb", "chapters/Untitled.ipynb has no chapter's name, such as 02_elbo.ipynb: rename it"),
        ("notes.txt", "chapters/notes.txt is no notebook: move it out"),
        ("02_elbo.ipynb.zip", "chapters/02_elbo.ipynb.zip is no notebook"),
    ],
)
def test_a_file_that_does_not_belong_is_named(
    book: Path, name: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (book / "chapters" / name).write_text("anything")
    (fault,) = faults()
    assert fault.startswith(says)
    assert execute.main([]) == 1
    assert capsys.readouterr().out == f"  {fault}\n", "it is said at once, and nothing is executed"


@pytest.mark.parametrize("text", ["", "{", "<html>404</html>", "[]", "{}", '{"nbformat": 4, "cells": 3}'])
def test_a_chapter_that_is_no_notebook_is_named(book: Path, text: str) -> None:
    (book / "chapters" / "01_map.ipynb").write_text(text)
    (fault,) = faults()
    assert fault.startswith("chapters/01_map.ipynb cannot be read as a notebook (")
    assert fault.endswith("restore it from git, or save it anew from JupyterLab")


def test_a_listed_page_that_is_missing_is_named(book: Path) -> None:
    (book / "chapters" / "01_map.ipynb").unlink()
    assert faults() == [
        "_toc.yml lists chapters/01_map, and there is neither chapters/01_map.ipynb nor chapters/01_map.md: write it, or "
        "take the line out"
    ]
