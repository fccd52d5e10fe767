"""How soon each page of the built site is there, in headless Chromium from a local server, each time with an empty cache:
seconds until the formulas in view are set and the page answers; until it has loaded and all its widgets are drawn, those
far below too; the processor time that the page's process took for it, which other work on the machine hardly changes; and
what it weighs (``gmbook.weight``).

The site must be built (``make book``). Rounds go through all pages in turn, so that a machine whose speed drifts slows all
of them alike; the load that others put on the machine is recorded with each page. The clock is the browser's.
"""

from __future__ import annotations

import os
import statistics
from pathlib import Path

from gmbook.house import built
from gmbook.serve import chromium, serving
from gmbook.weight import weigh

from benchmarks.harness import Row

DEVICE = "cpu"
"""The browser draws without a graphics card, whatever torch has."""
LEFT_OUT = ("index.html", "genindex.html", "py-modindex.html", "prf-prf.html")
"""A page that only leads to another, and indices."""
WATCH = """
window.up = window.answers = null;
const inView = (e) => { const { top, bottom } = e.getBoundingClientRect(); return bottom > 0 && top < innerHeight; };
const frame = () => {
  const parsed = document.readyState !== "loading";
  if (parsed && [...document.querySelectorAll(".math")].every((e) => !inView(e) || e.querySelector("mjx-container"))) {
    setTimeout(() => (window.answers = performance.now()));
  } else requestAnimationFrame(frame);
};
requestAnimationFrame(frame);
const look = () => {
  const places = document.querySelectorAll(".gm-view, script[type='application/vnd.jupyter.widget-view+json']").length;
  const drawn = document.querySelectorAll(".gm-widget[data-ready]").length;
  if (window.up === null && document.readyState === "complete" && drawn === places) window.up = performance.now();
};
addEventListener("load", () => setTimeout(look));
new MutationObserver(look).observe(document, { subtree: true, attributes: true, attributeFilter: ["data-ready"] });
"""


def run(*, rounds: int, clock: str) -> list[Row]:
    """Load every page ``rounds`` times.

    Raises:
        RuntimeError: the site is not built, or there is no Chromium.
    """
    from playwright.sync_api import sync_playwright

    path, pages = chromium(), [page for page in built() if page not in LEFT_OUT]
    if path is None or not pages:
        raise RuntimeError("the benchmark needs Chromium and the built site: make book")
    times: dict[str, list[float]] = {page: [] for page in pages}
    answers: dict[str, list[float]] = {page: [] for page in pages}
    loads: dict[str, list[float]] = {page: [] for page in pages}
    effort: dict[str, list[float]] = {page: [] for page in pages}
    with serving() as site, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        for _ in range(rounds):
            for page in pages:
                context = browser.new_context(viewport={"width": 1280, "height": 900})
                context.add_init_script(WATCH)
                tab = context.new_page()
                meter = context.new_cdp_session(tab)
                meter.send("Performance.enable")
                tab.goto(f"{site}/{page}")
                tab.wait_for_function("() => window.up !== null && window.answers !== null", timeout=60_000)
                metrics = {m["name"]: m["value"] for m in meter.send("Performance.getMetrics")["metrics"]}
                times[page].append(tab.evaluate("window.up") / 1e3)
                answers[page].append(tab.evaluate("window.answers") / 1e3)
                effort[page].append(metrics["ProcessTime"])
                loads[page].append(os.getloadavg()[0])
                context.close()
        version = f"{Path(path).name} {browser.version}"
        browser.close()
    rows = []
    for page in pages:
        low, middle, high = statistics.quantiles(times[page], n=4)
        weight = weigh(page)
        about = {
            "clock": "browser",
            "browser": version,
            "n": rounds,
            "answers": statistics.median(answers[page]),
            "cpu": statistics.median(effort[page]),
            "load": round(statistics.median(loads[page]), 2),
            "cores": os.cpu_count(),
            "bytes": weight.whole,
            "widget_bytes": weight.widgets,
        }
        rows.append(Row(page, "up", middle, (low, high), 1.0, (1.0, 1.0), about))
        print(
            f"{page:<40} {middle:6.2f} s [{low:.2f}, {high:.2f}]   {weight.whole / 1e3:6.0f} kB", flush=True
        )
    return rows
