"""Weights of the loss: what they are on other targets, and what they buy a network that cannot have everything."""

import math

import pytest
import torch
from torch import Tensor, nn

from gmlib.diffusion import bound_weight, denoising_loss, edm_weight, min_snr_weight, p2_weight, vdm_bound
from gmlib.distributions import toys
from gmlib.metrics import sliced_wasserstein
from gmlib.noise import Denoiser, Rectified, VPCosine, VPLinear, ancestral, snr_times

LEVELS = torch.linspace(-8, 8, 33, dtype=torch.float64)
LOW, HIGH = -8.0, 13.0


class FeatureNetwork(nn.Module):
    """A small network whose last layer is the exact solution of a weighted regression: no training in the comparison."""

    def __init__(self, schedule: VPCosine, features: int, generator: torch.Generator) -> None:
        super().__init__()
        self.schedule = schedule
        self.of_x, self.of_level, self.bias = (
            scale * torch.randn(*shape, features, generator=generator, dtype=torch.float64)
            for scale, shape in ((2.0, (2,)), (0.4, ()), (2.0, ()))
        )
        self.last = torch.zeros(features + 7, 2, dtype=torch.float64)

    def features(self, x: Tensor, t: Tensor) -> Tensor:
        level = self.schedule.log_snr(t)[:, None]
        hidden = torch.tanh(x @ self.of_x + level * self.of_level + self.bias)
        alpha, sigma = torch.sigmoid(level).sqrt(), torch.sigmoid(-level).sqrt()
        return torch.cat([hidden, x, torch.ones_like(level), sigma * x, alpha * x], dim=1)

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        return self.features(x, t) @ self.last

    def fit(self, x: Tensor, t: Tensor, v: Tensor, weight: Tensor) -> None:
        phi = self.features(x, t)
        weighted = (weight / weight.mean())[:, None] * phi
        ridge = 1e-6 * len(x) * torch.eye(phi.shape[1], dtype=torch.float64)
        self.last = torch.linalg.solve(weighted.T @ phi + ridge, weighted.T @ v)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_loss_reweighting(seed: int) -> None:
    # In the bound, an even time weighs as much as the log-SNR falls there: a third of it in the first tenth of the time.
    t = torch.linspace(0.001, 1.0, 10_001, dtype=torch.float64)
    weight = bound_weight(VPLinear(), t)
    assert float(weight[0]) > 50 * float(weight[5000])
    assert float(weight[t < 0.1].sum()) > float(weight.sum()) / 3
    # A network of forty features, fitted with the one weight and with the other.
    generator = torch.Generator().manual_seed(seed)
    law, schedule, n = toys.swiss_roll(dtype=torch.float64), VPCosine(), 8000
    network = FeatureNetwork(schedule, 40, generator)
    denoiser = Denoiser(network, schedule, "v")
    x = law.sample((n,), generator=generator)
    noise = torch.randn(n, 2, generator=generator, dtype=torch.float64)
    t = schedule.t_of_log_snr(LOW + (HIGH - LOW) * (torch.arange(n, dtype=torch.float64) + 0.5) / n)
    alpha, sigma = schedule.alpha(t)[:, None], schedule.sigma(t)[:, None]
    # These times are even in log-SNR, which is the bound's weight by itself; unit weight at even times is rarer by it. The
    # error of the noise is alpha^2 times that of v.
    weights = {"bound": alpha[:, 0] ** 2, "unit": alpha[:, 0] ** 2 / bound_weight(schedule, t)}
    test = law.sample((2000,), generator=generator)
    cost, distance = {}, {}
    for name, weight in weights.items():
        network.fit(alpha * x + sigma * noise, t, alpha * noise - sigma * x, weight)
        again = torch.Generator().manual_seed(seed + 100)
        cost[name] = float(
            vdm_bound(denoiser, test, low=LOW, high=HIGH, draws=5, generator=again).total.mean()
        )
        start = torch.randn(2000, 2, generator=again, dtype=torch.float64)
        grid = snr_times(schedule, 80, low=LOW, high=HIGH)
        drawn = ancestral(denoiser, start, grid, generator=again).x
        distance[name] = sliced_wasserstein(drawn, test, generator=again).value
    assert cost["bound"] < cost["unit"] - 0.3
    assert distance["unit"] < distance["bound"]


def test_weights_on_other_targets() -> None:
    ratio = LEVELS.exp()
    # On the clean point, R times the weight: the papers' own forms.
    assert torch.allclose(ratio * min_snr_weight(LEVELS, gamma=5.0), ratio.clamp(max=5.0), rtol=1e-12)
    sigma, scale = ratio.rsqrt(), 0.5
    paper = (sigma**2 + scale**2) / (sigma * scale) ** 2
    assert torch.allclose(ratio * edm_weight(LEVELS, sigma_data=scale), paper, rtol=1e-12)
    assert torch.allclose(p2_weight(LEVELS), torch.sigmoid(-LEVELS), rtol=1e-12)
    assert torch.equal(p2_weight(LEVELS, gamma=0.0), torch.ones_like(LEVELS))
    assert torch.allclose(p2_weight(LEVELS, k=2.0, gamma=0.5), (2 + ratio).rsqrt(), rtol=1e-12)


def test_edms_weight_is_one_on_v_of_unit_variance() -> None:
    generator = torch.Generator().manual_seed(0)
    x, noise = (torch.randn(33, 4, generator=generator, dtype=torch.float64) for _ in range(2))
    denoiser = Denoiser(lambda z, t: 0.2 * z, VPCosine(), "v")
    t = VPCosine().t_of_log_snr(LEVELS)
    on_noise = denoising_loss(denoiser, x, t, noise, weight=edm_weight(LEVELS, sigma_data=1.0))
    on_v = denoising_loss(denoiser, x, t, noise, target="v")
    assert torch.allclose(on_noise.total, on_v.total, rtol=1e-7)


@pytest.mark.parametrize("scale", [0.5, 2.0])
def test_under_edms_weight_a_fresh_network_costs_one_at_every_level(scale: float) -> None:
    # EDM's fresh denoiser is its skip connection, the best linear one: x / (1 + 1 / (s^2 R)) for x = x0 + noise / sqrt(R).
    ratio = LEVELS.exp()
    error = scale**2 / (1 + scale**2 * ratio)  # of the clean point; R times it is that of the noise
    assert torch.allclose(
        edm_weight(LEVELS, sigma_data=scale) * ratio * error, torch.ones_like(ratio), rtol=1e-12
    )


def test_the_bounds_weight_on_the_rectified_path() -> None:
    t = torch.tensor([0.25, 0.5], dtype=torch.float64)
    assert torch.allclose(bound_weight(Rectified(), t), 1 / (t * (1 - t)), rtol=1e-12)
    assert math.isinf(float(bound_weight(Rectified(), torch.zeros(1))))


@pytest.mark.bad_input
def test_bad_input() -> None:
    with pytest.raises(ValueError, match="k must be"):
        p2_weight(LEVELS, k=0.0)
    with pytest.raises(ValueError, match="gamma must be"):
        p2_weight(LEVELS, gamma=-1.0)
    with pytest.raises(ValueError, match="gamma must be"):
        min_snr_weight(LEVELS, gamma=0.0)
    with pytest.raises(ValueError, match="sigma_data must be"):
        edm_weight(LEVELS, sigma_data=0.0)
    with pytest.raises(TypeError, match="log_snr must be a torch"):
        edm_weight(0.0)
