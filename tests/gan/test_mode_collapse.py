"""Modes found, lost and kept: what the recorded games over three seeds and the shipped weights say."""

import math

import torch

from gmlib.checkpoints import checkpoint, load_into
from gmlib.distributions import sixteen_gaussians
from gmlib.gan import Game, grid_coverage
from gmlib.recipes.gan import grid_gan
from gmlib.recipes.gan_grid import recorded_runs
from gmlib.recipes.gan_line import recorded_lines

CENTRES = sixteen_gaussians(noise=0.02, dtype=torch.float32).means


def shipped(name: str, **options) -> Game:
    game = load_into(grid_gan(points=100, **options).model, name)
    assert isinstance(game, Game)
    return game


def recorded(name: str, law: str = "sixteen_gaussians"):
    return next(run for run in recorded_runs() if (run.cure.name, run.law) == (name, law))


def test_mode_collapse() -> None:
    plain = recorded("plain")
    early, late = plain.step.index(2000), plain.step.index(20_000)
    # Found by every seed, and lost again by every seed.
    assert all(modes[early] >= 15 for modes in plain.modes)
    assert all(modes[late] <= 8 for modes in plain.modes)
    assert all(kl[late] > kl[early] + 1 for kl in plain.reverse_kl)
    # Counts of the nearest mode hide it: they are larger throughout, and 16 where 3 samples in 100 are near a mode.
    assert all(near[late] > modes[late] for near, modes in zip(plain.nearest_modes, plain.modes, strict=True))
    assert all(
        near[early] == 16 and share[early] < 0.15
        for near, share in zip(plain.nearest_modes, plain.share, strict=True)
    )
    # The manifest says the same of the end, and so do the weights, on latents that nobody has looked at.
    seeds = checkpoint("gan-grid").metrics["seeds"]
    assert [seeds[str(i)]["modes"] for i in range(3)] == [modes[late] for modes in plain.modes]
    seen = grid_coverage(
        shipped("gan-grid").sample(10_000, generator=torch.Generator().manual_seed(5)), CENTRES
    )
    assert 16 * math.exp(-seen.reverse_kl) < 3
    assert abs(seen.share - plain.share[0][late]) < 5 * (2 * 0.25 / 10_000) ** 0.5


def test_hopping() -> None:
    # Eight seeds of two modes on the line: the plain game goes from one mode to the other and back, the damped one settles.
    lines = recorded_lines()
    plain, damped = ([line for line in lines if line.gamma == gamma] for gamma in (0.0, 1.0))
    assert len(plain) == len(damped) == 8
    assert sum(line.hops for line in plain) > 2 * sum(line.hops for line in damped)
    assert all(abs(line.right[-1] - 0.5) < 0.1 for line in damped)


def test_gan_stabilisers() -> None:
    # The penalised game of the manifest against the plain one, seed by seed.
    plain, cured = (checkpoint(name).metrics["seeds"] for name in ("gan-grid", "gan-grid-r1"))
    for seed in ("0", "1", "2"):
        assert cured[seed]["modes"] == 16
        assert cured[seed]["share"] > plain[seed]["share"]
        assert cured[seed]["reverse_kl"] < plain[seed]["reverse_kl"] - 1
    # The weights, on latents that nobody has looked at.
    x = shipped("gan-grid-r1", penalty="r1", gamma=0.1).sample(
        10_000, generator=torch.Generator().manual_seed(5)
    )
    seen = grid_coverage(x, CENTRES)
    assert seen.modes == 16
    assert abs(seen.share - cured["0"]["share"]) < 5 * (2 * 0.25 / 10_000) ** 0.5
    # In the record every cure says what it costs, in passes of the networks of a plain step.
    passes = {run.cure.name: run.cure.passes / recorded("plain").cure.passes for run in recorded_runs()}
    assert passes["R1"] == 13 / 9
    assert min(passes.values()) == passes["plain"] == 1
