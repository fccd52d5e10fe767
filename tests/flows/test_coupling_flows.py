"""NICE, Real NVP and spline couplings: entropies, Gaussians reached exactly, and two moons against their true law."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from gmlib.distributions import two_moons
from gmlib.flows import (
    Affine,
    Coupling,
    Flow,
    StandardNormal,
    grid_integral,
    half_mask,
    nice,
    real_nvp,
    spline_coupling,
)

F64 = torch.float64
MOONS_ENTROPY, MOONS_GAUSSIAN = 1.0076, 1.9083
"""Nats: two moons at noise 0.1 by quadrature, and the cross-entropy to the Gaussian of the same moments."""


def shaken(flow: Flow, size: float) -> Flow:
    """The flow in float64, with other weights, which do not depend on those it had."""
    generator = torch.Generator().manual_seed(0)
    flow = flow.to(F64)
    with torch.no_grad():
        for parameter in flow.parameters():
            parameter.copy_(size * torch.randn(parameter.shape, dtype=F64, generator=generator))
    return flow


def entropy_on_a_grid(flow: Flow, reach: float) -> float:
    """The integral of -p log p over a square, by the midpoint rule."""
    n = 600
    step = 2 * reach / n
    axis = -reach + step * (torch.arange(n, dtype=F64) + 0.5)
    with torch.no_grad():
        log_prob = flow.log_prob(torch.cartesian_prod(axis, axis))
    return -float((log_prob.exp() * log_prob).sum()) * step**2


def test_nice() -> None:
    flow = shaken(nice(2, scale=False, hidden=(16,)), 0.4)
    u = torch.randn(500, 2, dtype=F64, generator=torch.Generator().manual_seed(1))
    x, log_det = flow.bijection(u)
    assert (x - u).abs().max() > 0.5, "the flow moves something"
    assert torch.equal(log_det, torch.zeros(500, dtype=F64))
    assert torch.equal(flow.bijection.inverse(x)[1], torch.zeros(500, dtype=F64))
    # Volume stays, so entropy does: log(2 pi e) for the plane, whatever the weights.
    normal = math.log(2 * math.pi * math.e)
    assert entropy_on_a_grid(flow, 20.0) == pytest.approx(normal, abs=1e-4)


def test_nice_needs_its_scale_to_change_entropy() -> None:
    flow = shaken(nice(2, hidden=(16,)), 0.4)
    scale = next(iter(flow.bijection)).params.detach()  # type: ignore[call-overload]
    assert float(scale.sum()) != 0
    wanted = math.log(2 * math.pi * math.e) + float(scale.sum())
    assert entropy_on_a_grid(flow, 20.0) == pytest.approx(wanted, abs=1e-4)


class Linear(nn.Module):
    """The conditioner of a Gaussian: constant log-scale, linear shift."""

    def __init__(self, log_scale: float, slope: float, shift: float) -> None:
        super().__init__()
        self.numbers = (log_scale, slope, shift)

    def forward(self, kept: Tensor) -> Tensor:
        log_scale, slope, shift = self.numbers
        return torch.cat([torch.full_like(kept, log_scale), slope * kept + shift], -1)


@pytest.mark.parametrize(
    ("variance", "covariance", "mean"), [(2.0, 0.9, 1.3), (0.5, -0.6, 0.0), (1.0, 0.0, -2.0)]
)
def test_real_nvp(variance: float, covariance: float, mean: float) -> None:
    # x_B = u_B has variance 1; x_A = u_A e^a + (covariance) u_B + mean has variance e^{2a} + covariance^2.
    layer = Coupling(
        half_mask(2),
        Affine(),
        Linear(0.5 * math.log(variance - covariance**2), covariance, mean),
    )
    flow = Flow(StandardNormal((2,)).to(F64), layer)
    law = torch.distributions.MultivariateNormal(
        torch.tensor([0.0, mean], dtype=F64),
        torch.tensor([[1.0, covariance], [covariance, variance]], dtype=F64),
    )
    x = 3 * torch.randn(200, 2, dtype=F64, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(flow.log_prob(x), law.log_prob(x), rtol=1e-12, atol=1e-12)


def test_real_nvp_log_det_is_the_sum_of_log_scales_and_the_inverse_divides() -> None:
    layer = Coupling(
        half_mask(3, flip=True), Affine(), lambda kept: torch.cat([kept, kept + 1, kept + 2, kept + 3], -1)
    )
    u = torch.tensor([[0.3, -0.2, 0.5], [1.0, 2.0, -1.0]], dtype=F64)
    # The conditioner sees b and gives (a, mu) = (b, b + 1) for the first coordinate, (b + 2, b + 3) for the second.
    b = u[:, 2]
    x, log_det = layer(u)
    torch.testing.assert_close(log_det, b + (b + 2), rtol=1e-14, atol=1e-14)
    torch.testing.assert_close(x[:, 0], u[:, 0] * b.exp() + b + 1, rtol=1e-14, atol=1e-14)
    back, inverse_log_det = layer.inverse(u)
    torch.testing.assert_close(back[:, 1], (u[:, 1] - (b + 3)) / (b + 2).exp(), rtol=1e-14, atol=1e-14)
    torch.testing.assert_close(inverse_log_det, -b - (b + 2), rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize("make", [nice, real_nvp, spline_coupling])
def test_flows_start_at_the_base_and_may_have_a_condition(make) -> None:
    flow = make(3, layers=3, hidden=(8,), context=2).to(F64)
    x = torch.randn(20, 3, dtype=F64, generator=torch.Generator().manual_seed(3))
    c = torch.randn(20, 2, dtype=F64, generator=torch.Generator().manual_seed(4))
    torch.testing.assert_close(flow.log_prob(x, c), flow.base.log_prob(x), rtol=1e-10, atol=1e-10)
    shaken(flow, 0.3)
    assert not torch.allclose(flow.log_prob(x, c), flow.log_prob(x, c.flip(0)))


def test_real_nvp_integrates_to_one() -> None:
    flow = shaken(real_nvp(2, layers=4, hidden=(16,), bound=1.0), 0.3)
    assert grid_integral(lambda x: flow.log_prob(x.to(F64)), low=-25.0, high=25.0, n=800) == pytest.approx(
        1, abs=1e-3
    )


def test_rq_spline_coupling() -> None:
    torch.manual_seed(0)
    law = two_moons(0.1)
    flow = spline_coupling(2, layers=2, hidden=(32, 32))
    optimiser = torch.optim.Adam(flow.parameters(), lr=1e-2)
    generator = torch.Generator().manual_seed(5)
    for _ in range(200):
        optimiser.zero_grad()
        (-flow.log_prob(law.sample((256,), generator=generator)).mean()).backward()
        optimiser.step()
    # 20,000 fresh points; the difference to the true law on the same points is a KL divergence, at least 0.
    x = law.sample((20_000,), generator=generator)
    with torch.no_grad():
        losses = -flow.log_prob(x)
        gap = losses + law.log_prob(x)
    error = float(gap.std()) / math.sqrt(len(x))
    assert float(gap.mean()) >= -3 * error
    spread = float(losses.std()) / math.sqrt(len(x))
    assert MOONS_ENTROPY - 3 * spread <= float(losses.mean()) < MOONS_GAUSSIAN - 3 * spread
