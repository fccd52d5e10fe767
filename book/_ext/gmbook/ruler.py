"""The page "One ruler": a table for each data set, from the record that comes with gmlib."""

from __future__ import annotations

import importlib
import statistics
from collections.abc import Sequence

from sphinx.environment import BuildEnvironment

from gmlib.recipes import ruler_record
from gmlib.recipes.ruler_record import RulerData, RulerRow

TIE = "\N{NO-BREAK SPACE}"


def fill(_: str, env: BuildEnvironment) -> str:
    """A section for each data set."""
    env.note_dependency(str(ruler_record.RECORD))
    found = ruler_record.recorded_ruler()
    return "\n\n".join(
        section(data, [row for row in found.rows if row.data == data.key]) for data in found.data
    )


def section(data: RulerData, rows: Sequence[RulerRow]) -> str:
    """Title, table, notes, and where it was measured."""
    notes: list[str] = []

    def noted(cell: str, why: str) -> str:
        if not why:
            return cell
        if why not in notes:
            notes.append(why)
        return f"{cell}{TIE}{{sup}}`{notes.index(why) + 1}`"

    lines = [
        f"| family | model | {data.unit} | kind | {data.distance} | training, s | 1,000 samples, s | parameters | calls |",
        "|---|---|---:|---|---:|---:|---:|---:|---:|",
        f"| *floor* | real data | | | {spread(data.floor)} | | | | |",
    ]
    for row in rows:
        cost = noted("–", row.how) if row.cost is None else plus_minus(row.cost, row.cost_error)
        lines.append(
            f"| {row.family} | {noted(row.model, row.note)} | {cost} | {noted(row.kind, row.how) if row.kind else ''} "
            f"| {spread(row.distance)} | {seconds(row.train_seconds)} | {seconds(row.sample_seconds)} "
            f"| {row.parameters:,} | {row.calls:g} |"
        )
    said = [f"{i}. {note[0].upper()}{note[1:]}." for i, note in enumerate(notes, 1)]
    return "\n\n".join(
        [f"## {data.title}", "\n".join(lines), "\n".join(said), origins(rows), measured_on(data)]
    )


def origins(rows: Sequence[RulerRow]) -> str:
    """A folded table: the recipe of each model, and what it learnt from."""
    lines = [":::{dropdown} Where each model comes from", "| model | recipe | learnt from |", "|---|---|---|"]
    for row in rows:
        recipe = f"`{row.recipe}`" if row.checkpoint else f"{{py:obj}}`~{home(row.recipe)}`"
        lines.append(f"| {row.model} | {recipe} | {row.trained_on} |")
    return "\n".join([*lines, ":::"])


def home(name: str) -> str:
    """The dotted name of what ``name`` is, in the module that defines it and that the reference lists."""
    module, _, last = name.rpartition(".")
    found = getattr(importlib.import_module(module), last)
    return f"{found.__module__}.{found.__qualname__}"


def spread(values: Sequence[float]) -> str:
    """Mean of the draws, with their standard deviation where there are several."""
    return plus_minus(statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else None)


def plus_minus(value: float, error: float | None) -> str:
    """Three digits behind the point below ten, one above; a number that is smaller than that in full."""
    places = 4 if abs(value) < 0.1 else 3 if abs(value) < 10 else 1
    return f"{value:,.{places}f}" + ("" if error is None else f"{TIE}±{TIE}{error:.{places}f}")


def seconds(value: float) -> str:
    """Two digits, as times on a shared machine deserve no more."""
    return "< 0.01" if value < 0.01 else f"{value:.2g}" if value < 10 else f"{value:,.0f}"


def measured_on(data: RulerData) -> str:
    """How many samples, how often, on what, when."""
    about = data.about
    draws, versions = about["settings"]["draws"], about["versions"]
    took = f"{about['seconds']} seconds" if about["seconds"] < 120 else f"{about['seconds'] / 60:.0f} minutes"
    kit = ", ".join(f"{name} {number}" for name, number in versions.items())
    return (
        f"{data.drawn:,} samples a draw against {data.held_out:,} of the data, {draws} draw{'s' * (draws > 1)} (seeds "
        f"{', '.join(map(str, about['settings']['seeds']))}), floor of {len(data.floor)} draws. Measured on "
        f"{about['date']}: {about['machine']['processor']}, {about['machine']['system']}, "
        f"{about['settings']['threads']} thread, {kit}; {took} of processor time."
    )
