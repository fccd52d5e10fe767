"""Kernels as forks: nothing is defined in them, each is its own, and one that dies or hangs is told like any other."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from gmbook import kernels
from nbformat.v4 import new_code_cell, new_notebook

pytestmark = pytest.mark.skipif(not kernels.FORKS, reason="kernels are forks on Linux only")
PROGRAM = """
import sys
from pathlib import Path
from gmbook import execute, kernels
folder = Path(sys.argv[1])
execute.ROOT, execute.EXECUTED = folder, folder / "_build"
execute.TIMEOUT["smoke"] = 2
kernels.SHARED = ("json", "ipykernel.kernelapp")
kernels.prepare()
for path, problem in execute.two_at_a_time(sorted(folder.glob("*.ipynb"))):
    print("==", path.stem, problem)
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """A folder of notebooks that were run in one go, and what was said of each."""
    folder = tmp_path_factory.mktemp("book")
    cells = {
        "a": ["import sys", "'json' in sys.modules, 'sqlite3' in globals(), 'json' in globals()"],
        "b": ["import os, subprocess", "print(os.getcwd(), os.getsid(0) == os.getpid(), sys.argv[0])"],
        "c": [
            "import os, subprocess, sys",
            "print(os.getcwd(), os.getsid(0) == os.getpid(), len(sys.path[0]))",
        ],
        "d": ["import os", "os._exit(3)"],
        "e": ["while True: pass"],
        "f": ["import os, subprocess", "print(subprocess.run(['cat'], capture_output=True))"],
    }
    for name, code in cells.items():
        nbformat.write(new_notebook(cells=[new_code_cell(part) for part in code]), folder / f"{name}.ipynb")
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(folder)], capture_output=True, text=True, timeout=120, check=True
    )
    plain = re.sub(r"\x1b\[[\d;]*m", "", done.stdout)
    parts = re.split("^== ", plain, flags=re.M)[1:]
    return folder, {part[0]: part[2:].strip() for part in parts}


def shown(folder: Path, name: str) -> str:
    output = nbformat.read(folder / "_build" / f"{name}.ipynb", 4).cells[-1].outputs[0]
    return output["text"] if "text" in output else output["data"]["text/plain"]


def test_a_fork_has_loaded_what_is_shared_and_defines_no_name(told: tuple[Path, dict[str, str]]) -> None:
    folder, said = told
    assert said["a"] == ""
    assert shown(folder, "a") == "(True, False, False)"
    assert "NameError: name 'sys' is not defined" in said["b"]


def test_a_fork_is_a_process_in_the_notebooks_folder(told: tuple[Path, dict[str, str]]) -> None:
    folder, said = told
    assert said["c"] == ""
    assert shown(folder, "c") == f"{os.path.realpath(folder)} True 0\n"
    assert "returncode=0, stdout=b''" in shown(folder, "f")  # its standard input is empty


def test_a_kernel_that_dies_or_hangs_is_told(told: tuple[Path, dict[str, str]]) -> None:
    _, said = told
    assert "d.ipynb: Kernel died" in said["d"]
    assert "e.ipynb, cell 0 took more than 2 s" in said["e"]
