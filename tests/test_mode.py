"""The mode comes from one variable and has three values."""

from __future__ import annotations

import pytest

from gmlib.mode import MODES, mode


def test_smoke_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GMLIB_MODE", raising=False)
    assert mode() == "smoke"


@pytest.mark.parametrize("name", MODES, ids=str.upper)  # the id "gpu" would read as the marker
def test_the_variable_decides(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GMLIB_MODE", name)
    assert mode() == name


def test_another_word_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GMLIB_MODE", "fast")
    with pytest.raises(ValueError, match="GMLIB_MODE must be one of 'smoke', 'laptop', 'gpu', got 'fast'"):
        mode()
