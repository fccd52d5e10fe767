"""Files by name and hash: clone, cache, download; what is broken is refused, and what was good stays."""

from __future__ import annotations

import hashlib
import http.server
import os
import signal
import subprocess
import sys
import threading
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from gmlib import __version__
from gmlib.data import files
from gmlib.data.files import AssetError, asset, assets_folder, assets_url, fetch

CONTENT = bytes(range(256)) * 2000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves CONTENT whole, or as the first part of the path says: cut, stalled, wrong, or not at all."""

    requests: list[str] = []  # noqa: RUF012

    def do_GET(self) -> None:
        self.requests.append(self.path)
        kind = self.path.split("/")[1]
        if kind == "missing":
            self.send_error(404)
            return
        body = CONTENT[::-1] if kind == "wrong" else CONTENT
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body if kind in ("good", "wrong") else body[: len(body) // 2])
        self.wfile.flush()
        if kind == "stalled":
            time.sleep(15)
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Address of a local server, reached without a proxy."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    Handler.requests.clear()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        httpd.daemon_threads = True
        httpd.block_on_close = False
        threading.Thread(target=httpd.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{httpd.server_address[1]}"
        httpd.shutdown()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache."""
    monkeypatch.setenv("GMLIB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def names(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def test_download_once_then_cache(server: str, cache: Path) -> None:
    path = fetch("some/file.bin", SHA256, [f"{server}/good"])
    assert path == cache / "some" / "file.bin"
    assert path.read_bytes() == CONTENT
    assert fetch("some/file.bin", SHA256, ["http://127.0.0.1:9/unreachable"]) == path
    assert len(Handler.requests) == 1


def test_next_mirror_is_tried(server: str, cache: Path) -> None:
    bases = [f"{server}/{kind}" for kind in ("missing", "wrong", "cut", "good")]
    assert fetch("file.bin", SHA256, bases).read_bytes() == CONTENT
    assert len(Handler.requests) == 4


@pytest.mark.parametrize("kind", ["cut", "wrong", "missing"])
def test_failed_download_leaves_nothing(server: str, cache: Path, kind: str) -> None:
    with pytest.raises(AssetError, match=r"file\.bin could not be downloaded") as error:
        fetch("file.bin", SHA256, [f"{server}/{kind}"])
    assert f"{server}/{kind}/file.bin" in str(error.value)
    assert SHA256 in str(error.value)
    assert names(cache) == []


@pytest.mark.parametrize("kind", ["cut", "wrong", "missing"])
def test_failed_download_leaves_the_good_file_of_another_version(server: str, cache: Path, kind: str) -> None:
    cache.mkdir()
    (cache / "file.bin").write_bytes(b"a good file, of an older version")
    with pytest.raises(AssetError, match="the copy there is damaged"):
        fetch("file.bin", SHA256, [f"{server}/{kind}"])
    assert names(cache) == ["file.bin"]
    assert (cache / "file.bin").read_bytes() == b"a good file, of an older version"


def test_damaged_cache_is_mended(server: str, cache: Path) -> None:
    cache.mkdir()
    (cache / "file.bin").write_bytes(CONTENT[:-1])
    assert fetch("file.bin", SHA256, [f"{server}/good"]).read_bytes() == CONTENT


@pytest.mark.slow
def test_killed_in_mid_download(server: str, cache: Path) -> None:
    code = f"from gmlib.data.files import fetch; fetch('file.bin', {SHA256!r}, ['{server}/stalled'])"
    process = subprocess.Popen([sys.executable, "-c", code], env=dict(os.environ), stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 15
    # Wait until bytes have reached the disk, so that the process dies with a half-written file.
    while not any(p.stat().st_size for p in cache.rglob("*") if p.is_file()) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (cache / "file.bin").exists()
    assert fetch("file.bin", SHA256, [f"{server}/good"]).read_bytes() == CONTENT


def test_clone_comes_first(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "assets").mkdir()
    (tmp_path / "assets" / "file.bin").write_bytes(CONTENT)
    monkeypatch.setattr(files, "assets_folder", lambda: tmp_path / "assets")
    assert asset("file.bin", SHA256) == tmp_path / "assets" / "file.bin"
    (tmp_path / "assets" / "file.bin").write_bytes(CONTENT[:-1])
    with pytest.raises(AssetError, match=r"git checkout -- assets/file\.bin"):
        asset("file.bin", SHA256)
    assert (tmp_path / "assets" / "file.bin").read_bytes() == CONTENT[:-1]


def test_installed_package_downloads(server: str, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "assets_folder", lambda: None)
    monkeypatch.setenv("GMLIB_ASSETS_URL", f"{server}/good/")
    assert asset("mnist/file.bin", SHA256).read_bytes() == CONTENT
    assert Handler.requests == ["/good/mnist/file.bin"]


def test_address_from_the_metadata(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GMLIB_ASSETS_URL", raising=False)
    with Path(__file__).parents[2].joinpath("pyproject.toml").open("rb") as file:
        repository = tomllib.load(file)["project"]["urls"]["Repository"]
    owner_and_name = repository.removeprefix("https://github.com/")
    reference = "main" if ".dev" in __version__ else f"v{__version__}"
    assert assets_url() == f"https://raw.githubusercontent.com/{owner_and_name}/{reference}/assets"


def installed(folder: Path, version: str, origin: str | None) -> None:
    """What pip leaves of an installed gmlib."""
    info = folder / "gmlib-9.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.4\nName: gmlib\nVersion: {version}\nProject-URL: Documentation, https://example.org\n"
        "Project-URL: Repository, https://github.com/some/one\n"
    )
    if origin is not None:
        (info / "direct_url.json").write_text(origin)


@pytest.mark.parametrize(
    ("version", "origin", "reference"),
    [
        ("9", '{"url": "x", "vcs_info": {"vcs": "git", "commit_id": "abc123"}}', "abc123"),
        ("9.dev3", '{"url": "x", "vcs_info": {"vcs": "git", "commit_id": "abc123"}}', "abc123"),
        ("0.3.1", None, "v0.3.1"),  # from PyPI
        ("0.3.1", '{"url": "file:///x.zip", "archive_info": {}}', "v0.3.1"),
        ("1.0rc1", None, "v1.0rc1"),
        ("0.4.0.dev2", None, "main"),
        ("0.4.0+local", None, "main"),
    ],
)
def test_address_of_what_was_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, origin: str | None, reference: str
) -> None:
    installed(tmp_path, version, origin)
    monkeypatch.delenv("GMLIB_ASSETS_URL", raising=False)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert assets_url() == f"https://raw.githubusercontent.com/some/one/{reference}/assets"


def test_this_clone_has_its_assets() -> None:
    folder = assets_folder()
    assert folder is not None
    assert (folder / "mnist" / "README.md").is_file()


def test_without_pooch(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(ImportError, match=r'file\.bin; install it with: pip install "gmlib\[train\]"'):
        fetch("file.bin", SHA256, ["http://127.0.0.1:9"])
    cache.mkdir()
    (cache / "file.bin").write_bytes(CONTENT)
    assert fetch("file.bin", SHA256, []).read_bytes() == CONTENT
