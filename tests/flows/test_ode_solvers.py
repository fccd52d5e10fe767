"""Solvers against solutions in closed form, and gradients by the adjoint against those through the steps."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from gmlib.flows import solve_ode, solve_ode_adjoint
from gmlib.flows.ode_solvers import State

F64 = torch.float64
START = (torch.tensor([0.25, 0.5, 1.0], dtype=F64),)


def cubic(state: State, t: Tensor) -> State:
    """x' = -x^3, solved by x / sqrt(1 + 2 x^2 t)."""
    return (-(state[0] ** 3),)


def error(method: str, steps: int) -> float:
    (found,) = solve_ode(cubic, START, 0.0, 1.0, method=method, steps=steps)
    return float((found - START[0] / torch.sqrt(1 + 2 * START[0] ** 2)).abs().max())


def test_ode_solvers() -> None:
    for method, order in (("euler", 1), ("rk4", 4)):
        slopes = [math.log2(error(method, n) / error(method, 2 * n)) for n in (64, 128, 256)]
        assert slopes[-1] == pytest.approx(order, abs=0.05)
        assert abs(slopes[-1] - order) < abs(slopes[0] - order)  # and nearer with every halving


def test_time_is_asked_for_where_each_rule_wants_it() -> None:
    # x' = 3 t^2: Euler sums left ends, Runge and Kutta's rule is Simpson's and exact.
    slope = (torch.zeros((), dtype=F64),)
    euler, rk4 = (
        solve_ode(lambda x, t: (3 * t**2,), slope, 0.0, 2.0, method=method, steps=4)[0].item()
        for method in ("euler", "rk4")
    )
    assert euler == pytest.approx(0.5 * 3 * (0 + 0.25 + 1 + 2.25), abs=1e-14)
    assert rk4 == pytest.approx(8, abs=1e-14)
    back = solve_ode(lambda x, t: (3 * t**2,), slope, 2.0, 0.0, method="euler", steps=4)[0].item()
    assert back == pytest.approx(-0.5 * 3 * (4 + 2.25 + 1 + 0.25), abs=1e-14)


def test_euler_map_is_invertible_while_step_times_lipschitz_is_below_one() -> None:
    # x' = -3x: one step multiplies by 1 - 3 step. At a third all points fall together, which no flow allows.
    x = torch.tensor([-1.0, 0.5, 2.0], dtype=F64)
    for steps, factor in ((4, 0.25), (3, 0.0), (2, -0.5)):
        (moved,) = solve_ode(lambda s, t: (-3 * s[0],), (x,), 0.0, 1.0, method="euler", steps=steps)
        torch.testing.assert_close(moved, factor**steps * x, rtol=0, atol=1e-15)
    # Below, the step back is a fixed point: u = x - step b(u), with error times 3 step a turn.
    (moved,) = solve_ode(lambda s, t: (-3 * s[0],), (x,), 0.0, 0.25, method="euler", steps=1)
    u = moved
    for turn in range(1, 60):
        u = moved + 0.25 * 3 * u
        assert (u - x).abs().max() <= 0.75**turn * (moved - x).abs().max() + 1e-14


def test_adaptive_error_follows_the_tolerance_at_every_point() -> None:
    truth = START[0] / torch.sqrt(1 + 2 * START[0] ** 2)
    errors = [
        float((solve_ode(cubic, START, 0.0, 1.0, rtol=tol, atol=tol)[0] - truth).abs().max())
        for tol in (1e-4, 1e-6, 1e-8)
    ]
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 1e-7
    # One steep point among a thousand flat ones is not averaged away.
    alone = solve_ode(cubic, (torch.full((1,), 5.0, dtype=F64),), 0.0, 1.0)[0]
    among = solve_ode(cubic, (torch.tensor([5.0] + [0.01] * 1000, dtype=F64),), 0.0, 1.0)[0]
    assert (among[0] - alone[0]).abs() < 1e-12


def test_tolerances_stop_at_the_rounding_of_the_dtype() -> None:
    x = (torch.tensor([0.5, 1.0]),)
    found = solve_ode(cubic, x, 0.0, 1.0, rtol=0.0, atol=1e-300)[0]
    torch.testing.assert_close(found, x[0] / torch.sqrt(1 + 2 * x[0] ** 2), rtol=1e-5, atol=0)


def test_nothing_to_do() -> None:
    assert solve_ode(cubic, START, 0.5, 0.5) is START
    empty = (torch.zeros(0, dtype=F64),)
    assert solve_ode(cubic, empty, 0.0, 1.0)[0].shape == (0,)


