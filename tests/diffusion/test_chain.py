"""The chain that destroys: single steps compose to the closed form, and variance one stays."""

from __future__ import annotations

import pytest
import torch

from gmlib.diffusion import forward_chain, noised
from gmlib.noise import DDPM, Rectified, VPCosine, VPLinear

F64 = torch.float64


def test_forward_diffusion() -> None:
    """x_k - alpha_k x_0 is the sum of all fresh noises, each shrunk by the steps after it; their variances add up."""
    schedule, x0 = DDPM.linear(), torch.tensor([[0.7, -2.0], [3.0, 0.1]], dtype=F64)
    chain = forward_chain(x0, schedule, generator=torch.Generator().manual_seed(0))
    fresh = torch.randn(1000, 2, 2, generator=torch.Generator().manual_seed(0), dtype=F64)
    assert torch.equal(chain[0], x0)
    alpha_bar = schedule.alpha_bar
    for k in (1, 10, 500, 1000):
        share = (alpha_bar[k] / alpha_bar[1 : k + 1] * schedule.betas[:k]).sqrt()
        noise = (share[:, None, None] * fresh[:k]).sum(0)
        torch.testing.assert_close(chain[k], alpha_bar[k].sqrt() * x0 + noise, rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(share.square().sum(), 1 - alpha_bar[k], rtol=1e-12, atol=0)
        jump = noised(x0, k / 1000, noise / (1 - alpha_bar[k]).sqrt(), schedule)
        torch.testing.assert_close(chain[k], jump, rtol=1e-11, atol=1e-12)
    # Variance one is a fixed point of every step, and of the jump.
    assert ((1 - schedule.betas) * 1 + schedule.betas == 1).all()
    torch.testing.assert_close(
        alpha_bar * 1 + (1 - alpha_bar), torch.ones_like(alpha_bar), rtol=1e-15, atol=0
    )
    assert alpha_bar[-1].sqrt().item() == pytest.approx(0.00635, abs=5e-6)


def test_variance_and_correlation_of_a_sampled_chain(generator: torch.Generator) -> None:
    """N(0, 1) data stay so; the correlation with the start is alpha. 40,000 points: within 4 standard errors."""
    n, schedule = 40_000, DDPM.linear(20, 0.01, 0.3)
    x0 = torch.randn(n, 1, generator=generator, dtype=F64)
    chain = forward_chain(x0, schedule, generator=generator).squeeze(-1)
    assert ((chain.var(1) - 1).abs() < 4 * (2 / n) ** 0.5).all()
    correlation = (chain * chain[0]).mean(1)
    alpha_bar = schedule.alpha_bar
    assert ((correlation - alpha_bar.sqrt()).abs() < 4 * ((1 + alpha_bar) / n).sqrt()).all()


@pytest.mark.parametrize("schedule", [DDPM.linear(), VPLinear(), VPCosine(), Rectified()], ids=str)
def test_jump_is_the_schedules_sum(schedule: VPLinear) -> None:
    """For a number, a 0-d tensor and a tensor of times, on images, in the dtype of the points."""
    x0, noise = torch.randn(2, 3, 1, 4, 4, generator=torch.Generator().manual_seed(1), dtype=F64)
    t = torch.tensor([0.1, 0.5, 0.9], dtype=F64)
    truth = torch.stack(
        [schedule.alpha(s) * a + schedule.sigma(s) * b for s, a, b in zip(t, x0, noise, strict=True)]
    )
    torch.testing.assert_close(noised(x0, t, noise, schedule), truth, rtol=1e-12, atol=1e-12)
    for same in (0.5, torch.tensor(0.5, dtype=F64)):
        torch.testing.assert_close(noised(x0, same, noise, schedule)[1], truth[1], rtol=1e-12, atol=1e-12)
    assert noised(x0.float(), t, noise.float(), schedule).dtype == torch.float32


def test_v_is_the_pair_turned_by_a_right_angle() -> None:
    x0, noise = torch.randn(2, 3, 2, generator=torch.Generator().manual_seed(2), dtype=F64)
    t, schedule = torch.tensor([0.1, 0.5, 0.9], dtype=F64), VPCosine()
    alpha, sigma = schedule.alpha(t)[:, None], schedule.sigma(t)[:, None]
    torch.testing.assert_close(
        noised(noise, t, -x0, schedule), alpha * noise - sigma * x0, rtol=1e-14, atol=0
    )
