"""Chapter 09: a small U-Net that denoises MNIST in 256 grey levels, for a page and for one core of a CPU."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gmlib._checks import check_choice
from gmlib.data import mnist
from gmlib.diffusion import denoising_loss, low_discrepancy_times
from gmlib.nn import PixelUNet
from gmlib.noise import Denoiser, LogSNRClock, VPCosine
from gmlib.training import Task

HELD_BACK = 5000
"""Images of the full training set, the last ones, that are kept to choose settings with."""
LOW, HIGH = -10.0, 13.0
"""Range of log-SNR: at the low end an image is lost, at the high one its grey levels can be read off."""


def mnist_denoiser(*, widths: Sequence[int] = (48, 64), patch: int = 2) -> Denoiser:
    """The untrained model: a :class:`PixelUNet` told the log-SNR, which predicts v, on the cosine schedule.

    Args:
        widths: channels of the levels of the U-Net.
        patch: pixels that make one place of the finest level, in each direction.

    Example:
        >>> from gmlib.recipes.diffusion_mnist import mnist_denoiser
        >>> sum(p.numel() for p in mnist_denoiser().parameters())
        939204
    """
    schedule = VPCosine()
    return Denoiser(LogSNRClock(PixelUNet(1, widths, patch=patch), schedule, LOW, HIGH), schedule, "v")


def scaled(levels: Tensor) -> Float[Tensor, "..."]:
    r"""Grey levels k = 0..255 as numbers :math:`(k + \tfrac12)/128 - 1` in (-1, 1).

    Example:
        >>> import torch
        >>> scaled(torch.tensor([0, 255], dtype=torch.uint8)).tolist()
        [-0.99609375, 0.99609375]
    """
    return (levels.float() + 0.5) / 128 - 1


def mnist_diffusion(
    *, widths: Sequence[int] = (48, 64), patch: int = 2, full: bool = True, evaluate_on: str = "test"
) -> Task:
    """Denoise MNIST at all levels of noise, half of each batch at times even in t, half at times even in log-SNR.

    The first half is DDPM's way, and makes the pictures; the second is the bound's, and makes the likelihood.

    Args:
        widths: channels of the levels of the U-Net.
        patch: as in :func:`mnist_denoiser`.
        full: the 60,000 training and 10,000 test images instead of the embedded 10,000 and 2,000.
        evaluate_on: "validation" to choose settings (the last 5,000 training images, or 1,000 of the embedded ones, which
            are then left out of the training), "test" to report.

    Returns:
        The task.

    Raises:
        ValueError: an argument is out of range.

    Example:
        >>> from gmlib.recipes.diffusion_mnist import mnist_diffusion
        >>> mnist_diffusion(widths=[8], full=False, evaluate_on="validation").data.shape
        torch.Size([9000, 1, 28, 28])
    """
    check_choice("evaluate_on", evaluate_on, ("validation", "test"))
    train = mnist("train", full=full).images
    if evaluate_on == "validation":
        train = train[: -(HELD_BACK if full else 1000)]
    model = mnist_denoiser(widths=widths, patch=patch)
    first, last = (float(model.schedule.t_of_log_snr(level)) for level in (HIGH, LOW))

    def noise(n: int, generator: torch.Generator, device: torch.device) -> tuple[Tensor, Tensor]:
        draw = torch.randn(n, 1, 28, 28, generator=generator, device=device)
        even = low_discrepancy_times(n - n // 2, first, last, generator=generator, device=device)
        if n < 2:
            return draw, even
        levels = low_discrepancy_times(n // 2, LOW, HIGH, generator=generator, device=device)
        return draw, torch.cat([even, model.schedule.t_of_log_snr(levels)])

    return Task(model, loss, train, noise)


def loss(model: nn.Module, x: Tensor, noise: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
    """The mean squared error of v, a pixel.

    Args:
        model: a Denoiser.
        x: grey levels, (n, 1, 28, 28).
        noise: standard normal draws shaped as ``x``, and times, (n,).

    Example:
        >>> import torch
        >>> from gmlib.recipes.diffusion_mnist import loss, mnist_denoiser
        >>> x = torch.zeros(2, 1, 28, 28, dtype=torch.uint8)
        >>> loss(mnist_denoiser(widths=[8]), x, (torch.zeros(x.shape), torch.tensor([0.001, 0.99])))["loss"].item() > 0
        True
    """
    assert isinstance(model, Denoiser)
    draw, t = noise
    return {"loss": denoising_loss(model, scaled(x), t, draw, target="v").total.mean() / x[0].numel()}
