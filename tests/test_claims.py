"""Claims: what may be written, and what it looks like in the text."""

from __future__ import annotations

from typing import Any

import pytest

from gmlib.claims import MIME, claim, written


@pytest.mark.parametrize(
    ("value", "text"), [("96.6", "96.6"), (447, "447"), (0.123456, "0.1235"), (1e-9, "1e-09"), (-2.0, "-2")]
)
def test_a_value_becomes_text(value: str | float, text: str) -> None:
    assert written("x", value) == text


def test_without_a_kernel_the_claims_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    claim(images=447, bound="96.6")
    assert capsys.readouterr().out == "claim: images = 447, bound = 96.6\n"


def test_in_a_notebook_they_are_an_output_that_the_build_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    import IPython.core.getipython
    import IPython.display

    shown: list[Any] = []
    monkeypatch.setattr(IPython.core.getipython, "get_ipython", object)
    monkeypatch.setattr(IPython.display, "display", lambda bundle, raw: shown.append(bundle))
    claim(gap=0.25)
    assert shown == [{MIME: {"gap": "0.25"}, "text/plain": "claim: gap = 0.25"}]


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("numbers", "error", "words"),
    [
        ({}, ValueError, "at least one"),
        ({"gap": float("nan")}, ValueError, "gap must be finite"),
        ({"gap": ""}, ValueError, "gap must be a number as text"),
        ({"gap": "nan"}, ValueError, "gap must be a number as text"),
        ({"gap": "{{ x }}"}, ValueError, "gap must be a number as text"),
        ({"gap": True}, TypeError, "gap must be a str, int or float, got bool"),
        ({"gap": None}, TypeError, "gap must be"),
        ({"class": 1}, ValueError, "identifier"),
    ],
)
def test_what_is_no_number_is_refused(numbers: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        claim(**numbers)
