"""The head of grey levels: Bayes' rule, and the bound of one that knows nothing."""

import math
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).parent))
from continuous_time import legendre

from gmlib.diffusion import LevelNetwork, level_cost, noise_error, prior_cost
from gmlib.noise import Denoiser, Rectified, VPCosine

LEVELS = torch.tensor([-1.0, -0.3, 0.2, 1.0], dtype=torch.float64)


class Says(nn.Module):
    """The same logits for every pixel."""

    def __init__(self, logits: Tensor) -> None:
        super().__init__()
        self.logits = logits

    def forward(self, z: Tensor, tau: Tensor) -> Tensor:
        self.tau = tau
        return self.logits[:, None, :, None].expand(*z.shape[:2], -1, z.shape[2]).flatten(1, 2)


@pytest.mark.parametrize("schedule", [VPCosine(), Rectified()], ids=["cosine", "rectified"])
def test_it_is_bayes_rule(schedule: VPCosine | Rectified, generator: torch.Generator) -> None:
    logits = torch.randn(1, 4, generator=generator, dtype=torch.float64)
    network = LevelNetwork(Says(logits), schedule, LEVELS, -5.0, 5.0)
    z = torch.randn(6, 2, 3, generator=generator, dtype=torch.float64)
    t = torch.tensor([0.001, 0.2, 0.4, 0.6, 0.8, 0.99], dtype=torch.float64)
    alpha, sigma = schedule.alpha(t)[:, None, None, None], schedule.sigma(t)[:, None, None, None]
    likelihood = torch.distributions.Normal(alpha * LEVELS, sigma).log_prob(z[..., None])
    exact = ((likelihood + logits[0]).softmax(-1) * LEVELS).sum(-1)
    assert torch.allclose(network(z, t), exact, atol=1e-10)
    told = network.network.tau
    assert torch.allclose(told, (0.5 - schedule.log_snr(t) / 10).clamp(0, 1), atol=1e-12)


def test_one_that_knows_nothing_pays_log_k() -> None:
    # For levels that are uniform and independent it is the exact denoiser, so the bound is their entropy, but for the
    # divergence of the noised law from N(0, 1) at the low end: half the square of its mean, alpha^2 E[x]^2 / 2.
    schedule, (low, high) = VPCosine(), (-9.0, 5.0)
    denoiser = Denoiser(LevelNetwork(Says(torch.zeros(1, 4)), schedule, LEVELS, low, high), schedule, "x0")
    nodes, weights = legendre(low, high, 80)
    k = torch.arange(1, 300, dtype=torch.float64).sqrt()
    noises, vectors = torch.linalg.eigh(torch.diag(k, 1) + torch.diag(k, -1))  # Gauss-Hermite, 300 nodes
    normal = vectors[0].square()
    x, noise = LEVELS.repeat_interleave(300)[:, None, None], noises.repeat(4)[:, None, None]
    mass = normal.repeat(4) / 4
    errors = [mass @ noise_error(denoiser, x, node.expand(len(x)), noise) for node in nodes]
    total = mass @ (prior_cost(x, low) + level_cost(x, noise, LEVELS, high)) + 0.5 * weights @ torch.stack(
        errors
    )
    excess = 0.5 * math.exp(low) * float(LEVELS.mean()) ** 2
    assert float(total) == pytest.approx(math.log(4) + excess, abs=1e-8)


@pytest.mark.bad_input
def test_bad_input() -> None:
    network, schedule = Says(torch.zeros(1, 4)), VPCosine()
    with pytest.raises(TypeError, match="network must be a Module"):
        LevelNetwork(lambda z, t: z, schedule, LEVELS, -5.0, 5.0)
    with pytest.raises(TypeError, match="schedule must be a Schedule"):
        LevelNetwork(network, None, LEVELS, -5.0, 5.0)
    with pytest.raises(TypeError, match=r"levels must be a torch.Tensor, got list"):
        LevelNetwork(network, schedule, [0.0, 1.0], -5.0, 5.0)
    with pytest.raises(ValueError, match="t must be where sigma is positive"):
        LevelNetwork(network, schedule, LEVELS, -5.0, 5.0)(torch.zeros(1, 1, 2, 2), torch.zeros(1))
    with pytest.raises(ValueError, match="levels must ascend"):
        LevelNetwork(network, schedule, LEVELS.flip(0), -5.0, 5.0)
    with pytest.raises(ValueError, match="low must be"):
        LevelNetwork(network, schedule, LEVELS, 5.0, 5.0)
