"""Files written beside and renamed: whole or not at all, with any number of writers."""

from __future__ import annotations

import errno
import os
import threading
import time
from pathlib import Path

import pytest
import torch

from gmlib._files import NotWritten, replacing, sha256_of, write_tensors, write_text

ROOT = Path(__file__).resolve().parents[1]


def names(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def test_replacing_is_all_or_nothing(tmp_path: Path) -> None:
    path = tmp_path / "sub" / "file"
    with replacing(path) as beside:
        beside.write_bytes(b"one")

    def fail_half_way() -> None:
        with replacing(path) as beside:
            beside.write_bytes(b"tw")
            raise KeyError

    with pytest.raises(KeyError):
        fail_half_way()
    assert path.read_bytes() == b"one"
    assert names(tmp_path) == ["sub/file"]


def test_two_writers_at_once(tmp_path: Path) -> None:
    """Each ends well, one after the other, and the last one's content stands."""
    path = tmp_path / "file"
    with replacing(path) as outer:
        outer.write_bytes(b"outer, which began first")
        with replacing(path) as inner:
            inner.write_bytes(b"inner")
        assert path.read_bytes() == b"inner"
    assert path.read_bytes() == b"outer, which began first"
    assert names(tmp_path) == ["file"]


def test_many_writers_leave_one_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    contents = [str(i) * (20_000 + i) for i in range(8)]
    failed: list[BaseException] = []

    def work(content: str) -> None:
        try:
            for _ in range(5):
                write_text(path, content)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(content,)) for content in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert path.read_text("utf8") in contents
    assert names(tmp_path) == ["file"]


def test_what_killed_writers_left_does_not_pile_up(tmp_path: Path) -> None:
    """Remains of two days ago go; those of a writer that may still be at work, and of other files, stay."""
    old, young, other = (
        tmp_path / name for name in (".file.1-ab.part", ".file.2-cd.part", ".file2.1-ab.part")
    )
    for path in (old, young, other):
        path.write_bytes(b"part")
    for path in (old, other):
        os.utime(path, (time.time() - 2 * 86400,) * 2)
    write_text(tmp_path / "file", "whole")
    assert names(tmp_path) == [".file.2-cd.part", ".file2.1-ab.part", "file"]


def test_text_is_utf8_whatever_the_locale(tmp_path: Path) -> None:
    write_text(tmp_path / "a" / "file", "θ\n")
    assert (tmp_path / "a" / "file").read_bytes() == b"\xce\xb8\n"


def test_hash(tmp_path: Path) -> None:
    (tmp_path / "abc").write_bytes(b"abc")  # FIPS 180-2, appendix B.1
    assert sha256_of(tmp_path / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_tensors_that_find_no_room_leave_the_old_ones(tmp_path: Path, small_files: None) -> None:
    """safetensors writes from Rust and raises an error of its own; a user gets the same message for all files."""
    path = tmp_path / "a.safetensors"
    write_tensors(path, {"a": torch.ones(2)}, {"seed": "0"})
    before = path.read_bytes()
    with pytest.raises(
        NotWritten, match=r"a\.safetensors could not be written: it is larger.*is as it was\."
    ):
        write_tensors(path, {"a": torch.ones(50_000)}, {})
    assert path.read_bytes() == before
    assert names(tmp_path) == ["a.safetensors"]


@pytest.mark.parametrize(
    ("number", "cure"),
    [
        (errno.ENOSPC, "the disk is full: free some space and try again"),
        (errno.EROFS, "the folder is read-only: choose another one, or make it writable"),
        (errno.EACCES, "you may not write there: choose another folder, or change its permissions"),
        (errno.EIO, os.strerror(errno.EIO)),
    ],
)
def test_what_cannot_be_written_is_named_with_the_cure(tmp_path: Path, number: int, cure: str) -> None:
    path = tmp_path / "file"

    def fail_half_way() -> None:
        with replacing(path) as beside:
            beside.write_text("ha")
            raise OSError(number, os.strerror(number))

    with pytest.raises(NotWritten) as error:
        fail_half_way()
    assert str(error.value) == f"{path} could not be written: {cure}. Nothing is left of it."
    assert error.value.errno == number
    write_text(path, "good")
    with pytest.raises(NotWritten, match="The file of that name is as it was"):
        fail_half_way()
    assert (path.read_text(), names(tmp_path)) == ("good", ["file"])


def test_a_path_that_cannot_be_is_named(tmp_path: Path) -> None:
    write_text(tmp_path / "file", "good")
    (tmp_path / "folder").mkdir()
    for path, why in [("file/below", "is a file and no folder"), ("folder", "it is a folder")]:
        with pytest.raises(NotWritten, match=rf"{path} could not be written: .*{why}"):
            write_text(tmp_path / path, "text")
    assert names(tmp_path) == ["file"]


def test_an_error_about_another_file_is_its_own(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="absent"), replacing(tmp_path / "file"):
        (tmp_path / "elsewhere" / "absent").read_text()


def test_nobody_else_writes_beside_and_renames() -> None:
    files = [
        path for folder in ("gmlib", "book/_ext", "benchmarks") for path in (ROOT / folder).rglob("*.py")
    ]
    own = [p.relative_to(ROOT).as_posix() for p in files if '.part"' in p.read_text("utf8")]
    assert own == ["gmlib/_files.py"]
