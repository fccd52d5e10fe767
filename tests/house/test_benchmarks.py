"""Results of benchmarks lie where the pages read them, whatever device the last machine had."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest
import torch
from gmbook import speed
from gmbook.generated import FRAMES
from gmbook.house import ROOT

from benchmarks import __main__ as command
from benchmarks import harness, table, widgets
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
    names = capsys.readouterr().out.splitlines()[0].removeprefix("Benchmarks: ").split(", ")
    assert set(names) == set(table.CHAPTERS)
    for name in names:
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


def test_the_table_names_every_result_with_its_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main([]) == 0
    printed = capsys.readouterr().out
    for path in harness.RESULTS.glob("*-cpu.json"):
        found = json.loads(path.read_text())
        name = found["benchmark"]
        assert f"{name} ({found['date']}, {found['settings']['rounds']} rounds)" in printed, name
        if not table.CHAPTERS[name]:  # the book's own pages have no peer
            continue
        yardsticks: dict[str, str] = {}
        for row in found["rows"]:
            if yardsticks.setdefault(row["case"], row["contender"]) == row["contender"]:
                continue
            low, high = row["ratio_quartiles"]
            wanted = [
                name, row["case"], row["contender"], f"{row['ratio']:.3f} [{low:.3f}, {high:.3f}]",
                yardsticks[row["case"]],
            ]  # fmt: skip
            assert any(re.split(r"\s{2,}", line.strip()) == wanted for line in printed.splitlines()), wanted
    assert "On a GPU" in printed


def fake(folder: Path, name: str, device: str, times: dict[str, float]) -> None:
    first = next(iter(times.values()))
    rows = [
        {"case": "c", "contender": k, "median": v, "ratio": v / first, "ratio_quartiles": [1, 1], "extra": {}}
        for k, v in times.items()
    ]
    about = {
        "date": "2026-01-02", "machine": {"processor": "P", "gpu": "G" if device == "cuda" else None, "system": "S"},
        "versions": {"torch": "2"}, "settings": {"rounds": 11, "threads": 1, "clock": "cpu"},
    }  # fmt: skip
    (folder / f"{name}-{device}.json").write_text(json.dumps({"benchmark": name, "rows": rows} | about))


def test_each_side_at_its_best(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(harness, "RESULTS", tmp_path)
    fake(tmp_path, "flows", "cpu", {"zuko": 4.0, "gmlib": 3.0, "zuko, compiled": 1.0, "gmlib, compiled": 2.0})
    assert table.best_against_best("flows") == {"c": 2.0}  # not 3/4
    assert table.peers("flows") == ["zuko"]
    fake(tmp_path, "guidance", "cpu", {"bare": 2.0, "gmlib": 3.0, "unguided, one call": 1.0})
    assert table.best_against_best("guidance") == {"c": 1.5}  # who does less is no rival
    short = table.short()
    assert "| 5 | `flows` | zuko | 1 | 2.00 | 2.00 to 2.00 |" in short
    assert "| 14 | `gan` | not measured | | | |" in short
    assert "On a GPU: not measured." in short
    fake(tmp_path, "flows", "cuda", {"zuko": 4.0, "gmlib": 3.0})
    assert "On a GPU: measured are `flows`." in table.short()
    assert "G, torch 2, 1 thread, cpu clock: flows (2026-01-02, 11 rounds)" in table.text()


def test_the_readme_has_the_table_as_it_is() -> None:
    (shown,) = table.PLACE.findall(table.README.read_text("utf8"))
    assert shown == table.short(), "renew it: python -m benchmarks.table"
    assert {name for name in table.CHAPTERS if f"| `{name}` |" in shown} == set(table.CHAPTERS)


def test_all_goes_on_where_a_peer_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ran: list[str] = []

    def run(name: str, _: object) -> None:
        if name == "flows":
            raise ImportError("zuko is needed")
        ran.append(name)

    monkeypatch.setattr(command, "_run", run)
    assert command.main(["all"]) == 1
    assert set(ran) == set(table.CHAPTERS) - {"flows"}
    out, err = capsys.readouterr()
    assert "flows: ImportError: zuko is needed" in err
    assert "not run this time: flows" in err
    assert "RQ coupling, sampling" in out


def test_times_are_readable() -> None:
    assert [speed.milliseconds(t) for t in (0.0006114, 0.0907514, 1.4172, 357.5)] == [
        "0.611",
        "90.8",
        "1,417",
        "357,500",
    ]


def test_the_performance_page_shows_every_contender() -> None:
    page = (ROOT / "book" / "performance.md").read_text("utf8")
    assert {"speed short", "speed cpu", "speed cuda"} <= set(re.findall(r"gmbook: (speed \w+)", page))
    for name in table.CHAPTERS:
        for line in table.lines(name):
            if table.best_against_best(name):
                part = speed.section(name, "cpu")
                assert f"| {line.contender} | {speed.milliseconds(line.median)} | {line.ratio:.3f} |" in part
                found = table.results(name)
                assert found is not None
                assert found["date"] in part
                assert found["machine"]["processor"] in part
