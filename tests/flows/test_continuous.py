"""Continuous flows against linear fields, whose solutions are matrix exponentials, and against the dense Jacobian."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from gmlib.flows import (
    ContinuousFlow,
    Flow,
    StandardNormal,
    VelocityMLP,
    dense_log_det,
    exact_divergence,
    probed_divergence,
    solve_ode,
    solve_ode_adjoint,
)

F64 = torch.float64
TIGHT = {"rtol": 1e-8, "atol": 1e-8}
B = torch.tensor([[0.3, 0.4], [0.2, -0.1]], dtype=F64)


def sines(norm: float = 0.6, n: int = 6) -> Tensor:
    """A_ij = sin(ij + i), scaled to a spectral norm."""
    i = torch.arange(1, n + 1, dtype=F64)
    a = torch.sin(i[:, None] * i + i[:, None])
    return norm * a / torch.linalg.matrix_norm(a, 2)


A = sines()


class Linear(nn.Module):
    """The field x -> Ax."""

    def __init__(self, a: Tensor) -> None:
        super().__init__()
        self.a = nn.Parameter(a.clone())

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        return x @ self.a.T


class Counted(nn.Module):
    """A field that counts its evaluations."""

    def __init__(self, velocity: nn.Module) -> None:
        super().__init__()
        self.velocity, self.calls = velocity, 0

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        self.calls += 1
        return self.velocity(x, t)


def cubic(x: Tensor, t: Tensor) -> Tensor:
    return -(x**3)


def points(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=F64, generator=torch.Generator().manual_seed(seed))


def network(d: int = 2, *, seed: int = 0) -> VelocityMLP:
    """A field that bends, in float64."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        velocity = VelocityMLP(d, (16,)).double()
        for parameter in velocity.parameters():
            nn.init.normal_(parameter, std=0.5)
    return velocity


def test_continuous_flow() -> None:
    # Data at t = 0, noise at t = T: along Ax the data x go to e^{AT} x.
    x = points(5, 6)
    flow = ContinuousFlow(Linear(A), (6,), time=1.5, **TIGHT)
    u, log_det = flow.inverse(x)
    torch.testing.assert_close(u, x @ torch.linalg.matrix_exp(1.5 * A).T, rtol=0, atol=1e-6)
    torch.testing.assert_close(log_det, (1.5 * A.trace()).expand(5), rtol=0, atol=1e-6)
    back, back_log_det = flow(u)
    torch.testing.assert_close(back, x, rtol=0, atol=1e-6)
    torch.testing.assert_close(back_log_det, -log_det, rtol=0, atol=1e-6)
    # N(0, I) at t = T is N(0, e^{-AT} e^{-AT}') at t = 0.
    density = Flow(StandardNormal((6,)).double(), flow).log_prob(x)
    root = torch.linalg.matrix_exp(-1.5 * A)
    wanted = torch.distributions.MultivariateNormal(torch.zeros(6, dtype=F64), root @ root.T).log_prob(x)
    torch.testing.assert_close(density, wanted, rtol=0, atol=1e-6)


def test_one_to_one_but_not_onto() -> None:
    # x' = -x^3 has the solution x / sqrt(1 + 2 x^2 t): unique everywhere, and yet nothing arrives outside of 1 / sqrt 2.
    flow = ContinuousFlow(cubic, (1,), rtol=1e-7, atol=1e-6)
    x = torch.tensor([[-20.0], [-1.0], [0.1], [1.0], [20.0]], dtype=F64)
    with torch.no_grad():
        u, log_det = flow.inverse(x)
    torch.testing.assert_close(u, x / torch.sqrt(1 + 2 * x**2), rtol=0, atol=1e-6)
    torch.testing.assert_close(log_det, -1.5 * torch.log1p(2 * x[:, 0] ** 2), rtol=0, atol=1e-5)
    assert (u.diff(dim=0) > 0).all()
    assert (u.abs() < 0.5**0.5).all()
    torch.testing.assert_close(flow(u[1:4])[0], x[1:4], rtol=0, atol=1e-5)
    with torch.no_grad(), pytest.raises(ArithmeticError, match="escape to infinity"):
        ContinuousFlow(cubic, (1,), rtol=1e-3, atol=1e-3)(torch.tensor([[0.8]], dtype=F64))


