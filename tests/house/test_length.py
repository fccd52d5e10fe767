"""A file is read at one sitting: at most 300 lines, a test file 450, or there is a reason, written down here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MOST, MOST_OF_TESTS = 300, 450
GENERATED = {"gmlib/widgets/static", "book/_ext/gmbook/modules", "gmlib/widgets/js/node_modules"}
LONGER = {
    "an exercise with its stub, solution, usual mistakes and hints": ["gmlib/exercises/*/_*.py"],
    "one chapter's errata, a check each": [
        "book/_ext/gmbook/errata/diffusion.py",
        "book/_ext/gmbook/errata/energy.py",
    ],
    "one law, and all that is exact about it": ["gmlib/distributions/mixture.py"],
    "one law, and the choice of its bandwidth": ["gmlib/classical/kde.py"],
    "one memory, and its bounds": ["gmlib/energy/modern_hopfield.py"],
    "one widget: its state, checks and numbers": [
        "gmlib/widgets/browser_gan.py",
        "gmlib/widgets/digits_chain.py",
        "gmlib/widgets/forward_and_back.py",
        "gmlib/widgets/honest_dashboard.py",
        "gmlib/widgets/map_editor.py",
        "gmlib/widgets/tiny_rbm.py",
    ],
    "one widget: picture, panel and state": [
        "gmlib/widgets/js/widgets/browser_gan.js",
        "gmlib/widgets/js/widgets/coupling_stack.js",
        "gmlib/widgets/js/widgets/digits_chain.js",
        "gmlib/widgets/js/widgets/euler_to_ode.js",
        "gmlib/widgets/js/widgets/fill_the_gap.js",
        "gmlib/widgets/js/widgets/guided_field.js",
        "gmlib/widgets/js/widgets/swiss_roll_scores.js",
        "gmlib/widgets/js/widgets/tiny_rbm.js",
        "gmlib/widgets/js/widgets/variance_recursion.js",
    ],
    "one translation: every directive and role in plain Markdown": ["book/_ext/gmbook/plain.py"],
}
"""The files that may be longer, by the reason; a pattern stands for files of one kind."""


def lengths() -> dict[str, int]:
    """Lines of every source file, by its path from the root."""
    paths = (
        path
        for folder in ("assets", "benchmarks", "book", "gmlib", "tests")
        for suffix in ("py", "js")
        for path in (ROOT / folder).rglob(f"*.{suffix}")
    )
    found = {path.relative_to(ROOT).as_posix(): len(path.read_text("utf8").splitlines()) for path in paths}
    return {
        name: lines for name, lines in found.items() if not any(name.startswith(f"{g}/") for g in GENERATED)
    }


def complaints(lines: Mapping[str, int], longer: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """Files that are too long without a reason, and reasons without a file that needs them."""
    entries = [entry for group in longer.values() for entry in group]
    needed = {
        name
        for name, count in lines.items()
        if count > (MOST_OF_TESTS if name.startswith("tests/") else MOST)
    }
    for name in sorted(needed):
        if not any(Path(name).match(entry) for entry in entries):
            yield f"{name} has {lines[name]} lines: split it, or give a reason in LONGER"
    for entry in entries:
        if not any(Path(name).match(entry) for name in needed):
            yield f"{entry} needs no reason any more: take it out of LONGER"


def test_files_are_short_or_there_is_a_reason() -> None:
    assert not list(complaints(lengths(), LONGER))


def test_both_kinds_of_complaint() -> None:
    lines = {"gmlib/a.py": 301, "gmlib/b.py": 300, "gmlib/e/_c.py": 400, "tests/test_d.py": 450}
    assert list(complaints(lines, {"why": ["gmlib/a.py", "gmlib/e/_*.py"]})) == []
    assert [each.split()[0] for each in complaints(lines, {"why": ["gmlib/b.py"]})] == [
        "gmlib/a.py",
        "gmlib/e/_c.py",
        "gmlib/b.py",
    ]
