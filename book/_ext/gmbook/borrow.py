"""A widget of the gallery on a page that is no notebook: its view and state, as the gallery's last run left them."""

from __future__ import annotations

import json

from sphinx.environment import BuildEnvironment

from gmbook.execute import places
from gmbook.house import ROOT
from gmbook.joined import joined
from gmbook.widgets import STATE, VIEW, slim


def _script(kind: str, content: object) -> str:
    # "</" would end the script in the middle of a text.
    text = json.dumps(content).replace("</", r"<\/")
    return f'<script type="{kind}">{text}</script>'


def markdown(argument: str, env: BuildEnvironment) -> str:
    """The widget ``PAGE.Class``, for example ``widgets_01_map.DensityExplorer``, of the notebook ``book/PAGE.ipynb``.

    Raises:
        LookupError: that notebook does not show the widget.
    """
    stem, _, name = argument.partition(".")
    path = ROOT / "book" / f"{stem}.ipynb"
    env.note_dependency(str(places(path)[0]))
    notebook = joined(path)
    notebook.cells = [cell for cell in notebook.cells if f"\n{name}(" in cell.source]
    views = [
        o.data[VIEW] for cell in notebook.cells for o in cell.get("outputs", []) if VIEW in o.get("data", {})
    ]
    if len(views) != 1:
        raise LookupError(
            f"book/{stem}.ipynb shows {name} {len(views)} times; a page can borrow what is there once"
        )
    slim(notebook)
    scripts = _script(VIEW, views[0]) + "\n" + _script(STATE, notebook.metadata["widgets"][STATE])
    return f"```{{raw}} html\n{scripts}\n```"
