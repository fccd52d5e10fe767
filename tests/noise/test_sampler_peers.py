"""The samplers against the schedulers of diffusers, every step on the same noise."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROUNDING = 1e-11
"""Float64, in units of the largest number on a path of up to 1,000 steps; their variances stop at 1e-20, not at 0."""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def found() -> dict[str, float]:
    """What the program prints."""
    environment = {**os.environ, "JAXTYPING_DISABLE": "1", "PYTHONPATH": str(HERE.parents[1])}
    run = subprocess.run(
        [sys.executable, str(HERE / "against_diffusers.py")],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-3000:]
    return json.loads(run.stdout)


@pytest.mark.parametrize(
    "comparison",
    [
        "ancestral, beta, whole chain",
        "ancestral, beta",
        "ancestral, beta tilde",
        "ancestral, learned",
        "ddim",
        "ddim, eta 1",
        "ddim, to the first level",
    ],
)
def test_equal_to_ddpm_and_ddim(comparison: str, found: dict[str, float]) -> None:
    assert found[comparison] <= ROUNDING


@pytest.mark.parametrize(
    "comparison",
    ["dpm-solver++, 8 steps", "dpm-solver++, 50 steps", "dpm-solver++, v", "dpm-solver++, x0"],
)
def test_equal_to_dpm_solver_in_single_precision(comparison: str, found: dict[str, float]) -> None:
    """diffusers rounds the point to float32 in every step."""
    assert found[comparison] <= 1e-6


def test_the_tables_are_the_same_to_single_precision(found: dict[str, float]) -> None:
    assert found["table"] <= 1e-6
