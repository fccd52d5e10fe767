"""Train a recipe: ``python -m gmlib.train RECIPE.toml [--out DIR] [--seeds 0 1 2] [--set key=value ...] [--register]``.

A recipe is a TOML file::

    name = "vae-mnist"                          # of the checkpoint
    task = "gmlib.recipes.vae:mnist_vae"        # module:function; returns a gmlib.training.Task
    data = "MNIST, embedded subset"             # for the manifest

    [task_options]                              # keywords of that function
    latent = 16

    [train]                                     # fields of gmlib.training.TrainConfig
    steps = 5000

    [export]                                    # the weights to keep
    file = "vae-mnist.safetensors"
    dtype = "bfloat16"                          # or float32, float16

A task may be a game of several players (a tuple of losses, see :class:`gmlib.training.Task`): the settings of
``[train]`` hold for all of them, ``optimizer = "sgd"`` or ``beta1 = 0.0`` among them, ``steps`` counts the steps of
every player, and the weights of all are exported.

torch's default generator is seeded with the seed before the task is made, so that the initial weights depend
on it alone. What is recorded is measured on the weights as exported. On several devices: ``torchrun
--nproc-per-node 2 -m gmlib.train RECIPE.toml`` or ``accelerate launch -m gmlib.train RECIPE.toml``.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from gmlib._files import write_tensors, write_text
from gmlib.checkpoints import register
from gmlib.data.files import assets_folder
from gmlib.recipe import Recipe, load_recipe
from gmlib.training import OutOfMemory, Task, TrainingDiverged, train


def run(recipe: Recipe, *, out: Path, resume: bool = True, progress: bool = False) -> dict[str, Any]:
    """Train a recipe with the seed of its ``[train]`` table, export the weights and measure them.

    Args:
        recipe: what to train.
        out: folder for the checkpoint, the weights and ``metrics.json``.
        resume: go on from a checkpoint in ``out``, which must be of the same task, options and settings.
        progress: show a progress bar.

    Returns:
        What ``metrics.json`` holds: ``name``, ``seed``, ``metrics``, ``seconds``, ``steps_per_second``,
        ``device``, ``history``.

    Raises:
        TrainingDiverged: a term of the loss turned NaN or infinite.
        OutOfMemory: a step does not fit into the device's memory.
        OSError: a file cannot be written.
        ValueError: recipe, task or checkpoint do not fit together.

    Example:
        Two steps of one of the book's recipes:

        >>> import tempfile
        >>> folder = (assets_folder() or Path()) / "recipes"
        >>> recipe = load_recipe(folder / "vae-digits.toml", ["steps=2", "device=cpu"])
        >>> with tempfile.TemporaryDirectory() as out:
        ...     record = run(recipe, out=Path(out))
        ...     sorted(path.name for path in Path(out).iterdir())
        ['checkpoint.safetensors', 'metrics.json', 'vae-digits.safetensors']
        >>> record["history"]["step"]
        [2]
    """
    torch.manual_seed(recipe.train.seed)
    task = recipe.make_task()
    result = train(
        task, recipe.train, out=out, resume=resume, progress=progress, fingerprint=recipe.fingerprint
    )
    exported = _export_weights(result.final, recipe.dtype)
    torch.manual_seed(recipe.train.seed)  # for an evaluation that draws from the default generator
    metrics = _measure(task, result.final, exported)
    record = {
        "name": recipe.name,
        "seed": recipe.train.seed,
        "metrics": metrics,
        "seconds": round(result.seconds, 1),
        "steps_per_second": round(result.steps_per_second, 1),
        "device": _describe(result.device),
        "history": result.history,
    }
    if result.rank == 0:
        write_tensors(out / recipe.file, exported, {"name": recipe.name, "seed": str(recipe.train.seed)})
        _write_json(out / "metrics.json", record)
    return record


def _export_weights(model: nn.Module, dtype: torch.dtype) -> dict[str, Tensor]:
    """A copy of the model's weights on the CPU, the floating ones in ``dtype``."""
    return {
        name: tensor.detach().to("cpu", dtype if tensor.is_floating_point() else None, copy=True).contiguous()
        for name, tensor in model.state_dict().items()
    }


@torch.no_grad()
def _measure(task: Task, model: nn.Module, weights: dict[str, Tensor]) -> dict[str, float]:
    """The task's evaluation of ``model`` with ``weights``; empty for a task that has none."""
    if task.evaluate is None:
        return {}
    model = copy.deepcopy(model).eval()
    model.load_state_dict(weights)
    return {name: float(value) for name, value in task.evaluate(model).items()}


