"""Annealed Langevin dynamics against the law that its chains have exactly: on a line, and on a grid."""

from __future__ import annotations

import math

import pytest
import torch

from gmlib.score import annealed_langevin, chain_moments, geometric_ladder

F64 = torch.float64
MODE = 5 * math.sqrt(2)
"""Distance of the modes at (-5, -5) and (5, 5) from the origin."""


def two_modes(x: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
    """Score of 1/5 N((-5, -5), I) + 4/5 N((5, 5), I), noised to level sigma; in one dimension, along the diagonal."""
    var = 1 + sigma.square()
    mean = 5.0 if x.shape[-1] == 2 else MODE
    pull = torch.tanh(
        mean * x.sum(-1, keepdim=True) / var + math.log(2.0)
    )  # r_2 - r_1: the log-odds are log 4
    return (mean * pull - x) / var


def exact_share(sigmas: torch.Tensor, step: float, steps: int) -> float:
    """The share of chains that end in the small mode, from the transition densities on a grid along the diagonal.

    The score moves the coordinate across the diagonal by itself, so one coordinate decides. Levels below .7 are left out:
    there nothing crosses a gap of 14 between modes of variance 1.5.
    """
    spacing = 0.25
    grid = torch.arange(-125.0, 125.0, spacing, dtype=F64)[:, None]
    corner = 8 * math.sqrt(2)  # a uniform square, seen along its diagonal, is a triangle
    mass = (corner - grid.abs()).clamp(min=0).flatten()
    mass = mass / mass.sum()
    for sigma in sigmas[sigmas > 0.7]:
        delta = float(step * sigma**2 / sigmas[-1] ** 2)
        centre = grid + delta / 2 * two_modes(grid, sigma)
        kernel = torch.exp(-((grid - centre.T) ** 2) / (2 * delta)) * spacing / math.sqrt(2 * math.pi * delta)
        for _ in range(steps):
            mass = kernel @ mass
    assert mass.sum().item() == pytest.approx(1, abs=1e-6)
    return mass[grid.flatten() < 0].sum().item()


@pytest.mark.parametrize(
    ("largest", "smallest", "step"), [(10.0, 0.1, 0.001), (20.0, 1.0, 0.1)], ids=["10 to .1", "20 to 1"]
)
def test_annealed_langevin(largest: float, smallest: float, step: float, generator: torch.Generator) -> None:
    sigmas = geometric_ladder(largest, smallest, 10, dtype=F64)
    share = exact_share(sigmas, step, 100)
    assert share == pytest.approx(0.22, abs=0.01)  # the truth is .2; without the ladder .49
    # Ten steps a level are too few.
    hurried = exact_share(sigmas, step, 10)
    assert hurried == pytest.approx(0.35 if largest == 10 else 0.32, abs=0.01)
    # The sampler's chains, in two dimensions, within 4 standard errors of n.
    n = 2000
    start = 16 * torch.rand(n, 2, generator=generator) - 8
    for steps, exact in ((100, share), (10, hurried)):
        x = annealed_langevin(two_modes, start, sigmas.float(), step=step, steps=steps, generator=generator)
        found = (x.sum(1) < 0).float().mean().item()
        assert found == pytest.approx(exact, abs=4 * math.sqrt(exact * (1 - exact) / n))
        # And they are where the modes are: coordinates across the diagonal have the variance 1 + sigma_L^2.
        across = (x[:, 0] - x[:, 1]) / math.sqrt(2)
        if (
            steps == 100 and largest == 20
        ):  # a step short enough and steps enough to settle: delta = .1, V = 2
            variance = 2 / (1 - 0.1 / 8)
            assert across.var().item() == pytest.approx(variance, abs=4 * variance * math.sqrt(2 / n))


def moments(sigmas: torch.Tensor, step: float, steps: int, *, start_var: float) -> tuple[float, float]:
    """Mean factor and variance of the annealed chain on N(0, 1), level by level."""
    mean, variance = 1.0, start_var
    for sigma in sigmas.tolist():
        delta = step * (sigma / float(sigmas[-1])) ** 2
        mean, variance = chain_moments(delta, steps, start_mean=mean, start_var=variance, var=1 + sigma**2)
    return mean, variance


def test_every_level_has_its_step() -> None:
    # Without noise the chain on N(0, I) is linear: x times the factors of all levels.
    sigmas = geometric_ladder(3.0, 0.5, 4, dtype=F64)
    x = torch.randn(5, 2, 3, dtype=F64, generator=torch.Generator().manual_seed(0))

    def score(x: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
        assert sigma.shape == ()
        assert sigma.dtype == F64
        return -x / (1 + sigma**2)

    end = annealed_langevin(score, x, sigmas, step=0.2, steps=6, temperature=0.0)
    factor, _ = moments(sigmas, 0.2, 6, start_var=0.0)
    torch.testing.assert_close(end, factor * x, rtol=1e-12, atol=0)
    # Denoising: the posterior mean under noise of the last level, x / (1 + sigma_L^2).
    clean = annealed_langevin(score, x, sigmas, step=0.2, steps=6, temperature=0.0, denoise=True)
    torch.testing.assert_close(clean, end / 1.25, rtol=1e-12, atol=0)
    # No moves: the start, and its denoising.
    assert torch.equal(annealed_langevin(score, x, sigmas, step=0.2, steps=0), x)
    clean = annealed_langevin(score, x, sigmas, step=0.2, steps=0, denoise=True)
    torch.testing.assert_close(clean, x / 1.25, rtol=1e-12, atol=0)
    # A score in another dtype leaves that of the chain.
    end = annealed_langevin(lambda x, s: -x.double(), x.float(), sigmas, step=0.2, steps=1, denoise=True)
    assert end.dtype == torch.float32


def test_the_ladder_goes_down(generator: torch.Generator) -> None:
    # The same ladder both ways on N(0, 1), 200 steps a level from a uniform start: variance 1 and above 10.
    n = 2000
    start = 16 * torch.rand(n, 1, generator=generator) - 8
    down = geometric_ladder(10.0, 0.1, 10)
    settings = {"step": 0.02, "steps": 200, "generator": generator}

    def score(x: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
        return -x / (1 + sigma**2)  # of N(0, 1), noised

    for sigmas, low, high in ((down, 0.99, 1.1), (down.flip(0), 10.0, 60.0)):
        _, exact = moments(sigmas, 0.02, 200, start_var=64 / 3)
        assert low < exact < high
        x = annealed_langevin(score, start, sigmas, allow_ascending=True, **settings)
        assert x.var().item() == pytest.approx(exact, abs=4 * exact * math.sqrt(2 / n))


def test_the_step_is_limited_by_the_last_level() -> None:
    # On a point at 0 the score is -x / sigma^2, and every step at every level multiplies by 1 - step / (2 sigma_L^2).
    sigmas = geometric_ladder(10.0, 0.1, 5, dtype=F64)
    x = torch.ones(1, 1, dtype=F64)
    for step, grows in ((3.9 * 0.01, False), (4.1 * 0.01, True)):
        end = annealed_langevin(lambda x, s: -x / s**2, x, sigmas, step=step, steps=8, temperature=0.0)
        assert end.item() == pytest.approx((1 - step / 0.02) ** 40, rel=1e-9)
        assert (end.abs().item() > 1) == grows
    # Ten times too much for the two modes as well, whose variance is 1: it overflows.
    ladder = geometric_ladder(10.0, 0.1, 10)
    end = annealed_langevin(two_modes, torch.ones(4, 2), ladder, step=0.1, steps=100)
    assert not end.isfinite().any()


@pytest.mark.gpu
def test_on_a_gpu() -> None:
    sigmas = geometric_ladder(20.0, 1.0, 10)
    generator = torch.Generator("cuda").manual_seed(0)
    n = 20_000
    start = 16 * torch.rand(n, 2, generator=generator, device="cuda") - 8
    x = annealed_langevin(two_modes, start, sigmas, step=0.1, steps=100, generator=generator)
    assert x.device.type == "cuda"
    assert (x.sum(1) < 0).float().mean().item() == pytest.approx(0.22, abs=0.01 + 4 * math.sqrt(0.17 / n))


@pytest.mark.bad_input
def test_bad_input() -> None:
    x, good = torch.zeros(3, 2), torch.tensor([2.0, 1.0])

    def run(sigmas: object = good, x: object = x, score: object = two_modes, **settings: object) -> None:
        annealed_langevin(score, x, sigmas, **{"step": 0.1, "steps": 2, **settings})  # type: ignore[arg-type]

    with pytest.raises(ValueError, match=r"sigmas must descend .* got 1, 2; allow_ascending=True"):
        run(good.flip(0))
    with pytest.raises(ValueError, match="sigmas must descend"):
        run(torch.tensor([2.0, 2.0, 1.0]))
    with pytest.raises(ValueError, match="sigmas must be positive, got a level of 0"):
        run(torch.tensor([1.0, 0.0]))
    with pytest.raises(ValueError, match="sigmas must be finite"):
        run(torch.tensor([math.nan, 1.0]))
    with pytest.raises(ValueError, match=r"sigmas must have shape \(levels,\)"):
        run(torch.ones(2, 2))
    with pytest.raises(ValueError, match=r"sigmas must have shape \(levels,\)"):
        run(torch.ones(0))
    with pytest.raises(TypeError, match=r"sigmas must be a torch.Tensor, got list"):
        run([2.0, 1.0])
    with pytest.raises(TypeError, match="sigmas must have a floating dtype"):
        run(torch.tensor([2, 1]))
    with pytest.raises(ValueError, match="x must be finite"):
        run(x=torch.full((3, 2), math.inf))
    with pytest.raises(ValueError, match="step must be"):
        run(step=-1.0)
    with pytest.raises(ValueError, match="steps must be at least 0"):
        run(steps=-1)
    with pytest.raises(ValueError, match="temperature must be"):
        run(temperature=math.nan)
    with pytest.raises(TypeError, match="score must be callable"):
        run(score=None)
    with pytest.raises(ValueError, match=r"score\(x\) must have the shape \(3, 2\) of x"):
        run(score=lambda x, sigma: x[:, :1])
    with pytest.raises(
        ValueError, match=r"score\(x\) must have the shape \(3, 2\) of x"
    ):  # the last call too
        run(score=lambda x, sigma: x[:, :1], steps=0, denoise=True)
    with pytest.raises(TypeError, match=r"score\(x\) must be a torch.Tensor, got NoneType"):
        run(score=lambda x, sigma: None, steps=0, denoise=True)
