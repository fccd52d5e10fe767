"""What a reader takes along: a chapter as a PDF, light and whole, and the site as a zip that opens from the disk."""

from __future__ import annotations

import io
import re
import zipfile
from pathlib import Path
from typing import Any

import pytest
from gmbook import downloads, offline, pdf
from gmbook.house import HTML, built
from pypdf import PdfReader

SHORT = "chapters/11b_guidance_family"
PLAY = "book/widgets_02_elbo"


@pytest.mark.browser
@pytest.mark.slow
def test_a_chapter_is_printed_whole(browser: Any, site: str) -> None:
    reader = PdfReader(io.BytesIO(pdf.printed(browser, site, SHORT)))
    text = "\n".join(page.extract_text() for page in reader.pages)
    words = re.sub(r"\s+", " ", text)
    source = (HTML / f"{SHORT}.html").read_text("utf8")
    title = re.search(r"<title>([^<]*?)\s+(?:—|&#8212;)", source)
    assert title is not None
    assert re.sub(r"^[\d.b]+\s*", "", title[1])[:30] in words
    assert len(reader.pages) >= 8
    heads = re.findall(r"<h2>(?:<span[^>]*>[^<]*</span>)?([^<]+)<a", source)
    assert heads
    assert all(re.sub(r"\W+", "", head) in re.sub(r"\W+", "", words) for head in heads)
    assert f"{SHORT}.html" in words  # where the page is, on each sheet
    assert reader.outline
    assert "Report an error" not in words


@pytest.mark.browser
def test_on_paper_folds_are_open_and_a_widget_is_a_picture(browser: Any, site: str) -> None:
    context = browser.new_context(color_scheme="dark", reduced_motion="reduce")
    tab = context.new_page()
    tab.goto(f"{site}/{PLAY}.html")
    tab.locator(".gm-widget[data-ready]").first.wait_for()
    tab.emulate_media(media="print", color_scheme="dark")
    tab.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert tab.evaluate("document.documentElement.dataset.theme") == "light"
    assert tab.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not tab.locator(".gm-widget :is(button, input, select):visible").count()
    assert tab.locator(".gm-widget canvas:visible").count()
    assert "Live on the page" in tab.evaluate(
        "getComputedStyle(document.querySelector('.gm-widget'), '::after').content"
    )
    assert not tab.locator(".bd-sidebar-primary:visible, .gm-report:visible").count()
    tab.evaluate("dispatchEvent(new Event('afterprint'))")
    assert tab.evaluate("document.documentElement.dataset.theme") == "dark"
    tab.goto(f"{site}/chapters/02_elbo.html")
    tab.emulate_media(media="print")
    folded = tab.locator(".bd-article details:not([open]) > :last-child")
    assert set(folded.evaluate_all("found => found.map((part) => part.checkVisibility())")) == {True}
    kept_whole = (
        "codes => codes.filter((code) => { for (let a = code; a; a = a.parentElement)"
        " if (getComputedStyle(a).breakInside !== 'auto') return true; return false }).length"
    )
    code = tab.locator(".bd-article > section .cell pre")
    assert code.evaluate_all(kept_whole) == 0  # a long cell starts where the text before it ends
    context.close()


def test_footers_offer_what_lies_in_the_site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = '<p class="gm-downloads"></p>'
    monkeypatch.setattr(downloads, "HTML", tmp_path)
    assert downloads.offered("chapters/a.html", page) == page
    (tmp_path / downloads.PDFS).mkdir()
    (tmp_path / downloads.PDFS / "a.pdf").write_bytes(b"0" * 2_000_000)
    (tmp_path / downloads.ZIP).write_bytes(b"0" * 3_500_000)
    both = downloads.offered("chapters/a.html", page)
    assert 'href="../pdf/a.pdf"' in both
    assert f'href="../{downloads.ZIP}"' in both
    assert "3.5 MB" in both
    assert downloads.offered("chapters/a.html", both) == both
    assert downloads.ZIP not in downloads.offered("chapters/a.html", both, archive=False)
    assert "pdf" not in downloads.offered("book/a.html", page)


@pytest.mark.browser
@pytest.mark.slow
def test_the_zip_has_every_page_and_opens_from_the_disk(browser: Any, tmp_path: Path) -> None:
    offline.pack(tmp_path / "site.zip")
    with zipfile.ZipFile(tmp_path / "site.zip") as archive:
        archive.extractall(tmp_path)
    unpacked = tmp_path / offline.FOLDER
    assert {page.relative_to(unpacked).as_posix() for page in unpacked.rglob("*.html")} >= set(built())
    note = (unpacked / "README.txt").read_text("utf8")
    assert "index.html" in note
    assert "serve.py" in note
    compile((unpacked / "serve.py").read_text("utf8"), "serve.py", "exec")
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    troubles: list[str] = []
    tab = context.new_page()
    tab.on("console", lambda m: troubles.append(m.text) if m.type in ("error", "warning") else None)
    tab.on("pageerror", lambda e: troubles.append(str(e)))
    tab.on("request", lambda r: troubles.append(r.url) if r.url.startswith("http") else None)
    tab.goto((unpacked / f"{PLAY}.html").as_uri())
    count = (unpacked / f"{PLAY}.html").read_text("utf8").count("widget-view+json")
    tab.wait_for_function(
        f"() => document.querySelectorAll('.gm-widget[data-ready]').length === {count}", timeout=30_000
    )
    tab.goto((unpacked / "chapters" / "02_elbo.html").as_uri(), wait_until="load")
    tab.wait_for_selector("mjx-container mjx-math", state="attached", timeout=30_000)
    assert tab.evaluate(
        "async () => (await document.fonts.ready, document.fonts.check('18px \"Book Serif\"'))"
    )
    tab.goto((unpacked / "search.html").as_uri() + "?q=bound")
    tab.wait_for_selector("#search-results li a", timeout=15_000)
    tab.wait_for_function("() => document.querySelector('.search-summary').textContent.includes('found')")
    assert troubles == []
    context.close()
