"""Digits and MNIST: sizes, counts that the sources publish, and files that are broken on purpose."""

from __future__ import annotations

import gzip
import hashlib
import importlib.util
import os
from pathlib import Path
from typing import Any

import pytest
import torch

from gmlib.data import DIGITS_LEVELS, MNIST_LEVELS, AssetError, binarise, digits, mnist
from gmlib.data.mnist import FULL, SUBSET, parse_idx

ASSETS = Path(__file__).parents[2] / "assets" / "mnist"
NAME = "t10k-labels-idx1-ubyte"


def test_digits() -> None:
    parts = [digits("train"), digits("validation"), digits("test")]
    assert [len(p.images) for p in parts] == [1000, 350, 447]
    images, labels = torch.cat([p.images for p in parts]), torch.cat([p.labels for p in parts])
    assert images.shape == (1797, 1, 8, 8)
    assert images.dtype == torch.uint8
    assert labels.dtype == torch.int64
    assert int(images.min()) == 0
    assert int(images.max()) == DIGITS_LEVELS - 1
    # The class counts that UCI publishes for the 1,797 images (optdigits.names, testing set).
    assert labels.bincount().tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]


@pytest.mark.parametrize(("parts", "nats"), [(("train",), 106.3), (("train", "validation"), 106.1)])
def test_digits_floor(parts: tuple[Any, ...], nats: float) -> None:
    """Independent pixel histograms, a tenth of a count added to each: the floor of the tables."""
    train = torch.cat([digits(part).images for part in parts]).flatten(1).long()
    test = digits("test").images.flatten(1).long()
    counts = torch.nn.functional.one_hot(train, DIGITS_LEVELS).sum(0) + 0.1
    log_p = (counts / counts.sum(-1, keepdim=True)).log()
    mean = -log_p.expand(len(test), -1, -1).gather(-1, test[..., None]).sum((1, 2)).mean()
    assert round(float(mean), 1) == nats


@pytest.mark.parametrize(("split", "n"), [("train", 10_000), ("test", 2_000)])
def test_mnist_subset(split: str, n: int) -> None:
    images, labels = mnist(split)  # pyright: ignore[reportArgumentType]
    assert images.shape == (n, 1, 28, 28)
    assert images.dtype == torch.uint8
    assert labels.shape == (n,)
    assert int(images.max()) == MNIST_LEVELS - 1
    # MNIST as a whole: mean grey 0.1307, and each class within a tenth; a random subset of n stays close: the
    # spread of the mean over images is 0.1, so 5 standard errors are 0.5 / sqrt(n).
    assert abs(float(images.float().mean()) / 255 - 0.1307) < 0.5 / n**0.5
    p = 0.1
    assert bool(((labels.bincount() / n - p).abs() < 0.015 + 5 * (p * (1 - p) / n) ** 0.5).all())


@pytest.mark.parametrize("full", [False, True])
def test_digits_28(full: bool) -> None:
    """60,000 and 10,000 images of 28x28 (a sixth and a fifth of them embedded), grey, and binarised to the same mean."""
    if full and not os.environ.get("GMLIB_DATA"):
        pytest.skip("the full MNIST is not at hand: set GMLIB_DATA to its folder")
    sizes = {"train": 60_000, "test": 10_000} if full else {"train": 10_000, "test": 2_000}
    for split, n in sizes.items():
        images, labels = mnist(split, full=full)  # pyright: ignore[reportArgumentType]
        assert images.shape == (n, 1, 28, 28)
        assert images.dtype == torch.uint8
        assert (int(images.min()), int(images.max())) == (0, MNIST_LEVELS - 1)
        assert labels.shape == (n,)
        assert labels.unique().tolist() == list(range(10))
    # Each pixel is drawn by itself: the mean of b - x over k draws has variance sum x (1 - x) / (number of pixels)^2 / k.
    grey = mnist("test", full=full).images[:1000].float() / 255
    draws = [binarise(grey, generator=torch.Generator().manual_seed(seed)) for seed in range(4)]
    assert all(bool(((b == 0) | (b == 1)).all()) for b in draws)
    variance = (grey * (1 - grey)).double()
    error = torch.stack(draws).double().mean(0) - grey.double()
    assert abs(error.mean()) < 4 * (variance.sum() / 4).sqrt() / grey.numel()
    # And image by image: none of 1,000 is off by six standard errors; black and white stay what they are.
    scale = (variance.flatten(1).sum(1) / 4).sqrt() / 784
    assert bool((error.flatten(1).mean(1).abs() < 6 * scale).all())
    assert bool((error[variance == 0] == 0).all())


