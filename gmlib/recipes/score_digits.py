"""Chapter 08: a noise-conditional score network for the 8x8 digits, and what its samples are worth."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gmlib._checks import check_choice, check_count
from gmlib.checkpoints import load_into
from gmlib.classical import PixelHistograms
from gmlib.data import digits
from gmlib.metrics import frechet_distance, image_features, memorisation_ratio, precision_recall
from gmlib.recipes._rows import mean_and_spread
from gmlib.recipes.score import check_levels, score_task
from gmlib.recipes.vae import digits_vae
from gmlib.score import ScoreNetwork, annealed_langevin, geometric_ladder, ncsn_loss
from gmlib.score.network import Embedded
from gmlib.training import Task

SIGMA_MIN, SIGMA_MAX = 0.05, 5.0
"""Noise levels of the digits, in units in which a black pixel is 0 and a white one 1: from a little less than the step of
1/16 between two grey levels to a little more than the largest distance of two training images, 4.8."""


def digits_score(
    *,
    width: int = 192,
    depth: int = 3,
    embedding: int = 32,
    dropout: float = 0.1,
    sigma_min: float = SIGMA_MIN,
    sigma_max: float = SIGMA_MAX,
    evaluate_on: str = "test",
) -> Task:
    """A noise-conditional score network on scikit-learn's 8x8 digits, trained on the first 1,000.

    Pixels are divided by 16 and not dequantised: the network only ever sees laws noised by ``sigma_min`` or more, which are
    densities already.

    Args:
        width: of the residual stream.
        depth: number of residual blocks.
        embedding: Fourier features of the noise level.
        dropout: in the blocks.
        sigma_min: lowest noise level.
        sigma_max: highest noise level.
        evaluate_on: the split to evaluate on: "validation" to choose settings, "test" to report.

    Returns:
        The task; its evaluation is that of :func:`digits_evaluator`.

    Raises:
        ValueError: an argument is out of range.

    Example:
        >>> from gmlib.recipes.score_digits import digits_score
        >>> digits_score(width=8, depth=1).data.shape
        torch.Size([1000, 64])
    """
    check_choice("evaluate_on", evaluate_on, ("validation", "test"))
    train = digit_vectors("train")
    net = Embedded(64, width=width, depth=depth, embedding=embedding, dropout=dropout)
    model = ScoreNetwork(net, train.mean(0), float(train.var(0).mean()))
    return score_task(model, train, sigma_min, sigma_max, digits_evaluator(evaluate_on, sigma_min, sigma_max))


def digit_vectors(split: str) -> Float[Tensor, "n 64"]:
    """The digits of a split as vectors with entries in [0, 1], (n, 64).

    Args:
        split: "train", "validation" or "test".

    Example:
        >>> from gmlib.recipes.score_digits import digit_vectors
        >>> digit_vectors("validation").shape
        torch.Size([350, 64])
    """
    return digits(split).images.flatten(1).float() / 16  # pyright: ignore[reportArgumentType]


@torch.no_grad()
def sample_digits(
    score: Callable[[Tensor, Tensor], Tensor],
    n: int,
    *,
    sigma_min: float = SIGMA_MIN,
    sigma_max: float = SIGMA_MAX,
    levels: int = 20,
    steps: int = 20,
    step: float = 0.2,
    generator: torch.Generator | None = None,
    device: torch.device | str | None = None,
) -> Float[Tensor, "n 64"]:
    r"""Annealed Langevin chains with steps of ``step`` times :math:`\sigma_i^2`, denoised at the end.

    In a direction in which the data have no width a chain settles at the variance :math:`\sigma_i^2 / (1 - \delta / 4)`,
    ``step`` being :math:`\delta`: more noise than the network is told of. In 64 dimensions that shows: with large steps the
    classes come out in wrong proportions, the eights in front.

    Args:
        score: a noise-conditional score on digits with entries in [0, 1].
        n: number of chains.
        sigma_min: lowest level.
        sigma_max: highest level; the chains start from normal noise of this size.
        levels: number of levels, in geometric progression.
        steps: steps a level.
        step: step over :math:`\sigma_i^2`, positive.
        generator: source of randomness; None is torch's default.
        device: device of the chains.

    Returns:
        The end points, (n, 64), which may lie a little outside [0, 1]; :func:`as_levels` makes images of them.

    Example:
        >>> import torch
        >>> from gmlib.recipes.score_digits import sample_digits
        >>> sample_digits(lambda x, sigma: -x / sigma**2, 3, levels=2, steps=1).shape  # all images black
        torch.Size([3, 64])
    """
    start = sigma_max * torch.randn(n, 64, generator=generator, device=device)
    ladder = geometric_ladder(sigma_max, sigma_min, levels).to(start)
    return annealed_langevin(
        score, start, ladder, step=step * sigma_min**2, steps=steps, denoise=True, generator=generator
    )


@torch.no_grad()
def ancestral_digits(
    score: Callable[[Tensor, Tensor], Tensor],
    n: int,
    *,
    sigma_min: float = SIGMA_MIN,
    sigma_max: float = SIGMA_MAX,
    steps: int = 100,
    generator: torch.Generator | None = None,
    device: torch.device | str | None = None,
) -> Float[Tensor, "n 64"]:
    r"""The same network sampled by one reverse step a level instead of a chain at each: a look ahead to diffusion.

    .. math:: x \leftarrow x + (\sigma_i^2 - \sigma_{i+1}^2)\, s(x, \sigma_i)
              + \sqrt{\sigma_{i+1}^2 (\sigma_i^2 - \sigma_{i+1}^2) / \sigma_i^2}\; \varepsilon

    The step is the law of the point at level i + 1 given that at level i, the clean point taken for its posterior mean. It
    tells what the network is worth apart from Langevin dynamics.

    Args:
        score: a noise-conditional score on digits with entries in [0, 1].
        n: number of images.
        sigma_min: lowest level.
        sigma_max: highest level.
        steps: calls of the score.
        generator: source of randomness; None is torch's default.
        device: device of the images.

    Returns:
        The end points, denoised, (n, 64).

    References:
        Y. Song et al., *Score-based generative modeling through stochastic differential equations* (2021), appendix F.

    Example:
        >>> import torch
        >>> from gmlib.recipes.score_digits import ancestral_digits
        >>> ancestral_digits(lambda x, sigma: -x / sigma**2, 3, steps=3).abs().max() < 1e-6  # all images black
        tensor(True)
    """
    check_count("steps", steps, low=2)
    x = sigma_max * torch.randn(n, 64, generator=generator, device=device)
    ladder = geometric_ladder(sigma_max, sigma_min, steps).to(x)
    for sigma, lower in pairwise(ladder):
        removed = sigma.square() - lower.square()
        noise = torch.randn(x.shape, generator=generator, device=device)
        x = x + removed * score(x, sigma) + lower / sigma * removed.sqrt() * noise
    return x + ladder[-1].square() * score(x, ladder[-1])


def as_levels(x: Float[Tensor, "n 64"]) -> Float[Tensor, "n 64"]:
    """Round to the 17 grey levels that the data have, 0, 1/16, ..., 1.

    Args:
        x: samples, (n, 64).

    Example:
        >>> import torch
        >>> from gmlib.recipes.score_digits import as_levels
        >>> as_levels(torch.full((1, 64), 0.27))[0, 0].item()
        0.25
    """
    return (16 * x.clamp(0, 1)).round() / 16


@dataclass(frozen=True)
class DigitMeasures:
    """What a sample of digits is worth.

    Attributes:
        frechet: Frechet distance to the held-out images in the features of our own classifier ``features-digits``.
        precision: share of the sample inside the data's neighbourhoods (k = 3), in the same features.
        recall: share of the data inside the sample's.
        memorisation: typical distance in pixels to the nearest training image, in units of that of held-out images.

    Example:
        >>> from gmlib.recipes.score_digits import DigitMeasures
        >>> DigitMeasures(10.0, 0.9, 0.8, 1.0).frechet
        10.0
    """

    frechet: float
    precision: float
    recall: float
    memorisation: float


def digit_measures(images: Float[Tensor, "n 64"], *, held_out: str = "test") -> DigitMeasures:
    """Measure a sample against held-out digits; a fair comparison has as many images as that split (447 or 350).

    Args:
        images: a sample with entries in [0, 1], (n, 64).
        held_out: "test" or "validation".

    Returns:
        The four measures.

    Raises:
        ValueError: there is no such split, or the images leave [0, 1].

    Example:
        >>> from gmlib.recipes.score_digits import digit_measures, digit_vectors
        >>> measures = digit_measures(digit_vectors("train")[:350], held_out="validation")
        >>> measures.precision > 0.5, measures.memorisation
        (True, 0.0)
    """
    check_choice("held_out", held_out, ("validation", "test"))
    real = digit_vectors(held_out)
    phi, phi_real = (
        image_features(x.unflatten(1, (1, 8, 8)), "features-digits").double() for x in (images, real)
    )
    both = precision_recall(phi_real, phi, k=3)
    return DigitMeasures(
        frechet=frechet_distance(phi, phi_real).item(),
        precision=both.precision.value,
        recall=both.recall.value,
        memorisation=memorisation_ratio(images, digit_vectors("train"), real).value,
    )


def digits_evaluator(
    held_out: str, sigma_min: float, sigma_max: float, *, levels: int = 10, repeats: int = 4
) -> Callable[[nn.Module], dict[str, float]]:
    r"""A function that evaluates a score network on the digits, with draws from a fixed seed.

    Args:
        held_out: "test" or "validation".
        sigma_min: lowest noise level.
        sigma_max: highest noise level.
        levels: noise levels of the loss, in geometric progression.
        repeats: draws of the noise for each image and level.

    Returns:
        A function of the model that returns ``loss`` (the weighted loss a pixel, averaged over the levels) on the held-out
        images and ``loss_train`` on the training images, with the same noise; and ``frechet``, ``precision``, ``recall``
        and ``memorisation`` of one sample of :func:`sample_digits` (see :class:`DigitMeasures`), as many as there are
        held-out images, and the same of :func:`ancestral_digits` with ``_ancestral`` in the name.

    Raises:
        ValueError: there is no such split, or the levels are not positive and in order.

    Example:
        >>> from gmlib.recipes.score_digits import digits_evaluator
        >>> from gmlib.score import mlp_score
        >>> evaluate = digits_evaluator("validation", 0.5, 1.0, levels=2, repeats=1)
        >>> sorted(evaluate(mlp_score(64, [8])))[:4]
        ['frechet', 'frechet_ancestral', 'loss', 'loss_train']
    """
    check_choice("held_out", held_out, ("validation", "test"))
    check_levels(sigma_min, sigma_max)
    check_count("levels", levels, low=2)
    check_count("repeats", repeats)
    sets = {"loss": digit_vectors(held_out), "loss_train": digit_vectors("train")}
    ladder = geometric_ladder(sigma_max, sigma_min, levels)

    @torch.no_grad()
    def evaluate(model: nn.Module) -> dict[str, float]:
        device = next(model.parameters()).device
        metrics = {}
        for name, x in sets.items():
            generator = torch.Generator().manual_seed(0)
            x, each = x.repeat(repeats, 1), []
            for sigma in ladder:
                noise = torch.randn(x.shape, generator=generator)
                loss = ncsn_loss(model, x.to(device), noise.to(device), sigma.to(device))
                each.append(loss.mean().total.item() / x.shape[1])
            metrics[name] = statistics.fmean(each)
        n, here = len(sets["loss"]), model.cpu()
        x, y = (
            sample(
                here, n, sigma_min=sigma_min, sigma_max=sigma_max, generator=torch.Generator().manual_seed(0)
            )
            for sample in (sample_digits, ancestral_digits)
        )
        model.to(device)
        metrics |= vars(digit_measures(as_levels(x), held_out=held_out))
        ancestral = vars(digit_measures(as_levels(y), held_out=held_out))
        return metrics | {f"{name}_ancestral": value for name, value in ancestral.items()}

    return evaluate


@dataclass(frozen=True)
class DigitsRow:
    """A row of the table of digits: each measure's mean and standard deviation over draws.

    Attributes:
        name: the model, or what stands in its place.
        mean: over the draws.
        spread: standard deviation over the draws, with n - 1.
        draws: number of draws.

    Example:
        >>> from gmlib.recipes.score_digits import DigitMeasures, DigitsRow
        >>> row = DigitsRow("noise", DigitMeasures(9.0, 0.0, 0.0, 3.0), DigitMeasures(0.1, 0.0, 0.0, 0.1), 5)
        >>> row.mean.frechet
        9.0
    """

    name: str
    mean: DigitMeasures
    spread: DigitMeasures
    draws: int


def digits_table(*, draws: int = 5, held_out: str = "test", seed: int = 0) -> list[DigitsRow]:
    """What 8x8 digits of several makes are worth: floors, models, ceiling, as many images in each draw as are held out.

    All samples are rounded to the 17 grey levels of the data. The rows:

    - ``noise``: every pixel uniform over the levels;
    - ``round normal law``: the law that the score network corrects, :math:`N(m, v I)`;
    - ``pixel histograms``: every pixel drawn by itself from its own histogram in the training images;
    - ``VAE``: the shipped ``vae-digits``;
    - ``NCSN``: the shipped ``score-digits``, by annealed Langevin dynamics (:func:`sample_digits`);
    - ``NCSN, reverse steps``: the same weights by :func:`ancestral_digits`;
    - ``training images``: drawn without replacement, the ceiling of all but the last column.

    Args:
        draws: draws of each, at least 2.
        held_out: "test" or "validation".
        seed: of the draws.

    Returns:
        The rows in this order.

    Raises:
        ValueError: ``draws`` is below 2, or there is no such split.
        AssetError: weights are missing or damaged.

    Example:
        >>> from gmlib.recipes.score_digits import digits_table
        >>> digits_table(draws=1)
        Traceback (most recent call last):
        ValueError: draws must be at least 2, got 1
    """
    check_count("draws", draws, low=2)
    check_count("seed", seed, low=0)
    check_choice("held_out", held_out, ("validation", "test"))
    generator = torch.Generator().manual_seed(seed)
    count = len(digit_vectors(held_out))
    rows = []
    for name, make in digit_makers():
        each = [digit_measures(as_levels(make(count, generator)), held_out=held_out) for _ in range(draws)]
        rows.append(DigitsRow(name, *mean_and_spread(each), draws))
    return rows


Maker = Callable[[int, torch.Generator], Tensor]
"""(n, generator) -> n digits, (n, 64)."""


def digit_makers() -> Iterator[tuple[str, Maker]]:
    """The rows of :func:`digits_table` by name, each a function that draws digits; weights are loaded on the way.

    Example:
        >>> import torch
        >>> from gmlib.recipes.score_digits import digit_makers
        >>> name, draw = next(digit_makers())
        >>> name, draw(3, torch.Generator()).shape
        ('noise', torch.Size([3, 64]))
    """
    train = digit_vectors("train")
    mean, std = train.mean(0), float(train.var(0).mean()) ** 0.5
    yield "noise", lambda n, g: torch.randint(0, 17, (n, 64), generator=g) / 16
    yield "round normal law", lambda n, g: mean + std * torch.randn(n, 64, generator=g)
    table = PixelHistograms((16 * train).long(), 17, smoothing=0.01).log_table.exp()
    yield "pixel histograms", lambda n, g: table.multinomial(n, replacement=True, generator=g).T / 16
    with torch.random.fork_rng(devices=[]):  # initial weights must not use up the caller's random numbers
        vae = load_into(digits_vae().model, "vae-digits").eval()
        score = load_into(digits_score().model, "score-digits").eval()
    yield "VAE", torch.no_grad()(lambda n, g: vae.sample(n, generator=g) / 16)  # pyright: ignore
    yield "NCSN", lambda n, g: sample_digits(score, n, generator=g)
    yield "NCSN, reverse steps", lambda n, g: ancestral_digits(score, n, generator=g)
    yield "training images", lambda n, g: train[torch.randperm(len(train), generator=g)[:n]]
