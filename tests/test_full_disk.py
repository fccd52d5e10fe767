"""A disk that is full in the middle of a write: whoever writes says which file and what to do, and the old one stands.

Each test asks for `small_files` when what is good lies on the disk, and then writes more than fits.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nbformat
import pytest
import torch
from gmbook import execute
from safetensors.torch import save_file
from torch import nn

import gmlib.train
from benchmarks import __main__ as bench
from benchmarks import harness
from gmlib import checkpoints
from gmlib._files import NotWritten
from gmlib.data import AssetError, files
from gmlib.exercises import __main__ as grader
from gmlib.exercises.grading import Grades, Mark
from gmlib.training import CHECKPOINT, Task, TrainConfig, train

WIDE = 150
"""A layer of this width takes more than the limit of 64 kB."""


def content(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, hidden ones too."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def task(width: int) -> Task:
    torch.manual_seed(0)
    rows = torch.randn(8, width)
    return Task(nn.Linear(width, width), lambda m, x, _: {"loss": (m(x) - x).square().mean()}, rows)


@pytest.fixture
def full(request: pytest.FixtureRequest) -> Any:
    """Call it to fill the disk."""
    return lambda: request.getfixturevalue("small_files")


def test_a_checkpoint_in_training(tmp_path: Path, full: Any) -> None:
    """The run ends with the message; the last good checkpoint is there, and goes on once there is room."""
    settings = TrainConfig(steps=4, batch_size=8, device="cpu")
    train(task(WIDE), settings, out=tmp_path)
    before = content(tmp_path)
    full()
    with pytest.raises(
        NotWritten, match=rf"{CHECKPOINT} could not be written: .*The file of that name is as"
    ):
        train(task(WIDE), TrainConfig(steps=8, batch_size=8, device="cpu"), out=tmp_path)
    assert content(tmp_path) == before


def test_the_command_says_it_in_a_line(
    tmp_path: Path, full: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = tmp_path / "toy.toml"
    recipe.write_text(
        'name = "toy"\ntask = "toy_task:make"\ndata = "noise"\n[train]\nsteps = 2\nbatch_size = 8\ndevice = "cpu"\n'
        '[export]\nfile = "toy.safetensors"\ndtype = "float32"\n'
    )
    monkeypatch.setitem(sys.modules, "toy_task", SimpleNamespace(make=lambda: task(WIDE)))
    full()
    out = tmp_path / "out"
    assert gmlib.train.main([str(recipe), "--out", str(out)]) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"gmlib.train: {out / 'seed-0' / CHECKPOINT} could not be written: ")
    assert said.count("\n") == 1
    assert content(out) == {}


def test_registered_weights(tmp_path: Path, full: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the weights nor the manifest change: half of the pair would be refused as damaged."""
    assets, manifest = tmp_path / "assets", tmp_path / "manifest.json"
    manifest.write_text("{}\n")
    for module in (files, checkpoints):
        monkeypatch.setattr(module, "assets_folder", lambda: assets)
    monkeypatch.setattr(checkpoints, "MANIFEST", manifest)
    about = dict.fromkeys(("recipe", "data", "device"), "") | {"seed": 0, "time": 1.0}
    weights = tmp_path / "toy.safetensors"
    save_file({"a": torch.zeros(3)}, weights)
    checkpoints.register("toy", weights, about | {"metrics": {}})
    small = content(tmp_path)
    save_file({"a": torch.zeros(50_000)}, weights)
    full()
    with pytest.raises(NotWritten, match=r"assets/checkpoints/toy\.safetensors could not be written"):
        checkpoints.register("toy", weights, about | {"metrics": {}})
    save_file({"a": torch.ones(3)}, weights)
    with pytest.raises(NotWritten, match=r"manifest\.json could not be written"):
        checkpoints.register("toy", weights, about | {"metrics": {"seeds": ["long"] * 10_000}})
    assert {name: text for name, text in content(tmp_path).items() if name != weights.name} == {
        name: text for name, text in small.items() if name != weights.name
    }
    assert checkpoints.load_weights("toy")["a"].tolist() == [0, 0, 0]


def test_a_download(tmp_path: Path, full: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk is named and not the connection, and no other mirror is asked."""
    import pooch

    asked: list[str] = []

    def download(url: str, output_file: Any, pooch: Any) -> None:
        asked.append(url)
        Path(output_file).write_bytes(bytes(100_000))

    monkeypatch.setattr(pooch.core, "choose_downloader", lambda *_, **__: download)
    monkeypatch.setenv("GMLIB_CACHE", str(tmp_path / "cache"))
    full()
    sha256 = hashlib.sha256(bytes(100_000)).hexdigest()
    with pytest.raises(
        AssetError, match=r"cache/file\.bin could not be written: .*Nothing is left.*GMLIB_CACHE"
    ):
        files.fetch("file.bin", sha256, ["http://one", "http://two"])
    assert asked == ["http://one/file.bin"]
    assert content(tmp_path) == {}


def test_an_executed_notebook(tmp_path: Path, full: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last run and its record stay, and fit together; the other notebooks of the book are still executed."""
    monkeypatch.setattr(execute, "ROOT", tmp_path)
    monkeypatch.setattr(execute, "EXECUTED", tmp_path / "_build")
    monkeypatch.setattr(execute, "_surroundings", lambda: "")
    path = tmp_path / "a.ipynb"
    cell = nbformat.v4.new_code_cell("1")
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), path)
    # Without a kernel: what a cell prints stands for the run.
    printed = ["short"]

    def run_cells(client: Any) -> None:
        client.nb.cells[0].outputs = [nbformat.v4.new_output("stream", text=printed[0])]

    monkeypatch.setattr(execute.NotebookClient, "execute", run_cells)
    assert execute.run(path) == ""
    before = content(tmp_path)
    printed[0] = "long" * 50_000
    full()
    assert "a.ipynb was executed, but" in (says := execute.run(path))
    assert f"{tmp_path / '_build' / 'a.ipynb'} could not be written" in says
    assert content(tmp_path) == before
    assert execute.is_fresh(path)


def test_a_benchmark(
    tmp_path: Path, full: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [harness.Row("case" * 30_000, "ours", 1.0, (1.0, 1.0), 1.0, (1.0, 1.0))]
    monkeypatch.setattr(harness, "RESULTS", tmp_path)
    monkeypatch.setattr(bench.importlib, "import_module", lambda _: SimpleNamespace(run=lambda **_: rows))
    (tmp_path / "vae-cpu.json").write_text("good")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    full()
    assert bench.main(["vae"]) == 1
    assert "vae-cpu.json could not be written" in capsys.readouterr().err
    assert content(tmp_path) == {"vae-cpu.json": b"good"}


def test_graded_marks(
    tmp_path: Path, full: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Hours of grading may stand behind them: the table is printed, and the seed that gives them again is named."""
    marks = {"ada.py": {"elbo.iwae": Mark("failed", says="long" * 50_000)}}
    monkeypatch.setattr(grader, "listed", lambda _: ())
    monkeypatch.setattr(grader, "grade", lambda *_, **__: Grades(marks, seed=77, confined=True))
    (tmp_path / "ada.py").touch()
    target = tmp_path / "marks.json"
    target.write_text(json.dumps("good"))
    full()
    assert grader.main(["grade", str(tmp_path), "--json", str(target)]) == 1
    said = capsys.readouterr()
    assert "ada.py" in said.out
    assert "marks.json could not be written" in said.err
    assert "`--seed 77` gives the same marks again" in said.err
    assert content(tmp_path) == {"ada.py": b"", "marks.json": b'"good"'}
