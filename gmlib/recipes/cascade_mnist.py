"""Chapter 11: digits by a cascade, 7x7 first, then 14x14 given those, then 28x28."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gmlib._checks import check_choice, check_count, check_number
from gmlib.checkpoints import load_into
from gmlib.diffusion import denoising_loss, low_discrepancy_times
from gmlib.diffusion.guidance import cascade, enlarged, pooled
from gmlib.nn import UNet, Upscaler
from gmlib.noise import Denoiser, LogSNRClock, VPCosine
from gmlib.noise.samplers import dpm_solver_2m
from gmlib.recipes.diffusion_mnist import FIRST, LAST, LOW, scaled
from gmlib.recipes.diffusion_samplers import digit_times
from gmlib.recipes.mnist_split import Split, mnist_split
from gmlib.training import Task

HIGH = 9.0
"""Largest log-SNR of the training: pictures, not grey levels, are wanted."""
BLUR = 0.1
"""Standard deviation of the noise on the smaller picture that a stage is shown."""
WIDTHS = {7: (48,), 14: (64,), 28: (48, 64)}
"""Channels of the levels of each stage's U-Net, by the side of its pictures."""
Side = Literal[7, 14, 28]


def stage_denoiser(side: Side, *, widths: Sequence[int] | None = None) -> Denoiser:
    """One untrained stage: for 7 a U-Net, for 14 and 28 one at half the size that is shown the smaller picture.

    Args:
        side: height = width of its pictures.
        widths: channels of the levels of its U-Net; None is ``WIDTHS``.

    Raises:
        ValueError: there is no such stage.

    Example:
        >>> from gmlib.recipes.cascade_mnist import stage_denoiser
        >>> [sum(p.numel() for p in stage_denoiser(side).parameters()) for side in (7, 14, 28)]
        [409393, 730116, 932724]
    """
    check_choice("side", side, tuple(WIDTHS))
    wide = WIDTHS[side] if widths is None else widths
    network = UNet(1, wide) if side == 7 else Upscaler(UNet(5, wide, outputs=4))
    schedule = VPCosine()
    return Denoiser(LogSNRClock(network, schedule, LOW, HIGH), schedule, "v")


def sizes(levels: Tensor) -> dict[int, Float[Tensor, "n 1 h w"]]:
    """Digits at every size, in (-1, 1): means over blocks of pixels.

    Example:
        >>> [tuple(x.shape) for x in sizes(torch.zeros(2, 1, 28, 28, dtype=torch.uint8)).values()]
        [(2, 1, 7, 7), (2, 1, 14, 14), (2, 1, 28, 28)]
    """
    large = scaled(levels)
    return {7: pooled(large, 4), 14: pooled(large, 2), 28: large}


def mnist_stage(
    *,
    side: Side,
    blur: float = BLUR,
    full: bool = True,
    evaluate_on: Split = "test",
    eval_images: int = 1000,
) -> Task:
    """Denoise digits of one size, shown those of half the size with a little noise on them.

    Args:
        side: height = width of the pictures.
        blur: standard deviation of the noise on the smaller picture.
        full: the 60,000 training and 10,000 test images instead of the embedded 10,000 and 2,000.
        evaluate_on: "validation" to choose settings (the last 5,000 training images, or 1,000 of the embedded ones, which
            are then left out of the training), "test" to report.
        eval_images: evaluate on the first so many images.

    Returns:
        The task; its evaluation is that of :func:`evaluator`.

    Raises:
        ValueError: an argument is out of range.

    Example:
        >>> from gmlib.recipes.cascade_mnist import mnist_stage
        >>> mnist_stage(side=14, full=False, evaluate_on="validation").data.shape
        torch.Size([9000, 1, 28, 28])
    """
    check_count("eval_images", eval_images)
    check_number("blur", blur, low=0.0)
    train, held_out = (part.images for part in mnist_split(evaluate_on, full=full))
    model = stage_denoiser(side)
    first, last = (float(model.schedule.t_of_log_snr(level)) for level in (HIGH, LOW))

    def noise(n: int, generator: torch.Generator, device: torch.device) -> tuple[Tensor, ...]:
        draw = torch.randn(n, 1, side, side, generator=generator, device=device)
        if side == 7:
            return draw, low_discrepancy_times(n, first, last, generator=generator, device=device)
        half = side // 2
        beside = blur * torch.randn(n, 1, half, half, generator=generator, device=device)
        return draw, low_discrepancy_times(n, first, last, generator=generator, device=device), beside

    return Task(model, loss, train, noise, evaluator(held_out[:eval_images], side))


