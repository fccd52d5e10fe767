"""The browser's variance recursion against gmlib's schedule and samplers in float64."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
import torch

from gmlib.distributions import Gaussian
from gmlib.noise import DDPM, VPCosine, exact_denoiser
from gmlib.noise.samplers import ancestral, ddim, steps_of
from gmlib.widgets import VarianceRecursion
from gmlib.widgets.chain_steps import COUNTS, FINE
from gmlib.widgets.variance_recursion import NOISES

from .node import assert_same, evaluate

F64 = torch.float64
BARS = [
    dict(zip(("front", "above", "below"), bars, strict=True))
    for bars in itertools.product((False, True), repeat=3)
]
MODULE = "variances, finalVariance, marginal from reverse_variance; COUNTS, FINE from ddpm_steps"


@pytest.mark.parametrize(
    ("state", "final"),
    [
        ({"below": True}, 0.2508),
        ({"below": True, "noise": "beta_tilde"}, 0.2461),
        ({"below": True, "steps": 50}, 0.2619),
        ({"below": True, "steps": 50, "last_noise": True}, 0.2676),
        ({"below": True, "steps": 50, "noise": "beta_tilde"}, 0.1972),
        ({"noise": "ddim", "steps": 50}, 0.2222),
        ({}, 0.0305),
        ({"front": True, "above": True, "below": True}, 0.0112),
        ({"front": True, "below": True}, math.inf),
        # Data of variance one, every hundredth level: beta is exact if every step adds noise.
        ({"variance": 1.0, "steps": 10, "below": True, "last_noise": True}, 1.0),
        ({"variance": 1.0, "steps": 10, "below": True}, 0.8970),
        ({"variance": 1.0, "steps": 10, "below": True, "noise": "beta_tilde"}, 0.5483),
    ],
)
def test_final_variances_of_the_right_step_and_of_slips(state: dict[str, Any], final: float) -> None:
    assert VarianceRecursion(**state).terms().final == pytest.approx(final, abs=5.1e-5)


@pytest.mark.parametrize("steps", [1, 8, 50])
@pytest.mark.parametrize("noise", NOISES)
def test_the_right_step_multiplies_as_gmlibs_samplers_do(noise: str, steps: int) -> None:
    v = 0.3
    denoiser = exact_denoiser(Gaussian(torch.zeros(1, dtype=F64), var=v), DDPM.linear())
    found = VarianceRecursion(v, steps, noise=noise, below=True)
    times = torch.arange(steps, -1, -1, dtype=F64) / steps
    variance = 1.0
    for step, exact in zip(steps_of(DDPM.linear(), times), found.variances()[1:].tolist(), strict=True):
        sample = ddim if noise == "ddim" else ancestral
        # The last step of a grid adds no noise: its result is the mean.
        m = sample(denoiser, torch.ones(1, 1, dtype=F64), [step.t, step.s]).x.item()
        fresh = {"beta": step.beta, "beta_tilde": step.beta_tilde, "ddim": 0.0}[noise]
        variance = m**2 * variance + (fresh if step.s > 0 else 0.0)
        assert exact == pytest.approx(variance, abs=1e-12)


@pytest.mark.parametrize("noise", NOISES)
def test_variances_of_the_browser(noise: str) -> None:
    states = [
        {"variance": variance, "steps": steps, "last_noise": last, **bars}
        for variance, last in ((0.25, False), (2.5, True))
        for steps in (1, 4, 50)
        for bars in BARS
    ]
    got = evaluate(
        MODULE,
        "return data.states.map((s) => [...variances({ ...s, lastNoise: s.last_noise, noise: data.noise,"
        " bars: { front: s.front, above: s.above, below: s.below } }).values]);",
        states=states,
        noise=noise,
    )
    for state, values in zip(states, got, strict=True):
        truth = VarianceRecursion(**state, noise=noise).variances()
        # Where the root in front is wrong the numbers grow to 1e65: relative there.
        assert_same(
            [v / max(1.0, abs(w)) for v, w in zip(values, truth.tolist(), strict=True)],
            truth / truth.abs().clamp(min=1),
        )


def test_a_thousand_steps_and_the_noised_data() -> None:
    got = evaluate(
        MODULE,
        "const of = (noise, bars) => finalVariance({ variance: 0.25, steps: 1000, noise, lastNoise: false, bars });"
        "const run = variances({ variance: 0.25, steps: 1000, noise: 'beta', lastNoise: false, bars: data.bars[1] });"
        "return [[COUNTS, FINE], data.bars.map((bars) => of('beta', bars)), [...run.times].map((t) => marginal(0.25, t))];",
        bars=BARS,
    )
    assert got[0] == [[*COUNTS], [*FINE]]
    for bars, value in zip(BARS, got[1], strict=True):
        truth = VarianceRecursion(**bars).terms().final
        if math.isinf(truth):
            assert value is None  # JSON has no infinity
        else:
            assert value == pytest.approx(truth, abs=1e-9)
    assert_same(got[2], VarianceRecursion().exact())


@pytest.mark.parametrize(("name", "schedule"), [("ddpmLinear", DDPM.linear()), ("cosine", VPCosine())])
def test_schedules_of_the_browser(name: str, schedule: Any) -> None:
    t = torch.linspace(0.001, schedule.t_max, 41, dtype=F64)
    got = evaluate(
        "ddpmLinear, cosine, evenTimes, stepsOf from schedules",
        f"const schedule = {name}();"
        "const steps = stepsOf(schedule, evenTimes(schedule, 20)).map((s) => [s.t, s.s, s.alphaT, s.sigmaT, s.alphaS,"
        " s.sigmaS, s.beta, s.betaTilde]);"
        "return [...['alpha', 'sigma', 'dAlpha'].map((f) => data.t.map(schedule[f])), steps];",
        t=t,
    )
    for values, f in zip(got, (schedule.alpha, schedule.sigma, schedule.d_alpha), strict=False):
        assert_same(values, f(t))
    even = torch.linspace(schedule.t_max, 0.0, 21, dtype=F64)
    truth = [
        [s.t, s.s, s.alpha_t, s.sigma_t, s.alpha_s, s.sigma_s, s.beta, s.beta_tilde]
        for s in steps_of(schedule, even)
    ]
    assert_same(got[3], torch.tensor(truth, dtype=F64))
