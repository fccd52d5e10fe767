"""Chapter 08: a noise-conditional score network for the 8x8 digits, and the table of what its samples are worth."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from gmlib._checks import check_choice, check_count
from gmlib.checkpoints import load_into
from gmlib.classical import PixelHistograms
from gmlib.data import DIGITS_LEVELS
from gmlib.recipes.as_levels import as_levels
from gmlib.recipes.digit_measures import DigitMeasures, digit_measures, digit_vectors
from gmlib.recipes.measures_table import Maker, MeasuresRow, measures_table
from gmlib.recipes.score import score_task
from gmlib.recipes.score_chains import SIGMA_MAX, SIGMA_MIN, ancestral_digits, sample_digits
from gmlib.recipes.score_toys import check_levels
from gmlib.recipes.vae import digits_vae
from gmlib.score import ScoreNetwork, geometric_ladder, ncsn_loss
from gmlib.score.network import Embedded
from gmlib.training import Task


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
        and ``memorisation`` of one sample of `sample_digits` (see `DigitMeasures`), as many as there are
        held-out images, and the same of `ancestral_digits` with ``_ancestral`` in the name.

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
        metrics |= vars(digit_measures(as_levels(x, DIGITS_LEVELS), held_out=held_out))
        ancestral = vars(digit_measures(as_levels(y, DIGITS_LEVELS), held_out=held_out))
        return metrics | {f"{name}_ancestral": value for name, value in ancestral.items()}

    return evaluate


def digits_table(
    *, draws: int = 5, held_out: str = "test", seed: int = 0
) -> list[MeasuresRow[DigitMeasures]]:
    """What 8x8 digits of several makes are worth: floors, models, ceiling, as many images in each draw as are held out.

    All samples are rounded to the 17 grey levels of the data. The rows:

    - ``noise``: every pixel uniform over the levels;
    - ``round normal law``: the law that the score network corrects, :math:`N(m, v I)`;
    - ``pixel histograms``: every pixel drawn by itself from its own histogram in the training images;
    - ``VAE``: the shipped ``vae-digits``;
    - ``NCSN``: the shipped ``score-digits``, by annealed Langevin dynamics (`sample_digits`);
    - ``NCSN, reverse steps``: the same weights by `ancestral_digits`;
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
    check_choice("held_out", held_out, ("validation", "test"))

    def measure(x: Tensor) -> DigitMeasures:
        return digit_measures(as_levels(x, DIGITS_LEVELS), held_out=held_out)

    return measures_table(digit_makers(), measure, len(digit_vectors(held_out)), draws=draws, seed=seed)


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
    histograms = PixelHistograms((16 * train).long(), DIGITS_LEVELS, smoothing=0.01)
    yield "pixel histograms", lambda n, g: histograms.sample(n, generator=g) / 16
    with torch.random.fork_rng(devices=[]):  # initial weights must not use up the caller's random numbers
        vae = load_into(digits_vae().model, "vae-digits").eval()
        score = load_into(digits_score().model, "score-digits").eval()
    yield "VAE", torch.no_grad()(lambda n, g: vae.sample(n, generator=g) / 16)  # pyright: ignore
    yield "NCSN", lambda n, g: sample_digits(score, n, generator=g)
    yield "NCSN, reverse steps", lambda n, g: ancestral_digits(score, n, generator=g)
    yield "training images", lambda n, g: train[torch.randperm(len(train), generator=g)[:n]]
