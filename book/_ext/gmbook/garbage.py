"""Python's collector of garbage, once a page: left alone, it goes through all that Sphinx knows again and again, which took
a quarter of the time of a build. Never asked, it would leave 3 GB of old pages' trees."""

from __future__ import annotations

import gc
from typing import Any

from sphinx.application import Sphinx


def read_next(*_: Any) -> None:
    """Before a page is read: the tree of the last one goes, and what it left in the environment is not looked at again."""
    gc.collect()
    gc.freeze()


def written(*_: Any) -> None:
    """While a page is written, the trees of those before it go."""
    gc.collect()


def setup(app: Sphinx) -> dict[str, Any]:
    """Take the collector's clock into our own hands."""
    gc.disable()
    gc.freeze()
    app.connect("source-read", read_next)
    app.connect("html-page-context", written)
    app.connect("build-finished", lambda *_: gc.enable())
    return {"parallel_read_safe": True, "parallel_write_safe": True}
