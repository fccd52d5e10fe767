"""One repository address, and no trace of the machine that a file was written on."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
URLS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf8"))["project"]["urls"]
TEXTS = (
    ".py",
    ".md",
    ".toml",
    ".yml",
    ".yaml",
    ".cff",
    ".ipynb",
    ".txt",
    ".css",
    ".js",
    ".html",
    ".bib",
    ".tsv",
    ".json",
)


def tracked() -> list[Path]:
    out = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if out.returncode:
        pytest.skip("not a git checkout")
    files = [ROOT / name for name in out.stdout.split("\0") if name]
    extra = {"Makefile", "run", "LICENSE"}
    return [path for path in files if (path.suffix in TEXTS or path.name in extra) and path.exists()]


def test_every_address_of_the_project_is_the_one_in_pyproject() -> None:
    owner, name = URLS["Repository"].removeprefix("https://github.com/").split("/")
    right = (URLS["Repository"], URLS["Documentation"])
    for path in tracked():
        for match in re.finditer(
            rf"https?://[\w.]*github[\w.]*/[\w./-]*{name}|https?://{owner}\.github\.io[\w./-]*",
            path.read_text("utf8"),
        ):
            rest = match[0].replace("https://colab.research.google.com/github/", "https://github.com/")
            rest = rest.replace("https://raw.githubusercontent.com/", "https://github.com/")
            assert rest.startswith(right), f"{path.relative_to(ROOT)}: {match[0]}"


def test_no_path_of_a_machine_is_in_a_tracked_file() -> None:
    pattern = re.compile(r"/(?:home|Users|root|work|tmp)/[\w.-]+/|/(?:work)/|C:\\\\Users")
    for path in tracked():
        text = path.read_text("utf8")
        found = pattern.search(re.sub(r"https?://\S+", "", text))
        assert not found, f"{path.relative_to(ROOT)}: {found[0]}"


def test_files_are_small_enough() -> None:
    out = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    sizes = {n: (ROOT / n).stat().st_size for n in out.stdout.split("\0") if n and (ROOT / n).exists()}
    large = {name: size for name, size in sizes.items() if size > 4 * 2**20}
    assert not large
    assert sum(size for name, size in sizes.items() if name.startswith("assets/")) <= 40 * 2**20
