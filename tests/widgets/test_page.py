"""What the build leaves of the widgets' states in a page."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

import pytest
from gmbook import widgets as page
from gmbook.bundle import STATIC
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


def test_shared_parts_of_the_books_modules_are_packets_of_their_own(packets: Path) -> None:
    texts = {path.stem: path.read_text("utf8") for path in STATIC.glob("*.js")}
    first = {name: page.module(text) for name, text in texts.items()}
    assert len(set(first.values())) == len(texts)
    written = {path.stem: text_of(path)[1] for path in packets.glob("*.js")}
    assert page.needed(first.values(), packets) == set(written)  # every reference leads to a packet
    for name, digest in first.items():
        assert not re.search(r'from"\.|import"\.', written[digest]), "an import that no page could resolve"
        parts = page.needed([digest], packets)
        assert len(parts) > 1
        # Together they are the module in one piece, but for the imports and exports between them.
        whole = sum(len(written[part]) for part in parts)
        assert 0.9 * len(texts[name]) < whole < 2 * len(texts[name])
    shared = set.intersection(*(page.needed([digest], packets) for digest in first.values()))
    assert sum(len(written[part]) for part in shared) > 10_000
    assert sum(map(len, written.values())) < 0.6 * sum(map(len, texts.values()))


def test_needed_packets_are_those_that_exist_each_once(packets: Path) -> None:
    inner = page.packet("export const a = 1;")
    outer = page.packet(f'import{{a}}from"gm:{inner}";export default{{a}};')
    assert page.needed([outer], packets) == {inner, outer}
    assert page.needed([inner, "0" * 20], packets) == {inner}


def test_a_notebook_without_widgets_is_left_alone(packets: Path) -> None:
    book = new_notebook(cells=[new_code_cell("1")])
    page.slim(book)
    assert book.metadata == {}
    assert not packets.exists()
