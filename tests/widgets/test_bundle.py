"""The committed bundles are what the sources make."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from gmbook import bundle as bundling
from gmbook.bundle import MODULES, SOURCE, STATIC, BundleError, bundle

from .node import packages

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("target", [STATIC, MODULES], ids=["in one piece", "for the pages"])
def test_the_committed_bundles_are_made_from_the_sources(tmp_path: Path, target: Path) -> None:
    packages()
    fresh = bundle(tmp_path, shared=target == MODULES)
    assert [path.name for path in fresh] == sorted(path.name for path in target.iterdir())
    for path in fresh:
        committed = (target / path.name).read_bytes()
        assert path.read_bytes() == committed, f"{path.name} is out of date: python -m gmbook.bundle"


def test_a_name_that_nothing_defines_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the line that imports `curve`, esbuild makes a module that throws in the reader's browser."""
    packages()
    copy = tmp_path / "js"
    shutil.copytree(SOURCE, copy)
    widget = copy / "widgets" / "variance_recursion.js"
    for other in set((copy / "widgets").iterdir()) - {widget}:
        other.unlink()
    text = widget.read_text("utf8")
    widget.write_text(text.replace('import { curve } from "../draw.js";\n', ""), "utf8")
    assert widget.read_text("utf8") != text
    monkeypatch.setattr(bundling, "SOURCE", copy)
    with pytest.raises(BundleError, match=r"variance_recursion\.js\n.*'curve' is not defined"):
        bundle(tmp_path / "out")
