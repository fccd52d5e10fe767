"""Completion with clamped units, and what learnt weights make of the nine city strings."""

import pytest
import torch

from gmlib.data import city_bits, city_strings, encode_strings
from gmlib.energy import (
    Hopfield,
    StringTrial,
    complete,
    complete_strings,
    hebb,
    learn_hopfield,
    repair_strings,
)

CITY = encode_strings(city_strings()).double()


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def random_net(d: int, seed: int = 0) -> Hopfield:
    w = torch.randn(d, d, generator=seeded(seed), dtype=torch.float64)
    return Hopfield(
        (w + w.T).fill_diagonal_(0), torch.randn(d, generator=seeded(seed + 1), dtype=torch.float64)
    )


def spins(n: int, d: int, seed: int = 0) -> torch.Tensor:
    return 2 * torch.randint(2, (n, d), generator=seeded(seed)).double() - 1


def test_clamped_recall_is_recall_of_the_free_units() -> None:
    # The free units are a net of their own, with the biases that the clamped ones make.
    net, x = random_net(12), spins(40, 12)
    known = torch.arange(12) < 5
    found = complete(net, x, known, generator=seeded(0))
    assert torch.equal(found.state[:, :5], x[:, :5])
    assert found.settled.all()
    assert (found.energy <= net.energy(x) + 1e-12).all()
    assert torch.allclose(found.energy, net.energy(found.state))
    for row in found.state:
        inner = Hopfield(net.weights[5:, 5:].contiguous(), net.bias[5:] + net.weights[5:, :5] @ row[:5])
        assert inner.is_fixed(row[5:])
    assert not net.is_fixed(found.state).all()  # a clamped unit need not agree


def test_the_known_units_differ_from_row_to_row() -> None:
    net, x = random_net(9), spins(30, 9)
    known = torch.rand(30, 9, generator=seeded(3)) < 0.5
    found = complete(net, x, known, generator=seeded(0))
    assert torch.equal(found.state[known], x[known])
    assert ((found.state * net.activation(found.state) >= 0) | known).all()
    # The same without the function: a plain loop over the units, in the orders that the generator gives.
    state, g = x.clone(), seeded(0)
    for _ in range(100):
        for i in torch.randperm(9, generator=g).tolist():
            new = torch.where(state @ net.weights[i] + net.bias[i] >= 0, 1.0, -1.0).double()
            state[:, i] = torch.where(known[:, i], state[:, i], new)
    assert torch.equal(state, found.state)
    # All known: nothing moves. None known: it ends in a fixed point of the net.
    assert torch.equal(complete(net, x, torch.ones(9, dtype=torch.bool)).state, x)
    assert net.is_fixed(complete(net, x, torch.zeros(9, dtype=torch.bool)).state).all()


def test_one_sweep_can_be_too_few() -> None:
    # A chain of 40 units, clamped at one end, all the others the wrong way round. In random order the news of the clamped
    # end does not arrive in one sweep; each unit on the way has one neighbour for and one against: a tie goes up.
    w = torch.diag(torch.ones(39), 1) + torch.diag(torch.ones(39), -1)
    net, cue = Hopfield(w, torch.full((40,), 0.5)), -torch.ones(1, 40)
    known = torch.arange(40) == 0
    cue[0, 0] = 1.0
    one = complete(net, cue, known, sweeps=1, generator=seeded(0))
    assert not one.settled
    assert one.period.item() == 0
    full = complete(net, cue, known, sweeps=100, generator=seeded(0))
    assert full.settled
    assert full.state.min() == 1
    assert 1 < full.sweeps.item() < 40


