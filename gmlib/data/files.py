"""Find a file by name and hash: in the clone, in the cache, or by download.

Small data and weights live in the repository's ``assets/`` folder. A clone reads them from there. An
installed package has no such folder and downloads what is asked for, from the address in its own metadata,
into a cache.

Three environment variables steer this. ``GMLIB_ASSETS_URL`` replaces the address of the ``assets/`` folder,
``GMLIB_CACHE`` the folder of the cache, and ``GMLIB_DATA`` (see :mod:`gmlib.data.mnist`) names a folder with
data sets in full.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
from collections.abc import Sequence
from pathlib import Path

from gmlib._extras import require
from gmlib._files import NotWritten, is_about_writing, sha256_of


class AssetError(RuntimeError):
    """A file of data or weights is missing, damaged or out of reach: the message says which, and the cure."""


def assets_folder() -> Path | None:
    """The ``assets/`` folder of the clone that gmlib is imported from, or None for an installed gmlib.

    Example:
        >>> folder = assets_folder()
        >>> folder is None or (folder / "mnist").is_dir()
        True
    """
    root = Path(__file__).resolve().parents[2]
    # site-packages may hold somebody else's `assets`; only a clone has the project file beside it.
    return root / "assets" if (root / "assets").is_dir() and (root / "pyproject.toml").is_file() else None


def assets_url() -> str:
    """The address under which the files of ``assets/`` are downloaded.

    ``GMLIB_ASSETS_URL`` when it is set; otherwise the raw files of the repository named in the package's
    metadata: at the commit that was installed when pip knows it (``pip install git+...``), else at the tag of the
    version, such as ``v0.1.0``, so that a release finds the files it was made with; a development version
    (``0.2.0.dev1``, ``0.2.0+local``) has no tag and takes branch ``main``.

    Raises:
        AssetError: gmlib is not installed, so that it has no metadata, and the variable is not set.

    Example:
        >>> assets_url().startswith("http")
        True
    """
    if given := os.environ.get("GMLIB_ASSETS_URL"):
        return given.rstrip("/")
    try:
        package = importlib.metadata.distribution("gmlib")
    except importlib.metadata.PackageNotFoundError as error:
        raise AssetError(
            "gmlib is not installed, so it does not know its address: set GMLIB_ASSETS_URL"
        ) from error
    urls = dict(entry.split(", ", 1) for entry in package.metadata.get_all("Project-URL") or [])
    origin = json.loads(package.read_text("direct_url.json") or "{}")
    development = "dev" in package.version or "+" in package.version
    tag = "main" if development else f"v{package.version}"
    commit = origin.get("vcs_info", {}).get("commit_id", tag)
    return (
        urls["Repository"].replace("https://github.com/", "https://raw.githubusercontent.com/")
        + f"/{commit}/assets"
    )


def cache_folder() -> Path:
    """The folder of downloaded files: ``GMLIB_CACHE``, or gmlib's place in the user's cache folder.

    Raises:
        ImportError: the variable is not set and pooch, which knows the place, is not installed.

    Example:
        >>> cache_folder().is_file()
        False
    """
    if given := os.environ.get("GMLIB_CACHE"):
        return Path(given)
    return Path(
        require("pooch", extra="train", purpose="to find the cache of downloaded files").os_cache("gmlib")
    )


def asset(name: str, sha256: str) -> Path:
    """The file ``name`` of ``assets/``: from the clone, else from the cache, else downloaded into the cache.

    Args:
        name: path below ``assets/``, with forward slashes, such as ``"mnist/README.md"``.
        sha256: what the content must hash to.

    Returns:
        Path of a file with that hash.

    Raises:
        AssetError: the clone's file has another hash, or there is none and the download failed.
        ImportError: a download is needed and pooch is not installed.

    Example:
        >>> from gmlib.data.mnist import SUBSET
        >>> asset("mnist/t10k-labels-idx1-ubyte.gz", SUBSET["t10k-labels-idx1-ubyte"]).name
        't10k-labels-idx1-ubyte.gz'
    """
    folder = assets_folder()
    if folder is not None and (folder / name).is_file():
        found = sha256_of(folder / name)
        if found != sha256:
            raise AssetError(
                f"{folder / name} is damaged or from another version: its SHA-256 is {found}, "
                f"wanted {sha256}. Restore it with: git checkout -- assets/{name}"
            )
        return folder / name
    return fetch(name, sha256, [assets_url()])


def fetch(name: str, sha256: str, bases: Sequence[str]) -> Path:
    """The file ``name`` in the cache, downloaded from the first of ``bases`` that gives the right content.

    A file in the cache with the right hash is used as it is. A download goes to a temporary file that is
    renamed once its hash is right, so that a broken connection or a wrong file leaves the cache as it was.

    Args:
        name: path below each base and below the cache folder, with forward slashes.
        sha256: what the content must hash to.
        bases: addresses, tried in turn.

    Returns:
        Path of a file with that hash.

    Raises:
        AssetError: no base gave the file, and the message lists what each one answered; or the cache cannot be written.
        ImportError: a download is needed and pooch is not installed.

    Example:
        >>> try:
        ...     fetch("nothing.bin", "0" * 64, ["http://127.0.0.1:9"])
        ... except AssetError as error:
        ...     str(error).startswith("nothing.bin could not be downloaded to")
        True
    """
    path = cache_folder() / name
    if path.is_file() and sha256_of(path) == sha256:
        return path
    pooch = require("pooch", extra="train", purpose=f"to download {name}")
    answers = []
    for base in bases:
        url = f"{base}/{name}"
        try:
            return Path(pooch.retrieve(url, known_hash=sha256, fname=path.name, path=path.parent))
        except (OSError, ValueError) as error:
            if isinstance(error, OSError) and is_about_writing(error):
                # No other address would help.
                raise AssetError(
                    f"{NotWritten(path, error)} GMLIB_CACHE names another folder for downloads"
                ) from error
            answers.append(f"{url}: {error}")
    state = "the copy there is damaged" if path.is_file() else "it is not there yet"
    raise AssetError(
        f"{name} could not be downloaded to {path} ({state}). Check the connection and try again, "
        f"or put a file with SHA-256 {sha256} there. Tried:\n  " + "\n  ".join(answers)
    )
