"""Chapter 09: a small U-Net that denoises MNIST in 256 grey levels, for a page and for one core of a CPU."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from gmlib._checks import check_count
from gmlib.data import MNIST_LEVELS
from gmlib.diffusion import denoising_loss, low_discrepancy_times, vdm_bound
from gmlib.metrics import bits_per_dim, mean_estimate
from gmlib.nn import PixelUNet
from gmlib.noise import Denoiser, LogSNRClock, VPCosine
from gmlib.recipes.mnist_split import Split, mnist_split
from gmlib.training import Task

LOW, HIGH = -10.0, 13.0
"""Range of log-SNR: at the low end an image is lost, at the high one its grey levels can be read off."""
FIRST, LAST = 0.002, 0.99
"""Range of times, which the error of v on held-out images is averaged over."""
SIZE = 784


def mnist_denoiser(*, widths: Sequence[int] = (48, 64), patch: int = 2, classes: int = 0) -> Denoiser:
    """The untrained model: a `PixelUNet` told the log-SNR, which predicts v, on the cosine schedule.

    Args:
        widths: channels of the levels of the U-Net.
        patch: pixels that make one place of the finest level, in each direction.
        classes: number of classes that it can be told, 0 for none.

    Example:
        >>> from gmlib.recipes.diffusion_mnist import mnist_denoiser
        >>> sum(p.numel() for p in mnist_denoiser().parameters())
        939204
    """
    schedule = VPCosine()
    network = PixelUNet(1, widths, patch=patch, classes=classes)
    return Denoiser(LogSNRClock(network, schedule, LOW, HIGH), schedule, "v")


def scaled(levels: Tensor) -> Float[Tensor, "..."]:
    r"""Grey levels k = 0..255 as numbers :math:`(k + \tfrac12)/128 - 1` in (-1, 1).

    Example:
        >>> import torch
        >>> scaled(torch.tensor([0, 255], dtype=torch.uint8)).tolist()
        [-0.99609375, 0.99609375]
    """
    return (levels.float() + 0.5) / 128 - 1


def mnist_diffusion(
    *,
    widths: Sequence[int] = (48, 64),
    patch: int = 2,
    full: bool = True,
    evaluate_on: Split = "test",
    eval_images: int = 10_000,
    draws: int = 2,
) -> Task:
    """Denoise MNIST at all levels of noise, half of each batch at times even in t, half at times even in log-SNR.

    The first half is DDPM's way, and makes the pictures; the second is the bound's, and makes the likelihood.

    Args:
        widths: channels of the levels of the U-Net.
        patch: as in :func:`mnist_denoiser`.
        full: the 60,000 training and 10,000 test images instead of the embedded 10,000 and 2,000.
        evaluate_on: "validation" to choose settings (the last 5,000 training images, or 1,000 of the embedded ones, which
            are then left out of the training), "test" to report.
        eval_images: evaluate on the first so many images.
        draws: log-SNRs an image in the evaluation's bound.

    Returns:
        The task; its evaluation is that of :func:`evaluator`.

    Raises:
        ValueError: an argument is out of range.

    Example:
        >>> from gmlib.recipes.diffusion_mnist import mnist_diffusion
        >>> mnist_diffusion(widths=[8], full=False, evaluate_on="validation").data.shape
        torch.Size([9000, 1, 28, 28])
    """
    check_count("eval_images", eval_images, low=2)
    train, held_out = (part.images for part in mnist_split(evaluate_on, full=full))
    model = mnist_denoiser(widths=widths, patch=patch)
    first, last = (float(model.schedule.t_of_log_snr(level)) for level in (HIGH, LOW))

    def noise(n: int, generator: torch.Generator, device: torch.device) -> tuple[Tensor, Tensor]:
        draw = torch.randn(n, 1, 28, 28, generator=generator, device=device)
        even = low_discrepancy_times(n - n // 2, first, last, generator=generator, device=device)
        if n < 2:
            return draw, even
        levels = low_discrepancy_times(n // 2, LOW, HIGH, generator=generator, device=device)
        return draw, torch.cat([even, model.schedule.t_of_log_snr(levels)])

    return Task(model, loss, train, noise, evaluator(held_out[:eval_images], draws=draws))


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


def evaluator(
    images: UInt8[Tensor, "n 1 28 28"],
    *,
    draws: int = 2,
    batch: int = 100,
    loss_at: Sequence[float] = (-8.0, -4.0, 0.0, 4.0, 8.0, 12.0),
    loss_images: int = 1000,
) -> Callable[[nn.Module], dict[str, float]]:
    """A function that measures the bound on held-out images, in bits a pixel, with noise from a fixed seed.

    Args:
        images: grey levels, (n, 1, 28, 28).
        draws: log-SNRs an image.
        batch: images at a time.
        loss_at: log-SNRs at which the error of v is measured as well.
        loss_images: on the first so many images.

    Returns:
        A function of the model that returns ``bits_per_dim``, an upper bound on the cost of the images, and its terms
        ``prior_bits``, ``diffusion_bits`` and ``reconstruction_bits``, each with its standard error over the images,
        ``_error`` behind its name. The log-SNRs of a batch leave no gaps, so the error of the diffusion term, and of the
        sum, is rather smaller than that. And ``v_loss_4``, for each of ``loss_at``: the mean squared error of v, a pixel,
        at the log-SNR 4 (-4: ``v_loss_minus_4``).

    Raises:
        ValueError: a count is below 1.

    Example:
        >>> import torch
        >>> from gmlib.recipes.diffusion_mnist import evaluator, mnist_denoiser
        >>> images = torch.zeros(4, 1, 28, 28, dtype=torch.uint8)
        >>> sorted(evaluator(images, loss_at=[-4.0])(mnist_denoiser(widths=[8])))[::2]
        ['bits_per_dim', 'diffusion_bits', 'prior_bits', 'reconstruction_bits', 'v_loss_minus_4']
    """
    for name, value in (("draws", draws), ("batch", batch), ("loss_images", loss_images)):
        check_count(name, value)
    levels = scaled(torch.arange(MNIST_LEVELS))

    @torch.no_grad()
    def evaluate(model: nn.Module) -> dict[str, float]:
        assert isinstance(model, Denoiser)
        device = next(model.parameters()).device
        generator = torch.Generator(device).manual_seed(0)
        bounds = [
            vdm_bound(
                model,
                scaled(part.to(device)),
                low=LOW,
                high=HIGH,
                draws=draws,
                levels=levels.to(device),
                generator=generator,
            )
            for part in images.split(batch)
        ]
        measures = {}
        names = {"bits_per_dim": "total"} | {f"{term}_bits": term for term in vars(bounds[0])}
        for name, term in names.items():
            nats = torch.cat([getattr(bound, term) for bound in bounds]).double()
            found = mean_estimate(bits_per_dim(nats, SIZE).cpu())
            measures[name], measures[f"{name}_error"] = found.value, found.standard_error
        for log_snr in loss_at:
            errors = []
            for part in images[:loss_images].split(batch):
                noise = torch.randn(part.shape, generator=generator, device=device)
                t = model.schedule.t_of_log_snr(torch.full(part.shape[:1], log_snr, device=device))
                errors.append(denoising_loss(model, scaled(part.to(device)), t, noise, target="v").total)
            name = f"v_loss_{log_snr:g}".replace("-", "minus_")
            measures[name] = torch.cat(errors).mean().item() / SIZE
        return measures

    return evaluate
