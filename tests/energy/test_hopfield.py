"""Hebb's rule and the energy of a Hopfield network, on nets small enough to go through every state."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from gmlib.data import four_letters
from gmlib.energy import Hopfield, all_states, hebb, recall

F64 = torch.float64


def six_units() -> Hopfield:
    """A net for 384 updates: the draws after those of the reference RBM."""
    rng = np.random.default_rng(0)
    rng.normal(size=(4, 3)), rng.normal(size=4), rng.normal(size=3)
    weights = rng.normal(size=(6, 6))
    weights = weights + weights.T
    np.fill_diagonal(weights, 0)
    return Hopfield(torch.tensor(weights), torch.tensor(3 * rng.normal(size=6)))


def updates(net: Hopfield, activation: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Every state with every unit updated alone: before and after, (2^d d, d)."""
    x = all_states(net.d)
    new = torch.where((net.activation(x) if activation is None else activation) >= 0, 1.0, -1.0).to(F64)
    own = torch.eye(net.d, dtype=torch.bool)
    after = torch.where(own, new[:, None, :], x[:, None, :])
    return x.repeat_interleave(net.d, 0), after.flatten(0, 1)


def hadamard(k: int) -> Tensor:
    h = torch.ones(1, 1)
    for _ in range(k):
        h = torch.cat((torch.cat((h, h), 1), torch.cat((h, -h), 1)))
    return h


def test_hebb_rule() -> None:
    patterns = 2 * torch.randint(2, (5, 9), generator=torch.Generator().manual_seed(0)).float() - 1
    weights = hebb(patterns)
    for i in range(9):
        for j in range(9):
            truth = sum(float(x[i] * x[j]) for x in patterns) if i != j else 0.0
            assert weights[i, j].item() == truth
    assert torch.allclose(hebb(patterns, normalise=True), weights / 9)
    # A stored bit has the margin d - K + sum over the others of x_i^k x_i^l (x^k . x^l).
    letters = four_letters()
    products = letters @ letters.T
    for x in (patterns, letters, hadamard(4)[1:8]):
        net, (count, d) = Hopfield(hebb(x)), x.shape
        inner = x @ x.T
        crosstalk = torch.stack(
            [
                sum((x[k] * x[n] * inner[k, n] for n in range(count) if n != k), torch.zeros(d))
                for k in range(count)
            ]
        )
        assert torch.equal(net.margins(x), d - count + crosstalk)
    # Nearly orthogonal: the margin is at least d - K less the sum of the products, in size.
    floor = 25 - 4 - (products.abs().sum(1) - 25)
    assert floor.tolist() == [12, 8, 10, 6]
    assert torch.equal(
        Hopfield(hebb(letters)).margins(letters).min(1).values, floor
    )  # and the floor is reached
    # Orthogonal: 7 of 16, all margins 9.
    assert bool((Hopfield(hebb(hadamard(4)[1:8])).margins(hadamard(4)[1:8]) == 9).all())


def test_binary_hopfield() -> None:
    net = six_units()
    before, after = updates(net)
    assert len(before) == 384
    rise = net.energy(after) - net.energy(before)
    assert int((rise > 1e-12).sum()) == 0
    moved = (before != after).any(1)
    assert int(moved.sum()) > 100
    assert rise[moved].max() < -1e-3  # no ties here: what moves, falls
    assert torch.allclose(net.energy_changes(all_states(6)).flatten(), rise, atol=1e-12)
    # The energy itself, by a double sum.
    for x in all_states(6)[::7]:
        total = -sum(
            0.5 * float(net.weights[i, j] * x[i] * x[j]) for i in range(6) for j in range(6)
        ) - float(net.bias @ x)
        assert net.energy(x).item() == pytest.approx(total, abs=1e-12)
    # Runs from all 64 states end in fixed points, and the fixed points are the states that no update changes.
    fixed = net.is_fixed(all_states(6))
    assert torch.equal(fixed, ~moved.reshape(64, 6).any(1))
    found = recall(net, all_states(6))
    assert bool(found.settled.all())
    assert set(map(tuple, found.state.tolist())) == set(map(tuple, all_states(6)[fixed].tolist()))


def test_the_half_and_the_bias_are_needed() -> None:
    net = six_units()
    before, after = updates(net)

    def without_half(x: Tensor) -> Tensor:
        return -(x * (x @ net.weights)).sum(-1) - x @ net.bias

    assert bool((without_half(after) > without_half(before) + 1e-3).any())
    # An activation that leaves the bias out, where the energy has it.
    before, after = updates(net, all_states(6) @ net.weights)
    assert bool((net.energy(after) > net.energy(before) + 1e-3).any())
    # And a unit that listens to itself can go uphill in the energy of pairs, or with W's diagonal counted by 1/2.
    own = net.weights - 3 * torch.eye(6, dtype=F64)
    before, after = updates(net, all_states(6) @ own + net.bias)

    def with_own(x: Tensor) -> Tensor:
        return -0.5 * (x * (x @ own)).sum(-1) - x @ net.bias

    assert bool((with_own(after) > with_own(before) + 1e-3).any())


