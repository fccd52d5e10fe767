"""The widgets where there is Python: in JupyterLab with a kernel, and in a frame as Colab builds it."""

from __future__ import annotations

import base64
import json
import time
from pathlib import Path
from typing import Any

import nbformat
import pytest
from gmbook.bundle import STATIC

from gmlib.distributions import toy
from gmlib.widgets import DensityExplorer

pytestmark = [pytest.mark.browser, pytest.mark.slow]

CELLS = (
    "from gmlib.widgets import DensityExplorer, PosteriorTug\n"
    "from pathlib import Path\n"
    "tug = PosteriorTug(mean=0.9, std=0.5)\n"
    "tug.observe(lambda change: Path('mean.txt').write_text(repr(change['new'])), names='mean')\n"
    "tug",
    "explorer = DensityExplorer('cross')\n"
    "explorer.observe(lambda change: Path('law.txt').write_text(change['new']), names='law')\n"
    "explorer",
)


@pytest.fixture
def lab(tmp_path: Path, jupyter: Any) -> tuple[str, Path]:
    """A JupyterLab of our own with one notebook; its address and its folder."""
    folder = tmp_path / "notebooks"
    folder.mkdir()
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
    notebook.metadata["kernelspec"] = {"display_name": "Python 3", "language": "python", "name": "python3"}
    nbformat.write(notebook, folder / "widgets.ipynb")
    return jupyter(folder), folder


def written(path: Path, wanted: str) -> str:
    """What the kernel wrote into the file, as soon as it is what is wanted."""
    for _ in range(100):
        if path.exists() and path.read_text() == wanted:
            break
        time.sleep(0.1)
    return path.read_text() if path.exists() else "nothing"


def test_python_sees_what_the_reader_moves(browser: Any, lab: tuple[str, Path]) -> None:
    address, folder = lab
    context = browser.new_context(viewport={"width": 1280, "height": 1400})
    tab = context.new_page()
    tab.goto(f"{address}/lab/tree/widgets.ipynb?reset")
    tab.wait_for_function("() => window.jupyterapp", timeout=60_000)
    tab.locator(".jp-Notebook .jp-CodeCell").nth(1).wait_for(timeout=60_000)
    tab.wait_for_timeout(1000)
    tab.evaluate("window.jupyterapp.commands.execute('notebook:run-all-cells')")
    tug = tab.locator("[data-widget=posterior-tug][data-ready]")
    tug.wait_for(timeout=90_000)
    explorer = tab.locator("[data-widget=density-explorer][data-ready]")
    explorer.wait_for(timeout=60_000)

    handle = tug.locator("button[role=slider]").first
    handle.focus()
    tab.keyboard.press("ArrowRight")
    assert written(folder / "mean.txt", "0.95") == "0.95"

    # Arrays come from Python by a message; the numbers at the probe are the law's.
    explorer.get_by_label("law", exact=True).select_option("ring")
    assert written(folder / "law.txt", "ring") == "ring"
    wanted = f"{toy('ring').log_prob(toy('ring').mean * 0).item():.3f}".replace("-", "−")
    tab.wait_for_function(
        f"() => document.querySelector('[data-widget=density-explorer]').innerText.includes('{wanted}')",
        timeout=15_000,
    )
    context.close()


# Colab shows an output in a frame of another origin; its manager imports the module from text and hands it a model whose
# messages go to the kernel through the parent. Here the parent is a page of the test, and its answers are Python's.
FRAME = """<!doctype html><html theme="dark"><body><div id="out"></div><script type="module">
const state = STATE, heard = [];
const model = {
  get: (key) => state[key],
  set(key, value) { state[key] = value; this.fire(`change:${key}`); this.fire("change"); },
  save_changes: () => parent.postMessage({ kind: "state", state }, "*"),
  on: (event, act) => heard.push([event, act]),
  off(event, act) {
    const i = heard.findIndex((h) => h[0] === event && h[1] === act);
    if (i >= 0) heard.splice(i, 1);
  },
  fire: (event, ...rest) => heard.filter((h) => h[0] === event).forEach((h) => h[1](...rest)),
  send: (content) => parent.postMessage({ kind: "custom", content }, "*"),
};
addEventListener("message", ({ data }) => model.fire("msg:custom", data.content, [new DataView(data.buffer)]));
const url = URL.createObjectURL(new Blob([ESM], { type: "text/javascript" }));
const { default: module } = await import(url);
const { render } = typeof module === "function" ? await module() : module;
await render({ model, el: document.getElementById("out"), experimental: {} });
</script></body></html>"""
PARENT = """<!doctype html>
<iframe src="FRAME_URL" sandbox="allow-scripts allow-same-origin" width="900" height="700"></iframe>
<script>
window.seen = [];
addEventListener("message", ({ data, source }) => {
  seen.push(data);
  if (data.kind !== "custom") return;
  const bytes = Uint8Array.from(atob(DATA), (c) => c.charCodeAt(0));
  source.postMessage({ content: { id: data.content.id, arrays: ARRAYS }, buffer: bytes.buffer }, "*", [bytes.buffer]);
});
</script>"""


def test_a_frame_of_another_origin_as_in_colab(browser: Any) -> None:
    explorer = DensityExplorer("banana")
    state = {
        key: value for key, value in explorer.get_state().items() if key in explorer.trait_names(sync=True)
    }
    state = {
        key: value
        for key, value in state.items()
        if not key.startswith("_") and isinstance(value, bool | int | float | str | list | dict)
    }
    block = DensityExplorer.block("banana")
    esm = json.dumps((STATIC / "density_explorer.js").read_text("utf8")).replace("</", "<\\/")
    frame = FRAME.replace("STATE", json.dumps(state)).replace("ESM", esm)
    parent = (
        PARENT.replace("FRAME_URL", "http://output.test/frame.html")
        .replace("DATA", json.dumps(base64.b64encode(block.data).decode()))
        .replace("ARRAYS", json.dumps(block.arrays))
    )
    context = browser.new_context(viewport={"width": 1000, "height": 800})
    context.route("http://colab.test/**", lambda route: route.fulfill(body=parent, content_type="text/html"))
    context.route("http://output.test/**", lambda route: route.fulfill(body=frame, content_type="text/html"))
    tab = context.new_page()
    troubles: list[str] = []
    tab.on("pageerror", lambda e: troubles.append(str(e)))
    tab.goto("http://colab.test/")
    inside = tab.frame_locator("iframe")
    found = inside.locator("[data-widget=density-explorer][data-ready]")
    found.wait_for(timeout=15_000)
    assert found.get_attribute("data-theme") == "dark"
    law = toy("banana")
    wanted = f"{law.log_prob(law.mean * 0).item():.3f}".replace("-", "−")
    assert wanted in found.inner_text()
    slider = found.get_by_label("noise level σ")
    slider.focus()
    tab.keyboard.press("End")
    tab.wait_for_function("() => seen.some((m) => m.kind === 'state' && m.state.sigma === 2)", timeout=5_000)
    assert troubles == []
    context.close()
