"""How to cite: the entries can be read by a BibTeX parser and say what CITATION.cff, the chapters and the licence say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from gmbook import bibtex
from gmbook.house import ROOT, address
from gmbook.objectives import chapters, title
from pybtex.database import parse_string

SAID = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf8"))


def bare(text: str) -> str:
    return re.sub(r"[{}]", "", text)


def test_the_entry_of_the_book_is_the_citation_file() -> None:
    entry = parse_string(bibtex.book(), "bibtex").entries[bibtex.KEY]
    assert entry.type == "book"
    assert bare(entry.fields["title"]) == SAID["title"]
    assert (entry.fields["version"], entry.fields["url"]) == (SAID["version"], SAID["url"])
    assert [bare(str(person)) for person in entry.persons["author"]] == [
        one["name"] for one in SAID["authors"]
    ]
    assert re.fullmatch(r"20\d\d", entry.fields["year"])


def test_every_chapter_has_an_entry_with_its_title_number_and_address() -> None:
    rows = list(chapters().values())
    every = parse_string("\n\n".join(bibtex.of_chapter(row) for row in rows), "bibtex").entries
    assert len(every) == len(rows)
    for row in rows:
        fields = every[f"{bibtex.KEY}-{row.number}"].fields
        assert bare(fields["title"]) == title(row.file)
        assert bare(fields["booktitle"]) == SAID["title"]
        assert fields["chapter"] == row.number
        # As it is clicked: a backslash before "_" would be a part of it.
        assert fields["url"] == f"{address('Documentation')}/chapters/{row.file}.html"


def test_people_and_a_date_are_taken_when_the_file_has_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    named = {
        **SAID,
        "authors": [{"given-names": "Ada", "family-names": "Lovelace"}],
        "date-released": "2031-02-03",
    }
    (tmp_path / "CITATION.cff").write_text(yaml.safe_dump(named))
    monkeypatch.setattr(bibtex, "SOURCE", tmp_path / "CITATION.cff")
    entry = parse_string(bibtex.book(), "bibtex").entries[bibtex.KEY]
    assert (entry.fields["year"], str(entry.persons["author"][0])) == ("2031", "Lovelace, Ada")


def test_the_licence_of_the_text_is_that_of_its_file() -> None:
    assert bibtex._text_licence() in (ROOT / "README.md").read_text("utf8")
