"""Chapter 14: a small convolutional GAN on MNIST, and the table of what its samples are worth."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gmlib._checks import check_choice, check_count
from gmlib.checkpoints import load_into
from gmlib.classical import PixelHistograms
from gmlib.data import MNIST_LEVELS
from gmlib.gan import GAN_LOSSES, R1, R2, Game
from gmlib.gan.images import ImageCritic, ImageGenerator
from gmlib.recipes.as_levels import as_levels
from gmlib.recipes.gan import game_task
from gmlib.recipes.image_measures import HELD_BACK, ImageMeasures, image_measures, mnist_images
from gmlib.recipes.measures_table import Maker, MeasuresRow, measures_table
from gmlib.recipes.vae import mnist_vae
from gmlib.training import Task


def digits_gan(
    *,
    loss: str = "non_saturating",
    gamma: float = 1.0,
    fakes_too: bool = False,
    penalty_every: int = 4,
    latent_dim: int = 32,
    generator_widths: Sequence[int] = (24, 48),
    critic_widths: Sequence[int] = (16, 32),
    evaluate_on: str = "test",
) -> Task:
    """A convolutional generator and critic that play on the embedded 28x28 digits, without labels.

    Args:
        loss: a name in ``gmlib.gan.GAN_LOSSES``.
        gamma: weight of the penalty on the critic's gradient at the data.
        fakes_too: penalise the gradient at the fakes as well.
        penalty_every: rounds between two penalties, each so many times as heavy.
        latent_dim: coordinates of z.
        generator_widths: channels of the generator's levels, finest first.
        critic_widths: channels of the critic's levels, finest first.
        evaluate_on: "validation" to choose settings (the last 2,000 of the 10,000 training images, which are then left out
            of the training), "test" to report.

    Returns:
        The task, a game of "critic" and "generator"; its evaluation is that of :func:`image_evaluator`.

    Raises:
        ValueError: there is no such loss or split, or a number is out of its range.

    Example:
        >>> from gmlib.recipes.gan_digits import digits_gan
        >>> digits_gan(evaluate_on="validation", generator_widths=(2, 2)).data.shape
        torch.Size([8000, 1, 28, 28])
    """
    check_choice("loss", loss, tuple(GAN_LOSSES))
    check_choice("evaluate_on", evaluate_on, ("validation", "test"))
    game = Game(
        ImageGenerator(latent_dim, generator_widths),
        ImageCritic(critic_widths),
        GAN_LOSSES[loss],
        [R1(gamma), R2(gamma)] if fakes_too else [R1(gamma)],
        latent_dim,
    )
    train = mnist_images("train")
    if evaluate_on == "validation":
        train = train[:-HELD_BACK]
    return game_task(game, train, image_evaluator(evaluate_on), penalty_every=penalty_every)


@torch.no_grad()
def sample_images(
    game: Game, n: int, *, generator: torch.Generator | None = None
) -> Float[Tensor, "n 1 28 28"]:
    """Draw digits from a game's generator, a few hundred at a time.

    Args:
        game: a game of :func:`digits_gan`.
        n: number of images.
        generator: source of the latents.

    Example:
        >>> from gmlib.recipes.gan_digits import digits_gan, sample_images
        >>> sample_images(digits_gan().model, 3).shape
        torch.Size([3, 1, 28, 28])
    """
    check_count("n", n)
    return torch.cat([game.sample(min(500, n - i), generator=generator) for i in range(0, n, 500)])


def image_evaluator(held_out: str) -> Callable[[nn.Module], dict[str, float]]:
    """A function that evaluates a game on the digits, with latents from a fixed seed: its `image_measures` by name.

    Args:
        held_out: "test" or "validation"; the sample is as large as the split.

    Raises:
        ValueError: there is no such split.

    Example:
        >>> from gmlib.recipes.gan_digits import image_evaluator
        >>> image_evaluator("train")
        Traceback (most recent call last):
        ValueError: held_out must be one of 'validation', 'test', got 'train'
    """
    check_choice("held_out", held_out, ("validation", "test"))

    def evaluate(model: nn.Module) -> dict[str, float]:
        assert isinstance(model, Game)
        latents = torch.Generator().manual_seed(0)
        x = sample_images(model, len(mnist_images(held_out)), generator=latents).cpu()
        return dict(vars(image_measures(x, held_out=held_out)))

    return evaluate


def images_table(
    *, draws: int = 3, held_out: str = "test", seed: int = 0
) -> list[MeasuresRow[ImageMeasures]]:
    """What 28x28 digits of several makes are worth: a floor, models, the ceiling; as many images a draw as are held out.

    All samples are rounded to the 256 grey levels of the data. The rows:

    - ``pixel histograms``: every pixel drawn by itself from its own histogram in the training images;
    - ``VAE``: the shipped ``vae-mnist``, its pixels drawn from the likelihood;
    - ``GAN``: the shipped ``gan-mnist``;
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
        >>> from gmlib.recipes.gan_digits import images_table
        >>> images_table(draws=1)
        Traceback (most recent call last):
        ValueError: draws must be at least 2, got 1
    """
    check_choice("held_out", held_out, ("validation", "test"))

    def measure(x: Tensor) -> ImageMeasures:
        return image_measures(as_levels(x, MNIST_LEVELS), held_out=held_out)

    return measures_table(image_makers(), measure, len(mnist_images(held_out)), draws=draws, seed=seed)


def image_makers() -> Iterator[tuple[str, Maker]]:
    """The rows of :func:`images_table` by name, each a function that draws digits; weights are loaded on the way.

    Example:
        >>> import torch
        >>> from gmlib.recipes.gan_digits import image_makers
        >>> name, draw = next(image_makers())
        >>> name, draw(3, torch.Generator()).shape
        ('pixel histograms', torch.Size([3, 1, 28, 28]))
    """
    train = mnist_images("train")
    histograms = PixelHistograms((255 * train.flatten(1)).long(), MNIST_LEVELS, smoothing=0.01)
    yield "pixel histograms", lambda n, g: histograms.sample(n, generator=g).reshape(n, 1, 28, 28) / 255
    with torch.random.fork_rng(devices=[]):  # initial weights must not use up the caller's random numbers
        vae = load_into(mnist_vae().model, "vae-mnist").eval()
        game = load_into(digits_gan().model, "gan-mnist").eval()
    assert isinstance(game, Game)
    yield "VAE", torch.no_grad()(lambda n, g: vae.sample(n, generator=g).reshape(n, 1, 28, 28) / 255)  # pyright: ignore
    yield "GAN", lambda n, g: sample_images(game, n, generator=g)
    yield "training images", lambda n, g: train[torch.randperm(len(train), generator=g)[:n]]
