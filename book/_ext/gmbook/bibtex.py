"""How to cite the book and its chapters, from ``CITATION.cff``: what the page shows cannot differ from that file."""

from __future__ import annotations

import re
from typing import Any

import yaml
from pybtex.database import BibliographyData, Entry, Person
from sphinx.environment import BuildEnvironment

from gmbook.house import ROOT, address
from gmbook.objectives import Chapter, chapters, title

SOURCE = ROOT / "CITATION.cff"
KEY = "gmlive"


def facts() -> dict[str, Any]:
    """What CITATION.cff says, and the year, which is that of the copyright until a release has a date."""
    said = yaml.safe_load(SOURCE.read_text("utf8"))
    released = (
        said.get("date-released") or yaml.safe_load((ROOT / "_config.yml").read_text("utf8"))["copyright"]
    )
    return {**said, "year": str(released)[:4]}


def _persons(said: dict[str, Any]) -> list[Person]:
    """The authors; one that is no person keeps its name in one piece, by braces."""
    return [
        Person(last="{" + one["name"] + "}")
        if "name" in one
        else Person(first=one["given-names"], last=one["family-names"])
        for one in said["authors"]
    ]


def _text(entry: Entry, key: str) -> str:
    # pybtex writes "\_", which TeX wants in words and which breaks an address; only addresses have one here.
    return BibliographyData({key: entry}).to_string("bibtex").strip().replace(r"\_", "_")


def book() -> str:
    """The BibTeX entry of the book."""
    said = facts()
    fields = {
        "title": "{" + said["title"] + "}",
        "year": said["year"],
        "version": said["version"],
        "url": said["url"],
    }
    return _text(Entry("book", fields=fields, persons={"author": _persons(said)}), KEY)


def of_chapter(row: Chapter) -> str:
    """The BibTeX entry of one chapter."""
    said = facts()
    fields = {
        "title": "{" + title(row.file) + "}",
        "booktitle": "{" + said["title"] + "}",
        "chapter": row.number,
        "year": said["year"],
        "version": said["version"],
        "url": f"{said['url']}/chapters/{row.file}.html",
    }
    return _text(
        Entry("incollection", fields=fields, persons={"author": _persons(said)}), f"{KEY}-{row.number}"
    )


def _names(said: dict[str, Any]) -> str:
    return ", ".join(
        one.get("name") or f"{one['given-names']} {one['family-names']}" for one in said["authors"]
    )


def markdown(_: str, env: BuildEnvironment) -> str:
    """A sentence, the entry of the book, that of one chapter, the others folded, and the licences."""
    env.note_dependency(str(SOURCE))
    said, rows = facts(), list(chapters().values())
    every = "\n\n".join(of_chapter(row) for row in rows)
    return (
        f"{_names(said)} ({said['year']}). *{said['title']}*, version {said['version']}. <{said['url']}>\n\n"
        f"```bibtex\n{book()}\n```\n\n## A chapter\n\n"
        "This is the first; its number and its address tell it from the others.\n\n"
        f"```bibtex\n{of_chapter(rows[0])}\n```\n\n"
        f":::{{dropdown}} The entries of all chapters\n```bibtex\n{every}\n```\n:::\n\n"
        f"## Licence\n\nThe code is under the {said['license']} licence, text and figures under "
        f"[{_text_licence()}]({address('Repository')}/blob/main/LICENSE-text.md)."
    )


def _text_licence() -> str:
    """The short name of the licence of the text, as its own file has it.

    Raises:
        LookupError: LICENSE-text.md names no Creative Commons licence.
    """
    found = re.search(r"CC[ -]BY[\w-]* \d\.\d", (ROOT / "LICENSE-text.md").read_text("utf8"))
    if found is None:
        raise LookupError("LICENSE-text.md names no Creative Commons licence such as CC BY 4.0")
    return found[0]
