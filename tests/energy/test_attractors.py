"""Fixed points: the four letters with their numbers, and lists that are checked by enumeration."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor

from gmlib.data import four_letters
from gmlib.energy import Hopfield, all_states, find_attractors, fixed_points, hebb, kinds_of, recall
from gmlib.energy.attractors import KINDS


def corrupted(x: Tensor, wrong: int) -> Tensor:
    """Every way to get that many pixels of each pattern wrong, (K, ways, d)."""
    masks = []
    for places in itertools.combinations(range(x.shape[1]), wrong):
        mask = torch.ones(x.shape[1])
        mask[list(places)] = -1
        masks.append(mask)
    return x[:, None] * torch.stack(masks)


def random_patterns(count: int, d: int, seed: int = 0) -> Tensor:
    return 2 * torch.randint(2, (count, d), generator=torch.Generator().manual_seed(seed)).float() - 1


def test_hopfield_letters() -> None:
    x = four_letters()
    net = Hopfield(hebb(x))
    assert bool(net.is_fixed(x).all())
    assert net.margins(x).min() == 6
    assert (x * (x @ (x.T @ x))).min() == 10  # with the diagonal, 4, left in
    for cues in (x, random_patterns(200, 25)):
        assert bool((net.activation(cues) % 2 == 0).all())  # all fields are even, hence the ties
    repaired = {
        (mode, tie): [
            int(
                (recall(net, corrupted(x, n), mode=mode, order="fixed", tie=tie).state == x[:, None])
                .all(-1)
                .sum()
            )
            for n in (1, 2)
        ]
        for mode in ("synchronous", "asynchronous")
        for tie in ("up", "keep")
    }
    assert repaired["synchronous", "up"] == [98, 1132]  # of 100 and 1200
    assert repaired["asynchronous", "up"] == [99, 1149]
    assert repaired["synchronous", "keep"] == [98, 1138]
    # A letter's negative rests iff the letter does: all margins are the same, and none is 0.
    assert bool(net.is_fixed(-x).all())
    loose = Hopfield(hebb(x[:2]) - 3 * hebb(x[2:3]) + hebb(x[3:]))
    assert torch.equal(loose.is_fixed(-x), loose.is_fixed(x))
    assert loose.is_fixed(x).tolist() != [True] * 4


def test_all_fixed_points_of_the_letters() -> None:
    x = four_letters()
    net = Hopfield(hebb(x))
    for tie, count in (("up", 17), ("keep", 20)):
        found = fixed_points(net, tie=tie)
        assert len(found.unique(dim=0)) == len(found) == count
        assert bool(net.is_fixed(found, tie=tie).all())
        assert bool((net.energy(found).diff() >= 0).all())
        kinds = kinds_of(found, x)
        assert kinds.count("stored") == kinds.count("inverted") == 4
        assert "other" not in kinds  # whatever was not stored is a mixture
    reached = find_attractors(net, 20_000, patterns=x, generator=torch.Generator().manual_seed(0))
    assert reached.unsettled == 0
    assert int(reached.counts.sum()) == 20_000
    assert bool((reached.counts.diff() <= 0).all())
    assert torch.equal(reached.energy, net.energy(reached.states))
    assert reached.kinds == kinds_of(reached.states, x)
    # Nothing is reached that is not on the list. (In 100,000 draws the rarest of the 17 has 300.)
    assert {tuple(s) for s in reached.states.tolist()} == {tuple(s) for s in fixed_points(net).tolist()}


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("tie", ["up", "keep"])
def test_fixed_points_are_all_of_them(tie: str, whole: bool) -> None:
    for seed in range(4):
        g = torch.Generator().manual_seed(seed)
        draw = (
            torch.randint(-2, 3, (12, 12), generator=g).float() if whole else torch.randn(12, 12, generator=g)
        )
        net = Hopfield(draw.triu(1) + draw.triu(1).T, torch.randint(-1, 2, (12,), generator=g).float())
        every = all_states(12, dtype=torch.float32)
        truth = {tuple(s) for s in every[net.is_fixed(every, tie=tie)].tolist()}
        found = fixed_points(net, tie=tie)
        assert len(found) == len(truth)
        assert {tuple(s) for s in found.tolist()} == truth
        assert truth


def test_ties_and_fixed_points() -> None:
    # Units that hear nothing: with tie "up" one state of eight rests, with "keep" all of them.
    net = Hopfield(torch.zeros(3, 3))
    assert fixed_points(net).tolist() == [[1.0, 1.0, 1.0]]
    assert len(fixed_points(net, tie="keep")) == 8


def test_mixtures() -> None:
    # Few patterns in many units: the fixed points that starts reach are +-x^k and the eight signs of three patterns.
    x = random_patterns(3, 300)
    net = Hopfield(hebb(x))
    signs = torch.tensor(list(itertools.product((-1.0, 1.0), repeat=3)))
    mixed = (signs @ x).sign()
    assert bool(net.is_fixed(mixed).all())
    assert kinds_of(mixed, x) == ["mixture of three"] * 8
    found = find_attractors(net, 500, patterns=x, generator=torch.Generator().manual_seed(1))
    assert found.kinds is not None
    assert set(found.kinds) == {"stored", "inverted", "mixture of three"}
    assert net.energy(mixed).min() > net.energy(x).max()
    # Kinds, one by one.
    x = random_patterns(5, 40)
    states = torch.stack((x[4], -x[2], (x[0] - x[1] + x[3]).sign(), x.sum(0).sign(), torch.ones(40)))
    assert kinds_of(states, x) == ["stored", "inverted", "mixture of three", "mixture of all", "other"]
    # Of an even number, both values of an undecided unit are the mixture's; a decided one has no choice.
    x = random_patterns(4, 40)
    total = x.sum(0)
    for free in (-1.0, 1.0):
        state = torch.where(total == 0, free, total.sign())
        assert kinds_of(state[None], x) == ["mixture of all"]
        state[total.abs().argmax()] *= -1
        assert kinds_of(state[None], x) == ["other"]


def test_starts_may_be_given() -> None:
    x = four_letters()
    net = Hopfield(hebb(x))
    starts = torch.cat((x, x[:2], -x[:1]))
    found = find_attractors(net, starts)
    assert found.kinds is None
    assert found.counts.tolist() == [2, 2, 1, 1, 1]
    assert {tuple(s) for s in found.states[:2].tolist()} == {tuple(s) for s in x[:2].tolist()}
    hurried = find_attractors(net, random_patterns(500, 25), sweeps=1)
    assert hurried.unsettled > 0
    assert int(hurried.counts.sum()) + hurried.unsettled == 500


def test_kinds_against_every_signed_sum() -> None:
    # Few units, so that mixtures abound; each sum is written out, with its zeros left free.
    for seed, (count, d) in enumerate(((1, 4), (2, 5), (3, 6), (4, 7), (5, 9), (7, 8))):
        patterns = (
            2 * torch.randint(2, (count, d), generator=torch.Generator().manual_seed(seed)).double() - 1
        )
        states = all_states(d)

        def mixed(parts: torch.Tensor, states: torch.Tensor = states) -> torch.Tensor:
            sums = all_states(len(parts)) @ parts
            return ((sums[:, None] == 0) | (sums.sign()[:, None] == states)).all(-1).any(0)

        stored = (states[:, None] == patterns).all(-1).any(1)
        inverted = (states[:, None] == -patterns).all(-1).any(1)
        three = torch.zeros(len(states), dtype=torch.bool)
        for chosen in itertools.combinations(range(count), 3):
            three |= mixed(patterns[list(chosen)])
        everything = mixed(patterns) if count > 3 else torch.zeros_like(three)
        wanted = [
            next((KINDS[i] for i, hit in enumerate(row) if hit), "other")
            for row in torch.stack((stored, inverted, three, everything), 1).tolist()
        ]
        assert kinds_of(states, patterns) == wanted


@pytest.mark.bad_input
def test_bad_arguments() -> None:
    x = four_letters()
    net = Hopfield(hebb(x))
    for error, words, call in (
        (TypeError, "net must be", lambda: find_attractors(hebb(x), 3)),
        (TypeError, "net must be", lambda: fixed_points(hebb(x))),
        (ValueError, "starts must be at least 1", lambda: find_attractors(net, 0)),
        (TypeError, "starts must be an int", lambda: find_attractors(net, 3.0)),
        (ValueError, "starts must have shape", lambda: find_attractors(net, x[0])),
        (ValueError, "starts must have shape", lambda: find_attractors(net, x[:0])),
        (ValueError, "patterns must have shape", lambda: find_attractors(net, x, patterns=x[:, :3])),
        (TypeError, "patterns must have the dtype", lambda: find_attractors(net, x, patterns=x.double())),
        (ValueError, "sweeps must be at least 1", lambda: find_attractors(net, x, sweeps=0)),
        (ValueError, "tie must be one of", lambda: fixed_points(net, tie="down")),
        (ValueError, "limit must be at least", lambda: fixed_points(net, limit=100)),
        (TypeError, "limit must be an int", lambda: fixed_points(net, limit=1e6)),
        (ValueError, "states must hold", lambda: kinds_of(0 * x, x)),
        (ValueError, r"states must have shape \(m, 25\)", lambda: kinds_of(x[0], x)),
        (ValueError, r"patterns must have shape \(K, d\)", lambda: kinds_of(x, x[0])),
        (TypeError, "states must have the dtype of patterns", lambda: kinds_of(x.double(), x)),
    ):
        with pytest.raises(error, match=words):
            call()
