"""The images that recipes of MNIST learn from and those they are measured on do not overlap."""

from __future__ import annotations

import pytest
import torch

from gmlib.data import LabelledImages, mnist
from gmlib.recipes import mnist_split as module
from gmlib.recipes.mnist_split import HELD_BACK, HELD_BACK_OF_FEW, mnist_split


def test_the_last_images_of_the_training_set_are_held_back(monkeypatch: pytest.MonkeyPatch) -> None:
    images = torch.zeros(60_000, 1, 1, 1, dtype=torch.uint8)
    numbers = torch.arange(60_000)
    sets = {
        True: {
            "train": LabelledImages(images, numbers),
            "test": LabelledImages(images[:9], -1 - numbers[:9]),
        },
        False: {name: mnist(name) for name in ("train", "test")},
    }
    monkeypatch.setattr(module, "mnist", lambda name, full: sets[full][name])
    for full, kept in ((True, HELD_BACK), (False, HELD_BACK_OF_FEW)):
        train, held_out = mnist_split("validation", full=full)
        n = len(sets[full]["train"].labels) - kept
        assert torch.equal(torch.cat([train.labels, held_out.labels]), sets[full]["train"].labels)
        assert torch.equal(torch.cat([train.images, held_out.images]), sets[full]["train"].images)
        assert (len(train.images), len(held_out.images)) == (n, kept)
        for part, name in zip(mnist_split("test", full=full), ("train", "test"), strict=True):
            assert torch.equal(part.labels, sets[full][name].labels)


@pytest.mark.bad_input
def test_there_is_no_third_split() -> None:
    with pytest.raises(ValueError, match="evaluate_on must be one of 'validation', 'test', got 'train'"):
        mnist_split("train", full=False)  # pyright: ignore[reportArgumentType]
