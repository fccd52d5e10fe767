"""Docstrings on their way into the reference: shapes, constants, re-exported names, other libraries."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

import jaxtyping
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

from gmbook.excerpt import find
from gmbook.house import ROOT, address

ELSEWHERE = {
    "torch": "https://docs.pytorch.org/docs/stable/search.html?q={}",
    "Tensor": "https://docs.pytorch.org/docs/stable/tensors.html",
    "numpy": "https://numpy.org/doc/stable/search.html?q={}",
    "matplotlib": "https://matplotlib.org/stable/search.html?q={}",
    "jaxtyping": "https://docs.kidger.site/jaxtyping/api/array/",
    "collections": "https://docs.python.org/3/library/collections.abc.html",
    "t": "https://docs.python.org/3/library/typing.html",
    "anywidget": "https://anywidget.dev/en/getting-started/",
    "traitlets": "https://traitlets.readthedocs.io/en/stable/search.html?q={}",
    "ipywidgets": "https://ipywidgets.readthedocs.io/en/stable/search.html?q={}",
    "safetensors": "https://huggingface.co/docs/safetensors/index",
    "pathlib": "https://docs.python.org/3/library/pathlib.html",
}
"""Where the names of other libraries lead. Their inventories are not used: fetching them would ask other sites."""

_aside: dict[str, list[str]] = {}


def before_napoleon(app: Sphinx, what: str, name: str, found: Any, options: Any, lines: list[str]) -> None:
    """Take the text of constants away: napoleon would read ``Number of levels: ...`` as a type and its value."""
    if what in ("data", "attribute", "property"):
        _aside[name] = list(lines)
        lines[:] = []


def after_napoleon(app: Sphinx, what: str, name: str, found: Any, options: Any, lines: list[str]) -> None:
    """Give it back, and let ``(*batch, d)`` be a shape: in reStructuredText a lone star opens an emphasis."""
    if name in _aside:
        lines[:] = _aside.pop(name)
    lines[:] = [re.sub(r"(?<!`)([(\[])\*(?=\w+[,)\]])", r"\1\\*", line) for line in lines]


def missing(app: Sphinx, env: BuildEnvironment, node: Any, content: Any) -> nodes.Node | None:
    """Resolve what Sphinx could not: a re-exported name, a name of another library, a shape."""
    if node.get("refdomain") != "py":
        return None
    target = node.get("reftarget", "")
    parts = target.split(".")
    if "'" in target or any(part.startswith("_") for part in parts):
        return content
    if parts[0] == "gmlib":
        return _at_home(app, env, node, content, target)
    library = "jaxtyping" if target in vars(jaxtyping) or target == "Scalar" else parts[0]
    pattern = ELSEWHERE.get(library)
    if pattern is None:
        return None
    return nodes.reference(
        "", "", content, internal=False, refuri=pattern.format(target), classes=["external"]
    )


def _at_home(app: Sphinx, env: BuildEnvironment, node: Any, content: Any, target: str) -> nodes.Node | None:
    """``gmlib.vae.VAE`` is documented where it is defined, as ``gmlib.vae.vae.VAE``."""
    try:
        found = find(target)
    except LookupError:
        return None
    home = f"{getattr(found, '__module__', '')}.{getattr(found, '__qualname__', '')}"
    if home == target:
        return None
    python = env.get_domain("py")
    return python.resolve_xref(env, node["refdoc"], app.builder, "obj", home, node, content)


def linkcode(domain: str, info: dict[str, str]) -> str | None:
    """The repository's address of a documented object."""
    if domain != "py" or not info.get("module"):
        return None
    try:
        found = inspect.unwrap(find(f"{info['module']}.{info['fullname']}"))
        found = getattr(found, "fget", None) or found
        rows, first = inspect.getsourcelines(found)
        file = Path(inspect.getsourcefile(found) or "").resolve().relative_to(ROOT)
    except (LookupError, TypeError, OSError, ValueError):
        return None
    return f"{address('Repository')}/blob/main/{file.as_posix()}#L{first}-L{first + len(rows) - 1}"
