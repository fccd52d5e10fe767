"""Results of benchmarks lie where the pages read them, whatever device the last machine had."""

from __future__ import annotations

import ast
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


def test_every_name_of_the_command_is_a_benchmark(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main([]) == 0
    names = capsys.readouterr().out.removeprefix("Benchmarks: ").split()
    for name in (name.rstrip(",") for name in names):
        tree = ast.parse(Path(harness.__file__).with_name(f"{name}.py").read_text())
        assert "run" in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, name


def test_flows_were_compared_at_equal_sizes() -> None:
    rows = json.loads((harness.RESULTS / "flows-cpu.json").read_text())["rows"]
    sizes: dict[str, set[int]] = {}
    for row in rows:
        if "parameters" in row["extra"]:
            sizes.setdefault(row["case"], set()).add(row["extra"]["parameters"])
    assert len(sizes) == 4
    assert all(len(found) == 1 for found in sizes.values())
