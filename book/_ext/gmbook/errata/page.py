"""The errata as a page, by chapter, with the numbers that the checks computed."""

from __future__ import annotations

from itertools import groupby

from sphinx.environment import BuildEnvironment

from gmbook import house
from gmbook.errata import KINDS, SOURCES, TABLE, Erratum, outcomes, table


def entry(row: Erratum) -> str:
    """One erratum: place, both forms, why it matters, what its check computed."""
    printed, right = outcomes(row)
    lines = [
        f"**{row.source}, {row.place}** ({row.kind})",
        f"- *In the text:* {row.printed}",
        f"- *Should be:* {row.right}",
        f"- {row.why}",
        f"- *Run, as it stands:* {printed.says}.",
        f"- *Run, as mended:* {right.says}.",
        f"- Edition read: {row.edition}. Mended in: {row.mended}. Check: `{row.check}`.",
    ]
    return "\n".join([lines[0], "", *lines[1:]])


def text() -> str:
    """Sources, kinds, and every erratum under its chapter."""
    parts = ["## Sources and kinds", ""]
    read = {row.source for row in table()}
    parts += [f"- **{name}**: {title}" for name, title in SOURCES.items() if name in read]
    parts += [
        "",
        "A row is one of four kinds:",
        "",
        *(f"- **{kind}**: {meaning}" for kind, meaning in KINDS.items()),
    ]
    for chapter, rows in groupby(sorted(table(), key=lambda row: row.chapter), lambda row: row.chapter):
        parts += ["", f"## Chapter {house.chapter(chapter)}", "", f"{{doc}}`/chapters/{chapter}`"]
        for row in rows:
            parts += ["", entry(row)]
    return "\n".join(parts)


def fill(_: str, env: BuildEnvironment) -> str:
    """What takes the place of the page's marker."""
    for path in (TABLE, *TABLE.parent.glob("_ext/gmbook/errata/*.py")):
        env.note_dependency(str(path))
    return text()
