"""The local server: quiet when a browser leaves, not when something is wrong with it."""

from __future__ import annotations

import socket
import struct
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from gmbook import serve


def leave(address: str) -> None:
    """Ask for the long file, read a little, and hang up as a browser does whose reader has gone to another page."""
    host, port = address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as found:
        found.sendall(b"GET /long HTTP/1.1\r\nHost: a\r\n\r\n")
        found.recv(100)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def test_a_browser_that_leaves_is_no_error(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "long").write_bytes(bytes(20_000_000))
    (tmp_path / "short").write_text("here")
    with serve.serving(tmp_path) as address:
        for _ in range(3):
            leave(address)
        time.sleep(0.3)
        with urllib.request.urlopen(f"{address}/short", timeout=10) as answer:
            assert answer.read() == b"here"
            assert answer.headers["Content-Security-Policy"] == serve.POLICY
    assert capfd.readouterr().err == ""


def test_other_errors_are_told(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        raise ZeroDivisionError("the handler is broken")

    monkeypatch.setattr(serve.Handler, "do_GET", broken)
    with serve.serving(tmp_path) as address, pytest.raises(OSError):
        urllib.request.urlopen(address, timeout=10)
    assert "the handler is broken" in capfd.readouterr().err
