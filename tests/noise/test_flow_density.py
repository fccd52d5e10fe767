"""The density of the probability flow, against laws whose density is known."""

import pytest
import torch

from gmlib.distributions import Gaussian, GaussianMixture
from gmlib.noise import VE, Denoiser, VPCosine, VPLinear, exact_denoiser, probability_flow_log_prob

F64 = torch.float64


def times(schedule, n, low=-9.0, high=6.0):
    return schedule.t_of_log_snr(torch.linspace(high, low, n + 1, dtype=F64))


def test_exact_on_a_normal_law_in_the_limit_of_small_steps():
    """Second order: the error falls fourfold with half the step."""
    schedule = VPLinear()
    law = Gaussian(torch.zeros(1, dtype=F64), var=0.3)
    x = torch.tensor([[0.0], [1.0], [0.4]], dtype=F64)
    errors = []
    for n in (20, 40):
        grid = times(schedule, n)
        noised = law.noised(float(schedule.alpha(grid[0])), float(schedule.sigma(grid[0])))
        found = probability_flow_log_prob(exact_denoiser(law, schedule), x, grid)
        errors.append((found - noised.log_prob(x)).abs().max())
    assert errors[-1] < 0.02
    assert 3.0 < errors[0] / errors[1] < 5.5


def test_a_mixture_keeps_its_mass_and_its_density():
    schedule = VPCosine()
    law = GaussianMixture(
        torch.tensor([[-1.0], [0.8]], dtype=F64), weights=torch.tensor([0.3, 0.7], dtype=F64), var=0.1
    )
    x = torch.linspace(-3, 3, 121, dtype=F64)[:, None]
    grid = times(schedule, 60)
    noised = law.noised(float(schedule.alpha(grid[0])), float(schedule.sigma(grid[0])))
    found = probability_flow_log_prob(exact_denoiser(law, schedule, "v"), x, grid)
    assert abs(float(found.exp().sum() * 0.05) - 1) < 5e-3
    assert float((found.exp() - noised.log_prob(x).exp()).abs().max()) < 1e-2


def test_a_denoiser_that_predicts_nothing_has_the_density_of_its_end():
    """With velocity 0 points stay, and the end is normal with the variance of the schedule there."""
    schedule = VE()
    still = Denoiser(lambda x, t: torch.zeros_like(x) * x, schedule, "velocity")
    x = torch.tensor([[0.3], [2.0]], dtype=F64)
    end = float(schedule.sigma(0.7)) ** 2 + 1
    want = torch.distributions.Normal(0.0, end**0.5).log_prob(x[:, 0])
    torch.testing.assert_close(probability_flow_log_prob(still, x, [0.1, 0.7]), want)


def test_the_divergence_is_the_trace():
    """A normal law of two correlated coordinates: the Jacobian of its velocity has entries beside the diagonal."""
    schedule = VPLinear()
    law = Gaussian(
        torch.zeros(2, dtype=F64), cov=torch.tensor([[0.8, 0.6], [0.6, 1.2]], dtype=F64), validate_args=True
    )
    x = torch.tensor([[0.0, 0.0], [1.0, -0.5], [-0.4, 1.3]], dtype=F64)
    grid = times(schedule, 60)
    noised = law.noised(float(schedule.alpha(grid[0])), float(schedule.sigma(grid[0])))
    found = probability_flow_log_prob(exact_denoiser(law, schedule), x, grid)
    assert float((found - noised.log_prob(x)).abs().max()) < 0.01


def test_the_network_is_told_the_condition():
    """Data that are the point c: the flow goes along lines to it, and its density is that of N(alpha c, sigma^2)."""
    schedule = VPLinear()
    denoiser = Denoiser(lambda x, t, centre: 0 * x + centre, schedule, "x0")
    x, grid = torch.tensor([[0.3], [-0.2]], dtype=F64), times(schedule, 100, low=-9.0, high=2.0)
    for centre in (0.0, 0.5):
        alpha, sigma = float(schedule.alpha(grid[0])), float(schedule.sigma(grid[0]))
        exact = torch.distributions.Normal(alpha * centre, sigma).log_prob(x[:, 0])
        found = probability_flow_log_prob(denoiser, x, grid, centre=centre)
        assert float((found - exact).abs().max()) < 0.02


@pytest.mark.bad_input
def test_bad_input():
    denoiser = exact_denoiser(Gaussian(torch.zeros(1), var=1.0), VPCosine())
    with pytest.raises(TypeError, match="denoiser must be a Denoiser"):
        probability_flow_log_prob(torch.sin, torch.zeros(2, 1), [0.1, 0.5])
    with pytest.raises(TypeError, match="x must"):
        probability_flow_log_prob(denoiser, [0.0], [0.1, 0.5])
    for wrong in ([0.5], [0.5, 0.1], [0.1, 0.1]):
        with pytest.raises(ValueError, match="times must be at least two that rise"):
            probability_flow_log_prob(denoiser, torch.zeros(2, 1), wrong)
    for wrong in ([0.1, 1.5], [-0.1, 0.5], torch.tensor([0.1, float("inf")])):
        with pytest.raises(ValueError, match=r"times must lie in \[0, 0.999\]"):
            probability_flow_log_prob(denoiser, torch.zeros(2, 1), wrong)
    for wrong in (torch.zeros(2), torch.zeros(2, 1, 1)):
        with pytest.raises(ValueError, match=r"x must have shape \(batch, d\)"):
            probability_flow_log_prob(denoiser, wrong, [0.1, 0.5])
