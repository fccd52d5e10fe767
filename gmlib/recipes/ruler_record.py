"""One ruler for every family of the book: what is on record of each model, written and read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from gmlib._files import write_text

RECORD = Path(__file__).with_name("one_ruler.json")
"""The record, packaged with gmlib."""

Kind = Literal["exact", "bound", "estimate", ""]


@dataclass(frozen=True)
class RulerRow:
    """A model on a data set, measured as every other one there.

    Attributes:
        data: key of the data set.
        family: of the book.
        model: its name in the table.
        recipe: file of the recipe in the repository, or the dotted name of the class that is fitted.
        checkpoint: name in the manifest; "" for what is fitted on the spot.
        trained_on: in words.
        cost: in the data set's unit, lower is better; None if the model has no density that can be had.
        cost_error: standard error over the test images; None where there is no sample, or no cost.
        kind: whether the cost is "exact", an upper "bound" or an "estimate".
        how: how the cost was found, or why there is none.
        distance: of samples to held-out data, one number a draw.
        train_seconds: of a checkpoint those of its manifest, otherwise processor time of the fit.
        sample_seconds: processor time of 1,000 samples on one thread, the median of the draws.
        parameters: numbers that are learnt, of the part that draws or is asked for the density.
        calls: of the network for one sample.
        note: what else one should know; "" for nothing.

    Example:
        >>> from gmlib.recipes.ruler_record import recorded_ruler
        >>> recorded_ruler().rows[0].family
        'classical'
    """

    data: str
    family: str
    model: str
    recipe: str
    checkpoint: str
    trained_on: str
    cost: float | None
    cost_error: float | None
    kind: Kind
    how: str
    distance: tuple[float, ...]
    train_seconds: float
    sample_seconds: float
    parameters: int
    calls: float
    note: str


@dataclass(frozen=True)
class RulerData:
    """A data set of the ruler.

    Attributes:
        key: its name in code.
        title: its name in the table.
        unit: of the cost.
        distance: name of the distance.
        drawn: samples in each draw.
        held_out: points or images that they are compared with.
        floor: distances of fresh data, or of training images, to the held-out ones, one a draw: as good as it gets.
        about: date, machine, versions, settings, and the seconds of processor time that it took.

    Example:
        >>> from gmlib.recipes.ruler_record import recorded_ruler
        >>> [data.unit for data in recorded_ruler().data if data.key == "digits"]
        ['bits a pixel']
    """

    key: str
    title: str
    unit: str
    distance: str
    drawn: int
    held_out: int
    floor: tuple[float, ...]
    about: dict[str, Any]


@dataclass(frozen=True)
class Ruler:
    """The whole record.

    Attributes:
        data: the data sets.
        rows: the models, in the order of the data sets and of the book.
    """

    data: tuple[RulerData, ...]
    rows: tuple[RulerRow, ...]


def recorded_ruler(path: Path | None = None) -> Ruler:
    """The record.

    Args:
        path: the file; None is the one that comes with gmlib.

    Example:
        >>> from gmlib.recipes.ruler_record import recorded_ruler
        >>> recorded_ruler().data[0].about["settings"]["threads"]
        1
    """
    content = json.loads((path or RECORD).read_text("utf8"))
    data = tuple(RulerData(**_tuples(entry)) for entry in content["data"])
    return Ruler(data, tuple(RulerRow(**_tuples(entry)) for entry in content["rows"]))


def write_ruler(path: Path, data: Sequence[RulerData], rows: Sequence[RulerRow]) -> None:
    """Write a record, one row a line and numbers to six digits.

    Args:
        path: where to.
        data: the data sets.
        rows: the models.

    Example:
        >>> import tempfile
        >>> from gmlib.recipes.ruler_record import recorded_ruler, write_ruler
        >>> ruler = recorded_ruler()
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_ruler(Path(folder, "ruler.json"), ruler.data, ruler.rows)
        ...     recorded_ruler(Path(folder, "ruler.json")) == ruler
        True
    """
    parts = []
    for key, entries in (("data", data), ("rows", rows)):
        lines = ",\n  ".join(json.dumps(_rounded(asdict(entry))) for entry in entries)
        parts.append(f' "{key}": [\n  {lines}\n ]')
    write_text(path, "{\n" + ",\n".join(parts) + "\n}\n")


def _tuples(entry: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in entry.items()}


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(each) for each in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value
