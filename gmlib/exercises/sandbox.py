"""Run a student's code in a process that can do no harm: bubblewrap, no network, limits, a deadline.

What the process may see: Python, this package and the one submission, all read-only, and an empty /tmp in memory.
"""

from __future__ import annotations

import json
import os
import selectors
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch

from gmlib.exercises._watch import overran
from gmlib.exercises.answers import Answered
from gmlib.exercises.exercise import Exercise
from gmlib.exercises.values import decode, encode, value

PACKAGE = Path(__file__).resolve().parents[1]
MOST = 1 << 21
"""Bytes that one submission may send."""
LOOK = 0.1
"""Seconds between two looks at what a submission's processes use."""


class NoSandbox(RuntimeError):
    """Student code cannot be confined on this machine; the message says why, and what to do."""


class NoUserNamespaces(NoSandbox):
    """Bubblewrap is here, but the kernel, or the container around us, refuses it a user namespace."""


REFUSALS = ("uid map", "new namespace", "RTM_NEWADDR")
"""What bubblewrap says then: it may have no namespace, or one (Ubuntu's AppArmor) in which it may do nothing."""


@dataclass(frozen=True)
class Limits:
    """What one submission may use.

    Attributes:
        seconds: wall-clock seconds for one exercise.
        start: wall-clock seconds to start Python and to load the submission.
        memory: bytes for each process, beyond what Python and torch take; all together may hold twice that.
    """

    seconds: float = 20.0
    start: float = 90.0
    memory: int = 2 << 30


@cache
def bubblewrap() -> str:
    """The path of a bubblewrap that works here.

    Raises:
        NoSandbox: there is none, or it does not make a sandbox.
        NoUserNamespaces: it may not make one.

    Example:
        >>> try:
        ...     found = bubblewrap()
        ... except NoSandbox as error:
        ...     found = str(error)
        >>> "bwrap" in found
        True
    """
    path = shutil.which("bwrap") if sys.platform == "linux" else None
    way_out = "Pass --trusted to run the code unconfined, if you trust everyone who wrote it."
    if path is None:
        raise NoSandbox(
            "student code runs under bubblewrap (bwrap), which is not here; on Linux install the package "
            f"bubblewrap. {way_out}"
        )
    trial = subprocess.run(
        [path, *_walls(Path(__file__)), sys.executable, "-c", "print(1)"], capture_output=True, text=True
    )
    says = trial.stderr.strip()[:300]
    if trial.returncode and any(refusal in says for refusal in REFUSALS):
        raise NoUserNamespaces(
            f"bubblewrap (bwrap) is refused user namespaces here, by the kernel or by the container around us: {says} "
            "On Ubuntu `sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0` allows them; a container has to "
            f"be started so that they are allowed. {way_out}"
        )
    if trial.returncode:
        raise NoSandbox(f"bubblewrap (bwrap) cannot make a sandbox here: {says} {way_out}")
    return path


def _walls(file: Path) -> list[str]:
    """Bubblewrap's arguments: what is seen, what is cut off."""
    python = {Path(p).resolve() for p in (sys.prefix, sys.base_prefix, sys.exec_prefix)}
    packages = {Path(torch.__file__).resolve().parents[1]}
    seen = [str(p) for p in sorted({*python, *packages})]
    links = [f"/{name}" for name in ("bin", "lib", "lib64", "lib32")]
    arguments = ["--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL", "--clearenv"]
    arguments += ["--ro-bind", "/usr", "/usr", "--ro-bind-try", "/etc/ld.so.cache", "/etc/ld.so.cache"]
    for link in links:
        path = Path(link)
        if path.is_symlink():
            arguments += ["--symlink", os.readlink(path), link]
        elif path.exists():
            arguments += ["--ro-bind", link, link]
    arguments += ["--proc", "/proc", "--dev", "/dev"]
    for memory in ("/dev/shm", "/tmp"):
        arguments += ["--size", str(1 << 26), "--tmpfs", memory]
    for path in seen:
        arguments += ["--ro-bind", path, path]
    if str(Path(sys.prefix)) not in seen:
        arguments += ["--ro-bind", sys.prefix, sys.prefix]
    arguments += [
        "--ro-bind",
        str(PACKAGE),
        "/code/gmlib",
        "--ro-bind",
        str(file),
        f"/submission/{file.name}",
    ]
    for name, text in {**_environment("/code"), "GMLIB_SANDBOX": "1", "HOME": "/tmp"}.items():
        arguments += ["--setenv", name, text]
    # What is left writable is the two folders of bounded size.
    return [*arguments, "--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/tmp"]


def _environment(path: str) -> dict[str, str]:
    threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    return {
        **threads,
        "PATH": "/usr/bin:/bin",
        "PYTHONPATH": path,
        "PYTHONDONTWRITEBYTECODE": "1",
        "GMLIB_PROGRESS": "off",
        "JAXTYPING_DISABLE": "1",
    }


