"""The glossary: terms once each and in order, each with a definition and the section that teaches it, from all chapters."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter

import pytest
from gmbook.house import ROOT, chapter, files

TEXT = (ROOT / "book" / "glossary.md").read_text("utf8")
LEAST = 5
"""Entries that a chapter and its second part must have together."""


def entries() -> list[tuple[list[str], str]]:
    """The names of each entry and its definition."""
    lists = re.findall(r"^:::\{glossary\}\n(.*?)^:::$", TEXT, re.M | re.S)
    found = []
    for block in "\n\n".join(part.strip() for part in lists).split("\n\n"):
        lines = block.split("\n")
        names = [line for line in lines if not line.startswith(" ")]
        found.append((names, " ".join(line.strip() for line in lines[len(names) :])))
    return found


ENTRIES = entries()


def sorting(name: str) -> str:
    """A name as a dictionary sorts it: no accents, no capitals, hyphens as spaces."""
    letters = unicodedata.normalize("NFKD", name.casefold().replace("-", " "))
    return "".join(letter for letter in letters if not unicodedata.combining(letter))


def test_names_are_unique_and_entries_in_order() -> None:
    names = Counter(name.casefold() for found, _ in ENTRIES for name in found)
    assert [name for name, count in names.items() if count > 1] == []
    first = [found[0] for found, _ in ENTRIES]
    assert first == sorted(first, key=sorting)


@pytest.mark.parametrize(("names", "words"), ENTRIES, ids=[names[0] for names, _ in ENTRIES])
def test_an_entry_is_a_short_definition_and_ends_with_its_section(names: list[str], words: str) -> None:
    said, _, link = words.partition(" → ")
    assert said.endswith(".")
    assert len(re.sub(r"\$[^$]*\$", "x", said).split()) <= 45
    assert said.count("$") % 2 == 0
    assert re.fullmatch(r"\{ref\}`sec-\d\d\w?-[\w-]+`", link)


def test_each_letter_has_its_heading() -> None:
    letters = re.findall(r"^## (.)\n\n:::\{glossary\}\n(.)", TEXT, re.M)
    assert [head for head, _ in letters] == sorted({found[0][0].upper() for found, _ in ENTRIES})
    assert all(head == first.upper() for head, first in letters)


def test_every_chapter_has_terms() -> None:
    taught = Counter(re.sub(r"\D", "", label) for label in re.findall(r"→\s+\{ref\}`sec-(\d\d\w?)-", TEXT))
    chapters = {
        chapter(name).zfill(2) for name in files() if name.startswith("chapters/") and chapter(name).isdigit()
    }
    assert set(taught) == chapters
    assert min(taught.values()) >= LEAST


@pytest.mark.parametrize(
    "name", ["ELBO", "evidence lower bound", "score", "KL", "β̃", "log-SNR", "partition function"]
)
def test_a_reader_finds_a_word_by_the_name_that_she_knows(name: str) -> None:
    assert name in {found for names, _ in ENTRIES for found in names}