def loss(model: nn.Module, x: Tensor, noise: tuple[Tensor, ...]) -> dict[str, Tensor]:
    """The mean squared error of v, a pixel.

    Args:
        model: a stage.
        x: grey levels, (n, 1, 28, 28).
        noise: standard normal draws of the stage's size, times, (n,), and, but for the first stage, noise for the smaller
            picture that it is shown.

    Example:
        >>> import torch
        >>> from gmlib.recipes.cascade_mnist import loss, stage_denoiser
        >>> x, draw = torch.zeros(2, 1, 28, 28, dtype=torch.uint8), torch.zeros(2, 1, 14, 14)
        >>> loss(stage_denoiser(14), x, (draw, torch.tensor([0.1, 0.9]), torch.zeros(2, 1, 7, 7)))["loss"].item() > 0
        True
    """
    assert isinstance(model, Denoiser)
    draw, t, *beside = noise
    pictures, side = sizes(x), draw.shape[-1]
    told = {"image": enlarged(pictures[side // 2] + beside[0])} if beside else {}
    error = denoising_loss(model, pictures[side], t, draw, target="v", **told).total
    return {"loss": error.mean() / side**2}


def evaluator(images: Tensor, side: int, *, batch: int = 250) -> Callable[[nn.Module], dict[str, float]]:
    """A function that measures a stage on held-out images, with noise from a fixed seed.

    Args:
        images: grey levels, (n, 1, 28, 28).
        side: that of the stage.
        batch: images at a time.

    Returns:
        A function of the model that returns ``loss``, the mean squared error of v, a pixel; and, for stages that are
        shown a smaller picture, ``returned``, the root mean square distance of their pooled draws to it (20 calls of
        DPM-Solver++ 2M; pixels lie in (-1, 1)).

    Example:
        >>> import torch
        >>> from gmlib.recipes.cascade_mnist import evaluator, stage_denoiser
        >>> sorted(evaluator(torch.zeros(2, 1, 28, 28, dtype=torch.uint8), 14)(stage_denoiser(14).eval()))
        ['loss', 'returned']
    """

    @torch.no_grad()
    def evaluate(model: nn.Module) -> dict[str, float]:
        assert isinstance(model, Denoiser)
        device = next(model.parameters()).device
        generator = torch.Generator(device).manual_seed(0)
        costs, squares = [], []
        for part in images.split(batch):
            x = part.to(device)
            t = low_discrepancy_times(len(x), FIRST, LAST, generator=generator, device=device)
            draw = torch.randn(len(x), 1, side, side, generator=generator, device=device)
            small = [] if side == 7 else [sizes(x)[side // 2]]
            costs.append(loss(model, x, (draw, t, *map(torch.zeros_like, small)))["loss"] * len(x))
            for shown in small:
                found = dpm_solver_2m(model, draw, digit_times(model.schedule, 20), image=enlarged(shown)).x
                squares.append((pooled(found) - shown).square().mean() * len(x))
        measures = {"loss": float(sum(costs)) / len(images)}
        return measures | ({"returned": (float(sum(squares)) / len(images)) ** 0.5} if squares else {})

    return evaluate


def cascaded_digits(n: int, *, calls: int = 20, blur: float = BLUR, seed: int = 0) -> list[Tensor]:
    """Digits of all three sizes by the shipped cascade, in (-1, 1).

    Args:
        n: how many.
        calls: of each network.
        blur: standard deviation of the noise on what is passed on.
        seed: of the noise.

    Returns:
        Pictures of 7x7, 14x14 and 28x28, (n, 1, side, side).

    Example:
        >>> from gmlib.recipes.cascade_mnist import cascaded_digits
        >>> [x.shape[-1] for x in cascaded_digits(2, calls=4)]
        [7, 14, 28]
    """
    check_count("calls", calls, low=2)
    stages = []
    for side in (7, 14, 28):
        stage = load_into(stage_denoiser(side), f"cascade-{side}-mnist").requires_grad_(False)
        assert isinstance(stage, Denoiser)
        stages.append(stage)
    return cascade(
        stages,
        (1, 7, 7),
        n,
        lambda d, z, told: dpm_solver_2m(d, z, digit_times(d.schedule, calls), **told),
        blur=blur,
        generator=torch.Generator().manual_seed(seed),
    )
