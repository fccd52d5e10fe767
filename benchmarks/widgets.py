"""Frames in headless Chromium: the density explorer with 2,000 samples and 24 x 24 arrows, the Swiss-roll scores with 2,000
particles that a network or the exact score moves, the coupling stack, the DiracGAN laboratory and the browser's GAN while
they play, the law that is shifted; steps of the GAN's engine in Node; and the time until each page of the gallery is up.

A frame's *work* is the time that JavaScript takes for it; its *interval* is the time since the frame before, which the
screen's rate bounds from below. The site must be built (``make book``). The clock is the browser's.
"""

from __future__ import annotations

import itertools
import json
import mimetypes
import shutil
import statistics
import subprocess
from typing import Any

from gmbook.bundle import SOURCE, node
from gmbook.house import HTML

from benchmarks.harness import Row
from gmlib.widgets import BrowserGan

DEVICE = "cpu"
"""The browser draws without a graphics card, whatever torch has."""
SITE = "http://site.test"
PAGES = ("01_map", "05_flows", "08_score_matching", "14_gans")
EXPLORER, FLOWS, SCORES, GAMES = (f"book/widgets_{name}.html" for name in PAGES)
FRAMES = 120
POLL = 50
"""Milliseconds: Playwright asks by animation frames otherwise, which would be counted."""
LAWS = ("two_moons", "pinwheel")
MOVES = (
    ("learnt score", "annealed"),
    ("exact score", "annealed"),
    ("learnt score", "flow"),
    ("exact score", "flow"),
)
PLAYS = (
    (FLOWS, "coupling stack", "coupling-stack", "To the data"),
    (GAMES, "DiracGAN laboratory", "dirac-laboratory", "Play"),
    (GAMES, "browser GAN", "browser-gan", "Collapse"),
)
PENALTIES = ("none", "r1", "gradient_penalty")
CHUNKS, CHUNK = 40, 25
"""Timed pieces of the GAN's run, and steps in each."""

WATCH = """
window.work = []; window.at = []; window.up = null;
const ask = window.requestAnimationFrame.bind(window);
window.unwatched = ask;
window.requestAnimationFrame = (draw) => ask((time) => {
  const start = performance.now();
  draw(time);
  window.work.push(performance.now() - start);
  window.at.push(time);
});
new MutationObserver(() => {
  const ready = document.querySelectorAll(".gm-widget[data-ready]").length;
  if (window.up === null && ready && ready === document.querySelectorAll(".gm-view").length) window.up = performance.now();
}).observe(document, { subtree: true, attributes: true, attributeFilter: ["data-ready"] });
"""
SWEEP = """
(frames) => new Promise((done) => {
  const slider = document.querySelector("[data-widget=density-explorer] input[type=range]");
  let step = 0;
  const move = () => {
    slider.value = 1 - Math.cos(step / 20);
    slider.dispatchEvent(new Event("input"));
    if (++step < frames) window.unwatched(move); else done();
  };
  move();
})
"""
SHIFT = SWEEP.replace("density-explorer", "shifted-laws").replace("1 - Math.cos", "2 * Math.sin")
ENGINE = """
const uniform = Math.random;
uniform.normal = () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
const runs = given.settings.map((settings) => {
  return { settings, times: [], run: new Run({ ...given.sizes, activation: "relu" }, given.law, uniform) };
});
for (let i = -10; i < given.chunks; i++) {
  for (const { settings, times, run } of runs) {
    const start = performance.now();
    for (let k = 0; k < given.chunk; k++) run.step(settings);
    if (i >= 0) times.push((performance.now() - start) / given.chunk);
  }
}
console.log(JSON.stringify(runs.map(({ times }) => times)));
"""


def _serve(route: Any) -> None:
    path = HTML / route.request.url.removeprefix(f"{SITE}/").split("?")[0]
    if not path.is_file():
        route.fulfill(status=404)
        return
    body = path.read_bytes()
    if path == HTML / EXPLORER:
        body = body.replace(b'"n": 1000,', b'"n": 2000,', 1)
    route.fulfill(body=body, content_type=mimetypes.guess_type(path.name)[0] or "application/octet-stream")


