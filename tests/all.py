"""The whole check, stage by stage: ``python tests/all.py [STAGE ...]`` (default: all of them).

``quick`` stands for the stages of ``make unit``: the tests of gmlib without those marked ``slow``. Four stages run only
when they are named, and once a week: ``nbval`` executes every notebook a second time, ``colab`` runs the plain edition in
an environment like Colab's, ``lab`` runs every notebook in JupyterLab, and ``weekly`` runs the tests with that mark.

Every stage runs, also after one has failed; the last line counts what passed and what failed. Stages that keep only one
core busy run beside others.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PYTHON = sys.executable
BIN = Path(PYTHON).parent
# nbval takes two seconds of each process to load, and pytest listens to torch's loggers six times a test.
PYTEST = [PYTHON, "-m", "pytest", "-q", "-p", "no:nbval", "-p", "no:logging"]
# Three for two cores: a worker waits a quarter of its time for processes that its tests have started.
WORKERS = ["-n", "3", "--dist", "loadfile"]
UNIT = [
    *PYTEST,
    *WORKERS,
    "tests",
    *(f"--ignore=tests/{folder}" for folder in ("house", "notebooks", "book")),
]
# Notebooks run in a kernel of their own: what they warn about is checked where they are executed, not by nbval.
NBVAL = ["--nbval-lax", "--nbval-current-env", "-W", "default", "-p", "no:cacheprovider"]
GALLERY = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "book").glob("widgets*.ipynb"))

STAGES: dict[str, list[list[str]]] = {
    "lint": [[str(BIN / "ruff"), "check", "."], [str(BIN / "ruff"), "format", "--check", "."]],
    "unit": [[*UNIT, "-m", "not weekly"]],
    "execute": [[PYTHON, "-m", "gmbook.execute"]],
    "plain": [[PYTHON, "-m", "gmbook.plain"], [*PYTEST, *WORKERS, "tests/notebooks"]],
    "book": [[PYTHON, "-m", "gmbook.build", "--fresh"]],
    "house": [[*PYTEST, "tests/house"]],
    "doctest": [[*PYTEST, *WORKERS, "--doctest-modules", "gmlib"]],
    "bad-input": [[*PYTEST, "-m", "bad_input", "tests"]],
    "types": [[str(BIN / "pyright")]],
    # The chapters' pages take longest and come one after the other: a worker without work takes some of the other's.
    "browser": [[*PYTEST, "-n", "3", "--dist", "worksteal", "-m", "not lab", "tests/book"]],
}
Lanes = tuple[tuple[str, ...], ...]
TOGETHER: list[Lanes] = [(("book",), ("house", "doctest", "bad-input", "types"))]
"""Neighbours that keep only one core busy: the stages of a lane run one after the other, beside those of the other lane."""
LONG: dict[str, list[list[str]]] = {
    "nbval": [[PYTHON, "-m", "pytest", "-q", *WORKERS, *NBVAL, "chapters", *GALLERY]],
    "colab": [[PYTHON, "-m", "gmbook.colab"]],
    "weekly": [[*UNIT, "-m", "weekly"]],
    "lab": [[*PYTEST, "-m", "lab", "tests/book/test_lab.py"]],
}
QUICK: dict[str, list[list[str]]] = {
    "unit": [[*UNIT, "-m", "not slow and not weekly"]],
    "doctest": STAGES["doctest"],
    "bad-input": [[*PYTEST, "-m", "bad_input and not slow", "tests"]],
}
Outcome = tuple[bool, int, int, float]
EXTRA = {"bad-input": {"JAXTYPING_DISABLE": "1"}}


def environment(stage: str) -> dict[str, str]:
    """One torch thread a process, no display, the book's machinery on the path, and compiled modules kept on disk."""
    paths = os.pathsep.join(filter(None, [str(ROOT / "book" / "_ext"), os.environ.get("PYTHONPATH", "")]))
    shared = {"OMP_NUM_THREADS": "1", "MPLBACKEND": "agg", "PYTHONPATH": paths, "PYTHONUNBUFFERED": "1"}
    found = {**os.environ, **shared, **EXTRA.get(stage, {})}
    # Without them every process would rewrite all assertions and annotations anew.
    found.pop("PYTHONDONTWRITEBYTECODE", None)
    return found


