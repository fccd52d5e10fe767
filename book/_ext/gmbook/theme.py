"""What the theme needs from us: our style sheet, the buttons above a page, nothing that asks another site."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

from gmbook.house import PLAIN, ROOT, address

STATIC = Path(__file__).with_name("static")


def buttons(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Colab and download open the plain edition; the theme's own buttons would offer the MyST source."""
    shown = context.get("header_buttons")
    if shown is None:
        return
    shown[:] = [b for b in shown if b.get("label") not in ("download-buttons", "launch-buttons")]
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


def finish(app: Sphinx, error: Exception | None) -> None:
    """Put the plain edition beside the pages, and drop what they do not need.

    Font Awesome's script (1.5 MB) draws the icons that the theme's style sheet draws as well.
    """
    if error is not None or app.builder.format != "html":
        return
    out = Path(app.outdir)
    if PLAIN.exists():
        shutil.copytree(PLAIN, out / "notebooks", dirs_exist_ok=True)
    for file in out.rglob("*.html"):
        text = file.read_text("utf8")
        slim = re.sub(r"\s*<script[^>]*fontawesome\.js[^>]*></script>", "", text)
        slim = re.sub(r"\s*<link[^>]*fontawesome\.js[^>]*>", "", slim)
        if slim != text:
            file.write_text(slim, "utf8")
    for file in {*out.rglob("fontawesome.js*"), *out.rglob("*.map")}:
        file.unlink()
