"""The browser's guided normal laws against gmlib.diffusion.guidance in float64."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch

from gmlib.widgets import GuidanceWeight

from .node import assert_same, evaluate

F64 = torch.float64
MODULE = "tilt, sampled, endlessFlow, scores from guided_normal"
STATES: list[dict[str, Any]] = [
    {"w": w, "c": c, "var": v, "prior_var": prior, "steps": steps, "alpha_bar": bar}
    for (w, steps, bar), (c, v, prior) in itertools.product(
        ((2.0, 50, 0.5), (0.0, 25, 0.9), (1.0, 20, 0.02), (6.0, 40, 0.98), (-0.3, 20, 0.3), (-1.0, 20, 0.5)),
        ((1.0, 0.25, 1.0), (-2.5, 2.0, 0.05), (0.0, 0.05, 4.0), (1.0, 1 / 3, 2 / 3)),
    )
]
GIVE = (
    "const of = (s) => ({ ...s, variance: s.var, priorVar: s.prior_var });"
    "const law = (l) => l && [l.mean, l.variance];"
)


def test_the_numbers_of_the_chapter() -> None:
    """w = 2, c = 1, v = 1/4, v_c = 1."""
    terms = GuidanceWeight().terms()
    assert terms.tilt == pytest.approx((1.1111, 0.1389), abs=6e-5)
    assert terms.ancestral == pytest.approx((1.2003, 0.1037), abs=6e-5)
    assert terms.ddim == pytest.approx((1.3196, 0.0494), abs=6e-5)
    assert terms.flow == pytest.approx((1.3228, 0.05), abs=6e-5)


def test_slopes_at_one_noise_level() -> None:
    """x ~ N(0, 1) as a whole, v = 1/3, w = 3, half signal: -2.5 beside -1.75; for the first numbers -1/v_2 noised."""
    terms = GuidanceWeight(3.0, 1.0, 1 / 3, 2 / 3).terms()
    assert terms.guided_slope == pytest.approx(-2.5, abs=1e-12)
    assert terms.tilt_slope == pytest.approx(-1.75, abs=1e-12)
    # 1/2 of noise on 1/4 and on 5/4 of signal squared: -(2/.625 - 1/1.125), and the tilted law's 5/36.
    terms = GuidanceWeight().terms()
    assert terms.guided_slope == pytest.approx(-(2 / 0.625 - 1 / 1.125), abs=1e-12)
    assert terms.tilt_slope == pytest.approx(-1 / (5 / 72 + 0.5), abs=1e-12)


@pytest.mark.parametrize("w", [-0.25, -0.3, -1.0])
def test_what_cannot_be_normalised_is_said(w: float) -> None:
    """With v = 1/4 and v_c = 1 the density is flat at w = -1/4 and grows outwards below; the samplers make laws."""
    terms = GuidanceWeight(w).terms()
    assert terms.tilt is None
    assert terms.tilt_slope is None
    assert terms.flow.var == pytest.approx(0.25**w * 1.25 ** (1 - w), rel=1e-12)
    assert GuidanceWeight(-0.2).terms().tilt is not None


def test_w_is_bayes_at_one_and_the_data_at_nought() -> None:
    for w, wanted in ((0.0, (0.0, 1.25)), (1.0, (1.0, 0.25))):
        terms = GuidanceWeight(w).terms()
        assert terms.tilt == pytest.approx(wanted, abs=1e-12)
        assert terms.flow == pytest.approx(wanted, abs=1e-9)
        assert terms.ancestral == pytest.approx(wanted, abs=2e-3)
        assert terms.guided_slope == pytest.approx(terms.tilt_slope, abs=1e-12)


def test_laws_and_slopes_of_the_browser() -> None:
    got = evaluate(
        MODULE,
        GIVE + "return data.states.map((s) => { const now = of(s);"
        "const { guided, tilted } = scores(now, Math.sqrt(s.alpha_bar), Math.sqrt(1 - s.alpha_bar));"
        "return [tilt(now), sampled(now, 'ancestral'), sampled(now, 'ddim'), endlessFlow(now)].map(law).concat("
        "[guided.slope, tilted && tilted.slope]); });",
        states=STATES,
    )
    none = 0
    for state, (aim, *laws, guided, tilted) in zip(STATES, got, strict=True):
        terms = GuidanceWeight(**state).terms()
        assert_same(laws, torch.tensor([terms.ancestral, terms.ddim, terms.flow], dtype=F64))
        assert guided == pytest.approx(terms.guided_slope, rel=1e-9)
        if terms.tilt is None:
            assert (aim, tilted) == (None, None)
            none += 1
        else:
            assert_same(aim, torch.tensor(terms.tilt, dtype=F64))
            assert tilted == pytest.approx(terms.tilt_slope, rel=1e-9)
    assert none == 5


def test_small_variances_of_the_browser_have_torchs_digits() -> None:
    state: dict[str, Any] = {"w": 6.0, "c": 2.0, "var": 0.05, "prior_var": 4.0}
    got = evaluate(
        MODULE,
        GIVE + "const now = of({ ...data.state, steps: 1000 });"
        "return [sampled(now, 'ancestral'), sampled(now, 'ddim'), endlessFlow(now)].map(law);",
        state=state,
    )
    terms = GuidanceWeight(**state).terms()
    for law, wanted in zip(got, (terms.ancestral, terms.ddim, terms.flow), strict=True):
        assert law == pytest.approx(wanted, rel=1e-8)


def test_scores_of_the_browser_are_lines_through_gmlibs() -> None:
    x = torch.linspace(-3, 3, 7, dtype=F64)
    got = evaluate(
        MODULE,
        GIVE
        + "const { guided, one, all } = scores(of({ w: 2.5, c: 1.2, var: 0.4, prior_var: 1.5 }), 0.8, 0.6);"
        "return [guided, one, all].map((line) => data.x.map((x) => line.offset + line.slope * x));",
        x=x,
    )
    case = GuidanceWeight(2.5, 1.2, 0.4, 1.5).case
    for values, w in zip(got, (2.5, 1.0, 0.0), strict=True):
        assert_same(values, case.score(x, w, 0.8, 0.6))
