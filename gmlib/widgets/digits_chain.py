r"""The block Gibbs chain of a trained restricted Boltzmann machine: digits that follow from noise, or from what is held."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import torch
import traitlets
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_choice, check_count, check_number
from gmlib.checkpoints import load_weights
from gmlib.data.mnist import mnist
from gmlib.energy.rbm import RBM
from gmlib.widgets.arrays import Block, pack
from gmlib.widgets.base import STATIC, Widget
from gmlib.widgets.draws import Draws, check_seed, uniforms

F64 = torch.float64
CHECKPOINT = "rbm-mnist"
"""Name of the machine's weights in the manifest."""
SIDE = 28
PIXELS = SIDE**2
INV_TEMPS = (0.2, 3.0)
"""Least and largest inverse temperature."""
RATES = (1, 1000)
"""Least and most steps a second."""
BRUSHES = (1, 5)
"""Thinnest and broadest brush, in pixels."""
STARTS = ("digit", "noise", "blank")
HALVES = ("nothing", "upper", "lower", "left", "right")


@dataclass(frozen=True)
class DigitsChainTerms:
    r"""What the widget shows of a chain.

    Attributes:
        free_energy: :math:`\mathcal F(x)` of the picture, in nats, at an inverse temperature of 1.
        pixels: pixels that are on.
        hidden: hidden units that are on in expectation, given the picture.
        digits: mean free energy of the ten test digits.
    """

    free_energy: float
    pixels: int
    hidden: float
    digits: float


@cache
def _stored() -> tuple[Tensor, Tensor, Tensor]:
    """The machine's weights and biases as they are stored, in float64."""
    weights = load_weights(CHECKPOINT)
    named = {key.rpartition(".")[2]: value for key, value in weights.items()}
    return named["weight"].double(), named["b"].double(), named["c"].double()


@cache
def _arrays() -> dict[str, Tensor]:
    """What the browser gets: weights as int8 with a scale for each hidden unit, biases, and a digit of each class."""
    weight, b, c = _stored()
    scale = (weight.abs().amax(0) / 127).float()
    images, labels = mnist("test")
    first = [int((labels == digit).nonzero()[0]) for digit in range(10)]
    return {
        "weight": (weight / scale.double()).round().clamp(-127, 127).to(torch.int8),
        "scale": scale,
        "b": b.float(),
        "c": c.float(),
        "digits": (images[first].flatten(1) > 127).to(torch.int8),
    }


