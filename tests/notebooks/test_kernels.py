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
kernels.SHARED = ("colorsys", "ipykernel.kernelapp")  # no kernel loads the first by itself
kernels.prepare()
for path, problem in execute.two_at_a_time(sorted(folder.glob("*.ipynb"))):
    print("==", path.stem, problem)
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """A folder of notebooks that were run in one go, and what was said of each."""
    folder, code = tmp_path_factory.mktemp("book"), tmp_path_factory.mktemp("code")
    (code / "program.py").write_text(PROGRAM)
    (code / "beside.py").write_text("")
    cells = {
        "a": ["import sys", "'colorsys' in sys.modules, 'colorsys' in globals()"],
        "b": ["import os, subprocess", "print(os.getcwd(), os.getsid(0) == os.getpid(), sys.argv[0])"],
        "c": [
            "import os, subprocess, sys",
            "print(os.getcwd(), os.getsid(0) == os.getpid(), '' in sys.path)",
        ],
        "d": ["import os", "os._exit(3)"],
        "e": ["while True: pass"],
        "f": ["import os, subprocess", "print(subprocess.run(['cat'], capture_output=True))"],
        "g": ["import importlib.util", "print(importlib.util.find_spec('beside'))"],
        "h": ["import warnings", "warnings.warn('old', DeprecationWarning)", "print('quiet')"],
        "i": ["import atexit", "atexit.register(lambda: open('ended', 'w').close())", "print('soon')"],
    }
    for name, parts in cells.items():
        nbformat.write(new_notebook(cells=[new_code_cell(part) for part in parts]), folder / f"{name}.ipynb")
    done = subprocess.run(
        [sys.executable, str(code / "program.py"), str(folder)],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    plain = re.sub(r"\x1b\[[\d;]*m", "", done.stdout)
    words = re.split("^== ", plain, flags=re.M)[1:]
    return folder, {word[0]: word[2:].strip() for word in words}


def shown(folder: Path, name: str) -> str:
    output = nbformat.read(folder / "_build" / f"{name}.ipynb", 4).cells[-1].outputs[0]
    return output["text"] if "text" in output else output["data"]["text/plain"]


def test_a_fork_has_loaded_what_is_shared_and_defines_no_name(told: tuple[Path, dict[str, str]]) -> None:
    folder, said = told
    assert said["a"] == ""
    assert shown(folder, "a") == "(True, False)"
    assert shown(folder, "g") == "None\n"  # the folder of the program that forks is none of the kernel's
    assert "NameError: name 'sys' is not defined" in said["b"]


def test_a_fork_is_a_process_in_the_notebooks_folder(told: tuple[Path, dict[str, str]]) -> None:
    folder, said = told
    assert said["c"] == ""
    assert shown(folder, "c") == f"{os.path.realpath(folder)} True True\n"
    assert "returncode=0, stdout=b''" in shown(folder, "f")  # its standard input is empty


def test_a_fork_warns_and_ends_like_any_kernel(told: tuple[Path, dict[str, str]]) -> None:
    folder, said = told
    assert (said["h"], said["i"]) == ("", "")
    assert (folder / "ended").exists()


def test_a_kernel_that_dies_or_hangs_is_told(told: tuple[Path, dict[str, str]]) -> None:
    _, said = told
    assert "d.ipynb: Kernel died" in said["d"]
    assert "e.ipynb, cell 0 took more than 2 s" in said["e"]
