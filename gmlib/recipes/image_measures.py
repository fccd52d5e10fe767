"""What a sample of 28x28 digits is worth."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_choice
from gmlib.data import mnist
from gmlib.metrics import feature_network, frechet_distance, image_features, precision_recall
from gmlib.metrics.memorisation import nearest_median

HELD_BACK = 2000
"""Training images, the last ones, that are kept to choose settings with."""


@lru_cache(maxsize=3)
def mnist_images(split: str) -> Float[Tensor, "n 1 28 28"]:
    """The embedded MNIST with entries in [0, 1].

    Args:
        split: "train" (10,000), "validation" (its last 2,000) or "test" (2,000).

    Example:
        >>> from gmlib.recipes.image_measures import mnist_images
        >>> mnist_images("test").shape
        torch.Size([2000, 1, 28, 28])
    """
    check_choice("split", split, ("train", "validation", "test"))
    if split == "validation":
        return mnist_images("train")[-HELD_BACK:]
    return mnist(split).images.float() / 255  # pyright: ignore[reportArgumentType]


@dataclass(frozen=True)
class ImageMeasures:
    """What a sample of 28x28 digits is worth.

    Attributes:
        frechet: Frechet distance to the held-out images in the features of our own classifier ``features-mnist``.
        precision: share of the sample inside the data's neighbourhoods (k = 3), in the same features.
        recall: share of the data inside the sample's.
        class_kl: KL divergence, in nats, of the classes that another classifier, ``judge-mnist``, sees in the sample from
            those it sees in the held-out images; of n images from the right law about 4.5/n.
        confidence: the mean probability that this classifier gives to the class it chooses.
        memorisation: typical distance in pixels to the nearest training image, in units of that of held-out images.

    Example:
        >>> from gmlib.recipes.image_measures import ImageMeasures
        >>> ImageMeasures(5.0, 0.9, 0.9, 0.002, 0.98, 1.0).frechet
        5.0
    """

    frechet: float
    precision: float
    recall: float
    class_kl: float
    confidence: float
    memorisation: float


@torch.no_grad()
def image_measures(images: Float[Tensor, "n 1 28 28"], *, held_out: str = "test") -> ImageMeasures:
    """Measure a sample against held-out digits; a fair comparison has 2,000 images, as either split has.

    Args:
        images: a sample with entries in [0, 1], (n, 1, 28, 28).
        held_out: "test" or "validation"; the training images that memory is measured by are those of the split's task.

    Returns:
        The measures.

    Raises:
        ValueError: there is no such split, or the images leave [0, 1].

    Example:
        >>> from gmlib.recipes.image_measures import image_measures, mnist_images
        >>> measures = image_measures(mnist_images("train")[:200])
        >>> measures.confidence > 0.9, measures.memorisation
        (True, 0.0)
    """
    check_choice("held_out", held_out, ("validation", "test"))
    phi, phi_real = image_features(images, "features-mnist").double(), _real_features(held_out)
    both = precision_recall(phi_real, phi, k=3)
    probs = class_probabilities(images)
    counts, wanted = _shares(probs), _real_classes(held_out)
    return ImageMeasures(
        frechet=frechet_distance(phi, phi_real).item(),
        precision=both.precision.value,
        recall=both.recall.value,
        class_kl=torch.xlogy(counts, counts / wanted).sum().item(),
        confidence=probs.max(1).values.mean().item(),
        memorisation=nearest_median(images.flatten(1), _train_of(held_out)).value / _real_distance(held_out),
    )


@lru_cache(maxsize=2)
def _real_features(split: str) -> Tensor:
    return image_features(mnist_images(split), "features-mnist").double()


@lru_cache(maxsize=2)
def _real_classes(split: str) -> Tensor:
    return class_histogram(mnist_images(split))


@lru_cache(maxsize=2)
def _real_distance(split: str) -> float:
    return nearest_median(mnist_images(split).flatten(1), _train_of(split)).value


def _train_of(held_out: str) -> Tensor:
    train = mnist_images("train").flatten(1)
    return train[:-HELD_BACK] if held_out == "validation" else train


def _shares(probs: Tensor) -> Tensor:
    return torch.bincount(probs.argmax(1), minlength=10).double() / len(probs)


@torch.no_grad()
def class_probabilities(images: Float[Tensor, "n 1 28 28"]) -> Float[Tensor, "n 10"]:
    """What the classifier ``judge-mnist`` makes of images: a probability for each digit.

    Args:
        images: grey values in [0, 1], (n, 1, 28, 28).

    Example:
        >>> from gmlib.recipes.image_measures import class_probabilities, mnist_images
        >>> class_probabilities(mnist_images("test")[:5]).shape
        torch.Size([5, 10])
    """
    judge = feature_network("judge-mnist")
    return torch.cat([judge(part).softmax(1) for part in images.split(500)])


def class_histogram(images: Float[Tensor, "n 1 28 28"]) -> Float[Tensor, " 10"]:
    """Shares of the ten digits among images, as ``judge-mnist`` sees them.

    Args:
        images: grey values in [0, 1], (n, 1, 28, 28).

    Example:
        >>> from gmlib.recipes.image_measures import class_histogram, mnist_images
        >>> class_histogram(mnist_images("test")[:50]).sum().item()
        1.0
    """
    return _shares(class_probabilities(images))
