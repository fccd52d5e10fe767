"""Chapter 11: a classifier of noised MNIST for guidance, and one that has never seen noise."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from gmlib.diffusion import low_discrepancy_times, noised
from gmlib.nn import ToldClassifier
from gmlib.noise import LogSNRClock, VPCosine
from gmlib.noise.schedule import Time
from gmlib.recipes.diffusion_mnist import HIGH, LOW, scaled
from gmlib.recipes.mnist_split import Split, mnist_split
from gmlib.training import Task

SCHEDULE = VPCosine()
LEVELS = (-6.0, -4.0, -2.0, 0.0, 2.0, 4.0, 6.0)
"""Log-SNRs at which the accuracy is measured."""


def noisy_classifier(*, widths: Sequence[int] = (48, 64)) -> LogSNRClock:
    """The untrained network: a `ToldClassifier` told the log-SNR.

    Args:
        widths: channels of its levels.

    Example:
        >>> from gmlib.recipes.guidance_classifier import noisy_classifier
        >>> noisy_classifier()(torch.zeros(2, 1, 28, 28), torch.tensor([0.1, 0.9])).shape
        torch.Size([2, 10])
    """
    return LogSNRClock(ToldClassifier(1, widths), SCHEDULE, LOW, HIGH)


def log_prob_of(classifier: nn.Module) -> Callable[[Tensor, Time, Tensor], Tensor]:
    r"""The function that `ClassifierGuided` asks: :math:`\log p(c \mid x_t)` of points, a time and ``label`` (batch,).

    Example:
        >>> from gmlib.recipes.guidance_classifier import log_prob_of, noisy_classifier
        >>> log_prob_of(noisy_classifier())(torch.zeros(2, 1, 28, 28), 0.5, torch.tensor([3, 4])).shape
        torch.Size([2])
    """

    def log_prob(x: Tensor, t: Time, label: Tensor) -> Tensor:
        time = torch.as_tensor(t, dtype=x.dtype, device=x.device).expand(len(x))
        return -F.cross_entropy(classifier(x, time), label, reduction="none")

    return log_prob


def mnist_noisy_classifier(
    *,
    widths: Sequence[int] = (48, 64),
    clean: bool = False,
    full: bool = True,
    evaluate_on: Split = "test",
) -> Task:
    """Recognise noised digits at every level of noise, or, for comparison, clean digits only.

    Args:
        widths: channels of the levels of the network.
        clean: train on digits without noise.
        full: the 60,000 training and 10,000 test images instead of the embedded 10,000 and 2,000.
        evaluate_on: "validation" to choose settings (the last 5,000 training images, or 1,000 of the embedded ones, which
            are then left out of the training), "test" to report.

    Returns:
        The task; its evaluation is that of :func:`evaluator`.

    Raises:
        ValueError: ``evaluate_on`` is neither.

    Example:
        >>> from gmlib.recipes.guidance_classifier import mnist_noisy_classifier
        >>> task = mnist_noisy_classifier(widths=[8], full=False, evaluate_on="validation")
        >>> [part.shape for part in task.data]
        [torch.Size([9000, 1, 28, 28]), torch.Size([9000])]
    """
    train, held_out = mnist_split(evaluate_on, full=full)
    first, last = (float(SCHEDULE.t_of_log_snr(level)) for level in (HIGH, LOW))

    def noise(n: int, generator: torch.Generator, device: torch.device) -> tuple[Tensor, Tensor]:
        draw = torch.randn(n, 1, 28, 28, generator=generator, device=device)
        if clean:
            return draw, torch.full((n,), first, device=device)
        return draw, low_discrepancy_times(n, first, last, generator=generator, device=device)

    return Task(noisy_classifier(widths=widths), loss, (*train,), noise, evaluator(*held_out))


def loss(model: nn.Module, batch: tuple[Tensor, Tensor], noise: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
    """The cross-entropy of the class of noised digits, in nats.

    Args:
        model: the classifier.
        batch: grey levels, (n, 1, 28, 28), and classes, (n,).
        noise: standard normal draws shaped as the images, and times, (n,).

    Example:
        >>> import torch
        >>> from gmlib.recipes.guidance_classifier import loss, noisy_classifier
        >>> batch = (torch.zeros(2, 1, 28, 28, dtype=torch.uint8), torch.tensor([3, 4]))
        >>> loss(noisy_classifier(), batch, (torch.zeros(2, 1, 28, 28), torch.tensor([0.1, 0.9])))["loss"].item() > 0
        True
    """
    (x, label), (draw, t) = batch, noise
    return {"loss": F.cross_entropy(model(noised(scaled(x), t, draw, SCHEDULE), t), label)}


def evaluator(
    images: Tensor, labels: Int[Tensor, " n"], *, batch: int = 500
) -> Callable[[nn.Module], dict[str, float]]:
    """A function that measures the accuracy on held-out images by the level of noise, from a fixed seed.

    Args:
        images: grey levels, (n, 1, 28, 28).
        labels: their classes.
        batch: images at a time.

    Returns:
        A function of the model that returns ``accuracy_clean``, and ``accuracy_2``, ``accuracy_minus_2`` and so on, the
        share of images recognised at log-SNR 2, -2 and the other ``LEVELS``.

    Example:
        >>> import torch
        >>> from gmlib.recipes.guidance_classifier import evaluator, noisy_classifier
        >>> found = evaluator(torch.zeros(4, 1, 28, 28, dtype=torch.uint8), torch.arange(4))(noisy_classifier())
        >>> len(found)
        8
    """

    @torch.no_grad()
    def evaluate(model: nn.Module) -> dict[str, float]:
        device = next(model.parameters()).device
        generator = torch.Generator(device).manual_seed(0)
        measures = {}
        for level in (HIGH, *reversed(LEVELS)):
            hits: list[Float[Tensor, " n"]] = []
            for x, label in zip(images.split(batch), labels.split(batch), strict=True):
                t = SCHEDULE.t_of_log_snr(torch.full((len(x),), level, device=device))
                draw = torch.randn(x.shape, generator=generator, device=device)
                logits = model(noised(scaled(x.to(device)), t, draw, SCHEDULE), t)
                hits.append((logits.argmax(1) == label.to(device)).float())
            name = "clean" if level == HIGH else f"{level:g}".replace("-", "minus_")
            measures[f"accuracy_{name}"] = torch.cat(hits).mean().item()
        return measures

    return evaluate
