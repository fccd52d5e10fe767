"""Train the toy task in pieces that are killed, each at a moment of its own: ``python killed.py OUT STEPS KILLS SEED``.

OUT/killed is the run in pieces, OUT/whole the same in one go; the moments are printed as JSON. Torch is loaded once: each
piece is a fork of this process, which itself computes nothing.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import safetensors.torch
import torch._dynamo  # noqa: F401 - the first step of an optimiser imports it, for seconds: here once for all pieces
from toy import CONFIG, make_task

from gmlib import _files
from gmlib.training import TrainConfig, train

EVERY = 5
MOMENTS = ("step", "half", "written", "renamed")
"""In the loss of a step; with half of a checkpoint written, all of it, and with the checkpoint in its place."""


def die(*_: Any) -> None:
    """End here and now, as when the power fails."""
    os.kill(os.getpid(), signal.SIGKILL)


def at_call(number: int, before: Callable[..., Any], after: Callable[..., Any]) -> Callable[..., Any]:
    """``before``, and from its call ``number`` on followed by ``after`` with the same arguments."""
    calls = 0

    def counted(*arguments: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        result = before(*arguments, **named)
        if calls == number:
            after(*arguments)
        return result

    return counted


def halve(_: Any, path: Path, *__: Any) -> None:
    """Leave half of the file, and end."""
    os.truncate(path, path.stat().st_size // 2)
    die()


def piece(out: Path, steps: int, moment: str, number: int) -> None:
    """Go on with the run in OUT, and end at a moment, when it comes for the given time; 0: to the last step."""
    task = make_task()
    if moment == "step":
        task.loss = at_call(number, task.loss, die)  # pyright: ignore[reportArgumentType]
    elif moment == "half":
        safetensors.torch.save_file = at_call(number, safetensors.torch.save_file, halve)
    elif moment == "written":
        _files.os.fsync = at_call(number, os.fsync, die)
    else:
        Path.replace = at_call(number, Path.replace, die)  # type: ignore[method-assign]
    train(task, TrainConfig(steps=steps, checkpoint_every=EVERY, evaluate_every=20, **CONFIG), out=out)


def main() -> None:
    """The run in pieces, then the whole one."""
    out, (steps, kills, seed) = Path(sys.argv[1]), map(int, sys.argv[2:])
    draw = random.Random(seed)
    moments = []
    for _ in range(kills):
        moment = draw.choice(MOMENTS)
        # Between the checkpoints and beyond: some pieces get on, and some are lost altogether.
        moments.append((moment, draw.randint(1, 2 * EVERY + 2) if moment == "step" else draw.randint(1, 2)))
    ends = []
    for folder, moment, number in [
        *(("killed", *m) for m in moments),
        ("killed", "step", 0),
        ("whole", "step", 0),
    ]:
        if (child := os.fork()) == 0:
            piece(out / folder, steps, moment, number)
            os._exit(0)
        ends.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    print(json.dumps({"moments": [moment for moment, _ in moments], "ends": ends}))


if __name__ == "__main__":
    main()
