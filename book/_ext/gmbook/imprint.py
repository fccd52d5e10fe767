"""Under each page: which version it is and of when, its licence, and a link that reports an error in it."""

from __future__ import annotations

import html
import subprocess
import tomllib
from datetime import UTC, datetime
from functools import cache
from typing import Any
from urllib.parse import quote

from gmbook.house import ROOT, address

LICENCE = "https://creativecommons.org/licenses/by/4.0/"


@cache
def version() -> str:
    """The version in pyproject.toml, with the commit where there is git: ``0.1.0 (a0ef893)``."""
    with open(ROOT / "pyproject.toml", "rb") as file:
        number = tomllib.load(file)["project"]["version"]
    commit = _git("rev-parse", "--short", "HEAD")
    return f"{number} ({commit})" if commit else number


@cache
def date() -> str:
    """The day of the commit; without git, of the build."""
    return _git("show", "--no-patch", "--format=%cs", "HEAD") or datetime.now(UTC).date().isoformat()


def _git(*arguments: str) -> str:
    """What git says, or nothing: a downloaded archive has no history, a machine perhaps no git."""
    try:
        done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def report(page: str, name: str) -> str:
    """The address of a new issue about a page. ``book.js`` adds the section when the link is used."""
    body = f"Page: {name}\n{address('Documentation')}/{page}.html\nVersion: {version()}, {date()}\n\nWhat is wrong:\n\n"
    return f"{address('Repository')}/issues/new?title={quote(f'Error in {name}')}&body={quote(body)}"


def footer(page: str, name: str) -> str:
    """The footer of a page. The build's last steps may put downloads into the empty paragraph."""
    licence = f'<a href="{LICENCE}" rel="license">CC BY 4.0</a>'
    code = f'<a href="{address("Repository")}/blob/main/LICENSE">MIT</a>'
    link = html.escape(report(page, name))
    return (
        f'<p class="gm-imprint">Version {html.escape(version())}, {date()}. Text and figures {licence}, code {code}. '
        f'<a class="gm-report" href="{link}" target="_blank" rel="noopener">Report an error on this page</a></p>'
        '<p class="gm-downloads"></p>'
    )


def title(page: str, context: dict[str, Any]) -> str:
    """A page's title as text; Sphinx has it as HTML, with the number in an element of its own."""
    return html.unescape("".join(part.split(">")[-1] for part in (context.get("title") or page).split("<")))


def put(app: Any, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Hand the footer to the theme."""
    context["theme_extra_footer"] = footer(page, title(page, context))
