"""The prerequisite graph as inline SVG: chapters below each other, and an arc from each to those that build on it.

One row a chapter, so that the drawing grows with the book, can be read on a phone, and needs no layout by hand. Colours
come from the page's style sheet, which knows the mode.
"""

from __future__ import annotations

from html import escape

from sphinx.environment import BuildEnvironment

from gmbook.objectives import SOURCE, Chapter, chapters, order

ROW, TOP, MIDDLE, WIDTH = 44, 26, 72, 442
"""Height of a row, the first row's middle, where the dots stand, and the width: in units of the drawing."""
TEXT, COMPANION = MIDDLE + 18, WIDTH - 34
"""Where a chapter's title and the link to its second part begin."""


def _arc(start: int, end: int) -> str:
    """From the dot of one row around to the dot of a later one; the further, the wider."""
    reach = MIDDLE - 24 - 9 * (end - start)
    y0, y1 = (TOP + ROW * row for row in (start, end))
    way = f"M {MIDDLE - 7} {y0} C {reach} {y0}, {reach} {y1}, {MIDDLE - 11} {y1}"
    return f'<path class="gm-arc" d="{way}" marker-end="url(#gm-arrow)"/>'


def _link(row: Chapter, x: int, y: int, words: str, name: str) -> str:
    width = WIDTH - x if row.is_companion else COMPANION - x - 6
    return (
        f'<a href="../chapters/{row.file}.html" aria-label="{escape(name)}">'
        f'<rect x="{x - 6}" y="{y - 16}" width="{width}" height="32" rx="5"/>'
        f'<text x="{x}" y="{y}" dominant-baseline="central">{words}</text></a>'
    )


def drawing() -> str:
    """The whole drawing.

    Raises:
        graphlib.CycleError: two chapters build on each other.
    """
    order()
    rows = [row for row in chapters().values() if not row.is_companion]
    place = {row.file: number for number, row in enumerate(rows)}
    second = {row.builds_on[0]: row for row in chapters().values() if row.is_companion}
    arcs = [_arc(place[name], place[row.file]) for row in rows for name in row.builds_on]
    marks = []
    for row in rows:
        y = TOP + ROW * place[row.file]
        words = f'<tspan class="gm-number">{row.number}</tspan> {escape(row.short)}'
        marks.append(f'<circle class="gm-dot" cx="{MIDDLE}" cy="{y}" r="5"/>')
        marks.append(_link(row, TEXT, y, words, f"Chapter {row.number}: {row.short}"))
        if row.file in second:
            other = second[row.file]
            marks.append(_link(other, COMPANION, y, other.number, f"Chapter {other.number}: {other.short}"))
    sentences = [
        f"Chapter {row.number} builds on {', '.join(chapters()[name].number for name in row.builds_on) or 'no other'}."
        for row in rows
    ]
    height = 2 * TOP + ROW * (len(rows) - 1)
    return (
        f'<svg class="gm-graph" viewBox="0 0 {WIDTH} {height}" role="group" '
        'aria-labelledby="gm-graph-title gm-graph-desc">\n'
        '<title id="gm-graph-title">Which chapter builds on which</title>\n'
        f'<desc id="gm-graph-desc">{escape(" ".join(sentences))}</desc>\n'
        '<defs><marker id="gm-arrow" viewBox="0 0 8 8" refX="6" refY="4" markerWidth="8" markerHeight="8" '
        'markerUnits="userSpaceOnUse" orient="auto"><path d="M 0 0 L 8 4 L 0 8 z"/></marker></defs>\n'
        + "\n".join([*arcs, *marks])
        + "\n</svg>"
    )


def markdown(_: str, env: BuildEnvironment) -> str:
    """The drawing as a part of a page."""
    env.note_dependency(str(SOURCE))
    return f"```{{raw}} html\n{drawing()}\n```"
