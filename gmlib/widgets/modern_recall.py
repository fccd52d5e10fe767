"""A memory of a hundred digits that completes a damaged one by attention."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import torch
import traitlets
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_count, check_number
from gmlib.data import mnist
from gmlib.energy.modern_hopfield import ModernHopfield
from gmlib.widgets.arrays import Block, pack
from gmlib.widgets.base import STATIC, Widget
from gmlib.widgets.draws import Draws, check_seed, uniforms

F64 = torch.float64
SIDE = 28
D = SIDE * SIDE
EACH = 10
K = 10 * EACH
STEPS = 4
INV_TEMP = (0.001, 1.0)
FLIPPED = 0.5


@dataclass(frozen=True)
class ModernRecallTerms:
    r"""What the widget shows of the states :math:`x_0` (the cue) to :math:`x_4`.

    Attributes:
        energies: :math:`E(x_t)`, in units of overlap; five numbers, as all that follow.
        residuals: :math:`\max_i |x_{t,i} - x_i^{(k)}|` to the stored digit k.
        bounds: the bound on the residual one step later.
        weight: the stored digit's share of the next state.
        class_weight: the share of all ten digits of its class.
        effective: how many patterns share the next state, the exponential of the entropy of the weights.
        wrong: pixels on the wrong side of 0, or at 0.
    """

    energies: tuple[float, ...]
    residuals: tuple[float, ...]
    bounds: tuple[float, ...]
    weight: tuple[float, ...]
    class_weight: tuple[float, ...]
    effective: tuple[float, ...]
    wrong: tuple[int, ...]


@cache
def stored() -> Float[Tensor, "100 784"]:
    """The digits in memory: the first ten of each class among the embedded MNIST training digits, ink +1 and paper -1.

    Example:
        >>> from gmlib.widgets.modern_recall import stored
        >>> stored().shape, stored().unique().tolist()
        (torch.Size([100, 784]), [-1.0, 1.0])
    """
    images, labels = mnist("train")
    rows = torch.cat([(labels == digit).nonzero()[:EACH, 0] for digit in range(10)])
    return torch.where(images[rows].flatten(1) >= 128, 1.0, -1.0)


def _digits() -> dict[str, Tensor]:
    return {"patterns": stored().to(torch.int8)}


class ModernRecall(Widget):
    r"""A modern Hopfield network stores 100 handwritten digits and restores one from a damaged cue.

    .. math:: x_{t+1} = X^\top \operatorname{softmax}(\beta X x_t), \qquad
        E(x) = -\frac1\beta \log \sum_k e^{\beta x^{(k)\top} x} + \frac12 x^\top x

    The digits are 28 x 28 images of +1 and -1, ten of each class. The cue is one of them with some pixels flipped, its
    last rows unknown (0) and whatever the reader draws over it. The page shows four steps of recall, the softmax weights
    on all patterns, the energy, and how far each state is from the stored digit, with the bound
    :math:`2(K - 1)e^{-\beta\Delta}` on it.

    Args:
        chosen: number of the stored digit, 0 to 99; its class is the first figure.
        inv_temp: :math:`\beta`, from 0.001 to 1; :math:`1/\sqrt d = 1/28` gives the attention of transformers.
        flipped: share of the pixels that are flipped, from 0 to 0.5.
        hidden: rows that are unknown, counted from below, 0 to 28.
        strokes: pixels drawn over the cue, each as its number counted from 1 along the rows, negative for paper.
        at: which state's weights are shown, 0 (the cue) to 4.
        seed: seed of the flipped pixels.

    Raises:
        TypeError: an argument has the wrong type.
        ValueError: an argument is out of its range.

    References:
        H. Ramsauer et al., *Hopfield networks is all you need* (2021), section 2;
        :class:`gmlib.energy.modern_hopfield.ModernHopfield` computes the same in torch.

    Example:
        >>> from gmlib.widgets import ModernRecall
        >>> terms = ModernRecall(72, flipped=0.0, hidden=14).terms()
        >>> terms.wrong[0], terms.wrong[-1]
        (392, 0)
    """

    _esm = STATIC / "modern_recall.js"
    offers = {"digits": _digits}  # noqa: RUF012 - a ClassVar of the base
    shown = ("chosen", "inv_temp", "flipped", "hidden", "seed")

    inv_temp_range = traitlets.List(traitlets.Float(), [*INV_TEMP], help="least and largest β").tag(sync=True)
    chosen = traitlets.Int(72, min=0, max=K - 1, help="number of the stored digit").tag(sync=True)
    inv_temp = traitlets.Float(0.05, min=INV_TEMP[0], max=INV_TEMP[1], help="β").tag(sync=True)
    flipped = traitlets.Float(0.1, min=0.0, max=FLIPPED, help="share of flipped pixels").tag(sync=True)
    hidden = traitlets.Int(14, min=0, max=SIDE, help="rows that are unknown").tag(sync=True)
    strokes = traitlets.List(traitlets.Int(), [], maxlen=D, help="pixels drawn over the cue").tag(sync=True)
    at = traitlets.Int(0, min=0, max=STEPS, help="which state's weights are shown").tag(sync=True)
    drawing = traitlets.Bool(False, help="whether the cue can be drawn on").tag(sync=True)
    erase = traitlets.Bool(False, help="whether the brush leaves paper").tag(sync=True)
    brush = traitlets.List([14, 14], minlen=2, maxlen=2, help="pixel at which the brush is").tag(sync=True)

    def __init__(
        self,
        chosen: int = 72,
        *,
        inv_temp: float = 0.05,
        flipped: float = 0.1,
        hidden: int = 14,
        strokes: Sequence[int] = (),
        at: int = 0,
        seed: int = 0,
    ) -> None:
        check_number("inv_temp", inv_temp, low=INV_TEMP[0], high=INV_TEMP[1])
        check_number("flipped", flipped, low=0.0, high=FLIPPED)
        for name, value, most in (("chosen", chosen, K - 1), ("hidden", hidden, SIDE), ("at", at, STEPS)):
            check_count(name, value, low=0)
            if value > most:
                raise ValueError(f"{name} must be at most {most}, got {value}")
        check_seed(seed)
        super().__init__(
            chosen=chosen,
            inv_temp=float(inv_temp),
            flipped=float(flipped),
            hidden=hidden,
            strokes=_checked(strokes),
            at=at,
            seed=seed,
        )

    @classmethod
    def block(cls, name: str) -> Block:
        """The arrays called ``name`` as the browser gets them; the digits are whole numbers.

        Args:
            name: ``"digits"``.

        Raises:
            ValueError: there is none of that name.

        Example:
            >>> from gmlib.widgets import ModernRecall
            >>> len(ModernRecall.block("digits").data)
            78400
        """
        if name not in cls.offers:
            raise ValueError(f"name must be one of {', '.join(map(repr, cls.offers))}, got {name!r}")
        return pack(cls.offers[name](), scales={"patterns": 1.0})

    @property
    def memory(self) -> ModernHopfield:
        """The network, in float64.

        Example:
            >>> from gmlib.widgets import ModernRecall
            >>> ModernRecall().memory.patterns.shape
            torch.Size([100, 784])
        """
        return ModernHopfield(stored().to(F64), self.inv_temp)

    def cue(self) -> Float[Tensor, " 784"]:
        r"""The damaged digit :math:`x_0`: -1, 1, and 0 where it is unknown.

        Example:
            >>> from gmlib.widgets import ModernRecall
            >>> ModernRecall(hidden=28).cue().unique().tolist()
            [0.0]
        """
        draws = Draws(self.seed)
        order = uniforms(draws, D).argsort(stable=True)
        cue = stored()[self.chosen].to(F64, copy=True)
        cue[order[: int(self.flipped * D + 0.5)]] *= -1
        cue[D - self.hidden * SIDE :] = 0
        for stroke in self.strokes:
            cue[abs(stroke) - 1] = 1.0 if stroke > 0 else -1.0
        return cue

    def states(self) -> Float[Tensor, "5 784"]:
        r"""The states :math:`x_0, \dots, x_4`.

        Example:
            >>> from gmlib.widgets import ModernRecall
            >>> ModernRecall().states().shape
            torch.Size([5, 784])
        """
        return self.memory.trace(self.cue()[None], STEPS).states[:, 0]

    def terms(self) -> ModernRecallTerms:
        """The exact numbers that the widget shows, for the cue and the four states after it.

        Example:
            >>> from gmlib.widgets import ModernRecall
            >>> terms = ModernRecall(inv_temp=0.001, hidden=0, flipped=0.0).terms()
            >>> terms.effective[-1] > 50, all(a >= b for a, b in zip(terms.energies, terms.energies[1:]))
            (True, True)
        """
        memory, x = self.memory, self.states()
        digit = memory.patterns[self.chosen]
        weights = memory.weights(x)
        own = self.chosen // EACH * EACH
        return ModernRecallTerms(
            energies=tuple(memory.energy(x).tolist()),
            residuals=tuple((x - digit).abs().amax(-1).tolist()),
            bounds=tuple(memory.residual_bound(x, self.chosen).tolist()),
            weight=tuple(weights[:, self.chosen].tolist()),
            class_weight=tuple(weights[:, own : own + EACH].sum(-1).tolist()),
            effective=tuple(memory.effective_patterns(x).tolist()),
            wrong=tuple((x * digit <= 0).sum(-1).tolist()),
        )


def _checked(strokes: Sequence[int]) -> list[int]:
    """The strokes as a list of whole numbers, or an error."""
    want = f"strokes must be whole numbers from 1 to {D} or their negatives, each pixel at most once"
    if isinstance(strokes, str) or not isinstance(strokes, Sequence):
        raise TypeError(f"{want}, got {type(strokes).__name__}")
    for stroke in strokes:
        if isinstance(stroke, bool) or not isinstance(stroke, int):
            raise TypeError(f"{want}, got {stroke!r} among them")
        if not 1 <= abs(stroke) <= D:
            raise ValueError(f"{want}, got {stroke} among them")
    if len({abs(stroke) for stroke in strokes}) < len(strokes):
        raise ValueError(f"{want}, got a pixel twice")
    return [*strokes]
