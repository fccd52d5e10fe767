"""Run each notebook of the book once, two at a time, into ``_build/executed``; skip what is up to date.

``python -m gmbook.execute [NOTEBOOK ...]``. A run is up to date when the notebook's code, gmlib, the assets, the mode
and the versions are what they were. Text may change without a new run: page and plain edition join the current text
with the outputs of the last one.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import multiprocessing
import os
import platform
import sys
import time
from collections.abc import Iterator
from functools import cache
from importlib.metadata import version
from multiprocessing import connection
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, cast

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

from gmbook import kernels
from gmbook.house import EXECUTED, ROOT, notebooks
from gmbook.strays import faults
from gmlib._files import replacing, write_text
from gmlib.mode import mode

PACKAGES = ("torch", "numpy", "matplotlib", "scikit-learn", "anywidget", "ipykernel", "nbclient")
TIMEOUT = {"smoke": 300, "laptop": 1200, "gpu": 3600}
"""Seconds that one cell may take: far above what it should, so that only a hung cell meets it."""
QUIET = ["--IPKernelApp.log_level=ERROR"]
"""For a kernel, that at each start would say that local TCP is not encrypted."""


@cache
def _versions() -> dict[str, str]:
    return {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}}


@cache
def _surroundings() -> str:
    """What every notebook's result depends on beside its own code."""
    digest = hashlib.sha256(json.dumps([mode(), _versions()]).encode())
    for folder in ("gmlib", "assets"):
        for path in sorted((ROOT / folder).rglob("*")):
            if path.is_file() and not {"__pycache__", "js"} & set(
                path.parts
            ):  # the bundles made from `js` count
                digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def code_key(notebook: Any) -> str:
    """The notebook's code cells, as a hash: outputs of a run with the same cells can be joined with the text."""
    cells = [[c.source, c.metadata.get("tags", [])] for c in notebook.cells if c.cell_type == "code"]
    return hashlib.sha256(json.dumps(cells).encode()).hexdigest()


def key(notebook: Any) -> str:
    """What a run of this notebook depends on, as a hash."""
    return hashlib.sha256((_surroundings() + code_key(notebook)).encode()).hexdigest()


def places(path: Path) -> tuple[Path, Path]:
    """Where the executed notebook and the record of its run lie."""
    result = EXECUTED / path.relative_to(ROOT)
    return result, result.with_suffix(".json")


def is_fresh(path: Path) -> bool:
    """Whether the last run of this notebook still stands."""
    result, record = places(path)
    if not (result.exists() and record.exists()):
        return False
    return json.loads(record.read_text("utf8"))["key"] == key(nbformat.read(path, 4))


def record(path: Path) -> dict[str, Any]:
    """The record of the last run: notebook, key, mode, seconds, date, versions."""
    return json.loads(places(path)[1].read_text("utf8"))


def run(path: Path) -> str:
    """Execute one notebook and write result and record; return what went wrong, or an empty string."""
    notebook = nbformat.read(path, 4)
    stamp = key(notebook)
    client = NotebookClient(
        notebook,
        timeout=TIMEOUT[mode()],
        kernel_name="python3",
        resources={"metadata": {"path": str(path.parent)}},
        store_widget_state=True,
        coalesce_streams=True,
        record_timing=False,
        extra_arguments=QUIET,
    )
    begin = time.perf_counter()
    try:
        client.execute()
    except (CellExecutionError, CellTimeoutError, DeadKernelError, RuntimeError) as error:
        return _explain(path, notebook, error)
    seconds = time.perf_counter() - begin
    for number, cell in enumerate(notebook.cells):
        for output in cell.get("outputs", []):
            if output.get("name") == "stderr":
                return f"{path.relative_to(ROOT)}, cell {number} wrote to stderr:\n{output.text}"
    now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d")
    facts = {
        "notebook": path.relative_to(ROOT).as_posix(),
        "key": stamp,
        "code": code_key(notebook),
        "mode": mode(),
        "seconds": round(seconds, 1),
        "date": now,
        "versions": _versions(),
    }
    result, note = places(path)
    try:
        # Both are written before either is renamed: on a full disk the last run and its record stand, and fit.
        with replacing(note) as beside:
            beside.write_text(json.dumps(facts, indent=1), "utf8")
            write_text(result, nbformat.writes(notebook))
    except OSError as error:
        return f"{path.relative_to(ROOT)} was executed, but {error}"
    return ""


def _explain(path: Path, notebook: Any, error: Exception) -> str:
    """Notebook, cell, its source and the traceback."""
    where = f"{path.relative_to(ROOT)}"
    for number, cell in enumerate(notebook.cells):
        for output in cell.get("outputs", []):
            if output.output_type == "error" and "raises-exception" not in cell.metadata.get("tags", []):
                source = "\n".join("    " + line for line in cell.source.splitlines())
                late = (
                    f" took more than {TIMEOUT[mode()]} s"
                    if isinstance(error, CellTimeoutError)
                    else " failed"
                )
                return f"{where}, cell {number}{late}:\n{source}\n" + "\n".join(output.traceback)
    return f"{where}: {error}"


def _tell(path: Path, told: Connection) -> None:
    told.send(run(path))


def two_at_a_time(paths: list[Path]) -> Iterator[tuple[Path, str]]:
    """Run each in a process of its own; as one ends, yield it and what went wrong."""
    context = multiprocessing.get_context("fork" if kernels.FORKS else None)
    waiting = list(paths)
    running: dict[Connection, tuple[Path, BaseProcess]] = {}
    while waiting or running:
        while waiting and len(running) < 2:
            heard, told = context.Pipe(duplex=False)
            process = context.Process(target=_tell, args=(waiting[0], told))
            process.start()
            told.close()
            running[heard] = waiting.pop(0), process
        for heard in cast(list[Connection], connection.wait(list(running))):
            path, process = running.pop(heard)
            try:
                problem = heard.recv()
                process.join()
            except EOFError:
                process.join()
                problem = f"{path.relative_to(ROOT)}: its process ended with code {process.exitcode}"
            yield path, problem


def main(arguments: list[str]) -> int:
    """Bring the given notebooks (default: all of the book) up to date; 1 when one fails or is out of place."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ["PYTHONWARNINGS"] = "ignore::DeprecationWarning"  # as forked kernels do
    paths = [Path(name).resolve() for name in arguments] or notebooks()
    if not arguments and (wrong := faults()):
        print("\n".join(f"  {fault}" for fault in wrong))
        return 1
    stale = []
    for path in paths:
        if is_fresh(path):
            print(f"  {path.relative_to(ROOT)}: up to date ({record(path)['seconds']} s)")
        else:
            stale.append(path)
    failed = 0
    if stale:
        print(f"  executing {len(stale)} notebook(s), two at a time, in {mode()} mode", flush=True)
        kernels.prepare()
        # Long ones first, as far as a file's size tells: none is left for the end, when one core has nothing to do.
        stale.sort(key=lambda path: -path.stat().st_size)
        for path, problem in two_at_a_time(stale):
            failed += bool(problem)
            line = problem or f"{path.relative_to(ROOT)}: {record(path)['seconds']} s"
            print(f"  {line}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
