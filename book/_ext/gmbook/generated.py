"""Parts of pages that the build writes: the API reference, the status table, the model index, and others' by name.

A page holds a marker such as ``<!-- gmbook: status -->``; what stands here takes its place when Sphinx reads the page.
"""

from __future__ import annotations

import csv
import importlib
import json
import pkgutil
import re
from collections.abc import Callable

from sphinx.environment import BuildEnvironment

from gmbook import bibtex, borrow, exercises, graph, objectives, ruler, speed, syllabus
from gmbook.errata import page as errata
from gmbook.execute import places, record
from gmbook.house import ROOT, chapter, files, notebooks

SYSTEMS = ROOT / "book" / "systems.tsv"
FRAMES = ROOT / "benchmarks" / "results" / "widgets-cpu.json"
LOADS = ROOT / "benchmarks" / "results" / "pages-cpu.json"
MARKER = re.compile(r"<!-- gmbook: (\w+)(?: ([\w.]+))? -->")


def modules(package: str) -> list[str]:
    """The package and its public modules, in the order of their names."""
    root = importlib.import_module(package)
    names = [package]
    for info in pkgutil.iter_modules(getattr(root, "__path__", [])):
        if not info.name.startswith("_"):
            names.extend(modules(f"{package}.{info.name}"))
    return names


def _has_own(name: str) -> bool:
    """Whether a module defines anything public itself (a package that only re-exports has only its text)."""
    module = importlib.import_module(name)
    return any(getattr(v, "__module__", "") == name for k, v in vars(module).items() if k[0] != "_")


def _api(package: str, env: BuildEnvironment) -> str:
    """One section a module, each documented where it is defined."""
    parts = []
    for name in modules(package):
        file = importlib.import_module(name).__file__
        env.note_dependency(str(file))
        members = "   :members:\n" if _has_own(name) else ""
        body = f"```{{eval-rst}}\n.. automodule:: {name}\n{members}```"
        title = (
            ""
            if name == package and getattr(importlib.import_module(name), "__path__", None)
            else f"## `{name}`\n\n"
        )
        parts.append(title + body)
    return "\n\n".join(parts)


def _status(_: str, env: BuildEnvironment) -> str:
    """One row a notebook, from the records of their runs."""
    rows = ["| notebook | mode | seconds | date |", "|---|---|---:|---|"]
    versions: dict[str, str] = {}
    for path in notebooks():
        env.note_dependency(str(places(path)[1]))
        facts = record(path)
        versions = facts["versions"]
        name = path.relative_to(ROOT).with_suffix("").as_posix()
        rows.append(f"| {{doc}}`/{name}` | {facts['mode']} | {facts['seconds']:.1f} | {facts['date']} |")
    kit = ", ".join(f"{name} {number}" for name, number in versions.items())
    return "\n".join(rows) + f"\n\nVersions: {kit}."


def _widgets(_: str, env: BuildEnvironment) -> str:
    """How soon widgets are up and how long a frame takes, from the benchmark's last committed run."""
    env.note_dependency(str(FRAMES))
    facts = json.loads(FRAMES.read_text("utf8"))
    rows = ["| what | | median, ms | 95th percentile, ms |", "|---|---|---:|---:|"]
    for row in facts["rows"]:
        median, tail = 1e3 * row["median"], 1e3 * row["extra"]["p95"]
        rows.append(f"| {row['case'].replace('_', ' ')} | {row['contender']} | {median:.1f} | {tail:.1f} |")
    about = facts["rows"][-1]["extra"]
    where = f"with {about['browser']}, without a graphics card, on {facts['machine']['processor']}"
    return "\n".join(rows) + f"\n\nMeasured on {facts['date']} {where}."


def _pages(_: str, env: BuildEnvironment) -> str:
    """What each page weighs and how soon it is there, from the benchmark's last committed run; the slowest first."""
    env.note_dependency(str(LOADS))
    facts = json.loads(LOADS.read_text("utf8"))
    table = [
        "| page | answers, s | all drawn, s | quartiles | processor, s | kB | of which widgets, kB |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    rows = sorted(facts["rows"], key=lambda row: -row["median"])
    for row in rows:
        low, high = row["quartiles"]
        name, about = row["case"].removesuffix(".html"), row["extra"]
        title = f"{{doc}}`/{name}`" if name in files() else name
        costs = f"{about['cpu']:.2f} | {about['bytes'] / 1e3:.0f} | {about['widget_bytes'] / 1e3:.0f}"
        table.append(
            f"| {title} | {about['answers']:.2f} | {row['median']:.2f} | {low:.2f} to {high:.2f} | {costs} |"
        )
    about, loads = rows[0]["extra"], sorted(row["extra"]["load"] for row in rows)
    where = (
        f"with {about['browser']}, without a graphics card, on {about['cores']} cores of {facts['machine']['processor']}, "
        f"{about['n']} times each; other work kept the load average between {loads[0]:.1f} and {loads[-1]:.1f}"
    )
    return "\n".join(table) + f"\n\nMeasured on {facts['date']} {where}."


def systems() -> list[dict[str, str]]:
    """The rows of ``book/systems.tsv``: slug, name, chapter, section, symbol, test."""
    with open(SYSTEMS, encoding="utf8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def _models(_: str, env: BuildEnvironment) -> str:
    """One row a system, linked to its section, its code and its test."""
    env.note_dependency(str(SYSTEMS))
    rows = ["| model or idea | chapter | section | in gmlib | test |", "|---|---|---|---|---|"]
    for row in systems():
        rows.append(
            f"| {row['name']} | {{doc}}`{chapter(row['chapter'])} </chapters/{row['chapter']}>` "
            f"| {{ref}}`{row['section']}` | {{py:obj}}`{row['symbol']}` | `{row['test'].split('::')[-1]}` |"
        )
    return "\n".join(rows)


WRITERS: dict[str, Callable[[str, BuildEnvironment], str]] = {
    "api": _api,
    "status": _status,
    "widgets": _widgets,
    "pages": _pages,
    "models": _models,
    "errata": errata.fill,
    "exercises": exercises.table,
    "widget": borrow.markdown,
    "objectives": objectives.listing,
    "graph": graph.markdown,
    "syllabus": syllabus.markdown,
    "cite": bibtex.markdown,
    "ruler": ruler.fill,
    "speed": speed.fill,
}


def fill(text: str, env: BuildEnvironment) -> str:
    """The page with every marker replaced.

    Raises:
        LookupError: a marker names no writer.
    """

    def write(match: re.Match[str]) -> str:
        if match[1] not in WRITERS:
            raise LookupError(f"{match[0]}: the writers are {', '.join(WRITERS)}")
        return WRITERS[match[1]](match[2] or "", env)

    return MARKER.sub(write, text)
