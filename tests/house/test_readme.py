"""What README and CONTRIBUTING promise: the example runs, the links lead somewhere, the commands exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEXTS = ["README.md", "CONTRIBUTING.md", "LICENSE-text.md", "CHANGELOG.md"]


def test_the_example_runs(capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text("utf8"), re.S)
    exec(compile(code, "README.md", "exec"), {})
    assert "tensor(" in capsys.readouterr().out


@pytest.mark.parametrize("name", TEXTS)
def test_relative_links_lead_to_files(name: str) -> None:
    targets = re.findall(r"\]\(([^()\s]+)\)", (ROOT / name).read_text("utf8"))
    missing = [t for t in targets if not t.startswith("http") and not (ROOT / t.split("#")[0]).exists()]
    assert not missing


@pytest.mark.parametrize("name", TEXTS)
def test_the_make_targets_exist(name: str) -> None:
    targets = set(re.findall(r"`make ([a-z]+)`", (ROOT / name).read_text("utf8")))
    makefile = (ROOT / "Makefile").read_text("utf8")
    assert not [target for target in targets if not re.search(rf"^{target}:", makefile, re.M)]
