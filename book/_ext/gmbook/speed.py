"""The performance page: every benchmark's contenders, from the committed results."""

from __future__ import annotations

from sphinx.environment import BuildEnvironment

from benchmarks import harness, table


def fill(what: str, env: BuildEnvironment) -> str:
    """The block ``short``, or ``cpu`` or ``cuda`` with every contender on such a device."""
    for path in harness.RESULTS.glob("*.json"):
        env.note_dependency(str(path))
    if what == "short":
        return table.short()
    measured = [name for name in table.CHAPTERS if table.results(name, what)]
    missing = [f"`{name}`" for name in table.CHAPTERS if name not in measured]
    parts = [section(name, what) for name in measured if table.best_against_best(name, what)]
    alone = [f"`{name}`" for name in measured if not table.best_against_best(name, what)]
    if alone:
        parts.append(f"Without a peer, with times on {{doc}}`/book/status`: {', '.join(alone)}.")
    if missing:
        parts.append(f"Not measured: {', '.join(missing)}.")
    return "\n\n".join(parts)


def section(name: str, device: str) -> str:
    """A benchmark: where and when, and a row a contender."""
    found = table.results(name, device)
    assert found is not None
    versions = ", ".join(f"{key} {value}" for key, value in found["versions"].items())
    settings, machine = found["settings"], found["machine"]
    rounds, threads = settings["rounds"], settings["threads"]
    rows = ["| case | contender | median, ms | ratio | quartiles of the ratio |", "|---|---|---:|---:|---|"]
    case = ""
    for line in table.lines(name, device):
        low, high = line.quartiles
        spread = "yardstick" if line.contender == line.yardstick else f"{low:.3f} to {high:.3f}"
        rows.append(
            f"| {line.case if line.case != case else ''} | {line.contender} | {milliseconds(line.median)} "
            f"| {line.ratio:.3f} | {spread} |"
        )
        case = line.case
    title = f"### `{name}` (chapter {table.CHAPTERS[name]})"
    where = (
        f"{machine['gpu'] or machine['processor']}, {machine['system']}, {versions}; {threads} thread"
        f"{'s' if threads > 1 else ''}, {settings['clock']} clock, {rounds} rounds, {found['date']}."
    )
    return f"{title}\n\n{where}\n\n" + "\n".join(rows)


def milliseconds(seconds: float) -> str:
    """Three digits, or all before the point."""
    return f"{1e3 * seconds:,.0f}" if seconds >= 0.1 else f"{1e3 * seconds:.3g}"
