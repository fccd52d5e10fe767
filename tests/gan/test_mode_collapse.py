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
    assert all(line.hops >= 1 for line in plain)
    assert sum(line.hops for line in damped) < sum(line.hops for line in plain)
    # At the end the plain game has both modes in one seed of eight, the damped one in all.
    assert sum(abs(line.right[-1] - 0.5) < 0.1 for line in plain) <= 2
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
    # In the record, without averages: after as many rounds on the ring of eight the penalised game has every mode and the
    # plain one has lost some; the cure's cost is counted in passes of the networks.
    ring, ring_cured = (
        recorded("plain", "eight_gaussians"),
        recorded("Adam, beta1 = 0, R1", "eight_gaussians"),
    )
    assert all(modes[-1] < 8 for modes in ring.modes)
    assert all(modes[-1] == 8 for modes in ring_cured.modes)
    assert ring.step == ring_cured.step
    assert ring_cured.cure.passes / ring.cure.passes == 13 / 9
    # On the grid with the plain game's own steps, R1 keeps every mode, where the plain game has at most eight.
    damped = recorded("R1")
    assert damped.step[-1] == 20_000
    assert all(modes[-1] == 16 for modes in damped.modes)
    # On the grid after 10,000 rounds: Adam without momentum has more of its samples near a mode than plain descent, and a
    # wider critic by itself has fewer.
    plain_run, adam, wide = (recorded(name) for name in ("plain", "Adam, beta1 = 0", "wide critic"))
    at = plain_run.step.index(10_000), adam.step.index(10_000), wide.step.index(10_000)
    shares = [[each[i] for each in run.share] for run, i in zip((plain_run, adam, wide), at, strict=True)]
    assert min(shares[1]) > max(shares[0])
    assert max(shares[2]) < min(shares[0])
