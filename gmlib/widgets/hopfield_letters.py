"""Four letters in a network of 25 units: damage one, watch it come back, and find out what else was stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import traitlets
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_choice, check_count
from gmlib.data.bitmaps import FOUR_LETTERS, four_letters
from gmlib.energy.hopfield import Hopfield, hebb
from gmlib.widgets.base import STATIC, Widget
from gmlib.widgets.draws import Draws, check_seed

F64 = torch.float64
D = 25
MOST = 1000
MEMORIES = 10
FLIPS = 12
MODES = ("asynchronous", "synchronous")
STORED = [[int(v) for v in row] for row in four_letters().tolist()]


@dataclass(frozen=True)
class HopfieldLettersTerms:
    r"""What the widget shows of the pattern x after ``steps`` steps.

    Attributes:
        energy: :math:`E(x) = -\tfrac12 x^\top W x`.
        energies: the energy before the first step and after each; fewer when a fixed point was met before.
        overlaps: :math:`o_k = x^\top x^{(k)} / 25` with each memory.
        smallest_margin: the least :math:`x_i a_i`.
        unstable: units that an update would flip.
        end: ``"fixed"`` when no update changes x, ``"cycle"`` when two states take turns, ``""`` while it moves.
    """

    energy: float
    energies: tuple[float, ...]
    overlaps: tuple[float, ...]
    smallest_margin: float
    unstable: int
    end: str


class HopfieldLetters(Widget):
    r"""Hebb's rule stores the 5 x 5 letters D, J, C and M; the reader flips pixels and lets the network repair them.

    .. math:: W = \sum_k x^{(k)} x^{(k)\top} \text{ with zero diagonal}, \qquad
        x_i \leftarrow \operatorname{sgn}(a_i),\quad a_i = \sum_j w_{ij} x_j,\quad \operatorname{sgn}(0) = +1

    Updates take one unit at a time, in a new random order each sweep, or all units at once. Every pixel shows its margin
    :math:`x_i a_i`, which is negative where an update would flip it; a curve shows the energy, bars the overlaps. What the
    reader draws can be stored as a further memory. Ends of runs are listed: memories, inverses of memories, majorities of
    three or of all of them, others, and pairs of states that take turns.

    Args:
        start: the cue, a letter or 25 numbers +1 and -1, row by row from the top.
        flips: pixels of it that are flipped, drawn from the seed, 0 to 12.
        mode: ``"asynchronous"`` (one unit at a time) or ``"synchronous"``.
        steps: units updated so far, or synchronous steps made, 0 to 1000.
        extra: further memories, at most 6 patterns of 25 numbers +1 and -1.
        seed: seed of the damage and of the order.

    Raises:
        TypeError: an argument has the wrong type.
        ValueError: an argument is out of its range, or a pattern is not 25 numbers +1 and -1.

    References:
        J. J. Hopfield, *Neural networks and physical systems with emergent collective computational abilities* (1982);
        D. J. C. MacKay, *Information theory, inference, and learning algorithms* (2003), chapter 42;
        :class:`gmlib.energy.hopfield.Hopfield` computes the same in torch.

    Example:
        >>> from gmlib.widgets import HopfieldLetters
        >>> terms = HopfieldLetters("M", flips=0).terms()
        >>> terms.energy, terms.smallest_margin, terms.end
        (-304.0, 6.0, 'fixed')
    """

    _esm = STATIC / "hopfield_letters.js"
    shown = ("mode", "steps", "flips", "seed")

    letters = traitlets.List(traitlets.Unicode(), [*FOUR_LETTERS], help="names of the first memories").tag(
        sync=True
    )
    memories = traitlets.List(traitlets.List(traitlets.Int()), STORED, maxlen=MEMORIES, help="patterns").tag(
        sync=True
    )
    start = traitlets.List(traitlets.Int(), STORED[0], minlen=D, maxlen=D, help="the cue").tag(sync=True)
    mode = traitlets.Enum([*MODES], "asynchronous", help="one unit at a time, or all at once").tag(sync=True)
    steps = traitlets.Int(0, min=0, max=MOST, help="steps made from the cue").tag(sync=True)
    flips = traitlets.Int(4, min=0, max=FLIPS, help="pixels that the button flips").tag(sync=True)
    reached = traitlets.List(traitlets.Dict(), [], help="ends of runs, with their counts").tag(sync=True)
    tally = traitlets.Dict({}, help="how the last hundred cues fared").tag(sync=True)
    playing = traitlets.Bool(False, help="whether it moves by itself").tag(sync=True)

    def __init__(
        self,
        start: str | Sequence[int | float] | Tensor = "D",
        *,
        flips: int = 4,
        mode: str = "asynchronous",
        steps: int = 0,
        extra: Sequence[Sequence[int | float]] | Tensor = (),
        seed: int = 0,
    ) -> None:
        if isinstance(start, str):
            check_choice("start", start, FOUR_LETTERS)
            start = STORED[FOUR_LETTERS.index(start)]
        cue = _pattern("start", start)
        for name, value, most in (("flips", flips, FLIPS), ("steps", steps, MOST)):
            check_count(name, value, low=0)
            if value > most:
                raise ValueError(f"{name} must be at most {most}, got {value}")
        check_choice("mode", mode, MODES)
        if isinstance(extra, str) or not isinstance(extra, Sequence | Tensor):
            raise TypeError(f"extra must be a list of patterns, got {type(extra).__name__}")
        more = [_pattern("extra", row) for row in extra]
        if len(more) > MEMORIES - len(STORED):
            raise ValueError(f"extra must have at most {MEMORIES - len(STORED)} patterns, got {len(more)}")
        check_seed(seed)
        for i in _shuffled(Draws((seed + 2**27) % 2**31))[:flips]:
            cue[i] = -cue[i]
        super().__init__(memories=[*STORED, *more], start=cue, mode=mode, steps=steps, flips=flips, seed=seed)

    @property
    def net(self) -> Hopfield:
        """The network that stores the memories, in float64.

        Example:
            >>> from gmlib.widgets import HopfieldLetters
            >>> HopfieldLetters().net.d
            25
        """
        return Hopfield(hebb(torch.tensor(self.memories, dtype=F64)))

    def run(self) -> Float[Tensor, "states 25"]:
        """The cue and the states after each of ``steps`` steps, or until a fixed point, in the browser's order.

        Example:
            >>> from gmlib.widgets import HopfieldLetters
            >>> states = HopfieldLetters("C", flips=1, mode="synchronous", steps=5).run()
            >>> len(states), states[-1].tolist() == HopfieldLetters("C", flips=0).run()[0].tolist()
            (2, True)
        """
        net, draws = self.net, Draws(self.seed)
        order: list[int] = []
        states = [torch.tensor(self.start, dtype=F64)]
        for step in range(self.steps):
            x = states[-1]
            if bool(net.is_fixed(x)):
                break
            new = net.updated(x)
            if self.mode == "asynchronous":
                if step % D == 0:
                    order = _shuffled(draws)
                unit = order[step % D]
                new = torch.where(torch.arange(D) == unit, new, x)
            states.append(new)
        return torch.stack(states)

    def terms(self) -> HopfieldLettersTerms:
        """The exact numbers that the widget shows now.

        Example:
            >>> from gmlib.widgets import HopfieldLetters
            >>> terms = HopfieldLetters("J", flips=3, steps=50).terms()
            >>> max(terms.overlaps), terms.end
            (1.0, 'fixed')
        """
        net, states = self.net, self.run()
        x = states[-1]
        turns = self.mode == "synchronous" and len(states) > 2 and torch.equal(x, states[-3])
        end = "fixed" if bool(net.is_fixed(x)) else "cycle" if turns else ""
        return HopfieldLettersTerms(
            energy=float(net.energy(x)),
            energies=tuple(net.energy(states).tolist()),
            overlaps=tuple((torch.tensor(self.memories, dtype=F64) @ x / D).tolist()),
            smallest_margin=float(net.margins(x).min()),
            unstable=int((net.updated(x) != x).sum()),
            end=end,
        )


def _shuffled(draws: Draws) -> list[int]:
    """The units in random order, as the browser draws it."""
    order = list(range(D))
    for i in range(D - 1, 0, -1):
        j = int(draws.uniform() * (i + 1))
        order[i], order[j] = order[j], order[i]
    return order


def _pattern(name: str, value: Sequence[int | float] | Tensor) -> list[int]:
    """The pattern as a list of whole numbers, or an error."""
    want = f"{name} must hold patterns of {D} numbers +1 and -1"
    if isinstance(value, str) or not isinstance(value, Sequence | Tensor):
        raise TypeError(f"{want}, got {type(value).__name__}")
    entries = value.reshape(-1).tolist() if isinstance(value, Tensor) else list(value)
    if len(entries) != D:
        raise ValueError(f"{want}, got {len(entries)} entries")
    if wrong := [v for v in entries if v not in (-1, 1)]:
        raise ValueError(f"{want}, got {wrong[0]!r} among them")
    return [int(v) for v in entries]
