"""Chapter 11: the MNIST denoiser of chapter 09, taught to listen to a class, and to do without."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from gmlib._checks import check_count, check_number
from gmlib.checkpoints import load_into
from gmlib.diffusion import denoising_loss, low_discrepancy_times
from gmlib.diffusion.guidance import told_or_not
from gmlib.noise import Denoiser
from gmlib.noise.samplers import dpm_solver_2m
from gmlib.recipes.diffusion_mnist import FIRST, HIGH, LAST, LOW, SIZE, mnist_denoiser, scaled
from gmlib.recipes.diffusion_samplers import digit_times, levels
from gmlib.recipes.mnist_split import Split, mnist_split
from gmlib.recipes.seen_as import seen_as
from gmlib.training import Task

CLASSES = 10
"""Classes of MNIST; as a label, the number that stands for none."""


def listening_denoiser(*, widths: Sequence[int] = (48, 64), patch: int = 2, start: str = "") -> Denoiser:
    """The untrained model: `mnist_denoiser` with a table of classes, whose rows are 0 at first.

    Args:
        widths: channels of the levels of the U-Net.
        patch: pixels that make one place of the finest level, in each direction.
        start: a checkpoint of `mnist_denoiser` to begin with; "" for fresh weights.

    Example:
        >>> from gmlib.recipes.guidance_mnist import listening_denoiser
        >>> sum(p.numel() for p in listening_denoiser().parameters())
        941316
    """
    model = mnist_denoiser(widths=widths, patch=patch, classes=CLASSES)
    if start:
        deaf = load_into(mnist_denoiser(widths=widths, patch=patch), start)
        model.load_state_dict(deaf.state_dict(), strict=False)
    for module in model.modules():
        if isinstance(module, nn.Embedding):
            nn.init.zeros_(module.weight)
    return model


def mnist_guidance(
    *,
    widths: Sequence[int] = (48, 64),
    patch: int = 2,
    start: str = "diffusion-mnist",
    dropped: float = 0.1,
    full: bool = True,
    evaluate_on: Split = "test",
    eval_images: int = 1000,
) -> Task:
    """Denoise MNIST with the class told, except now and then.

    Args:
        widths: channels of the levels of the U-Net.
        patch: as in :func:`listening_denoiser`.
        start: as in :func:`listening_denoiser`.
        dropped: share of the examples whose class is not told.
        full: the 60,000 training and 10,000 test images instead of the embedded 10,000 and 2,000.
        evaluate_on: "validation" to choose settings (the last 5,000 training images, or 1,000 of the embedded ones, which
            are then left out of the training), "test" to report.
        eval_images: evaluate on the first so many images, and draw as many.

    Returns:
        The task; its evaluation is that of :func:`evaluator`.

    Raises:
        ValueError: an argument is out of range.

    Example:
        >>> from gmlib.recipes.guidance_mnist import mnist_guidance
        >>> task = mnist_guidance(widths=[8], start="", full=False, evaluate_on="validation")
        >>> [part.shape for part in task.data]
        [torch.Size([9000, 1, 28, 28]), torch.Size([9000])]
    """
    check_count("eval_images", eval_images, low=2)
    check_number("dropped", dropped, low=0.0, high=1.0)
    train, held_out = mnist_split(evaluate_on, full=full)
    model = listening_denoiser(widths=widths, patch=patch, start=start)
    first, last = (float(model.schedule.t_of_log_snr(level)) for level in (HIGH, LOW))

    def noise(n: int, generator: torch.Generator, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
        draw = torch.randn(n, 1, 28, 28, generator=generator, device=device)
        told = torch.rand(n, generator=generator, device=device) >= dropped
        return draw, low_discrepancy_times(n, first, last, generator=generator, device=device), told

    measured = evaluator(held_out.images[:eval_images], held_out.labels[:eval_images])
    return Task(model, loss, (*train,), noise, measured)


def loss(
    model: nn.Module, batch: tuple[Tensor, Tensor], noise: tuple[Tensor, Tensor, Tensor]
) -> dict[str, Tensor]:
    """The mean squared error of v, a pixel.

    Args:
        model: a Denoiser.
        batch: grey levels, (n, 1, 28, 28), and classes, (n,).
        noise: standard normal draws shaped as the images, times, (n,), and whether the class is told, (n,).

    Example:
        >>> import torch
        >>> from gmlib.recipes.guidance_mnist import listening_denoiser, loss
        >>> x, label = torch.zeros(2, 1, 28, 28, dtype=torch.uint8), torch.tensor([3, 4])
        >>> noise = (torch.zeros(x.shape), torch.tensor([0.001, 0.99]), torch.tensor([True, False]))
        >>> loss(listening_denoiser(widths=[8]), (x, label), noise)["loss"].item() > 0
        True
    """
    assert isinstance(model, Denoiser)
    (x, label), (draw, t, told) = batch, noise
    label = told_or_not(label, told, CLASSES)
    error = denoising_loss(model, scaled(x), t, draw, target="v", label=label).total
    return {"loss": error.mean() / SIZE}


def evaluator(
    images: Tensor, labels: Int[Tensor, " n"], *, batch: int = 250
) -> Callable[[nn.Module], dict[str, float]]:
    """A function that measures what the class is worth, on held-out images, with noise from a fixed seed.

    Args:
        images: grey levels, (n, 1, 28, 28).
        labels: their classes.
        batch: images at a time.

    Returns:
        A function of the model that returns ``loss_told`` and ``loss_untold``, the mean squared error of v, a pixel, with
        the class and without, on the same noise; and ``recognised``, the share of n draws of these classes, 20 calls of
        DPM-Solver++ 2M each and no guidance, that the classifier ``judge-mnist`` takes for what they should be.

    Example:
        >>> import torch
        >>> from gmlib.recipes.guidance_mnist import evaluator, listening_denoiser
        >>> images, labels = torch.zeros(4, 1, 28, 28, dtype=torch.uint8), torch.tensor([0, 1, 2, 3])
        >>> found = evaluator(images, labels)(listening_denoiser(widths=[8]).eval())
        >>> found["loss_told"] == found["loss_untold"]  # a fresh network does not listen
        True
    """
    check_count("batch", batch)

    @torch.no_grad()
    def evaluate(model: nn.Module) -> dict[str, float]:
        assert isinstance(model, Denoiser)
        device = next(model.parameters()).device
        measures = {}
        for name, told in (("loss_told", labels), ("loss_untold", torch.full_like(labels, CLASSES))):
            generator, errors = torch.Generator(device).manual_seed(0), []
            for part, label in zip(images.split(batch), told.split(batch), strict=True):
                t = low_discrepancy_times(len(part), FIRST, LAST, generator=generator, device=device)
                noise = torch.randn(part.shape, generator=generator, device=device)
                found = denoising_loss(
                    model, scaled(part.to(device)), t, noise, target="v", label=label.to(device)
                )
                errors.append(found.total)
            measures[name] = torch.cat(errors).mean().item() / SIZE
        generator, times = torch.Generator(device).manual_seed(1), digit_times(model.schedule, 20)
        hits = []
        for label in labels.to(device).split(batch):
            start = torch.randn(len(label), 1, 28, 28, generator=generator, device=device)
            hits.append(recognised(levels(dpm_solver_2m(model, start, times, label=label).x), label))
        return measures | {"recognised": torch.cat(hits).float().mean().item()}

    return evaluate


def recognised(images: Tensor, label: Int[Tensor, " n"]) -> Float[Tensor, " n"]:
    """Which pictures the classifier ``judge-mnist``, which no model has learnt from, takes for what they should be.

    Args:
        images: grey levels, (n, 1, 28, 28).
        label: the classes wanted, (n,).

    Example:
        >>> from gmlib.data import mnist
        >>> from gmlib.recipes.guidance_mnist import recognised
        >>> test = mnist("test")
        >>> recognised(test.images[:500], test.labels[:500]).mean().item() > 0.97
        True
    """
    return (seen_as(images.float() / 255, "judge-mnist") == label.cpu()).float()
