"""What a checkpoint knows of the run it belongs to: a resumed run with another task is refused."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).parent))
from toy import make_task

from gmlib.train import main
from gmlib.training import CHECKPOINT, Task, TrainConfig, train
from gmlib.training._fingerprint import differences, fingerprint

SETTINGS = {"batch_size": 8, "device": "cpu", "lr": 0.01}


def small(data: Tensor | tuple[Tensor, ...] | None = None, model: nn.Module | None = None) -> Task:
    """A task of 40 rows whose loss takes any data."""
    torch.manual_seed(0)
    data = torch.randn(40, 3) if data is None else data
    model = nn.Linear(3, 2) if model is None else model

    def loss(model: nn.Module, batch: Any, noise: None) -> dict[str, Tensor]:
        x = batch[0] if isinstance(batch, tuple) else batch
        return {"loss": model(x.float()).square().mean()}

    return Task(model, loss, data)


def frozen_bias() -> nn.Module:
    model = nn.Linear(3, 2)
    model.bias.requires_grad_(False)
    return model


def test_the_same_task_goes_on(tmp_path: Path) -> None:
    told = {"task": "m:f", "task_options": {"widths": (8, 16), "rate": 0.1}}
    train(small(), TrainConfig(steps=4, **SETTINGS), out=tmp_path, fingerprint=told)
    again = {"task_options": {"rate": 0.1, "widths": [8, 16]}, "task": "m:f"}  # as JSON, the same
    longer = train(small(), TrainConfig(steps=8, **SETTINGS), out=tmp_path, fingerprint=again)
    assert torch.equal(
        next(longer.model.parameters()),
        next(train(small(), TrainConfig(steps=8, **SETTINGS)).model.parameters()),
    )


def test_the_header_is_small(tmp_path: Path) -> None:
    train(small(torch.zeros(50_000, 3)), TrainConfig(steps=1, **SETTINGS), out=tmp_path)
    with safe_open(tmp_path / CHECKPOINT, framework="pt") as file:
        kept = json.loads(file.metadata()["gmlib.training"])["fingerprint"]
    assert kept["data.0.shape"] == [50_000, 3]
    assert kept["data.0.dtype"] == "float32"
    assert kept["model.weight"] == "float32 [2, 3]"
    assert len(json.dumps(kept)) < 500


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64, torch.uint8, torch.bool, torch.complex64])
def test_every_dtype_has_a_sample(dtype: torch.dtype) -> None:
    zeros, ones = torch.zeros(70, 2).to(dtype), torch.ones(70, 2).to(dtype)
    one, two = (fingerprint(small((t, t[:, 0])), {}) for t in (zeros, ones))
    assert one["data.1.sample"] != two["data.1.sample"]
    assert one == fingerprint(small((zeros, zeros[:, 0])), {})


def test_first_and_last_row_are_in_the_sample() -> None:
    for row in (0, -1):
        data = torch.zeros(100_003, 2)
        before = fingerprint(small(data), {})
        data[row, 1] = 1.0
        assert differences(before, fingerprint(small(data), {}))


def test_differences_name_what_differs() -> None:
    assert differences({"a": 1, "b": 2}, {"a": 1, "b": 3}) == ["b: 2, not 3"]
    assert differences({"a": 1}, {"a": 1, "b": 3}) == ["b: absent, not 3"]
    assert differences({"a": 1, "b": 2}, {"a": 1}) == ["b: 2, not absent"]
    many = differences({}, {f"k{i}": i for i in range(9)})
    assert many[-1] == "and 4 more"
    assert len(many) == 6


OTHERS: list[tuple[Callable[[], Task], dict[str, Any], str]] = [
    (lambda: small(torch.ones(40, 3)), {}, r"data\.0\.sample: '\w+', not '\w+'"),
    (lambda: small(torch.ones(40, 3, dtype=torch.float64)), {}, "data.0.dtype: 'float32', not 'float64'"),
    (lambda: small(torch.ones(50, 3)), {}, r"data\.0\.shape: \[40, 3\], not \[50, 3\]"),
    (lambda: small((torch.ones(40, 3), torch.ones(40))), {}, r"data\.1\.shape: absent, not \[40\]"),
    (lambda: small(model=nn.Linear(3, 4)), {}, r"model\.weight: 'float32 \[2, 3\]', not 'float32 \[4, 3\]'"),
    (
        lambda: small(model=frozen_bias()),
        {},
        r"model\.bias: 'float32 \[2\]', not 'float32 \[2\] frozen'",
    ),
    (small, {"task_options": {"p": 0.5}}, r"task_options\.p: 0\.1, not 0\.5"),
    (small, {"task_options": {"p": 0.1, "depth": 3}}, r"task_options\.depth: absent, not 3"),
]


@pytest.mark.bad_input
@pytest.mark.parametrize(("make", "told", "message"), OTHERS)
def test_another_task_is_refused(
    tmp_path: Path, make: Callable[[], Task], told: dict[str, Any], message: str
) -> None:
    config = TrainConfig(steps=4, **SETTINGS)
    train(small(), config, out=tmp_path, fingerprint={"task_options": {"p": 0.1}})
    before = (tmp_path / CHECKPOINT).read_bytes()
    with pytest.raises(ValueError, match=rf"is of another run \(.*{message}.*resume=False"):
        train(make(), config, out=tmp_path, fingerprint=told or {"task_options": {"p": 0.1}})
    assert (tmp_path / CHECKPOINT).read_bytes() == before


@pytest.mark.bad_input
def test_bad_fingerprint() -> None:
    with pytest.raises(TypeError, match="fingerprint must hold what JSON can"):
        train(small(), TrainConfig(steps=1, **SETTINGS), fingerprint={"net": object()})
    with pytest.raises(ValueError, match="fingerprint must not have the key 'model'"):
        train(small(), TrainConfig(steps=1, **SETTINGS), fingerprint={"model": "mlp"})
    with pytest.raises(TypeError, match="fingerprint must be a mapping, got str"):
        train(small(), TrainConfig(steps=1, **SETTINGS), fingerprint="m:f")  # pyright: ignore


@pytest.mark.bad_input
def test_a_recipe_with_other_options_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = tmp_path / "toy.toml"
    recipe.write_text(
        'name = "toy"\ntask = "toy:make_task"\n[task_options]\ndropout = 0.2\n'
        '[train]\nsteps = 4\nbatch_size = 20\ndevice = "cpu"\n'
    )
    command = [str(recipe), "--out", str(tmp_path / "run"), "--no-progress"]
    assert main(command) == 0
    assert main(command) == 0
    capsys.readouterr()
    assert main([*command, "--set", "task_options.dropout=0.5"]) == 1
    assert "is of another run (task_options.dropout: 0.2, not 0.5)" in capsys.readouterr().err
    monkeypatch.setattr(sys.modules["toy"], "make_another", make_task, raising=False)
    recipe.write_text(recipe.read_text().replace("make_task", "make_another"))
    assert main(command) == 1
    assert "task: 'toy:make_task', not 'toy:make_another'" in capsys.readouterr().err
    assert main([*command, "--fresh"]) == 0
