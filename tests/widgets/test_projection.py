"""The browser's two divergences and their minima against gmlib in float64."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from gmlib.distributions import Gaussian, divergences_1d
from gmlib.distributions.projections import moment_projection, reverse_projection
from gmlib.widgets import TwoBumps

from .node import assert_same, evaluate

F64 = torch.float64
# weight, centre, variance
TARGETS = [
    (0.5, 2.0, 0.25),
    (0.8, 2.0, 0.25),
    (0.05, 3.0, 0.1),
    (0.5, 3.0, 0.25),
    (0.7, 0.8, 0.4),
    (0.5, 0.0, 1.0),
]
GUESSES = [(0.8, 1.0), (-4.0, 0.2), (4.0, 4.0), (2.0, 0.5), (0.0, 2.1)]
MAKE = "const p = new TwoBumps({ weight: data.target[0], centre: data.target[1], variance: data.target[2] });"
GRID = "const h = 0.12; const grid = { x0: -35 * h, h, nx: 71, y0: 2 * Math.log2(0.2) - h, ny: 76 };"


def run(body: str, target: tuple[float, float, float], **data: Any) -> Any:
    return evaluate("TwoBumps from projection", MAKE + GRID + body, target=target, **data)


def widget(target: tuple[float, float, float]) -> TwoBumps:
    weight, centre, variance = target
    return TwoBumps(weight=weight, centre=centre, variance=variance)


def minima(target: tuple[float, float, float]) -> list[dict[str, float]]:
    return run("return p.minima(grid, p.reverseMap(grid));", target)


@pytest.mark.parametrize("target", TARGETS)
def test_both_divergences_wherever_q_is_dragged(target: tuple[float, float, float]) -> None:
    got = run("return data.q.map(([m, s]) => [p.forward(m, s), p.reverse(m, s)]);", target, q=GUESSES)
    bumps = widget(target)
    for pair, (mean, std) in zip(got, GUESSES, strict=True):
        bumps.mean, bumps.std = mean, std
        terms = bumps.terms()
        assert_same(pair, torch.tensor([terms.forward, terms.reverse], dtype=F64))


@pytest.mark.parametrize("target", TARGETS)
def test_the_forward_minimum_has_the_moments_of_the_target(target: tuple[float, float, float]) -> None:
    weight, centre, variance = target
    got = run("return [p.moments.mean, p.moments.std, p.least];", target)
    law = widget(target).target
    projected = moment_projection(law)
    assert_same(got[:2], torch.stack([projected.mean[0], projected.stddev[0]]))
    assert_same(got[2], divergences_1d(law, projected).kl)
    terms = widget(target).terms()
    assert_same(got, torch.tensor([terms.mean, terms.std, terms.least_forward], dtype=F64))
    assert got[0] == pytest.approx((1 - 2 * weight) * centre, abs=1e-12)
    assert got[1] ** 2 == pytest.approx(variance + 4 * weight * (1 - weight) * centre**2)


@pytest.mark.parametrize("target", TARGETS)
def test_reverse_minima_are_those_of_newtons_method_in_torch(target: tuple[float, float, float]) -> None:
    law = widget(target).target
    found = minima(target)
    values = [one["value"] for one in found]
    assert values == pytest.approx(sorted(values), abs=1e-9)
    for one in found:
        start = Gaussian(torch.tensor([one["mean"] + 0.02], dtype=F64), var=(1.02 * one["std"]) ** 2)
        best = reverse_projection(law, start)
        assert_same([one["mean"], one["std"]], torch.stack([best.mean[0], best.stddev[0]]))
        assert_same(one["value"], divergences_1d(law, best).reverse_kl)
    # Wherever else the search starts, it ends in one of them.
    for mean, std in GUESSES:
        end = reverse_projection(law, Gaussian(torch.tensor([mean], dtype=F64), var=std**2), max_steps=500)
        distances = [
            abs(one["mean"] - end.mean.item()) + abs(one["std"] - end.stddev.item()) for one in found
        ]
        assert min(distances) < 1e-4


def test_how_many_minima_there_are() -> None:
    # Equal bumps far apart: one on each, at log 2 but for their overlap, and a worse one that covers both.
    left, right, both = minima((0.5, 2.0, 0.25))
    assert left["value"] == pytest.approx(math.log(2), abs=1e-3)
    assert (left["mean"], left["std"]) == pytest.approx((-2, 0.5), abs=2e-3)
    assert (right["mean"], right["std"]) == pytest.approx((-left["mean"], left["std"]), abs=1e-8)
    assert both["mean"] == pytest.approx(0, abs=1e-8)
    assert both["value"] == pytest.approx(1.871, abs=1e-3)
    # Unequal ones: one on each, at minus the log of its weight.
    heavy, light = minima((0.8, 2.0, 0.25))
    assert heavy["value"] == pytest.approx(-math.log(0.8), abs=2e-3)
    assert light["value"] == pytest.approx(-math.log(0.2), abs=2e-3)
    # Nearer to each other the one across both is the best, ...
    both, left, right = minima((0.5, 1.3, 0.25))
    assert both["mean"] == pytest.approx(0, abs=1e-8)
    assert both["value"] < left["value"] - 0.1
    # ... and close together the only one.
    assert len(minima((0.5, 1.0, 0.25))) == 1
    # A single bump is its own projection.
    (own,) = minima((0.5, 0.0, 1.0))
    assert (own["mean"], own["std"], own["value"]) == pytest.approx((0, 1, 0), abs=1e-9)


@pytest.mark.parametrize("target", [(0.5, 2.0, 0.25), (0.05, 3.0, 0.1), (0.5, 0.0, 1.0)])
def test_the_map_is_the_divergence_at_every_cell(target: tuple[float, float, float]) -> None:
    got = run(
        "const map = p.reverseMap(grid); const at = [[0, 0], [70, 75], [35, 40], [10, 20], [47, 3], [0, 75]];"
        "return at.map(([i, j]) => [grid.x0 + i * h, 2 ** ((grid.y0 + j * h) / 2), map[j * grid.nx + i]]);",
        target,
    )
    law = widget(target).target
    for mean, std, value in got:
        q = Gaussian(torch.tensor([mean], dtype=F64), var=std**2)
        assert value == pytest.approx(
            divergences_1d(law, q, points=60_001).reverse_kl.item(), rel=1e-4, abs=1e-4
        )


def test_gradient_and_hessian_by_differences() -> None:
    body = "return data.q.map(([m, l]) => p.expand(m, Math.exp(l)));"
    step = 1e-4
    mean, log_std = 0.6, -0.2
    places = [
        (mean, log_std),
        *((mean + a * step, log_std + b * step) for a, b in ((1, 0), (-1, 0), (0, 1), (0, -1))),
    ]
    here, *around = run(body, (0.7, 1.5, 0.3), q=places)
    for axis in (0, 1):
        ahead, behind = around[2 * axis], around[2 * axis + 1]
        assert here["gradient"][axis] == pytest.approx(
            (ahead["value"] - behind["value"]) / (2 * step), rel=1e-5
        )
        for other in (0, 1):
            bend = (ahead["gradient"][other] - behind["gradient"][other]) / (2 * step)
            assert here["hessian"][axis + other] == pytest.approx(bend, rel=1e-5)
