"""When a build may keep what was built before, and when it must not."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from gmbook import build

HOUSE = {
    "_config.yml": "title: a",
    "_toc.yml": "root: index",
    "requirements.txt": "a==1",
    "book/_ext/a.py": "",
    "gmlib/a.py": "",
    "index.md": "# a",
}


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Build a small house with a Jupyter Book that writes a page and a doctree; whether it found those of last time."""
    for name, text in HOUSE.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    html, trees = tmp_path / "_build" / "html", tmp_path / "_build" / ".doctrees"
    for name, value in {"ROOT": tmp_path, "BUILD": html.parent, "HTML": html}.items():
        monkeypatch.setattr(build, name, value)
    monkeypatch.setattr(build, "WHOLE", html.parent / "whole-build")
    digest = build.machinery
    monkeypatch.setattr(build, "machinery", lambda: digest(tmp_path))
    monkeypatch.setattr(build.weight, "main", lambda: 0)
    monkeypatch.setattr(build.downloads, "HTML", html)
    monkeypatch.setattr(build.downloads, "built", lambda: ["index.html"])

    def run(*arguments: str, code: int = 0) -> bool:
        found = []

        def book(command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
            found.append((html / "index.html").exists() and (trees / "index").exists())
            for place in (html / "index.html", trees / "index"):
                place.parent.mkdir(parents=True, exist_ok=True)
                place.touch()
            return subprocess.CompletedProcess(command, code, "a.md:1: WARNING: a", "")

        monkeypatch.setattr(build.subprocess, "run", book)
        assert build.main(list(arguments)) == code
        return found[0]

    return run


def test_a_second_build_keeps_the_first(kept: Any) -> None:
    assert [kept(), kept(), kept("--fresh"), kept()] == [False, True, False, True]


def test_after_a_failure_all_pages_are_read_until_all_is_well(
    kept: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert [kept(), kept(code=1), kept(code=1), kept(), kept()] == [False, True, False, False, True]
    assert "WARNING: a" in capsys.readouterr().out


def test_what_was_made_of_old_pages_goes_and_is_no_longer_offered(kept: Any, tmp_path: Path) -> None:
    kept()
    html = tmp_path / "_build" / "html"
    (html / "pdf").mkdir()
    (html / "pdf" / "a.pdf").touch()
    (html / build.downloads.ZIP).touch()
    (html / "index.html").write_text('<p class="gm-downloads"></p>')
    build.downloads.refresh()
    assert build.downloads.ZIP in (html / "index.html").read_text()
    assert kept()
    assert (html / "index.html").read_text() == '<p class="gm-downloads"></p>'
    assert sorted(path.name for path in html.iterdir()) == ["index.html"]


@pytest.mark.parametrize("name", sorted(set(HOUSE) - {"index.md"}))
def test_new_machinery_builds_anew_and_new_text_does_not(kept: Any, tmp_path: Path, name: str) -> None:
    kept()
    (tmp_path / "index.md").write_text("# b")
    assert kept()
    (tmp_path / name).write_text(HOUSE[name] + "\n")
    assert not kept()
    (tmp_path / "book" / "_ext" / "__pycache__").mkdir(exist_ok=True)
    (tmp_path / "book" / "_ext" / "__pycache__" / "a.pyc").touch()
    assert kept()
