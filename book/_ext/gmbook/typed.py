"""Numbers that somebody typed where a computed one belongs: decimals next to words of results, in prose and captions.

A number of a result comes from a cell, by :func:`gmlib.claims.claim`. Settings, definitions and other people's numbers may
be typed; each such place stands in ``book/typed-numbers.tsv`` with the reason.
"""

from __future__ import annotations

import ast
import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gmbook.house import ROOT

ALLOWED = ROOT / "book" / "typed-numbers.tsv"
COLUMNS = ["file", "text", "reason"]
WORDS = re.compile(
    r"\b(nats?|bits?|errors?|gaps?|loss|losses|bounds?|elbo|log-?likelihoods?|likelihoods?|evidence|log p|kl|divergences?"
    r"|distances?|fréchet|accuracy|variances?|deviations?|rates?|distortions?|entropy|scores?|mass|ratios?|times|factor"
    r"|seconds?|minutes|per cent|correlations?|slopes?|means?|averages?|perplexity|steps)\b|%|\\mathrm\{KL\}|\\log p"
    r"|\\mathcal L",
    re.I,
)
NUMBER = re.compile(
    r"(?<![\w.{])\d+\.\d+(?![\w.]*\d)|\b\d[\d,]*(?:\.\d+)?(?= ?(?:nats|bits|%|\\%|per cent)(?!\w))"
)
REACH = 60
"""Characters between a number and a word that make them neighbours, within one sentence."""


@dataclass(frozen=True)
class Typed:
    """A typed number: in which file, the number, and its sentence."""

    file: str
    number: str
    sentence: str
    start: int


def _bare(text: str) -> str:
    """Text without what may hold any number: code, claims, link targets, roles, options of directives."""
    text = re.sub(r"^ {0,3}(```+|~~~+).*?^ {0,3}\1", " ", text, flags=re.M | re.S)
    text = re.sub(r"\{\{ .*? \}\}", "CLAIM", text)
    text = re.sub(r"\{[a-z][\w:-]*\}`[^`]*`", "ROLE", text)
    text = re.sub(r"(`+)(?:(?!\1).)+?\1", "CODE", text, flags=re.S)
    text = re.sub(r"\]\([^()\s]*\)|https?://\S+", "]", text)
    return re.sub(r"^:[\w-]+:.*$|^\([\w.-]+\)=$", "", text, flags=re.M)


def _sentences(text: str) -> Iterator[tuple[str, bool]]:
    """Sentences, and tables as a whole (where a column's head may stand far from its numbers)."""
    for block in re.split(r"\n\s*\n", text):
        if block.lstrip().startswith("|"):
            yield block, True
        else:
            for sentence in re.split(r"(?<=[.!?:;])\s+", " ".join(block.split())):
                yield sentence, False


def _captions(code: str) -> Iterator[str]:
    """The typed words of captions and alternative texts; what an f-string computes is left out."""
    try:
        tree = ast.parse(code)
    except SyntaxError:
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg in ("caption", "alt"):
            yield _words(node.value)


def _words(node: ast.AST) -> str:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(_words(part) for part in node.values)
    if isinstance(node, ast.BinOp):
        return _words(node.left) + _words(node.right)
    return "CLAIM"


def typed(notebook: Any, file: str) -> list[Typed]:
    """Every typed number next to a word of results, allowed or not."""
    found: list[Typed] = []
    for cell in notebook.cells:
        texts = [_bare(cell.source)] if cell.cell_type == "markdown" else _captions(cell.source)
        for text in texts:
            for sentence, whole in _sentences(text):
                for number in NUMBER.finditer(sentence):
                    near = (
                        sentence if whole else sentence[max(0, number.start() - REACH) : number.end() + REACH]
                    )
                    if WORDS.search(near):
                        found.append(Typed(file, number[0], sentence, number.start()))
    return found


def allowed() -> list[dict[str, str]]:
    """The rows of ``book/typed-numbers.tsv``: file, a piece of the sentence with the number in it, the reason."""
    with open(ALLOWED, encoding="utf8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def permits(row: dict[str, str], number: Typed) -> bool:
    """Whether a row of the list allows a number: its piece of text covers the number's place in the sentence."""
    if row["file"] != number.file:
        return False
    places = re.finditer(re.escape(row["text"]), number.sentence)
    return any(place.start() <= number.start < place.end() for place in places)


def name(path: Path) -> str:
    """How a notebook is called in the list."""
    return path.relative_to(ROOT).as_posix()
