"""Build the embedded subset of MNIST from the full set: ``python assets/mnist/build_subset.py``.

The full set comes from ``gmlib.data.mnist(full=True)``: from the folder in GMLIB_DATA, or downloaded. Prints
the lines of ``SUBSET`` in gmlib/data/mnist.py.
"""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path

import numpy as np

from gmlib._files import replacing
from gmlib.data import mnist

SEED = 2026
SIZES = {"train": 10_000, "test": 2_000}


def chosen(split: str, total: int) -> np.ndarray:
    """The subset's indices in random order: sorted by raw words of PCG64, a stream numpy keeps for good."""
    words = np.random.PCG64([SEED, sorted(SIZES).index(split)]).random_raw(total)
    return np.argsort(words, kind="stable")[: SIZES[split]]


def idx(array: np.ndarray) -> bytes:
    """``array`` of unsigned bytes in LeCun's IDX format."""
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    return bytes([0, 0, 8, array.ndim]) + sizes + array.astype(np.uint8).tobytes()


def build() -> dict[str, bytes]:
    """File name (without .gz) -> raw content, for the four files of the subset."""
    files = {}
    for split, stem in (("train", "train"), ("test", "t10k")):
        images, labels = mnist(split, full=True)
        rows = chosen(split, len(labels))
        files[f"{stem}-images-idx3-ubyte"] = idx(images[rows, 0].numpy())
        files[f"{stem}-labels-idx1-ubyte"] = idx(labels[rows].numpy())
    return files


def main() -> None:
    """Write the files beside this script and print the hashes to keep."""
    for name, raw in build().items():
        # mtime=0 leaves the date out of the file, so that the same zlib writes the same bytes.
        packed = gzip.compress(raw, compresslevel=9, mtime=0)
        with replacing(Path(__file__).parent / f"{name}.gz") as beside:
            beside.write_bytes(packed)
        print(f'    "{name}": "{hashlib.sha256(packed).hexdigest()}",')


if __name__ == "__main__":
    main()
