"""gmlib's flows against those of nflows, zuko and torchdiffeq, with the same knots or weights."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROUNDING = 1e-10
"""Float64, through up to five layers whose log-densities are of the order of 100."""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def found() -> dict[str, float]:
    """What the program prints, which is one of its own because zuko changes torch for all of its process."""
    environment = {**os.environ, "JAXTYPING_DISABLE": "1", "PYTHONPATH": str(HERE.parents[1])}
    run = subprocess.run(
        [sys.executable, str(HERE / "against_peers.py")],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-3000:]
    return json.loads(run.stdout)


@pytest.mark.parametrize(
    "comparison", ["spline_of_nflows", "spline_of_zuko", "coupling_of_nflows", "maf_of_nflows"]
)
def test_equal_to(comparison: str, found: dict[str, float]) -> None:
    assert found[comparison] <= ROUNDING


def test_continuous_flows_of_the_benchmark_agree_within_their_tolerance(found: dict[str, float]) -> None:
    # Tolerance 1e-5 a step, a dozen steps, and a field that stretches errors on the way.
    assert found["continuous_of_zuko"] <= 1e-3


def test_importing_flows_leaves_the_checks_of_torch_alone(found: dict[str, float]) -> None:
    assert found["checks"] is True
