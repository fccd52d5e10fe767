"""The committed bundles are what the sources make."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from gmbook.bundle import MODULES, STATIC, BundleError, bundle

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("target", [STATIC, MODULES], ids=["in one piece", "for the pages"])
def test_the_committed_bundles_are_made_from_the_sources(tmp_path: Path, target: Path) -> None:
    try:
        fresh = bundle(tmp_path, shared=target == MODULES)
    except BundleError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"the widgets' packages could not be installed: {error}")
    assert [path.name for path in fresh] == sorted(path.name for path in target.iterdir())
    for path in fresh:
        committed = (target / path.name).read_bytes()
        assert path.read_bytes() == committed, f"{path.name} is out of date: python -m gmbook.bundle"
