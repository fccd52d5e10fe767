"""Files that are whole or not there: written beside, then renamed; and their hashes."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

_LEFT_OVER = 24 * 60 * 60
"""Seconds after which a partial file that nobody has written to was left by a writer that was killed."""

_CURES = {
    errno.ENOSPC: "the disk is full: free some space and try again",
    errno.EDQUOT: "your share of the disk is used up: free some space and try again",
    errno.EFBIG: "it is larger than files may be here: see `ulimit -f` and the file system's limit",
    errno.EROFS: "the folder is read-only: choose another one, or make it writable",
    errno.EACCES: "you may not write there: choose another folder, or change its permissions",
    errno.EPERM: "you may not write there: choose another folder, or change its permissions",
    errno.EEXIST: "a part of the path is a file and no folder: choose another path",
    errno.ENOTDIR: "a part of the path is a file and no folder: choose another path",
    errno.EISDIR: "it is a folder: choose another name",
}


class NotWritten(OSError):
    """A file could not be written; the message names it, says why, what to do, and what became of the old one.

    Args:
        path: the file that was to be.
        error: what the system said.
    """

    def __init__(self, path: Path, error: OSError) -> None:
        super().__init__(error.errno, error.strerror or str(error))
        why = _CURES.get(error.errno or 0, error.strerror or str(error))
        try:
            kept = "The file of that name is as it was" if path.is_file() else "Nothing is left of it"
        except OSError:
            kept = "Nothing is left of it"
        self.says = f"{path} could not be written: {why}. {kept}."

    def __str__(self) -> str:
        return self.says


def is_about_writing(error: OSError) -> bool:
    """Whether the system refused to write: no room, or no right to.

    Example:
        >>> is_about_writing(OSError(errno.ENOSPC, "")), is_about_writing(TimeoutError())
        (True, False)
    """
    return error.errno in _CURES


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
        NotWritten: the folder or the file cannot be written; an ``OSError``.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "note.txt")
        ...     with replacing(path) as beside:
        ...         _ = beside.write_text("whole")
        ...     path.read_text(), len(list(Path(folder).iterdir()))
        ('whole', 1)
    """
    # The process's number says whose a left-over is, the random part keeps threads and machines apart.
    beside = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep(path)
        yield beside
        with beside.open("rb+") as file:
            os.fsync(file.fileno())
        beside.replace(path)
    except NotWritten:
        raise
    except OSError as error:
        # What the block has to say of other files, such as one that it copies, is not ours to explain.
        about = {Path(name) for name in (error.filename, error.filename2) if name is not None}
        if about and not about & {beside, path, *path.parents}:
            raise
        raise NotWritten(path, error) from error
    finally:
        with suppress(OSError):
            beside.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write ``text`` as UTF-8 beside ``path`` and rename it, as :func:`replacing` does.

    Args:
        path: the file to be.
        text: its content.

    Raises:
        NotWritten: the folder or the file cannot be written; an ``OSError``.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_text(Path(folder, "note.txt"), "whole")
        ...     Path(folder, "note.txt").read_text()
        'whole'
    """
    with replacing(path) as beside:
        beside.write_text(text, "utf8")


def write_tensors(path: Path, tensors: Mapping[str, Any], metadata: Mapping[str, str]) -> None:
    """Write tensors and a header as safetensors beside ``path`` and rename it, as :func:`replacing` does.

    Args:
        path: the file to be.
        tensors: by name; on the CPU, contiguous, with no memory in common.
        metadata: the header.

    Raises:
        NotWritten: the folder or the file cannot be written; an ``OSError``.

    Example:
        >>> import tempfile, torch
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_tensors(Path(folder, "a.safetensors"), {"a": torch.ones(2)}, {})
        ...     [path.name for path in Path(folder).iterdir()]
        ['a.safetensors']
    """
    from safetensors import SafetensorError  # here, so that who writes text need not load torch
    from safetensors.torch import save_file

    with replacing(path) as beside:
        try:
            save_file(dict(tensors), beside, metadata=dict(metadata))
        except SafetensorError as error:
            # What the system said stands in the text only, as Rust writes it: "... (os error 28)".
            number = re.search(r"\(os error (\d+)\)", str(error))
            if number is None:
                raise
            raise OSError(int(number[1]), os.strerror(int(number[1]))) from error


def _sweep(path: Path) -> None:
    """Remove what killed writers of ``path`` left long ago, so that it does not pile up."""
    start, now = f".{path.name}.", time.time()
    for other in path.parent.iterdir():
        if other.name.startswith(start) and other.name.endswith(".part"):
            with suppress(OSError):  # another writer may have removed it
                if now - other.stat().st_mtime > _LEFT_OVER:
                    other.unlink()
