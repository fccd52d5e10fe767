"""An autoregressive density model read as a flow: quantile functions of mixtures, uniform noise, exact conditional laws."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.distributions import Categorical, MixtureSameFamily, Normal

from gmlib.distributions import cross
from gmlib.flows import Affine, Elementwise, Flow, MixtureQuantile, NormalCdf, StandardNormal, rnade

F64 = torch.float64


def mixture(params: Tensor) -> MixtureSameFamily:
    """The law that 3K parameters stand for, from another library."""
    logits, means, log_sds = params.unflatten(-1, (3, -1)).unbind(-2)
    return MixtureSameFamily(Categorical(logits=logits), Normal(means, log_sds.exp()))


def tail(x: Tensor, params: Tensor, *, right: bool = False) -> Tensor:
    """Mass to the left of x, or to the right, to all digits: sums of log Phi, which the other library has not."""
    logits, means, log_sds = params.unflatten(-1, (3, -1)).unbind(-2)
    z = (x[..., None] - means) / log_sds.exp()
    return (logits.log_softmax(-1) + torch.special.log_ndtr(-z if right else z)).logsumexp(-1).exp()


def off_uniform(u: Tensor) -> float:
    """Largest distance of the empirical distribution function from that of U(0, 1), times the root of n."""
    n = len(u)
    rank = torch.arange(1, n + 1, dtype=u.dtype) / n
    gap = torch.maximum((rank - u.sort().values).abs(), (u.sort().values - rank + 1 / n).abs())
    return float(gap.max()) * math.sqrt(n)


def shaken_rnade(d: int, **settings: int) -> torch.nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        flow = rnade(d, components=3, hidden=(12, 12), **settings)
        with torch.no_grad():
            for parameter in flow.parameters():
                parameter.add_(0.3 * torch.randn_like(parameter))
    return flow.double()


def test_ar_as_flow() -> None:
    flow, generator = shaken_rnade(3), torch.Generator().manual_seed(1)
    net = flow.bijection.net
    # Points drawn as one draws from an autoregressive model, without a quantile: a component, then a normal variable.
    n = 4000
    x = torch.zeros(n, 3, dtype=F64)
    with torch.no_grad():
        for i in range(3):
            law = mixture(net(x)[:, i])
            part = torch.multinomial(law.mixture_distribution.probs, 1, generator=generator)
            mean = law.component_distribution.loc.gather(1, part).squeeze(1)
            sd = law.component_distribution.scale.gather(1, part).squeeze(1)
            x[:, i] = mean + sd * torch.randn(n, generator=generator, dtype=F64)
        # The flow's formula is the sum of the conditional log-densities.
        conditional = mixture(net(x)).log_prob(x)
        torch.testing.assert_close(flow.log_prob(x), conditional.sum(-1), rtol=1e-12, atol=1e-12)
        # Read backwards, the points are uniform and independent: Kolmogorov's 1.95 is passed once in a thousand times.
        u, _ = flow.bijection.inverse(x)
        assert all(off_uniform(u[:, i]) < 1.95 for i in range(3))
        assert (torch.corrcoef(u.T) - torch.eye(3)).abs().max() < 4 / math.sqrt(n)
        assert (torch.corrcoef((u - 0.5).abs().T) - torch.eye(3)).abs().max() < 4 / math.sqrt(n)
        # And forwards the flow's own draws have the moments of the others within 5 standard errors of both.
        own = flow.sample((n,), generator=generator)
        assert ((own.mean(0) - x.mean(0)).abs() < 5 * x.std(0) * math.sqrt(2 / n)).all()


def test_true_conditional_laws_are_the_rosenblatt_map() -> None:
    """With the exact conditional laws of the cross the flow's density is the cross's, and data go to uniform noise."""
    law, h = cross(dtype=F64), MixtureQuantile(2)
    x = law.sample((4000,), generator=torch.Generator().manual_seed(0))
    columns = [law.marginal(0), law.condition(0, x[:, :1])]
    params = torch.stack(
        [
            torch.cat([c.log_weights, c.means[..., 0], c.covariances[..., 0, 0].log() / 2], -1).expand(
                4000, -1
            )
            for c in columns
        ],
        1,
    )
    u, log_slope = h.inverse(x, params)
    torch.testing.assert_close(log_slope.sum(-1), law.log_prob(x), rtol=1e-11, atol=1e-11)
    assert off_uniform(u[:, 0]) < 1.95
    assert off_uniform(u[:, 1]) < 1.95
    assert (torch.corrcoef((u - 0.5).abs().T)[0, 1]).abs() < 4 / math.sqrt(4000)
    x2 = x[:, 1].abs()
    assert torch.corrcoef(torch.stack([x[:, 0].abs(), x2]))[0, 1] < -0.3  # before, one arm excluded the other
    back, _ = h.forward(u, params)
    torch.testing.assert_close(back, x, rtol=1e-9, atol=1e-9)


def test_the_density_of_the_plane_integrates_to_one() -> None:
    flow = shaken_rnade(2, context=1)
    axis = -15 + 0.1 * (torch.arange(300, dtype=F64) + 0.5)
    points = torch.cartesian_prod(axis, axis)
    with torch.no_grad():
        total = flow.log_prob(points, torch.full((len(points), 1), 0.7, dtype=F64)).exp().sum() * 0.01
    assert total.item() == pytest.approx(1, abs=1e-3)


def test_quantiles() -> None:
    """One component has a closed form; several are held to the distribution function, near the ends and in gaps too."""
    u = torch.tensor([1e-12, 1e-5, 0.1, 0.3, 0.499, 0.5, 0.501, 0.9, 1 - 1e-9], dtype=F64)
    x, log_slope = MixtureQuantile(1).forward(u, torch.tensor([5.0, -3.0, 0.4], dtype=F64).expand(9, 3))
    torch.testing.assert_close(x, -3 + math.exp(0.4) * torch.special.ndtri(u), rtol=1e-12, atol=1e-12)
    normal = Normal(torch.tensor(-3.0, dtype=F64), torch.tensor(0.4, dtype=F64).exp())
    torch.testing.assert_close(-log_slope, normal.log_prob(x), rtol=1e-12, atol=1e-12)
    for means, log_sd in (((-1.0, 2.0, 0.3), -0.5), ((-5.0, 5.0, 0.0), -7.0), ((-50.0, 50.0, 50.1), -3.0)):
        params = torch.tensor([0.2, 0.3, -0.1, *means, log_sd, log_sd + 0.2, log_sd], dtype=F64).expand(9, 9)
        x, log_slope = MixtureQuantile(3).forward(u, params)
        torch.testing.assert_close(tail(x, params), u, rtol=1e-11, atol=0)
        torch.testing.assert_close(tail(x, params, right=True), 1 - u, rtol=1e-11, atol=0)
        assert (x.diff() >= 0).all()
    # A gap in which the density underflows: any point in it is a median, and nothing is NaN.
    params = torch.tensor([0.0, 0.0, -50.0, 50.0, -5.0, -5.0], dtype=F64, requires_grad=True)
    x, _ = MixtureQuantile(2).forward(torch.tensor(0.5, dtype=F64), params)
    assert -50 < x.item() < 50
    x.backward()
    assert torch.isfinite(params.grad).all()


def test_a_normal_law_through_its_own_quantiles_keeps_its_tails() -> None:
    """The density of N(0, e^{.6}) by way of u in (0, 1): left to -9 in float32; right as far as u is held near 1."""
    law = Normal(torch.tensor(0.0, dtype=F64), math.exp(0.3))
    for dtype, ends, tolerance in (
        (torch.float32, (-9.0, -7.0, -5.5, 0.0, 3.5), 3e-3),
        (F64, (-35.0, -9.0, -5.5, 6.5), 3e-3),
    ):
        layers = [Elementwise(Affine(), (1,)), NormalCdf((1,)), Elementwise(MixtureQuantile(1), (1,))]
        flow = Flow(StandardNormal((1,)), layers).to(dtype)
        torch.nn.init.constant_(layers[0].params[0, :1], 0.3)
        x = torch.tensor(ends, dtype=dtype)[:, None]
        found = flow.log_prob(x).to(F64)
        torch.testing.assert_close(found, law.log_prob(x[:, 0].to(F64)), rtol=0, atol=tolerance)
        # Beyond, densities are too small, never too large.
        beyond = torch.linspace(6.0, 40.0, 50, dtype=dtype)[:, None]
        found = flow.log_prob(torch.cat([-beyond, beyond])).to(F64)
        assert torch.isfinite(found).all()
        assert (found < law.log_prob(torch.cat([-beyond, beyond])[:, 0].to(F64)) + 1).all()


def test_quantiles_in_single_precision_are_those_of_double() -> None:
    u = torch.tensor([1e-37, 1e-20, 1e-9, 0.3, 0.5, 0.99, 1 - 2**-20, 1 - 2**-24])
    params = torch.tensor([0.2, 0.3, -0.1, -1.0, 2.0, 0.3, -0.5, -0.3, -0.5]).expand(8, 9)
    x, log_slope = MixtureQuantile(3).forward(u, params)
    wanted, wanted_log_slope = MixtureQuantile(3).forward(u.double(), params.double())
    torch.testing.assert_close(x.double(), wanted, rtol=2e-6, atol=2e-6)
    torch.testing.assert_close(log_slope.double(), wanted_log_slope, rtol=2e-5, atol=2e-5)


def test_the_ends_of_the_interval_are_read_as_numbers_inside() -> None:
    """`torch.rand` gives 0 now and then."""
    for dtype in (torch.float32, F64):
        for components in (1, 3):
            h = MixtureQuantile(components)
            u = torch.tensor([0.0, 1.0], dtype=dtype, requires_grad=True)
            params = h.identity().to(dtype).repeat(2, 1).requires_grad_()
            x, log_slope = h.forward(u, params)
            assert torch.isfinite(x).all()
            assert torch.isfinite(log_slope).all()
            assert x[0] < -4.5 < 4.5 < x[1]
            (x.sum() + log_slope.sum()).backward()
            assert torch.isfinite(u.grad).all()
            assert torch.isfinite(params.grad).all()


def test_the_gradient_of_a_quantile_is_that_of_the_implicit_function() -> None:
    h, generator = MixtureQuantile(3), torch.Generator().manual_seed(0)
    params = torch.randn(5, 9, generator=generator, dtype=F64).requires_grad_()
    u = torch.linspace(0.05, 0.95, 5, dtype=F64).requires_grad_()
    assert torch.autograd.gradcheck(h.forward, (u, params))
    assert torch.autograd.gradcheck(h.inverse, (torch.linspace(-2, 2, 5, dtype=F64).requires_grad_(), params))


def test_the_start_has_mean_0_and_variance_1_and_unequal_components() -> None:
    for K in (1, 2, 8):
        start = MixtureQuantile(K).identity().double()
        law = mixture(start)
        assert law.mean.item() == pytest.approx(0, abs=1e-6)
        assert law.variance.item() == pytest.approx(1, abs=1e-6)
        assert len(start[K : 2 * K].unique()) == K
    # Close to N(0, 1): log-densities within .05 over two standard deviations either way.
    x = torch.linspace(-2, 2, 50, dtype=F64)
    near = mixture(MixtureQuantile(8).identity().double())
    assert (near.log_prob(x) - Normal(0.0, 1.0).log_prob(x)).abs().max() < 0.05


@pytest.mark.bad_input
def test_bad_input() -> None:
    with pytest.raises(ValueError, match="components must be at least 1, got 0"):
        MixtureQuantile(0)
    with pytest.raises(ValueError, match="d must be at least 1"):
        rnade(0)
    with pytest.raises(ValueError, match="components must be at least 1"):
        rnade(2, components=0)
