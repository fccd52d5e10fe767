"""Chapter 05: a multiscale flow of splines on MNIST in 256 grey levels, with dequantisation that learns."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from jaxtyping import UInt8
from torch import Tensor, nn

from gmlib._checks import check_choice, check_count
from gmlib.data import MNIST_LEVELS
from gmlib.flows import Dequantised, spline_image_flow, spline_noise, start_at_marginals
from gmlib.metrics import bits_per_dim, mean_estimate
from gmlib.recipes.mnist_split import Split, mnist_split
from gmlib.training import Task

SIZE = 784


def mnist_flow(
    *,
    bins: int = 8,
    hidden: int = 48,
    blocks: int = 1,
    coarse_hidden: Sequence[int] = (384, 384),
    noise: str = "variational",
    noise_hidden: int = 24,
    full: bool = True,
    evaluate_on: Split = "test",
    eval_images: int = 10_000,
    samples: int = 8,
) -> Task:
    """A `gmlib.flows.spline_image_flow` of two levels on 28x28 MNIST, its pixels started at their histograms.

    Args:
        bins: of each spline.
        hidden: channels of the conditioners.
        blocks: residual blocks of the conditioners.
        coarse_hidden: widths of the masked network of the coarsest, 7x7, image.
        noise: "variational" learns the dequantisation along with the flow; "uniform" does not.
        noise_hidden: channels of the network of the learnt noise.
        full: the 60,000 training and 10,000 test images instead of the embedded 10,000 and 2,000.
        evaluate_on: "validation" to choose settings (the last 5,000 training images, or 1,000 of the embedded ones, which
            are then left out of the training), "test" to report.
        eval_images: evaluate on the first so many images.
        samples: draws of the noise an image in the evaluation's importance-weighted bound.

    Returns:
        The task; its evaluation is that of :func:`evaluator`.

    Raises:
        ValueError: an argument is out of range.

    Example:
        >>> from gmlib.recipes.flow_mnist import mnist_flow
        >>> mnist_flow(hidden=4, coarse_hidden=(8,), full=False, evaluate_on="validation").data.shape
        torch.Size([9000, 1, 28, 28])
    """
    check_choice("noise", noise, ("uniform", "variational"))
    check_count("eval_images", eval_images, low=2)
    shape = (1, 28, 28)
    train, held_out = (part.images for part in mnist_split(evaluate_on, full=full))
    flow = spline_image_flow(shape, bins=bins, hidden=hidden, blocks=blocks, coarse_hidden=coarse_hidden)
    start_at_marginals(flow, train)
    fills = spline_noise(shape, hidden=noise_hidden) if noise == "variational" else None
    # Channels last: what the splines' networks say of a pixel then lies together.
    model = Dequantised(flow, MNIST_LEVELS, fills)
    model.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]

    def draw(n: int, generator: torch.Generator, device: torch.device) -> Tensor:
        return torch.rand(n, *model.draw_shape, generator=generator, device=device)

    return Task(model, loss, train, draw, evaluator(held_out[:eval_images], samples=samples))


def loss(model: nn.Module, x: Tensor, draw: Tensor) -> dict[str, Tensor]:
    """Bits a pixel of a batch, with one draw of the noise for each image.

    Args:
        model: a `gmlib.flows.Dequantised`.
        x: images of grey levels, (n, 1, 28, 28).
        draw: draws of the base of its noise, (n, ``*model.draw_shape``).

    Example:
        >>> import torch
        >>> from gmlib.flows import Dequantised, Flow, Reshape, StandardUniform
        >>> from gmlib.recipes.flow_mnist import loss
        >>> model = Dequantised(Flow(StandardUniform((784,)), Reshape((1, 28, 28))), 256)
        >>> loss(model, torch.zeros(2, 1, 28, 28, dtype=torch.uint8), torch.rand(2, 1, 28, 28))
        {'loss': tensor(8.)}
    """
    assert isinstance(model, Dequantised)
    return {"loss": bits_per_dim(-model.log_weight(x, draw).mean(), SIZE)}


def evaluator(
    images: UInt8[Tensor, "n 1 28 28"], *, samples: int = 8, batch: int = 250
) -> Callable[[nn.Module], dict[str, float]]:
    """A function that measures bits a pixel on held-out images, with draws from a fixed seed.

    Args:
        images: grey levels, (n, 1, 28, 28).
        samples: draws of the noise an image, K.
        batch: images at a time.

    Returns:
        A function of the model that returns ``bits_per_dim``, the importance-weighted bound with K draws, and
        ``bits_per_dim_1``, the bound with one; both again with uniform noise in the place of the learnt one
        (``uniform_bits_per_dim``, ``uniform_bits_per_dim_1``); and for each its standard error over the images, with
        ``_error`` behind its name. All are upper bounds on the cost of the images themselves.

    Raises:
        ValueError: ``samples`` or ``batch`` is below 1.

    Example:
        >>> import torch
        >>> from gmlib.flows import Dequantised, Flow, Reshape, StandardUniform
        >>> from gmlib.recipes.flow_mnist import evaluator
        >>> model = Dequantised(Flow(StandardUniform((784,)), Reshape((1, 28, 28))), 256)
        >>> images = torch.zeros(4, 1, 28, 28, dtype=torch.uint8)
        >>> round(evaluator(images, samples=2)(model)["bits_per_dim"], 4)
        8.0
    """
    check_count("samples", samples)
    check_count("batch", batch)

    @torch.no_grad()
    def evaluate(model: nn.Module) -> dict[str, float]:
        assert isinstance(model, Dequantised)
        rows = {"": model, "uniform_": Dequantised(model.flow, model.levels)}
        device = model.flow.place.device
        measures = {}
        for name, row in rows.items():
            generator = torch.Generator(device).manual_seed(0)
            one, many = [], []
            for part in images.split(batch):
                part = part.to(device)
                draw = torch.rand(samples, len(part), *row.draw_shape, generator=generator, device=device)
                weights = torch.stack([row.log_weight(part, each) for each in draw]).double()
                one.append(weights[0])
                many.append(weights.logsumexp(0) - math.log(samples))
            for key, values in (("bits_per_dim", many), ("bits_per_dim_1", one)):
                found = mean_estimate(bits_per_dim(-torch.cat(values), SIZE).cpu())
                measures[f"{name}{key}"] = found.value
                measures[f"{name}{key}_error"] = found.standard_error
        return measures

    return evaluate