def over_seeds(records: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Metrics of each seed, their mean and their spread (standard deviation with n - 1; none for a single seed).

    Args:
        records: what :func:`run` returned for each seed.

    Example:
        >>> records = [{"seed": seed, "metrics": {"nll": 95.0 + seed}} for seed in (0, 1, 2)]
        >>> over_seeds(records)["mean"], over_seeds(records)["spread"]
        ({'nll': 96.0}, {'nll': 1.0})
    """
    seeds = {str(record["seed"]): record["metrics"] for record in records}
    names = list(records[0]["metrics"])
    values = {name: [record["metrics"][name] for record in records] for name in names}
    spread = {name: statistics.stdev(v) for name, v in values.items()} if len(records) > 1 else {}
    return {
        "seeds": seeds,
        "mean": {name: statistics.fmean(v) for name, v in values.items()},
        "spread": spread,
    }


def _describe(device: torch.device) -> str:
    """The device and torch's version, for the record."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type.upper()
    return f"{name}, torch {torch.__version__}"


def _write_json(path: Path, content: dict[str, Any]) -> None:
    write_text(path, json.dumps(content, indent=2) + "\n")


def _recipe_name(path: Path) -> str:
    """The recipe's path in the repository, or its file name when it lies elsewhere."""
    folder = assets_folder()
    root = None if folder is None else folder.parent
    if root is None or not path.resolve().is_relative_to(root):
        return path.name
    return path.resolve().relative_to(root).as_posix()


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line.

    Args:
        arguments: its words; None for those of this process.

    Returns:
        The exit status: 0, or 1 after an error, which is printed in one line.

    Example:
        >>> main(["no-such-recipe.toml"])
        1
    """
    parser = argparse.ArgumentParser(prog="python -m gmlib.train", description="Train a recipe.")
    parser.add_argument("recipe", type=Path, help="the recipe, a TOML file")
    parser.add_argument("--out", type=Path, help="folder for the results (default: runs/NAME)")
    parser.add_argument(
        "--seeds", type=int, nargs="+", help="seeds to train; the weights of the first are exported"
    )
    parser.add_argument("--device", help="auto, cpu, cuda, mps, ... (default: the recipe's)")
    parser.add_argument(
        "--set",
        nargs="+",
        action="extend",
        default=[],
        metavar="KEY=VALUE",
        dest="changes",
        help="change the recipe: steps=10 (in [train]), task_options.latent=2, export.dtype=float32",
    )
    parser.add_argument("--fresh", action="store_true", help="start over instead of resuming")
    parser.add_argument("--no-progress", action="store_true", help="show no progress bar")
    parser.add_argument(
        "--register", action="store_true", help="copy the weights to assets/ and the manifest"
    )
    args = parser.parse_args(arguments)
    changes = list(args.changes) + ([f"device={args.device}"] if args.device else [])
    try:
        recipe = load_recipe(args.recipe, changes)
        out = args.out or Path("runs") / recipe.name
        records = []
        for seed in args.seeds or [recipe.train.seed]:
            record = run(
                recipe.with_seed(seed),
                out=out / f"seed-{seed}",
                resume=not args.fresh,
                progress=not args.no_progress and sys.stderr.isatty(),
            )
            records.append(record)
        if os.environ.get("RANK", "0") != "0":
            return 0  # process 0 speaks and writes for all
        for record in records:
            shown = (
                ", ".join(f"{name} {value:.4g}" for name, value in record["metrics"].items()) or "no metrics"
            )
            print(
                f"{recipe.name}, seed {record['seed']}: {shown}; {record['seconds']} s on {record['device']}"
            )
        summary = over_seeds(records)
        _write_json(out / "metrics.json", {"name": recipe.name, "metrics": summary})
        for name, mean in summary["mean"].items() if len(records) > 1 else ():
            print(f"{name}: mean {mean:.4f}, spread {summary['spread'][name]:.4f} over {len(records)} seeds")
        if args.register:
            first = records[0]
            entry = {
                "recipe": _recipe_name(args.recipe),
                "seed": first["seed"],
                "data": recipe.data,
                "device": first["device"],
                "time": first["seconds"],
                "metrics": summary,
            }
            written = register(recipe.name, out / f"seed-{first['seed']}" / recipe.file, entry)
            print(
                f"registered {recipe.name}: assets/checkpoints/{written.file}, SHA-256 {written.sha256[:12]}..."
            )
    except (ValueError, TypeError, ImportError, OSError, TrainingDiverged, OutOfMemory) as error:
        print(f"gmlib.train: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
