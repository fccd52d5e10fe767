"""Elementwise maps and the squashing of the line: log-slopes that add, and independence that stays."""

from __future__ import annotations

import math

import pytest
import torch
from torch.distributions import LogNormal, Normal

from gmlib.flows import (
    Additive,
    Affine,
    Elementwise,
    Flow,
    NLSq,
    NormalCdf,
    RationalQuadratic,
    ScalarMap,
    Sigmoid,
    StandardNormal,
)

F64 = torch.float64


def test_scalar_affine() -> None:
    u = torch.linspace(-3, 3, 7, dtype=F64)
    params = torch.tensor([math.log(0.5), 2.0], dtype=F64).expand(7, -1)
    x, log_slope = Affine().forward(u, params)
    torch.testing.assert_close(x, 0.5 * u + 2, rtol=0, atol=1e-15)
    torch.testing.assert_close(log_slope, torch.full_like(u, math.log(0.5)), rtol=0, atol=0)
    x, log_slope = Additive().forward(u, params[:, 1:])
    torch.testing.assert_close(x, u + 2, rtol=0, atol=0)
    assert (log_slope == 0).all()
    # A law that other means give: N(0, 1) through u e^a + mu is N(mu, e^{2a}).
    flow = Flow(StandardNormal((1,)), Elementwise(Affine(), (1,))).to(F64)
    with torch.no_grad():
        next(flow.parameters()).copy_(params[:1])
    wanted = Normal(torch.tensor(2.0, dtype=F64), torch.tensor(0.5, dtype=F64)).log_prob(u)
    torch.testing.assert_close(flow.log_prob(u[:, None]), wanted, rtol=0, atol=1e-13)


@pytest.mark.parametrize(
    "scalar_map", [Affine(), NLSq(), RationalQuadratic(6, 4.0)], ids=lambda m: type(m).__name__
)
def test_elementwise_flow(scalar_map: ScalarMap) -> None:
    layer = Elementwise(scalar_map, (2,)).to(F64)
    with torch.no_grad():
        layer.params.copy_(0.7 * torch.randn(layer.params.shape, generator=torch.Generator().manual_seed(5)))
    u = torch.linspace(-3, 3, 50, dtype=F64)
    both = torch.cartesian_prod(u, u)
    _, log_det = layer(both)
    slopes = [scalar_map.forward(u, layer.params[i].expand(50, -1))[1] for i in range(2)]
    torch.testing.assert_close(log_det, torch.cartesian_prod(*slopes).sum(-1), rtol=0, atol=1e-13)
    # Independent noise stays independent: on a grid the table of log p is a sum of one function of each coordinate,
    # so all its double differences vanish, and with them the mutual information.
    table = Flow(StandardNormal((2,)), layer).to(F64).log_prob(both).reshape(50, 50)
    assert (table.diff(dim=0).diff(dim=1).abs() < 1e-11).all()
    p = table.exp() / table.exp().sum()
    information = (p * (p / (p.sum(0) * p.sum(1, keepdim=True))).log()).sum()
    assert float(information.detach()) == pytest.approx(0, abs=1e-12)


def test_exponential_of_a_sigmoid_pair_is_log_normal() -> None:
    # x = sigmoid(u) has odds e^u: for normal u they are log-normal.
    x = torch.linspace(0.01, 0.99, 99, dtype=F64)[:, None]
    odds = x / (1 - x)
    # d odds / dx = 1 / (1 - x)^2
    wanted = LogNormal(0.0, 1.0).log_prob(odds) - 2 * (1 - x).log()
    torch.testing.assert_close(
        Flow(StandardNormal((1,)), Sigmoid((1,))).to(F64).log_prob(x), wanted[:, 0], rtol=0, atol=1e-13
    )


@pytest.mark.parametrize("kind", [Sigmoid, NormalCdf])
def test_squashing_far_out(kind: type[Sigmoid] | type[NormalCdf]) -> None:
    layer = kind((1,))
    u = torch.linspace(-30, 5, 36, dtype=F64)[:, None]
    x, log_det = layer(u)
    back, inverse_log_det = layer.inverse(x)
    # Near 0 the digits of x are all there; near 1, one unit in the last place of x is eps / slope in u.
    slack = 1e-12 + 4e-16 * (-log_det[:, None]).exp() * (u > 0)
    assert ((back - u).abs() <= slack * (1 + u.abs())).all()
    torch.testing.assert_close(inverse_log_det, -log_det, rtol=1e-9, atol=1e-9)
    # Beyond the faces: finite, and the same as just inside.
    for dtype in (torch.float32, F64):
        ends = layer.inverse(torch.tensor([[-1.0], [0.0], [1.0], [2.0]], dtype=dtype))
        assert torch.isfinite(ends[0]).all()
        assert torch.isfinite(ends[1]).all()
        assert torch.equal(ends[0][0], ends[0][1])
        assert torch.equal(ends[0][2], ends[0][3])


def test_normal_cdf_makes_normal_noise_uniform() -> None:
    x = torch.linspace(0.001, 0.999, 999, dtype=F64)[:, None]
    flow = Flow(StandardNormal((1,)), NormalCdf((1,))).to(F64)
    assert (flow.log_prob(x).abs() < 1e-12).all()