def test_instantaneous_change() -> None:
    x, steps = points(3, 6), 80
    assert A.trace().item() == pytest.approx(-0.2380566, abs=1e-7)
    flow = ContinuousFlow(Linear(A), (6,), method="euler", steps=steps)
    _, log_det = flow.inverse(x)
    torch.testing.assert_close(
        log_det, A.trace().expand(3), rtol=0, atol=1e-12
    )  # T tr A, whatever the solver
    # The map of 80 residual layers x + Ax/80 has a log-determinant of its own.
    layers = steps * torch.logdet(torch.eye(6, dtype=F64) + A / steps)
    torch.testing.assert_close(dense_log_det(flow, x, inverse=True), layers.expand(3), rtol=0, atol=1e-12)
    gap = (layers - A.trace()).item()
    assert gap == pytest.approx(7.526e-4, abs=5e-8)
    assert -(A @ A).trace().item() / (2 * steps) == pytest.approx(7.639e-4, abs=5e-8)
    # First order in the step: the next term is T tr A^3 / (3 steps^2), of which |tr A^3| <= 6 * .6^3.
    assert abs(gap + (A @ A).trace().item() / (2 * steps)) < 6 * 0.6**3 / (3 * steps**2)


def test_divergence_along_a_path() -> None:
    # A field that depends on time and point: the solver's integral against the dense Jacobian of the solved map.
    flow = ContinuousFlow(network(), (2,), **TIGHT)
    x = points(4, 2)
    for move, inverse in ((flow.forward, False), (flow.inverse, True)):
        torch.testing.assert_close(move(x)[1], dense_log_det(flow, x, inverse=inverse), rtol=0, atol=1e-6)


def test_events_of_any_shape() -> None:
    x = points(3, 2, 3)
    flat = ContinuousFlow(lambda x, t: torch.sin(x).cumsum(-1), (6,), method="rk4", steps=8)
    shaped = ContinuousFlow(
        lambda x, t: torch.sin(x.flatten(-2)).cumsum(-1).reshape(x.shape), (2, 3), method="rk4", steps=8
    )
    for a, b in zip(flat.inverse(x.flatten(1)), shaped.inverse(x), strict=True):
        torch.testing.assert_close(a.reshape(b.shape), b, rtol=0, atol=1e-14)
    scalar = ContinuousFlow(lambda x, t: x, (), **TIGHT)
    u, log_det = scalar.inverse(x)
    torch.testing.assert_close(u, math.e * x, rtol=0, atol=1e-6)
    torch.testing.assert_close(log_det, torch.ones_like(x), rtol=0, atol=1e-6)


def test_path_meets_the_ends() -> None:
    flow = ContinuousFlow(network(), (2,), **TIGHT)
    u = points(4, 2)
    times, path = flow.path(u, frames=5)
    assert times.tolist() == [1.0, 0.75, 0.5, 0.25, 0.0]
    assert torch.equal(path[0], u)
    torch.testing.assert_close(path[-1], flow(u)[0], rtol=0, atol=1e-6)
    # Half of the way is the flow of half the time, for a field that does not ask what time it is.
    linear, half = (ContinuousFlow(Linear(B), (2,), time=time, **TIGHT) for time in (1.0, 0.5))
    torch.testing.assert_close(linear.path(u, frames=3)[1][1], half(u)[0], rtol=0, atol=1e-6)


def test_flow_group() -> None:
    # e^{A(s+t)} = e^{As} e^{At}: a field that stands still makes a group of maps.
    x = points(4, 6)
    short, rest, whole = (ContinuousFlow(Linear(A), (6,), time=t, **TIGHT) for t in (0.4, 0.8, 1.2))
    torch.testing.assert_close(rest(short(x)[0])[0], whole(x)[0], rtol=0, atol=1e-6)
    torch.testing.assert_close(short(x)[1] + rest(x)[1], whole(x)[1], rtol=0, atol=1e-6)

    # A field that moves does not: b = t x grows by e^{T^2/2}.
    def growth(time: float) -> float:
        flow = ContinuousFlow(lambda x, t: t * x, (1,), time=time, **TIGHT)
        return flow.inverse(torch.ones(1, 1, dtype=F64))[1].item()

    assert growth(0.4) + growth(0.8) == pytest.approx(0.4, abs=1e-6)
    assert growth(1.2) == pytest.approx(0.72, abs=1e-6)


