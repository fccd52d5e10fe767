"""The bound in continuous time: tight on normal data whatever the schedule, and the exact cost of grey levels."""

import math
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parent))
from continuous_time import legendre, signs

from gmlib.diffusion import VDMBound, density_cost, level_cost, noise_error, prior_cost, vdm_bound
from gmlib.distributions import Gaussian
from gmlib.noise import EDM, Denoiser, Rectified, Schedule, VPCosine, VPLinear, exact_denoiser

ENTROPY = 0.5 * math.log(2 * math.pi * math.e)
STANDARD = Gaussian(torch.zeros(1, dtype=torch.float64), var=1.0)


@pytest.mark.parametrize(
    "schedule", [VPCosine(), VPLinear(), Rectified(), EDM()], ids=lambda s: type(s).__name__
)
@pytest.mark.parametrize(("low", "high"), [(-6.0, 6.0), (-2.0, 9.0), (-8.0, 0.5)])
def test_vdm_bound(schedule: Schedule, low: float, high: float) -> None:
    # All three terms are of second order in the noise, so signs have their expectations exactly.
    denoiser = exact_denoiser(STANDARD, schedule)
    x, noise = signs(1)
    prior = prior_cost(x, low).mean()
    assert float(prior) == pytest.approx(0.5 * math.log1p(math.exp(low)), abs=1e-12)
    last = density_cost(denoiser, x, high, noise).mean()
    assert float(last) == pytest.approx(ENTROPY - 0.5 * math.log1p(math.exp(high)), abs=1e-9)
    nodes, weights = legendre(low, high, 60)
    points, noises = signs(len(nodes))
    errors = noise_error(denoiser, points, nodes.repeat_interleave(4), noises).reshape(-1, 4).mean(1)
    integral = 0.5 * (weights * errors).sum()
    assert float(integral) == pytest.approx(
        0.5 * (math.log1p(math.exp(high)) - math.log1p(math.exp(low))), abs=1e-9
    )
    assert float(prior + integral + last) == pytest.approx(ENTROPY, abs=1e-9)


def test_the_drawn_bound_has_the_same_terms(generator: torch.Generator) -> None:
    low, high, n = -4.0, 5.0, 20_000
    x = STANDARD.sample((n,), generator=generator)
    bound = vdm_bound(
        exact_denoiser(STANDARD, VPLinear()), x, low=low, high=high, draws=2, generator=generator
    )
    first, last = math.log1p(math.exp(low)) / 2, math.log1p(math.exp(high)) / 2
    for value, truth in (
        (bound.prior, first),
        (bound.diffusion, last - first),
        (bound.reconstruction, ENTROPY - last),
        (bound.total, ENTROPY),
    ):
        assert value.shape == (n,)
        assert abs(float(value.mean()) - truth) < 4 * float(value.std()) / math.sqrt(n)


def test_another_variance_needs_another_decoder(generator: torch.Generator) -> None:
    # N(0, s I) in two dimensions: x given z has the variance s / (1 + s R), and with it the bound is tight again.
    var, high = 0.3, 3.0
    law = Gaussian(torch.zeros(2, dtype=torch.float64), var=var)
    x = law.sample((20_000,), generator=generator)
    exact = var / (1 + var * math.exp(high))
    bounds = [
        vdm_bound(
            exact_denoiser(law, VPCosine()), x, low=-5.0, high=high, decoder_var=each, generator=generator
        )
        for each in (exact, None)
    ]
    entropy = 2 * ENTROPY + math.log(var)
    tight, loose = (bound.total for bound in bounds)
    assert abs(float(tight.mean()) - entropy) < 4 * float(tight.std()) / math.sqrt(len(x))
    # The gap of a normal law of the right mean and the wrong variance, in each of two dimensions.
    ratio = exact * (1 + math.exp(high))
    gap = ratio - 1 - math.log(ratio)
    assert abs(float(loose.mean()) - entropy - gap) < 4 * float(loose.std()) / math.sqrt(len(x))


def test_levels_are_read_by_bayes_rule(generator: torch.Generator) -> None:
    levels = torch.tensor([-1.0, -0.2, 0.1, 0.9], dtype=torch.float64)
    index = torch.randint(4, (5, 2, 3), generator=generator)
    noise = torch.randn(5, 2, 3, generator=generator, dtype=torch.float64)
    for log_snr in (-3.0, 2.0, 8.0):
        alpha, sigma = (math.sqrt(1 / (1 + math.exp(-sign * log_snr))) for sign in (1, -1))
        z = alpha * levels[index] + sigma * noise
        each = torch.distributions.Normal(alpha * levels, sigma).log_prob(z[..., None])
        exact = -each.log_softmax(-1).gather(-1, index[..., None]).flatten(1).sum(1)
        assert torch.allclose(level_cost(levels[index], noise, levels, log_snr), exact, atol=1e-10)


