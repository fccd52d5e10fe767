"""Two processes that train together learn what one learns alone, and the same as each other."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))
from shared import players, regression

pytestmark = pytest.mark.slow
HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, Any]]]:
    """The folder of a run on two processes, and what each of them tells."""
    out = tmp_path_factory.mktemp("two")
    command = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [sys.executable, *command, str(HERE / "shared.py"), str(out)],
        env=dict(os.environ) | {"OMP_NUM_THREADS": "1", "JAXTYPING_DISABLE": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = [json.loads((out / f"rank-{rank}.json").read_text()) for rank in (0, 1)]
    assert [each["world"] for each in told] == [2, 2]
    return out, told


def test_both_processes_learn_the_same(two: tuple[Path, list[dict[str, Any]]]) -> None:
    out, (first, second) = two
    assert first == second
    # One checkpoint, written by process 0.
    for task in ("regression", "players"):
        assert [path.name for path in (out / task).glob("*.safetensors")] == ["checkpoint.safetensors"]


def test_two_processes_equal_one(two: tuple[Path, list[dict[str, Any]]], tmp_path: Path) -> None:
    shared, alone = two[1][0]["regression"], regression(tmp_path)
    assert len(alone["history"]["loss"]) == 20
    for name in ("loss", "bias", "grad_norm"):
        assert shared["history"][name] == pytest.approx(alone["history"][name], rel=1e-5, abs=1e-5)
    assert shared["mse"] == pytest.approx(alone["mse"], rel=1e-5)


def test_two_processes_equal_one_for_players_who_take_turns(
    two: tuple[Path, list[dict[str, Any]]], tmp_path: Path
) -> None:
    shared, alone = two[1][0]["players"], players(tmp_path)
    assert len(alone["history"]["critic.loss"]) == 8
    for name, values in alone["history"].items():
        assert shared["history"][name] == pytest.approx(values, rel=1e-4, abs=1e-6)
    for ours, theirs in zip(shared["weights"], alone["weights"], strict=True):
        torch.testing.assert_close(torch.tensor(ours), torch.tensor(theirs), rtol=1e-3, atol=1e-5)


def test_a_batch_that_cannot_be_shared_is_refused(two: tuple[Path, list[dict[str, Any]]]) -> None:
    out, told = two
    for each in told:
        assert "batch_size must be a multiple of the 2 processes, got 23" in each["refused"]
    assert not list((out / "refused").glob("*.safetensors"))
