"""The book's Sphinx extension: chapters from their runs, numbers in the text, source from the modules."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.errors import ExtensionError

from gmbook import docstrings, excerpt, generated, imprint, page, theme
from gmbook.execute import places
from gmbook.house import ROOT


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


def _configure(app: Sphinx, config: Config) -> None:
    config.linkcode_resolve = docstrings.linkcode
    config.html_static_path.append(str(theme.STATIC))
    config.html_search_scorer = str(Path(__file__).with_name("search_scorer.js"))


def setup(app: Sphinx) -> dict[str, Any]:
    """Sphinx's entry."""
    # Jupyter Book always sets it, also when the extension that declares it is not loaded.
    app.add_config_value("comments_config", {}, "html")
    app.connect("config-inited", _configure)
    app.connect("source-read", _read)
    app.connect("autodoc-process-docstring", docstrings.before_napoleon, priority=100)
    app.connect("autodoc-process-docstring", docstrings.after_napoleon, priority=900)
    app.connect("missing-reference", docstrings.missing)
    app.connect("html-page-context", theme.buttons, priority=900)
    app.connect("html-page-context", imprint.put, priority=900)
    app.connect("build-finished", theme.finish)
    app.setup_extension("gmbook.garbage")
    app.setup_extension("gmbook.numbers")
    app.setup_extension("gmbook.search")
    app.setup_extension("gmbook.widgets")
    app.add_css_file("book.css", priority=900)
    app.add_css_file("print.css", media="print", priority=901)
    app.add_js_file("book.js")
    app.add_js_file("math.js", priority=900)  # after the settings of MathJax, which it adds to
    app.add_directive("gm-figure", page.Figure)
    app.add_directive("gmlib-source", excerpt.Source)
    return {"parallel_read_safe": False, "parallel_write_safe": True}
