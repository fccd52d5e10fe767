"""Widgets on the page, without Python: slim states, each distinct module and block of arrays once, and the loader.

myst-nb writes the widgets' states into the page as the run left them. Before it does, the modules in them are replaced
by hashes, and what Python would answer to ``weights(name)`` is written beside the modules. ``static/widgets.js`` reads
states and hashes and mounts the views. A module or block is a *packet*, a small script that hands over a text: scripts,
unlike modules and fetched files, load also from a page that is opened from disk.
"""

from __future__ import annotations

import base64
import hashlib
import importlib
import json
import shutil
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

from gmbook.house import BUILD
from gmlib._files import write_text

PACKETS = BUILD / "widgets"
FOLDER = "_widgets"
STATE = "application/vnd.jupyter.widget-state+json"
VIEW = "application/vnd.jupyter.widget-view+json"
UNUSED = ("layout", "tabbable", "tooltip", "_anywidget_id")


def packet(text: str) -> str:
    """Write a text as a packet and return its hash."""
    digest = hashlib.sha256(text.encode()).hexdigest()[:20]
    path = PACKETS / f"{digest}.js"
    if not path.exists():
        write_text(path, f'gmBook.give("{digest}",{json.dumps(text, ensure_ascii=False)});\n')
    return digest


def _offers(name: str) -> dict[str, dict[str, Any]]:
    """The arrays that a widget's class offers: their table and the hash of their bytes, by name."""
    module, _, cls = name.rpartition(".")
    widget = getattr(importlib.import_module(module), cls)
    found: dict[str, dict[str, Any]] = {}
    for offer in getattr(widget, "offers", {}):
        block = widget.block(offer)
        found[offer] = {"arrays": block.arrays, "packet": packet(base64.b64encode(block.data).decode())}
    return found


def slim(notebook: Any) -> None:
    """Leave of the widgets' states what the page shows: anywidget's models, with hashes in place of modules."""
    state = notebook.metadata.get("widgets", {}).get(STATE, {}).get("state", {})
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    viewed = {output["data"][VIEW]["model_id"] for output in outputs if VIEW in output.get("data", {})}
    for key, model in list(state.items()):
        values = model["state"]
        if key not in viewed or model["model_module"] != "anywidget":
            del state[key]
            continue
        offers = _offers(values["_anywidget_id"])
        model["state"] = {
            k: v
            for k, v in values.items()
            if k not in UNUSED and not k.startswith(("_model", "_view", "_dom"))
        }
        model["state"]["_esm"] = packet(values["_esm"])
        if offers:
            model["weights"] = offers
        for name in ("model_name", "model_module", "model_module_version"):
            model.pop(name, None)


def on_page(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Pages with a view load the loader; the others do not."""
    if VIEW in context.get("body", ""):
        app.add_js_file("widgets.js", loading_method="defer")


def finish(app: Sphinx, error: Exception | None) -> None:
    """Put the packets that a page asks for beside the pages."""
    if error is not None or app.builder.format != "html":
        return
    out = Path(app.outdir)
    texts = [path.read_text("utf8") for path in out.rglob("*.html")]
    asking = "".join(text for text in texts if STATE in text)
    for path in sorted(PACKETS.glob("*.js")):
        if path.stem in asking:
            (out / FOLDER).mkdir(exist_ok=True)
            shutil.copyfile(path, out / FOLDER / path.name)


def setup(app: Sphinx) -> dict[str, Any]:
    """Sphinx's entry; the book's extension loads this one."""
    app.connect("html-page-context", on_page)
    app.connect("build-finished", finish)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
