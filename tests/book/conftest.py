"""The built site behind a local server with the book's policy, and a browser to look at it with."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from gmbook.house import HTML, ROOT
from gmbook.serve import chromium, serving

QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)


@pytest.fixture(scope="session")
def site() -> Iterator[str]:
    """The address of the built site."""
    if not (HTML / "index.html").exists():
        pytest.fail("there is no built site: `make book`")
    with serving() as address:
        yield address


def absent(why: str) -> None:
    """A missing browser is an error in CI and a skip elsewhere."""
    if os.environ.get("CI"):
        pytest.fail(why)
    pytest.skip(why)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """The system's Chromium."""
    path = chromium()
    if path is None:
        absent(
            "no Chromium or Chrome on this machine (Debian: apt-get install chromium): the site was not looked at"
        )
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        absent("playwright is not installed: the site was not looked at")
        raise
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=path, args=list(QUIET))
        yield found
        found.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def jupyter(tmp_path: Path) -> Iterator[Callable[[Path], str]]:
    """Start a JupyterLab of our own, without this machine's settings, on a folder; its address."""
    started: list[subprocess.Popen[bytes]] = []
    settings = tmp_path / "jupyter_config_dir/lab/user-settings/@jupyterlab/apputils-extension"
    settings.mkdir(parents=True)
    # Lab offers news in a box over the page, and asks its makers for updates.
    quiet = '{"fetchNews": "false", "checkForUpdates": false}'
    (settings / "notification.jupyterlab-settings").write_text(quiet)

    def start(folder: Path) -> str:
        port = _free_port()
        homes = ("JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_DATA_DIR", "IPYTHONDIR")
        environment = {
            **os.environ,
            **{name: str(tmp_path / name.lower()) for name in homes},
            "PYTHONPATH": str(ROOT),
            "OMP_NUM_THREADS": "1",
        }
        command = [
            *(sys.executable, "-m", "jupyter", "lab", "--no-browser", "--allow-root"),
            *(f"--notebook-dir={folder}", f"--ServerApp.port={port}", "--ServerApp.port_retries=0"),
            *("--IdentityProvider.token=", "--ServerApp.password=", "--LabApp.expose_app_in_browser=True"),
        ]
        with open(tmp_path / "lab.log", "w") as log:
            process = subprocess.Popen(
                command, env=environment, stdout=log, stderr=log, start_new_session=True, cwd=folder
            )
        started.append(process)
        address = f"http://127.0.0.1:{port}"
        for _ in range(120):
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"{address}/api", timeout=2).close()
                return address
            assert process.poll() is None, (tmp_path / "lab.log").read_text()
            time.sleep(0.25)
        raise AssertionError((tmp_path / "lab.log").read_text())

    yield start
    for process in started:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=20)
