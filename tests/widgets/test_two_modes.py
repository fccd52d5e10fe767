"""The browser's divergences of two modes against gmlib in float64, and both against numbers from elsewhere."""

from __future__ import annotations

import math
from decimal import Decimal, localcontext

import pytest
import torch

from gmlib.distributions import divergences_1d
from gmlib.score import fisher_divergence
from gmlib.widgets import TwoModes
from gmlib.widgets.two_modes import CENTRES, SIGMAS, STDS, WEIGHTS

from .node import assert_same, evaluate

F64 = torch.float64
# weight, model_weight, centre, std
PAIRS = [
    (0.5, 0.2, 5.0, 1.0),
    (0.8, 0.5, 5.0, 0.5),
    (0.05, 0.95, 6.0, 0.3),
    (0.95, 0.05, 6.0, 2.0),
    (0.3, 0.6, 1.0, 1.0),
    (0.7, 0.2, 0.0, 1.0),
    (0.4, 0.4, 3.0, 0.7),
]
LEVELS = [0.0, 0.1, 1.0, 4.5, 20.0]
MODULE = "clearest, density, divergences, score, scoreGap, weightsKl from two_modes_divergence"


def widget(pair: tuple[float, float, float, float], sigma: float) -> TwoModes:
    weight, model_weight, centre, std = pair
    return TwoModes(weight, model_weight, centre=centre, std=std, sigma=sigma)


def browsers(pair: tuple[float, float, float, float], levels: list[float]) -> list[dict[str, float]]:
    weight, model_weight, centre, std = pair
    return evaluate(
        MODULE,
        "return data.levels.map((sigma) => divergences({ ...data.law, sigma }));",
        law={"weight": weight, "modelWeight": model_weight, "centre": centre, "std": std},
        levels=levels,
    )


@pytest.mark.parametrize("pair", PAIRS)
def test_divergences_at_every_noise_level(pair: tuple[float, float, float, float]) -> None:
    for sigma, got in zip(LEVELS, browsers(pair, LEVELS), strict=True):
        terms = widget(pair, sigma).terms()
        for name in ("fisher", "weighted", "square", "kl"):
            assert_same(got[name], torch.tensor(getattr(terms, name), dtype=F64))
        # The bound above would let a divergence of 1e-22 pass as zero; the page shows four digits of it.
        assert got["fisher"] == pytest.approx(terms.fisher, rel=1e-9, abs=0)
        assert got["kl"] == pytest.approx(terms.kl, rel=1e-9, abs=1e-15)


@pytest.mark.parametrize("pair", PAIRS)
def test_densities_and_scores(pair: tuple[float, float, float, float]) -> None:
    weight, model_weight, centre, std = pair
    x = torch.linspace(-15, 15, 61, dtype=F64)[:, None]
    got = evaluate(
        MODULE,
        "const { w, u } = data; return data.levels.map((v) => { const law = { centre: data.centre, v };"
        " const gap = scoreGap(w, u, law); return data.x.flat().map((x) =>"
        " [density(w, law, x), density(u, law, x), score(w, law, x), score(u, law, x), gap(x)]); });",
        w=weight,
        u=model_weight,
        centre=centre,
        levels=[std**2 + sigma**2 for sigma in LEVELS],
        x=x,
    )
    for sigma, rows in zip(LEVELS, got, strict=True):
        p, q = widget(pair, sigma).laws
        densities = [law.log_prob(x).exp() for law in (p, q)]
        scores = [law.score(x)[:, 0] for law in (p, q)]
        assert_same(rows, torch.stack([*densities, *scores, scores[0] - scores[1]], -1))


def test_the_numbers_of_the_chapter() -> None:
    blind = TwoModes().terms()
    assert blind.fisher == pytest.approx(2.879e-6, abs=5e-10)
    assert blind.kl == pytest.approx(0.2231, abs=5e-5)
    assert blind.weighted == 0
    law = (0.8, 0.5, 5.0, 0.5)
    for sigma, square in ((0.1, 1.24e-22), (2.0, 0.0289), (5.0, 0.1218), (20.0, 0.0204)):
        assert widget(law, sigma).terms().square == pytest.approx(square, rel=0.005)
    sigmas = [4.3 + 0.01 * i for i in range(41)]
    squares = [widget(law, sigma).terms().square for sigma in sigmas]
    assert max(squares) == pytest.approx(0.1243, abs=5e-5)
    assert sigmas[squares.index(max(squares))] == pytest.approx(4.5, abs=0.1)


