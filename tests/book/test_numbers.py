"""The page and the plain edition give every equation, figure, theorem and exercise the same number."""

from __future__ import annotations

import html
import re
from pathlib import Path

import pytest
from gmbook.house import HTML, ROOT, chapter, notebooks
from gmbook.joined import joined
from gmbook.labels import count


@pytest.mark.parametrize("path", notebooks(), ids=lambda p: p.stem)
def test_the_numbers_of_a_chapter(path: Path) -> None:
    name = path.relative_to(ROOT).with_suffix("").as_posix()
    page = (HTML / f"{name}.html").read_text("utf8")
    counted, _ = count(name, joined(path))
    for label, target in counted.labels.items():
        if not re.search(r"\d+\.\d+\)?$", target.text) or not chapter(path):
            continue
        anchor = f"equation-{label}" if target.text.startswith("(") else label
        start = page.find(f'id="{anchor}"')
        assert start >= 0, f"{label} is not on the page"
        text = html.unescape(re.sub(r"<[^>]*>", "", page[start : start + 6000]))
        kind, _, number = target.text.rpartition(" ")
        assert re.search(rf"{kind}\s*{re.escape(number)}(?!\d)", text), (
            f"{label}: the plain edition says {target.text}"
        )


@pytest.mark.parametrize("path", [path for path in notebooks() if chapter(path)], ids=lambda p: p.stem)
def test_a_chapter_has_the_number_of_its_file(path: Path) -> None:
    page = (HTML / path.relative_to(ROOT).with_suffix(".html")).read_text("utf8")
    title = re.search(r"<h1[^>]*><span class=\"section-number\">(.*?)</h1>", page, re.S)
    assert title
    assert re.sub(r"<[^>]*>", "", title[1]).startswith(f"{chapter(path)}.")
