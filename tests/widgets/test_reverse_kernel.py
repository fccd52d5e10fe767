"""The browser's reverse kernel against gmlib.diffusion in float64, and both against the values of the chapter."""

from __future__ import annotations

import itertools

import pytest
import torch

from gmlib.diffusion.reverse_kernel import reverse_kernel
from gmlib.distributions import GaussianMixture
from gmlib.noise.samplers import Step
from gmlib.widgets import ReverseKernel

from .node import assert_same, evaluate

F64 = torch.float64
MODULE = (
    "kernel, marginal, density, logDensity, moments, halfSeparation, klToMatched, peaks from reverse_kernel"
)
STATES = [
    {"x": x, "alpha_bar_s": bar, "beta": beta, "weight": weight, "std": std}
    for x, (bar, beta), (weight, std) in itertools.product(
        (0.0, 0.4, -3.0),
        ((0.7, 0.5), (0.7, 0.01), (0.99, 0.99), (0.02, 0.2)),
        ((0.5, 0.0), (0.05, 0.6), (0.9, 0.2)),
    )
]
GIVE = "const of = (s) => kernel({ ...s, barS: s.alpha_bar_s });"


@pytest.mark.parametrize(
    ("beta", "apart", "kl"),
    [(0.5, 1.34, 0.039), (0.2, 1.03, 0.011), (0.05, 0.59, 4.5e-4), (0.01, 0.28, 2.1e-6)],
)
def test_two_points_cost_what_the_chapter_says(beta: float, apart: float, kl: float) -> None:
    terms = ReverseKernel(beta=beta).terms()
    assert terms.half_separation == pytest.approx(apart, abs=5e-3)
    assert terms.kl == pytest.approx(kl, rel=0.05)
    assert terms.peaks == (2 if apart > 1 else 1)


@pytest.mark.parametrize(("bar_t", "apart"), [(0.89, 0.95), (0.5, 2.83)])
def test_half_separation_of_two_steps_from_nine_tenths(bar_t: float, apart: float) -> None:
    assert ReverseKernel(alpha_bar_s=0.9, beta=1 - bar_t / 0.9).terms().half_separation == pytest.approx(
        apart, abs=5e-3
    )


def test_the_kernel_is_gmlibs() -> None:
    for std in (0.0, 0.3):
        found = ReverseKernel(0.7, alpha_bar_s=0.8, beta=0.3, std=std)
        bar_s, bar_t = 0.8, found.alpha_bar_t
        step = Step(0.5, 0.4, bar_t**0.5, (1 - bar_t) ** 0.5, bar_s**0.5, (1 - bar_s) ** 0.5)
        points = torch.tensor([[-1.0], [1.0]], dtype=F64)
        law = points if std == 0 else GaussianMixture(points, var=std**2)
        z = torch.linspace(-3, 3, 31, dtype=F64)[:, None]
        truth = reverse_kernel(law, torch.tensor([0.7], dtype=F64), step).log_prob(z)
        assert torch.allclose(found.kernel.log_prob(z), truth, rtol=0, atol=1e-12)


def test_the_kernel_of_the_browser() -> None:
    z = torch.linspace(-3, 3, 13, dtype=F64)
    got = evaluate(
        MODULE,
        GIVE + "return data.states.map((s) => { const law = of(s); const m = moments(law); return ["
        "data.z.map((z) => logDensity(law, z)), [m.mean, Math.sqrt(m.variance), law.weights[1], halfSeparation(law)],"
        " peaks(law)]; });",
        states=STATES,
        z=z,
    )
    for state, (logs, numbers, peaks) in zip(STATES, got, strict=True):
        widget = ReverseKernel(**state)
        terms = widget.terms()
        truth = [terms.mean, terms.std, terms.upper, terms.half_separation]
        assert_same(logs, widget.kernel.log_prob(z[:, None]))
        assert_same(numbers, torch.tensor(truth, dtype=F64))
        assert peaks == terms.peaks, state


def test_divergences_of_the_browser_have_torchs_digits() -> None:
    got = evaluate(MODULE, GIVE + "return data.states.map((s) => klToMatched(of(s)));", states=STATES)
    for state, kl in zip(STATES, got, strict=True):
        assert kl == pytest.approx(ReverseKernel(**state).terms().kl, rel=1e-6, abs=1e-13), state


def test_marginals_of_the_browser() -> None:
    z = torch.linspace(-3, 3, 13, dtype=F64)
    got = evaluate(
        MODULE,
        "return [0.95, 0.3].map((bar) => data.z.map((z) => density(marginal({ weight: 0.3, std: 0.2 }, bar), z)));",
        z=z,
    )
    weights = torch.tensor([0.3, 0.7], dtype=F64)
    law = GaussianMixture(torch.tensor([[-1.0], [1.0]], dtype=F64), weights=weights, var=0.04)
    for bar, values in zip((0.95, 0.3), got, strict=True):
        assert_same(values, law.noised(bar**0.5, (1 - bar) ** 0.5).log_prob(z[:, None]).exp())
