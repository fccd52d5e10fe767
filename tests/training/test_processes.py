"""Runs that are killed, runs on two processes, and a compiled one: each in processes of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent
ENV = dict(os.environ) | {"OMP_NUM_THREADS": "1", "JAXTYPING_DISABLE": "1"}


def toy(out: Path, steps: int, pause_at: int = 0) -> subprocess.Popen:
    out.mkdir(exist_ok=True)
    command = [sys.executable, str(HERE / "toy.py"), str(out), str(steps), str(pause_at)]
    return subprocess.Popen(command, env=ENV)


def test_killed_and_resumed_is_bit_equal(tmp_path: Path) -> None:
    whole = toy(tmp_path / "whole", 60)
    killed = toy(tmp_path / "killed", 60, pause_at=38)
    deadline = time.monotonic() + 60
    while not (tmp_path / "killed" / "paused").exists():
        assert killed.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    killed.send_signal(signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL
    assert not (tmp_path / "killed" / "final.safetensors").exists()
    assert toy(tmp_path / "killed", 60).wait() == 0
    assert whole.wait() == 0
    one, two = (load_file(tmp_path / run / "final.safetensors") for run in ("whole", "killed"))
    assert one.keys() == two.keys()
    assert all(torch.equal(one[name], two[name]) for name in one)
    histories = [json.loads((tmp_path / run / "history.json").read_text()) for run in ("whole", "killed")]
    assert histories[0] == histories[1]


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
