r"""Every state in which a Hopfield network can rest: how many starts end there, and which of them were never stored."""

from __future__ import annotations

import itertools
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_choice, check_count
from gmlib.energy._nets import check_net
from gmlib.energy._spins import check_like, check_spins
from gmlib.energy.hopfield import TIES, Hopfield
from gmlib.energy.recall import recall
from gmlib.energy.states import state_chunks

KINDS = ("stored", "inverted", "mixture of three", "mixture of all", "other")
"""What a fixed point can be."""

MAX_PARTS = 16
"""More patterns than this are not mixed in all their signs."""


class Attractors(NamedTuple):
    r"""Fixed points :math:`x = \operatorname{sgn}(Wx + b)`, and how a set of starts is shared among them.

    Args:
        states: the m fixed points, the one with most starts first, (m, d).
        counts: the starts that ended there, (m,).
        energy: their energies, (m,).
        kinds: one of ``KINDS`` for each, or None without patterns.
        unsettled: the starts that had not settled.

    Example:
        >>> from gmlib.data import four_letters
        >>> from gmlib.energy import Hopfield, find_attractors, hebb
        >>> letters = four_letters()
        >>> found = find_attractors(Hopfield(hebb(letters)), letters, patterns=letters)
        >>> found.counts.tolist(), found.kinds
        ([1, 1, 1, 1], ['stored', 'stored', 'stored', 'stored'])
    """

    states: Tensor
    counts: Tensor
    energy: Tensor
    kinds: list[str] | None
    unsettled: int


def find_attractors(
    net: Hopfield,
    starts: Float[Tensor, "n d"] | int,
    *,
    patterns: Float[Tensor, "K d"] | None = None,
    order: str = "random",
    sweeps: int = 1000,
    tie: str = "up",
    generator: torch.Generator | None = None,
) -> Attractors:
    r"""Run asynchronous recall from many starts, and count where they end.

    .. math:: n_x = \#\{\text{starts that end in } x\}, \qquad x = \operatorname{sgn}(W x + b)

    Args:
        net: the network, of d units.
        starts: cues, (n, d), or a number of cues to draw uniformly from all :math:`2^d` states.
        patterns: what was stored, (K, d); the kinds of the fixed points are told by it. None: no kinds.
        order: "random" or "fixed", the order of the units.
        sweeps: at most that many for each start.
        tie: what a unit with activation 0 does, "up" or "keep".
        generator: source of the starts and of the orders, on the device of the weights.

    Returns:
        The fixed points reached, their counts, energies and kinds.

    Raises:
        TypeError: an argument has the wrong type or dtype.
        ValueError: a number is below 1, a name unknown, or a tensor has the wrong shape or an entry other than +1 and -1.

    Example:
        >>> import torch
        >>> from gmlib.energy import Hopfield, find_attractors, hebb
        >>> pattern = torch.tensor([[1.0, 1.0, -1.0, 1.0, -1.0]])
        >>> found = find_attractors(Hopfield(hebb(pattern)), 1000, patterns=pattern)
        >>> sorted(found.kinds)
        ['inverted', 'stored']
    """
    check_net(net)
    if not isinstance(starts, Tensor):
        check_count("starts", starts)
        device = net.weights.device
        draws = torch.randint(2, (starts, net.d), generator=generator, device=device)
        starts = 2 * draws.to(net.weights.dtype) - 1
    elif starts.dim() != 2 or len(starts) == 0:
        raise ValueError(
            f"starts must have shape (n, {net.d}), n at least 1, got shape {tuple(starts.shape)}"
        )
    if patterns is not None:
        check_spins("patterns", patterns, net.d)
        check_like("patterns", patterns, net.weights, "the weights")
    found = recall(net, starts, order=order, sweeps=sweeps, tie=tie, generator=generator)
    states, counts = found.state[found.settled].unique(dim=0, return_counts=True)
    place = counts.argsort(descending=True, stable=True)
    states, counts = states[place], counts[place]
    kinds = None if patterns is None else kinds_of(states, patterns)
    return Attractors(states, counts, net.energy(states), kinds, int((~found.settled).sum()))


