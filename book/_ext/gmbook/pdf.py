"""Each chapter as a PDF, printed from the built site by Chromium: ``python -m gmbook.pdf [CHAPTER ...]``.

The files go to ``pdf/`` in the site, and the footer of each page that has one then offers it. A widget is printed as it
stands when it has drawn its first picture.
"""

from __future__ import annotations

import html
import sys
from pathlib import Path
from typing import Any

from gmbook import downloads, imprint
from gmbook.house import HTML, address, files
from gmbook.serve import chromium, serving
from gmlib._files import replacing

READY = """async () => {
  for (const image of document.images) image.loading = "eager";
  await Promise.all([...document.images].map((image) => image.decode().catch(() => null)));
  await window.MathJax?.startup?.promise;
  await document.fonts.ready;
}"""
"""What is not there at once: pictures further down, mathematics, fonts."""
DRAWN = """() => document.querySelectorAll('.gm-view').length
  === document.querySelectorAll('.gm-widget[data-ready], .gm-notice').length"""
SMALL = "font: 8px sans-serif; color: #57606a; width: 100%; margin: 0 17mm; display: flex; justify-content: space-between"
WIDE = {"width": 800, "height": 1100}
"""Pixels of the window: about a sheet of paper, so that what widgets draw for it keeps its size."""


def printed(browser: Any, site: str, page: str) -> bytes:
    """A page of the site that is served at ``site``, as a PDF.

    Raises:
        RuntimeError: the page asks another site for something.
    """
    context = browser.new_context(viewport=WIDE, color_scheme="light", reduced_motion="reduce")
    asked: list[str] = []

    def local(route: Any) -> None:
        if route.request.url.startswith(f"{site}/"):
            route.continue_()
        else:
            asked.append(route.request.url)
            route.abort()

    context.route("http*://**", local)
    tab = context.new_page()
    tab.goto(f"{site}/{page}.html", wait_until="load")
    tab.evaluate(READY)
    tab.wait_for_function(DRAWN, timeout=60_000)
    where = f"{address('Documentation')}/{page}.html"
    data = tab.pdf(
        prefer_css_page_size=True,
        print_background=True,
        outline=True,
        tagged=True,
        display_header_footer=True,
        header_template=f'<div style="{SMALL}"></div>',
        footer_template=(
            f'<div style="{SMALL}"><span>{html.escape(where)}</span>'
            f'<span>{html.escape(imprint.version())}, {imprint.date()}</span><span class="pageNumber"></span></div>'
        ),
    )
    context.close()
    if asked:
        raise RuntimeError(f"{page} asks another site: {', '.join(asked)}")
    return data


def main(names: list[str]) -> int:
    """Print the given chapters (default: all of the book)."""
    from playwright.sync_api import sync_playwright

    path = chromium()
    chapters = [name for name in files() if name.startswith("chapters/")]
    wanted = [f"chapters/{Path(name).stem}" for name in names] or chapters
    unknown = [name for name in wanted if name not in chapters or not (HTML / f"{name}.html").exists()]
    if path is None or unknown:
        missing = f"no page {', '.join(unknown)} in {HTML}: `make book` first" if unknown else ""
        print(missing or "no Chromium or Chrome on this machine: it prints the pages")
        return 1
    with serving() as site, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        for name in wanted:
            target = HTML / downloads.PDFS / f"{Path(name).name}.pdf"
            with replacing(target) as beside:
                beside.write_bytes(printed(browser, site, name))
            print(
                f"  {target.relative_to(HTML.parent.parent)}: {target.stat().st_size / 1e6:.1f} MB",
                flush=True,
            )
        browser.close()
    downloads.refresh()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
