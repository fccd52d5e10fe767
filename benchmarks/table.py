"""One table of all benchmarks, from the committed results: ``python -m benchmarks.table`` renews the one in the README."""

from __future__ import annotations

import json
import re
import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import harness
from gmlib._files import write_text

CHAPTERS = {
    "metrics": 1,
    "vae": 2,
    "flows": 5,
    "hopfield": 6,
    "rbm": 6,
    "score": 8,
    "diffusion": 9,
    "guidance": 11,
    "gan": 14,
    "widgets": 0,
    "pages": 0,
}
"""The benchmarks in the order of the table, each with its chapter; 0 is all of them."""
DEVICES = {"cpu": "processor", "cuda": "GPU"}
OTHER_WORK = {"unguided, one call", "gmlib, the network alone"}
"""Contenders that are told for comparison and do less than the others of their case."""
README = Path(__file__).parents[1] / "README.md"
PLACE = re.compile(r"(?<=<!-- benchmarks -->\n).*?(?=<!-- /benchmarks -->)", re.S)


@dataclass(frozen=True)
class Line:
    """A contender of a case beside the case's yardstick; times in seconds a unit of work."""

    benchmark: str
    case: str
    contender: str
    yardstick: str
    median: float
    ratio: float
    quartiles: tuple[float, float]

    @property
    def ours(self) -> bool:
        """Whether it is gmlib's."""
        return self.contender.startswith("gmlib")


def results(name: str, device: str = "cpu") -> dict[str, Any] | None:
    """The committed result of a benchmark, or None if it was not measured on such a device."""
    path = harness.RESULTS / f"{name}-{device}.json"
    return json.loads(path.read_text("utf8")) if path.exists() else None


def lines(name: str, device: str = "cpu") -> list[Line]:
    """Every contender, the yardsticks too; none where there is no result."""
    found, yardsticks = results(name, device), {}
    rows = [] if found is None else found["rows"]
    return [
        Line(
            name, row["case"], row["contender"], yardsticks.setdefault(row["case"], row["contender"]),
            row["median"], row["ratio"], tuple(row["ratio_quartiles"]),
        )
        for row in rows
    ]  # fmt: skip


def _rivals(name: str, device: str) -> list[Line]:
    return [line for line in lines(name, device) if line.contender not in OTHER_WORK]


def best_against_best(name: str, device: str = "cpu") -> dict[str, float]:
    """For each case that has a peer: gmlib's least median time over that of the peers, each at its best."""
    cases: dict[str, tuple[list[float], list[float]]] = {}
    for line in _rivals(name, device):
        cases.setdefault(line.case, ([], []))[0 if line.ours else 1].append(line.median)
    return {case: min(ours) / min(theirs) for case, (ours, theirs) in cases.items() if ours and theirs}


def peers(name: str, device: str = "cpu") -> list[str]:
    """Whom gmlib is compared with, without what is said of how they run."""
    cases = best_against_best(name, device)
    names = [
        line.contender.split(",")[0] for line in _rivals(name, device) if line.case in cases and not line.ours
    ]
    return list(dict.fromkeys(names))


def short() -> str:
    """One row a benchmark, as Markdown, and what is known of a GPU."""
    rows = [
        "| chapter | benchmark | against | cases | median ratio | lowest to highest |",
        "|---|---|---|---:|---:|---|",
    ]
    for name, chapter in CHAPTERS.items():
        ratios = list(best_against_best(name).values())
        if ratios:
            rows.append(
                f"| {chapter} | `{name}` | {', '.join(peers(name))} | {len(ratios)} | "
                f"{_short(statistics.median(ratios))} | {_short(min(ratios))} to {_short(max(ratios))} |"
            )
        else:
            said = "no peer: times only" if results(name) else "not measured"
            rows.append(f"| {chapter or 'all'} | `{name}` | {said} | | | |")
    gpu = [f"`{name}`" for name in CHAPTERS if results(name, "cuda")]
    rows.append(f"\nOn a GPU: {'measured are ' + ', '.join(gpu) if gpu else 'not measured'}.")
    return "\n".join(rows) + "\n"


def machines(device: str = "cpu") -> Iterator[str]:
    """What each result was measured on, a sentence for each kind of machine and versions; and what is missing."""
    groups: dict[str, list[str]] = {}
    for name in CHAPTERS:
        found = results(name, device)
        if found is None:
            groups.setdefault("not measured", []).append(name)
            continue
        versions = ", ".join(f"{key} {value}" for key, value in found["versions"].items())
        settings, where = found["settings"], found["machine"]["gpu"] or found["machine"]["processor"]
        said = (
            f"{where}, {versions}, {settings['threads']} thread{'s' * (settings['threads'] > 1)}, "
            f"{settings['clock']} clock"
        )
        groups.setdefault(said, []).append(f"{name} ({found['date']}, {settings['rounds']} rounds)")
    for said, names in groups.items():
        yield f"{said}: {', '.join(names)}"


def text() -> str:
    """The whole table for a terminal."""
    parts = []
    for device, called in DEVICES.items():
        parts.append(f"On a {called} (time over the yardstick's, median [quartiles] of the rounds):")
        rows = [
            (line.benchmark, line.case, line.contender, _with_quartiles(line), line.yardstick)
            for name in CHAPTERS
            for line in lines(name, device)
            if line.contender != line.yardstick and best_against_best(name, device)
        ]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        parts += [
            "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in rows
        ]
        parts += [f"  {said}" for said in machines(device)]
    return "\n".join(parts)


def _short(ratio: float) -> str:
    return f"{ratio:.2f}" if ratio >= 0.1 else f"{ratio:.2g}"


def _with_quartiles(line: Line) -> str:
    return f"{line.ratio:.3f} [{line.quartiles[0]:.3f}, {line.quartiles[1]:.3f}]"


def main() -> None:
    """Write the short table into the README."""
    write_text(README, PLACE.sub(lambda _: short(), README.read_text("utf8")))


if __name__ == "__main__":
    main()
