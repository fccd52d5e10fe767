"""What the theme needs from us: our style sheet, the buttons above a page, nothing that asks another site."""

from __future__ import annotations

import html
import re
import shutil
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

from gmbook import imprint
from gmbook.house import PLAIN, ROOT, address
from gmbook.serve import POLICY

STATIC = Path(__file__).with_name("static")


def buttons(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Colab and download open the plain edition; the theme's own buttons would offer the MyST source."""
    shown = context.get("header_buttons")
    if shown is None:
        return
    shown[:] = [b for b in shown if b.get("label") not in ("download-buttons", "launch-buttons")]
    shown.append(
        {
            "type": "link",
            "url": html.escape(imprint.report(page, imprint.title(page, context))),
            "icon": "fas fa-triangle-exclamation",
            "tooltip": "Report an error on this page",
            "label": "report-button",
            "classes": "gm-report",
        }
    )
    if not (ROOT / f"{page}.ipynb").exists():
        return
    name = Path(page).name
    owner = address("Repository").removeprefix("https://github.com/")
    colab = f"https://colab.research.google.com/github/{owner}/blob/notebooks/{name}.ipynb"
    shown[:0] = [
        {
            "type": "link",
            "url": colab,
            "text": "Colab",
            "icon": "fas fa-rocket",
            "tooltip": "Open this chapter in Colab",
            "label": "launch-colab-button",
        },
        {
            "type": "link",
            "url": f"{context['pathto']('notebooks', 1)}/{name}.ipynb",
            "text": ".ipynb",
            "icon": "fas fa-download",
            "tooltip": "Download this chapter as a notebook",
            "label": "download-notebook-button",
        },
    ]


MENDED: tuple[tuple[str, str], ...] = (
    # Where a server sends no policy, as GitHub's does not, the page brings its own, in front of all that it rules.
    (
        r'<meta charset="utf-8" />(?!\s*<meta http-equiv)',
        rf'\g<0><meta http-equiv="Content-Security-Policy" content="{POLICY}" />',
    ),
    # The theme opens tabs that may reach back to the page.
    (r'target="_blank"(?![^>]*rel=)', 'target="_blank" rel="noopener"'),
    # Without JavaScript, the place of a widget would be an empty one.
    (
        r'<script type="application/vnd\.jupyter\.widget-view\+json">[^<]*</script>(?!<noscript>)',
        r'\g<0><noscript><p class="gm-still">A widget stands here. It needs JavaScript.</p></noscript>',
    ),
    # Font Awesome's script (1.5 MB) draws the icons that the theme's style sheet draws as well.
    (r"\s*<script[^>]*fontawesome\.js[^>]*></script>", ""),
    (r"\s*<link[^>]*fontawesome\.js[^>]*>", ""),
    # A toggle in the side bar has no name that a screen reader could say.
    (
        r'<summary>(?=<span class="toctree-toggle")',
        '<summary aria-label="Show or hide the pages of this part">',
    ),
    # Entries of a list that say they are none.
    (r'role="doc-biblioentry"', 'role="listitem"'),
    # A signature over several lines is written as a definition list without a term.
    (r"<dl>\s*((?:<dd>(?:(?!</?dl>|<dt).)*</dd>\s*)+)</dl>", r'<div class="gm-signature">\1</div>'),
)
"""What the theme writes and should not: a pattern and what takes its place."""


def mended(text: str) -> str:
    """A finished page without the theme's slips."""
    for pattern, instead in MENDED:
        text = re.sub(pattern, instead, text, flags=re.S)
    return re.sub(
        r'<div class="gm-signature">.*?</div>',
        lambda m: m[0].replace("<dd>", '<span class="gm-parameter">').replace("</dd>", "</span>"),
        text,
        flags=re.S,
    )


SEARCHING = r'\s*<script[^>]*src="[^"]*(?:searchtools|language_data|searchindex)\.js[^>]*></script>'
"""Every page would load the index of the whole book, though only the page of results searches in it."""

UNUSED = (
    "latest*",
    "a11y",
    "sre",
    "adaptors",
    "input/asciimath*",
    "input/mml*",
    "output/svg*",
    "*svg*",
    "mml-*",
    "*full*",
)
"""Parts of MathJax that a page with TeX input and CHTML output never asks for."""


def finish(app: Sphinx, error: Exception | None) -> None:
    """Put the plain edition beside the pages, mend them, and drop what they do not need."""
    if error is not None or app.builder.format != "html":
        return
    out = Path(app.outdir)
    if PLAIN.exists():
        shutil.copytree(PLAIN, out / "notebooks", dirs_exist_ok=True)
    for file in out.rglob("*.html"):
        text = file.read_text("utf8")
        better = mended(text)
        if file.name != "search.html":
            better = re.sub(SEARCHING, "", better)
        if better != text:
            file.write_text(better, "utf8")
    for file in {*out.rglob("fontawesome.js*"), *out.rglob("*.map")}:
        file.unlink()
    for pattern in UNUSED:
        for found in (out / "_static" / "mathjax").glob(pattern):
            shutil.rmtree(found) if found.is_dir() else found.unlink()
