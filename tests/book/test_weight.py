"""No page is too heavy for a phone."""

from __future__ import annotations

import pytest
from gmbook.house import HTML, built
from gmbook.weight import PAGE_LIMIT, WIDGETS_LIMIT, weigh


@pytest.mark.parametrize("page", built())
def test_a_page_stays_within_its_weight(page: str) -> None:
    weight = weigh(page)
    assert weight.whole <= PAGE_LIMIT, weight
    assert weight.widgets <= WIDGETS_LIMIT, weight


def test_what_a_page_does_not_need_is_not_in_the_site() -> None:
    assert not list(HTML.rglob("fontawesome.js"))
    assert not list(HTML.rglob("*html-manager*"))
    assert not list((HTML / "_static").glob("require*.js"))