def run(stage: str, commands: list[list[str]], say: Callable[[str], object]) -> Outcome:
    """Run a stage; whether it passed, how many of its tests passed and failed, and its seconds."""
    good, passed, failed, start = True, 0, 0, time.perf_counter()
    for command in commands:
        summary = ""
        with subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment(stage),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            assert process.stdout is not None
            for line in process.stdout:
                say(line)
                summary = line if re.search(r"\d+ (passed|failed|error)", line) else summary
        code = process.returncode
        counts = {word: int(number) for number, word in re.findall(r"(\d+) (passed|failed|error)", summary)}
        tests = "pytest" in command
        passed += counts.get("passed", 0) if tests else int(code == 0)
        failed += counts.get("failed", 0) + counts.get("error", 0) if tests else int(code != 0)
        # No stage is meant to be empty, so pytest's "nothing to run" (5) is a failure like any other.
        if code != 0:
            good = False
            failed += int(tests and not counts.get("failed") and not counts.get("error"))
    return good, passed, failed, time.perf_counter() - start


def together(lanes: Lanes, commands: dict[str, list[list[str]]]) -> dict[str, Outcome]:
    """Run lanes at the same time. The first one's words are printed as they come, the others' after it has ended."""
    kept: list[list[str]] = [[] for _ in lanes]

    def live(line: str) -> None:
        print(line, end="", flush=True)

    def drive(stages: tuple[str, ...], say: Callable[[str], object]) -> dict[str, Outcome]:
        return {stage: run(stage, commands[stage], say) for stage in stages}

    with ThreadPoolExecutor(len(lanes)) as pool:
        found = list(pool.map(drive, lanes, [live, *(lines.append for lines in kept[1:])]))
    for stages, lines in list(zip(lanes, kept, strict=True))[1:]:
        print(f"\n== {', '.join(stages)}, meanwhile " + "=" * 60 + "\n" + "".join(lines), end="", flush=True)
    return {stage: outcome for outcomes in found for stage, outcome in outcomes.items()}


def first(wanted: list[str]) -> Lanes:
    """The lanes with which the stages that are wanted begin: one of ``TOGETHER`` if all of it comes next."""
    for lanes in TOGETHER:
        if [stage for lane in lanes for stage in lane] == wanted[: sum(map(len, lanes))]:
            return lanes
    return ((wanted[0],),)


def main(names: list[str]) -> int:
    """Run the stages that are asked for; 1 when one fails."""
    every = STAGES | LONG
    unknown = [name for name in names if name not in every and name != "quick"]
    if unknown:
        print(f"unknown: {', '.join(unknown)}; the stages are {', '.join(every)}, and quick")
        return 2
    wanted: list[tuple[str, list[list[str]]]] = []
    for name in names or STAGES:
        wanted += QUICK.items() if name == "quick" else [(name, every[name])]
    begin, lines, total = time.perf_counter(), [], [0, 0]
    while wanted:
        lanes = first([name for name, _ in wanted])
        size = sum(map(len, lanes))
        batch, wanted = dict(wanted[:size]), wanted[size:]
        print(f"\n== {' and '.join(batch)}, {len(wanted)} to come " + "=" * 60, flush=True)
        for stage, (good, passed, failed, seconds) in together(lanes, batch).items():
            total[0], total[1] = total[0] + passed, total[1] + failed
            lines.append((good, f"{stage:<10} {'ok' if good else 'FAILED':<7} {seconds:6.1f} s"))
            print(f"-- {lines[-1][1]}", flush=True)
    print("\n" + "\n".join(line for _, line in lines))
    bad = [line.split()[0] for good, line in lines if not good]
    print(f"{time.perf_counter() - begin:.0f} s" + (f"; failed stages: {', '.join(bad)}" if bad else ""))
    print(f"{total[0]} passed, {total[1]} failed")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
