"""The site's machinery: one policy, nobody else asked, every page says its version and takes errors."""

from __future__ import annotations

import re
import tomllib
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from gmbook import imprint
from gmbook.house import HTML, ROOT, address, built
from gmbook.serve import POLICY

PAGES = [page for page in built() if page != "index.html"]
LONG = "book/notation.html"
LOADS = {
    "script": ("src",),
    "img": ("src", "srcset"),
    "link": ("href",),
    "iframe": ("src",),
    "source": ("src", "srcset"),
    "video": ("src", "poster"),
    "audio": ("src",),
    "object": ("data",),
    "embed": ("src",),
    "form": ("action",),
}
"""Attributes whose addresses a browser follows without being asked; a form leads away when it is sent."""
NAMED_ONLY = {
    "www.w3.org",  # names of XML's vocabularies
    "www.mathjax.org",
    "cdn.jsdelivr.net",  # where MathJax's parts for screen readers would come from; they are switched off
    "www.apache.org",
    "github.com",
    "clipboardjs.com",
    "developer.mozilla.org",
    "pydata-sphinx-theme.readthedocs.io",
}
"""Hosts that scripts of the theme and of MathJax name, in licences and documentation, without asking them."""


def outside(value: str) -> bool:
    return bool(re.match(r"(?:\w+:)?//", value.strip()))


def hosts(text: str) -> list[str]:
    """What a page would load from other hosts."""
    found = []
    for tag, attributes in LOADS.items():
        for element in re.findall(rf"<{tag}\b[^>]*>", text):
            if tag == "link" and re.search(r'rel="(?:canonical|license)"', element):
                continue
            for name in attributes:
                found += [v for v in re.findall(rf'\b{name}="([^"]*)"', element) if outside(v)]
    return found


def test_no_page_loads_anything_from_another_host() -> None:
    assert {page: found for page in PAGES if (found := hosts((HTML / page).read_text("utf8")))} == {}
    tracker = '<img alt="" src="https://pixel.example/x.gif"><script async src="//cdn.example/t.js"></script>'
    assert hosts(tracker) == ["//cdn.example/t.js", "https://pixel.example/x.gif"]


def test_no_style_sheet_loads_anything_from_another_host() -> None:
    for path in HTML.rglob("*.css"):
        found = re.findall(r"(?:url\(|@import\s+)[\"']?([^\"')]+)", path.read_text("utf8"))
        assert [value for value in found if outside(value)] == [], path.name


def test_scripts_name_no_host_that_we_do_not_know() -> None:
    named: dict[str, str] = {}
    for path in sorted(HTML.rglob("*.js")):
        if path.name == "searchindex.js":  # the words of the pages, links among them
            continue
        for host in re.findall(r"https?://([\w.-]+\.\w+)", path.read_text("utf8")):
            named.setdefault(host, path.relative_to(HTML).as_posix())
    assert {host: where for host, where in named.items() if host not in NAMED_ONLY} == {}


def test_nothing_secret_is_in_the_site() -> None:
    secret = re.compile(
        r"AKIA[0-9A-Z]{16}|gh[pousr]_[A-Za-z0-9]{36}|-----BEGIN [A-Z ]*PRIVATE KEY|xox[abp]-\d+|sk-[A-Za-z0-9]{40}"
    )
    for path in HTML.rglob("*"):
        if path.suffix in (".html", ".js", ".css", ".ipynb", ".json", ".txt"):
            assert not secret.search(path.read_text("utf8")), path


def test_the_policy_in_the_guide_is_the_one_that_is_sent() -> None:
    guide = " ".join((ROOT / "CONTRIBUTING.md").read_text("utf8").split())
    assert POLICY in guide


def test_only_the_page_of_results_loads_the_index_of_the_search() -> None:
    assert [page for page in PAGES if "searchindex.js" in (HTML / page).read_text("utf8")] == ["search.html"]


@pytest.mark.parametrize("page", PAGES)
def test_a_page_brings_the_policy_and_opens_other_sites_safely(page: str) -> None:
    text = (HTML / page).read_text("utf8")
    assert text.count("http-equiv") == 1
    assert f'content="{POLICY}"' in text.split("<script", 1)[0]
    for link in re.findall(r"<a\b[^>]*target=\"_blank\"[^>]*>", text):
        assert "noopener" in link


@pytest.mark.parametrize("page", PAGES)
def test_the_footer_says_version_date_and_licence_and_takes_errors(page: str) -> None:
    text = (HTML / page).read_text("utf8")
    (footer,) = re.findall(r'<p class="gm-imprint">.*?</p>', text, re.S)
    number = tomllib.loads((ROOT / "pyproject.toml").read_text("utf8"))["project"]["version"]
    assert footer.startswith(f'<p class="gm-imprint">Version {number}')
    assert re.search(r"\d{4}-\d\d-\d\d\. Text", footer)
    assert "creativecommons.org/licenses/by/4.0" in footer
    links = re.findall(r'href="([^"]*/issues/new[^"]*)"', text)
    assert len(links) == 2  # above the page and under it, the same without JavaScript
    for link in links:
        asked = parse_qs(urlsplit(link.replace("&amp;", "&")).query)
        assert f"{address('Documentation')}/{page}\nVersion: {number}" in asked["body"][0]
        assert asked["title"][0].startswith("Error in ")


def test_without_git_the_version_is_that_of_pyproject(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imprint, "_git", lambda *_: "")
    for made in (imprint.version, imprint.date):
        made.cache_clear()
    number = tomllib.loads((ROOT / "pyproject.toml").read_text("utf8"))["project"]["version"]
    try:
        assert imprint.version() == number
        assert re.fullmatch(r"\d{4}-\d\d-\d\d", imprint.date())
    finally:
        for made in (imprint.version, imprint.date):
            made.cache_clear()


@pytest.mark.browser
def test_an_error_is_reported_with_the_section_that_is_read(browser: Any, site: str) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
    asked: list[str] = []
    context.on(
        "request", lambda r: asked.append(r.url) if not r.url.startswith((site, "blob:", "data:")) else None
    )
    tab = context.new_page()
    tab.goto(f"{site}/{LONG}", wait_until="networkidle")
    tab.evaluate("() => MathJax.startup.promise.then(() => true)")
    link = tab.locator("a.btn-report-button")
    box = link.bounding_box()  # the bar above the page stays where it is; hover() would scroll to it
    for name in ("noise-processes", "flows-energies-games", "data-latents-and-laws"):
        tab.evaluate("id => document.getElementById(id).scrollIntoView({ behavior: 'instant' })", name)
        head = tab.locator(f"#{name} > h2").first.evaluate("h => h.firstChild.textContent")
        tab.mouse.move(0, 0)
        tab.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        body = parse_qs(urlsplit(link.get_attribute("href")).query)["body"][0]
        assert f"/{LONG}#{name}\nSection: {head}\nVersion: " in body
    assert asked == []
    context.close()
