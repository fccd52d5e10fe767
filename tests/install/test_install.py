"""What an installation needs: the core alone is enough to import gmlib, and a newer torch is left alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

LIGHT = """
import importlib, importlib.metadata as metadata, pkgutil, re, sys

def closure(name, seen):
    name = re.sub(r"[-_.]+", "-", name).lower()
    if name in seen:
        return seen
    try:
        requires = metadata.requires(name) or []
    except metadata.PackageNotFoundError:  # for another platform
        return seen
    seen.add(name)
    for requirement in requires:
        if "extra ==" not in requirement:
            closure(re.match(r"[\\w.-]+", requirement).group(), seen)
    return seen

allowed = closure("gmlib", set())
assert "torch" in allowed and "matplotlib" not in allowed and "pooch" not in allowed, sorted(allowed)
blocked = {
    module
    for module, distributions in metadata.packages_distributions().items()
    if not any(re.sub(r"[-_.]+", "-", d).lower() in allowed for d in distributions)
}
assert {"matplotlib", "sklearn", "pooch", "tqdm"} <= blocked

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in blocked:
            raise ModuleNotFoundError(f"{name} is not in the core", name=name)

sys.meta_path.insert(0, Blocker())
import gmlib
names = [m.name for m in pkgutil.walk_packages(gmlib.__path__, "gmlib.")]
names = [name for name in names if not name.startswith("gmlib.widgets")]
for name in names:
    try:
        importlib.import_module(name)
    except ImportError as error:  # figures need matplotlib from the first line on, and say so
        assert name == "gmlib.plot" and 'pip install "gmlib[book]"' in str(error), error
print(len(names))
"""


def test_core_dependencies_are_enough() -> None:
    """Every module of gmlib but widgets and figures imports when only torch, numpy, jaxtyping, safetensors are there."""
    env = dict(os.environ) | {"PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", LIGHT],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 15


@pytest.mark.slow
def test_newer_torch_is_not_replaced(tmp_path: Path) -> None:
    """pip's own plan for an environment that has torch 99 holds gmlib and numpy, and no torch."""
    venv.create(tmp_path / "env", with_pip=False)
    python = tmp_path / "env" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    where = [str(python), "-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])"]
    site = Path(subprocess.run(where, capture_output=True, text=True, check=True).stdout.strip())
    info = site / "torch-99.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: torch\nVersion: 99.0\n")
    (info / "INSTALLER").write_text("pip\n")
    (info / "RECORD").write_text("")
    report = tmp_path / "report.json"
    plan = ["install", "--quiet", "--dry-run", "--report", str(report), str(ROOT)]
    done = subprocess.run(
        [sys.executable, "-m", "pip", "--python", str(python), *plan],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    unreachable = any(
        sign in done.stderr
        for sign in (
            "No matching distribution",
            "NewConnectionError",
            "Connection",
            "name resolution",
            "Network",
        )
    )
    if done.returncode != 0 and unreachable and not os.environ.get("CI"):
        pytest.skip(f"pip reaches no package index from here: {done.stderr.strip().splitlines()[-1]}")
    assert done.returncode == 0, done.stderr
    planned = {item["metadata"]["name"].lower() for item in json.loads(report.read_text())["install"]}
    assert {"gmlib", "numpy", "jaxtyping", "safetensors"} <= planned
    assert "torch" not in planned
