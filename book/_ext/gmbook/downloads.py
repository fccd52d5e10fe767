"""What the pages' footers offer beside the site: the chapter's PDF and the whole site as a zip, once they are there."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from gmbook.house import HTML, built
from gmlib._files import write_text

PDFS = "pdf"
ZIP = "generative-models-live.zip"
PLACE = re.compile(r'<p class="gm-downloads">.*?</p>', re.S)


def offered(page: str, text: str, *, archive: bool = True) -> str:
    """The page's text with links to what lies in the site; ``archive=False`` leaves out the zip."""
    up = "../" * page.count("/")
    links = []
    pdf = HTML / PDFS / f"{Path(page).stem}.pdf"
    if page.startswith("chapters/") and pdf.exists():
        links.append(f'<a href="{up}{PDFS}/{pdf.name}">This chapter as a PDF</a> ({_size(pdf)})')
    if archive and (HTML / ZIP).exists():
        links.append(f'<a href="{up}{ZIP}">The site to take along</a> (zip, {_size(HTML / ZIP)})')
    return PLACE.sub(f'<p class="gm-downloads">{", ".join(links)}</p>', text)


def _size(path: Path) -> str:
    return f"{max(0.1, path.stat().st_size / 1e6):.1f} MB"


def forget() -> None:
    """Remove what was made of the pages as they were, for they are about to change."""
    shutil.rmtree(HTML / PDFS, ignore_errors=True)
    (HTML / ZIP).unlink(missing_ok=True)


def refresh() -> None:
    """Bring the footers of all pages up to date."""
    for page in built():
        path = HTML / page
        text = path.read_text("utf8")
        if (new := offered(page, text)) != text:
            write_text(path, new)
