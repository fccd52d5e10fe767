"""Every public name of gmlib is documented, annotated, and on a page of the reference."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

import gmlib

ROOT = Path(__file__).resolve().parents[2]


def modules() -> list[str]:
    found = ["gmlib"]
    for info in pkgutil.walk_packages(gmlib.__path__, "gmlib."):
        if not any(name.startswith("_") for name in info.name.split(".")):
            found.append(info.name)
    return found


def public(module: str) -> list[tuple[str, Any]]:
    """Functions and classes that the module defines itself, with the public methods of the classes."""
    found: list[tuple[str, Any]] = []
    for name, value in vars(importlib.import_module(module)).items():
        if name.startswith("_") or getattr(value, "__module__", None) != module:
            continue
        if inspect.isfunction(value) or inspect.isclass(value):
            found.append((name, value))
        if inspect.isclass(value):
            for inner, method in vars(value).items():
                if not inner.startswith("_") and inspect.isfunction(method):
                    found.append((f"{name}.{inner}", method))
    return found


@pytest.mark.parametrize("module", modules())
def test_a_module_says_what_it_is(module: str) -> None:
    assert (importlib.import_module(module).__doc__ or "").strip()


@pytest.mark.parametrize("module", modules())
def test_public_names_are_documented_and_annotated(module: str) -> None:
    for name, value in public(module):
        doc = inspect.getdoc(value) or ""
        assert doc, f"{module}.{name} has no docstring"
        first = doc.split("\n\n")[0]
        assert first.rstrip().endswith((".", ":", "?")), (
            f"{module}.{name}: the first line is no sentence: {first!r}"
        )
        if not inspect.isfunction(value):
            continue
        signature = inspect.signature(value)
        bare = [
            p for p, v in signature.parameters.items() if v.annotation is v.empty and p not in ("self", "cls")
        ]
        assert not bare, f"{module}.{name}: {bare} have no annotation"
        assert signature.return_annotation is not inspect.Signature.empty, (
            f"{module}.{name} does not say what it returns"
        )


@pytest.mark.parametrize("module", modules())
def test_public_functions_show_an_example(module: str) -> None:
    for name, value in public(module):
        if "." not in name and inspect.isfunction(value):
            assert ">>>" in (inspect.getdoc(value) or ""), f"{module}.{name} has no example"


def test_every_module_is_in_the_reference() -> None:
    toc = yaml.safe_dump(yaml.safe_load((ROOT / "_toc.yml").read_text("utf8")))
    pages = [ROOT / f"{name}.md" for name in re.findall(r"book/api/\w+", toc)]
    text = "\n".join(page.read_text("utf8") for page in pages)
    covered = set(re.findall(r"automodule:: ([\w.]+)", text)) | set(re.findall(r"gmbook: api ([\w.]+)", text))
    missing = [
        m
        for m in modules()
        if not any(m == c or m.startswith(c + ".") for c in covered - {"gmlib"}) and m != "gmlib"
    ]
    assert not missing
