"""Chapter 06: likelihoods of binarised MNIST on record: the floors, and machines trained by CD and by PCD."""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from gmlib._files import write_text
from gmlib.recipes.rbm import binary_digits
from gmlib.recipes.rbm_floors import BernoulliMixture

RECORD = Path(__file__).with_name("rbm_mnist.json")
"""The recorded rows, packaged with gmlib."""


@dataclass(frozen=True)
class LikelihoodRow:
    """A model of binarised MNIST, trained on the 60,000 images and measured on the fixed bits of the 10,000.

    Attributes:
        name: of the model.
        steps: steps of learning, or of expectation-maximisation.
        test: log-likelihood of the test images, nats an image, their mean.
        error: standard error of that mean over the images.
        train: of the first 10,000 training images.
        subset: of the 2,000 test images that ship with the book.
        log_z_error: standard error of log Z; 0 where the likelihood is exact.
        effective_runs: effective number of annealing runs, of 100; 0 where the likelihood is exact.
        reconstruction: mean absolute error a pixel of the mean-field reconstruction of the test images; 0 for a floor.
        seconds: time on a shared processor core.

    Example:
        >>> from gmlib.recipes.rbm_record import recorded_rows
        >>> recorded_rows()["independent bits"].log_z_error
        0.0
    """

    name: str
    steps: int
    test: float
    error: float
    train: float
    subset: float
    log_z_error: float = 0.0
    effective_runs: float = 0.0
    reconstruction: float = 0.0
    seconds: float = 0.0


def recorded_rows(path: Path | None = None) -> dict[str, LikelihoodRow]:
    """The rows of the record, by name.

    Args:
        path: the file; None is the one that comes with gmlib.

    Example:
        >>> from gmlib.recipes.rbm_record import recorded_rows
        >>> next(iter(recorded_rows()))
        'independent bits'
    """
    content = json.loads((path or RECORD).read_text())
    return {row["name"]: LikelihoodRow(**row) for row in content["rows"]}


def floor_row(K: int, *, full: bool = True, steps: int = 60) -> LikelihoodRow:
    """Fit a mixture of K tables of independent bits and measure it.

    Args:
        K: number of components.
        full: the whole set; otherwise the embedded one.
        steps: of expectation-maximisation.

    Example:
        >>> from gmlib.recipes.rbm_record import floor_row
        >>> -215 < floor_row(1, full=False).test < -200
        True
    """
    train = binary_digits("train", full=full)
    law = BernoulliMixture(train, K, steps=steps, generator=torch.Generator().manual_seed(0))
    test, subset = law.log_prob(binary_digits("test", full=full)), law.log_prob(binary_digits("test"))
    return LikelihoodRow(
        "independent bits" if K == 1 else f"mixture of {K}",
        1 if K == 1 else steps,
        test.mean().item(),
        (test.std() / len(test) ** 0.5).item(),
        law.log_prob(train[:10_000]).mean().item(),
        subset.mean().item(),
    )


def row_of_run(name: str, steps: int, run: dict[str, Any]) -> LikelihoodRow:
    """The row of a run of the recipe.

    Args:
        name: of the row.
        steps: of learning.
        run: what :func:`gmlib.train.run` returned.

    Example:
        >>> names = ("log_z_error", "effective_runs", "test_log_likelihood", "test_error", "train_log_likelihood",
        ...          "subset_log_likelihood", "test_reconstruction")
        >>> from gmlib.recipes.rbm_record import row_of_run
        >>> row_of_run("PCD-1", 10, {"metrics": dict.fromkeys(names, 1.5), "seconds": 9.0}).test
        1.5
    """
    seen = run["metrics"]
    return LikelihoodRow(
        name,
        steps,
        seen["test_log_likelihood"],
        seen["test_error"],
        seen["train_log_likelihood"],
        seen["subset_log_likelihood"],
        seen["log_z_error"],
        seen["effective_runs"],
        seen["test_reconstruction"],
        run["seconds"],
    )


def record(rows: Sequence[LikelihoodRow], path: Path) -> None:
    """Write rows, rounded to four digits, with torch's version.

    Args:
        rows: the rows.
        path: where to.

    Example:
        >>> import tempfile
        >>> from gmlib.recipes.rbm_record import record, recorded_rows
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     record(list(recorded_rows().values()), Path(folder, "rows.json"))
        ...     recorded_rows(Path(folder, "rows.json")) == recorded_rows()
        True
    """
    entries = [
        {k: round(v, 4) if isinstance(v, float) else v for k, v in dataclasses.asdict(row).items()}
        for row in rows
    ]
    lines = ",\n  ".join(json.dumps(entry) for entry in entries)
    write_text(path, f'{{\n "torch": "{torch.__version__}",\n "rows": [\n  {lines}\n ]\n}}\n')


def main(arguments: Sequence[str] | None = None) -> None:
    """Fit the floors and write the record: ``python -m gmlib.recipes.rbm_record NAME:STEPS:METRICS.json ...``.

    Each further row is a run of ``assets/recipes/rbm-mnist.toml``, for CD-25 with ``--set task_options.method=cd
    task_options.k=25``, and the ``metrics.json`` of its seed.

    Args:
        arguments: words of the command line; None takes those of the process.

    Example:
        >>> import tempfile
        >>> from gmlib.recipes.rbm_record import main, recorded_rows
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     main(["--components", "1", "--embedded", "--out", f"{folder}/rows.json"])
        ...     list(recorded_rows(Path(folder, "rows.json")))
        ['independent bits']
    """
    parser = argparse.ArgumentParser(description="Fit the floors and write the record of chapter 06.")
    parser.add_argument("runs", nargs="*", help="NAME:STEPS:FILE of each run")
    parser.add_argument(
        "--out", type=Path, default=RECORD, help="where to write (default: the record of gmlib)"
    )
    parser.add_argument(
        "--components", type=int, nargs="*", default=[1, 10, 500], help="of the mixtures to fit"
    )
    parser.add_argument("--embedded", action="store_true", help="fit and measure them on the embedded images")
    options = parser.parse_args(arguments)
    rows = [floor_row(K, full=not options.embedded) for K in options.components]
    for words in options.runs:
        name, steps, file = words.split(":", 2)
        rows.append(row_of_run(name, int(steps), json.loads(Path(file).read_text())))
    record(rows, options.out)


if __name__ == "__main__":
    main()
