"""A lower bound pushed down proves nothing: frozen and half-blind critics on unit normal laws, exactly."""

import math

import pytest
import torch

from gmlib.distributions import Gaussian
from gmlib.gan import F_DIVERGENCES, blind_bound, descend_frozen, f_bound_1d, frozen_bound

F64 = torch.float64
ZERO = torch.zeros(1, dtype=F64)
P, KL = Gaussian(ZERO, var=1.0), F_DIVERGENCES["kl"]


def test_weak_critic_bound() -> None:
    # The frozen critic's bound is the quadrature's, touches the divergence where it was best, and lies below elsewhere.
    theta = torch.linspace(-3, 3, 61, dtype=F64)
    for at in (1.0, -0.5, 0.3):
        result = frozen_bound(theta, at)
        for i in (0, 17, 44):
            q = Gaussian(ZERO + theta[i], var=1.0)
            exact = f_bound_1d(P, q, KL, lambda x, at=at: 1 + at * at / 2 - at * x[:, 0])
            assert result.bound[i].item() == pytest.approx(exact.total.item(), rel=1e-9, abs=1e-9)
        assert (result.gap >= -1e-12).all()
        assert result.gap[(theta - at).abs().argmin()].item() == pytest.approx(0.0, abs=1e-12)
        assert (result.gap[(theta - at).abs() > 0.05] > 1e-4).all()
    # Descending it passes the data and walks on: the bound falls at every step, the divergence grows after the crossing.
    path, result = descend_frozen(1.0, frozen_at=1.0, eta=0.1, steps=10)
    assert (result.bound.diff() < 0).all()
    past = path < 0
    assert past.sum() >= 3
    assert (result.divergence[past].diff() > 0).all()
    assert result.divergence[-1] > result.divergence[0]  # worse than at the start
    assert torch.allclose(result.bound, frozen_bound(path, 1.0).bound)
    # Each step is the bound's gradient.
    at = path[3].clone().requires_grad_()
    slope = torch.autograd.grad(frozen_bound(at, 1.0).bound, at)[0]
    assert path[4].item() == pytest.approx((path[3] - 0.1 * slope).item(), rel=1e-12)
    # A critic that is renewed at every step makes it descent on the divergence.
    path, result = descend_frozen(1.0, frozen_at=1.0, eta=0.1, steps=50, refresh=1)
    assert torch.allclose(path, 0.9 ** torch.arange(51, dtype=F64), rtol=1e-12)
    assert torch.allclose(result.bound[:-1], result.divergence[:-1], rtol=1e-9, atol=1e-12)
    # A critic that sees one coordinate is at its floor, 0, while the other runs away.
    theta = torch.stack([torch.zeros(5, dtype=F64), torch.arange(5, dtype=F64)], 1)
    result = blind_bound(theta, torch.tensor([True, False]))
    assert torch.equal(result.bound, torch.zeros(5, dtype=F64))
    assert torch.equal(result.divergence, torch.arange(5, dtype=F64).square() / 2)


def test_no_critic_of_the_seen_coordinates_does_better() -> None:
    # 1-D quadrature in the seen coordinate: the best critic's bound is the marginal's divergence.
    theta = torch.tensor([0.7, -2.0], dtype=F64)
    result = blind_bound(theta, torch.tensor([True, False]))
    best = f_bound_1d(P, Gaussian(theta[:1], var=1.0), KL).total.item()
    assert result.bound.item() == pytest.approx(best, abs=1e-9)
    assert blind_bound(theta, torch.tensor([True, True])).gap.item() == 0.0
    assert blind_bound(theta, torch.tensor([False, False])).bound.item() == 0.0


@pytest.mark.bad_input
def test_bad_input() -> None:
    theta = torch.zeros(4, 2)
    with pytest.raises(TypeError, match="theta must be a torch"):
        frozen_bound(0.5, 1.0)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="frozen_at must be a finite number"):
        frozen_bound(theta, math.inf)
    with pytest.raises(TypeError, match="seen must be a boolean tensor"):
        blind_bound(theta, torch.ones(2))
    with pytest.raises(ValueError, match="seen must have one entry"):
        blind_bound(theta, torch.ones(3, dtype=torch.bool))
    with pytest.raises(ValueError, match="eta must be"):
        descend_frozen(1.0, frozen_at=1.0, eta=0.0, steps=3)
    with pytest.raises(ValueError, match="steps must be at least 1"):
        descend_frozen(1.0, frozen_at=1.0, eta=0.1, steps=0)
    with pytest.raises(ValueError, match="the path of theta must be finite"):
        descend_frozen(1.0, frozen_at=1.0, eta=0.1, steps=200)
