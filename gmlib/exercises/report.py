"""What a check says: rich in a notebook, plain text elsewhere."""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import escape
from typing import Literal

Verdict = Literal["passed", "failed", "not done", "crashed"]
COLOURS = {"passed": "#009e73", "failed": "#d55e00", "crashed": "#d55e00", "not done": "#8c8c8c"}
SIGNS = {"passed": "✓", "failed": "✗", "crashed": "✗", "not done": "…"}


@dataclass(frozen=True, repr=False)
class Report:
    """The outcome of a check; true when it passed.

    Attributes:
        id: the exercise.
        state: the verdict.
        title: the verdict as a sentence.
        lines: what failed and what to think about, each a sentence.
        code: the traceback of the student's own error, if there was one.
        mistake: the name of the usual mistake that it looks like, or empty.
    """

    id: str
    state: Verdict
    title: str
    lines: tuple[str, ...] = ()
    code: str = ""
    mistake: str = ""

    def __bool__(self) -> bool:
        return self.state == "passed"

    def __repr__(self) -> str:
        parts = [f"{SIGNS[self.state]} {self.id}: {self.title}", *(f"  {line}" for line in self.lines)]
        parts += [f"    {row}" for row in self.code.splitlines()]
        return "\n".join(parts)

    def _repr_html_(self) -> str:
        rows = "".join(f'<p style="margin:.3em 0">{_marked(line)}</p>' for line in self.lines)
        code = f'<pre style="margin:.4em 0;overflow-x:auto">{escape(self.code)}</pre>' if self.code else ""
        # On the book's page the theme's own text colour, which changes with the mode; elsewhere what is around it.
        edge = (
            f"border-left:4px solid {COLOURS[self.state]};padding:.2em .9em;margin:.4em 0;"
            "color:var(--pst-color-text-base,inherit)"
        )
        return (
            f'<div class="gm-check" data-state="{self.state}" style="{edge}">'
            f'<p style="margin:.3em 0"><strong>{SIGNS[self.state]} {escape(self.title)}</strong> '
            f"<code>{escape(self.id)}</code></p>{rows}{code}</div>"
        )


def _marked(line: str) -> str:
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(line))


@dataclass(frozen=True, repr=False)
class Note:
    """A text in Markdown: notebooks set its mathematics, elsewhere it is shown as written.

    Attributes:
        text: the Markdown.
    """

    text: str

    def __repr__(self) -> str:
        return self.text

    def _repr_markdown_(self) -> str:
        return self.text
