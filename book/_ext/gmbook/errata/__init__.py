"""Errata that can be run: one table, and for each row a check that fails with the text as it stands and holds as mended.

``book/errata.tsv`` has one row an erratum. Its column ``check`` names a function, such as ``elbo.log_sigma``: module and
function in this package. The function is called with ``"printed"`` and with ``"right"`` and returns whether that form
holds, with a sentence of computed numbers that the page shows.
"""

from __future__ import annotations

import csv
import importlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Literal

from gmbook.house import ROOT

TABLE = ROOT / "book" / "errata.tsv"
COLUMNS = ["source", "edition", "place", "printed", "right", "why", "kind", "mended", "chapter", "check"]
SOURCES = {
    "S0": "*Introduction to distribution learning and deep generative models* (book chapters 14 and 15)",
    "S1": "*Machine Perception*, lecture notes",
    "S3": "*Generative models*, lecture slides",
    "S4": "*Deep generative and energy models*, lecture slides",
    "PML2": "*Probabilistic Machine Learning: Advanced Topics*, part IV, in a draft",
}
KINDS = {
    "slip": "a sign, factor or word that would break your code",
    "convention": "two readings in one text; harmless once you know which is meant",
    "overclaim": "a sentence that is stronger than what is true",
    "doubtful": "we would not insist",
}
Form = Literal["printed", "right"]


@dataclass(frozen=True)
class Outcome:
    """What a check found for one form: whether it holds, and the numbers as a sentence without its full stop."""

    holds: bool
    says: str


@dataclass(frozen=True)
class Erratum:
    """One row of the table."""

    source: str
    edition: str
    place: str
    printed: str
    right: str
    why: str
    kind: str
    mended: str
    chapter: str
    check: str

    @property
    def run(self) -> Callable[[Form], Outcome]:
        """The check.

        Raises:
            LookupError: the table names a check that does not exist.
        """
        module, _, name = self.check.partition(".")
        try:
            return getattr(importlib.import_module(f"gmbook.errata.{module}"), name)
        except (ModuleNotFoundError, AttributeError):
            raise LookupError(f"errata.tsv: there is no check {self.check!r}") from None


def table() -> list[Erratum]:
    """The rows of ``book/errata.tsv``."""
    with open(TABLE, encoding="utf8", newline="") as file:
        return [Erratum(**row) for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)]


@cache
def outcomes(row: Erratum) -> tuple[Outcome, Outcome]:
    """What the check says of the text as it stands, and as mended.

    Raises:
        LookupError: the check does not tell the two apart: an erratum that cannot be shown is not published.
    """
    printed, right = row.run("printed"), row.run("right")
    if printed.holds or not right.holds:
        raise LookupError(
            f"errata.tsv, {row.check}: the check must fail as printed and hold as mended; it says "
            f"{printed.holds} ({printed.says}) and {right.holds} ({right.says})"
        )
    return printed, right
