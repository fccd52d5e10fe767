"""Chapter 05: what flows of several kinds learn of planar laws, on record, beside the best normal law and the entropy."""

from __future__ import annotations

import argparse
import dataclasses
import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from gmlib._files import write_text
from gmlib.recipe import Recipe
from gmlib.recipes.flow import KINDS, gaussian_kl, planar_law, plane_grid
from gmlib.train import run
from gmlib.training import TrainConfig

RECORD = Path(__file__).with_name("flow_plane.json")
"""The recorded rows, packaged with gmlib."""

LAWS = ("two_moons", "cross", "banana", "eight_gaussians")
"""The laws of the table."""

OPTIONS: dict[str, dict[str, Any]] = {
    "nice": {"layers": 8, "hidden": [64, 64]},
    "real_nvp": {"layers": 8, "hidden": [64, 64]},
    "maf": {"layers": 8, "hidden": [64, 64]},
    "spline_coupling": {"layers": 6, "bins": 8, "hidden": [64, 64]},
}
"""The flows of the table, of about the same number of parameters."""

TRAIN = TrainConfig(
    steps=3000,
    batch_size=256,
    lr=2e-3,
    lr_schedule="cosine",
    warmup=100,
    grad_clip=5.0,
    ema_decay=0.995,
    device="cpu",
    checkpoint_every=0,
    log_every=500,
)
"""How each of them is trained."""


@dataclass(frozen=True)
class PlaneRow:
    """A flow on a planar law, trained with several seeds.

    Attributes:
        law: name of the law.
        kind: of the flow.
        parameters: how many numbers it learns.
        kl: divergence from the law to the flow in nats, by quadrature, one a seed: held-out negative log-likelihood minus
            the law's entropy, free of a sample's noise.
        seconds: of training, on a shared processor core, the mean of the seeds.

    Example:
        >>> PlaneRow("cross", "nice", 10, (0.2, 0.4, 0.3), 1.0).mean
        0.3
    """

    law: str
    kind: str
    parameters: int
    kl: tuple[float, ...]
    seconds: float

    @property
    def mean(self) -> float:
        """Mean over the seeds."""
        return statistics.fmean(self.kl)

    @property
    def spread(self) -> float:
        """Standard deviation over the seeds, with n - 1."""
        return statistics.stdev(self.kl)


@dataclass(frozen=True)
class PlaneRecord:
    """The table: rows, and for each law its entropy and what the best normal law misses.

    Attributes:
        rows: by law and kind.
        entropy: of each law, nats: the negative log-likelihood of the law itself, whose row is 0.
        gaussian: divergence of each law to the normal law of its mean and covariance, nats: the row that a stack of affine
            layers cannot leave.
    """

    rows: Mapping[tuple[str, str], PlaneRow]
    entropy: Mapping[str, float]
    gaussian: Mapping[str, float]


def recorded_rows(path: Path | None = None) -> PlaneRecord:
    """The record.

    Args:
        path: the file; None is the one that comes with gmlib.

    Example:
        >>> from gmlib.recipes.flow_record import recorded_rows
        >>> round(recorded_rows().entropy["two_moons"], 4)
        1.0076
    """
    content = json.loads((path or RECORD).read_text())
    rows = [PlaneRow(**{**row, "kl": tuple(row["kl"])}) for row in content["rows"]]
    laws = content["laws"]
    return PlaneRecord(
        {(row.law, row.kind): row for row in rows},
        {name: law["entropy"] for name, law in laws.items()},
        {name: law["gaussian"] for name, law in laws.items()},
    )


def plane_recipe(law: str, kind: str, *, steps: int | None = None) -> Recipe:
    """The recipe of a row.

    Args:
        law: name of the law.
        kind: of the flow, a key of ``OPTIONS``.
        steps: of training, instead of those of ``TRAIN``.

    Example:
        >>> plane_recipe("cross", "nice", steps=5).train.steps
        5
    """
    return Recipe(
        name=f"{law}-{kind}",
        task="gmlib.recipes.flow:plane_flow",
        options={"law": law, "kind": kind, "options": OPTIONS[kind]},
        train=dataclasses.replace(TRAIN, steps=steps or TRAIN.steps),
        file=f"{law}-{kind}.safetensors",
        dtype=torch.float32,
        data=f"gmlib.distributions.{law}: fresh points in every step",
    )


