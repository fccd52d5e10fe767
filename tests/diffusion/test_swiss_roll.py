"""The Swiss roll under diffusion: noised, denoised by the exact denoiser, and by one that has learnt."""

import pytest
import torch

from gmlib.diffusion import denoising_loss, low_discrepancy_times, noised
from gmlib.distributions import swiss_roll
from gmlib.metrics import sliced_wasserstein
from gmlib.nn import TimeMLP
from gmlib.noise import Denoiser, VPCosine, ancestral, dpm_solver_2m, exact_denoiser, snr_times

COSINE = VPCosine()


@pytest.fixture(scope="module")
def roll():
    """A roll of variance about one, of fewer components than the book's."""
    return swiss_roll(0.1, n_components=120, dtype=torch.float32).noised(1 / 1.36, 0.0)


def distances(roll, found, generator):
    """Sliced Wasserstein distance of points to fresh data, and of fresh data to fresh data: mean and spread of four."""
    fresh = [roll.sample((len(found),), generator=generator) for _ in range(5)]
    own = sliced_wasserstein(found, fresh[0], generator=generator).value
    floor = torch.tensor([sliced_wasserstein(x, fresh[0], generator=generator).value for x in fresh[1:]])
    return own, float(floor.mean()), float(floor.std())


def train(roll, steps, seed):
    """A network that predicts v, trained from points of the roll."""
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        denoiser = Denoiser(TimeMLP(2, width=48, depth=2), COSINE, "v")
    optimiser = torch.optim.Adam(denoiser.parameters(), 4e-3)
    decay = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    data = roll.sample((5000,), generator=generator)
    for _ in range(steps):
        x = data[torch.randint(len(data), (256,), generator=generator)]
        t = low_discrepancy_times(256, 0.001, 0.999, generator=generator)
        draw = torch.randn(x.shape, generator=generator)
        loss = denoising_loss(denoiser, x, t, draw, target="v").total.mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        decay.step()
    return denoiser.requires_grad_(False)


@pytest.mark.parametrize("sampler", ["ancestral", "dpm_solver_2m"])
def test_swiss_roll_ddpm(roll, sampler):
    """With the exact denoiser samples are as near to fresh data as fresh data are, on the way there as well."""
    generator = torch.Generator().manual_seed(1)
    times = snr_times(COSINE, 40, low=-8.0, high=8.0)
    start = torch.randn(1000, 2, generator=generator)
    denoiser = exact_denoiser(roll, COSINE, "v")
    if sampler == "ancestral":
        found = ancestral(denoiser, start, times, generator=generator, path=True)
    else:
        found = dpm_solver_2m(denoiser, start, times, path=True)
    own, floor, spread = distances(roll, found.x, generator)
    assert own < floor + 5 * spread + 0.02
    middle = float(times[20])
    law = roll.noised(float(COSINE.alpha(middle)), float(COSINE.sigma(middle)))
    own, floor, spread = distances(law, found.path[20], generator)
    assert own < floor + 5 * spread + 0.02


def test_noised_points_follow_the_noised_law(roll):
    generator = torch.Generator().manual_seed(2)
    x = roll.sample((2000,), generator=generator)
    t = torch.full((2000,), 0.5)
    moved = noised(x, t, torch.randn(x.shape, generator=generator), COSINE)
    own, floor, spread = distances(
        roll.noised(float(COSINE.alpha(0.5)), float(COSINE.sigma(0.5))), moved, generator
    )
    assert own < floor + 5 * spread + 0.01


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.weekly) for seed in (1, 2))])
def test_a_trained_network_comes_near_the_minimum_and_never_below(roll, seed):
    """Its loss on fresh points lies between that of the exact denoiser and a twentieth above; its samples on the roll."""
    denoiser = train(roll, 500, seed)
    generator = torch.Generator().manual_seed(10 + seed)
    x = roll.sample((4000,), generator=generator)
    t = low_discrepancy_times(4000, 0.001, 0.999, generator=generator)[
        torch.randperm(4000, generator=generator)
    ]
    draw = torch.randn(x.shape, generator=generator)
    learnt, least = (
        denoising_loss(d, x, t, draw, target="v").total for d in (denoiser, exact_denoiser(roll, COSINE, "v"))
    )
    gap = learnt - least
    assert float(gap.mean()) > -3 * float(gap.std()) / 4000**0.5
    assert float(gap.mean()) < 0.05 * float(least.mean())
    times = snr_times(COSINE, 20, low=-8.0, high=8.0)
    found = dpm_solver_2m(denoiser, torch.randn(1000, 2, generator=generator), times)
    own, _, _ = distances(roll, found.x, generator)
    assert own < 0.2  # the round normal law of the same variance gets more than 0.25
