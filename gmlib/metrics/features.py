"""Feature maps for the metrics: classifiers of our own, trained, untrained, from another domain, and plain pixels."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gmlib._checks import check_choice, check_count
from gmlib.checkpoints import load_into
from gmlib.data.corruptions import check_images
from gmlib.nn import ConvClassifier

# How each checkpoint's recipe builds its network; a test compares the two.
_NETWORKS: dict[str, dict[str, Any]] = {
    "features-mnist": {"size": 28, "widths": (16, 32, 64), "width": 64},
    "features-digits": {"size": 8, "widths": (32, 64), "width": 32, "pool": "max"},
    "features-letters": {"size": 28, "widths": (16, 32, 64), "width": 64, "classes": 26},
    "judge-mnist": {"size": 28, "widths": (8, 24), "width": 64, "kernel": 5, "pool": "max"},
}

NETWORKS = tuple(_NETWORKS)
"""Names of the networks: 28x28 digits, 8x8 digits, printed letters at 28x28, and a second network for 28x28 digits that
judges what was made with the help of the first."""


def feature_network(name: str) -> ConvClassifier:
    r"""A trained classifier whose penultimate layer :math:`\phi` the metrics compare.

    Accuracy, recipe and data of each stand in the manifest, ``gmlib.checkpoints.checkpoint(name)``.

    Args:
        name: one of ``NETWORKS``.

    Returns:
        The network on the CPU, in eval mode, without gradients for its weights; a new object at each call. Its
        ``features`` gives :math:`\phi`, its call the class logits.

    Raises:
        ValueError: there is no such network.
        AssetError: its weights are missing, damaged or out of reach.

    References:
        M. Heusel et al., *GANs trained by a two time-scale update rule converge to a local Nash equilibrium*, 2017, for
        the distance in the features of a classifier (theirs was trained on photographs).

    Example:
        >>> from gmlib.data import mnist
        >>> from gmlib.metrics import feature_network
        >>> images, labels = mnist("test")
        >>> logits = feature_network("features-mnist")(images[:500].float() / 255)
        >>> float((logits.argmax(1) == labels[:500]).float().mean()) > 0.98
        True
    """
    check_choice("name", name, NETWORKS)
    # The initial weights, which the checkpoint replaces, must not use up the caller's random numbers.
    with torch.random.fork_rng(devices=[]):
        network = ConvClassifier(**_NETWORKS[name])
    load_into(network, name)
    return network.requires_grad_(False)


def random_network(name: str, *, seed: int = 0) -> ConvClassifier:
    r"""The same network untrained: random weights, which keep the scale of what passes through.

    .. math:: W_{ij} \sim \mathcal N(0, 2 / \text{fan-in}), \qquad b = 0

    Args:
        name: one of ``NETWORKS``.
        seed: of the weights, at least 0.

    Returns:
        A network as :func:`feature_network` returns it.

    Raises:
        ValueError: there is no such network, or ``seed`` is negative.

    References:
        K. He et al., *Delving deep into rectifiers*, 2015, for the law of the weights.

    Example:
        >>> from gmlib.metrics import image_features, random_network
        >>> image_features(torch.zeros(2, 1, 8, 8), random_network("features-digits", seed=1)).shape
        torch.Size([2, 32])
    """
    check_choice("name", name, NETWORKS)
    check_count("seed", seed, low=0)
    with torch.random.fork_rng(devices=[]):
        network = ConvClassifier(**_NETWORKS[name])
    generator = torch.Generator().manual_seed(seed)
    for parameter in network.parameters():
        if parameter.dim() == 1:
            nn.init.zeros_(parameter)
        else:
            nn.init.kaiming_normal_(parameter, nonlinearity="relu", generator=generator)
    return network.eval().requires_grad_(False)


@torch.no_grad()
def image_features(
    images: Float[Tensor, "n channels height width"],
    network: str | ConvClassifier,
    *,
    batch_size: int = 250,
) -> Float[Tensor, "n phi"]:
    r"""The features :math:`\phi(x)` of images, computed in batches on the images' device.

    Args:
        images: grey values in [0, 1], (n, 1, height, width), of any floating dtype.
        network: one of ``NETWORKS``, or ``"pixels"`` for the pixels themselves, or a classifier (which stays where it is:
            it must be on the images' device).
        batch_size: images at a time.

    Returns:
        (n, width), float32: 64 features of 28x28 digits and letters, 32 of 8x8 digits. For a Frechet distance convert
        them to float64.

    Raises:
        ValueError: the images are of another size than the network's, leave [0, 1], or are none; there is no such
            network; or ``batch_size`` is below 1.
        TypeError: ``images`` is not a floating tensor, or ``network`` neither a name nor a classifier.

    Example:
        >>> from gmlib.data import digits
        >>> from gmlib.metrics import image_features
        >>> x = digits("test").images.float() / 16
        >>> image_features(x, "features-digits").shape, image_features(x, "pixels").shape
        (torch.Size([447, 32]), torch.Size([447, 64]))
    """
    check_images("images", images)
    check_count("batch_size", batch_size)
    if network == "pixels":
        return images.flatten(1).float()
    if isinstance(network, str):
        check_choice("network", network, (*NETWORKS, "pixels"))
        network = _network_on(network, str(images.device))
    if not isinstance(network, ConvClassifier):
        raise TypeError(f"network must be a name or a gmlib.nn.ConvClassifier, got {type(network).__name__}")
    weight = network.head.weight
    if weight.device != images.device:
        raise ValueError(f"images must be on the network's device {weight.device}, got {images.device}")
    if tuple(images.shape[1:]) != network.event_shape:
        raise ValueError(
            f"images must have shape (n, {', '.join(map(str, network.event_shape))}) for this network, "
            f"got shape {tuple(images.shape)}"
        )
    training = network.training
    network.eval()
    try:
        return torch.cat(
            [network.features(part.to(weight.dtype)).float() for part in images.split(batch_size)]
        )
    finally:  # the network is the caller's
        network.train(training)


@lru_cache(maxsize=8)
def _network_on(name: str, device: str) -> ConvClassifier:
    return feature_network(name).to(device)
