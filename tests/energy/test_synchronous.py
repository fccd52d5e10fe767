"""All units at once: the two-cycle, and the energy of two moments."""

from __future__ import annotations

import pytest
import torch

from gmlib.energy import Hopfield, all_states, doubled, recall, synchronous_path, two_step_energy

SWAP = torch.tensor([[0.0, 1.0], [1.0, 0.0]])


def random_net(d: int, seed: int, whole: bool = True) -> Hopfield:
    g = torch.Generator().manual_seed(seed)
    draw = torch.randint(-2, 3, (d, d), generator=g) if whole else torch.randn(d, d, generator=g)
    weights = draw.double().triu(1)
    return Hopfield(weights + weights.T, torch.randint(-1, 2, (d,), generator=g).double())


def test_synchronous_hopfield() -> None:
    # Two units that each follow the other, started apart, change places for ever.
    net, x = Hopfield(SWAP), torch.tensor([1.0, -1.0])
    path = synchronous_path(net, x, 6)
    assert path.tolist() == [[1, -1], [-1, 1]] * 3 + [[1, -1]]
    found = recall(net, x, mode="synchronous")
    assert (int(found.period), bool(found.settled), int(found.sweeps)) == (2, False, 0)
    assert bool(recall(net, x).settled)  # one at a time, they agree
    assert two_step_energy(net, path[1:], path[:-1]).tolist() == [-2.0] * 6  # constant on the cycle
    # From every state of several nets: L never rises, and E itself does somewhere.
    rises = 0
    for seed in range(20):
        net = random_net(8, seed, whole=seed % 2 == 0)
        path = synchronous_path(net, all_states(8), 20)
        lyapunov = two_step_energy(net, path[1:], path[:-1])
        assert lyapunov.diff(dim=0).max() <= 1e-12
        assert torch.equal(path[-1], path[-3])  # at the end, a fixed point or a two-cycle
        rises += int((net.energy(path).diff(dim=0) > 1e-9).sum())
    assert rises > 100
    # The step is minus twice the activations of the units that differ from two steps ago.
    drop = -2 * (net.activation(path[1:-1]).abs() * (path[2:] != path[:-2])).sum(-1)
    assert torch.allclose(lyapunov.diff(dim=0), drop, atol=1e-12)


def test_symmetry_is_needed() -> None:
    # Three units in a ring, each following the one before: a three-cycle. Hopfield refuses such weights.
    ring = torch.tensor([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    x = torch.tensor([1.0, -1.0, -1.0])
    assert torch.equal(torch.linalg.matrix_power(ring, 3) @ x, x)
    assert not torch.equal(torch.linalg.matrix_power(ring, 2) @ x, x)
    with pytest.raises(ValueError, match="symmetric"):
        Hopfield(ring)


def test_doubled() -> None:
    net = random_net(7, 3, whole=False)
    twice = doubled(net)
    x = all_states(7)
    path = synchronous_path(net, x, 4)
    both = torch.cat((path[1], path[0]), -1)
    assert torch.allclose(twice.energy(both), two_step_energy(net, path[1], path[0]), atol=1e-12)
    # One sweep over its units, first the half that holds the older state: two synchronous steps.
    older_first = torch.cat((path[0], path[1]), -1)
    after = recall(twice, older_first, order="fixed", sweeps=1).state
    assert torch.equal(after, torch.cat((path[2], path[3]), -1))


def test_path_keeps_on_a_tie() -> None:
    net, x = Hopfield(torch.zeros(2, 2)), torch.tensor([-1.0, 1.0])
    assert synchronous_path(net, x, 1)[-1].tolist() == [1, 1]
    assert synchronous_path(net, x, 1, tie="keep")[-1].tolist() == [-1, 1]


@pytest.mark.bad_input
def test_bad_arguments() -> None:
    net, x = Hopfield(SWAP), torch.tensor([1.0, -1.0])
    for error, words, call in (
        (TypeError, "net must be", lambda: synchronous_path(SWAP, x, 1)),
        (TypeError, "net must be", lambda: two_step_energy(SWAP, x, x)),
        (TypeError, "net must be", lambda: doubled(SWAP)),
        (ValueError, "steps must be at least 1", lambda: synchronous_path(net, x, 0)),
        (ValueError, "tie must be one of", lambda: synchronous_path(net, x, 1, tie="down")),
        (ValueError, "x must hold", lambda: synchronous_path(net, 0.5 * x, 1)),
        (ValueError, "x must end in", lambda: synchronous_path(net, x[:1], 1)),
        (TypeError, "x must have the dtype", lambda: synchronous_path(net, x.double(), 1)),
        (TypeError, "before must have the dtype", lambda: two_step_energy(net, x, x.double())),
        (ValueError, "now must have the shape of before", lambda: two_step_energy(net, x, x[None])),
    ):
        with pytest.raises(error, match=words):
            call()
