"""Results of benchmarks lie where the pages read them, whatever device the last machine had."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from gmbook.generated import FRAMES

from benchmarks import __main__ as command
from benchmarks import harness, widgets
from benchmarks.harness import Row

ROWS = [Row("case", "work", 1e-3, (1e-3, 2e-3), 1.0, (1.0, 1.0), {"p95": 2e-3})]


@pytest.mark.parametrize("cuda", [False, True])
def test_the_browser_benchmark_writes_the_file_that_the_status_page_reads(
    cuda: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(harness, "RESULTS", tmp_path)
    monkeypatch.setattr(widgets, "run", lambda **_: ROWS)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    assert command.main(["widgets"]) == 0
    (path,) = tmp_path.iterdir()
    assert path.name == FRAMES.name
    assert FRAMES.exists()
    written = json.loads(path.read_text())
    assert written["machine"]["gpu"] is None
    assert written["rows"][0]["extra"] == {"p95": 2e-3}
