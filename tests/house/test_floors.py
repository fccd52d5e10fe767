"""The floors of gmlib: the ground imports only downwards, families only the ground, and the core installs light."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
GMLIB = ROOT / "gmlib"
# Lower stands on the left. Every module may use the private helpers at the top level of gmlib.
GROUND = ["distributions", "nn", "data", "noise"]
GROUND_USES = {"distributions": set(), "nn": set(), "data": set(), "noise": {"nn", "distributions"}}
FAMILIES = {
    "classical", "vae", "autoregressive", "flows", "energy", "score", "diffusion", "flow_matching", "gan", "imitation",
}  # fmt: skip
SERVICES = {"metrics", "training", "checkpoints", "mode"}
TOP = {"recipes", "recipe", "train", "exercises", "widgets", "plot", "claims"}
LIGHT = {"torch", "numpy", "jaxtyping", "safetensors"}


def part(module: str) -> str:
    """The part of gmlib that a dotted module name belongs to; empty for the package itself and its helpers."""
    names = module.split(".")
    return "" if len(names) == 1 or names[1].startswith("_") else names[1]


def imports(path: Path) -> set[tuple[str, bool]]:
    """The modules that a file imports, and whether at its top level (outside functions and `try`)."""
    tree = ast.parse(path.read_text("utf8"))
    found: set[tuple[str, bool]] = set()

    def visit(node: ast.AST, top: bool) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import):
                found.update((alias.name, top) for alias in child.names)
            elif isinstance(child, ast.ImportFrom) and child.module:
                found.add((child.module, top))
                if child.module == "gmlib":
                    found.update((f"gmlib.{alias.name}", top) for alias in child.names)
            inner = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.Try)
            typing = isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)
            visit(child, top and not inner and not typing)

    visit(tree, True)
    return found


FILES = sorted(GMLIB.rglob("*.py"))


def allowed(own: str) -> set[str]:
    """What the files of a part may import from gmlib, beside their own part."""
    if own in GROUND_USES:
        return GROUND_USES[own]
    if own in FAMILIES:
        return set(GROUND)
    if own in SERVICES:
        return {*GROUND, "checkpoints"} if own == "metrics" else set(GROUND)
    return {*GROUND, *FAMILIES, *SERVICES, *TOP}


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_a_file_imports_only_what_lies_below_it(path: Path) -> None:
    names = path.relative_to(ROOT).with_suffix("").parts
    own = part(".".join(names)) if len(names) > 1 else ""
    if (names[-1] == "__init__" and len(names) == 2) or own == "":
        own_allowed: set[str] = set()
    else:
        own_allowed = allowed(own) | {own}
    used = {part(module) for module, _ in imports(path) if module.split(".")[0] == "gmlib"} - {""}
    assert used <= own_allowed, f"{path.name} of {own or 'gmlib'} imports {sorted(used - own_allowed)}"


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_the_core_imports_only_the_light_dependencies(path: Path) -> None:
    own = part(".".join(path.relative_to(ROOT).with_suffix("").parts))
    if own in {"widgets"}:
        return
    outside = (
        {m.split(".")[0] for m, top in imports(path) if top}
        - LIGHT
        - set(sys.stdlib_module_names)
        - {"gmlib"}
    )
    assert not outside, f"{path.name} imports {sorted(outside)} at its top level: import it where it is used"


def test_every_part_of_gmlib_has_a_floor() -> None:
    parts = {p.stem for p in GMLIB.iterdir() if p.suffix == ".py" or (p / "__init__.py").exists()}
    public = {name for name in parts if not name.startswith("_")}
    assert public <= {*GROUND, *FAMILIES, *SERVICES, *TOP}


def test_contributing_shows_the_floors() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text("utf8")
    shown = {name for row in text.splitlines() if row.startswith("| ") for name in row.split("`")[1::2]}
    present = {p.stem for p in GMLIB.iterdir() if p.suffix == ".py" or (p / "__init__.py").exists()}
    assert {name for name in present if not name.startswith("_")} <= shown


def test_importing_gmlib_imports_no_submodule() -> None:
    code = "import sys, gmlib; print([m for m in sys.modules if m.startswith('gmlib.')])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert out.stdout.strip() == "[]"
