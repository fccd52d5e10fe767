"""Chapter 01: classifiers of digits and of printed letters, whose features the metrics use."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from gmlib._checks import check_choice, check_count, check_number
from gmlib.data import DIGITS_LEVELS, MNIST_LEVELS, LabelledImages, digits, mnist
from gmlib.data.affine import jitter
from gmlib.data.letters import letters
from gmlib.nn import ConvClassifier
from gmlib.training import Task

Images = tuple[Float[Tensor, "_ 1 _ _"], Int64[Tensor, " _"]]
"""Grey values in [0, 1], and labels."""


def mnist_classifier(
    *,
    widths: Sequence[int] = (16, 32, 64),
    width: int = 64,
    kernel: int = 3,
    pool: Literal["stride", "max"] = "stride",
    full: bool = False,
    strength: float = 1.0,
) -> Task:
    """A classifier of 28x28 MNIST, trained on the embedded 10,000 images (or all 60,000) and tested likewise.

    Args:
        widths: channels of the convolutions.
        width: number of features.
        kernel: size of the convolutions.
        pool: how they halve the image.
        full: train and evaluate on the full set instead (see ``gmlib.data.mnist``).
        strength: how far training images are moved at random; 1 for about 6 degrees and a pixel and a half, 0 for none.

    Returns:
        The task; its evaluation gives ``accuracy`` and ``nll`` (nats an image) on the test images.

    Raises:
        ValueError: an argument is out of range.

    Example:
        >>> from gmlib.recipes.classifier import mnist_classifier
        >>> task = mnist_classifier(widths=[2, 2, 2], width=3)
        >>> task.rows, task.model.width
        (10000, 3)
    """
    check_number("strength", strength, low=0.0)
    model = ConvClassifier(28, widths, width, kernel=kernel, pool=pool)
    train, test = (_grey(mnist(split, full=full), MNIST_LEVELS) for split in ("train", "test"))
    return classifier_task(
        model,
        train,
        test,
        rotate=0.12 * strength,
        stretch=0.08 * strength,
        slant=0.1 * strength,
        shift=1.5 * strength,
    )


def digits_classifier(
    *,
    widths: Sequence[int] = (32, 64),
    width: int = 32,
    kernel: int = 3,
    pool: Literal["stride", "max"] = "max",
    strength: float = 0.7,
    evaluate_on: Literal["validation", "test"] = "test",
) -> Task:
    """A classifier of scikit-learn's 8x8 digits, trained on the first 1,000.

    Args:
        widths: channels of the convolutions.
        width: number of features.
        kernel: size of the convolutions.
        pool: how they halve the image.
        strength: how far training images are moved at random; 1 for about 6 degrees and half a pixel, 0 for none.
        evaluate_on: the split to evaluate on: "validation" to choose settings, "test" to report.

    Returns:
        The task, with the evaluation of :func:`mnist_classifier`.

    Raises:
        ValueError: an argument is out of range.

    Example:
        >>> from gmlib.recipes.classifier import digits_classifier
        >>> digits_classifier().rows
        1000
    """
    check_number("strength", strength, low=0.0)
    check_choice("evaluate_on", evaluate_on, ("validation", "test"))
    model = ConvClassifier(8, widths, width, kernel=kernel, pool=pool)
    train, held_out = (_grey(digits(split), DIGITS_LEVELS) for split in ("train", evaluate_on))
    return classifier_task(
        model,
        train,
        held_out,
        rotate=0.12 * strength,
        stretch=0.08 * strength,
        slant=0.1 * strength,
        shift=0.5 * strength,
    )


def letters_classifier(
    *, widths: Sequence[int] = (16, 32, 64), width: int = 64, kernel: int = 3, images: int = 20_000
) -> Task:
    """A classifier of printed capital letters, 28x28, drawn by :func:`gmlib.data.letters.letters`: no digit among them.

    Args:
        widths: channels of the convolutions.
        width: number of features.
        kernel: size of the convolutions.
        images: number of letters to train on; a tenth as many others are for the evaluation.

    Returns:
        The task, with the evaluation of :func:`mnist_classifier`.

    Raises:
        ValueError: an argument is out of range.

    Example:
        >>> from gmlib.recipes.classifier import letters_classifier
        >>> letters_classifier(images=100).rows
        100
    """
    check_count("images", images, low=10)
    model = ConvClassifier(28, widths, width, classes=26, kernel=kernel)
    train, held_out = (
        _grey(letters(n, generator=torch.Generator().manual_seed(seed)), 256)
        for n, seed in ((images, 0), (images // 10, 1))
    )
    return classifier_task(model, train, held_out)


def classifier_task(
    model: ConvClassifier,
    train: Images,
    held_out: Images,
    *,
    rotate: float = 0.0,
    stretch: float = 0.0,
    slant: float = 0.0,
    shift: float = 0.0,
) -> Task:
    """The training task of a classifier: the cross entropy of its labels, on images that are moved at random.

    Args:
        model: the classifier.
        train: images and labels to train on.
        held_out: images and labels to evaluate on.
        rotate: as :func:`gmlib.data.affine.jitter` has it, like the three others; all 0 for images as they are.
        stretch: see there.
        slant: see there.
        shift: see there.

    Example:
        >>> from gmlib.recipes.classifier import classifier_task
        >>> data = (torch.rand(20, 1, 8, 8), torch.arange(20) % 10)
        >>> task = classifier_task(ConvClassifier(8, [4], 5), data, data)
        >>> sorted(task.evaluate(task.model))
        ['accuracy', 'nll']
    """
    moved = {"rotate": rotate, "stretch": stretch, "slant": slant, "shift": shift}

    def loss(model: nn.Module, batch: tuple[Tensor, Tensor], noise: Tensor | None) -> dict[str, Tensor]:
        x, y = batch
        logits = model(x if noise is None else jitter(x, noise, **moved))
        return {"loss": cross_entropy(logits, y), "accuracy": (logits.argmax(1) == y).float().mean()}

    def noise(n: int, generator: torch.Generator, device: torch.device) -> Tensor:
        return torch.randn(n, 6, generator=generator, device=device)

    return Task(model, loss, train, noise if any(moved.values()) else None, evaluator(held_out))


def evaluator(held_out: Images, *, batch: int = 500) -> Callable[[nn.Module], dict[str, float]]:
    """A function that evaluates a classifier on held-out images.

    Args:
        held_out: images and labels, of at least one image.
        batch: images at a time.

    Returns:
        A function of the model that returns ``accuracy``, from 0 to 1, and ``nll``, the mean negative log-likelihood of
        the labels in nats.

    Raises:
        ValueError: there is no image, not a label for each, or ``batch`` is below 1.

    Example:
        >>> from gmlib.recipes.classifier import evaluator
        >>> model = ConvClassifier(8, [2], 3)
        >>> _ = [nn.init.zeros_(p) for p in model.parameters()]  # all classes equally likely
        >>> metrics = evaluator((torch.rand(20, 1, 8, 8), torch.arange(20) % 10))(model)
        >>> round(metrics["accuracy"], 2), round(metrics["nll"], 4)  # log 10
        (0.1, 2.3026)
    """
    check_count("batch", batch)
    images, labels = held_out
    if len(images) < 1:
        raise ValueError(f"held_out must have at least one image, got shape {tuple(images.shape)}")
    if len(labels) != len(images):
        raise ValueError(
            f"held_out must have a label for each of its {len(images)} images, got {len(labels)}"
        )

    @torch.no_grad()
    def evaluate(model: nn.Module) -> dict[str, float]:
        device = next(model.parameters()).device
        right, nll = 0, 0.0
        for x, y in zip(images.split(batch), labels.split(batch), strict=True):
            logits, y = model(x.to(device)), y.to(device)
            right += int((logits.argmax(1) == y).sum())
            nll += float(cross_entropy(logits.double(), y, reduction="sum"))
        return {"accuracy": right / len(labels), "nll": nll / len(labels)}

    return evaluate


def _grey(data: LabelledImages, levels: int) -> Images:
    return data.images.float() / (levels - 1), data.labels