class DigitsChain(Widget):
    r"""A trained machine of 784 visible and 500 hidden units whose chain runs in the page.

    .. math:: h_j \sim \mathrm{Bernoulli}\big(\operatorname{sigmoid}(\beta\,(W^\top x + c)_j)\big), \qquad
        x_i \sim \mathrm{Bernoulli}\big(\operatorname{sigmoid}(\beta\,(Wh + b)_i)\big)

    A pixel that is held keeps its value, so that the chain draws the others given it: hold the upper half of a digit, or
    draw a stroke, and the machine completes the picture. The chain starts from a test digit, from random bits, or from a
    blank sheet to draw on. At an inverse temperature β other than 1 its law is :math:`\propto e^{-\beta E}`.

    The weights, 0.4 MB, are rounded to int8 with a scale for each hidden unit, and are fetched when the widget comes into
    view. Over ten test digits no conditional probability changes by more than 0.05 (:meth:`DigitsChain.rounding`).

    Args:
        start: ``"digit"``, ``"noise"`` (random bits) or ``"blank"``.
        digit: which of ten test images the chain starts from, 0 to 9.
        half: what is held of the picture: ``"nothing"``, or its ``"upper"``, ``"lower"``, ``"left"`` or ``"right"`` half.
        ink: pixels that are held at 1, each 28 times its row plus its column, from 0.
        paper: pixels that are held at 0.
        inv_temp: inverse temperature β, 0.2 to 3.
        rate: steps a second, 1 to 1000 (as many as the browser can make).
        show: ``"probabilities"`` of the pixels, or the ``"samples"`` drawn from them.
        unit: the hidden unit whose weights are shown, 0 to 499.
        seed: seed of the chain.

    Raises:
        TypeError: an argument has the wrong type.
        ValueError: an argument is out of its range.

    References:
        P. Smolensky, *Information processing in dynamical systems: foundations of harmony theory* (1986);
        T. Tieleman, *Training restricted Boltzmann machines using approximations to the likelihood gradient* (2008);
        :class:`gmlib.energy.rbm.RBM` computes the same in torch.

    Example:
        >>> from gmlib.widgets import DigitsChain
        >>> DigitsChain("digit", digit=4, half="upper")
        DigitsChain(start='digit', digit=4, half='upper', inv_temp=1.0, seed=0)
    """

    _esm = STATIC / "digits_chain.js"
    offers = {"machine": _arrays}  # noqa: RUF012 - a ClassVar of the base
    shown = ("start", "digit", "half", "inv_temp", "seed")

    start = traitlets.Enum([*STARTS], "digit", help="where the chain starts").tag(sync=True)
    digit = traitlets.Int(3, min=0, max=9, help="the test digit").tag(sync=True)
    half = traitlets.Enum([*HALVES], "nothing", help="the part of the picture that is held").tag(sync=True)
    ink = traitlets.List(traitlets.Int(min=0, max=PIXELS - 1), [], help="pixels held at 1").tag(sync=True)
    paper = traitlets.List(traitlets.Int(min=0, max=PIXELS - 1), [], help="pixels held at 0").tag(sync=True)
    inv_temp = traitlets.Float(1.0, min=INV_TEMPS[0], max=INV_TEMPS[1], help="inverse temperature").tag(
        sync=True
    )
    rate = traitlets.Int(30, min=RATES[0], max=RATES[1], help="steps a second").tag(sync=True)
    show = traitlets.Enum(["probabilities", "samples"], "probabilities", help="what the picture shows").tag(
        sync=True
    )
    unit = traitlets.Int(0, min=0, max=499, help="hidden unit whose weights are shown").tag(sync=True)
    pen = traitlets.Enum(["ink", "paper", "release", "off"], "ink", help="what the pen does").tag(sync=True)
    hold = traitlets.Bool(True, help="whether what is drawn is held").tag(sync=True)
    brush = traitlets.Int(2, min=BRUSHES[0], max=BRUSHES[1], help="width of the pen in pixels").tag(sync=True)
    cursor = traitlets.List(
        traitlets.Int(), [14, 14], minlen=2, maxlen=2, help="column and row of the pen"
    ).tag(sync=True)
    playing = traitlets.Bool(False, help="whether the chain is running").tag(sync=True)

    def __init__(
        self,
        start: str = "digit",
        *,
        digit: int = 3,
        half: str = "nothing",
        ink: Sequence[int] = (),
        paper: Sequence[int] = (),
        inv_temp: float = 1.0,
        rate: int = 30,
        show: str = "probabilities",
        unit: int = 0,
        seed: int = 0,
    ) -> None:
        check_choice("start", start, STARTS)
        check_choice("half", half, HALVES)
        check_choice("show", show, ("probabilities", "samples"))
        check_number("inv_temp", inv_temp, low=INV_TEMPS[0], high=INV_TEMPS[1])
        for name, value, low, high in (
            ("digit", digit, 0, 9),
            ("rate", rate, *RATES),
            ("unit", unit, 0, 499),
        ):
            check_count(name, value, low=low)
            if value > high:
                raise ValueError(f"{name} must be at most {high}, got {value}")
        held = {name: _checked_pixels(name, value) for name, value in (("ink", ink), ("paper", paper))}
        if both := set(held["ink"]) & set(held["paper"]):
            raise ValueError(f"paper must have no pixel of ink, got {min(both)} in both")
        check_seed(seed)
        super().__init__(
            start=start,
            digit=digit,
            half=half,
            **held,
            inv_temp=float(inv_temp),
            rate=rate,
            show=show,
            unit=unit,
            seed=seed,
        )

    @classmethod
    def block(cls, name: str) -> Block:
        """The arrays called ``name`` as the browser gets them; the weights are whole numbers.

        Args:
            name: ``"machine"``.

        Raises:
            ValueError: there is none of that name.
            AssetError: the file of weights, or of digits, is missing, damaged or out of reach.

        Example:
            >>> from gmlib.widgets import DigitsChain
            >>> [array["shape"] for array in DigitsChain.block("machine").arrays]
            [[784, 500], [500], [784], [500], [10, 784]]
        """
        if name not in cls.offers:
            raise ValueError(f"name must be one of {', '.join(map(repr, cls.offers))}, got {name!r}")
        return pack(cls.offers[name](), scales={"weight": 1.0, "digits": 1.0})

    @property
    def machine(self) -> RBM:
        """The machine as the page has it, its weights rounded, in float64.

        Raises:
            AssetError: its file of weights is missing, damaged or out of reach.

        Example:
            >>> from gmlib.widgets import DigitsChain
            >>> DigitsChain().machine
            RBM(d=784, d_h=500)
        """
        arrays = _arrays()
        weight = arrays["weight"].double() * arrays["scale"].double()
        return RBM.from_weights(weight, arrays["b"].double(), arrays["c"].double())

    @torch.no_grad()
    def chain(self, steps: int) -> Float[Tensor, "time pixels"]:
        """The pictures of the first steps, the start first, as the page draws them from the same seed, (steps + 1, 784).

        Args:
            steps: number of steps, 0 or more.

        Raises:
            ValueError: ``steps`` is negative.
            AssetError: the file of weights, or of digits, is missing, damaged or out of reach.

        Example:
            >>> from gmlib.widgets import DigitsChain
            >>> DigitsChain("noise").chain(2).shape
            torch.Size([3, 784])
        """
        check_count("steps", steps, low=0)
        machine, draws = self.machine, Draws(self.seed)

        def noise(n: int) -> Tensor:
            return uniforms(draws, n)

        x = torch.zeros(PIXELS, dtype=F64)
        if self.start == "digit":
            x = _arrays()["digits"][self.digit].double()
        elif self.start == "noise":
            x = (noise(PIXELS) < 0.5).double()
        held = self._held(x)
        values = torch.where(held >= 0, held, x)
        path = [values]
        for _ in range(steps):
            h = noise(machine.d_h) < torch.sigmoid(self.inv_temp * machine.hidden_logits(path[-1]))
            mean = torch.sigmoid(self.inv_temp * machine.visible_logits(h.double()))
            path.append(torch.where(held >= 0, held, (noise(PIXELS) < mean).double()))
        return torch.stack(path)

    def _held(self, x: Tensor) -> Tensor:
        """The value of every pixel that is held, -1 for the others."""
        row, column = torch.arange(PIXELS) // SIDE, torch.arange(PIXELS) % SIDE
        masks = {
            "nothing": row < 0,
            "upper": row < SIDE // 2,
            "lower": row >= SIDE // 2,
            "left": column < SIDE // 2,
            "right": column >= SIDE // 2,
        }
        held = torch.where(masks[self.half], x, torch.tensor(-1.0, dtype=F64))
        held[self.ink] = 1.0
        held[self.paper] = 0.0
        return held

    @torch.no_grad()
    def terms(self, steps: int = 0) -> DigitsChainTerms:
        """The numbers that the widget shows after that many steps.

        Args:
            steps: number of steps, 0 or more.

        Raises:
            ValueError: ``steps`` is negative.
            AssetError: the file of weights, or of digits, is missing, damaged or out of reach.

        Example:
            >>> from gmlib.widgets import DigitsChain
            >>> DigitsChain("noise").terms().free_energy > DigitsChain("digit").terms().free_energy
            True
        """
        machine, x = self.machine, self.chain(steps)[-1]
        return DigitsChainTerms(
            free_energy=float(machine.free_energy(x)),
            pixels=int(x.sum()),
            hidden=float(torch.sigmoid(self.inv_temp * machine.hidden_logits(x)).sum()),
            digits=float(machine.free_energy(_arrays()["digits"].double()).mean()),
        )

    @torch.no_grad()
    def rounding(self) -> tuple[float, float]:
        """The largest change, by the rounding to int8, of a hidden and of a visible unit's conditional probability.

        Over the hidden units given the ten test digits, and over the pixels given hidden units drawn from those.

        Raises:
            AssetError: the file of weights, or of digits, is missing, damaged or out of reach.

        Example:
            >>> from gmlib.widgets import DigitsChain
            >>> max(DigitsChain().rounding()) < 0.05
            True
        """
        stored, rounded = RBM.from_weights(*_stored()), self.machine
        x = _arrays()["digits"].double()
        h = stored.sample_hidden(x, generator=torch.Generator().manual_seed(0))
        hidden = (stored.hidden_mean(x) - rounded.hidden_mean(x)).abs().max()
        visible = (stored.visible_mean(h) - rounded.visible_mean(h)).abs().max()
        return float(hidden), float(visible)


def _checked_pixels(name: str, value: Sequence[int]) -> list[int]:
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise TypeError(f"{name} must be a list of pixels, got {type(value).__name__}")
    for pixel in value:
        check_count(name, pixel, low=0)
        if pixel >= PIXELS:
            raise ValueError(f"{name} must have pixels from 0 to {PIXELS - 1}, got {pixel}")
    return sorted(set(value))