@pytest.mark.parametrize("sigma", [0.0, 0.1])
def test_a_divergence_of_1e_22_has_its_digits(sigma: float) -> None:
    # Forty digits, with the scores as the derivatives of the logs of the densities.
    with localcontext(prec=40):
        v = Decimal("0.25") + Decimal(str(sigma)) ** 2

        def law(weight: str, x: Decimal) -> tuple[Decimal, Decimal]:
            left = Decimal(weight) * (-((x + 5) ** 2) / (2 * v)).exp()
            right = (1 - Decimal(weight)) * (-((x - 5) ** 2) / (2 * v)).exp()
            total = left + right
            return total / (2 * Decimal(math.pi) * v).sqrt(), ((5 - x) * right - (5 + x) * left) / (total * v)

        step, truth = Decimal("0.01"), Decimal(0)
        for i in range(-100, 101):
            (density, s_p), (_, s_q) = (law(weight, i * step) for weight in ("0.8", "0.5"))
            truth += step * density * (s_p - s_q) ** 2 / 2
    got = widget((0.8, 0.5, 5.0, 0.5), sigma).terms().fisher
    assert got == pytest.approx(float(truth), rel=1e-9, abs=0)


@pytest.mark.parametrize("pair", PAIRS)
def test_kl_is_that_of_the_package(pair: tuple[float, float, float, float]) -> None:
    for sigma in (0.0, 2.0):
        shown = widget(pair, sigma)
        assert shown.terms().kl == pytest.approx(divergences_1d(*shown.laws).kl.item(), abs=1e-9)


@pytest.mark.parametrize("pair", PAIRS)
def test_the_fisher_divergence_is_that_of_the_package(pair: tuple[float, float, float, float]) -> None:
    x = torch.linspace(-30, 30, 60_001, dtype=F64)[:, None]
    for sigma in (0.0, 2.0):
        shown = widget(pair, sigma)
        p, q = shown.laws
        values = p.log_prob(x).exp() * fisher_divergence(p.score, q.score, x)
        assert shown.terms().fisher == pytest.approx(torch.trapezoid(values, x[:, 0]).item(), abs=1e-9)


@pytest.mark.parametrize("pair", PAIRS)
def test_the_square_is_how_fast_the_kl_falls(pair: tuple[float, float, float, float]) -> None:
    # de Bruijn: dKL/d(sigma^2) = -D_F, so 2 sigma^2 D_F = -dKL/d(log sigma), here by central differences.
    step = 1e-4
    for sigma in (0.8, 3.0, 10.0):
        ahead, behind = (widget(pair, sigma * math.exp(e)).terms().kl for e in (step, -step))
        slope = (behind - ahead) / (2 * step)
        assert widget(pair, sigma).terms().square == pytest.approx(slope, rel=1e-6, abs=1e-11)


@pytest.mark.parametrize("pair", PAIRS[:5])
def test_where_noise_shows_most(pair: tuple[float, float, float, float]) -> None:
    weight, model_weight, centre, std = pair
    got = evaluate(
        MODULE,
        "return clearest(data.law, Array.from({ length: 40 }, (_, i) => 0.05 * 400 ** (i / 39)));",
        law={"weight": weight, "modelWeight": model_weight, "centre": centre, "std": std},
    )
    here, *around = (widget(pair, got * factor).terms().square for factor in (1.0, 0.99, 1.01, 0.5, 1.6))
    assert here > max(around)


def test_far_modes_leave_the_divergence_of_the_weights() -> None:
    terms = TwoModes(0.3, 0.9, centre=6.0, std=0.3).terms()
    truth = 0.3 * math.log(0.3 / 0.9) + 0.7 * math.log(0.7 / 0.1)
    assert terms.kl == pytest.approx(truth, abs=1e-12)
    assert terms.kl_weights == pytest.approx(truth, abs=1e-12)
    assert terms.fisher < 1e-80
    assert_same(evaluate(MODULE, "return weightsKl(0.3, 0.9);"), torch.tensor(truth, dtype=F64))


def test_equal_laws_have_no_divergence() -> None:
    for pair in ((0.4, 0.4, 3.0, 0.7), (0.7, 0.2, 0.0, 1.0)):
        terms = widget(pair, 1.0).terms()
        assert terms.fisher == 0
        assert terms.kl == pytest.approx(0, abs=1e-14)


def test_every_corner_of_the_ranges_is_a_number() -> None:
    corners = [
        (w, u, c, s) for w in WEIGHTS for u in WEIGHTS for c in (CENTRES[0], 0.05, CENTRES[1]) for s in STDS
    ]
    got = evaluate(
        MODULE,
        "return data.corners.map(([weight, modelWeight, centre, std]) => data.levels.map("
        "(sigma) => Object.values(divergences({ weight, modelWeight, centre, std, sigma }))));",
        corners=corners,
        levels=[*SIGMAS],
    )
    values = torch.tensor(got, dtype=F64)  # JSON has null for what is not a number
    assert values.shape == (24, 2, 4)
    assert bool((values >= 0).all())
