"""Recall in a Hopfield network: 10,000 probes, 100 patterns in 1,000 units, 100 asynchronous sweeps; time and memory.

Every contender updates one unit at a time for all probes together, in a new random order each sweep. The loops that people
write make one product of all probes with one column of the weights for each unit: on a CPU a few of their sweeps are
timed and scaled to 100 (a sweep is the same work each time; the row says how many were timed). gmlib makes one matrix
product for a block of units; its first row does as many sweeps as the loop, its second is the call that one would make,
which drops the probes that have settled and may be asked for 100 sweeps in full. A probe is a pattern with each bit
flipped with probability 0.2. Memory is the peak above what stood before the call, the copy of the probes included.
"""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from benchmarks.harness import Row, compare, now
from gmlib.energy import Hopfield, hebb, recall

PROBES, PATTERNS, UNITS, SWEEPS = 10_000, 100, 1_000, 100
FLIPPED = 0.2


def torch_loop(net: Hopfield, probes: Tensor, sweeps: int) -> Tensor:
    """One unit after the other, with torch."""
    x = probes.clone()
    for _ in range(sweeps):
        for i in torch.randperm(net.d).tolist():
            x[:, i] = torch.where(x @ net.weights[i] >= 0, 1.0, -1.0)
    return x


def numpy_loop(weights: np.ndarray, probes: np.ndarray, sweeps: int) -> np.ndarray:
    """One unit after the other, with numpy."""
    x, rng = probes.copy(), np.random.default_rng(0)
    for _ in range(sweeps):
        for i in rng.permutation(len(weights)):
            x[:, i] = np.where(x @ weights[i] >= 0, 1.0, -1.0)
    return x


def peak_megabytes(work: Callable[[], object]) -> float | None:
    """The most memory that one call holds above what was held before: the device's, or the process's (Linux only)."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        work()
        return round((torch.cuda.max_memory_allocated() - before) / 1e6, 1)
    try:
        ctypes.CDLL(None).malloc_trim(0)  # what was freed goes back, so that it is not reused unseen
        Path("/proc/self/clear_refs").write_text("5")  # the peak starts again from here
        before = _status("VmRSS")
        work()
        return round((_status("VmHWM") - before) / 1e3, 1)
    except (OSError, StopIteration, AttributeError):
        return None


def _status(key: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(key)).split()[1])


def run(*, rounds: int, clock: str) -> list[Row]:
    """Time the loops and gmlib's recall."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    generator = torch.Generator().manual_seed(0)
    patterns = 2 * torch.randint(2, (PATTERNS, UNITS), generator=generator).float() - 1
    flips = torch.rand(PROBES, UNITS, generator=generator) < FLIPPED
    probes = torch.where(flips, -1, 1) * patterns.repeat(PROBES // PATTERNS, 1)
    net, there = Hopfield(hebb(patterns).to(device)), probes.to(device)
    weights, table = net.weights.cpu().numpy(), probes.numpy()

    def some(sweeps: int) -> Callable[[], object]:
        return lambda: recall(net, there, sweeps=sweeps, stop_early=False)

    on_gpu = device.type == "cuda"
    loops, ours = (10, SWEEPS) if on_gpu else (1, 5)
    calls: dict[str, tuple[int, Callable[[], object]]] = {
        "torch loop": (loops, lambda: torch_loop(net, there, loops)),
        **({} if on_gpu else {"numpy loop": (loops, lambda: numpy_loop(weights, table, loops))}),
        "gmlib.energy, every sweep": (ours, some(ours)),
        "gmlib.energy": (SWEEPS, lambda: recall(net, there, sweeps=SWEEPS)),
    }

    def timed(sweeps: int, call: Callable[[], object]) -> Callable[[], float]:
        def measure() -> float:
            start = now(clock)
            call()
            return (now(clock) - start) * SWEEPS / sweeps

        return measure

    case = f"{PROBES:,} probes, {SWEEPS} sweeps"
    rows = compare(case, {name: timed(*call) for name, call in calls.items()}, rounds=rounds, clock=clock)
    found = recall(net, there, sweeps=SWEEPS)
    for row in rows:
        sweeps, call = calls[row.contender]
        row.extra["sweeps_timed"] = sweeps
        if sweeps < SWEEPS:
            row.extra["scaled"] = (
                f"{sweeps} of {SWEEPS} sweeps timed, the time multiplied by {SWEEPS // sweeps}"
            )
        row.extra["peak_megabytes"] = peak_megabytes(call)
    rows[-1].extra["probes_settled"] = round(found.settled.float().mean().item(), 4)
    rows[-1].extra["sweeps_until_all_settled"] = int(found.sweeps.max())
    rows[-1].extra["sweeps_until_settled_mean"] = round(found.sweeps.float().mean().item(), 2)
    return rows
