r"""Digits on demand: a network that knows the classes draws in the page, guided with a weight that can be moved."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import torch
import traitlets
from jaxtyping import Float, Int
from torch import Tensor

from gmlib._checks import check_choice, check_count, check_number
from gmlib.checkpoints import load_into
from gmlib.noise import Denoiser
from gmlib.noise.guidance import ClassifierFree
from gmlib.noise.samplers import ddim, even_times
from gmlib.recipes.guidance_mnist import CLASSES, listening_denoiser
from gmlib.widgets.base import STATIC, Widget
from gmlib.widgets.denoiser_arrays import denoiser_arrays
from gmlib.widgets.draws import check_seed, normals, separate_draws

CHECKPOINT = "guidance-mnist"
"""Name of the denoiser's weights in the manifest."""
EACH = "each"
ASKED = (*map(str, range(CLASSES)), EACH)
"""What can be asked for: sixteen of a class, or two of each."""
SIDE = 28
STEPS = (5, 30)
"""Fewest and most steps."""
STRONGEST = 8.0
"""The largest weight."""


@dataclass(frozen=True)
class GuidedDigitsTerms:
    r"""What the widget shows of its pictures.

    Attributes:
        calls: how often the network was asked, an image.
        between: variance of a pixel between the pictures of a class, with n - 1, on average over pixels and classes; of
            grey levels from 0 (paper) to 1 (ink), those outside cut off.
        grey: mean of these levels.
    """

    calls: int
    between: float
    grey: float


@cache
def _trained() -> Denoiser:
    model = load_into(listening_denoiser(), CHECKPOINT)
    assert isinstance(model, Denoiser)
    return model


def _arrays() -> dict[str, Tensor]:
    """What the browser gets."""
    return denoiser_arrays(_trained())


def _noise(seed: int, n: int) -> Float[Tensor, "n 1 side side"]:
    """What the page begins with."""
    return torch.stack([normals(own, 1, SIDE, SIDE) for own in separate_draws(seed, n)]).float()


class GuidedDigits(Widget):
    r"""Digits of the class that is asked for, by a U-Net of 0.94 million weights that runs in the page.

    .. math:: \hat v_w = \hat v(x_t) + w\,\big(\hat v(x_t, c) - \hat v(x_t)\big)

    The network is that of `DigitsInTheBrowser` with a table of eleven vectors, ten classes and none, and is asked twice a
    step unless w is 0 or 1; the steps are DDIM's. The weights, 1.9 MB in float16, are fetched when the reader asks for
    them. Whatever w is, the pictures begin with the same noise, so that moving it shows what it changes.

    Args:
        asked: ``"0"`` to ``"9"`` for sixteen of that class, or ``"each"`` for two of each.
        w: the weight, from 0 (unconditional) to 8; 1 is the conditional model.
        steps: number of steps, 5 to 30.
        seed: seed of the noise.

    Raises:
        TypeError: an argument has the wrong type.
        ValueError: an argument is out of its range.

    References:
        J. Ho and T. Salimans, *Classifier-free diffusion guidance* (2022), algorithm 2, where w is one less;
        :class:`gmlib.noise.guidance.ClassifierFree` does the same in torch.

    Example:
        >>> from gmlib.widgets import GuidedDigits
        >>> GuidedDigits("7", w=2.0)
        GuidedDigits(asked='7', w=2.0, steps=20, seed=0)
    """

    _esm = STATIC / "guided_digits.js"
    offers = {"network": _arrays}  # noqa: RUF012 - a ClassVar of the base
    shown = ("asked", "w", "steps", "seed")

    asked = traitlets.Enum([*ASKED], EACH, help="the class that is asked for").tag(sync=True)
    w = traitlets.Float(3.0, min=0.0, max=STRONGEST, help="weight of the guidance").tag(sync=True)
    steps = traitlets.Int(20, min=STEPS[0], max=STEPS[1], help="number of steps").tag(sync=True)

    def __init__(self, asked: str = EACH, *, w: float = 3.0, steps: int = 20, seed: int = 0) -> None:
        check_choice("asked", asked, ASKED)
        check_number("w", w, low=0.0, high=STRONGEST)
        check_count("steps", steps, low=STEPS[0])
        if steps > STEPS[1]:
            raise ValueError(f"steps must be at most {STEPS[1]}, got {steps}")
        check_seed(seed)
        super().__init__(asked=asked, w=float(w), steps=steps, seed=seed)

    @property
    def labels(self) -> Int[Tensor, " n"]:
        """The class of each picture.

        Example:
            >>> from gmlib.widgets import GuidedDigits
            >>> GuidedDigits().labels.tolist()
            [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
        """
        if self.asked == EACH:
            return torch.arange(CLASSES).repeat(2)
        return torch.full((16,), int(self.asked))

    @torch.no_grad()
    def pictures(self, denoiser: Denoiser | None = None) -> Float[Tensor, "n pixels"]:
        """The pictures as the page draws them from the same seed, from -1 (paper) to 1 (ink), or a little beyond.

        Args:
            denoiser: another one than that of the page, in any dtype, that knows the same classes.

        Returns:
            One row a picture, (n, 784).

        Raises:
            ValueError: the weights are not in the manifest.
            AssetError: the file of weights is missing, damaged or out of reach.

        Example:
            >>> from gmlib.recipes.guidance_mnist import listening_denoiser
            >>> from gmlib.widgets import GuidedDigits
            >>> GuidedDigits("3", steps=5).pictures(listening_denoiser(widths=[8], patch=4)).shape
            torch.Size([16, 784])
        """
        model, label = _trained() if denoiser is None else denoiser, self.labels
        start = _noise(self.seed, len(label)).to(next(model.parameters()).dtype)
        guided = ClassifierFree(model, self.w, {"label": CLASSES})
        return ddim(guided, start, even_times(model.schedule, self.steps), label=label).x.flatten(1)

    def terms(self, denoiser: Denoiser | None = None) -> GuidedDigitsTerms:
        """The numbers that the widget shows of the finished pictures.

        Args:
            denoiser: as for :meth:`pictures`.

        Raises:
            ValueError: as :meth:`pictures`.

        Example:
            >>> from gmlib.recipes.guidance_mnist import listening_denoiser
            >>> from gmlib.widgets import GuidedDigits
            >>> GuidedDigits("3", steps=5).terms(listening_denoiser(widths=[8], patch=4)).calls
            10
        """
        levels = (1 + self.pictures(denoiser).clamp(-1, 1)) / 2
        label = self.labels
        each = [levels[label == c].var(0).mean() for c in label.unique()]
        return GuidedDigitsTerms(
            calls=self.steps * (1 if self.w in (0.0, 1.0) else 2),
            between=float(torch.stack(each).mean()),
            grey=float(levels.mean()),
        )
