"""Private names stay at home: a private module in its package, a private name of a module in that module.

The helpers at the top level of gmlib (`gmlib._checks` and its kin) serve the whole repository. Tests may look inside.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BASES = {"gmlib": ROOT, "benchmarks": ROOT, "gmbook": ROOT / "book" / "_ext"}


def private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def given(tree: ast.Module) -> set[str]:
    """The private names that a file gives to something: by ``def``, ``class``, an assignment or a field."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Attribute | ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.attr if isinstance(node, ast.Attribute) else node.id)
    return {name for name in found if private(name)}


def strangers(sources: dict[tuple[str, ...], str]) -> Iterator[str]:
    """What files, by the names on their way, import or read that is private to somebody else.

    An attribute is somebody else's when another part (a folder of gmlib) gives that name to something, and the file's own
    does not.
    """
    trees = {names: ast.parse(source) for names, source in sources.items()}
    modules = {names[:-1] if names[-1] == "__init__" else names for names in sources}
    own: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for names, tree in trees.items():
        own[names[:2]] |= given(tree)
    everybodys = set().union(*own.values())
    for names, tree in trees.items():
        home = names[:-1]
        for node in ast.walk(tree):
            here = f"{'/'.join(names)}.py, line {getattr(node, 'lineno', 0)}"
            if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] in BASES:
                for alias in node.names:
                    path = (*node.module.split("."), alias.name)
                    for i in (i for i, name in enumerate(path) if private(name)):
                        if path[: i + 1] not in modules or path[:i] not in (("gmlib",), home[:i]):
                            yield f"{here}: {'.'.join(path)}"
            elif isinstance(node, ast.Attribute) and node.attr in everybodys - own[names[:2]]:
                yield f"{here}: {ast.unparse(node)}"


def test_no_file_uses_a_private_name_of_another() -> None:
    files = {
        path.relative_to(base).with_suffix("").parts: path.read_text("utf8")
        for name, base in BASES.items()
        for path in (base / name).rglob("*.py")
    }
    assert not list(strangers(files))


@pytest.mark.parametrize(
    ("line", "fine"),
    [
        ("from gmlib.flows._levels import check", True),
        ("from gmlib.flows import _levels", True),
        ("from gmlib._checks import check_count", True),
        ("import torch; torch._dynamo", True),
        ("from gmlib.vae._parts import part", False),
        ("from gmlib.vae import _parts", False),
        ("from gmlib.flows.maf import _order", False),  # of the same package, but of another module
        ("def of(law): return law._order", True),
        ("def of(law): return law._pieces", False),
        ("class Mine(Theirs):\n    def run(self): return self._pieces", False),
    ],
)
def test_what_is_somebody_elses(line: str, fine: bool) -> None:
    files = {
        ("gmlib", "_checks"): "",
        ("gmlib", "flows", "_levels"): "",
        ("gmlib", "flows", "maf"): "def _order(): ...",
        ("gmlib", "vae", "_parts"): "class Part:\n    _pieces: int",
        ("gmlib", "flows", "mine"): line,
    }
    assert bool(list(strangers(files))) != fine
