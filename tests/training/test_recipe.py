"""Recipes and the command line: read, refused, trained over seeds, exported, registered."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

sys.path.insert(0, str(Path(__file__).parent))
from toy import make_task

from gmlib import checkpoints
from gmlib.data import files
from gmlib.recipe import load_recipe
from gmlib.train import main

RECIPE = """
name = "toy"
task = "toy:make_task"
data = "a sine"

[task_options]
dropout = 0.2

[train]
steps = 12
batch_size = 20
lr = 1
ema_decay = 0.5
device = "cpu"

[export]
file = "toy-bf16.safetensors"
dtype = "bfloat16"
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "toy.toml"
    path.write_text(RECIPE)
    return path


def test_read(recipe: Path) -> None:
    read = load_recipe(recipe, ["steps=30", "task_options.dropout=0.5", "train.lr_schedule=cosine", "seed=4"])
    assert read.train.steps == 30
    assert read.train.lr == 1.0
    assert isinstance(read.train.lr, float)
    assert read.train.lr_schedule == "cosine"
    assert read.dtype == torch.bfloat16
    assert read.options == {"dropout": 0.5}
    assert read.make_task().model[3].p == 0.5  # pyright: ignore[reportIndexIssue]
    assert read.with_seed(9).train.seed == 9


def test_train_over_seeds_and_register(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "assets").mkdir()
    (tmp_path / "manifest.json").write_text("{}")
    for module in ("gmlib.data.files", "gmlib.checkpoints", "gmlib.train"):
        monkeypatch.setattr(f"{module}.assets_folder", lambda: tmp_path / "assets")
    monkeypatch.setattr(checkpoints, "MANIFEST", tmp_path / "manifest.json")
    out = tmp_path / "run"
    assert main([str(recipe), "--out", str(out), "--seeds", "3", "4", "--set", "lr=0.01", "--register"]) == 0
    said = capsys.readouterr().out
    assert "toy, seed 3: mse" in said
    assert "over 2 seeds" in said

    summary = json.loads((out / "metrics.json").read_text())["metrics"]
    each = [json.loads((out / f"seed-{s}" / "metrics.json").read_text()) for s in (3, 4)]
    values = [record["metrics"]["mse"] for record in each]
    assert values[0] != values[1]
    assert summary["seeds"] == {"3": {"mse": values[0]}, "4": {"mse": values[1]}}
    assert summary["mean"]["mse"] == pytest.approx(sum(values) / 2)
    assert summary["spread"]["mse"] == pytest.approx(statistics.stdev(values))
    assert each[0]["history"]["step"] == [12]

    entry = checkpoints.checkpoint("toy")
    assert (entry.seed, entry.data, entry.recipe, entry.file) == (
        3,
        "a sine",
        "toy.toml",
        "toy-bf16.safetensors",
    )
    assert entry.metrics == summary
    # The recorded metrics are those of the weights that a reader loads.
    task = make_task(0.2)
    assert task.evaluate is not None
    checkpoints.load_into(task.model, "toy")
    assert task.evaluate(task.model)["mse"] == values[0]
    assert {t.dtype for t in checkpoints.load_weights("toy").values()} == {torch.bfloat16, torch.int64}


def test_resumes_and_starts_over(recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = [str(recipe), "--out", str(tmp_path / "run"), "--set", "lr=0.01"]
    assert main(command) == 0
    first = load_file(tmp_path / "run" / "seed-0" / "toy-bf16.safetensors")
    assert main([*command, "steps=20"]) == 0
    assert main([*command, "lr=0.02"]) == 1
    assert "is of another run" in capsys.readouterr().err
    assert main([*command, "--fresh"]) == 0
    again = load_file(tmp_path / "run" / "seed-0" / "toy-bf16.safetensors")
    assert all(torch.equal(first[name], again[name]) for name in first)


def test_recipes_of_the_repository_can_be_read() -> None:
    folder = files.assets_folder()
    assert folder is not None
    for path in sorted((folder / "recipes").glob("*.toml")):
        assert load_recipe(path).name


@pytest.mark.slow
def test_command_line(recipe: Path, tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "gmlib.train",
        str(recipe),
        "--out",
        str(tmp_path / "run"),
        "--device",
        "cpu",
    ]
    done = subprocess.run(
        [*command, "--set", "lr=0.01"],
        cwd=Path(__file__).parent,  # where the recipe's module toy is
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "toy, seed 0: mse" in done.stdout
    assert (tmp_path / "run" / "seed-0" / "toy-bf16.safetensors").is_file()


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("name =", "nam =", "unknown key 'nam'; known: data, export, name, task, task_options, train"),
        ('name = "toy"\n', "", "the key 'name' is missing"),
        ("steps = 12\n", "", r"\[train\]: the key 'steps' is missing"),
        ("steps = 12", "step = 12", r"\[train\]: unknown key 'step'"),
        ("lr = 1", 'lr = "fast"', "lr must be a real number, got str"),
        ("lr = 1", "lr = -1.0", "lr must be a finite number"),
        ("steps = 12", "steps = 1.5", "steps must be an int"),
        (
            'dtype = "bfloat16"',
            'dtype = "int8"',
            "dtype must be one of 'float32', 'bfloat16', 'float16', got 'int8'",
        ),
        ('dtype = "bfloat16"', "typ = 1", r"\[export\]: unknown key 'typ'"),
        ("toy-bf16.safetensors", "../toy.safetensors", "file must be a name that ends in .safetensors"),
        ("toy-bf16.safetensors", "toy.pt", "file must be a name that ends in .safetensors"),
        ("[train]", "[train", "is not TOML"),
        ('name = "toy"', "name = 3", "name must be a string, got 3"),
    ],
)
def test_bad_recipe(
    recipe: Path, capsys: pytest.CaptureFixture[str], old: str, new: str, message: str
) -> None:
    assert old in RECIPE
    recipe.write_text(RECIPE.replace(old, new))
    with pytest.raises(ValueError, match=message) as error:
        load_recipe(recipe)
    assert str(recipe) in str(error.value)
    assert main([str(recipe)]) == 1
    assert "gmlib.train: " in capsys.readouterr().err


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("stepz=3", "unknown key 'stepz'"),
        ("steps", "--set takes key=value, got 'steps'"),
        (
            "task_options.depth=3",
            "task_options do not fit toy:make_task: got an unexpected keyword argument 'depth'",
        ),
        ("other.x=3", "unknown key 'other'"),
        ("name.foo=1", r"toy\.toml: --set name\.foo=1: name is no table, got 'toy'"),
        ("train.steps.x=1", r"toy\.toml: --set train\.steps\.x=1: train\.steps is no table, got 12"),
    ],
)
def test_bad_change(recipe: Path, change: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load_recipe(recipe, [change]).make_task()


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("task", "message"),
    [
        ("nowhere:make", "there is no module 'nowhere'"),
        ("toy:nothing", "'toy' has no 'nothing'"),
        ("toy", "'toy' has no ''"),
        ("toy:make_number", "must return a gmlib.training.Task, got int"),
    ],
)
def test_bad_task_name(recipe: Path, task: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["toy"], "make_number", lambda dropout: 3, raising=False)
    recipe.write_text(RECIPE.replace("toy:make_task", task))
    with pytest.raises(ValueError, match=message):
        load_recipe(recipe).make_task()


@pytest.mark.bad_input
def test_absent_recipe(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "none.toml")]) == 1
    assert "none.toml" in capsys.readouterr().err