def test_a_coin_costs_its_entropy() -> None:
    # One pixel, two levels: prior + diffusion + reconstruction is log 2 when everything is exact; here by quadrature.
    def network(z: Tensor, t: Tensor) -> Tensor:
        alpha, sigma = (f(t)[:, None] for f in (schedule.alpha, schedule.sigma))
        return torch.tanh(alpha * z / sigma.square())

    schedule = VPCosine()
    denoiser = Denoiser(network, schedule, "x0")
    low, high = -9.0, 6.0
    nodes, weights = legendre(low, high, 60)
    k = torch.arange(1, 400, dtype=torch.float64).sqrt()
    noises, vectors = torch.linalg.eigh(torch.diag(k, 1) + torch.diag(k, -1))  # Gauss-Hermite, 400 nodes
    normal = vectors[0].square()
    x = torch.ones(len(noises), 1, dtype=torch.float64)  # the other side is the mirror image
    errors = torch.stack(
        [normal @ noise_error(denoiser, x, node.expand(len(noises)), noises[:, None]) for node in nodes]
    )
    last = normal @ level_cost(x, noises[:, None], torch.tensor([-1.0, 1.0], dtype=torch.float64), high)
    total = prior_cost(x[:1], low)[0] + 0.5 * weights @ errors + last
    # Left over is the divergence of q(z) from N(0, 1) at the low end, of the order of R^4.
    assert float(total) == pytest.approx(math.log(2), abs=1e-8)


def test_conditions_reach_the_network() -> None:
    seen = []

    def network(z: Tensor, t: Tensor, label: Tensor) -> Tensor:
        seen.append(label)
        return torch.zeros_like(z)

    label = torch.tensor([3, 4])
    denoiser = Denoiser(network, VPCosine(), "v")
    vdm_bound(denoiser, torch.zeros(2, 1, 4, 4), low=-5.0, high=5.0, draws=3, label=label)
    assert len(seen) == 4
    assert all(torch.equal(each, label) for each in seen)


def test_total_is_the_sum() -> None:
    one = torch.ones(2)
    assert torch.equal(VDMBound(one, 2 * one, 3 * one).total, 6 * one)


@pytest.mark.bad_input
def test_bad_input() -> None:
    x, levels = torch.zeros(2, 3), torch.tensor([-1.0, 0.0, 1.0])
    denoiser = Denoiser(lambda z, t: z, VPLinear(), "eps")
    with pytest.raises(TypeError, match="denoiser must be a Denoiser"):
        vdm_bound(lambda z, t: z, x, low=-5.0, high=5.0)
    with pytest.raises(ValueError, match="low must be"):
        vdm_bound(denoiser, x, low=5.0, high=5.0)
    with pytest.raises(ValueError, match=r"range of log-SNR, -10.05 to inf, got -11 and 5"):
        vdm_bound(denoiser, x, low=-11.0, high=5.0)
    with pytest.raises(ValueError, match="draws must be at least 1"):
        vdm_bound(denoiser, x, low=-5.0, high=5.0, draws=0)
    with pytest.raises(ValueError, match="decoder_var must be None"):
        vdm_bound(denoiser, x, low=-5.0, high=5.0, levels=levels, decoder_var=1.0)
    with pytest.raises(ValueError, match="decoder_var must be"):
        vdm_bound(denoiser, x, low=-5.0, high=5.0, decoder_var=0.0)
    with pytest.raises(ValueError, match=r"made of the levels, got an entry that is 0.3"):
        vdm_bound(denoiser, x + 0.3, low=-5.0, high=5.0, levels=levels)
    with pytest.raises(ValueError, match="ascend"):
        level_cost(x, x, levels.flip(0), 1.0)
    with pytest.raises(ValueError, match=r"levels must have shape \(k,\)"):
        level_cost(x, x, levels[:1], 1.0)
    with pytest.raises(ValueError, match="noise must have shape"):
        level_cost(x, x[:1], levels, 1.0)
    with pytest.raises(TypeError, match=r"x0 must be a torch.Tensor"):
        prior_cost([1.0], 0.0)
    with pytest.raises(TypeError, match="denoiser must be a Denoiser"):
        noise_error(None, x, torch.zeros(2), x)
    with pytest.raises(TypeError, match="denoiser must be a Denoiser"):
        density_cost(None, x, 0.0, x)