def test_ffjord() -> None:
    # Signs of two coordinates are four probes: their mean is the exact trace, at every step of the same path.
    flow = ContinuousFlow(network(), (2,), method="rk4", steps=6, trace="hutchinson").eval()
    x = points(5, 2)
    signs = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]], dtype=F64)
    probes = signs[:, None].expand(4, 5, 2)
    for exact, probed in ((flow.forward, flow.forward_with), (flow.inverse, flow.inverse_with)):
        point, log_det = exact(x)
        points_, log_dets = probed(x.expand(4, 5, 2), probes)
        torch.testing.assert_close(points_, point.expand(4, 5, 2), rtol=0, atol=1e-13)
        torch.testing.assert_close(log_dets.mean(0), log_det, rtol=0, atol=1e-13)
        assert (log_dets[0] - log_dets[1]).abs().min() > 1e-3  # each alone is off


def test_ffjord_density_is_biased_upwards() -> None:
    # Along -Bx the estimated density is the true one times exp(tr B - v'Bv), and Jensen has its price.
    flow = Flow(StandardNormal((2,)).double(), ContinuousFlow(Linear(-B), (2,), method="rk4", steps=20))
    x = points(2, seed=3)
    exact = flow.log_prob(x)

    def ratio(probes: Tensor, weights: Tensor) -> float:
        u, log_det = flow.bijection.inverse_with(x.expand_as(probes), probes)  # type: ignore[operator]
        return (weights * torch.exp(flow.base.log_prob(u) + log_det - exact)).sum().item()

    signs = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]], dtype=F64)
    assert ratio(signs, torch.full((4,), 0.25, dtype=F64)) == pytest.approx(math.cosh(0.6), abs=1e-10)
    # Normal probes by Gauss and Hermite: E exp(-v'Bv) = det(I + 2 B_s)^(-1/2), B_s the symmetric part.
    nodes, weights = (torch.from_numpy(a) for a in np.polynomial.hermite_e.hermegauss(60))
    weights = weights / weights.sum()
    wanted = torch.linalg.det(torch.eye(2, dtype=F64) + B + B.T) ** -0.5 * B.trace().exp()
    assert wanted.item() == pytest.approx(1.2734, abs=5e-5)
    grid = torch.cartesian_prod(nodes, nodes)
    assert ratio(grid, torch.outer(weights, weights).flatten()) == pytest.approx(wanted.item(), abs=1e-8)


def test_hutchinson_in_training_draws_signs_once_a_solve() -> None:
    flow = ContinuousFlow(Linear(B), (2,), method="rk4", steps=3, trace="hutchinson")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        _, log_det = flow.inverse(torch.zeros(64, 2, dtype=F64))
    # v'Bv = tr B + .6 v1 v2 for the whole way, or it would be a mean over the evaluations.
    assert set(log_det.detach().numpy().round(12)) == {0.8, -0.4}
    assert torch.allclose(flow.eval().inverse(torch.zeros(4, 2, dtype=F64))[1], B.trace())


def test_divergence_by_products() -> None:
    x = points(3, 4)
    a = sines(n=4)
    field = Linear(a)
    b, divergence = exact_divergence(lambda x: field(x, x) + x**2, x)
    torch.testing.assert_close(b, x @ a.T + x**2)
    torch.testing.assert_close(divergence, a.trace() + 2 * x.sum(-1))
    v = points(3, 4, seed=1)
    _, estimate = probed_divergence(lambda x: field(x, x) + x**2, x, v)
    torch.testing.assert_close(estimate, ((v @ a) * v).sum(-1) + (2 * x * v**2).sum(-1))
    # A field that stands still, and one that depends on parameters alone.
    assert exact_divergence(torch.ones_like, x)[1].abs().sum() == 0
    assert exact_divergence(lambda x: field.a.sum().expand_as(x), x)[1].abs().sum() == 0
    with torch.inference_mode():
        torch.testing.assert_close(exact_divergence(lambda x: x**2, x)[1], 2 * x.sum(-1))
    with torch.no_grad():
        assert not exact_divergence(lambda x: field(x, x), x)[1].requires_grad


