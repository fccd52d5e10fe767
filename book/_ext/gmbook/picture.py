"""The picture of a page in the README: ``python -m gmbook.picture [PAGE[#SECTION]]`` photographs the built site."""

from __future__ import annotations

import sys

from gmbook.house import ROOT
from gmbook.serve import chromium, serving


def main(place: str) -> int:
    """Write ``assets/page.png``: a page, or one of its sections, on a laptop's screen with its widgets drawn."""
    from playwright.sync_api import sync_playwright

    path = chromium()
    if path is None:
        print("no Chromium or Chrome on this machine")
        return 1
    page, _, section = place.partition("#")
    with serving() as site, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        tab = browser.new_page(viewport={"width": 1280, "height": 900})
        tab.goto(f"{site}/{page}.html", wait_until="networkidle")
        tab.evaluate("() => window.MathJax ? MathJax.startup.promise.then(() => true) : true")
        tab.wait_for_function(
            "() => document.querySelectorAll('.gm-view').length === "
            "document.querySelectorAll('.gm-widget[data-ready]').length"
        )
        if section:
            tab.evaluate("id => document.getElementById(id).scrollIntoView()", section)
            tab.wait_for_timeout(1000)  # what lies in view is drawn in the frames that follow
        tab.screenshot(path=ROOT / "assets" / "page.png")
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else "chapters/02_elbo#play"))
