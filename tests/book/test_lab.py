"""Every notebook in JupyterLab with a kernel, as `make lab` opens it: all cells run, quietly, and the widgets answer."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import nbformat
import pytest
from gmbook.execute import places
from gmbook.house import ROOT, notebooks
from gmbook.widgets import VIEW

pytestmark = [pytest.mark.browser, pytest.mark.lab]

NOTEBOOK = "window.jupyterapp.shell.currentWidget"
SAID = f"""() => {{
  const bad = [];
  for (const cell of {NOTEBOOK}.content.model.cells) {{
    if (cell.type !== "code") continue;
    for (const output of cell.outputs.toJSON()) {{
      if (output.output_type === "error") bad.push(output.ename + ": " + output.evalue);
      if (output.name === "stderr") bad.push("stderr: " + output.text);
    }}
  }}
  return bad;
}}"""
DONE = f"""() => {{
  const cells = [...{NOTEBOOK}.content.model.cells].filter((c) => c.type === "code" && c.sharedModel.getSource().trim());
  const idle = {NOTEBOOK}.sessionContext.session?.kernel?.status === "idle";
  const stopped = cells.some((c) => c.outputs.toJSON().some((o) => o.output_type === "error"));
  return idle && (stopped || cells.every((c) => c.executionCount));
}}"""
STATES = "hash(repr([(k, m.get_state()) for k, m in sorted(__import__('ipywidgets').widgets.widget._instances.items())]))"
ASK = f"""async (expression) => {{
  const kernel = {NOTEBOOK}.sessionContext.session.kernel;
  const answer = await kernel.requestExecute({{ code: "", user_expressions: {{ x: expression }} }}).done;
  return answer.content.user_expressions.x.data["text/plain"];
}}"""

CONTROLS = "[data-widget] :is(.gm-w-handle, input, .gm-w-button):visible"
CELLS = f"[{NOTEBOOK}.content.activeCellIndex, {NOTEBOOK}.content.widgets.length]"


def heard(tab: Any, control: Any) -> bool:
    """Use one control of a widget by the mouse, as a reader does there, then by keys; whether Python's states change."""
    before = tab.evaluate(ASK, STATES)
    control.scroll_into_view_if_needed()
    box = control.bounding_box()
    # Off the middle, where a slider may stand already.
    tab.mouse.click(box["x"] + 0.8 * box["width"], box["y"] + box["height"] / 2)
    for key in ("", "ArrowRight", "ArrowLeft"):
        if key:
            tab.keyboard.press(key)
        for _ in range(10):
            if tab.evaluate(ASK, STATES) != before:
                return True
            tab.wait_for_timeout(100)
    return False


def widget_cells(path: Path) -> list[int]:
    """The cells that show a widget, from the book's own run."""
    cells = nbformat.read(places(path)[0], 4).cells
    return [
        i for i, cell in enumerate(cells) if any(VIEW in o.get("data", {}) for o in cell.get("outputs", []))
    ]


@pytest.mark.parametrize("path", notebooks(), ids=lambda path: path.stem)
def test_a_notebook_in_jupyterlab(browser: Any, jupyter: Any, tmp_path: Path, path: Path) -> None:
    folder = tmp_path / "notebooks"
    shutil.copytree(path.parent, folder / path.parent.name, ignore=shutil.ignore_patterns("_*", "api"))
    address = jupyter(folder)
    context = browser.new_context(viewport={"width": 1280, "height": 1400})
    tab = context.new_page()
    tab.set_default_timeout(30_000)
    tab.goto(f"{address}/lab/tree/{path.relative_to(ROOT).as_posix()}?reset")
    tab.wait_for_function("() => window.jupyterapp", timeout=60_000)
    tab.locator(".jp-Notebook .jp-Cell").first.wait_for(timeout=60_000)
    tab.wait_for_function(
        f"() => {NOTEBOOK}?.sessionContext?.session?.kernel?.status === 'idle'", timeout=60_000
    )
    tab.evaluate("window.jupyterapp.commands.execute('notebook:run-all-cells')")
    tab.wait_for_function(DONE, timeout=600_000)
    assert tab.evaluate(SAID) == []
    for number in widget_cells(path):
        tab.evaluate(f"(i) => {NOTEBOOK}.content.scrollToItem(i, 'start')", number)
        cell = tab.locator(f".jp-Notebook .jp-Cell[data-windowed-list-index='{number}']")
        cell.locator("[data-widget][data-ready]").first.wait_for(timeout=60_000)
        assert any(heard(tab, control) for control in cell.locator(CONTROLS).all()), f"cell {number} is deaf"
        before = tab.evaluate(CELLS)
        for key in ("ArrowDown", "b"):  # Lab's own: to the next cell, and a new one
            tab.keyboard.press(key)
        assert tab.evaluate(CELLS) == before, f"cell {number}: Lab takes the widget's keys"
    context.close()
