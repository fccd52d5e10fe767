"""Chapter 14: a small convolutional GAN on MNIST, and what its samples are worth."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gmlib._checks import check_choice, check_count
from gmlib.checkpoints import load_into
from gmlib.classical import PixelHistograms
from gmlib.data import mnist
from gmlib.gan import GAN_LOSSES, R1, R2, Game
from gmlib.gan.images import ImageCritic, ImageGenerator
from gmlib.metrics import (
    feature_network,
    frechet_distance,
    image_features,
    precision_recall,
)
from gmlib.metrics.memorisation import nearest_median
from gmlib.recipes._rows import mean_and_spread
from gmlib.recipes.gan import game_task
from gmlib.recipes.vae import mnist_vae
from gmlib.training import Task

HELD_BACK = 2000
"""Training images, the last ones, that are kept to choose settings with."""


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


@lru_cache(maxsize=3)
def mnist_images(split: str) -> Float[Tensor, "n 1 28 28"]:
    """The embedded MNIST with entries in [0, 1].

    Args:
        split: "train" (10,000), "validation" (its last 2,000) or "test" (2,000).

    Example:
        >>> from gmlib.recipes.gan_digits import mnist_images
        >>> mnist_images("test").shape
        torch.Size([2000, 1, 28, 28])
    """
    check_choice("split", split, ("train", "validation", "test"))
    if split == "validation":
        return mnist_images("train")[-HELD_BACK:]
    return mnist(split).images.float() / 255  # pyright: ignore[reportArgumentType]


@dataclass(frozen=True)
class ImageMeasures:
    """What a sample of 28x28 digits is worth.

    Attributes:
        frechet: Frechet distance to the held-out images in the features of our own classifier ``features-mnist``.
        precision: share of the sample inside the data's neighbourhoods (k = 3), in the same features.
        recall: share of the data inside the sample's.
        class_kl: KL divergence, in nats, of the classes that another classifier, ``judge-mnist``, sees in the sample from
            those it sees in the held-out images; of n images from the right law about 4.5/n.
        confidence: the mean probability that this classifier gives to the class it chooses.
        memorisation: typical distance in pixels to the nearest training image, in units of that of held-out images.

    Example:
        >>> from gmlib.recipes.gan_digits import ImageMeasures
        >>> ImageMeasures(5.0, 0.9, 0.9, 0.002, 0.98, 1.0).frechet
        5.0
    """

    frechet: float
    precision: float
    recall: float
    class_kl: float
    confidence: float
    memorisation: float


@torch.no_grad()
def image_measures(images: Float[Tensor, "n 1 28 28"], *, held_out: str = "test") -> ImageMeasures:
    """Measure a sample against held-out digits; a fair comparison has 2,000 images, as either split has.

    Args:
        images: a sample with entries in [0, 1], (n, 1, 28, 28).
        held_out: "test" or "validation"; the training images that memory is measured by are those of the split's task.

    Returns:
        The measures.

    Raises:
        ValueError: there is no such split, or the images leave [0, 1].

    Example:
        >>> from gmlib.recipes.gan_digits import image_measures, mnist_images
        >>> measures = image_measures(mnist_images("train")[:200])
        >>> measures.confidence > 0.9, measures.memorisation
        (True, 0.0)
    """
    check_choice("held_out", held_out, ("validation", "test"))
    phi, phi_real = image_features(images, "features-mnist").double(), _real_features(held_out)
    both = precision_recall(phi_real, phi, k=3)
    probs = class_probabilities(images)
    counts, wanted = _shares(probs), _real_classes(held_out)
    return ImageMeasures(
        frechet=frechet_distance(phi, phi_real).item(),
        precision=both.precision.value,
        recall=both.recall.value,
        class_kl=torch.xlogy(counts, counts / wanted).sum().item(),
        confidence=probs.max(1).values.mean().item(),
        memorisation=nearest_median(images.flatten(1), _train_of(held_out)).value / _real_distance(held_out),
    )


@lru_cache(maxsize=2)
def _real_features(split: str) -> Tensor:
    return image_features(mnist_images(split), "features-mnist").double()


@lru_cache(maxsize=2)
def _real_classes(split: str) -> Tensor:
    return class_histogram(mnist_images(split))


@lru_cache(maxsize=2)
def _real_distance(split: str) -> float:
    return nearest_median(mnist_images(split).flatten(1), _train_of(split)).value


def _train_of(held_out: str) -> Tensor:
    train = mnist_images("train").flatten(1)
    return train[:-HELD_BACK] if held_out == "validation" else train


def _shares(probs: Tensor) -> Tensor:
    return torch.bincount(probs.argmax(1), minlength=10).double() / len(probs)


@torch.no_grad()
def class_probabilities(images: Float[Tensor, "n 1 28 28"]) -> Float[Tensor, "n 10"]:
    """What the classifier ``judge-mnist`` makes of images: a probability for each digit.

    Args:
        images: grey values in [0, 1], (n, 1, 28, 28).

    Example:
        >>> from gmlib.recipes.gan_digits import class_probabilities, mnist_images
        >>> class_probabilities(mnist_images("test")[:5]).shape
        torch.Size([5, 10])
    """
    judge = feature_network("judge-mnist")
    return torch.cat([judge(part).softmax(1) for part in images.split(500)])


def class_histogram(images: Float[Tensor, "n 1 28 28"]) -> Float[Tensor, " 10"]:
    """Shares of the ten digits among images, as ``judge-mnist`` sees them.

    Args:
        images: grey values in [0, 1], (n, 1, 28, 28).

    Example:
        >>> from gmlib.recipes.gan_digits import class_histogram, mnist_images
        >>> class_histogram(mnist_images("test")[:50]).sum().item()
        1.0
    """
    return _shares(class_probabilities(images))


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
    """A function that evaluates a game on the digits, with latents from a fixed seed: :class:`ImageMeasures` by name.

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


