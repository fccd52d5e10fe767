"""What the build leaves of the widgets' states in a page."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

import pytest
from gmbook import widgets as page
from nbformat.v4 import new_code_cell, new_notebook, new_output

from gmlib.widgets import DensityExplorer


def notebook(*viewed: str) -> Any:
    """As nbclient leaves it: three explorers, one layout; views of those named."""
    state = {
        "_anywidget_id": "gmlib.widgets.density_explorer.DensityExplorer",
        "_esm": "export default {}; // </script>",
        "_model_module": "anywidget",
        "_view_count": None,
        "layout": "IPY_MODEL_layout",
        "law": "ring",
    }
    entry = {"model_name": "AnyModel", "model_module": "anywidget", "model_module_version": "1"}
    models = {name: {**entry, "state": {**state}} for name in ("a", "b", "c")}
    models["layout"] = {"model_name": "LayoutModel", "model_module": "@jupyter-widgets/base", "state": {}}
    cells = [
        new_code_cell(name, outputs=[new_output("display_data", {page.VIEW: {"model_id": name}})])
        for name in viewed
    ]
    return new_notebook(cells=cells, metadata={"widgets": {page.STATE: {"state": models}}})


@pytest.fixture
def packets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(page, "PACKETS", tmp_path / "packets")
    return tmp_path / "packets"


def text_of(packet: Path) -> tuple[str, str]:
    """Hash and text that a packet hands over."""
    match = re.fullmatch(r"gmBook\.give\((\".*?\"),(\".*\")\);\n", packet.read_text("utf8"), re.S)
    assert match is not None
    return json.loads(match[1]), json.loads(match[2])


def test_only_what_is_seen_stays_and_modules_become_hashes(packets: Path) -> None:
    book = notebook("a", "c")
    page.slim(book)
    state = book.metadata["widgets"][page.STATE]["state"]
    assert set(state) == {"a", "c"}
    assert set(state["a"]["state"]) == {"_esm", "law"}
    assert state["a"]["state"]["_esm"] == state["c"]["state"]["_esm"]
    digest, text = text_of(packets / f"{state['a']['state']['_esm']}.js")
    assert (digest, text) == (state["a"]["state"]["_esm"], "export default {}; // </script>")


def test_offers_become_packets_of_the_same_bytes(packets: Path) -> None:
    book = notebook("a")
    page.slim(book)
    offers = book.metadata["widgets"][page.STATE]["state"]["a"]["weights"]
    assert set(offers) == set(DensityExplorer.offers)
    _, text = text_of(packets / f"{offers['cross']['packet']}.js")
    assert base64.b64decode(text) == DensityExplorer.block("cross").data
    assert offers["cross"]["arrays"] == DensityExplorer.block("cross").arrays


def test_a_notebook_without_widgets_is_left_alone(packets: Path) -> None:
    book = new_notebook(cells=[new_code_cell("1")])
    page.slim(book)
    assert book.metadata == {}
    assert not packets.exists()
