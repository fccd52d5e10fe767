"""Runs that are killed, and a compiled one: each in processes of its own."""

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