def test_ties() -> None:
    net = Hopfield(torch.zeros(3, 3), torch.tensor([1.0, 0.0, -1.0]))
    x = torch.tensor([[-1.0, -1.0, -1.0], [1.0, 1.0, 1.0]])
    assert net.updated(x).tolist() == [[1, 1, -1], [1, 1, -1]]
    assert net.updated(x, tie="keep").tolist() == [[1, -1, -1], [1, 1, -1]]
    y = torch.tensor([1.0, -1.0, -1.0])
    assert (bool(net.is_fixed(y)), bool(net.is_fixed(y, tie="keep"))) == (False, True)
    assert (
        net.energy_changes(x, tie="keep").tolist()
        == net.energy_changes(x).tolist()
        == [[-2, 0, 0], [0, 0, -2]]
    )


def test_the_negative_of_a_fixed_point() -> None:
    # Without biases E(-x) = E(x) and every margin is the same: -x rests iff x does, unless a margin is 0.
    net = Hopfield(hebb(four_letters()))
    x = 2 * torch.randint(2, (500, 25), generator=torch.Generator().manual_seed(0)).float() - 1
    assert torch.equal(net.energy(-x), net.energy(x))
    assert torch.equal(net.margins(-x), net.margins(x))
    rest = recall(net, x).state
    firm = (net.margins(rest) > 0).all(1)
    assert int(firm.sum()) > 0
    assert bool(net.is_fixed(-rest[firm]).all())
    assert bool(net.is_fixed(-rest, tie="keep").all())
    tilted = Hopfield(net.weights, torch.full((25,), 8.0))
    assert bool(tilted.is_fixed(four_letters()[0]))
    assert torch.equal(tilted.energy(-x) - tilted.energy(x), 16 * x.sum(1))


def test_the_network_keeps_its_own_copy() -> None:
    net = six_units()
    weights, bias = net.weights.clone(), net.bias.clone()
    copy = Hopfield(weights, bias)
    weights.zero_()
    bias.zero_()
    assert torch.equal(copy.weights, net.weights)
    assert torch.equal(copy.bias, net.bias)


@pytest.mark.bad_input
def test_bad_arguments() -> None:
    w = hebb(four_letters())
    net = Hopfield(w)
    for error, words, call in (
        (TypeError, "patterns must be a torch.Tensor", lambda: hebb([[1.0]])),
        (TypeError, "patterns must have a floating dtype", lambda: hebb(torch.ones(1, 2, dtype=torch.int64))),
        (ValueError, r"patterns must have shape \(K, d\)", lambda: hebb(torch.ones(3))),
        (ValueError, r"patterns must have shape \(K, d\)", lambda: hebb(torch.ones(0, 3))),
        (ValueError, r"patterns must hold \+1 and -1 only, got 0", lambda: hebb(torch.zeros(1, 3))),
        (ValueError, "patterns must hold .* got nan", lambda: hebb(torch.full((1, 3), torch.nan))),
        (ValueError, r"weights must have shape \(d, d\)", lambda: Hopfield(w[:3])),
        (ValueError, "weights must be finite", lambda: Hopfield(w * torch.nan)),
        (
            ValueError,
            "weights must have a zero diagonal, got an entry of size 2",
            lambda: Hopfield(w - 2 * torch.eye(25)),
        ),
        (ValueError, "weights must be symmetric", lambda: Hopfield(w.triu())),
        (ValueError, "bias must", lambda: Hopfield(w, torch.zeros(24))),
        (ValueError, r"bias must have shape \(25,\)", lambda: Hopfield(w, torch.zeros(2, 25))),
        (
            TypeError,
            "bias must have the dtype of the weights",
            lambda: Hopfield(w, torch.zeros(25, dtype=F64)),
        ),
        (ValueError, "bias must be finite", lambda: Hopfield(w, torch.full((25,), torch.inf))),
        (ValueError, "bias must be on the device", lambda: Hopfield(w, torch.zeros(25, device="meta"))),
        (ValueError, "x must end in", lambda: net.energy(torch.ones(2, 24))),
        (TypeError, "x must have a floating dtype", lambda: net.energy(torch.ones(25, dtype=torch.int64))),
        (TypeError, "x must have the dtype", lambda: net.margins(torch.ones(25, dtype=F64))),
        (ValueError, "tie must be one of", lambda: net.updated(torch.ones(25), tie="down")),
    ):
        with pytest.raises(error, match=words):
            call()
