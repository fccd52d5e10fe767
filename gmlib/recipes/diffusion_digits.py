"""Chapter 09: a small network that denoises the 8x8 digits, with and without their class, trained while one waits.

At equal time on one core a residual MLP did better than a U-Net of as many weights, and both far better with the head of
`gmlib.diffusion.LevelNetwork` than predicting v.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from gmlib._checks import check_choice, check_count, check_number
from gmlib.data import DIGITS_LEVELS, LabelledImages, digits
from gmlib.diffusion import LevelNetwork, denoising_loss, low_discrepancy_times, vdm_bound
from gmlib.diffusion.guidance import told_or_not
from gmlib.metrics import bits_per_dim, mean_estimate
from gmlib.nn import ResidualMLP, TimeAndClass
from gmlib.nn.zeroed import zeroed
from gmlib.noise import DDPM, Denoiser, ancestral, ddpm_times, start_noise
from gmlib.recipes.as_levels import as_levels
from gmlib.recipes.digit_measures import digit_measures
from gmlib.recipes.seen_as import seen_as
from gmlib.training import Task

LOW, HIGH = -10.0, 8.0
"""Range of log-SNR: at the low end an image is lost, at the high one its 17 grey levels can be read off."""
CLASSES, SIZE = 10, 64
Split = Literal["validation", "test"]


class DigitsMLP(nn.Module):
    """A residual MLP that is told the time and the class, and gives logits of the 17 grey levels of each pixel.

    Args:
        width: size of the residual stream.
        depth: number of blocks.

    Example:
        >>> import torch
        >>> from gmlib.recipes.diffusion_digits import DigitsMLP
        >>> DigitsMLP(8, 1)(torch.zeros(3, 1, 8, 8), torch.rand(3)).shape
        torch.Size([3, 17, 8, 8])
    """

    def __init__(self, width: int, depth: int) -> None:
        super().__init__()
        self.told = TimeAndClass(64, 32, classes=CLASSES)
        self.body = ResidualMLP(SIZE, DIGITS_LEVELS * SIZE, width=width, depth=depth, condition=64)
        zeroed(self.body.last)

    def forward(
        self,
        x: Float[Tensor, "batch 1 8 8"],
        t: Float[Tensor, " batch"],
        label: Int[Tensor, " batch"] | None = None,
    ) -> Float[Tensor, "batch 17 8 8"]:
        """Map noised digits, times in [0, 1] and classes to logits; a fresh network says 0."""
        return self.body(x.flatten(1), self.told(t, label)).unflatten(1, (DIGITS_LEVELS, 8, 8))


def digits_denoiser(*, width: int = 48, depth: int = 2) -> Denoiser:
    """The untrained model: a :class:`DigitsMLP` for a `gmlib.diffusion.LevelNetwork`, on DDPM's linear grid.

    Args:
        width: size of the residual stream.
        depth: number of blocks.

    Example:
        >>> from gmlib.recipes.diffusion_digits import digits_denoiser
        >>> sum(p.numel() for p in digits_denoiser().parameters())
        94896
    """
    schedule = DDPM.linear()
    levels = scaled(torch.arange(DIGITS_LEVELS))
    return Denoiser(LevelNetwork(DigitsMLP(width, depth), schedule, levels, LOW, HIGH), schedule, "x0")


def scaled(levels: Tensor) -> Float[Tensor, "..."]:
    """Grey levels k = 0..16 as numbers k / 8 - 1 in [-1, 1].

    Example:
        >>> import torch
        >>> scaled(torch.tensor([0, 8, 16])).tolist()
        [-1.0, 0.0, 1.0]
    """
    return levels.float() / 8 - 1


def digits_diffusion(
    *,
    width: int = 48,
    depth: int = 2,
    dropped: float = 0.1,
    draws: int = 20,
    evaluate_on: Split = "test",
) -> Task:
    """Denoise scikit-learn's 8x8 digits, the first 1,000, with their classes; now and then a class is not told.

    Half of each batch has times even in t, half even in log-SNR, as in `gmlib.recipes.diffusion_mnist`.

    Args:
        width: size of the residual stream.
        depth: number of blocks.
        dropped: share of the examples whose class is not told.
        draws: log-SNRs an image in the evaluation's bound.
        evaluate_on: "validation" to choose settings, "test" to report.

    Returns:
        The task; its evaluation is that of :func:`evaluator`.

    Raises:
        ValueError: an argument is out of range.

    Example:
        >>> from gmlib.recipes.diffusion_digits import digits_diffusion
        >>> [part.shape for part in digits_diffusion(width=8).data]
        [torch.Size([1000, 1, 8, 8]), torch.Size([1000])]
    """
    check_choice("evaluate_on", evaluate_on, ("validation", "test"))
    check_number("dropped", dropped, low=0.0, high=1.0)
    model, train = digits_denoiser(width=width, depth=depth), digits("train")
    schedule = model.schedule
    first, last = (float(schedule.t_of_log_snr(level)) for level in (HIGH, LOW))

    def noise(n: int, generator: torch.Generator, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
        draw = torch.randn(n, 1, 8, 8, generator=generator, device=device)
        told = torch.rand(n, generator=generator, device=device) >= dropped
        even = low_discrepancy_times(n - n // 2, first, last, generator=generator, device=device)
        if n < 2:
            return draw, even, told
        levels = low_discrepancy_times(n // 2, LOW, HIGH, generator=generator, device=device)
        return draw, torch.cat([even, schedule.t_of_log_snr(levels)]), told

    return Task(model, loss, (train.images, train.labels), noise, evaluator(evaluate_on, draws=draws))


def loss(
    model: nn.Module, batch: tuple[Tensor, Tensor], noise: tuple[Tensor, Tensor, Tensor]
) -> dict[str, Tensor]:
    """The mean squared error of v, a pixel.

    Args:
        model: a Denoiser.
        batch: grey levels, (n, 1, 8, 8), and classes, (n,).
        noise: standard normal draws shaped as the images, times, (n,), and whether the class is told, (n,).

    Example:
        >>> import torch
        >>> from gmlib.recipes.diffusion_digits import digits_denoiser, loss
        >>> x, label = torch.zeros(2, 1, 8, 8, dtype=torch.uint8), torch.tensor([3, 4])
        >>> noise = (torch.zeros(x.shape), torch.tensor([0.001, 0.99]), torch.tensor([True, False]))
        >>> loss(digits_denoiser(width=8), (x, label), noise)["loss"].item() > 0
        True
    """
    assert isinstance(model, Denoiser)
    (x, label), (draw, t, told) = batch, noise
    label = told_or_not(label, told, CLASSES)
    error = denoising_loss(model, scaled(x), t, draw, target="v", label=label).total
    return {"loss": error.mean() / SIZE}


def sample_digits(
    model: Denoiser,
    n: int,
    *,
    label: Int[Tensor, " n"] | None = None,
    steps: int = 100,
    generator: torch.Generator | None = None,
) -> Float[Tensor, "n 64"]:
    """Draw digits with DDPM's sampler on every (1000 / steps)-th time, in 17 grey levels from 0 to 1.

    Args:
        model: the denoiser.
        n: how many.
        label: the classes wanted, (n,); None leaves them to chance.
        steps: calls of the network; divides 1000.
        generator: source of randomness; None is torch's default.

    Returns:
        Images, (n, 64).

    Example:
        >>> import torch
        >>> from gmlib.recipes.diffusion_digits import digits_denoiser, sample_digits
        >>> sample_digits(digits_denoiser(width=8).eval(), 3, steps=4).shape
        torch.Size([3, 64])
    """
    schedule, place = model.schedule, next(model.parameters())
    assert isinstance(schedule, DDPM)
    start = start_noise(schedule, (n, 1, 8, 8), generator=generator, dtype=place.dtype, device=place.device)
    told: dict[str, Any] = {} if label is None else {"label": label}
    drawn = ancestral(model, start, ddpm_times(schedule, steps), generator=generator, **told)
    return as_levels((drawn.x.flatten(1) + 1) / 2, DIGITS_LEVELS)


def recognised(images: Float[Tensor, "n 64"], label: Int[Tensor, " n"]) -> float:
    """The share of digits that the classifier ``features-digits`` takes for what they should be.

    Args:
        images: with entries from 0 to 1, (n, 64).
        label: their classes, (n,).

    Example:
        >>> from gmlib.data import digits
        >>> from gmlib.recipes.diffusion_digits import recognised
        >>> test = digits("test")
        >>> recognised(test.images.flatten(1).float() / 16, test.labels) > 0.93
        True
    """
    seen = seen_as(images.unflatten(1, (1, 8, 8)), "features-digits")
    return (seen == label.cpu()).float().mean().item()


def evaluator(held_out: Split, *, draws: int = 20) -> Callable[[nn.Module], dict[str, float]]:
    """A function that measures a denoiser of digits, with noise from a fixed seed.

    Args:
        held_out: "test" or "validation".
        draws: log-SNRs an image.

    Returns:
        A function of the model that returns ``bits_per_dim``, an upper bound on the cost of the held-out images, its terms
        ``prior_bits``, ``diffusion_bits`` and ``reconstruction_bits``, and ``class_bits_per_dim``, the bound with the class
        told, each with its standard error over the images, ``_error`` behind its name; of as many samples as there are
        held-out images ``frechet``, ``precision``, ``recall`` and ``memorisation`` (`DigitMeasures`); and ``recognised``,
        the share of samples of asked classes, those of the held-out images, that a classifier recognises.

    Raises:
        ValueError: there is no such split, or ``draws`` is below 1.

    Example:
        >>> import math
        >>> from gmlib.recipes.diffusion_digits import digits_denoiser, evaluator
        >>> measured = evaluator("validation", draws=1)(digits_denoiser(width=8).eval())
        >>> abs(measured["bits_per_dim"] - math.log2(17)) < 0.1  # it takes all levels for equally likely
        True
    """
    check_choice("held_out", held_out, ("validation", "test"))
    check_count("draws", draws)

    @torch.no_grad()
    def evaluate(model: nn.Module) -> dict[str, float]:
        assert isinstance(model, Denoiser)
        device = next(model.parameters()).device
        data = digits(held_out)
        label = data.labels.to(device)
        measures = bound_measures(model, data, draws)
        generator = torch.Generator(device).manual_seed(1)
        drawn = sample_digits(model, len(label), generator=generator)
        measures |= vars(digit_measures(drawn.cpu(), held_out=held_out))
        asked = sample_digits(model, len(label), label=label, generator=generator)
        return measures | {"recognised": recognised(asked, label)}

    return evaluate


def bound_measures(model: Denoiser, data: LabelledImages, draws: int) -> dict[str, float]:
    """The bound on the cost of labelled digits, in bits a pixel, its terms, and the bound with the class told.

    Args:
        model: the denoiser.
        data: the digits.
        draws: log-SNRs an image.

    Example:
        >>> from gmlib.data import digits
        >>> from gmlib.recipes.diffusion_digits import bound_measures, digits_denoiser
        >>> measured = bound_measures(digits_denoiser(width=8).eval(), digits("validation"), 1)
        >>> measured["bits_per_dim"] == measured["class_bits_per_dim"]  # a fresh network does not listen
        True
    """
    place = next(model.parameters()).device
    x, levels = scaled(data.images).to(place), scaled(torch.arange(DIGITS_LEVELS)).to(place)
    measures = {}
    for prefix, label in (("", None), ("class_", data.labels.to(place))):
        generator = torch.Generator(place).manual_seed(0)
        bound = vdm_bound(
            model, x, low=LOW, high=HIGH, draws=draws, levels=levels, generator=generator, label=label
        )
        names = {f"{prefix}bits_per_dim": bound.total}
        if not prefix:
            names |= {f"{term}_bits": value for term, value in vars(bound).items()}
        for name, nats in names.items():
            found = mean_estimate(bits_per_dim(nats.detach().double(), SIZE).cpu())
            measures[name], measures[f"{name}_error"] = found.value, found.standard_error
    return measures
