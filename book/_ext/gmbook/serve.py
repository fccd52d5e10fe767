"""The built site behind a local server, with the policy that the book recommends: ``python -m gmbook.serve``."""

from __future__ import annotations

import functools
import http.server
import shutil
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gmbook.house import HTML

POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'wasm-unsafe-eval' blob:; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; object-src 'none'; base-uri 'self'; form-action 'self'"
)
"""The Content-Security-Policy under which every page works. It names no other host, so that a page cannot ask one.

Inline scripts and styles are the theme's and MathJax's, ``blob:`` is where the widgets' modules and workers come from,
``wasm-unsafe-eval`` lets them compile their WebAssembly.
"""
BROWSERS = (
    "chromium-headless-shell",
    *("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"),
)
"""What Chromium is called, here and there; first the one without windows, which opens a page in half the time."""


class Handler(http.server.SimpleHTTPRequestHandler):
    """Files of a folder, sent with the policy; says nothing."""

    protocol_version = "HTTP/1.1"  # one connection for all files of a page

    def end_headers(self) -> None:
        """Add the policy."""
        self.send_header("Content-Security-Policy", POLICY)
        super().end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Stay quiet."""


class Server(http.server.ThreadingHTTPServer):
    """One thread a connection; a browser may leave in the middle of a file."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Tell of any other error."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


def server(folder: Path, port: int = 0) -> Server:
    """A server of a folder on this machine only; port 0 takes a free one."""
    handler = functools.partial(Handler, directory=str(folder))
    return Server(("127.0.0.1", port), handler)


@contextmanager
def serving(folder: Path = HTML) -> Iterator[str]:
    """The address of a folder that is served in the background."""
    with server(folder) as found:
        thread = threading.Thread(target=found.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{found.server_port}"
        finally:
            found.shutdown()
            thread.join()


def chromium() -> str | None:
    """The path of the system's Chromium or Chrome, if there is one."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


def main() -> int:
    """Serve the built site on port 8000 until Ctrl-C."""
    if not (HTML / "index.html").exists():
        print("There is no site yet: make book")
        return 1
    try:
        with server(HTML, 8000) as found:
            print("http://localhost:8000 (Ctrl-C ends)", flush=True)
            found.serve_forever()
    except OSError as error:
        print(f"Port 8000 is not to be had ({error.strerror}); does another `make serve` run?")
        return 1
    except KeyboardInterrupt:
        print()
    return 0


if __name__ == "__main__":
    sys.exit(main())