def _row(case: str, contender: str, milliseconds: list[float], **extra: Any) -> Row:
    low, middle, high = statistics.quantiles(milliseconds, n=4)
    tail = statistics.quantiles(milliseconds, n=20)[-1]
    print(f"{case:<28} {contender:<12} median {middle:7.2f} ms   95th percentile {tail:7.2f} ms", flush=True)
    seconds = {"clock": "browser", "p95": tail / 1e3, "n": len(milliseconds), **extra}
    return Row(case, contender, middle / 1e3, (low / 1e3, high / 1e3), 1.0, (1.0, 1.0), seconds)


def _frames(tab: Any, case: str, about: dict[str, Any]) -> list[Row]:
    work, at = tab.evaluate("[window.work, window.at]")
    intervals = [b - a for a, b in itertools.pairwise(at) if b > a]
    return [_row(case, "work", work, **about), _row(case, "interval", intervals, **about)]


def _scores(browser: Any, drive: str, sampler: str) -> list[Row]:
    """Frames of the Swiss-roll scores while the particles move; the annealed ladder changes its level every eighth frame,
    the flow every frame."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.route(f"{SITE}/**", _serve)
    context.add_init_script(WATCH)
    tab = context.new_page()
    tab.goto(f"{SITE}/{SCORES}")
    tab.wait_for_function("() => window.up !== null", timeout=30_000)
    found = tab.locator("[data-widget=swiss-roll-scores]")
    found.scroll_into_view_if_needed()
    found.get_by_role("radio", name=drive).check()
    found.get_by_role("radio", name=sampler).check()
    found.get_by_label("noise levels on the way down").fill("24" if sampler == "annealed" else "100")
    tab.wait_for_timeout(500)
    tab.evaluate("window.work = [], window.at = []")
    found.get_by_role("button", name="Play").click()
    wanted = FRAMES if sampler == "annealed" else 99
    tab.wait_for_function(f"() => window.work.length >= {wanted}", polling=POLL, timeout=120_000)
    about = {"browser": f"Chromium {browser.version}", "particles": 2000, "arrows": 2 * 22 * 22}
    rows = _frames(tab, f"Swiss roll, {drive}, {sampler}", about)
    context.close()
    return rows


def _opened(browser: Any, page: str, name: str) -> tuple[Any, Any, Any]:
    """A context, its tab and a widget of the page, in view."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.route(f"{SITE}/**", _serve)
    context.add_init_script(WATCH)
    tab = context.new_page()
    tab.goto(f"{SITE}/{page}")
    tab.wait_for_function("() => window.up !== null", timeout=30_000)
    found = tab.locator(f"[data-widget={name}]").first
    found.scroll_into_view_if_needed()
    tab.wait_for_timeout(1000)
    tab.evaluate("window.work = [], window.at = []")
    return context, tab, found


def _plays(browser: Any, page: str, case: str, name: str, button: str) -> list[Row]:
    """Frames of a widget that moves by itself once a button is pressed; a frame of the GAN trains for at most 9 ms."""
    context, tab, found = _opened(browser, page, name)
    found.get_by_role("button", name=button, exact=True).click()
    tab.wait_for_function(f"() => window.work.length >= {FRAMES}", polling=POLL, timeout=120_000)
    rows = _frames(tab, f"{case} plays", {"browser": f"Chromium {browser.version}"})
    context.close()
    return rows


def _shifted(browser: Any) -> list[Row]:
    """Frames of the two laws while the shift goes to and fro."""
    context, tab, _ = _opened(browser, GAMES, "shifted-laws")
    tab.evaluate(SHIFT, FRAMES)
    rows = _frames(tab, "laws shifted", {"browser": f"Chromium {browser.version}"})
    context.close()
    return rows


def _engine() -> list[Row]:
    """A step of the browser's GAN in Node, drawn noise included: batch 128, the losses of the preset, by penalty."""
    gan = BrowserGan()
    settings = {
        "loss": gan.loss,
        "gamma": gan.gamma,
        "criticSteps": 1,
        "criticRate": gan.lr_critic,
        "generatorRate": gan.lr_generator,
        "optimiser": gan.optimizer,
        "beta1": gan.beta1,
        "simultaneous": False,
    }
    given = {
        "settings": [{**settings, "regulariser": penalty} for penalty in PENALTIES],
        "sizes": gan.sizes,
        "law": {"centres": gan.centres.tolist(), "std": gan.sizes["std"], "radius": gan.sizes["radius"]},
        "chunks": CHUNKS,
        "chunk": CHUNK,
    }
    module = json.dumps((SOURCE / "gan_run.js").as_uri())
    code = f"import {{ Run }} from {module};\nconst given = {json.dumps(given)};\n{ENGINE}"
    command = [*node(), "--input-type=module", "--eval", code]
    times = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return [
        _row(
            "GAN engine, a step",
            f"penalty {penalty}",
            found,
            clock="Node",
            batch=gan.sizes["batch"],
            steps_per_second=round(1e3 / statistics.median(found)),
        )
        for penalty, found in zip(PENALTIES, times, strict=True)
    ]


def run(*, rounds: int, clock: str) -> list[Row]:
    """Measure ``rounds`` starts of each page of the gallery, frames of two laws, moving and under a sweep of the noise,
    then frames of the Swiss roll's particles, of the coupling stack and of the three widgets of GANs; then steps of the
    GAN's engine.

    Raises:
        RuntimeError: the site is not built, or there is no Chromium.
    """
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    gallery = sorted(HTML.glob("book/widgets_*.html"))
    if chromium is None or not gallery:
        raise RuntimeError("the benchmark needs Chromium and the built site: make book")
    rows: list[Row] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        about = {"browser": f"Chromium {browser.version}", "samples": 2000, "arrows": 24 * 24}
        for page in gallery:
            starts = []
            for _ in range(rounds):
                context = browser.new_context(viewport={"width": 1280, "height": 900})
                context.route(f"{SITE}/**", _serve)
                context.add_init_script(WATCH)
                tab = context.new_page()
                tab.goto(f"{SITE}/book/{page.name}")
                tab.wait_for_function("() => window.up !== null", timeout=30_000)
                starts.append(tab.evaluate("window.up"))
                context.close()
            rows.append(_row(f"gallery, {page.stem}", "up", starts, browser=about["browser"]))
        for law in LAWS:
            context = browser.new_context(viewport={"width": 1280, "height": 900})
            context.route(f"{SITE}/**", _serve)
            context.add_init_script(WATCH)
            tab = context.new_page()
            tab.goto(f"{SITE}/{EXPLORER}")
            found = tab.locator("[data-widget=density-explorer]")
            found.get_by_label("law", exact=True).select_option(law)
            tab.wait_for_function("() => window.up !== null", timeout=30_000)
            found.scroll_into_view_if_needed()
            tab.wait_for_timeout(1000)
            tab.evaluate("window.work = [], window.at = []")
            found.get_by_role("button", name="Move samples").click()
            tab.wait_for_function(f"() => window.work.length >= {FRAMES}", polling=POLL, timeout=120_000)
            rows += _frames(tab, f"{law}, samples move", about)
            found.get_by_role("button", name="Move samples").click()
            tab.wait_for_timeout(500)
            tab.evaluate("window.work = [], window.at = []")
            tab.evaluate(SWEEP, FRAMES)
            rows += _frames(tab, f"{law}, noise swept", about)
            context.close()
        for drive, sampler in MOVES:
            rows += _scores(browser, drive, sampler)
        for page, case, name, button in PLAYS:
            rows += _plays(browser, page, case, name, button)
        rows += _shifted(browser)
        browser.close()
    return rows + _engine()