def test_subset_is_small_and_says_where_it_is_from() -> None:
    assert sum(p.stat().st_size for p in ASSETS.iterdir() if p.is_file()) < 4 * 2**20
    readme = (ASSETS / "README.md").read_text()
    for name, sha256 in SUBSET.items():
        assert f"| `{name}.gz` | `{sha256}` |" in readme
    for word in ("LeCun", "Cortes", "Burges", "ShareAlike 3.0", "seed 2026", "build_subset.py"):
        assert word in readme


def test_subset_is_what_the_script_builds() -> None:
    if not os.environ.get("GMLIB_DATA"):
        pytest.skip("the full MNIST is not at hand: set GMLIB_DATA to its folder")
    spec = importlib.util.spec_from_file_location("build_subset", ASSETS / "build_subset.py")
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    for name, raw in script.build().items():
        assert gzip.decompress((ASSETS / f"{name}.gz").read_bytes()) == raw


def test_subset_rows_come_from_a_permutation() -> None:
    spec = importlib.util.spec_from_file_location("build_subset", ASSETS / "build_subset.py")
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    rows = script.chosen("train", 60_000)
    assert len(set(rows.tolist())) == 10_000
    assert int(rows.max()) < 60_000


def idx_labels(values: list[int]) -> bytes:
    return bytes([0, 0, 8, 1]) + len(values).to_bytes(4, "big") + bytes(values)


@pytest.fixture
def tiny_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for the full test set: three images, under hashes of its own."""
    images = bytes([0, 0, 8, 3]) + b"".join(n.to_bytes(4, "big") for n in (3, 28, 28)) + bytes(3 * 784)
    for name, raw in ((NAME, idx_labels([7, 2, 1])), ("t10k-images-idx3-ubyte", images)):
        (tmp_path / name).write_bytes(raw)
        monkeypatch.setitem(FULL, name, (hashlib.sha256(raw).hexdigest(), FULL[name][1]))
    monkeypatch.setenv("GMLIB_DATA", str(tmp_path))
    return tmp_path


def test_folder_raw_gzip_or_subfolder(tiny_full: Path) -> None:
    assert mnist("test", full=True).labels.tolist() == [7, 2, 1]
    raw = tiny_full / NAME
    (tiny_full / f"{NAME}.gz").write_bytes(gzip.compress(raw.read_bytes(), compresslevel=1))
    raw.unlink()
    assert mnist("test", full=True).labels.tolist() == [7, 2, 1]
    (tiny_full / "mnist").mkdir()
    for file in list(tiny_full.glob("t10k*")):
        file.rename(tiny_full / "mnist" / file.name)
    assert mnist("test", full=True).images.shape == (3, 1, 28, 28)


def test_full_set_from_the_folder() -> None:
    if not os.environ.get("GMLIB_DATA"):
        pytest.skip("the full MNIST is not at hand: set GMLIB_DATA to its folder")
    images, labels = mnist("train", full=True)
    assert images.shape == (60_000, 1, 28, 28)
    # Class counts as published, and the mean grey value that every tutorial normalises by.
    assert labels.bincount().tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert round(float(images.double().mean()) / 255, 4) == 0.1307


@pytest.mark.bad_input
@pytest.mark.parametrize("damage", ["missing", "truncated", "corrupt", "wrong", "empty", "not gzip"])
def test_broken_folder(tiny_full: Path, damage: str) -> None:
    raw, packed = tiny_full / NAME, tiny_full / f"{NAME}.gz"
    whole = gzip.compress(raw.read_bytes())
    raw.unlink()
    flipped = bytearray(whole)
    flipped[-6] ^= 1  # in the checksum at the end
    contents = {
        "truncated": whole[:-9],
        "corrupt": bytes(flipped),
        "wrong": gzip.compress(idx_labels([7, 2, 2])),
        "empty": b"",
        "not gzip": b"<html>404</html>",
    }
    if damage != "missing":
        packed.write_bytes(contents[damage])
    with pytest.raises(AssetError, match=NAME) as error:
        mnist("test", full=True)
    assert "unset GMLIB_DATA" in str(error.value)
    if damage != "missing":
        assert str(packed) in str(error.value)
        assert packed.read_bytes() == contents[damage]


@pytest.mark.bad_input
def test_no_such_split() -> None:
    with pytest.raises(ValueError, match="split must be one of 'train', 'test', got 'valid'"):
        mnist("valid")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="split must be one of 'train', 'validation', 'test'"):
        digits("valid")  # pyright: ignore[reportArgumentType]


@pytest.mark.bad_input
@pytest.mark.parametrize("raw", [b"", b"\x00\x00\x08", b"\x1f\x8b\x08\x00", idx_labels([1, 2])[:-1]])
def test_not_idx(raw: bytes) -> None:
    with pytest.raises(ValueError, match="raw must"):
        parse_idx(raw)