@dataclass(frozen=True)
class ImageRow:
    """A row of the table of 28x28 digits: each measure's mean and standard deviation over draws.

    Attributes:
        name: the model, or what stands in its place.
        mean: over the draws.
        spread: standard deviation over the draws, with n - 1.
        draws: number of draws.

    Example:
        >>> from gmlib.recipes.gan_digits import ImageMeasures, ImageRow
        >>> mean, spread = ImageMeasures(9.0, 0.0, 0.0, 1.0, 0.5, 3.0), ImageMeasures(0.1, 0.0, 0.0, 0.1, 0.1, 0.1)
        >>> ImageRow("noise", mean, spread, 5).mean.frechet
        9.0
    """

    name: str
    mean: ImageMeasures
    spread: ImageMeasures
    draws: int


def images_table(*, draws: int = 3, held_out: str = "test", seed: int = 0) -> list[ImageRow]:
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
    check_count("draws", draws, low=2)
    check_count("seed", seed, low=0)
    check_choice("held_out", held_out, ("validation", "test"))
    generator = torch.Generator().manual_seed(seed)
    count, rows = len(mnist_images(held_out)), []
    for name, make in image_makers():
        each = [image_measures(as_levels(make(count, generator)), held_out=held_out) for _ in range(draws)]
        rows.append(ImageRow(name, *mean_and_spread(each), draws))
    return rows


def as_levels(x: Float[Tensor, "n *event"]) -> Float[Tensor, "n *event"]:
    r"""Round to the 256 grey levels of the data, 0, 1/255, ..., 1.

    Args:
        x: samples, (n, \*event).

    Example:
        >>> import torch
        >>> from gmlib.recipes.gan_digits import as_levels
        >>> as_levels(torch.tensor([[0.5001]])).mul(255).item()
        128.0
    """
    return (255 * x.clamp(0, 1)).round() / 255


Maker = Callable[[int, torch.Generator], Tensor]
"""(n, generator) -> n digits, (n, 1, 28, 28)."""


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
    table = PixelHistograms((255 * train.flatten(1)).long(), 256, smoothing=0.01).log_table.exp()
    yield (
        "pixel histograms",
        lambda n, g: table.multinomial(n, replacement=True, generator=g).T.reshape(n, 1, 28, 28) / 255,
    )
    with torch.random.fork_rng(devices=[]):  # initial weights must not use up the caller's random numbers
        vae = load_into(mnist_vae().model, "vae-mnist").eval()
        game = load_into(digits_gan().model, "gan-mnist").eval()
    assert isinstance(game, Game)
    yield "VAE", torch.no_grad()(lambda n, g: vae.sample(n, generator=g).reshape(n, 1, 28, 28) / 255)  # pyright: ignore
    yield "GAN", lambda n, g: sample_images(game, n, generator=g)
    yield "training images", lambda n, g: train[torch.randperm(len(train), generator=g)[:n]]
