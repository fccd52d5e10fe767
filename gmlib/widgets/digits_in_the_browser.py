r"""A trained denoiser of digits that runs in the page: sixteen images from noise, and the way of one of them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import torch
import traitlets
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_choice, check_count
from gmlib.checkpoints import load_into
from gmlib.noise import Denoiser
from gmlib.noise.samplers import even_times, steps_of
from gmlib.recipes.diffusion_mnist import mnist_denoiser
from gmlib.widgets.base import STATIC, Widget
from gmlib.widgets.denoiser_arrays import denoiser_arrays
from gmlib.widgets.draws import check_seed, normals, separate_draws

CHECKPOINT = "diffusion-mnist"
"""Name of the denoiser's weights in the manifest."""
COUNT = 16
"""Images that are made at once."""
SIDE = 28
STEPS = (5, 50)
"""Fewest and most steps."""
SAMPLERS = {"ddim": 0.0, "ancestral": 1.0}
r"""Share :math:`\eta` of fresh noise in a step of each sampler."""


@dataclass(frozen=True)
class DigitsTerms:
    r"""What the widget shows of one moment.

    Attributes:
        log_snr: :math:`\lambda_t` of the points that the guesses were made from.
        evaluations: images that the network has seen up to there.
        grey: mean of the guesses' pixels, from 0 (paper) to 1 (ink), those outside cut off.
    """

    log_snr: float
    evaluations: int
    grey: float


@cache
def _trained() -> Denoiser:
    model = load_into(mnist_denoiser(), CHECKPOINT)
    assert isinstance(model, Denoiser)
    return model


def _arrays() -> dict[str, Tensor]:
    """What the browser gets."""
    return denoiser_arrays(_trained())


def _noise(seed: int) -> Iterator[Tensor]:
    """What the page draws for the images, (16, 1, 28, 28), and once more for each step that adds noise."""
    draws = separate_draws(seed, COUNT)
    while True:
        yield torch.stack([normals(own, 1, SIDE, SIDE) for own in draws]).float()


