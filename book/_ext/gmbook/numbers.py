"""Chapters keep the number of their file: ``02_elbo`` is chapter 2 also while there is no chapter 1."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from sphinx.addnodes import compact_paragraph
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

from gmbook.house import chapter


def recount(app: Sphinx, env: BuildEnvironment) -> list[str]:
    """Before Sphinx counts, give it back its last count: it writes a page anew when the page's numbers are others."""
    for name, last in getattr(env, "book_count", {}).items():
        setattr(env, name, last)
    return []


def renumber(app: Sphinx, env: BuildEnvironment) -> list[str]:
    """After Sphinx has counted the chapters, put each file's own number in the place of the count."""
    env.book_count = {  # pyright: ignore[reportAttributeAccessIssue]
        name: deepcopy(getattr(env, name)) for name in ("toc_secnumbers", "toc_fignumbers")
    }
    for name in env.titles:
        if not name.startswith("chapters/"):
            continue
        number = chapter(name)

        def mend(old: Any, number: str = number) -> Any:
            return old if not old else type(old)([number, *old[1:]])

        title = env.titles[name]
        if "secnumber" in title:
            title["secnumber"] = mend(title["secnumber"])
        for anchor, old in env.toc_secnumbers.get(name, {}).items():
            env.toc_secnumbers[name][anchor] = mend(old)
        for kind in env.toc_fignumbers.get(name, {}).values():
            for label, old in kind.items():
                kind[label] = mend(old)
        for paragraph in env.tocs[name].findall(compact_paragraph):
            for reference in paragraph.children:
                if "secnumber" in reference:  # pyright: ignore[reportOperatorIssue]
                    reference["secnumber"] = mend(reference["secnumber"])  # pyright: ignore
    return []


def setup(app: Sphinx) -> dict[str, Any]:
    """Sphinx's entry; the book's extension loads this one."""
    app.connect("env-get-updated", recount, priority=100)
    app.connect("env-get-updated", renumber, priority=900)
    return {"parallel_read_safe": False, "parallel_write_safe": True}
