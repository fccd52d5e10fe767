"""What the processes of a group learn together: ``python -m torch.distributed.run --nproc-per-node 2 shared.py OUT``.

Each process writes what it has learnt, and what it was refused, to OUT/rank-N.json.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).parent))
from test_turns import config, game
from toy import CONFIG, make_task

from gmlib.training import TrainConfig, train


def regression(out: Path, batch_size: int = 24) -> dict[str, Any]:
    """One network; no normalisation by the batch, of which each process sees only its part."""
    task = make_task()
    torch.manual_seed(0)
    task.model = torch.nn.Sequential(torch.nn.Linear(3, 16), torch.nn.Tanh(), torch.nn.Linear(16, 1))
    changes = {"steps": 20, "log_every": 1, "batch_size": batch_size}
    result = train(task, TrainConfig(**(CONFIG | changes)), out=out)
    assert task.evaluate is not None
    return {"history": result.history, "mse": task.evaluate(result.final.eval())["mse"]}


def players(out: Path) -> dict[str, Any]:
    """Two networks that take turns."""
    result = train(game(2), config(12, log_every=1, grad_clip=1.0), out=out)
    return {"history": result.history, "weights": [p.tolist() for p in result.final.parameters()]}


def main(out: Path) -> None:
    """Learn both, and ask for a batch that cannot be shared."""
    try:
        regression(out / "refused", batch_size=23)
        refused = ""
    except ValueError as error:
        refused = str(error)
    told = {
        "refused": refused,
        "regression": regression(out / "regression"),
        "players": players(out / "players"),
    }
    told["world"] = torch.distributed.get_world_size()
    (out / f"rank-{os.environ['RANK']}.json").write_text(json.dumps(told))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
