"""Files that are whole or not there: written beside, then renamed; and their hashes."""

from __future__ import annotations

import hashlib
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_LEFT_OVER = 24 * 60 * 60
"""Seconds after which a partial file that nobody has written to was left by a writer that was killed."""


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file's content, as 64 hexadecimal digits.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "empty")
        ...     path.touch()
        ...     sha256_of(path)[:8]
        'e3b0c442'
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path beside ``path`` to write to: it takes its place when the block ends well, else vanishes.

    A reader sees the old file or the new one, never a part, whenever the writer is killed or the power fails:
    the content reaches the disk before the name does. Several may write at once, each to a path of its own;
    the last to end stands. The folder is made when it is missing.

    Args:
        path: the file to be.

    Raises:
        OSError: the folder or the file cannot be written.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "note.txt")
        ...     with replacing(path) as beside:
        ...         _ = beside.write_text("whole")
        ...     path.read_text(), len(list(Path(folder).iterdir()))
        ('whole', 1)
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _sweep(path)
    # The process's number says whose a left-over is, the random part keeps threads and machines apart.
    beside = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.part")
    try:
        yield beside
        with beside.open("rb+") as file:
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write ``text`` as UTF-8 beside ``path`` and rename it, as :func:`replacing` does.

    Args:
        path: the file to be.
        text: its content.

    Raises:
        OSError: the folder or the file cannot be written.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_text(Path(folder, "note.txt"), "whole")
        ...     Path(folder, "note.txt").read_text()
        'whole'
    """
    with replacing(path) as beside:
        beside.write_text(text, "utf8")


def _sweep(path: Path) -> None:
    """Remove what killed writers of ``path`` left long ago, so that it does not pile up."""
    start, now = f".{path.name}.", time.time()
    for other in path.parent.iterdir():
        if other.name.startswith(start) and other.name.endswith(".part"):
            with suppress(OSError):  # another writer may have removed it
                if now - other.stat().st_mtime > _LEFT_OVER:
                    other.unlink()
