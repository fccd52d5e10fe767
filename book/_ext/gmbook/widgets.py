"""Widgets on the page, without Python: slim states, each distinct module and block of arrays once, and the loader.

myst-nb writes the widgets' states into the page as the run left them. Before it does, the modules in them are replaced
by hashes, and what Python would answer to ``weights(name)`` is written beside the modules. ``static/widgets.js`` reads
states and hashes and mounts the views. A module or block is a *packet*, a small script that hands over a text: scripts,
unlike modules and fetched files, load also from a page that is opened from disk.

A run leaves each widget's module in one piece. Of the book's own widgets the page gets the module from ``modules`` in its
place, whose shared parts are packets as well: it imports them as ``"gm:HASH"``, and the loader puts an address there.
"""

from __future__ import annotations

import base64
import hashlib
import importlib
import json
import re
import shutil
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

from gmbook.bundle import MODULES, STATIC
from gmbook.house import BUILD
from gmlib._files import write_text

PACKETS = BUILD / "widgets"
FOLDER = "_widgets"
STATE = "application/vnd.jupyter.widget-state+json"
VIEW = "application/vnd.jupyter.widget-view+json"
UNUSED = ("layout", "tabbable", "tooltip", "_anywidget_id")
PART = re.compile(r"gm:([0-9a-f]{20})")


def packet(text: str) -> str:
    """Write a text as a packet and return its hash."""
    digest = hashlib.sha256(text.encode()).hexdigest()[:20]
    path = PACKETS / f"{digest}.js"
    if not path.exists():
        write_text(path, f'gmBook.give("{digest}",{json.dumps(text, ensure_ascii=False)});\n')
    return digest


@cache
def _pieces() -> dict[str, Path]:
    """The module for the page by the text of the one in one piece."""
    return {
        (STATIC / path.name).read_text("utf8"): path
        for path in MODULES.glob("*.js")
        if (STATIC / path.name).exists()
    }


def module(text: str) -> str:
    """Write a widget's module as packets, shared parts apart, and return the hash of the one to begin with."""
    path = _pieces().get(text)
    return packet(text) if path is None else packet(_referring(path))


def _referring(path: Path) -> str:
    """The text of a module whose imports are references to packets, which are written."""

    def refer(match: re.Match[str]) -> str:
        return f'"gm:{packet(_referring(path.with_name(match[1])))}"'

    return re.sub(r'"\./(chunk-\w+\.js)"', refer, path.read_text("utf8"))


def needed(stems: Iterable[str], folder: Path) -> set[str]:
    """The packets of these names in ``folder``, and those that they refer to."""
    found: set[str] = set()
    waiting = list(stems)
    while waiting:
        stem = waiting.pop()
        path = folder / f"{stem}.js"
        if stem not in found and path.exists():
            found.add(stem)
            waiting += PART.findall(path.read_text("utf8"))
    return found


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
        model["state"]["_esm"] = module(values["_esm"])
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
    asked = [path.stem for path in PACKETS.glob("*.js") if path.stem in asking]
    for stem in sorted(needed(asked, PACKETS)):
        (out / FOLDER).mkdir(exist_ok=True)
        shutil.copyfile(PACKETS / f"{stem}.js", out / FOLDER / f"{stem}.js")


def setup(app: Sphinx) -> dict[str, Any]:
    """Sphinx's entry; the book's extension loads this one."""
    app.connect("html-page-context", on_page)
    app.connect("build-finished", finish)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
