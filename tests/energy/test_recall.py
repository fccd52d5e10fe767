"""Recall: a batch in blocks gives what a plain loop over the units gives, and the energy falls on the way."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from gmlib.data import four_letters
from gmlib.energy import Hopfield, hebb, recall
from gmlib.energy.recall import BLOCK


def random_net(d: int, seed: int = 0, whole: bool = True) -> Hopfield:
    g = torch.Generator().manual_seed(seed)
    draw = torch.randint(-3, 4, (d, d), generator=g) if whole else torch.randn(d, d, generator=g)
    weights = draw.double().triu(1)
    return Hopfield(weights + weights.T, torch.randint(-2, 3, (d,), generator=g).double())


def spins(n: int, d: int, seed: int = 1) -> Tensor:
    return 2.0 * torch.randint(2, (n, d), generator=torch.Generator().manual_seed(seed)).double() - 1


def loop(net: Hopfield, cue: Tensor, orders: list[Tensor], tie: str) -> tuple[Tensor, list[float]]:
    """One unit at a time, one state, by hand."""
    x, energies = cue.clone(), [net.energy(cue).item()]
    for order in orders:
        for i in order.tolist():
            a = (net.weights[i] @ x + net.bias[i]).item()
            x[i] = 1.0 if a > 0 else -1.0 if a < 0 else (1.0 if tie == "up" else x[i].item())
            energies.append(net.energy(x).item())
    return x, energies


@pytest.mark.parametrize("tie", ["up", "keep"])
@pytest.mark.parametrize("order", ["random", "fixed"])
def test_blocks_give_what_the_loop_gives(order: str, tie: str) -> None:
    d, sweeps = BLOCK + 7, 4  # a block and a part of one; the weights are whole, so that ties occur
    net, cues = random_net(d), spins(5, d)
    orders = [torch.arange(d)] * sweeps
    if order == "random":
        g = torch.Generator().manual_seed(3)
        orders = [torch.randperm(d, generator=g) for _ in range(sweeps)]
    truth = [loop(net, cue, orders, tie) for cue in cues]
    for stop_early, trace in ((True, False), (False, False), (False, True)):
        g = torch.Generator().manual_seed(3)
        found = recall(
            net, cues, order=order, sweeps=sweeps, tie=tie, generator=g, stop_early=stop_early, trace=trace
        )
        for i, (state, energies) in enumerate(truth):
            assert torch.equal(found.state[i], state)
            assert found.energy[i].item() == energies[-1]
            if found.trace is not None:
                assert found.trace[:, i].tolist() == energies
    # The orders matter here: the cues of this test do not all end where the other order takes them.
    other = recall(net, cues, order="fixed", sweeps=sweeps, tie=tie).state
    assert order == "fixed" or not torch.equal(found.state, other)


def test_stopping_early_changes_nothing_but_the_work() -> None:
    net, cues = random_net(70, whole=False), spins(200, 70)
    runs = [
        recall(net, cues, generator=torch.Generator().manual_seed(0), stop_early=early, trace=trace)
        for early, trace in ((True, False), (False, False), (True, True))
    ]
    for run in runs:
        assert bool(run.settled.all())
        assert bool(net.is_fixed(run.state).all())
        for field in ("state", "energy", "sweeps", "period"):
            assert torch.equal(getattr(run, field), getattr(runs[0], field))
    assert runs[0].sweeps.unique().numel() > 2  # states settle at different times
    path = runs[2].trace
    assert path is not None
    assert path.diff(dim=0).max() <= 1e-12
    assert torch.allclose(path[-1], runs[2].energy, atol=1e-10)
    assert len(path) == 1 + 70 * (int(runs[0].sweeps.max()) + 1)  # one more sweep, that changed nothing


def test_sweeps_counts_what_changed() -> None:
    letters = four_letters()
    net = Hopfield(hebb(letters))
    cue = letters[0].clone()
    cue[7] = -cue[7]
    found = recall(net, torch.stack((letters[0], cue)), order="fixed")
    assert found.sweeps.tolist() == [0, 1]
    assert found.period.tolist() == [1, 1]
    # Each unit of a chain follows its right neighbour, and the last is held up: a word that travels against the order.
    links = torch.diag(torch.arange(1.0, 6.0), 1)
    chain = Hopfield(links + links.T, 7 * torch.eye(6)[5])
    start = -torch.ones(6)
    for sweeps in range(1, 8):
        found = recall(chain, start, order="fixed", sweeps=sweeps)
        assert int((found.state > 0).sum()) == min(sweeps, 6)
        assert bool(found.settled) == (sweeps >= 6)
        assert int(found.period) == int(found.settled)


def test_batches_of_any_shape() -> None:
    net, cues = random_net(12), spins(6, 12)
    for mode in ("asynchronous", "synchronous"):
        flat = recall(net, cues, mode=mode, order="fixed", trace=True)
        shaped = recall(net, cues.reshape(2, 3, 12), mode=mode, order="fixed", trace=True)
        single = recall(net, cues[4], mode=mode, order="fixed", trace=True)
        assert torch.equal(shaped.state.reshape(6, 12), flat.state)
        assert torch.equal(single.state, flat.state[4])
        assert flat.trace is not None
        assert shaped.trace is not None
        assert single.trace is not None
        assert shaped.trace.shape == (len(flat.trace), 2, 3)
        assert torch.equal(single.trace, flat.trace[: len(single.trace), 4])
        assert (
            shaped.energy.shape
            == shaped.sweeps.shape
            == shaped.settled.shape
            == shaped.period.shape
            == (2, 3)
        )
        for trace in (False, True):
            none = recall(net, cues[:0], mode=mode, trace=trace)
            assert none.state.shape == (0, 12)
            assert none.trace is None or none.trace.shape[1:] == (0,)


def test_synchronous_mode_sees_cycles() -> None:
    net, cues = random_net(9), spins(300, 9)
    for tie in ("up", "keep"):
        found = recall(net, cues, mode="synchronous", tie=tie)
        kinds = set()
        for i, cue in enumerate(cues):
            path = [cue]
            while not any(torch.equal(path[-1], x) for x in path[:-1]):
                path.append(net.updated(path[-1], tie=tie))
            first = next(t for t, x in enumerate(path) if torch.equal(path[-1], x))
            period = len(path) - 1 - first
            kinds.add(period)
            assert (int(found.period[i]), int(found.sweeps[i])) == (period, first)
            assert torch.equal(found.state[i], path[first])
            assert bool(found.settled[i]) == (period == 1)
        assert kinds == {1, 2}
        late = recall(net, cues, mode="synchronous", tie=tie, stop_early=False, sweeps=30)
        assert torch.equal(late.state, found.state)
        assert torch.equal(late.period, found.period)
    short = recall(net, cues, mode="synchronous", sweeps=1)
    truth = recall(net, cues, mode="synchronous")
    running = short.period == 0
    assert bool(running.any())
    assert torch.equal(short.state[running], net.updated(cues[running]))
    assert torch.equal(running, truth.sweeps + (truth.period == 2) > 1)


@pytest.mark.parametrize("tie", ["up", "keep"])
def test_known_units_stay(tie: str) -> None:
    net, cues = random_net(70), spins(200, 70)
    known = torch.rand(200, 70, generator=torch.Generator().manual_seed(5)) < 0.4
    found = recall(net, cues, order="fixed", known=known, tie=tie, trace=True)
    assert torch.equal(found.state[known], cues[known])
    assert bool(found.settled.all())
    assert not bool(net.is_fixed(found.state, tie=tie).any())  # a held unit need not agree
    assert bool(((net.updated(found.state, tie=tie) == found.state) | known).all())
    assert found.trace is not None
    assert found.trace.diff(dim=0).max() <= 1e-12
    assert torch.allclose(found.trace[-1], net.energy(found.state), atol=1e-10)
    # One free unit sees the others as they are: it is what updating it alone gives, in either mode.
    one = torch.arange(70) != 69
    for mode in ("asynchronous", "synchronous"):
        alone = recall(net, cues, mode=mode, order="fixed", known=one, tie=tie).state
        assert torch.equal(alone[:, :69], cues[:, :69])
        assert torch.equal(alone[:, 69], net.updated(cues, tie=tie)[:, 69])
    # Nothing held: as without the mask.
    free = recall(net, cues, order="fixed", known=torch.zeros(70, dtype=torch.bool), tie=tie)
    assert torch.equal(free.state, recall(net, cues, order="fixed", tie=tie).state)


def test_generator_makes_it_reproducible() -> None:
    net, cues = random_net(30), spins(50, 30)
    states = [recall(net, cues, generator=torch.Generator().manual_seed(s)).state for s in (0, 0, 1)]
    assert torch.equal(states[0], states[1])
    assert not torch.equal(states[0], states[2])


@pytest.mark.gpu
def test_recall_on_the_gpu() -> None:
    net, cues = random_net(100), spins(50, 100)
    there = Hopfield(net.weights.cuda(), net.bias.cuda())
    for mode in ("asynchronous", "synchronous"):
        here = recall(net, cues, mode=mode, generator=torch.Generator().manual_seed(0), trace=True)
        far = recall(there, cues.cuda(), mode=mode, generator=torch.Generator().manual_seed(0), trace=True)
        for a, b in zip(here, far, strict=True):
            assert b.device.type == "cuda"
            assert torch.equal(a, b.cpu())


@pytest.mark.bad_input
def test_bad_arguments() -> None:
    net, x = random_net(6), spins(2, 6)
    for error, words, call in (
        (TypeError, "net must be", lambda: recall(net.weights, x)),
        (ValueError, "mode must be one of", lambda: recall(net, x, mode="both")),
        (ValueError, "order must be one of", lambda: recall(net, x, order="last")),
        (ValueError, "tie must be one of", lambda: recall(net, x, tie="down")),
        (ValueError, "sweeps must be at least 1", lambda: recall(net, x, sweeps=0)),
        (TypeError, "sweeps must be an int", lambda: recall(net, x, sweeps=1.0)),
        (TypeError, "known must be a torch.Tensor of dtype torch.bool", lambda: recall(net, x, known=x)),
        (ValueError, r"known must have shape \(6,\) or \(2, 6\)", lambda: recall(net, x, known=x[:1] > 0)),
        (ValueError, r"x must end in the event shape \(6,\)", lambda: recall(net, x[:, :5])),
        (ValueError, r"x must hold \+1 and -1 only, got 0", lambda: recall(net, x * 0)),
        (ValueError, "got nan", lambda: recall(net, x / 0 * 0)),
        (TypeError, "x must have a floating dtype", lambda: recall(net, x.long())),
        (TypeError, "x must have the dtype of the weights", lambda: recall(net, x.float())),
        (
            ValueError,
            "x must be on the device of the weights",
            lambda: recall(net, torch.ones(6, dtype=x.dtype, device="meta")),
        ),
    ):
        with pytest.raises(error, match=words):
            call()
