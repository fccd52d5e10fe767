"""Which images of MNIST a recipe learns from, and which it is measured on."""

from __future__ import annotations

from typing import Literal

from gmlib._checks import check_choice
from gmlib.data import LabelledImages, mnist

HELD_BACK = 5000
"""Images of the full training set, the last ones, that are kept to choose settings with."""
HELD_BACK_OF_FEW = 1000
"""The same of the embedded 10,000."""
Split = Literal["validation", "test"]


def mnist_split(evaluate_on: Split, *, full: bool) -> tuple[LabelledImages, LabelledImages]:
    """Images to train on and images to evaluate on.

    Args:
        evaluate_on: "validation" to choose settings: the last images of the training set are evaluated on, and are then
            left out of the training; "test" to report.
        full: the 60,000 training and 10,000 test images instead of the embedded 10,000 and 2,000.

    Returns:
        The one and the other.

    Raises:
        ValueError: there is no such split.

    Example:
        >>> from gmlib.recipes.mnist_split import mnist_split
        >>> [len(part.images) for part in mnist_split("validation", full=False)]
        [9000, 1000]
    """
    check_choice("evaluate_on", evaluate_on, ("validation", "test"))
    train = mnist("train", full=full)
    if evaluate_on == "test":
        return train, mnist("test", full=full)
    kept = HELD_BACK if full else HELD_BACK_OF_FEW
    return (
        LabelledImages(train.images[:-kept], train.labels[:-kept]),
        LabelledImages(train.images[-kept:], train.labels[-kept:]),
    )
