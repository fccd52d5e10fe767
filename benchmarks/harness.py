"""Interleaved timing of contenders that do the same work.

Each contender is a function that does one unit of work. Rounds are interleaved (A B C A B C ...), so that a machine whose
speed drifts slows all of them alike; what is compared is the median over rounds of the ratio within a round.
"""

from __future__ import annotations

import gc
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

from gmlib._files import write_text
from gmlib._machine import processor

RESULTS = Path(__file__).with_name("results")


@dataclass
class Row:
    """One contender of one case: seconds a unit of work (median, quartiles) and its ratio to the first contender."""

    case: str
    contender: str
    median: float
    quartiles: tuple[float, float]
    ratio: float
    ratio_quartiles: tuple[float, float]
    extra: dict[str, Any] = field(default_factory=dict)


def compare(
    case: str,
    contenders: Mapping[str, Callable[[], float | None]],
    *,
    rounds: int,
    clock: str,
    units: int = 1,
) -> list[Row]:
    """Time the contenders in turn; the first one is the yardstick.

    Args:
        case: name of the case.
        contenders: functions that do the same work, by name; one that returns a number has timed itself (in seconds a
            unit, by :func:`now`), to leave out its preparations.
        rounds: counted rounds, after one that is not counted.
        clock: "cpu" (the process's processor time: right on shared processors) or "wall"; on a GPU, wall time between
            synchronisations.
        units: units of work that one call does.
    """
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for round_ in range(rounds + 1):
        for name, work in contenders.items():
            gc.collect()
            start = now(clock)
            measured = work()
            if round_:
                times[name].append((now(clock) - start) / units if measured is None else measured)
    yardstick = next(iter(times.values()))
    rows = []
    for name, values in times.items():
        ratios = [a / b for a, b in zip(values, yardstick, strict=True)]
        rows.append(Row(case, name, *_middle(values), *_middle(ratios)))
        print(
            f"{case:<28} {name:<28} {1e3 * rows[-1].median:9.3f} ms   "
            f"ratio {rows[-1].ratio:.3f} [{rows[-1].ratio_quartiles[0]:.3f}, {rows[-1].ratio_quartiles[1]:.3f}]",
            flush=True,
        )
    return rows


def write(name: str, rows: list[Row], *, device: str, settings: Mapping[str, Any]) -> Path:
    """Write results with machine and versions to ``benchmarks/results/NAME-DEVICE.json``; device: "cpu" or "cuda"."""
    path = RESULTS / f"{name}-{device}.json"
    content = {
        "benchmark": name,
        "date": datetime.now(UTC).date().isoformat(),
        "machine": {
            "processor": processor(),
            "gpu": torch.cuda.get_device_name() if device == "cuda" else None,
            "system": platform.system(),
        },
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
        "settings": dict(settings),
        "rows": [asdict(row) for row in rows],
    }
    write_text(path, json.dumps(content, indent=1) + "\n")
    print(
        f"wrote {path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path}", file=sys.stderr
    )
    return path


def now(clock: str) -> float:
    """Seconds on the clock, once the device has done what it was told."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.process_time() if clock == "cpu" else time.perf_counter()


@contextmanager
def quiet() -> Iterator[None]:
    """Drop what is written to the error stream, from C++ too: the profiler announces itself there."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def peak_mb(step: Callable[[], None]) -> float:
    """The most memory, in MB, that a step holds above what it found."""
    gc.collect()  # what others left behind must not be freed on the way
    if torch.cuda.is_available():
        torch.cuda.synchronize()
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        step()
        return (torch.cuda.max_memory_allocated() - before) / 1e6
    with quiet(), profile(activities=[ProfilerActivity.CPU], profile_memory=True) as run:
        step()
    recorded: Any = run.profiler.kineto_results  # pyright: ignore[reportOptionalMemberAccess]
    held = highest = 0
    for event in sorted((e for e in recorded.events() if e.name() == "[memory]"), key=lambda e: e.start_ns()):
        held += event.nbytes()
        highest = max(highest, held)
    return highest / 1e6


def _middle(values: list[float]) -> tuple[float, tuple[float, float]]:
    low, _, high = statistics.quantiles(values, n=4)
    return statistics.median(values), (low, high)
