"""The change of variables itself: laws in closed form, compositions, and fits whose optimum is known."""

import math

import pytest
import torch
from torch import Tensor, nn

from gmlib.distributions import two_moons
from gmlib.flows import (
    Additive,
    Affine,
    Bijection,
    Composition,
    Coupling,
    Elementwise,
    Flow,
    Inverse,
    NormalCdf,
    StandardNormal,
    StandardUniform,
    fit_flow,
    grid_integral,
    spline_coupling,
)
from gmlib.flows.fitting import minimise

F64 = torch.float64


class Exp(Bijection):
    """x = e^u."""

    def _forward(self, u: Tensor, c: Tensor | None) -> tuple[Tensor, Tensor]:
        return u.exp(), u.sum(-1)

    def _inverse(self, x: Tensor, c: Tensor | None) -> tuple[Tensor, Tensor]:
        return x.log(), -x.log().sum(-1)


class Sinh(Bijection):
    """x = sinh u."""

    def _forward(self, u: Tensor, c: Tensor | None) -> tuple[Tensor, Tensor]:
        return u.sinh(), u.cosh().log().sum(-1)

    def _inverse(self, x: Tensor, c: Tensor | None) -> tuple[Tensor, Tensor]:
        return x.asinh(), -0.5 * torch.log1p(x**2).sum(-1)


class Cubic(Bijection):
    """x = u + u^3/3, whose inverse is Cardano's: u = 2 sinh(asinh(3x/2)/3)."""

    def _forward(self, u: Tensor, c: Tensor | None) -> tuple[Tensor, Tensor]:
        return u + u**3 / 3, torch.log1p(u**2).sum(-1)

    def _inverse(self, x: Tensor, c: Tensor | None) -> tuple[Tensor, Tensor]:
        u = 2 * torch.sinh(torch.asinh(1.5 * x) / 3)
        return u, -torch.log1p(u**2).sum(-1)


class Matrix(Bijection):
    """x = Au."""

    def __init__(self, a: Tensor) -> None:
        super().__init__((len(a),))
        self.a = a

    def _forward(self, u: Tensor, c: Tensor | None) -> tuple[Tensor, Tensor]:
        return u @ self.a.T, torch.linalg.slogdet(self.a)[1].expand(u.shape[:-1])

    def _inverse(self, x: Tensor, c: Tensor | None) -> tuple[Tensor, Tensor]:
        return torch.linalg.solve(self.a, x.T).T, -torch.linalg.slogdet(self.a)[1].expand(x.shape[:-1])


class Shift(Bijection):
    """x = u + kc, with k to learn."""

    def __init__(self) -> None:
        super().__init__((1,), context=1)
        self.k = nn.Parameter(torch.zeros(()))

    def _forward(self, u: Tensor, c: Tensor | None) -> tuple[Tensor, Tensor]:
        assert c is not None
        return u + self.k * c, u.new_zeros(u.shape[:-1])

    def _inverse(self, x: Tensor, c: Tensor | None) -> tuple[Tensor, Tensor]:
        assert c is not None
        return x - self.k * c, x.new_zeros(x.shape[:-1])


def line(low: float, high: float, n: int = 200_001) -> tuple[Tensor, float]:
    x = torch.linspace(low, high, n, dtype=F64)[:, None]
    return x, (high - low) / (n - 1)


def normal() -> StandardNormal:
    return StandardNormal((1,)).double()