def test_same_evaluations_and_error_as_torchdiffeq() -> None:
    """With the maximum norm; the default norm of torchdiffeq lets single points err more."""
    torchdiffeq = pytest.importorskip("torchdiffeq")
    velocity = Counted(network())
    x = points(200, 2)

    def joint(t: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        point = state[0].detach().requires_grad_()
        with torch.enable_grad():
            b = velocity(point, t)
            rows = [torch.autograd.grad(b[:, i].sum(), point, retain_graph=True)[0][:, i] for i in range(2)]
        return b.detach(), rows[0] + rows[1]

    def bare(**options: object) -> tuple[Tensor, Tensor, int]:
        velocity.calls = 0
        times = torch.tensor([0.0, 1.0], dtype=F64)
        start = (x, torch.zeros(200, dtype=F64))
        u, log_det = torchdiffeq.odeint(joint, start, times, rtol=1e-5, atol=1e-5, options=options)
        return u[-1], log_det[-1], velocity.calls

    with torch.no_grad():
        u, log_det, calls = bare(norm=lambda state: max(part.abs().max() for part in state))
        velocity.calls = 0
        found = ContinuousFlow(velocity, (2,)).inverse(x)
        assert velocity.calls == calls
        torch.testing.assert_close(found, (u, log_det), rtol=0, atol=1e-12)
        truth = ContinuousFlow(velocity, (2,), **TIGHT).inverse(x)
        loose = bare()
        assert (found[0] - truth[0]).abs().max() < (loose[0] - truth[0]).abs().max()


def test_the_adjoint_of_a_conditioned_flow_reaches_point_condition_and_weights() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        velocity = VelocityMLP(2, (8,), context=1).double()
        for parameter in velocity.parameters():
            nn.init.normal_(parameter, std=0.5)
    found = []
    for adjoint in (False, True):
        flow = ContinuousFlow(velocity, (2,), context=1, adjoint=adjoint, **TIGHT)
        x, c = points(4, 2).requires_grad_(), points(4, 1, seed=1).requires_grad_()
        u, log_det = flow.inverse(x, c)
        found.append(torch.autograd.grad(u.square().sum() - log_det.sum(), [x, c, *flow.parameters()]))
    for a, b in zip(*found, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-5)


@pytest.mark.bad_input
def test_bad_input() -> None:
    velocity = VelocityMLP(2)
    for name, bad in (
        ("time", {"time": 0.0}),
        ("method", {"method": "heun"}),
        ("steps", {"method": "rk4"}),
        ("steps", {"steps": 5}),
        ("steps", {"method": "euler", "steps": 0}),
        ("rtol", {"rtol": -1.0}),
        ("atol", {"atol": 0.0}),
        ("trace", {"trace": "guess"}),
    ):
        with pytest.raises(ValueError, match=f"^{name} must"):
            ContinuousFlow(velocity, (2,), **bad)
    with pytest.raises(TypeError, match=r"^velocity must be callable"):
        ContinuousFlow(3, (2,))  # type: ignore[arg-type]
    # The weight in this closure would get no gradient, and nothing would say so.
    weight = torch.ones((), requires_grad=True)
    with pytest.raises(
        TypeError, match=r"^velocity must be a torch\.nn\.Module for adjoint=True, .* got function"
    ):
        ContinuousFlow(lambda x, t: weight * x, (2,), adjoint=True)
    flow, x = ContinuousFlow(velocity, (2,)), torch.zeros(3, 2)
    with pytest.raises(ValueError, match=r"^probe must have the shape of the points, \(3, 2\), got \(2,\)"):
        flow.inverse_with(x, torch.zeros(2))
    with pytest.raises(TypeError, match=r"^probe must be a torch\.Tensor"):
        flow.forward_with(x, None)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"^frames must be at least 2, got 1"):
        flow.path(x, frames=1)
    with pytest.raises(ValueError, match=r"^probe must have the shape of x"):
        probed_divergence(torch.sin, x, torch.zeros(2))
    with pytest.raises(TypeError, match=r"^field must be callable"):
        exact_divergence(None, x)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"^event_dims must be at least 0"):
        exact_divergence(torch.sin, x, event_dims=-1)
    with pytest.raises(TypeError, match=r"^state must be a tuple of tensors, got Tensor"):
        solve_ode(lambda x, t: x, x, 0.0, 1.0)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"^state must be a tuple of tensors, got Tensor"):
        solve_ode_adjoint(lambda x, t: x, x, 0.0, 1.0, parameters=[])  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"^d must be at least 1"):
        VelocityMLP(0)