def plane_row(
    law: str, kind: str, *, seeds: Sequence[int] = (0, 1, 2), steps: int | None = None, out: Path
) -> PlaneRow:
    """Train a row and measure it; a run that was broken off goes on, a finished one in ``out`` is only measured again.

    Args:
        law: name of the law.
        kind: of the flow.
        seeds: of the runs.
        steps: of training, instead of those of ``TRAIN``.
        out: folder for the runs.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     row = plane_row("eight_gaussians", "nice", seeds=[0], steps=1, out=Path(folder))
        >>> row.kind, len(row.kl)
        ('nice', 1)
    """
    recipe = plane_recipe(law, kind, steps=steps)
    found = [run(recipe.with_seed(seed), out=out / recipe.name / f"seed-{seed}") for seed in seeds]
    model = KINDS[kind](2, **OPTIONS[kind])
    return PlaneRow(
        law,
        kind,
        sum(p.numel() for p in model.parameters()) + 4,  # and the last layer's means and deviations
        tuple(each["metrics"]["kl"] for each in found),
        statistics.fmean(each["seconds"] for each in found),
    )


def record(rows: Sequence[PlaneRow], path: Path) -> None:
    """Write rows with the settings they were made with, and torch's version.

    Args:
        rows: the rows.
        path: where to.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     record([PlaneRow("eight_gaussians", "nice", 7, (0.5, 0.25), 1.0)], Path(folder, "rows.json"))
        ...     table = recorded_rows(Path(folder, "rows.json"))
        >>> table.rows["eight_gaussians", "nice"].kl, round(table.entropy["eight_gaussians"], 4)
        ((0.5, 0.25), 1.6981)
    """
    laws = {
        name: {
            "entropy": round(plane_grid(planar_law(name)).entropy, 6),
            "gaussian": round(gaussian_kl(planar_law(name)), 6),
        }
        for name in dict.fromkeys(row.law for row in rows)
    }
    entries = [
        {
            **dataclasses.asdict(row),
            "kl": [round(value, 5) for value in row.kl],
            "seconds": round(row.seconds, 1),
        }
        for row in rows
    ]
    parts = {
        "torch": json.dumps(torch.__version__),
        "train": json.dumps(dataclasses.asdict(TRAIN)),
        "options": json.dumps(OPTIONS),
        "laws": json.dumps(laws),
        "rows": "[\n  " + ",\n  ".join(json.dumps(entry) for entry in entries) + "\n ]",
    }
    write_text(path, "{\n" + ",\n".join(f' "{key}": {text}' for key, text in parts.items()) + "\n}\n")


def main(arguments: Sequence[str] | None = None) -> None:
    """Train all rows and write the record: ``python -m gmlib.recipes.flow_record --runs FOLDER``.

    It may be stopped and started again, and several may work on one folder if their laws or kinds differ.

    Args:
        arguments: words of the command line; None takes those of the process.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     main(["--runs", folder, "--laws", "eight_gaussians", "--kinds", "nice", "--seeds", "0", "1", "--steps", "1",
        ...           "--out", f"{folder}/rows.json"])
        ...     list(recorded_rows(Path(folder, "rows.json")).rows)
        [('eight_gaussians', 'nice')]
    """
    parser = argparse.ArgumentParser(
        description="Train flows on planar laws and write the record of chapter 05."
    )
    parser.add_argument("--runs", type=Path, required=True, help="folder for the runs")
    parser.add_argument("--laws", nargs="+", default=list(LAWS), choices=LAWS)
    parser.add_argument("--kinds", nargs="+", default=list(OPTIONS), choices=list(OPTIONS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, help="of training, to try it out")
    parser.add_argument(
        "--out", type=Path, default=RECORD, help="where to write (default: the record of gmlib)"
    )
    options = parser.parse_args(arguments)
    rows = [
        plane_row(law, kind, seeds=options.seeds, steps=options.steps, out=options.runs)
        for law in options.laws
        for kind in options.kinds
    ]
    record(rows, options.out)


if __name__ == "__main__":
    main()