def test_change_of_variables() -> None:
    # x = e^u of a normal u is log-normal.
    flow = Flow(normal(), Exp((1,)))
    x = torch.tensor([[0.01], [0.5], [1.0], [7.0], [1e4]], dtype=F64)
    wanted = torch.distributions.LogNormal(torch.zeros((), dtype=F64), 1.0).log_prob(x[:, 0])
    torch.testing.assert_close(flow.log_prob(x), wanted, rtol=1e-14, atol=1e-14)
    # Its draws are exponentials of the base's, and carry their density.
    draws, log_prob = flow.rsample_and_log_prob((50,), generator=torch.Generator().manual_seed(0))
    u = normal().sample((50,), generator=torch.Generator().manual_seed(0))
    assert torch.equal(draws, u.exp())
    torch.testing.assert_close(log_prob, flow.log_prob(draws), rtol=1e-13, atol=1e-13)

    # x = Au is N(0, AA'), a reflection in A or not.
    for a in ([[2.0, 0.5], [0.3, 1.0]], [[0.3, 1.0], [2.0, 0.5]]):
        matrix = torch.tensor(a, dtype=F64)
        x = torch.tensor([[0.0, 0.0], [1.0, -2.0], [3.0, 0.5]], dtype=F64)
        wanted = torch.distributions.MultivariateNormal(torch.zeros(2, dtype=F64), matrix @ matrix.T)
        found = Flow(StandardNormal((2,)).double(), Matrix(matrix)).log_prob(x)
        torch.testing.assert_close(found, wanted.log_prob(x), rtol=1e-13, atol=1e-13)


def test_a_density_without_its_jacobian_is_none() -> None:
    # x = 2u: left out, the Jacobian makes the density integrate to 2, and with the wrong sign to 4.
    double = Matrix(torch.tensor([[2.0]], dtype=F64))
    x, step = line(-30, 30)
    u, log_det = double.inverse(x)
    for sign, integral in ((1, 1.0), (0, 2.0), (-1, 4.0)):
        total = (normal().log_prob(u) + sign * log_det).exp().sum() * step
        assert total.item() == pytest.approx(integral, abs=1e-12)


def test_flow_composition() -> None:
    # u -> y = sinh u -> x = y + y^3/3.
    flow = Composition([Sinh((1,)), Cubic((1,))])
    # Far out both grow like e^{3u}: the integral over x is taken over u, dx = J du.
    u, step = line(-12, 12)
    (_, y, x), (first, second) = flow.path(u)
    jacobian = (first + second).exp()
    torch.testing.assert_close(flow(u), (x, first + second))
    torch.testing.assert_close(flow.inverse(x)[0], u, rtol=0, atol=1e-11)

    def integral(log_det: Tensor) -> float:
        return ((normal().log_prob(u) - log_det).exp() * jacobian).sum().item() * step

    assert integral(first + second) == pytest.approx(1, abs=1e-12)
    # Each layer sees its own input only: all at the final x, all at the base u.
    all_at_x = (
        x.abs()[:, 0] + torch.log1p(torch.exp(-2 * x.abs()[:, 0])) - math.log(2) + torch.log1p(x[:, 0] ** 2)
    )
    assert integral(all_at_x) == pytest.approx(0.6062, abs=5e-5)
    assert integral(first + torch.log1p(u[:, 0] ** 2)) == pytest.approx(1.381, abs=5e-4)
    # The middle point is where the second layer's Jacobian is taken.
    torch.testing.assert_close(second, torch.log1p(y[:, 0] ** 2))


