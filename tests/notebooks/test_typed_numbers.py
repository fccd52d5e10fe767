"""No number of a result is typed: decimals next to words of results are claims, or stand on a list with the reason."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from gmbook import typed
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "chapters").glob("*.ipynb"))


def found(text: str) -> list[str]:
    return [t.number for t in typed.typed(new_notebook(cells=[new_markdown_cell(text)]), "a")]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_no_result_is_typed(path: Path) -> None:
    numbers = typed.typed(nbformat.read(path, 4), typed.name(path))
    left = [t for t in numbers if not any(typed.permits(row, t) for row in typed.allowed())]
    said = "\n".join(f"  {t.number} in: {t.sentence}" for t in left)
    assert not left, (
        f"typed numbers; use claim(), or say in book/typed-numbers.tsv why they may stand:\n{said}"
    )


def test_the_list_says_why_and_holds_nothing_that_is_gone() -> None:
    rows = typed.allowed()
    assert typed.ALLOWED.read_text("utf8").splitlines()[0].split("\t") == typed.COLUMNS
    here = [t for path in NOTEBOOKS for t in typed.typed(nbformat.read(path, 4), typed.name(path))]
    names = {typed.name(path) for path in NOTEBOOKS}
    for row in rows:
        assert len(row["reason"]) > 10
        assert row["file"] not in names or any(typed.permits(row, t) for t in here), (
            f"not needed: {row['text']}"
        )


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("It leaves a gap of 0.25 nats.", ["0.25"]),
        (r"The bound is $-1.688$ there.", ["1.688"]),
        (r"Here $\mathrm{KL} = 0.31$.", ["0.31"]),
        ("The model reaches 97 nats and 93 % of it.", ["97", "93"]),
        ("| model | nats |\n|---|---|\n| VAE | 90.2 |", ["90.2"]),
        ("The error fell\nto 3.5 in the end.", ["3.5"]),
        ("An error of {{ error }} nats; see {numref}`fig-1.5`.", []),
        ("Use version 3.11.2 of it; the error is small.", []),
        ("Set `error=0.25` first.", []),
        ("```\nerror 0.25\n```", []),
        ("[the error](https://example.org/1.5)", []),
        ("We take 0.25 of the pages. The error is small.", []),
    ],
)
def test_what_counts_as_typed(text: str, numbers: list[str]) -> None:
    assert found(text) == numbers


def test_captions_are_prose_and_what_they_compute_is_not() -> None:
    code = 'plot.figure(fig, name="a", caption="A gap of 0.5 nats." f"{gap:.2f} nats", alt=f"error {e:.1f} or 0.7")'
    cell = new_code_cell(code)
    assert [t.number for t in typed.typed(new_notebook(cells=[cell]), "a")] == ["0.5", "0.7"]


def test_a_row_allows_its_own_place_only() -> None:
    (number, other) = typed.typed(
        new_notebook(cells=[new_markdown_cell("With variance 0.05 the variance is 0.05.")]), "a"
    )
    row = {"file": "a", "text": "With variance 0.05", "reason": "a setting"}
    assert typed.permits(row, number)
    assert not typed.permits(row, other)
    assert not typed.permits({**row, "file": "b"}, number)
