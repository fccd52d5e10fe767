"""Every internal link, anchor and file of the built site exists; every image has a text."""

from __future__ import annotations

from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from gmbook.house import HTML, ROOT, address, built

PAGES = built()


class Reader(HTMLParser):
    """The anchors of a page, what it refers to, and its images."""

    def __init__(self) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.targets: list[str] = []
        self.images: list[dict[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.anchors.update(v for k, v in attrs if k in ("id", "name") and v)
        if tag == "img":
            self.images.append(values)
        canonical = tag == "link" and values.get("rel") == "canonical"
        target = values.get("href") if tag in ("a", "link") else values.get("src")
        if target and not canonical:
            self.targets.append(target)


@cache
def read(path: Path) -> Reader:
    reader = Reader()
    reader.feed(path.read_text("utf8"))
    return reader


@pytest.mark.parametrize("page", PAGES)
def test_internal_links_resolve(page: str) -> None:
    here = HTML / page
    broken = []
    for target in read(here).targets:
        parts = urlsplit(target)
        if parts.scheme or parts.netloc:
            continue
        path = (here.parent / unquote(parts.path)).resolve() if parts.path else here
        if path.is_dir():
            path = path / "index.html"
        good = path.exists() and (
            not parts.fragment or path.suffix != ".html" or unquote(parts.fragment) in read(path).anchors
        )
        if not good:
            broken.append(target)
    assert not broken


@pytest.mark.parametrize("page", PAGES)
def test_images_have_alternative_text(page: str) -> None:
    # The logo stands beside the book's name, which is all there is to say.
    images = [image for image in read(HTML / page).images if "logo__image" not in (image.get("class") or "")]
    assert not [image for image in images if not (image.get("alt") or "").strip()]


def test_pages_name_only_one_address_of_the_book() -> None:
    for page in PAGES:
        text = (HTML / page).read_text("utf8")
        start = text.find('rel="canonical" href="')
        if start >= 0:
            assert text[start:].split('"')[3].startswith(address("Documentation")), page


@pytest.mark.parametrize("page", PAGES)
def test_a_page_does_not_tell_where_it_was_built(page: str) -> None:
    assert str(ROOT) not in (HTML / page).read_text("utf8")
