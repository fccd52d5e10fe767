"""The committed bundles are what the sources make."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from gmbook.bundle import STATIC, BundleError, bundle

pytestmark = pytest.mark.slow


def test_the_committed_bundles_are_made_from_the_sources(tmp_path: Path) -> None:
    try:
        fresh = bundle(tmp_path)
    except BundleError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"the widgets' packages could not be installed: {error}")
    assert [path.name for path in fresh] == sorted(path.name for path in STATIC.iterdir())
    for path in fresh:
        committed = (STATIC / path.name).read_bytes()
        assert path.read_bytes() == committed, f"{path.name} is out of date: python -m gmbook.bundle"
