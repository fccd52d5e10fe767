"""The claims of a notebook: gathered from its executed cells, put into its text, and held to account."""

from __future__ import annotations

import re
from typing import Any

from gmlib.claims import MIME

QUOTE = re.compile(r"\{\{ +([^{}]*?) +\}\}")


class ClaimError(ValueError):
    """The text and the cells of a notebook disagree about their numbers."""


def gather(notebook: Any) -> dict[str, str]:
    """Every claim that the executed cells wrote."""
    claims: dict[str, str] = {}
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            for name, text in output.get("data", {}).get(MIME, {}).items():
                if name in claims:
                    raise ClaimError(f"the claim {name!r} is written twice")
                claims[name] = text
    return claims


def substitute(notebook: Any, where: str) -> None:
    """Put the numbers into the text of ``notebook`` (in place) and drop the cells' claim outputs.

    Raises:
        ClaimError: the text quotes a claim that no cell wrote, or a cell wrote one that the text never quotes.
    """
    try:
        claims = gather(notebook)
    except ClaimError as error:
        raise ClaimError(f"{where}: {error}") from None
    used: set[str] = set()

    def put(match: re.Match[str]) -> str:
        name = match[1]
        if name not in claims:
            known = ", ".join(sorted(claims)) or "none"
            raise ClaimError(
                f"{where}: the text quotes {{{{ {name} }}}}, which no cell wrote (written: {known})"
            )
        used.add(name)
        return claims[name]

    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = QUOTE.sub(put, cell.source)
        elif cell.cell_type == "code":
            cell.outputs = [o for o in cell.outputs if MIME not in o.get("data", {})]
    if unused := sorted(set(claims) - used):
        raise ClaimError(f"{where}: written but never quoted in the text: {', '.join(unused)}")
