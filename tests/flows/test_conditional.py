"""Densities with a condition: a law whose conditional entropy is known, and what flows reach on it."""

from __future__ import annotations

import math

import pytest
import torch

from gmlib.flows import (
    Affine,
    Bijection,
    Flow,
    MaskedAutoregressive,
    RationalQuadratic,
    SkewedWave,
    StandardNormal,
)

F64 = torch.float64
WAVE = SkewedWave()


def test_skewed_wave() -> None:
    # The density of x at each c integrates to one, with the entropy 1 + Euler's constant + c.
    line = torch.linspace(-20, 60, 40_001, dtype=F64).unsqueeze(-1)
    for place in (-0.9, 0.0, 0.8):
        log_p = WAVE.log_prob(line, torch.full_like(line, place))
        p = log_p.exp() * 80 / 40_000
        assert p.sum().item() == pytest.approx(1, abs=1e-9)
        entropy = -float(torch.where(p > 0, p * log_p, 0.0).sum())
        assert entropy == pytest.approx(1.5772156649 + place, abs=1e-8)
        mean = float((p * line[:, 0]).sum())
        assert mean == pytest.approx(math.sin(math.pi * place) + math.exp(place) * 0.5772156649, abs=1e-8)
        # The best normal law at this c pays for its variance.
        var = float((p * (line[:, 0] - mean) ** 2).sum())
        assert 0.5 * math.log(2 * math.pi * math.e * var) == pytest.approx(
            WAVE.normal_minimum + place, abs=1e-8
        )
    assert pytest.approx(1.5772, abs=5e-5) == WAVE.entropy
    assert pytest.approx(1.6678, abs=5e-5) == WAVE.normal_minimum
    # Draws follow it: the mean of -log p is the entropy within 4 standard errors.
    nll = -WAVE.log_prob(*WAVE.sample(20_000, generator=torch.Generator().manual_seed(0)))
    assert abs(nll.mean().item() - WAVE.entropy) < 4 * nll.std().item() / math.sqrt(20_000)


def above_the_entropy(layers: list[Bijection], seed: int) -> tuple[Flow, float]:
    """Fit on 250 batches of 256, and KL from the true conditional law, averaged over 20,000 fresh pairs."""
    generator = torch.Generator().manual_seed(seed)
    flow = Flow(StandardNormal((1,)), layers)
    optimiser = torch.optim.Adam(flow.parameters())
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 2e-2, total_steps=250)
    for _ in range(250):
        x, c = WAVE.sample(256, generator=generator)
        optimiser.zero_grad()
        (-flow.log_prob(x, c).mean()).backward()
        optimiser.step()
        schedule.step()
    x, c = WAVE.sample(20_000, generator=generator)
    with torch.no_grad():
        # Both log-densities at the same points: their difference varies far less than either.
        return flow, float((WAVE.log_prob(x, c) - flow.log_prob(x, c)).mean())


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.weekly) for seed in (1, 2))])
def test_conditional_flow(seed: int) -> None:
    """Normal conditional laws stop at their minimum, .0906 above the entropy; a spline in front gets to the entropy."""
    gap = WAVE.normal_minimum - WAVE.entropy
    assert gap == pytest.approx(0.0906, abs=5e-5)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        affine = MaskedAutoregressive(1, Affine(), hidden=(32,), context=1)
        spline = MaskedAutoregressive(1, RationalQuadratic(bins=6), hidden=(32,), context=1)
        shift = MaskedAutoregressive(1, Affine(), hidden=(32,), context=1)
    _, normal = above_the_entropy([affine], seed)
    # 20,000 draws: the gap's own standard error is below .005.
    assert gap - 0.02 < normal < gap + 0.05
    flow, skewed = above_the_entropy([spline, shift], seed)
    assert -0.01 < skewed < 0.02
    # Drawn at c = 0: mean Euler's constant, variance pi^2/6.
    x = flow.sample((4000,), torch.zeros(1), generator=torch.Generator().manual_seed(seed))
    assert x.mean().item() == pytest.approx(0.577, abs=0.15)
    assert x.var().item() == pytest.approx(math.pi**2 / 6, abs=0.4)


@pytest.mark.bad_input
def test_bad_input() -> None:
    with pytest.raises(ValueError, match="n must be at least 1"):
        WAVE.sample(0)
    with pytest.raises(ValueError, match=r"^c must end in the event shape \(1,\)"):
        WAVE.log_prob(torch.zeros(3, 1), torch.zeros(3, 2))
    with pytest.raises(ValueError, match=r"^x must end in the event shape"):
        WAVE.log_prob(torch.zeros(3), torch.zeros(3, 1))
