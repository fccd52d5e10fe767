"""A chapter's notebook as Sphinx reads it: the run's outputs, the numbers in the text, figures with their dark twins."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nbformat
from docutils import nodes
from docutils.parsers.rst import directives
from nbformat.v4 import new_code_cell, new_markdown_cell
from sphinx.util.docutils import SphinxDirective

from gmbook.execute import record
from gmbook.house import FIGURES
from gmbook.joined import figure_of, joined
from gmbook.widgets import slim
from gmlib._files import write_text
from gmlib.plot import DARK


def chapter_text(path: Path) -> str:
    """The notebook at ``path`` as the JSON that myst-nb will parse."""
    notebook = joined(path)
    cells: list[Any] = []
    for cell in notebook.cells:
        cells.extend(_split(cell) if cell.cell_type == "code" else [cell])
    facts = record(path)
    made = (
        f"Numbers and figures on this page were computed on {facts['date']} in `{facts['mode']}` mode, in "
        f"{facts['seconds']:.0f} seconds; {{doc}}`/book/status` says with which versions."
    )
    cells.append(new_markdown_cell(f":::{{div}} gm-made\n{made}\n:::"))
    notebook.cells = cells
    slim(notebook)
    return nbformat.writes(notebook)


def _split(cell: Any) -> list[Any]:
    """A code cell whose figures follow it as figures of the page, and what it printed stays in order."""
    parts, outputs = [cell], list(cell.outputs)
    cell.outputs = []
    for output in outputs:
        about = figure_of(output)
        if about is not None:
            _write_twins(about["name"], output.data["image/svg+xml"])
            parts.append(new_markdown_cell(_figure(about)))
            continue
        if parts[-1].cell_type == "markdown":
            rest = new_code_cell(cell.source, metadata={"tags": ["remove-input"]})
            parts.append(rest)
        parts[-1].outputs.append(output)
    return parts


def _figure(about: dict[str, str]) -> str:
    return (
        f"::::::{{gm-figure}} {about['name']}\n:alt: {json.dumps(about['alt'])}\n\n{about['caption']}\n::::::"
    )


def _write_twins(name: str, svg: str) -> None:
    """``NAME.svg`` as drawn and ``NAME-dark.svg`` with each of gmlib.plot's colours replaced by its partner."""
    dark = svg
    for light, partner in DARK.items():
        dark = dark.replace(light, partner)
    for file, text in ((f"{name}.svg", svg), (f"{name}-dark.svg", dark)):
        path = FIGURES / file
        if not path.exists() or path.read_text("utf8") != text:
            write_text(path, text)


class Figure(SphinxDirective):
    """A computed figure: both twins, caption, alt text, and the anchor ``fig-NAME``. Written by the build."""

    required_arguments = 1
    has_content = True
    option_spec = {"alt": directives.unchanged_required}  # noqa: RUF012 - docutils wants a class attribute

    def run(self) -> list[nodes.Node]:
        """The figure node with its two images and its caption."""
        name = self.arguments[0]
        alt = json.loads(self.options["alt"]) if self.options["alt"].startswith('"') else self.options["alt"]
        figure = nodes.figure(classes=["gm-figure"])
        for file, shown in ((name, "gm-light"), (f"{name}-dark", "gm-dark")):
            figure += nodes.image(
                uri=f"/_build/figures/{file}.svg", alt=alt, classes=[shown, "dark-light"], loading="lazy"
            )
        holder = nodes.Element()
        self.state.nested_parse(self.content, self.content_offset, holder)
        first, *rest = holder.children
        caption = nodes.caption("", "", *first.children)
        self.set_source_info(figure)
        self.set_source_info(caption)
        figure += caption
        if rest:
            figure += nodes.legend("", *rest)
        figure["names"].append(f"fig-{name}")
        self.state.document.note_explicit_target(figure, figure)
        return [figure]
