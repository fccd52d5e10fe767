"""The 8x8 digits of scikit-learn: 1,797 images of 17 grey levels, to train on while one watches."""

from __future__ import annotations

from typing import Literal

import torch

from gmlib._checks import check_choice
from gmlib._extras import require
from gmlib.data.labelled import LabelledImages

DIGITS_LEVELS = 17
"""Number of grey levels: each pixel counts the inked ones among 16, so it is an integer from 0 to 16."""

_SPLITS = {"train": slice(0, 1000), "validation": slice(1000, 1350), "test": slice(1350, 1797)}


def digits(split: Literal["train", "validation", "test"] = "train") -> LabelledImages:
    r"""The 8x8 handwritten digits, as integers :math:`x \in \{0, \dots, 16\}^{64}`.

    The book trains on the first 1,000, makes its choices on the next 350 and reports on the last 447, in the
    order in which scikit-learn ships them (not shuffled).

    Args:
        split: ``"train"`` (1,000 images), ``"validation"`` (350) or ``"test"`` (447).

    Returns:
        Images of shape (N, 1, 8, 8), ``torch.uint8`` levels 0 to 16, and labels of shape (N,),
        ``torch.int64``.

    Raises:
        ValueError: there is no such split.
        ImportError: scikit-learn is not installed.

    References:
        E. Alpaydin and C. Kaynak, *Optical Recognition of Handwritten Digits*, UCI Machine Learning
        Repository, 1998 (the part that its authors call the test set), as ``sklearn.datasets.load_digits``.

    Example:
        >>> images, labels = digits("test")
        >>> images.shape, int(images.max())
        (torch.Size([447, 1, 8, 8]), 16)
    """
    check_choice("split", split, tuple(_SPLITS))
    datasets = require("sklearn.datasets", extra="train", purpose="for its 8x8 digits")
    bunch = datasets.load_digits()
    rows = _SPLITS[split]
    images = torch.from_numpy(bunch.images[rows]).to(torch.uint8)
    return LabelledImages(images[:, None], torch.from_numpy(bunch.target[rows]).to(torch.int64))
