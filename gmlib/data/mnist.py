"""MNIST: a subset that travels with the repository, and the full set by download or from a folder."""

from __future__ import annotations

import gzip
import hashlib
import math
import os
import zlib
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from gmlib._checks import check_choice
from gmlib.data.files import AssetError, asset, fetch
from gmlib.data.labelled import LabelledImages

MNIST_LEVELS = 256
"""Number of grey levels: each pixel is an integer from 0 (paper) to 255 (ink)."""

MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist",
    "https://storage.googleapis.com/cvdf-datasets/mnist",
)
"""Where the full set is downloaded from, in this order."""

# File of the full set: SHA-256 of its raw content, and of the gzip file on the mirrors.
FULL = {
    "train-images-idx3-ubyte": (
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    ),
    "train-labels-idx1-ubyte": (
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    ),
    "t10k-images-idx3-ubyte": (
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    ),
    "t10k-labels-idx1-ubyte": (
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
    ),
}

# File of the embedded subset in assets/mnist: SHA-256 as shipped. assets/mnist/build_subset.py prints these
# lines.
SUBSET = {
    "train-images-idx3-ubyte": "04b8fc67dc622636a8596353cc5a916cbedf6deda49afb3dcbd8b69b84fd29c7",
    "train-labels-idx1-ubyte": "a02f4deea973b279ca06cb31145dfe3bc90537638d13fc32ae00f6b774b6f724",
    "t10k-images-idx3-ubyte": "4c049bdd854ac04e1ad5441173e2d8696a45c47d35b238c38079c2b414af7b65",
    "t10k-labels-idx1-ubyte": "d764b649cedda59e6bf7cbd77eafd44fe16f31ef572cf23c110d352f2188b693",
}

_STEM = {"train": "train", "test": "t10k"}


def mnist(split: Literal["train", "test"] = "train", *, full: bool = False) -> LabelledImages:
    r"""The MNIST digits, as integers :math:`x \in \{0, \dots, 255\}^{784}`.

    Without ``full`` this is the embedded subset: 10,000 of the 60,000 training images and 2,000 of the 10,000
    test images, drawn by a recorded seed and in random order, so that the first n are a random subset too. It
    needs no network in a clone. With ``full`` it is the whole set, in its own order: from the folder that the
    environment variable ``GMLIB_DATA`` names (it, or its subfolder ``mnist``; files raw or gzip, judged by
    the hash of the raw content), otherwise downloaded once into the cache.

    Args:
        split: ``"train"`` or ``"test"``.
        full: the whole set instead of the subset.

    Returns:
        Images of shape (N, 1, 28, 28), ``torch.uint8`` levels 0 to 255, and labels of shape (N,),
        ``torch.int64``.

    Raises:
        ValueError: there is no such split.
        AssetError: a file is missing, damaged or out of reach; the message names it and says what to do.
        ImportError: a download is needed and pooch is not installed.

    References:
        Y. LeCun, C. Cortes and C. J. C. Burges, *The MNIST database of handwritten digits*, 1998; CC BY-SA
        3.0.

    Example:
        >>> images, labels = mnist("test")
        >>> images.shape, images.dtype, labels.shape
        (torch.Size([2000, 1, 28, 28]), torch.uint8, torch.Size([2000]))
    """
    check_choice("split", split, tuple(_STEM))
    images, labels = (f"{_STEM[split]}-{kind}-ubyte" for kind in ("images-idx3", "labels-idx1"))
    read = _read_full if full else _read_subset
    x, y = torch.from_numpy(parse_idx(read(images))), torch.from_numpy(parse_idx(read(labels)))
    return LabelledImages(x[:, None], y.to(torch.int64))


def parse_idx(raw: bytes) -> np.ndarray:
    """The array in a file of LeCun's IDX format: magic number, sizes (big-endian, 32 bits), then the bytes.

    Raises:
        ValueError: ``raw`` is not an IDX file of unsigned bytes, or its length is not what its header says.

    Example:
        >>> parse_idx(bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 8, 9])).tolist()
        [7, 8, 9]
    """
    if len(raw) < 4 or raw[:3] != b"\x00\x00\x08":
        raise ValueError(f"raw must start with 00 00 08 (IDX, unsigned bytes), got {raw[:4].hex(' ')}")
    start = 4 + 4 * raw[3]
    shape = tuple(int.from_bytes(raw[i : i + 4], "big") for i in range(4, start, 4))
    if len(raw) != start + math.prod(shape):
        raise ValueError(f"raw must have {start + math.prod(shape)} bytes for shape {shape}, got {len(raw)}")
    return np.frombuffer(raw, dtype=np.uint8, offset=start).reshape(shape).copy()


def _read_subset(name: str) -> bytes:
    return gzip.decompress(asset(f"mnist/{name}.gz", SUBSET[name]).read_bytes())


def _read_full(name: str) -> bytes:
    raw_sha256, gzip_sha256 = FULL[name]
    if folder := os.environ.get("GMLIB_DATA"):
        return _read_from_folder(Path(folder), name, raw_sha256)
    # The file under its gzip hash: the mirrors' bytes are known, so nothing needs unpacking to be trusted.
    return gzip.decompress(fetch(f"{name}.gz", gzip_sha256, MIRRORS).read_bytes())


def _read_from_folder(folder: Path, name: str, sha256: str) -> bytes:
    places = [place / file for place in (folder / "mnist", folder) for file in (name, f"{name}.gz")]
    path = next((place for place in places if place.is_file()), None)
    if path is None:
        raise AssetError(
            f"{name} is not in the folder that GMLIB_DATA names; looked for {', '.join(map(str, places))}. "
            "Put it there, or unset GMLIB_DATA to download it"
        )
    advice = "Replace it with an intact copy, or unset GMLIB_DATA to download one"
    raw = path.read_bytes()
    if path.suffix == ".gz":
        try:
            raw = gzip.decompress(raw)
        except (EOFError, OSError, zlib.error) as error:
            raise AssetError(f"{path} is truncated or damaged ({error}). {advice}") from error
    found = hashlib.sha256(raw).hexdigest()
    if found != sha256:
        raise AssetError(
            f"{path} has the wrong content: SHA-256 {found} (unpacked), wanted {sha256}. {advice}"
        )
    return raw