def run(
    file: Path,
    tasks: list[tuple[Exercise, list[Any]]],
    *,
    trusted: bool = False,
    limits: Limits | None = None,
) -> dict[str, Answered | str]:
    """Use the answers of one submission on the inputs of some exercises.

    Args:
        file: the submission, ``.py`` or ``.ipynb``.
        tasks: exercises with their inputs.
        trusted: run without the sandbox, with deadlines and limits only.
        limits: what the code may use.

    Returns:
        For each exercise what its answer gave, or why there is nothing: ``"timed out"``, ``"ended early"``,
        ``"overran"`` (too many processes, or too much memory together), ``"unreadable"``.

    Raises:
        NoSandbox: ``trusted`` is false, and code cannot be confined here.

    Example:
        >>> import tempfile
        >>> from gmlib.exercises.registry import find
        >>> exercise = find("elbo.not-mle")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "ada.py")
        ...     _ = path.write_text("thetas = None")
        ...     run(path, [(exercise, exercise.inputs(0))], trusted=True)["elbo.not-mle"].state
        'not done'
    """
    if sys.platform == "win32":
        raise NoSandbox("grading needs Linux or macOS, where a process can be given a pipe to answer through")
    limits = limits or Limits()
    results: dict[str, Answered | str] = {}
    rest = list(tasks)
    while rest:
        found, loaded, why = _process(file, rest, trusted, limits)
        results.update(found)
        rest = [task for task in rest if task[0].id not in results]
        # The first that is missing is what stopped the process; the others get a process of their own. A file that
        # does not even load stops all of them.
        stopped, rest = (rest[:1], rest[1:]) if loaded else (rest, [])
        results.update({exercise.id: why for exercise, _ in stopped})
    return results


def _process(
    file: Path, tasks: list[tuple[Exercise, list[Any]]], trusted: bool, limits: Limits
) -> tuple[dict[str, Answered | str], bool, str]:
    """One process: what it gave, whether the submission was loaded, and why it stopped."""
    asked = [
        {
            "id": exercise.id,
            "cases": [
                {k: encode(value(v)) if isinstance(v, torch.Tensor) else v for k, v in case.items()}
                for case in cases
            ],
        }
        for exercise, cases in tasks
    ]
    reader, writer = os.pipe()
    seconds = int(limits.start + limits.seconds * len(tasks)) + 1
    shown = str(file.resolve()) if trusted else f"/submission/{file.name}"
    tail = ["-m", "gmlib.exercises._child", shown, str(writer), str(limits.memory), str(seconds)]
    if trusted:
        command = [sys.executable, *tail]
        environment = {**os.environ, **_environment(str(PACKAGE.parent))}
    else:
        command = [bubblewrap(), *_walls(file.resolve()), sys.executable, *tail]
        environment = {"PATH": "/usr/bin:/bin"}
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        pass_fds=[writer],
        env=environment,
        start_new_session=True,
    )
    os.close(writer)
    try:
        assert process.stdin is not None
        try:
            process.stdin.write(json.dumps(asked).encode())
            process.stdin.close()
        except OSError:
            pass
        return _listen(reader, process.pid, [exercise for exercise, _ in tasks], limits)
    finally:
        os.close(reader)
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the process and what it started in its session."""
    try:
        os.killpg(process.pid, 9)
    except OSError:
        process.kill()
    process.wait()


def _listen(
    reader: int, pid: int, exercises: list[Exercise], limits: Limits
) -> tuple[dict[str, Answered | str], bool, str]:
    """Read one line an exercise, in their order, each before its deadline; nothing in a line is trusted."""
    found: dict[str, Answered | str] = {}
    buffer, total, loaded = b"", 0, False
    with selectors.DefaultSelector() as selector:
        selector.register(reader, selectors.EVENT_READ)
        deadline = time.monotonic() + limits.start
        while len(found) < len(exercises):
            while b"\n" not in buffer:
                left = deadline - time.monotonic()
                if left <= 0:
                    return found, loaded, "timed out"
                if overran(pid, 2 * limits.memory):
                    return found, loaded, "overran"
                if not selector.select(min(left, LOOK)):
                    continue
                part = os.read(reader, 1 << 16)
                total += len(part)
                if not part:
                    return found, loaded, "ended early"
                if total > MOST:
                    return found, loaded, "unreadable"
                buffer += part
            line, buffer = buffer.split(b"\n", 1)
            if not loaded:
                loaded = True
            else:
                exercise = exercises[len(found)]
                found[exercise.id] = _read(line, exercise)
            deadline = time.monotonic() + limits.seconds
    return found, loaded, ""


def _read(line: bytes, exercise: Exercise) -> Answered | str:
    """One message; anything but the values of an answer, or a reason for none, is unreadable."""
    try:
        message = json.loads(line)
        state = message["state"]
        if message["id"] != exercise.id or state not in ("values", "not done", "crashed", "odd"):
            return "unreadable"
        values = tuple(decode(part) for part in message["values"]) if state == "values" else ()
        case = int(message["case"])
        # Half of a surrogate pair is no character: it would stop whoever writes the marks.
        text = str(message["text"])[:5000].encode("utf8", "replace").decode()
        return Answered(state, values, text, max(case, 0))
    except (ValueError, KeyError, TypeError, RecursionError, OverflowError):
        return "unreadable"
