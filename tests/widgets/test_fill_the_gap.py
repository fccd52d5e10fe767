"""The browser's guided fields against gmlib's measured denoiser and samplers in float64."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from gmlib.noise import DDPM, exact_denoiser
from gmlib.noise.guidance import Measured
from gmlib.noise.samplers import ddim, ddpm_times
from gmlib.widgets import FillTheGap
from gmlib.widgets.fill_the_gap import NUGGET, PLACES

from .node import assert_same, evaluate

F64 = torch.float64
MODULE = "covariance, posterior, sampled, meanOf, compare, shaped, NUGGET, PLACES from gaussian_field"
RULES = ("tweedie", "isotropic", "none")


def from_browser(gap: FillTheGap) -> list[Any]:
    """Means and covariances: exact, and by the three rules; then how far each is off."""
    return evaluate(
        MODULE,
        "const exact = posterior(data.state); const y = data.state.seen.map((i) => data.values[i]);"
        "const mean = meanOf(exact.gain, y);"
        "return [[[...mean], [...exact.cov]], ...data.rules.map((rule) => {"
        "const { gain, cov } = sampled(data.state, rule);"
        "const m = meanOf(gain, y); const { off, band } = compare(m, cov, mean, exact.cov);"
        "return [[...m], [...cov], [off, band]]; })];",
        state={name: getattr(gap, name) for name in ("seen", "length", "noise", "sampler", "steps")},
        values=gap.values,
        rules=RULES,
    )


@pytest.mark.parametrize(
    ("rule", "state"),
    [
        ("tweedie", {"steps": 40}),
        ("isotropic", {"steps": 25}),
        ("none", {"steps": 50}),
        ("tweedie", {"sampler": "ddim", "length": 6.0, "noise": 1.0, "seen": [0, 9, 10]}),
        ("isotropic", {"sampler": "ddim", "noise": 0.05}),
        ("none", {"sampler": "ddim", "length": 0.5, "seen": [7]}),
        ("none", {"seen": [*range(PLACES)], "noise": 0.6, "length": 1.5}),
    ],
)
def test_laws_of_the_browser(rule: str, state: dict[str, Any]) -> None:
    gap = FillTheGap(covariance=rule, **{"steps": 20, **state})
    exact, *made = from_browser(gap)
    truth = gap.posterior()
    assert_same(exact[0], truth.mean)
    assert_same(exact[1], truth.cov)
    mean, cov, (off, band) = made[RULES.index(rule)]
    law = gap.sampled()
    assert_same(mean, law.mean)
    assert_same(cov, law.cov)
    assert_same(off, (law.mean - truth.mean).square().mean().sqrt())
    assert_same(band, (law.cov.trace() / truth.cov.trace()).sqrt())


def test_terms_are_those_of_the_laws() -> None:
    gap = FillTheGap(covariance="none", steps=20, noise=0.8, pair=[6, 12])
    (mean, cov), *made = from_browser(gap)
    terms = gap.terms()
    assert_same(made[2][2], torch.tensor([terms.off, terms.band], dtype=F64))
    for matrix, wanted in ((cov, terms.exact_correlation), (made[2][1], terms.correlation)):
        c = torch.tensor(matrix, dtype=F64).reshape(PLACES, PLACES)
        assert float(c[6, 12] / (c[6, 6] * c[12, 12]).sqrt()) == pytest.approx(wanted, abs=1e-6)
    assert len(mean) == PLACES


def test_nothing_measured_is_the_field_itself() -> None:
    gap = FillTheGap(seen=[], steps=20)
    exact, *made = from_browser(gap)
    prior = gap.prior.covariance
    assert_same(exact[1], prior)
    assert_same(exact[0], torch.zeros(PLACES, dtype=F64))
    truth = gap.sampled()
    for mean, cov, _ in made:
        assert_same(mean, torch.zeros(PLACES, dtype=F64))
        assert_same(cov, truth.cov)

    # What is off is the length of the steps: it falls as 1/n.
    off = [
        torch.tensor(from_browser(FillTheGap(seen=[], steps=n))[1][1], dtype=F64) - prior.flatten()
        for n in (100, 200)
    ]
    assert float(off[1].abs().max()) == pytest.approx(float(off[0].abs().max()) / 2, rel=0.05)


def test_the_true_covariance_is_exact_and_the_others_are_not() -> None:
    """A thousand steps: what is left of the error is the formula's."""
    got = from_browser(FillTheGap(steps=1000))
    (right, one, none) = (numbers for _, _, numbers in got[1:])
    assert right == pytest.approx([0.0, 1.0], abs=5e-4)
    assert one == pytest.approx([0.0708, 1.0731], abs=6e-5)
    assert none == pytest.approx([0.2410, 0.8916], abs=6e-5)


def test_a_guess_taken_for_the_truth_flies_off_where_noise_is_small() -> None:
    got = from_browser(FillTheGap(noise=0.05, steps=50))
    for _, _, numbers in got[1:3]:
        assert max(numbers) < 3
    off, band = got[3][2]
    assert off is None or off > 1e6
    assert band is None or band > 1e6
    assert FillTheGap(noise=0.05, steps=20, covariance="none").terms().off > 1e6


def test_the_law_is_that_of_ddims_points() -> None:
    """Four starts, sent through gmlib's own sampler, are where the law's map sends them."""
    gap = FillTheGap(covariance="none", sampler="ddim", steps=20, noise=0.6)
    schedule = DDPM.linear()
    seen = torch.eye(PLACES, dtype=F64)[gap.seen]
    y = seen @ torch.tensor(gap.values, dtype=F64)
    denoiser = Measured(
        exact_denoiser(gap.prior, schedule), seen, y, gap.noise**2, covariance="none", var=1 + NUGGET
    )
    axes = torch.cat([torch.zeros(1, PLACES, dtype=F64), torch.eye(PLACES, dtype=F64)])
    ends = ddim(denoiser, axes, ddpm_times(schedule, 20)).x
    law = gap.sampled()
    root = (ends[1:] - ends[0]).mT
    torch.testing.assert_close(law.mean, ends[0], rtol=0, atol=1e-9)
    start = float(schedule.sigma(1.0)) ** 2
    torch.testing.assert_close(law.cov, start * root @ root.mT, rtol=0, atol=1e-9)


def test_samples_have_the_covariance_they_are_drawn_with() -> None:
    gap = FillTheGap()
    got = evaluate(
        MODULE,
        "const { cov } = sampled(data.state, 'tweedie');"
        "return [[...cov], data.axes.map((axis) => [...shaped(cov, axis)])];",
        state={name: getattr(gap, name) for name in ("seen", "length", "noise", "sampler", "steps")},
        axes=torch.eye(PLACES, dtype=F64),
    )
    root = torch.tensor(got[1], dtype=F64).mT
    assert_same(got[0], (root @ root.mT).flatten())


def test_the_field_is_the_same_in_both() -> None:
    got = evaluate(MODULE, "return [NUGGET, PLACES, [...covariance(2.5)]];")
    assert got[:2] == [NUGGET, PLACES]
    assert_same(got[2], FillTheGap().prior.covariance)
