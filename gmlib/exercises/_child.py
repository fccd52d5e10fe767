"""The process in which one student's code runs: ``python -m gmlib.exercises._child FILE DESCRIPTOR MEMORY SECONDS``.

It reads the inputs from its standard input, uses the student's answers on them, and writes what they gave, one line of
JSON an exercise, to the descriptor. It judges nothing: whatever is written there is only taken for values.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from pathlib import Path
from typing import Any

import torch

from gmlib.exercises.answers import Answered, answered, own_traceback
from gmlib.exercises.exercise import Exercise
from gmlib.exercises.registry import find
from gmlib.exercises.submission import load
from gmlib.exercises.values import decode, encode

LONGEST = 4000
"""Characters of a traceback that are passed on."""
PROCESSES = 8
"""Processes and threads that a submission may have in the sandbox; torch computes on one."""


def _inputs(case: dict[str, Any]) -> dict[str, Any]:
    return {k: decode(v).data if isinstance(v, dict) else v for k, v in case.items()}


def _limit(memory: int, seconds: int) -> None:
    """Bound memory, processor time, files and processes. Torch is loaded already, so its own size is known."""
    try:
        import resource
    except ImportError:
        return
    bounds = {"RLIMIT_CPU": seconds, "RLIMIT_FSIZE": 1 << 24, "RLIMIT_CORE": 0}
    with contextlib.suppress(OSError):
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        bounds["RLIMIT_AS"] = pages * os.sysconf("SC_PAGE_SIZE") + memory
    if os.environ.get("GMLIB_SANDBOX"):
        # Counted for the sandbox's own user; outside it would count every process of the person who grades. Memory is
        # bounded for each process, so there may be few.
        bounds["RLIMIT_NPROC"] = PROCESSES
    for name, bound in bounds.items():
        limit = getattr(resource, name)
        # Only root may raise a limit that is set already, and nobody wants it raised.
        _, hard = resource.getrlimit(limit)
        held = bound if hard == resource.RLIM_INFINITY else min(bound, hard)
        resource.setrlimit(limit, (held, held))


def _answer(exercise: Exercise, space: dict[str, Any] | None, failure: str, cases: list[Any]) -> Answered:
    if space is None:
        return Answered("crashed", text=failure)
    if exercise.answer not in space:
        return Answered("odd", text="missing")
    return answered(exercise, space[exercise.answer], cases)


def main(file: str, descriptor: str, memory: str, seconds: str) -> None:
    """Answer every exercise that the parent asks for, in its order."""
    asked = json.loads(sys.stdin.buffer.read())
    torch.set_num_threads(1)
    exercises = [find(task["id"]) for task in asked]
    _limit(int(memory), int(seconds))
    out = os.fdopen(int(descriptor), "w", encoding="utf8")
    failure, space = "", None
    try:
        space = load(Path(file), [exercise.answer for exercise in exercises])
    except (Exception, SystemExit) as error:
        failure = own_traceback(error)
    out.write(json.dumps({"loaded": True}) + "\n")
    out.flush()
    for exercise, task in zip(exercises, asked, strict=True):
        given = _answer(exercise, space, failure, [_inputs(case) for case in task["cases"]])
        message = {
            "id": exercise.id,
            "state": given.state,
            "values": [encode(value) for value in given.values],
            "text": given.text[-LONGEST:],
            "case": given.case,
        }
        out.write(json.dumps(message) + "\n")
        out.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
