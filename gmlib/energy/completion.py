"""Completion: recall with some units held at the cue, and what it makes of spelt strings."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from gmlib._checks import check_count, check_event, check_tensor
from gmlib.data import decode, misspell
from gmlib.energy._spins import check_like, check_spins
from gmlib.energy.hopfield import Hopfield, follow
from gmlib.energy.recall import Recall, recall


def complete(
    net: Hopfield,
    x: Float[Tensor, "batch d"],
    known: Bool[Tensor, "*batch d"],
    *,
    sweeps: int = 100,
    generator: torch.Generator | None = None,
    stop_early: bool = True,
) -> Recall:
    r"""Recall by asynchronous updates of the free units, the known ones clamped to the cue.

    The free units are a Hopfield network of their own, in which the clamped ones act as biases: with W split into free
    (f) and known (g) units, :math:`a_f = W_{ff} x_f + (W_{fg} x_g + b_f)`. So the energy never rises here either, and the
    end is a fixed point of the free units, which need not be one of the whole net. Ties go to +1.

    Args:
        net: the network, of d units.
        x: cues, -1 and 1, (batch, d), the free units wherever they shall start.
        known: units to clamp, boolean, (d,) or (batch, d).
        sweeps: at most so many; a sweep updates each free unit once, in a random order that the batch shares.
        generator: source of the orders; None for torch's default generator.
        stop_early: stop after a sweep that changed nothing (looks once a sweep, which waits for the device).

    Returns:
        States, energies, and whether they settled: no free unit would change. ``period`` is 1 there and 0 elsewhere.

    Raises:
        TypeError: ``net`` is no Hopfield network, ``known`` not boolean, or ``x`` of another dtype than the weights.
        ValueError: a shape or device does not fit, ``x`` holds something else than -1 and 1, or ``sweeps`` is below 1.

    Example:
        >>> import torch
        >>> from gmlib.energy import Hopfield, complete, hebb
        >>> net = Hopfield(hebb(torch.tensor([[1.0, 1.0, -1.0, -1.0]])))
        >>> known = torch.tensor([True, True, False, False])
        >>> complete(net, torch.tensor([[-1.0, -1.0, -1.0, -1.0]]), known).state.tolist()
        [[-1.0, -1.0, 1.0, 1.0]]
    """
    _check_net(net)
    check_event("x", x, (net.d,))
    if x.dim() != 2:
        raise ValueError(f"x must have shape (batch, {net.d}), got shape {tuple(x.shape)}")
    check_like("x", x, net.weights, "the weights")
    check_spins("x", x)
    check_count("sweeps", sweeps)
    check_tensor("known", known, floating=False)
    if known.dtype != torch.bool:
        raise TypeError(f"known must be boolean, got {known.dtype}")
    if tuple(known.shape) not in ((net.d,), tuple(x.shape)):
        raise ValueError(
            f"known must have shape ({net.d},) or {tuple(x.shape)}, got shape {tuple(known.shape)}"
        )
    if known.device != x.device:
        raise ValueError(f"known must be on {x.device}, got {known.device}")
    state = x.T.clone(
        memory_format=torch.contiguous_format
    )  # (d, batch): the values of one unit lie together
    held = known.expand(x.shape).T.contiguous()
    source = (
        "cpu" if generator is None else generator.device
    )  # the order is known here: no index waits for a device
    count = torch.zeros(x.shape[0], dtype=torch.int64, device=x.device)
    for _ in range(sweeps):
        before = state.clone()
        for i in torch.randperm(net.d, generator=generator, device=source).tolist():
            activation = net.weights[i] @ state + net.bias[i]
            state[i] = torch.where(held[i], state[i], follow(activation))
        moved = (state != before).any(0)
        count += moved
        if stop_early and not bool(moved.any()):
            break
    final = state.T.contiguous()
    settled = ((net.updated(final) == final) | known).all(-1)
    return Recall(final, net.energy(final), count, settled, settled.long())


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
        patterns: the strings as spelt by :func:`gmlib.data.cities.encode`, (n, bits).
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
        >>> from gmlib.data import city_strings, encode
        >>> from gmlib.energy import Hopfield, learn_hopfield, repair_strings
        >>> x = encode(city_strings())
        >>> trial = repair_strings(
        ...     Hopfield(learn_hopfield(x, tolerance=1e-4).weights), x, 2, generator=torch.Generator().manual_seed(0)
        ... )
        >>> trial.cues[0], trial.answers[0], trial.right
        ('mpscow-------russaa', 'moscow-------russia', 9)
    """
    _check_net(net)
    check_event("patterns", patterns, (net.d,))
    cues = misspell(patterns, wrong, generator=generator)
    return _trial(patterns, cues, recall(net, cues, sweeps=sweeps, generator=generator))


def complete_strings(
    net: Hopfield,
    patterns: Float[Tensor, "n bits"],
    known: Bool[Tensor, "*batch bits"],
    *,
    sweeps: int = 100,
    generator: torch.Generator | None = None,
) -> StringTrial:
    """Show the known bits of each string, clamped, and recall the rest from a random start.

    Args:
        net: the network.
        patterns: the strings as spelt by :func:`gmlib.data.cities.encode`, (n, bits).
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
        >>> from gmlib.data import city_bits, city_strings, encode
        >>> from gmlib.energy import Hopfield, complete_strings, learn_hopfield
        >>> x = encode(city_strings())
        >>> net = Hopfield(learn_hopfield(x, tolerance=1e-4).weights)
        >>> trial = complete_strings(net, x, city_bits(), generator=torch.Generator().manual_seed(0))
        >>> trial.answers[4], trial.answers[8]
        ('edinburgh--scotland', 'paris--------france')
    """
    _check_net(net)
    check_event("patterns", patterns, (net.d,))
    source = patterns.device if generator is None else generator.device
    coin = torch.randint(2, patterns.shape, generator=generator, device=source).to(patterns.device)
    check_tensor("known", known, floating=False)
    if known.dtype != torch.bool:
        raise TypeError(f"known must be boolean, got {known.dtype}")
    if tuple(known.shape) not in (tuple(patterns.shape), tuple(patterns.shape[-1:])):
        raise ValueError(
            f"known must be ({net.d},) or {tuple(patterns.shape)}, got shape {tuple(known.shape)}"
        )
    cues = torch.where(known, patterns, 2 * coin.to(patterns.dtype) - 1)
    return _trial(patterns, cues, complete(net, cues, known, sweeps=sweeps, generator=generator))


def _trial(patterns: Tensor, cues: Tensor, found: Recall) -> StringTrial:
    before, after = ((x != patterns).sum(-1) for x in (cues, found.state))
    return StringTrial(decode(cues), decode(found.state), before, after, found.settled)


def _check_net(net: Hopfield) -> None:
    if not isinstance(net, Hopfield):
        raise TypeError(f"net must be a gmlib.energy.hopfield.Hopfield, got {type(net).__name__}")
