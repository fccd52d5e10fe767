"""A second build of pages, of which one has changed, leaves what a build from nothing would."""

from __future__ import annotations

from pathlib import Path

import pytest
from sphinx.application import Sphinx
from sphinx.util.docutils import docutils_namespace

PAGES = {
    "index": "Book\n====\n\n.. toctree::\n   :numbered:\n\n   chapters/02_first\n   chapters/05_second\n",
    "chapters/02_first": "First\n=====\n\n.. glossary::\n\n   Evidence\n      What is seen.\n\nPart\n----\n\nA text.\n",
    "chapters/05_second": "Second\n======\n\nOf evidence.\n",
}


class Book:
    """A small book with the search and the numbers of the real one."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.write(PAGES)

    def write(self, pages: dict[str, str]) -> None:
        """Pages by name."""
        for name, text in pages.items():
            path = self.root / "source" / f"{name}.rst"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def build(self, folder: str = "built") -> list[str]:
        """Build into a folder; the pages that were written."""
        out, written = self.root / folder, []
        settings = {"extensions": ["gmbook.numbers", "gmbook.search"], "html_copy_source": False}
        with docutils_namespace():
            app = Sphinx(
                self.root / "source", None, out / "html", out / "trees", "html", settings, status=None
            )
            app.connect("doctree-resolved", lambda app, doctree, name: written.append(name))
            app.build()
        return sorted(written)

    def files(self, folder: str = "built") -> dict[str, str]:
        """The text of the pages and of the search index."""
        places = [*(self.root / folder).rglob("*.html"), self.root / folder / "html" / "searchindex.js"]
        return {path.name: path.read_text("utf8") for path in places}


@pytest.fixture
def book(tmp_path: Path) -> Book:
    return Book(tmp_path)


def test_the_search_keeps_the_terms_of_pages_that_are_not_read_again(book: Book) -> None:
    book.build()
    book.write({"chapters/05_second": PAGES["chapters/05_second"] + "\nMore of it.\n"})
    assert "chapters/02_first" not in book.build()
    book.build("anew")
    assert '"evidence": [[0' in book.files("anew")["searchindex.js"]
    assert book.files() == book.files("anew")


def test_numbers_that_stay_write_no_page_and_numbers_that_change_do(book: Book) -> None:
    assert len(book.build()) == 3
    assert '<span class="section-number">5. </span>' in book.files()["05_second.html"]
    assert book.build() == []
    book.write({"chapters/02_first": "Preface\n=======\n\nBefore.\n\n" + PAGES["chapters/02_first"]})
    assert "chapters/05_second" in book.build()
