"""The browser's Hopfield network against gmlib.energy in float64, and both against what is known of the four letters."""

from __future__ import annotations

import itertools

import pytest
import torch

from gmlib.data.bitmaps import four_letters
from gmlib.energy.attractors import kinds_of
from gmlib.energy.hopfield import Hopfield, hebb
from gmlib.energy.recall import recall
from gmlib.widgets import HopfieldLetters
from gmlib.widgets.draws import Draws

from .node import assert_same, evaluate

F64 = torch.float64
LETTERS = four_letters().double()
TURNING = [1 if c == "X" else -1 for c in "XXX.X...X.XX.X..XX.X.X.X."]
"""A pattern that ends, all units at once, in two states that take turns."""
DRAWN = "let i = 0; const uniform = () => data.u[i++];"
MODULE = "activations, damaged, energy, fixed, hebb, kind, margins, overlap, Recall, shuffled from hopfield"


def uniforms(seed: int, count: int = 1000) -> list[float]:
    draws = Draws(seed)
    return [draws.uniform() for _ in range(count)]


def spins(count: int, *, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 1.0 - 2.0 * torch.randint(0, 2, (count, 25), generator=generator).double()


def test_weights_energies_and_margins() -> None:
    patterns = torch.cat([LETTERS, spins(3)])
    x = torch.cat([patterns, spins(20, seed=1)])
    net = Hopfield(hebb(patterns))
    got = evaluate(
        MODULE,
        "const w = hebb(data.patterns); return [[...w], data.x.map((x) => energy(w, x)),"
        " data.x.map((x) => [...activations(w, x)]), data.x.map((x) => [...margins(w, x)]),"
        " data.x.map((x) => Number(fixed(w, x))), data.x.map((x) => data.patterns.map((p) => overlap(x, p)))];",
        patterns=patterns,
        x=x,
    )
    truth = (
        net.weights,
        net.energy(x),
        net.activation(x),
        net.margins(x),
        net.is_fixed(x).double(),
        x @ patterns.T / 25,
    )
    for js, value in zip(got, truth, strict=True):
        assert_same(js, value)
    assert net.margins(x).eq(0).any(), "a tie is among the cases"


@pytest.mark.parametrize("mode", ["asynchronous", "synchronous"])
def test_runs_are_those_of_python(mode: str) -> None:
    ends = set()
    # Steps that end before the run does, at its end and after it; memories beyond the capacity as well.
    for seed, steps, extra in (
        (0, 7, 0),
        (1, 30, 0),
        (2, 1000, 0),
        (3, 300, 4),
        (4, 60, 6),
        (5, 41, 0),
        (6, 1, 0),
    ):
        widget = HopfieldLetters(
            TURNING if seed == 5 else "M",
            flips=0 if seed == 5 else 12,
            mode=mode,
            steps=steps,
            extra=spins(extra, seed=7 + seed),
            seed=seed,
        )
        got = evaluate(
            MODULE,
            DRAWN
            + "const run = new Recall(hebb(data.memories), data.start, data.mode, uniform).run(data.steps);"
            "return [run.states.map((x) => [...x]), run.energies, run.end ?? ''];",
            memories=widget.memories,
            start=widget.start,
            mode=mode,
            u=uniforms(seed),
            steps=steps,
        )
        terms = widget.terms()
        assert_same(got[0], widget.run())
        assert_same(got[1], torch.tensor(terms.energies, dtype=F64))
        assert got[2] == terms.end
        ends.add(terms.end)
        if mode == "asynchronous":
            assert all(later <= earlier for earlier, later in itertools.pairwise(terms.energies))
    assert ends == ({"", "fixed"} if mode == "asynchronous" else {"", "fixed", "cycle"})


def test_the_constructor_damages_as_the_browser_does() -> None:
    widget = HopfieldLetters("C", flips=5, seed=11)
    (js,) = evaluate(
        MODULE,
        DRAWN + "return [[...damaged(data.x, 5, uniform)]];",
        x=LETTERS[2].int().tolist(),
        u=uniforms(11 + 2**27),
    )
    assert js == widget.start
    assert sum(a != b for a, b in zip(js, LETTERS[2].tolist(), strict=True)) == 5


def test_synchronous_repairs_as_counted() -> None:
    # 98 of the 100 letters with one flipped pixel and 1132 of the 1200 with two: exact counts.
    got = evaluate(
        MODULE,
        "const w = hebb(data.letters); const counts = [0, 0];"
        "const back = (x, y) => { const run = new Recall(w, y, 'synchronous').finish(100);"
        " return String(run.states[run.length]) === String(x) ? 1 : 0; };"
        "for (const x of data.letters) for (let i = 0; i < 25; i++) {"
        " const y = [...x]; y[i] = -y[i]; counts[0] += back(x, y);"
        " for (let j = 0; j < i; j++) { const z = [...y]; z[j] = -z[j]; counts[1] += back(x, z); } }"
        "return counts;",
        letters=LETTERS.int().tolist(),
    )
    assert got == [98, 1132]


@pytest.mark.parametrize("extra", [0, 2])
def test_ends_are_named(extra: int) -> None:
    patterns = torch.cat([LETTERS, spins(extra, seed=5)])
    starts = torch.cat([LETTERS, -LETTERS, spins(400, seed=3)])
    ends = recall(Hopfield(hebb(patterns)), starts, generator=torch.Generator().manual_seed(0)).state
    ends = torch.cat([ends.unique(dim=0), spins(20, seed=9)])
    got = evaluate(
        MODULE,
        "return data.ends.map((x) => kind(x, data.patterns));",
        ends=ends.int().tolist(),
        patterns=patterns.int().tolist(),
    )
    long = {3: "mixture of three", len(patterns): "mixture of all"}
    named = [long[len(end["which"])] if end["kind"] == "mixture" else end["kind"] for end in got]
    assert named == kinds_of(ends, patterns)
    assert set(named) >= {"stored", "inverted", "mixture of three", "other"}
    for end, found in zip(ends, got, strict=True):
        parts = [patterns[abs(k) - 1] * (1 if k > 0 else -1) for k in found["which"]]
        if parts:
            assert bool((torch.stack(parts).sum(0) * end >= 0).all())


def test_a_two_cycle_is_found_and_no_fixed_point() -> None:
    # One memory of two: x and its mirror image take turns when W = [[0, 1], [1, 0]].
    got = evaluate(
        MODULE,
        "const w = hebb([[1, 1]]); const run = new Recall(w, [1, -1], 'synchronous').finish(50);"
        "const other = new Recall(w, [1, -1], 'asynchronous', () => 0.5).run(50);"
        "const seen = [run.end, run.over, run.states.map((x) => [...x]), [...run.energies]];"
        "return [...seen, other.end, other.energies.at(-1), [...run.run(51).states[51]], run.over];",
    )
    assert got[:4] == ["cycle", 2, [[1, -1], [-1, 1], [1, -1]], [1, 1, 1]]
    assert got[4:] == ["fixed", -1, [-1, 1], 2]


def test_every_order_is_equally_likely() -> None:
    # 24 orders of four, 4800 draws: chi-squared with 23 degrees of freedom, five standard deviations above its mean.
    got = evaluate(
        MODULE,
        DRAWN + "const counts = {};"
        "for (let t = 0; t < 4800; t++) { const key = String(shuffled(4, uniform)); counts[key] = (counts[key] ?? 0) + 1; }"
        "return Object.values(counts);",
        u=uniforms(5, 3 * 4800),
    )
    assert len(got) == 24
    assert sum((count - 200) ** 2 / 200 for count in got) < 23 + 5 * 46**0.5


def test_what_is_stored_beyond_the_capacity_is_lost() -> None:
    crowded = HopfieldLetters(extra=spins(6, seed=1))
    patterns = torch.tensor(crowded.memories, dtype=F64)
    assert not bool(crowded.net.is_fixed(patterns).all())
    assert bool(HopfieldLetters().net.is_fixed(LETTERS).all())


def test_ends_are_counted_and_a_cycle_once_for_both_of_its_states() -> None:
    a, b = [1, -1, 1], [-1, -1, 1]
    found = evaluate(
        "ends from hopfield",
        "const { a, b } = data, cycle = (...states) => ({ end: 'cycle', states });"
        "return ends([{ state: a, count: 2 }], [{ end: 'fixed', states: [b, a] }, cycle(a, b), cycle(b, a)]);",
        a=a,
        b=b,
    )
    assert found == [{"state": a, "count": 3}, {"state": b, "count": 2}]