def test_hopfield_completion() -> None:
    hebbian, learnt = Hopfield(hebb(CITY)), Hopfield(learn_hopfield(CITY, weight_decay=1.0).weights)
    assert int(hebbian.is_fixed(CITY).sum()) == 0
    assert int(learnt.is_fixed(CITY).sum()) == 9
    # Two wrong letters a string, four seeds: all repaired.
    for seed in range(4):
        trial = repair_strings(learnt, CITY, 2, generator=seeded(seed))
        assert trial.before.min() >= 2
        assert trial.before.max() <= 10
        assert trial.right == 9
        assert trial.answers == list(city_strings())
        assert trial.settled.all()
        assert repair_strings(hebbian, CITY, 2, generator=seeded(seed)).right == 0
    # From the city alone, clamped, the rest random: a program written separately saw 5 to 9 of 9 in a draw. So
    # the mean of 20 draws is at least 5, and Hebb's weights, which keep no string, complete none.
    counts = []
    for seed in range(1000, 1020):
        trial = complete_strings(learnt, CITY, city_bits(), generator=seeded(seed))
        assert trial.settled.all()
        assert all(
            answer.startswith(city.split("-")[0])
            for answer, city in zip(trial.answers, city_strings(), strict=True)
        )
        counts.append(trial.right)
        assert complete_strings(hebbian, CITY, city_bits(), generator=seeded(seed)).right == 0
    mean = torch.tensor(counts).double()
    assert mean.mean() - 3 * mean.std() / 20**0.5 > 5


def test_without_decay_from_hebbs_weights_the_strings_are_kept_and_not_repaired() -> None:
    net = Hopfield(learn_hopfield(CITY, weight_decay=0.0, start=hebb(CITY), lr=0.01, steps=200).weights)
    assert int(net.is_fixed(CITY).sum()) == 9
    for seed in range(4):
        assert repair_strings(net, CITY, 2, generator=seeded(seed)).right <= 5
    # The start is to blame: from zero weights the same rule without decay repairs all.
    fresh = Hopfield(learn_hopfield(CITY, weight_decay=0.0, steps=500).weights)
    assert [repair_strings(fresh, CITY, 2, generator=seeded(seed)).right for seed in range(4)] == [9] * 4


def test_trial_counts_bits() -> None:
    trial = complete_strings(
        Hopfield(torch.zeros(95, 95, dtype=torch.float64)), CITY, city_bits(), generator=seeded(0)
    )
    # Without weights every free unit has a tie and goes up: 31, no letter; the answer differs where the string has -1.
    assert all(set(answer[9:]) == {"?"} for answer in trial.answers)
    assert torch.equal(trial.after, ((CITY == -1) & ~city_bits()).sum(1))
    assert trial.right == 0
    free = (~city_bits()).sum().item()  # each free bit of the cue is a coin: n = 571, 5 standard deviations
    assert abs(trial.before.sum().item() - free / 2) < 5 * (free / 4) ** 0.5
    assert isinstance(trial, StringTrial)


@pytest.mark.gpu
def test_on_a_gpu() -> None:
    net, x, known = random_net(12), spins(40, 12), torch.arange(12) < 5
    on_gpu = complete(
        Hopfield(net.weights.cuda(), net.bias.cuda()), x.cuda(), known.cuda(), generator=seeded(0)
    )
    assert torch.equal(on_gpu.state.cpu(), complete(net, x, known, generator=seeded(0)).state)
    learnt = learn_hopfield(CITY.cuda())
    trial = repair_strings(Hopfield(learnt.weights), CITY.cuda(), 2, generator=seeded(0))
    assert trial.answers == list(city_strings())
    trial = complete_strings(Hopfield(learnt.weights), CITY.cuda(), city_bits().cuda(), generator=seeded(0))
    assert trial.before.is_cuda


@pytest.mark.bad_input
def test_bad_arguments() -> None:
    net, x, known = random_net(5), spins(3, 5), torch.arange(5) < 2
    for error, words, call in (
        (TypeError, "net must be", lambda: complete(net.weights, x, known)),
        (TypeError, "x must have the dtype of the weights", lambda: complete(net, x.float(), known)),
        (ValueError, "x must end in the event shape", lambda: complete(net, x[:, 1:], known)),
        (ValueError, r"x must hold \+1 and -1", lambda: complete(net, 0.5 * x, known)),
        (TypeError, "known must be a torch.Tensor of dtype torch.bool", lambda: complete(net, x, x)),
        (ValueError, "known must have shape", lambda: complete(net, x, known[1:])),
        (ValueError, "sweeps must be at least 1", lambda: complete(net, x, known, sweeps=0)),
        (TypeError, "known must be a torch.Tensor of dtype torch.bool", lambda: complete_strings(net, x, x)),
        (ValueError, "known must have shape", lambda: complete_strings(net, x, known[1:])),
        (TypeError, "net must be", lambda: repair_strings(None, x, 1)),
        (ValueError, "patterns must end in", lambda: repair_strings(net, x[:, 1:], 1)),
    ):
        with pytest.raises(error, match=words):
            call()
