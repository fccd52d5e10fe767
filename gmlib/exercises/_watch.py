"""What a submission's processes use together, seen from outside.

The limits that each process has do not bound their sum, and the system does not count the processes of root at all.
"""

from __future__ import annotations

import os
from pathlib import Path

TASKS = 16
"""Processes and threads that a submission may have at once, the sandbox's own among them."""


def overran(pid: int, memory: int) -> bool:
    """Whether a process and all below it are too many, or hold too much memory of their own together.

    Args:
        pid: the process.
        memory: bytes that they may hold.

    Example:
        >>> overran(os.getpid(), 1 << 40), overran(os.getpid(), 0)
        (False, True)
    """
    waiting, tasks, held = [pid], 0, 0
    while waiting and tasks <= TASKS and held <= memory:
        folder = Path("/proc", str(waiting.pop()))
        try:
            _, resident, shared = (folder / "statm").read_text().split()[:3]
            held += (int(resident) - int(shared)) * os.sysconf("SC_PAGE_SIZE")
            for task in (folder / "task").iterdir():
                tasks += 1
                waiting += map(int, (task / "children").read_text().split())
        except (OSError, ValueError):
            continue  # it has ended, or this system has no such files
    return tasks > TASKS or held > memory
