"""Chapter 11: digits and captions in one space, learnt from pairs alone; a toy of CLIP."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import normalize

from gmlib._checks import check_choice, check_number
from gmlib.data import digits
from gmlib.diffusion.guidance import contrastive_loss, similarities, zero_shot
from gmlib.nn import CaptionEncoder, ConvClassifier
from gmlib.recipes.captions import DIGITS, LENGTH, WORDS, captioned, captions, every, understood
from gmlib.training import Task

EMBEDDING = 16
"""Size of an embedding."""
LARGEST = 100.0
"""The scale of the similarities is not let grow beyond this."""


class DigitsCLIP(nn.Module):
    """An encoder of digits, an encoder of captions, and the scale of their similarities.

    Args:
        width: features of the encoder of digits.
        scale: of a fresh model.

    References:
        A. Radford et al. (2021), section 2.5, for the learnt scale and its bound.

    Example:
        >>> import torch
        >>> from gmlib.recipes.clip_digits import DigitsCLIP
        >>> model = DigitsCLIP(8)
        >>> model.image(torch.zeros(3, 1, 8, 8)).shape, model.text(torch.ones(3, 5, dtype=torch.long)).shape
        (torch.Size([3, 16]), torch.Size([3, 16]))
    """

    def __init__(self, width: int = 32, *, scale: float = 10.0) -> None:
        super().__init__()
        self.image = ConvClassifier(8, [width, 2 * width], width, classes=EMBEDDING, pool="max")
        self.text = CaptionEncoder(len(WORDS), LENGTH, EMBEDDING)
        self.log_scale = nn.Parameter(torch.tensor(math.log(scale)))

    @property
    def scale(self) -> Tensor:
        """What cosines are multiplied by."""
        return self.log_scale.exp().clamp(max=LARGEST)


def clip_digits(
    *, width: int = 32, speckle: float = 0.0, evaluate_on: Literal["validation", "test"] = "test"
) -> Task:
    """Tell which of the captions of a batch is that of a digit, and the other way round; the class is one of the words.

    Args:
        width: of the encoder of digits.
        speckle: standard deviation of the noise on the pixels of training images, which go from 0 to 1.
        evaluate_on: "validation" to choose settings, "test" to report.

    Returns:
        The task; its evaluation is that of :func:`evaluator`.

    Raises:
        ValueError: an argument is out of range.

    Example:
        >>> from gmlib.recipes.clip_digits import clip_digits
        >>> [part.shape for part in clip_digits(width=4).data]
        [torch.Size([1000, 1, 8, 8]), torch.Size([1000, 5])]
    """
    check_number("speckle", speckle, low=0.0)

    def noise(n: int, generator: torch.Generator, device: torch.device) -> Tensor:
        return speckle * torch.randn(n, 1, 8, 8, generator=generator, device=device)

    return Task(DigitsCLIP(width), loss, captioned(digits("train")), noise, evaluator(evaluate_on))


def loss(model: nn.Module, batch: tuple[Tensor, Tensor], noise: Tensor) -> dict[str, Tensor]:
    """The contrastive loss of a batch, in nats.

    Args:
        model: a :class:`DigitsCLIP`.
        batch: digits with entries from 0 to 1, (n, 1, 8, 8), and captions, (n, 5).
        noise: what is added to the digits.

    Example:
        >>> model, words = DigitsCLIP(4), torch.tensor([[1, 4, 0, 0, 0], [1, 5, 0, 0, 0]])
        >>> loss(model, (torch.rand(2, 1, 8, 8), words), torch.zeros(2, 1, 8, 8))["loss"].shape
        torch.Size([])
    """
    assert isinstance(model, DigitsCLIP)
    images, tokens = batch
    return {"loss": contrastive_loss(model.image(images + noise), model.text(tokens), model.scale)}


@torch.no_grad()
def read(model: DigitsCLIP, tokens: Int[Tensor, "n 5"]) -> Float[Tensor, "n 16"]:
    """Embeddings of captions, of length 1.

    Example:
        >>> read(DigitsCLIP(4), torch.tensor([[1, 4, 0, 0, 0]])).norm().round(decimals=4)
        tensor(1.)
    """
    return normalize(model.text(tokens), dim=1)


def evaluator(held_out: Literal["validation", "test"]) -> Callable[[nn.Module], dict[str, float]]:
    """A function that measures a pair of encoders on digits that they have not seen.

    Args:
        held_out: "test" or "validation".

    Returns:
        A function of the model that returns ``caption_accuracy``, the share of digits whose own caption is the nearest of
        all 90; ``retrieval_accuracy``, the share of the occurring captions to which the nearest digit has that caption;
        ``zero_shot_accuracy`` of the classes, by "a zero" to "a nine"; and ``contrastive``, the loss in batches of 64, in
        nats, beside ``contrastive_floor``, which the repetitions of captions in these batches leave to the best.

    Raises:
        ValueError: there is no such split.

    Example:
        >>> from gmlib.recipes.clip_digits import DigitsCLIP, evaluator
        >>> measured = evaluator("validation")(DigitsCLIP(4))
        >>> measured["zero_shot_accuracy"] < 0.5 and measured["contrastive"] > measured["contrastive_floor"]
        True
    """
    check_choice("held_out", held_out, ("validation", "test"))

    @torch.no_grad()
    def evaluate(model: nn.Module) -> dict[str, float]:
        assert isinstance(model, DigitsCLIP)
        device = model.log_scale.device
        data = digits(held_out)
        images, tokens = (part.to(device) for part in captioned(data))
        seen, label = model.image(images), data.labels.to(device)
        all_captions = captions(every()).to(device)
        nearest = all_captions[zero_shot(seen, model.text(all_captions))]
        occurring = tokens.unique(dim=0)
        found = tokens[similarities(seen, model.text(occurring)).argmax(0)]
        classes = model.text(captions(understood([f"a {digit}" for digit in DIGITS])).to(device))
        batches = list(zip(images.split(64), tokens.split(64), strict=True))[: len(images) // 64]
        losses = [contrastive_loss(model.image(x), model.text(c), model.scale) for x, c in batches]
        floors = [(c[:, None] == c).all(2).sum(1).log().mean() for _, c in batches]
        measures = {
            "caption_accuracy": (nearest == tokens).all(1).float().mean(),
            "retrieval_accuracy": (found == occurring).all(1).float().mean(),
            "zero_shot_accuracy": (zero_shot(seen, classes) == label).float().mean(),
            "contrastive": torch.stack(losses).mean(),
            "contrastive_floor": torch.stack(floors).mean(),
        }
        return {name: value.item() for name, value in measures.items()}

    return evaluate
