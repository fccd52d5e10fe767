"""The browser's modern Hopfield network against gmlib.energy in float64."""

from __future__ import annotations

import itertools
import math

import pytest
import torch

from gmlib.energy.modern_hopfield import ModernHopfield
from gmlib.widgets import ModernRecall
from gmlib.widgets.draws import Draws
from gmlib.widgets.modern_recall import STEPS, D, stored

from .node import assert_same, evaluate

F64 = torch.float64
MODULE = "bound, corrupted, effective, lead, Memory, ranks, residual from modern_hopfield"


def digits(count: int, d: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 1.0 - 2.0 * torch.randint(0, 2, (count, d), generator=generator).double()


@pytest.mark.parametrize("beta", [0.001, 1 / 28, 0.3, 1.0, 40.0])
def test_recall_weights_energy_and_bound(beta: float) -> None:
    patterns = digits(20, 64, 0)
    x = patterns[:5].clone()
    x[:, :10] *= -1
    x[3:, 40:] = 0.0
    memory = ModernHopfield(patterns, beta)
    got = evaluate(
        MODULE,
        "const memory = new Memory(Float64Array.from(data.patterns.flat()), 64);"
        "return data.x.map((x, i) => memory.recall(x, data.beta, 3).map((s) => ({ x: [...s.x], next: [...s.next],"
        " weights: [...s.weights], energy: s.energy, effective: effective(s.weights), gap: lead(s.products, i),"
        " bound: bound(memory.k, data.beta, lead(s.products, i)), residual: residual(s.x, memory.pattern(i)) })));",
        patterns=patterns,
        x=x,
        beta=beta,
    )
    path = memory.trace(x, 3)
    for i, run in enumerate(got):
        states = path.states[:, i]
        truth = {
            "x": states,
            "next": memory.step(states),
            "weights": memory.weights(states),
            "energy": path.energy[:, i],
            "effective": memory.effective_patterns(states),
            "gap": memory.gap(states, i),
            "bound": memory.residual_bound(states, i),
            "residual": (states - patterns[i]).abs().amax(-1),
        }
        for name, value in truth.items():
            assert_same([state[name] for state in run], value)
        for state in run:
            far = max(abs(a - b) for a, b in zip(state["next"], patterns[i].tolist(), strict=True))
            assert far <= state["bound"] * (1 + 1e-12) + 1e-12


def test_the_cue_is_pythons() -> None:
    strokes = [1, -2, 784, 400]
    draws = Draws(4)
    widget = ModernRecall(35, flipped=0.37, hidden=9, strokes=strokes, seed=4)
    got = evaluate(
        MODULE,
        "const flips = Math.floor(0.37 * 784 + 0.5);"
        "return [...corrupted(data.digit, ranks(data.u), flips, 784 - 9 * 28)];",
        digit=stored()[35],
        u=[draws.uniform() for _ in range(D)],
    )
    for stroke in strokes:
        got[abs(stroke) - 1] = math.copysign(1, stroke)
    assert_same(got, widget.cue())
    plain = ModernRecall(35, flipped=0.37, hidden=0, seed=4).cue()
    assert int((plain != stored()[35]).sum()) == round(0.37 * D)


def test_ranks_put_ties_in_order() -> None:
    assert evaluate(MODULE, "return [...ranks([3, 1, 3, 0, 1])];") == [3, 1, 4, 0, 2]


def test_the_terms_tell_of_a_recall() -> None:
    terms = ModernRecall(72, inv_temp=0.1).terms()
    assert all(len(values) == STEPS + 1 for values in vars(terms).values())
    assert terms.wrong[0] > 392
    assert terms.wrong[-1] == 0
    assert all(later <= earlier + 1e-9 for earlier, later in itertools.pairwise(terms.energies))
    for t in range(STEPS):
        assert terms.residuals[t + 1] <= terms.bounds[t] + 1e-12
    assert all(
        weight <= share + 1e-12 for weight, share in zip(terms.weight, terms.class_weight, strict=True)
    )


def test_a_cue_that_says_nothing_gets_the_mean_of_all_digits() -> None:
    widget = ModernRecall(3, hidden=28, inv_temp=1.0)
    terms = widget.terms()
    assert terms.effective[0] == pytest.approx(100)
    assert terms.energies[0] == pytest.approx(-math.log(100))
    assert torch.allclose(widget.states()[1], stored().double().mean(0))


def test_the_digits_travel_exactly() -> None:
    block = ModernRecall.block("digits")
    (row,) = block.arrays
    assert (row["shape"], row["scale"]) == ([100, 784], 1.0)
    received = torch.frombuffer(bytearray(block.data), dtype=torch.int8).reshape(100, 784)
    assert torch.equal(received.float(), stored())
    assert all(int(stored()[10 * c : 10 * c + 10].unique(dim=0).shape[0]) == 10 for c in range(10))
