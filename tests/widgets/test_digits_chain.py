"""The browser's chain of digits against gmlib.energy in float64 under the same noise, and what int8 does to it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from gmlib.energy import RBM
from gmlib.widgets import DigitsChain
from gmlib.widgets.arrays import Block
from gmlib.widgets.digits_chain import PIXELS, SIDE
from gmlib.widgets.draws import Draws

from .node import assert_same, evaluate

F64 = torch.float64
SIZES = (9, 7)
MODULE = "Dream, Machine from rbm_chain; unpack from weights"
READ = (
    "const bytes = Uint8Array.from(data.block);"
    "const read = unpack(data.arrays, new DataView(bytes.buffer));"
    "const plain = Object.fromEntries(Object.entries(read).map(([name, a]) => [name, a.data]));"
    "const machine = new Machine(plain);"
)
SHOW = "({ x: [...dream.x], hidden: [...dream.hidden], visible: [...dream.visible], energy: dream.energy })"


def small() -> tuple[dict[str, Tensor], RBM]:
    """A machine of few units, its weights whole numbers times a scale: as the browser gets it, and as gmlib has it."""
    draw = torch.Generator().manual_seed(1)
    d, d_h = SIZES
    arrays = {
        "weight": torch.randint(-127, 128, (d, d_h), generator=draw),
        "scale": torch.rand(d_h, generator=draw) / 40,
        "b": torch.randn(d, generator=draw),
        "c": torch.randn(d_h, generator=draw),
    }
    weight = arrays["weight"].double() * arrays["scale"].double()
    return arrays, RBM.from_weights(weight, arrays["b"].double(), arrays["c"].double())


def uniforms(seed: int, n: int) -> list[float]:
    draws = Draws(seed)
    return [draws.uniform() for _ in range(n)]


def truth(machine: RBM, x: Tensor, held: Tensor, noise: list[float], steps: int, beta: float) -> list[Any]:
    """State, probabilities and free energy after every step, by gmlib."""
    found, left = [], torch.tensor(noise, dtype=F64)
    for _ in range(steps):
        u, v, left = (
            left[: machine.d_h],
            left[machine.d_h : machine.d_h + machine.d],
            left[machine.d_h + machine.d :],
        )
        h = (u < torch.sigmoid(beta * machine.hidden_logits(x))).double()
        mean = torch.sigmoid(beta * machine.visible_logits(h))
        x = torch.where(held >= 0, held, (v < mean).double())
        hidden = torch.sigmoid(beta * machine.hidden_logits(x))
        found.append((x, hidden, torch.where(held >= 0, held, mean), machine.free_energy(x)))
    return found


@torch.no_grad()
@pytest.mark.parametrize("beta", [0.4, 1.0, 2.5])
@pytest.mark.parametrize("holding", [False, True])
def test_steps_under_the_same_noise(beta: float, holding: bool) -> None:
    arrays, machine = small()
    d, d_h = SIZES
    steps, x = 40, torch.tensor([1.0, 0, 1, 1, 0, 0, 1, 0, 1], dtype=F64)
    held = (
        torch.tensor([1.0, 0, -1, -1, 1, -1, -1, 0, -1], dtype=F64)
        if holding
        else torch.full((d,), -1.0, dtype=F64)
    )
    noise = uniforms(4, steps * (d + d_h))
    got = evaluate(
        MODULE,
        "let i = 0; const dream = new Dream(new Machine(data.machine), () => data.noise[i++]);"
        "dream.begin(Uint8Array.from(data.x)); dream.held.set(data.held); dream.hold(); dream.settle(data.beta);"
        f"return Array.from({{ length: data.steps }}, () => {{ dream.step(data.beta); return {SHOW}; }});",
        machine={key: value.flatten().tolist() for key, value in arrays.items()},
        noise=noise,
        x=x,
        held=held,
        beta=beta,
        steps=steps,
    )
    x = torch.where(held >= 0, held, x)
    for found, (state, hidden, visible, energy) in zip(
        got, truth(machine, x, held, noise, steps, beta), strict=True
    ):
        assert found["x"] == state.tolist()
        assert_same(found["hidden"], hidden)
        assert_same(found["visible"], visible)
        assert_same(found["energy"], energy)
        if holding:
            assert [v for v, h in zip(found["x"], held.tolist(), strict=True) if h >= 0] == [1, 0, 1, 0]


@torch.no_grad()
def test_a_hidden_units_field_is_its_column_of_weights() -> None:
    arrays, machine = small()
    got = evaluate(
        MODULE,
        "const machine = new Machine(data.machine);"
        "return [[...machine.field(2)], machine.freeEnergy(data.x), [...machine.hidden(data.x)],"
        " [...machine.visible(data.h)]];",
        machine={key: value.flatten().tolist() for key, value in arrays.items()},
        x=[1, 1, 0, 0, 1, 0, 1, 0, 0],
        h=[0, 1, 1, 0, 0, 0, 1],
    )
    x = torch.tensor([1.0, 1, 0, 0, 1, 0, 1, 0, 0], dtype=F64)
    h = torch.tensor([0.0, 1, 1, 0, 0, 0, 1], dtype=F64)
    for found, value in zip(
        got,
        (machine.weight[:, 2], machine.free_energy(x), machine.hidden_logits(x), machine.visible_logits(h)),
        strict=True,
    ):
        assert_same(found, value)


def test_the_trained_chain_is_that_of_gmlib() -> None:
    # Fetched as the page fetches it: bytes and their table.
    widget = DigitsChain("noise", half="left", ink=[0, 30], paper=[31], inv_temp=0.9, seed=5)
    block: Block = widget.block("machine")
    got = evaluate(
        MODULE,
        READ + "let i = 0; const dream = new Dream(machine, () => data.noise[i++]); dream.randomise();"
        f"for (let p = 0; p < {PIXELS}; p++) if (p % {SIDE} < {SIDE // 2}) dream.held[p] = dream.x[p];"
        "dream.held[0] = dream.held[30] = 1; dream.held[31] = 0; dream.hold(); dream.settle(0.9);"
        f"const found = [{SHOW}]; for (let t = 0; t < 3; t++) {{ dream.step(0.9); found.push({SHOW}); }}"
        "return [found, plain.digits.length];",
        block=list(block.data),
        arrays=block.arrays,
        noise=uniforms(5, PIXELS + 3 * (PIXELS + 500)),
    )
    path = widget.chain(3)
    assert torch.equal(torch.tensor([found["x"] for found in got[0]], dtype=F64), path)
    assert torch.equal(path[:, 0], torch.ones(4, dtype=F64))
    assert torch.equal(path[:, :14], path[:1, :14].expand(4, 14))  # the left half is held
    assert not torch.equal(path[1], path[2])
    for steps, found in enumerate(got[0]):
        terms = widget.terms(steps)
        assert_same(
            [found["energy"], sum(found["hidden"])],
            torch.tensor([terms.free_energy, terms.hidden], dtype=F64),
        )
        assert sum(found["x"]) == terms.pixels
    assert got[1] == 10 * PIXELS


def test_int8_changes_no_conditional_probability_by_more_than_a_twentieth() -> None:
    assert max(DigitsChain().rounding()) < 1 / 20


def test_what_is_fetched_is_a_byte_a_weight() -> None:
    block = DigitsChain.block("machine")
    assert {row["name"]: row["dtype"] for row in block.arrays} == {
        "weight": "int8",
        "scale": "float32",
        "b": "float32",
        "c": "float32",
        "digits": "int8",
    }
    assert PIXELS * 500 < len(block.data) < 0.42e6


def test_test_digits_are_likelier_than_noise() -> None:
    terms = DigitsChain("noise").terms()
    assert terms.digits < DigitsChain("blank", ink=[*range(0, PIXELS, 2)]).terms().free_energy
    assert terms.digits < terms.free_energy


@pytest.mark.parametrize("radius", [0.5, 1.0, 2.5])
def test_a_round_pen_touches_the_pixels_whose_middles_it_covers(radius: float) -> None:
    places = [(0.2, 0.3), (14.6, 3.1), (27.9, 27.9)]
    middles = torch.arange(28) + 0.5
    found = evaluate(
        "touched from pixel_pen",
        "return [...touched(data.places, data.radius, 28)].sort((a, b) => a - b);",
        places=places,
        radius=radius,
    )
    truth = {28 * int(y) + int(x) for x, y in places}
    for x, y in places:
        near = torch.hypot(middles - x, middles[:, None] - y) <= radius
        truth |= {int(i) for i in near.flatten().nonzero()}
    assert found == sorted(truth)


def test_a_stroke_leaves_no_gap_and_a_half_is_half_of_the_pixels() -> None:
    found = evaluate(
        "along, REGIONS from pixel_pen",
        "const count = (inside) => Array.from({ length: 784 }, (_, i) => inside(Math.floor(i / 28), i % 28, 28))"
        "  .filter(Boolean).length;"
        "return { way: along([1, 2], [4, 6]), still: along([3, 3], [3, 3]),"
        " counts: Object.values(REGIONS).map(count) };",
    )
    way = torch.tensor([[1.0, 2.0], *found["way"]])
    assert way[-1].tolist() == [4, 6]
    assert float(way.diff(dim=0).norm(dim=-1).max()) <= 0.5 + 1e-6
    assert found["still"] == [[3, 3]]
    assert found["counts"] == [0, 392, 392, 392, 392]
