"""Recall of spelt strings: misspelt ones repaired, and whole ones recalled from some of their letters."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from gmlib._checks import check_event
from gmlib.data import decode_strings, misspell
from gmlib.energy._nets import check_net
from gmlib.energy._spins import check_known
from gmlib.energy.completion import complete
from gmlib.energy.hopfield import Hopfield
from gmlib.energy.recall import Recall, recall


@dataclass(frozen=True)
class StringTrial:
    """What recall made of cues that stood for strings.

    Attributes:
        cues: the strings as they were shown (free bits as they started), n of them.
        answers: the strings that came back.
        before: bits in which each cue differed from its string, (n,).
        after: bits in which the answer does, (n,).
        settled: whether no unit would change further, (n,).

    Example:
        >>> import torch
        >>> from gmlib.energy import StringTrial
        >>> trial = StringTrial(["ask"], ["osl"], torch.tensor([4]), torch.tensor([0]), torch.tensor([True]))
        >>> trial.right
        1
    """

    cues: list[str]
    answers: list[str]
    before: Int64[Tensor, " n"]
    after: Int64[Tensor, " n"]
    settled: Bool[Tensor, " n"]

    @property
    def right(self) -> int:
        """How many strings came back without a wrong bit."""
        return int((self.after == 0).sum())


def repair_strings(
    net: Hopfield,
    patterns: Float[Tensor, "n bits"],
    wrong: int,
    *,
    sweeps: int = 100,
    generator: torch.Generator | None = None,
) -> StringTrial:
    """Misspell each string in ``wrong`` letters and recall it asynchronously, in random order, with no unit clamped.

    Args:
        net: the network.
        patterns: the strings as spelt by :func:`gmlib.data.cities.encode_strings`, (n, bits).
        wrong: letters to replace in each.
        sweeps: at most so many sweeps of updates.
        generator: source of the wrong letters and of the orders; None for torch's default generator.

    Returns:
        Cues, answers and their Hamming distances to the strings.

    Raises:
        TypeError: an argument has the wrong type.
        ValueError: ``patterns`` does not fit the net or spells something else than letters and dashes, or a count is out of
            range.

    Example:
        >>> import torch
        >>> from gmlib.data import city_strings, encode_strings
        >>> from gmlib.energy import Hopfield, learn_hopfield, repair_strings
        >>> x = encode_strings(city_strings())
        >>> trial = repair_strings(
        ...     Hopfield(learn_hopfield(x).weights), x, 2, generator=torch.Generator().manual_seed(0)
        ... )
        >>> trial.cues[0], trial.answers[0], trial.right
        ('mpscow-------russaa', 'moscow-------russia', 9)
    """
    check_net(net)
    check_event("patterns", patterns, (net.d,))
    cues = misspell(patterns, wrong, generator=generator)
    return _trial(patterns, cues, recall(net, cues, sweeps=sweeps, generator=generator))


def complete_strings(
    net: Hopfield,
    patterns: Float[Tensor, "n bits"],
    known: Bool[Tensor, "n bits"] | Bool[Tensor, " bits"],
    *,
    sweeps: int = 100,
    generator: torch.Generator | None = None,
) -> StringTrial:
    """Show the known bits of each string, clamped, and recall the rest from a random start.

    Args:
        net: the network.
        patterns: the strings as spelt by :func:`gmlib.data.cities.encode_strings`, (n, bits).
        known: the bits of the cue, (bits,) or (n, bits), for instance :func:`gmlib.data.cities.city_bits`.
        sweeps: at most so many sweeps of updates.
        generator: source of the start and of the orders; None for torch's default generator.

    Returns:
        Cues, answers and their Hamming distances to the strings.

    Raises:
        TypeError: an argument has the wrong type.
        ValueError: a shape or device does not fit, or ``sweeps`` is below 1.

    Example:
        >>> import torch
        >>> from gmlib.data import city_bits, city_strings, encode_strings
        >>> from gmlib.energy import Hopfield, complete_strings, learn_hopfield
        >>> x = encode_strings(city_strings())
        >>> net = Hopfield(learn_hopfield(x).weights)
        >>> trial = complete_strings(net, x, city_bits(), generator=torch.Generator().manual_seed(0))
        >>> trial.answers[4], trial.answers[8]
        ('edinburgh--scotland', 'paris--------france')
    """
    check_net(net)
    check_event("patterns", patterns, (net.d,))
    check_known(known, patterns)
    source = patterns.device if generator is None else generator.device
    coin = torch.randint(2, patterns.shape, generator=generator, device=source).to(patterns.device)
    cues = torch.where(known, patterns, 2 * coin.to(patterns.dtype) - 1)
    return _trial(patterns, cues, complete(net, cues, known, sweeps=sweeps, generator=generator))


def _trial(patterns: Tensor, cues: Tensor, found: Recall) -> StringTrial:
    before, after = ((x != patterns).sum(-1) for x in (cues, found.state))
    return StringTrial(decode_strings(cues), decode_strings(found.state), before, after, found.settled)
