"""The picture of a page in the README: ``python -m gmbook.picture [PAGE[#SECTION]]`` photographs the built site."""

from __future__ import annotations

import functools
import http.server
import shutil
import sys
import threading

from gmbook.house import HTML, ROOT


def main(place: str) -> int:
    """Write ``assets/page.png``: a page, or one of its sections, on a laptop's screen with its widgets drawn."""
    from playwright.sync_api import sync_playwright

    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        print("no Chromium or Chrome on this machine")
        return 1
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(HTML))
    page, _, section = place.partition("#")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        tab = browser.new_page(viewport={"width": 1280, "height": 900})
        tab.goto(f"http://127.0.0.1:{server.server_port}/{page}.html", wait_until="networkidle")
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
    server.shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else "chapters/02_elbo#play"))
