"""What trained classifiers take pictures for."""

from __future__ import annotations

from functools import cache

import torch
from jaxtyping import Float, Int
from torch import Tensor

from gmlib.metrics import feature_network
from gmlib.nn import ConvClassifier


@torch.no_grad()
def seen_as(images: Float[Tensor, "n 1 height width"], judge: str) -> Int[Tensor, " n"]:
    """The class that a trained classifier takes each picture for, on the CPU; the classifier is loaded once.

    Args:
        images: with entries from 0 to 1, (n, 1, height, width).
        judge: the classifier, one of `gmlib.metrics.NETWORKS`.

    Raises:
        ValueError: there is no such classifier.

    Example:
        >>> from gmlib.data import digits
        >>> from gmlib.recipes.seen_as import seen_as
        >>> test = digits("test")
        >>> (seen_as(test.images.float() / 16, "features-digits") == test.labels).float().mean().item() > 0.93
        True
    """
    return _network(judge)(images.cpu()).argmax(1)


@cache
def _network(name: str) -> ConvClassifier:
    return feature_network(name)
