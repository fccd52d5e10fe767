"""Errata: every row is whole, and its check fails with the text as it stands and holds as mended."""

from __future__ import annotations

import importlib
import inspect
import re
from pathlib import Path

import pytest
from gmbook import errata
from gmbook.errata import page

ROOT = Path(__file__).resolve().parents[2]
ROWS = errata.table()


def test_the_table_has_its_columns_and_each_check_once() -> None:
    assert errata.TABLE.read_text("utf8").splitlines()[0].split("\t") == errata.COLUMNS
    assert len({row.check for row in ROWS}) == len(ROWS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.check)
def test_a_row_is_whole(row: errata.Erratum) -> None:
    assert all(vars(row).values())
    assert row.source in errata.SOURCES
    assert row.kind in errata.KINDS
    assert row.chapter in {path.stem for path in (ROOT / "chapters").glob("*.ipynb")}
    assert row.source != "PML2" or row.edition == "draft of early 2023"
    assert "|" not in re.sub(r"\$[^$]*\$", "", row.printed + row.right)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.check)
def test_the_check_tells_the_two_forms_apart(row: errata.Erratum) -> None:
    printed, right = errata.outcomes(row)
    for outcome in (printed, right):
        assert re.search(r"\d", outcome.says)
        assert not re.search(r"\bnan\b", outcome.says)
        assert outcome.says.count("$") % 2 == 0
        assert not outcome.says.endswith(".")


def test_every_check_belongs_to_a_row() -> None:
    used = {row.check for row in ROWS}
    for name in {row.check.split(".")[0] for row in ROWS}:
        module = importlib.import_module(f"gmbook.errata.{name}")
        for function, value in vars(module).items():
            if inspect.isfunction(value) and value.__module__ == module.__name__ and function[0] != "_":
                assert f"{name}.{function}" in used


def test_a_check_that_cannot_tell_the_forms_apart_stops_the_build() -> None:
    row = ROWS[0]
    blind = errata.Erratum(**{**vars(row), "check": "elbo.blind"})
    with pytest.raises(LookupError, match=r"no check 'elbo\.blind'"):
        errata.outcomes(blind)
    module = importlib.import_module("gmbook.errata.elbo")
    module.blind = lambda form: errata.Outcome(True, "1")
    try:
        with pytest.raises(LookupError, match="must fail as printed"):
            errata.outcomes(errata.Erratum(**{**vars(row), "check": "elbo.blind"}))
    finally:
        del module.blind


def test_the_page_shows_the_numbers_and_blames_nobody() -> None:
    text = page.text()
    for row in ROWS:
        printed, right = errata.outcomes(row)
        assert f"*Run, as it stands:* {printed.says}." in text
        assert f"*Run, as mended:* {right.says}." in text
    whole = text + (ROOT / "book" / "errata.md").read_text("utf8")
    assert not re.search(r"\bprints\b|\bwrongly\b|\bOCR\b", whole)