class Turning:
    """x' = tanh(W x) + t v for a state of two tensors, the second the integral of the first's square."""

    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(0)
        self.w = torch.randn(3, 3, dtype=F64, generator=generator).requires_grad_()
        self.v = torch.randn(3, dtype=F64, generator=generator).requires_grad_()
        self.x = torch.randn(4, 3, dtype=F64, generator=generator).requires_grad_()

    def __call__(self, state: State, t: Tensor) -> State:
        x, _ = state
        return torch.tanh(x @ self.w.T) + t * self.v, x.square().sum(-1)

    def gradients(self, solver: Any, **options: Any) -> tuple[Tensor, ...]:
        state = (self.x, torch.zeros(4, dtype=F64))
        x, total = solver(self, state, 0.0, 1.0, **options)
        return torch.autograd.grad(x.sin().sum() + total.square().sum(), [self.x, self.w, self.v])


def gap(a: tuple[Tensor, ...], b: tuple[Tensor, ...]) -> float:
    return max(float((p - q).abs().max()) for p, q in zip(a, b, strict=True))


def test_adjoint_ode() -> None:
    field = Turning()
    parameters = [field.w, field.v]
    # As the steps shrink the gradient of the equation becomes the gradient through the steps, at the solver's order.
    gaps = [
        gap(
            field.gradients(solve_ode, method="rk4", steps=n),
            field.gradients(solve_ode_adjoint, method="rk4", steps=n, parameters=parameters),
        )
        for n in (5, 10, 20, 40)
    ]
    assert math.log2(gaps[2] / gaps[3]) == pytest.approx(4, abs=0.3)
    truth = field.gradients(solve_ode, method="rk4", steps=200)
    errors = [
        gap(field.gradients(solve_ode_adjoint, rtol=tol, atol=tol, parameters=parameters), truth)
        for tol in (1e-4, 1e-6, 1e-8)
    ]
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 1e-6


def test_adjoint_keeps_as_much_for_many_steps_as_for_few() -> None:
    field = Turning()
    parameters = [field.w, field.v]

    def kept(solver: Any, **options: Any) -> int:
        numbers = 0

        def pack(tensor: Tensor) -> Tensor:
            nonlocal numbers
            numbers += tensor.numel()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            solver(field, (field.x, torch.zeros(4, dtype=F64)), 0.0, 1.0, **options)
        return numbers

    through = [kept(solve_ode, method="rk4", steps=n) for n in (5, 10, 20)]
    adjoint = [kept(solve_ode_adjoint, method="rk4", steps=n, parameters=parameters) for n in (5, 10, 20)]
    assert through[2] - through[1] == 2 * (through[1] - through[0]) > 0
    # The end of both tensors and the parameters: (12 + 4) + (9 + 3).
    assert adjoint == [28, 28, 28]


def test_adjoint_agrees_with_torchdiffeq() -> None:
    torchdiffeq = pytest.importorskip("torchdiffeq")
    field = Turning()
    ours = field.gradients(solve_ode_adjoint, rtol=1e-9, atol=1e-9, parameters=[field.w, field.v])
    x, total = torchdiffeq.odeint_adjoint(
        lambda t, state: field(state, t),
        (field.x, torch.zeros(4, dtype=F64)),
        torch.tensor([0.0, 1.0], dtype=F64),
        rtol=1e-9,
        atol=1e-9,
        adjoint_params=(field.w, field.v),
    )
    theirs = torch.autograd.grad(x[-1].sin().sum() + total[-1].square().sum(), [field.x, field.w, field.v])
    assert gap(ours, theirs) < 1e-6


def test_adjoint_of_a_field_without_parameters_or_slope() -> None:
    x = torch.ones(2, dtype=F64, requires_grad=True)
    options: dict[str, Any] = {"method": "rk4", "steps": 4}
    (moved,) = solve_ode_adjoint(
        lambda s, t: (torch.ones_like(s[0]),), (x,), 0.0, 1.0, parameters=[], **options
    )
    assert torch.equal(torch.autograd.grad(moved.sum(), x)[0], torch.ones(2, dtype=F64))
    (still,) = solve_ode_adjoint(cubic, (x,), 1.0, 1.0, parameters=[])
    assert torch.equal(torch.autograd.grad(still.sum(), x)[0], torch.ones(2, dtype=F64))