def fixed_points(net: Hopfield, *, tie: str = "up", limit: int = 2**20) -> Float[Tensor, "m d"]:
    r"""List all fixed points of a network by branching over the units and dropping what cannot be completed.

    .. math:: x_i \Big(\sum_{j \le n} w_{ij} x_j + b_i\Big) + \sum_{j > n} |w_{ij}| \ge 0 \qquad (i \le n)

    Once the first n units have values, a unit among them that all others together cannot hold any more rules the
    branch out. The list is exact; the four letters, with :math:`2^{25}` states, need at most some ten thousand branches
    at a time.

    Args:
        net: the network, of d units.
        tie: what a unit with activation 0 does: "up", +1 is its only stable value, or "keep", both are.
        limit: branches kept at a time, at most.

    Returns:
        All states that no update changes, by rising energy, (m, d). There is at least one: a state of least energy, and
        among those one with the most units at +1.

    Raises:
        TypeError: ``net`` is no Hopfield network, or ``limit`` no integer.
        ValueError: the network has more branches than ``limit``, or ``tie`` is unknown.

    Example:
        >>> from gmlib.data import four_letters
        >>> from gmlib.energy import Hopfield, fixed_points, hebb
        >>> len(fixed_points(Hopfield(hebb(four_letters()))))
        17
    """
    check_net(net)
    check_choice("tie", tie, TIES)
    check_count("limit", limit)
    weights = net.weights
    reach = weights.abs().sum(1) + net.bias.abs()
    slack = 4 * net.d * torch.finfo(weights.dtype).eps * reach  # for sums that round
    x, activation = weights.new_empty(1, 0), net.bias[None]
    for n in range(1, net.d + 1):
        help_left = weights[:n, n:].abs().sum(1) + slack[:n]
        parts = []
        for value in (-1.0, 1.0):
            longer = torch.cat((x, x.new_full((len(x), 1), value)), 1)
            heard = activation + value * weights[n - 1]
            alive = (longer * heard[:, :n] + help_left >= 0).all(1)
            parts.append((longer[alive], heard[alive]))
        x, activation = (torch.cat(part) for part in zip(*parts, strict=True))
        if len(x) > limit:
            raise ValueError(f"limit must be at least {len(x)} for this network at unit {n}, got {limit}")
    x = x[net.is_fixed(x, tie=tie)]
    return x[net.energy(x).argsort(stable=True)]


def kinds_of(states: Float[Tensor, "m d"], patterns: Float[Tensor, "K d"]) -> list[str]:
    r"""Say what each state is: a stored pattern, its negative, a mixture of three or of all patterns, or something else.

    .. math:: x = \operatorname{sgn}\big({\pm x^{(k)}} \pm x^{(l)} \pm x^{(m)}\big)

    A mixture of an even number of patterns has units where the sum is 0; there either value counts as the mixture's.

    Args:
        states: (m, d), entries +1 and -1.
        patterns: (K, d), entries +1 and -1. With more than ``MAX_PARTS`` of them, mixtures of all are not looked for.

    Returns:
        One of ``KINDS`` for each state, the first that fits.

    Raises:
        TypeError: an argument is no floating tensor, or their dtypes differ.
        ValueError: a shape does not fit, or an entry is neither +1 nor -1.

    Example:
        >>> from gmlib.data import four_letters
        >>> from gmlib.energy import kinds_of
        >>> x = four_letters()
        >>> kinds_of((x[0] + x[1] - x[2]).sign()[None], x)
        ['mixture of three']
    """
    check_spins("patterns", patterns)
    if patterns.dim() != 2 or len(patterns) == 0:
        raise ValueError(f"patterns must have shape (K, d), K at least 1, got shape {tuple(patterns.shape)}")
    count, d = patterns.shape
    check_spins("states", states, d)
    if states.dim() != 2:
        raise ValueError(f"states must have shape (m, {d}), got shape {tuple(states.shape)}")
    check_like("states", states, patterns, "patterns")
    overlaps = states @ patterns.T
    kind = torch.full((len(states),), KINDS.index("other"), device=states.device)

    def mark(name: str, hit: Tensor) -> None:  # a state keeps the first name that it gets
        nonlocal kind
        kind = torch.where(hit & (kind == KINDS.index("other")), KINDS.index(name), kind)

    mark("stored", (overlaps == d).any(1))
    mark("inverted", (overlaps == -d).any(1))
    mark("mixture of three", _mixes_of_three(overlaps, patterns))
    if 3 < count <= MAX_PARTS:
        mark("mixture of all", _mixes_of_all(states, patterns))
    return [KINDS[i] for i in kind.tolist()]


def _mixes_of_three(overlaps: Tensor, patterns: Tensor) -> Tensor:
    """Which states agree with the sign of a signed sum of three patterns, for some three and some signs."""
    count, d = patterns.shape
    gram = patterns @ patterns.T
    found = torch.zeros(len(overlaps), dtype=torch.bool, device=overlaps.device)
    for k in range(count - 2):
        rest = torch.triu_indices(count - k - 1, count - k - 1, 1, device=overlaps.device) + k + 1
        low, high = rest
        for a, b in itertools.product((-1.0, 1.0), repeat=2):
            # A sum of three signs is 3 in size where all agree, else 1: (3 + their three products) / 2.
            most = (3 * d + a * gram[k, low] + b * gram[k, high] + a * b * gram[low, high]) / 2
            total = overlaps[:, k, None] + a * overlaps[:, low] + b * overlaps[:, high]
            found |= (total.abs() == most).any(1)
    return found


def _mixes_of_all(states: Tensor, patterns: Tensor) -> Tensor:
    """Which states agree with the sign of a signed sum of all patterns, for some signs, wherever the sum is not 0."""
    found = torch.zeros(len(states), dtype=torch.bool, device=states.device)
    for signs in state_chunks(len(patterns), size=4096, dtype=states.dtype, device=states.device):
        total = signs @ patterns
        found |= (states @ total.T == total.abs().sum(1)).any(1)
    return found