def test_composition_meets_its_inverse_and_its_parts() -> None:
    layers = [Sinh((2,)), Matrix(torch.tensor([[1.0, 2.0], [0.5, -1.0]], dtype=F64)), Cubic((2,))]
    flow = Composition(layers)
    u = torch.randn(20, 2, dtype=F64, generator=torch.Generator().manual_seed(0))
    x, log_det = flow(u)
    back, inverse_log_det = flow.inverse(x)
    torch.testing.assert_close(back, u, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(inverse_log_det, -log_det, rtol=1e-12, atol=1e-12)
    turned = Composition([Inverse(layer) for layer in reversed(layers)])
    torch.testing.assert_close(turned(x), (back, inverse_log_det), rtol=0, atol=0)
    nested = Composition([Composition(layers[:2]), layers[2]])
    torch.testing.assert_close(nested(u), (x, log_det), rtol=0, atol=0)


def test_the_best_affine_map_has_the_moments_of_the_data() -> None:
    # The best affine map of a normal base has the data's mean and standard deviation (with n): a closed form.
    x = torch.tensor([[1.0, 0.0], [2.0, 5.0], [6.0, 1.0]], dtype=F64)
    flow = Flow(StandardNormal((2,)).double(), Elementwise(Affine(), (2,)).double())
    history = fit_flow(flow, x, steps=250, lr=0.2)
    log_scale, shift = flow.bijection.params.unbind(-1)  # type: ignore[union-attr]
    torch.testing.assert_close(shift.detach(), x.mean(0), rtol=0, atol=1e-3)
    torch.testing.assert_close(log_scale.detach().exp(), x.std(0, correction=0), rtol=0, atol=1e-3)
    wanted = (0.5 * math.log(2 * math.pi * math.e) + x.std(0, correction=0).log()).sum()
    assert history[-1].item() == pytest.approx(wanted.item(), abs=1e-6)
    assert history[0] > history[-1]


class Quarter(nn.Module):
    """The shift x^2/4."""

    def forward(self, x: Tensor) -> Tensor:
        return x.square() / 4


def test_rosenblatt_flow() -> None:
    # The banana from uniform noise by its conditional quantiles: x2 = 2 Q(u2), x1 = x2^2/4 + Q(u1), Q the normal quantile.
    stretch = Elementwise(Affine(), (2,)).double()
    with torch.no_grad():
        stretch.params[1, 0] = math.log(2)
    bend = Coupling(torch.tensor([False, True]), Additive(), Quarter())
    flow = Flow(StandardUniform((2,)).double(), [Inverse(NormalCdf((2,))), stretch, bend])
    n, generator = 4000, torch.Generator().manual_seed(0)
    x2 = 2 * torch.randn(n, dtype=F64, generator=generator)
    x1 = x2**2 / 4 + torch.randn(n, dtype=F64, generator=generator)
    x = torch.stack([x1, x2], -1)
    log_normal = torch.distributions.Normal(torch.zeros((), dtype=F64), 1.0).log_prob
    wanted = log_normal(x1 - x2**2 / 4) + log_normal(x2 / 2) - math.log(2)
    torch.testing.assert_close(flow.log_prob(x).detach(), wanted, rtol=0, atol=1e-10)
    # Pushed back, the data are uniform by Kolmogorov and Smirnov (D > 2.2 / sqrt n in one of 8,000 draws), and independent.
    with torch.no_grad():
        u = flow.bijection.inverse(x)[0]
    steps = torch.arange(n + 1, dtype=F64) / n
    for column in u.sort(0)[0].T:
        assert torch.maximum((column - steps[:-1]).abs(), (column - steps[1:]).abs()).max() < 2.2 / n**0.5
    for bent in (u - 0.5, (u - 0.5).square()):
        assert abs(torch.corrcoef(bent.T)[0, 1]) < 4 / n**0.5


def test_flow_mle() -> None:
    law = two_moons(dtype=torch.float32)  # entropy 1.0076; the best normal law has 1.9083
    with torch.random.fork_rng():
        torch.manual_seed(0)
        flow = spline_coupling(2, layers=2, bound=4.0, hidden=(16,))
    generator, n = torch.Generator().manual_seed(0), 5000
    fit_flow(flow, law.sample, steps=100, lr=0.02, batch_size=128, generator=generator)
    x = law.sample((n,), generator=generator)
    with torch.no_grad():
        excess = law.log_prob(x) - flow.log_prob(x)
    # A KL divergence, seen through n points: not below 0 by more than chance; and most of the way from the normal law.
    assert excess.mean() > -3 * excess.std() / n**0.5
    assert excess.mean() < 0.5 * (1.9083 - 1.0076)
    assert grid_integral(flow.log_prob, low=-5.0, high=5.0, n=600) == pytest.approx(1, abs=1e-3)


def test_a_condition_goes_with_its_point() -> None:
    # The likelihood of x ~ N(kc, 1) is highest at the slope of least squares; batches of rows keep pairs together.
    generator = torch.Generator().manual_seed(0)
    c = 3 * torch.randn(2000, 1, generator=generator)
    x = 2 * c + torch.randn(2000, 1, generator=generator)
    for batch_size, close in ((2000, 1e-4), (200, 0.05)):
        shift = Shift()
        fit_flow(
            Flow(StandardNormal((1,)), shift),
            x,
            c=c,
            steps=200,
            batch_size=batch_size,
            lr=0.1,
            generator=generator,
        )
        assert shift.k.item() == pytest.approx(float((c * x).sum() / c.square().sum()), abs=close)


def test_minimise_is_adam_with_a_cosine() -> None:
    # Adam's first step is lr times the sign of the gradient; the last one's lr is nearly 0.
    module = nn.Linear(1, 1, bias=False)
    nn.init.constant_(module.weight, 5.0)
    minimise(module, lambda: 3 * module.weight.sum(), steps=1, lr=0.25)
    assert module.weight.item() == pytest.approx(4.75, abs=1e-6)
    # A constant slope: all steps have that length, and the cosine halves their sum: lr (S + 1) / 2.
    nn.init.constant_(module.weight, 5.0)
    minimise(module, lambda: 3 * module.weight.sum(), steps=9, lr=0.25)
    assert module.weight.item() == pytest.approx(5 - 0.25 * 10 / 2, abs=1e-5)


@pytest.mark.bad_input
def test_fit_bad_input() -> None:
    flow = Flow(StandardNormal((1,)), Elementwise(Affine(), (1,)))
    x = torch.zeros(5, 1)
    with pytest.raises(TypeError, match=r"^data must be callable, got list"):
        fit_flow(flow, [1.0], steps=1)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"^data must have a floating dtype"):
        fit_flow(flow, x.long(), steps=1)
    with pytest.raises(ValueError, match=r"^c must have 5 rows, as the data, got shape \(4, 1\)"):
        fit_flow(flow, x, c=x[:4], steps=1)
    with pytest.raises(ValueError, match=r"^c must be None where data is a sampler"):
        fit_flow(flow, lambda shape, generator: x, c=x, steps=1)
    for name, bad in (("steps", {"steps": 0}), ("batch_size", {"steps": 1, "batch_size": 0})):
        with pytest.raises(ValueError, match=f"^{name} must be at least 1, got 0"):
            fit_flow(flow, x, **bad)
    for name in ("lr", "grad_clip"):
        with pytest.raises(ValueError, match=f"^{name} must be a finite number"):
            fit_flow(flow, x, steps=1, **{name: 0.0})
    for bad in (x[0], x[:0], x[None], torch.zeros(5, 1, 1)):
        with pytest.raises(ValueError, match=r"^data must have shape \(N, \*\(1,\)\) with N >= 1"):
            fit_flow(flow, bad, steps=1)
    with pytest.raises(ValueError, match=r"^data must end in the event shape \(1,\), got shape \(5, 2\)"):
        fit_flow(flow, torch.zeros(5, 2), steps=1)
    with pytest.raises(ValueError, match=r"^data must be finite, got 1 NaN"):
        fit_flow(flow, torch.tensor([[0.0], [math.nan]]), steps=1)
    conditional = Flow(StandardNormal((1,)), Shift())
    with pytest.raises(TypeError, match=r"^c must be a torch.Tensor, got list"):
        fit_flow(conditional, x, c=[0.0] * 5, steps=1)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"^c must be finite, got 5 NaN"):
        fit_flow(conditional, x, c=x / 0, steps=1)
    with pytest.raises(ValueError, match=r"^module must have parameters to train, got a Flow without any"):
        fit_flow(Flow(StandardNormal((1,)), NormalCdf((1,))), x + 0.5, steps=1)
    with pytest.raises(TypeError, match=r"^loss must be callable"):
        minimise(flow, 3, steps=1)  # type: ignore[arg-type]
