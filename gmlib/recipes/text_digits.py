"""Chapter 11: digits on request, "a thick seven leaning right"; a toy of the systems that draw what a text says.

As in Imagen or Stable Diffusion a denoiser is told the output of an encoder of text that was trained before and is kept
as it is. Unlike theirs this is one vector for a caption instead of one for each word, and it draws 8x8 pixels, from 90
captions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gmlib._checks import check_choice, check_number
from gmlib.checkpoints import load_into
from gmlib.data import DIGITS_LEVELS, digits
from gmlib.diffusion import LevelNetwork, denoising_loss, low_discrepancy_times
from gmlib.diffusion.guidance import told_or_not
from gmlib.nn import ResidualMLP, TimeAndClass
from gmlib.nn.zeroed import zeroed
from gmlib.noise import DDPM, Denoiser, ancestral, ddpm_times, start_noise
from gmlib.noise.guidance import ClassifierFree
from gmlib.recipes.as_levels import as_levels
from gmlib.recipes.captions import Said, agrees, captioned, captions, described
from gmlib.recipes.clip_digits import EMBEDDING, DigitsCLIP, read
from gmlib.recipes.diffusion_digits import HIGH, LOW, scaled
from gmlib.recipes.seen_as import seen_as
from gmlib.training import Task

WEIGHTS = (0.0, 1.0, 3.0)
"""The weights of guidance at which consistency is measured."""


class CaptionedMLP(nn.Module):
    """A residual MLP that is told the time and a caption's embedding, and gives logits of the 17 grey levels of each pixel.

    Args:
        width: size of the residual stream.
        depth: number of blocks.

    Example:
        >>> import torch
        >>> from gmlib.recipes.text_digits import CaptionedMLP
        >>> CaptionedMLP(8, 1)(torch.zeros(3, 1, 8, 8), torch.rand(3), torch.zeros(3, 16)).shape
        torch.Size([3, 17, 8, 8])
    """

    def __init__(self, width: int, depth: int) -> None:
        super().__init__()
        self.time = TimeAndClass(64, 32)
        # Without a bias: no caption, a vector of zeros, then adds nothing.
        self.text = nn.Linear(EMBEDDING, 64, bias=False)
        self.body = ResidualMLP(64, DIGITS_LEVELS * 64, width=width, depth=depth, condition=64)
        zeroed(self.body.last)

    def forward(
        self,
        x: Float[Tensor, "batch 1 8 8"],
        t: Float[Tensor, " batch"],
        text: Float[Tensor, "batch 16"],
    ) -> Float[Tensor, "batch 17 8 8"]:
        """Map noised digits, times in [0, 1] and captions to logits; a fresh network says 0."""
        # An embedding has length 1; a number of it is then of size 1 as well.
        told = self.time(t) + self.text(EMBEDDING**0.5 * text)
        return self.body(x.flatten(1), told).unflatten(1, (DIGITS_LEVELS, 8, 8))


def text_denoiser(*, width: int = 64, depth: int = 2) -> Denoiser:
    """The untrained model, to be called with ``text``, embeddings from `read`, where zeros stand for no caption.

    Args:
        width: size of the residual stream.
        depth: number of blocks.

    Example:
        >>> import torch
        >>> from gmlib.recipes.text_digits import text_denoiser
        >>> text_denoiser(width=8).x0(torch.zeros(2, 1, 8, 8), 0.5, text=torch.zeros(2, 16)).shape
        torch.Size([2, 1, 8, 8])
    """
    schedule = DDPM.linear()
    levels = scaled(torch.arange(DIGITS_LEVELS))
    return Denoiser(LevelNetwork(CaptionedMLP(width, depth), schedule, levels, LOW, HIGH), schedule, "x0")


def reader() -> DigitsCLIP:
    """The trained encoders of ``clip-digits``, of which the one of captions is used here.

    Example:
        >>> read(reader(), captions(Said(*torch.zeros(3, 1, dtype=torch.long)))).shape
        torch.Size([1, 16])
    """
    model = load_into(DigitsCLIP(), "clip-digits")
    assert isinstance(model, DigitsCLIP)
    return model


def text_digits(
    *,
    width: int = 64,
    depth: int = 2,
    dropped: float = 0.1,
    evaluate_on: Literal["validation", "test"] = "test",
) -> Task:
    """Denoise the first 1,000 digits, told their captions by the encoder of ``clip-digits``; now and then not told.

    Args:
        width: size of the residual stream.
        depth: number of blocks.
        dropped: share of the examples whose caption is not told.
        evaluate_on: "validation" to choose settings, "test" to report.

    Returns:
        The task; its evaluation is that of :func:`evaluator`.

    Raises:
        ValueError: an argument is out of range.

    Example:
        >>> from gmlib.recipes.text_digits import text_digits
        >>> [part.shape for part in text_digits(width=8).data]
        [torch.Size([1000, 1, 8, 8]), torch.Size([1000, 16])]
    """
    check_number("dropped", dropped, low=0.0, high=1.0)
    model, train = text_denoiser(width=width, depth=depth), digits("train")
    schedule = model.schedule
    first, last = (float(schedule.t_of_log_snr(level)) for level in (HIGH, LOW))

    def noise(n: int, generator: torch.Generator, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
        draw = torch.randn(n, 1, 8, 8, generator=generator, device=device)
        told = torch.rand(n, generator=generator, device=device) >= dropped
        return draw, low_discrepancy_times(n, first, last, generator=generator, device=device), told

    text = read(reader(), captioned(train)[1])
    return Task(model, loss, (train.images, text), noise, evaluator(evaluate_on))


def loss(
    model: nn.Module, batch: tuple[Tensor, Tensor], noise: tuple[Tensor, Tensor, Tensor]
) -> dict[str, Tensor]:
    """The mean squared error of v, a pixel.

    Args:
        model: a Denoiser.
        batch: grey levels, (n, 1, 8, 8), and embeddings of captions, (n, 16).
        noise: standard normal draws shaped as the images, times, (n,), and whether the caption is told, (n,).

    Example:
        >>> x, text = torch.zeros(2, 1, 8, 8, dtype=torch.uint8), torch.ones(2, 16)
        >>> noise = (torch.zeros(x.shape), torch.tensor([0.001, 0.99]), torch.tensor([True, False]))
        >>> loss(text_denoiser(width=8), (x, text), noise)["loss"].item() > 0
        True
    """
    assert isinstance(model, Denoiser)
    (x, text), (draw, t, told) = batch, noise
    text = told_or_not(text, told, 0)
    error = denoising_loss(model, scaled(x), t, draw, target="v", text=text).total
    return {"loss": error.mean() / 64}


def draw_digits(
    model: Denoiser,
    text: Float[Tensor, "n 16"],
    *,
    w: float = 1.0,
    steps: int = 50,
    generator: torch.Generator | None = None,
) -> Float[Tensor, "n 1 8 8"]:
    """Draw what captions say, guided with weight w, in 17 grey levels from 0 to 1.

    Args:
        model: the denoiser.
        text: embeddings of the captions, (n, 16).
        w: weight of the guidance; 1 is the conditional model, 0 the one that is told nothing.
        steps: calls of the network; divides 1000.
        generator: source of randomness; None is torch's default.

    Example:
        >>> draw_digits(text_denoiser(width=8).eval(), torch.ones(3, 16), w=2.0, steps=4).shape
        torch.Size([3, 1, 8, 8])
    """
    schedule = model.schedule
    assert isinstance(schedule, DDPM)
    shape = (len(text), 1, 8, 8)
    z = start_noise(schedule, shape, generator=generator, dtype=text.dtype, device=text.device)
    guided = ClassifierFree(model, w, {"text": 0})
    drawn = ancestral(guided, z, ddpm_times(schedule, steps), generator=generator, text=text).x
    return as_levels((drawn.flatten(1) + 1) / 2, DIGITS_LEVELS).unflatten(1, (1, 8, 8))


def consistency(said: Said, images: Float[Tensor, "n 1 8 8"]) -> dict[str, float]:
    """How many images are what their captions say, as the classifier ``features-digits`` and a ruler see them.

    Args:
        said: the captions.
        images: with entries from 0 to 1, (n, 1, 8, 8).

    Returns:
        The shares in which ``all`` agrees, and each alone of those captions that speak of it: ``digit``, ``thickness`` and
        ``slant``.

    Example:
        >>> test = digits("test")
        >>> images = test.images.float() / 16
        >>> found = consistency(described(images, test.labels), images)
        >>> found["all"] == found["digit"] > 0.93 and found["thickness"] == found["slant"] == 1
        True
    """
    images, said = images.cpu(), Said(*(part.cpu() for part in said))
    seen = seen_as(images, "features-digits")
    found = described(images, said.label)
    shares = {
        "all": agrees(said, images, seen),
        "digit": seen == said.label,
        "thickness": (found.thick == said.thick)[said.thick != 0],
        "slant": (found.lean == said.lean)[said.lean != 0],
    }
    return {name: share.float().mean().item() for name, share in shares.items()}


def evaluator(held_out: Literal["validation", "test"]) -> Callable[[nn.Module], dict[str, float]]:
    """A function that has the captions of held-out digits drawn, and measures how many drawings agree.

    Args:
        held_out: "test" or "validation".

    Returns:
        A function of the model that returns the shares of :func:`consistency` for w of 0, 1 and 3, such as ``all_w3``.

    Raises:
        ValueError: there is no such split.

    Example:
        >>> from gmlib.recipes.text_digits import evaluator, text_denoiser
        >>> measured = evaluator("validation")(text_denoiser(width=8).eval())
        >>> measured["all_w0"] == measured["all_w3"]  # a fresh network does not listen
        True
    """
    check_choice("held_out", held_out, ("validation", "test"))

    @torch.no_grad()
    def evaluate(model: nn.Module) -> dict[str, float]:
        assert isinstance(model, Denoiser)
        data = digits(held_out)
        said = described(data.images.float(), data.labels)
        text = read(reader(), captions(said)).to(next(model.parameters()).device)
        measures = {}
        for w in WEIGHTS:
            generator = torch.Generator(text.device).manual_seed(0)
            drawn = draw_digits(model, text, w=w, generator=generator)
            measures |= {f"{name}_w{w:g}": share for name, share in consistency(said, drawn).items()}
        return measures

    return evaluate
