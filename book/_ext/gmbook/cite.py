"""Citations in the plain edition: author and year in the text, the list of works at the end."""

from __future__ import annotations

from functools import cache
from typing import Any

from pybtex.database import parse_file
from pybtex.plugin import find_plugin

from gmbook.fences import PlainError
from gmbook.house import ROOT


@cache
def _works() -> Any:
    return parse_file(str(ROOT / "book" / "references.bib")).entries


def _entry(key: str) -> Any:
    if key not in _works():
        raise PlainError(f"references.bib has no work {key!r}")
    return _works()[key]


def authors(key: str) -> str:
    """The authors' last names as a sentence has them."""
    names = [" ".join(p.last_names).replace("{", "").replace("}", "") for p in _entry(key).persons["author"]]
    if len(names) > 2:
        return f"{names[0]} et al."
    return " and ".join(names)


def citation(keys: list[str], style: str) -> str:
    """``style`` is ``"t"`` for *Kingma and Welling (2014)* and ``"p"`` for *(Kingma and Welling, 2014)*."""
    if style == "t":
        return ", ".join(f"{authors(key)} ({_entry(key).fields['year']})" for key in keys)
    return "(" + "; ".join(f"{authors(key)}, {_entry(key).fields['year']}" for key in keys) + ")"


def works(keys: list[str]) -> str:
    """The list of the cited works, one a line, by author."""
    style = find_plugin("pybtex.style.formatting", "plain")()
    backend = find_plugin("pybtex.backends", "markdown")()
    entries = sorted(
        (_entry(key) for key in dict.fromkeys(keys)), key=lambda e: (authors(e.key), e.fields["year"])
    )
    lines = [item.text.render(backend) for item in style.format_entries(entries)]
    return "\n".join("- " + " ".join(line.split()) for line in lines)
