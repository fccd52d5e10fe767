"""Runs that are killed, runs on two processes, and a compiled one: each in processes of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent
ENV = dict(os.environ) | {"OMP_NUM_THREADS": "1", "JAXTYPING_DISABLE": "1"}


def test_killed_twenty_times_is_bit_equal(tmp_path: Path) -> None:
    """At steps drawn at random, and while the checkpoint is being written: weights, averages, moments, history."""
    command = [sys.executable, str(HERE / "killed.py"), str(tmp_path), "300", "20", "0"]
    done = subprocess.run(command, env=ENV, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["ends"] == [-signal.SIGKILL] * 20 + [0, 0]
    assert set(told["moments"]) == {"step", "half", "written", "renamed"}
    found = []
    for run in ("killed", "whole"):
        with safe_open(tmp_path / run / "checkpoint.safetensors", framework="pt") as file:
            about = json.loads(file.metadata()["gmlib.training"])
            found.append(({name: file.get_tensor(name) for name in file.keys()}, about))  # noqa: SIM118
    (one, about), (two, about_two) = found
    assert {name.split("/")[0] for name in one} == {"model", "ema", "optimizer"}
    assert one.keys() == two.keys()
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert about.pop("seconds") > 0
    assert about_two.pop("seconds") > 0
    assert about == about_two
    assert len(about["history"]["evaluate.mse"]) == 300 // 20


SHARED = """
import json, os, sys
from pathlib import Path
import torch
sys.path.insert(0, {here!r})
from toy import CONFIG, make_task
from gmlib.training import TrainConfig, train
task = make_task()
torch.manual_seed(0)
task.model = torch.nn.Sequential(torch.nn.Linear(3, 16), torch.nn.Tanh(), torch.nn.Linear(16, 1))
changes = {{"log_every": 1, "batch_size": int(sys.argv[2])}}
result = train(task, TrainConfig(**(CONFIG | {{"steps": 20}} | changes)), out=Path(sys.argv[1]))
world = torch.distributed.get_world_size() if torch.distributed.is_initialized() else 1
record = {{"world": world, "history": result.history, "mse": task.evaluate(result.final.eval())}}
Path(sys.argv[1], f"rank-{{os.environ.get('RANK', 0)}}.json").write_text(json.dumps(record))
"""


def run_shared(tmp_path: Path, launcher: list[str], batch_size: int = 24) -> subprocess.CompletedProcess:
    script = tmp_path / "shared.py"
    script.write_text(SHARED.format(here=str(HERE)))
    out = tmp_path / ("two" if launcher else "one")
    out.mkdir()
    command = [sys.executable, *launcher, str(script), str(out), str(batch_size)]
    return subprocess.run(command, env=ENV, capture_output=True, text=True, timeout=120, check=False)


TORCHRUN = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]


def test_two_processes_equal_one(tmp_path: Path) -> None:
    for launcher in ([], TORCHRUN):
        done = run_shared(tmp_path, launcher)
        assert done.returncode == 0, done.stderr
    one = json.loads((tmp_path / "one" / "rank-0.json").read_text())
    two = [json.loads((tmp_path / "two" / f"rank-{rank}.json").read_text()) for rank in (0, 1)]
    assert one["world"] == 1
    assert [record["world"] for record in two] == [2, 2]
    assert two[0] == two[1]
    assert len(one["history"]["loss"]) == 20
    for name in ("loss", "bias", "grad_norm"):
        assert two[0]["history"][name] == pytest.approx(one["history"][name], rel=1e-5, abs=1e-5)
    assert two[0]["mse"]["mse"] == pytest.approx(one["mse"]["mse"], rel=1e-5)
    # One checkpoint, written by process 0.
    assert sorted(p.name for p in (tmp_path / "two").glob("*.safetensors")) == ["checkpoint.safetensors"]


def test_batch_that_cannot_be_shared(tmp_path: Path) -> None:
    done = run_shared(tmp_path, TORCHRUN, batch_size=23)
    assert done.returncode != 0
    assert "batch_size must be a multiple of the 2 processes, got 23" in done.stderr


def test_compiled_equals_eager(tmp_path: Path) -> None:
    code = f"""
import sys
sys.path.insert(0, {str(HERE)!r})
from toy import CONFIG, make_task
from gmlib.training import TrainConfig, train
losses = [
    train(make_task(0.0), TrainConfig(**(CONFIG | dict(steps=10, log_every=1, compile=c)))).history["loss"]
    for c in (False, True)
]
import torch
assert torch._dynamo.utils.counters["stats"]["unique_graphs"] >= 1
assert not torch._dynamo.utils.counters["graph_break"], torch._dynamo.utils.counters["graph_break"]
print(max(abs(a - b) / abs(a) for a, b in zip(*losses)))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], env=ENV, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 1e-4
