"""What chapters build on and deliver: every chapter has its row, the sections exist, and the order is that of the book."""

from __future__ import annotations

import re
from graphlib import CycleError
from xml.etree import ElementTree

import nbformat
import pytest
from gmbook import graph, objectives
from gmbook.house import ROOT, files

ROWS = list(objectives.chapters().values())
BOOK = [name.removeprefix("chapters/") for name in files() if name.startswith("chapters/")]
SVG = "{http://www.w3.org/2000/svg}"


def text(file: str) -> str:
    """The Markdown of a chapter."""
    notebook = nbformat.read(ROOT / "chapters" / f"{file}.ipynb", 4)
    return "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


def test_every_chapter_has_a_row_in_the_order_of_the_book() -> None:
    assert [row.file for row in ROWS] == BOOK


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.number)
def test_a_row_delivers_what_sections_of_its_own_chapter_teach(row: objectives.Chapter) -> None:
    assert 3 <= len(row.can) <= 5
    anchors = set(re.findall(r"^\((sec-[\w-]+)\)=", text(row.file), re.M))
    assert {section for section, _ in row.can} <= anchors
    for _, able in row.can:
        # A verb, and no sentence: "After this chapter you can ..." goes on.
        assert re.match(r"[a-z]+,? ", able)
        assert not able.endswith(".")


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.number)
def test_prerequisites_come_first_and_are_those_that_the_chapter_names(row: objectives.Chapter) -> None:
    assert all(BOOK.index(name) < BOOK.index(row.file) for name in row.builds_on)
    if row.is_companion:
        main = next(name for name in BOOK if name.startswith(row.file[:2]))
        assert row.builds_on == (main,)
        return
    box = re.search(r"Before you start\n.*?^:::$", text(row.file), re.M | re.S)
    assert box
    assert set(re.findall(r"/chapters/(\w+)>", box[0])) == set(row.builds_on)


def test_two_chapters_that_need_each_other_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert sorted(objectives.order()) == sorted(BOOK)
    loop = {
        name: objectives.Chapter(name, name, (other,), ())
        for name, other in [("01_a", "02_b"), ("02_b", "01_a")]
    }
    monkeypatch.setattr(objectives, "chapters", lambda: loop)
    with pytest.raises(CycleError):
        graph.drawing()


def test_what_a_chapter_needs_includes_what_that_needs() -> None:
    assert objectives.before("11_guidance") == {"09_ddpm", "08_score_matching", "02_elbo", "01_map"}


def test_the_graph_has_a_link_a_chapter_an_arc_a_prerequisite_and_says_both_in_words() -> None:
    svg = ElementTree.fromstring(
        graph.drawing().replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)
    )
    links = [link.get("href", "") for link in svg.iter(f"{SVG}a")]
    assert sorted(links) == sorted(f"../chapters/{name}.html" for name in BOOK)
    main = [row for row in ROWS if not row.is_companion]
    arcs = [path for path in svg.iter(f"{SVG}path") if path.get("class") == "gm-arc"]
    assert len(arcs) == sum(len(row.builds_on) for row in main)
    told = svg.findtext(f"{SVG}desc") or ""
    assert all(f"Chapter {row.number} builds on" in told for row in main)
    names = {svg.find(f"{SVG}{tag}").get("id") for tag in ("title", "desc")}  # type: ignore[union-attr]
    assert set(svg.get("aria-labelledby", "").split()) == names


def test_an_arc_ends_at_the_rows_that_it_joins_and_stays_in_the_drawing() -> None:
    for end in (1, len(ROWS) // 2 - 1):
        numbers = [
            float(number)
            for number in re.findall(r"-?\d+(?:\.\d+)?", graph._arc(0, end).split('d="')[1].split('"')[0])
        ]
        assert (numbers[1], numbers[-1]) == (graph.TOP, graph.TOP + graph.ROW * end)
        # A cubic curve with both handles at x = a reaches a quarter of the way back to its ends.
        assert 0.75 * numbers[2] + 0.25 * min(numbers[0], numbers[-2]) > 0


def test_a_chapter_carries_its_list_and_a_gallery_none() -> None:
    (cell,) = objectives.box("09_ddpm")
    assert all(f"{{ref}}`{section}`" in cell.source for section, _ in objectives.chapters()["09_ddpm"].can)
    assert objectives.box("widgets_09_ddpm") == []
