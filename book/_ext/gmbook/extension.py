"""The book's Sphinx extension: chapters from their runs, numbers in the text, source from the modules."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import jaxtyping
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.environment import BuildEnvironment
from sphinx.errors import ExtensionError

from gmbook import excerpt, generated, numbers, page, theme
from gmbook.execute import places
from gmbook.house import ROOT, address

ELSEWHERE = {
    "torch": "https://docs.pytorch.org/docs/stable/search.html?q={}",
    "Tensor": "https://docs.pytorch.org/docs/stable/tensors.html",
    "numpy": "https://numpy.org/doc/stable/search.html?q={}",
    "matplotlib": "https://matplotlib.org/stable/search.html?q={}",
    "jaxtyping": "https://docs.kidger.site/jaxtyping/api/array/",
    "collections": "https://docs.python.org/3/library/collections.abc.html",
    "pathlib": "https://docs.python.org/3/library/pathlib.html",
}
"""Where the names of other libraries lead. Their inventories are not used: fetching them would ask other sites."""


def _read(app: Sphinx, name: str, source: list[str]) -> None:
    """Swap in the executed notebook; fill the generated parts of the other pages."""
    path = ROOT / f"{name}.ipynb"
    try:
        if path.exists():
            source[0] = page.chapter_text(path)
            app.env.note_dependency(str(places(path)[0]))
        else:
            source[0] = generated.fill(source[0], app.env)
    except (ValueError, RuntimeError, LookupError) as error:
        raise ExtensionError(str(error)) from error


def _linkcode(domain: str, info: dict[str, str]) -> str | None:
    """The repository's address of a documented object."""
    if domain != "py" or not info.get("module"):
        return None
    try:
        found = inspect.unwrap(excerpt.find(f"{info['module']}.{info['fullname']}"))
        found = getattr(found, "fget", None) or found
        rows, first = inspect.getsourcelines(found)
        file = Path(inspect.getsourcefile(found) or "").resolve().relative_to(ROOT)
    except (LookupError, TypeError, OSError, ValueError):
        return None
    return f"{address('Repository')}/blob/main/{file.as_posix()}#L{first}-L{first + len(rows) - 1}"


def _configure(app: Sphinx, config: Config) -> None:
    config.linkcode_resolve = _linkcode


def _missing(app: Sphinx, env: BuildEnvironment, node: Any, content: Any) -> nodes.Node | None:
    """A name of another library leads to that library's documentation; a shape or a private name to nowhere."""
    if node.get("refdomain") != "py":
        return None
    target = node.get("reftarget", "")
    parts = target.split(".")
    if "'" in target or any(part.startswith("_") for part in parts):
        return content
    library = "jaxtyping" if target in vars(jaxtyping) or target == "Scalar" else parts[0]
    pattern = ELSEWHERE.get(library)
    if pattern is None:
        return None
    return nodes.reference(
        "", "", content, internal=False, refuri=pattern.format(target), classes=["external"]
    )


def setup(app: Sphinx) -> dict[str, Any]:
    """Sphinx's entry."""
    app.connect("config-inited", _configure)
    app.connect("source-read", _read)
    app.connect("env-get-updated", numbers.renumber, priority=900)
    app.connect("missing-reference", _missing)
    app.connect("html-page-context", theme.buttons, priority=900)
    app.connect("build-finished", theme.finish)
    app.connect("builder-inited", lambda app: app.config.html_static_path.append(str(theme.STATIC)))
    # Jupyter Book always sets it, also when the extension that declares it is not loaded.
    app.add_config_value("comments_config", {}, "html")
    app.add_css_file("book.css", priority=900)
    app.add_directive("gm-figure", page.Figure)
    app.add_directive("gmlib-source", excerpt.Source)
    return {"parallel_read_safe": False, "parallel_write_safe": True}