class DigitsInTheBrowser(Widget):
    r"""Sixteen digits from noise, by a U-Net of 0.94 million weights that runs in the page.

    .. math:: x_s = \alpha_s\hat x_0 + \sqrt{\sigma_s^2 - \tilde\sigma^2}\,\hat\varepsilon + \tilde\sigma\varepsilon, \qquad
        \tilde\sigma^2 = \eta^2\,\tilde\beta

    The network predicts :math:`\hat v` and is told the log-SNR; the times lie at equal distances on the cosine
    schedule. With :math:`\eta = 0` this is DDIM, with :math:`\eta = 1` the ancestral sampler of DDPM with the variance
    :math:`\tilde\beta`. The weights, 1.9 MB in float16, are fetched when the reader asks for them. Each of the sixteen
    images draws its noise from a seed of its own.

    Args:
        sampler: ``"ddim"`` or ``"ancestral"``.
        steps: number of steps, 5 to 50; as many evaluations of the network for each image.
        show: ``"guess"`` of the clean images :math:`\hat x_0`, or the ``"point"`` :math:`x_t` itself.
        digit: the image whose way is shown, 0 to 15.
        seed: seed of all sixteen.

    Raises:
        TypeError: an argument has the wrong type.
        ValueError: an argument is out of its range.

    References:
        J. Ho, A. Jain and P. Abbeel, *Denoising diffusion probabilistic models* (2020), algorithm 2; J. Song, C. Meng
        and S. Ermon, *Denoising diffusion implicit models* (2021), eq. 12; :func:`gmlib.noise.samplers.ddim` does the
        same in torch.

    Example:
        >>> from gmlib.widgets import DigitsInTheBrowser
        >>> DigitsInTheBrowser("ancestral", steps=50)
        DigitsInTheBrowser(sampler='ancestral', steps=50, seed=0)
    """

    _esm = STATIC / "digits_in_the_browser.js"
    offers = {"network": _arrays}  # noqa: RUF012 - a ClassVar of the base
    shown = ("sampler", "steps", "seed")

    sampler = traitlets.Enum([*SAMPLERS], "ddim", help="the sampler").tag(sync=True)
    steps = traitlets.Int(20, min=STEPS[0], max=STEPS[1], help="number of steps").tag(sync=True)
    show = traitlets.Enum(["guess", "point"], "guess", help="what the pictures show").tag(sync=True)
    digit = traitlets.Int(0, min=0, max=COUNT - 1, help="the image whose way is shown").tag(sync=True)
    moment = traitlets.Int(0, min=0, max=STEPS[1], help="the step that is shown").tag(sync=True)

    def __init__(
        self,
        sampler: str = "ddim",
        *,
        steps: int = 20,
        show: str = "guess",
        digit: int = 0,
        seed: int = 0,
    ) -> None:
        check_choice("sampler", sampler, tuple(SAMPLERS))
        check_choice("show", show, ("guess", "point"))
        for name, value, low, high in (("steps", steps, *STEPS), ("digit", digit, 0, COUNT - 1)):
            check_count(name, value, low=low)
            if value > high:
                raise ValueError(f"{name} must be at most {high}, got {value}")
        check_seed(seed)
        super().__init__(sampler=sampler, steps=steps, show=show, digit=digit, seed=seed)

    @torch.no_grad()
    def path(
        self, denoiser: Denoiser | None = None
    ) -> tuple[Float[Tensor, "times n pixels"], Float[Tensor, "steps n pixels"]]:
        """The images on their way, and the guesses of the clean ones, as the page makes them from the same seed.

        Args:
            denoiser: another one than that of the page, in any dtype.

        Returns:
            The points, (steps + 1, 16, 784), noise first, and the guesses made at each but the last, (steps, 16, 784).

        Raises:
            ValueError: the weights are not in the manifest.
            AssetError: the file of weights is missing, damaged or out of reach.

        Example:
            >>> from gmlib.recipes.diffusion_mnist import mnist_denoiser
            >>> from gmlib.widgets import DigitsInTheBrowser
            >>> points, guesses = DigitsInTheBrowser(steps=5).path(mnist_denoiser(widths=[8], patch=4))
            >>> points.shape, guesses.shape
            (torch.Size([6, 16, 784]), torch.Size([5, 16, 784]))
        """
        model = denoiser or _trained()
        dtype = next(model.parameters()).dtype
        noise = (draw.to(dtype) for draw in _noise(self.seed))
        x, eta = next(noise), SAMPLERS[self.sampler]
        points, guesses = [x], []
        for step in steps_of(model.schedule, even_times(model.schedule, self.steps)):
            x0, eps = model.predict(x, step.t)
            fresh = eta**2 * step.beta_tilde
            x = step.alpha_s * x0 + math.sqrt(max(step.sigma_s**2 - fresh, 0.0)) * eps
            if fresh > 0:
                x = x + math.sqrt(fresh) * next(noise)
            points.append(x)
            guesses.append(x0)
        return torch.stack(points).flatten(2), torch.stack(guesses).flatten(2)

    def terms(self, moment: int, denoiser: Denoiser | None = None) -> DigitsTerms:
        """The numbers that the widget shows at a step.

        Args:
            moment: the step, from 1 to ``steps``.
            denoiser: as for :meth:`path`.

        Raises:
            ValueError: there is no such step, or as :meth:`path`.

        Example:
            >>> from gmlib.recipes.diffusion_mnist import mnist_denoiser
            >>> terms = DigitsInTheBrowser(steps=5).terms(2, mnist_denoiser(widths=[8], patch=4))
            >>> terms.evaluations, round(terms.log_snr, 2)
            (32, -2.26)
        """
        check_count("moment", moment)
        if moment > self.steps:
            raise ValueError(f"moment must be at most {self.steps}, the number of steps, got {moment}")
        schedule = (denoiser or _trained()).schedule
        t = even_times(schedule, self.steps)[moment - 1]
        guess = self.path(denoiser)[1][moment - 1]
        return DigitsTerms(
            log_snr=float(schedule.log_snr(t)),
            evaluations=COUNT * moment,
            grey=float(((guess.clamp(-1, 1) + 1) / 2).mean()),
        )
