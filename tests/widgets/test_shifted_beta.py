"""The browser's shifted laws against gmlib.gan in float64, and both against closed forms."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from gmlib.gan import BetaLaw
from gmlib.widgets import ShiftedLaws

from .node import assert_same, evaluate

F64 = torch.float64
SHIFTS = [-3.0, -1.0, -0.97, -0.4, -0.05, -0.025, 0.0, 0.03, 0.35, 0.999, 1.0, 2.0, 3.0]
BANDWIDTHS = [0.1, 0.5, 2.0]


def found() -> list[dict[str, Any]]:
    return evaluate(
        "critic, jsd, kl, mmd2 from shifted_beta",
        "return data.bandwidths.flatMap((l) => { const m = mmd2(l); return data.shifts.map((s) =>"
        " ({ kl: kl(s), jsd: jsd(s), w1: critic(s), mmd2: { value: m.value(s), slope: m.slope(s) }, most: m.most })); });",
        shifts=SHIFTS,
        bandwidths=BANDWIDTHS,
    )


def test_distances_and_their_slopes_at_every_shift() -> None:
    cases = [(shift, bandwidth) for bandwidth in BANDWIDTHS for shift in SHIFTS]
    for (shift, bandwidth), got in zip(cases, found(), strict=True):
        terms = ShiftedLaws(shift, bandwidth=bandwidth).terms()
        if math.isinf(terms.kl):
            assert got["kl"] is None  # JSON has no infinity
        else:
            assert_same(got["kl"], torch.tensor(terms.kl, dtype=F64))
        values = [got["jsd"]["value"], got["w1"]["value"], got["mmd2"]["value"], got["most"]]
        assert_same(values, torch.tensor([terms.jsd, terms.w1, terms.mmd2, terms.mmd2_most], dtype=F64))
        slopes = [got["jsd"]["slope"], got["mmd2"]["slope"]]
        assert_same(slopes, torch.tensor([terms.jsd_slope, terms.mmd2_slope], dtype=F64))
        # gmlib's critic turns at points of a grid of spacing 5e-5 to 2e-4, the browser's where the functions cross.
        assert got["w1"]["slope"] == pytest.approx(terms.w1_slope, abs=1e-3)


def test_laws_that_are_apart_in_closed_form() -> None:
    cases = [shift for _ in BANDWIDTHS for shift in SHIFTS]
    for shift, got in zip(cases, found(), strict=True):
        if abs(shift) >= 1:
            assert got["jsd"]["value"] == pytest.approx(math.log(2), abs=1e-12)
            assert got["jsd"]["slope"] == 0
            assert got["w1"]["value"] == pytest.approx(abs(shift + 0.025), abs=1e-12)  # 3/8 and 2/5
            assert got["w1"]["slope"] == pytest.approx(math.copysign(1, shift), abs=1e-12)
            assert set(got["w1"]["slopes"]) == {-math.copysign(1, shift)}


def test_the_two_shifts_of_the_chapter() -> None:
    assert ShiftedLaws(1.0).terms().w1 == pytest.approx(1.025, abs=1e-9)
    assert ShiftedLaws(2.0).terms().w1 == pytest.approx(2.025, abs=1e-9)


@pytest.mark.parametrize("shift", [-1.5, -0.06, 0.0, 0.3, 2.0])
def test_the_best_critic_and_what_it_attains(shift: float) -> None:
    x = torch.linspace(min(0.0, shift), max(0.0, shift) + 1, 401, dtype=F64)
    nodes = (torch.arange(20_000, dtype=F64) + 0.5) / 20_000
    values, at_p, at_q, best = evaluate(
        "critic, criticAt from shifted_beta",
        "const best = critic(data.shift); const at = (xs) => [...criticAt(xs, best, data.shift)];"
        "return [at(data.x), at(data.nodes), at(data.nodes.map((y) => y + data.shift)), best];",
        shift=shift,
        x=x,
        nodes=nodes,
    )
    # Up to a constant it is gmlib's critic from the distribution functions on a grid.
    truth = ShiftedLaws(shift).critic()(x)
    got = torch.tensor(values, dtype=F64)
    assert (
        float((got - got[0] - truth + truth[0]).abs().max()) < 1e-3
    )  # where F_p and F_q agree to rounding, near an end, the grid has no slope
    assert float(got.diff().abs().max()) <= float(x.diff().max()) * (1 + 1e-12)  # 1-Lipschitz
    p, q = BetaLaw(3, 5), BetaLaw(2, 3)
    means = [
        float((p.density(nodes) * torch.tensor(at_p)).mean()),
        float((q.density(nodes) * torch.tensor(at_q)).mean()),
    ]
    assert means[0] - means[1] == pytest.approx(best["value"], abs=1e-7)


@pytest.mark.parametrize(("shift", "bandwidth"), [(0.0, 0.1), (0.4, 1.5), (-2.0, 0.3), (2.0, 0.5)])
def test_the_witness_is_gmlibs_and_its_value_is_the_mmd(shift: float, bandwidth: float) -> None:
    x = torch.linspace(-3, 4, 141, dtype=F64)
    nodes = (torch.arange(2000, dtype=F64) + 0.5) / 2000
    values, at_p, at_q, squared = evaluate(
        "mmd2, witness from shifted_beta",
        "const value = mmd2(data.bandwidth).value(data.shift);"
        "const at = (xs) => [...witness(xs, data.shift, data.bandwidth, value)];"
        "return [at(data.x), at(data.nodes), at(data.nodes.map((y) => y + data.shift)), value];",
        shift=shift,
        bandwidth=bandwidth,
        x=x,
        nodes=nodes,
    )
    assert_same(values, ShiftedLaws(shift, bandwidth=bandwidth).witness(x[:, None]))
    p, q = BetaLaw(3, 5), BetaLaw(2, 3)
    means = [(p.density(nodes) * torch.tensor(at_p)).mean(), (q.density(nodes) * torch.tensor(at_q)).mean()]
    assert float(means[0] - means[1]) == pytest.approx(math.sqrt(squared), abs=1e-6)


def test_the_densities_and_what_hangs_on_them() -> None:
    y = torch.linspace(-0.5, 1.5, 41, dtype=F64)
    p = BetaLaw(3, 5)
    density, cdf, slope, area = evaluate(
        "beta from shifted_beta",
        "const law = beta(3, 5);"
        "return ['density', 'cdf', 'slope', 'area'].map((name) => data.y.map((v) => law[name](v)));",
        y=y,
    )
    at = y.clone().requires_grad_()
    inside = (y > 0) & (y < 1)
    (truth,) = torch.autograd.grad(p.density(at).sum(), at)
    assert_same(density, p.density(y))
    assert_same(cdf, p.cdf(y))
    assert_same([s for s, keep in zip(slope, inside.tolist(), strict=True) if keep], truth[inside])
    # The integral of the distribution function, by Simpson's rule on a fine grid.
    fine = torch.linspace(-0.5, 1.5, 4001, dtype=F64)
    parts = (p.cdf(fine[:-1]) + p.cdf(fine[1:]) + 4 * p.cdf((fine[:-1] + fine[1:]) / 2)) / 6 * fine.diff()
    assert_same(area, torch.cat([torch.zeros(1, dtype=F64), parts.cumsum(0)])[::100])


def test_legendre_nodes_are_those_of_numpy() -> None:
    import numpy as np

    nodes, weights = evaluate(
        "legendre from shifted_beta",
        "const { nodes, weights } = legendre(48); return [[...nodes], [...weights]];",
    )
    truth = np.polynomial.legendre.leggauss(48)
    assert_same(nodes, torch.tensor((truth[0] + 1) / 2))
    assert_same(weights, torch.tensor(truth[1] / 2))
