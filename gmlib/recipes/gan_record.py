"""Chapter 14: what was seen of the games on the grid, written and read."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from gmlib._files import write_text
from gmlib.recipes.gan_cures import Cure

RECORD = Path(__file__).with_name("gan_grid.json")
"""The recorded runs, packaged with gmlib."""

TABLES = ("modes", "share", "reverse_kl", "nearest_modes")
"""What is kept of every look."""


@dataclass
class GridRun:
    """Several games of one cure, watched.

    Attributes:
        cure: how they were played.
        law: on what.
        seed: of the first game's initial weights.
        step: steps of the generator done at each look.
        modes: [game][look], modes with a sample within the radius.
        share: [game][look], share of the samples within the radius of a mode.
        reverse_kl: [game][look], nats, of the histogram of these over the modes from equal shares; log k if there is none.
        nearest_modes: [game][look], modes that are the nearest one of some sample, wherever it is.
        seconds: processor time of all games together (of a recipe: time on a busy machine).
        diverged: the step at which a number ceased to be finite, or None.
        recipe: the recipe whose seeds these are; "" for games side by side.

    Example:
        >>> from gmlib.recipes.gan_grid import Cure, play_grid
        >>> run = play_grid(Cure("plain"), games=2, steps=2, every=1, samples=10)
        >>> run.step, len(run.modes), len(run.modes[0])
        ([0, 1, 2], 2, 3)
    """

    cure: Cure
    law: str
    seed: int
    step: list[int] = field(default_factory=list)
    modes: list[list[int]] = field(default_factory=list)
    share: list[list[float]] = field(default_factory=list)
    reverse_kl: list[list[float]] = field(default_factory=list)
    nearest_modes: list[list[int]] = field(default_factory=list)
    seconds: float = 0.0
    diverged: int | None = None
    recipe: str = ""


def run_of_recipe(cure: Cure, records: Sequence[dict[str, Any]]) -> GridRun:
    """The run that the seeds of a recipe make, for the record.

    Args:
        cure: how the recipe plays.
        records: what :func:`gmlib.train.run` returned for each seed, with evaluations on the way.

    Example:
        >>> history = {"evaluate.step": [4], **{f"evaluate.{name}": [1.0] for name in TABLES}}
        >>> run = run_of_recipe(Cure("plain"), [{"name": "gan-grid", "seed": 0, "seconds": 9.0, "history": history}])
        >>> run.step, run.modes
        ([2], [[1]])
    """
    histories = [entry["history"] for entry in records]
    moves = cure.critic_steps + 1
    run = GridRun(cure, "sixteen_gaussians", records[0]["seed"], recipe=records[0]["name"])
    run.step = [step // moves for step in histories[0]["evaluate.step"]]
    for name in TABLES:
        values = [history[f"evaluate.{name}"] for history in histories]
        setattr(run, name, [[int(v) for v in each] for each in values] if "modes" in name else values)
    run.seconds = sum(entry["seconds"] for entry in records)
    return run


def recorded_runs(path: Path | None = None) -> list[GridRun]:
    """The runs of the record, on the sixteen Gaussians and on the ring of eight.

    Args:
        path: the file; None is the one that comes with gmlib.

    Example:
        >>> from gmlib.recipes.gan_grid import recorded_runs
        >>> recorded_runs()[0].cure.name
        'plain'
    """
    content = json.loads((path or RECORD).read_text())
    runs = []
    for entry in content["runs"]:
        cure = entry.pop("cure")
        runs.append(GridRun(Cure(**cure | {"critic_widths": tuple(cure["critic_widths"])}), **entry))
    return runs


def record(runs: Sequence[GridRun], path: Path) -> None:
    """Write runs, the shares and divergences rounded to four digits, with torch's version.

    Args:
        runs: the runs.
        path: where to.

    Example:
        >>> import tempfile
        >>> from gmlib.recipes.gan_grid import Cure, play_grid, record
        >>> run = play_grid(Cure("plain"), games=1, steps=1, every=1, samples=10)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     record([run], Path(folder, "runs.json"))
        ...     Path(folder, "runs.json").is_file()
        True
    """

    def rounded(value: Any) -> Any:
        if isinstance(value, list):
            return [rounded(v) for v in value]
        return round(value, 4) if isinstance(value, float) else value

    entries = [{k: rounded(v) for k, v in dataclasses.asdict(run).items()} for run in runs]
    lines = ",\n  ".join(json.dumps(entry) for entry in entries)
    write_text(path, f'{{\n "torch": "{torch.__version__}",\n "runs": [\n  {lines}\n ]\n}}\n')
