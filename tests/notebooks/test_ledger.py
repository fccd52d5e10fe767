"""The ledger: numbers go from cells into the text, and a mismatch stops the build."""

from __future__ import annotations

from typing import Any

import pytest
from gmbook.ledger import ClaimError, gather, substitute
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from gmlib.claims import MIME


def notebook(prose: str, *claims: dict[str, str]) -> Any:
    outputs = [new_output("stream", text="kept\n")] + [new_output("display_data", {MIME: c}) for c in claims]
    return new_notebook(cells=[new_markdown_cell(prose), new_code_cell("claim(...)", outputs=outputs)])


def test_numbers_go_into_prose_and_mathematics() -> None:
    nb = notebook(
        "A gap of {{ gap }} nats, $\\mathrm{KL} = {{ gap }}$; {{  n }} images.", {"gap": "0.25"}, {"n": "447"}
    )
    substitute(nb, "02")
    assert nb.cells[0].source == "A gap of 0.25 nats, $\\mathrm{KL} = 0.25$; 447 images."
    assert [o.output_type for o in nb.cells[1].outputs] == ["stream"]


def test_braces_of_tex_are_left_alone() -> None:
    nb = notebook(r"$\hat{{x}}$ and {{ a }}", {"a": "1"})
    substitute(nb, "02")
    assert nb.cells[0].source == r"$\hat{{x}}$ and 1"


def test_a_number_that_no_cell_wrote_is_named() -> None:
    with pytest.raises(ClaimError, match=r"chapters/02: the text quotes \{\{ gapp \}\}.*written: gap"):
        substitute(notebook("{{ gapp }}", {"gap": "1"}), "chapters/02")


def test_a_number_that_is_never_quoted_is_named() -> None:
    with pytest.raises(ClaimError, match="never quoted in the text: other"):
        substitute(notebook("{{ gap }}", {"gap": "1", "other": "2"}), "chapters/02")


def test_a_name_is_written_once() -> None:
    with pytest.raises(ClaimError, match="'gap' is written twice"):
        gather(notebook("", {"gap": "1"}, {"gap": "2"}))
