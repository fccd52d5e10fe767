"""Gradients of a differential equation's solution by another one, solved backwards: memory that no step adds to."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from gmlib.flows.ode_solvers import Field, State, solve_ode


def solve_ode_adjoint(
    field: Field, state: State, start: float, end: float, *, parameters: Iterable[Tensor], **solver: Any
) -> State:
    r"""The state at the end of :math:`\dot x = b_t(x; \theta)`, with gradients by the adjoint equation.

    Nothing is kept of the way but its end. For a loss L of x(t1), the adjoint :math:`a(t) = \partial L/\partial x(t)` and
    the gradient of the parameters obey

    .. math:: \dot a = -a^\top \frac{\partial b_t}{\partial x}, \qquad
        \frac{\partial L}{\partial\theta} = \int_{t_0}^{t_1} a^\top \frac{\partial b_t}{\partial\theta}\, dt,

    and are solved from t1 back to t0, together with x, which is found again on the way. The gradient is that of the
    differential equation: it equals that of the solver's steps up to the error of both solutions. The steps back are chosen
    for x and a alone: the gradient is an integral along the way, and its error feeds back into nothing.

    (:eq:`eq-05b-adjoint` in the book.)

    Args:
        field: b, as `solve_ode` takes it.
        state: x(t0), a tuple of floating tensors.
        start: t0.
        end: t1.
        parameters: theta: every tensor besides ``state`` that ``field`` depends on and that wants a gradient.
        solver: keywords of `solve_ode`, for both ways.

    Returns:
        x(t1), a tuple like ``state``; it can be differentiated once.

    Raises:
        TypeError: as `solve_ode`.
        ValueError: as `solve_ode`.
        ArithmeticError: as `solve_ode`.

    References:
        R. Chen et al., *Neural ordinary differential equations*, 2018, section 2 and algorithm 1; P. Kidger, R. Chen and
        T. Lyons, *"Hey, that's not an ODE"*, 2021, for the steps that the gradient's error does not choose.

    Example:
        The slope of :math:`x_0 e^{\theta}` in theta:

        >>> theta = torch.tensor(0.5, requires_grad=True)
        >>> (x,) = solve_ode_adjoint(lambda x, t: (theta * x[0],), (torch.ones(1),), 0.0, 1.0, parameters=[theta])
        >>> x.backward()
        >>> round(theta.grad.item(), 3), round(torch.tensor(0.5).exp().item(), 3)
        (1.649, 1.649)
    """
    wanted = [p for p in parameters if p.requires_grad]
    if not isinstance(state, tuple):
        raise TypeError(f"state must be a tuple of tensors, got {type(state).__name__}")
    return _Adjoint.apply(field, start, end, solver, len(state), *state, *wanted)  # pyright: ignore


class _Adjoint(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, field: Field, start: float, end: float, solver: dict[str, Any], n: int, *tensors: Tensor
    ) -> State:
        last = solve_ode(field, tensors[:n], start, end, **solver)
        ctx.field, ctx.start, ctx.end, ctx.solver, ctx.n = field, start, end, solver, n
        ctx.save_for_backward(*last, *tensors[n:])
        # A state that does not move would be returned as it came, which autograd takes for a view.
        return tuple(
            part.clone() if part is old else part for part, old in zip(last, tensors[:n], strict=True)
        )

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore
        n = ctx.n
        last, parameters = ctx.saved_tensors[:n], ctx.saved_tensors[n:]
        gradient = last[0].new_zeros(sum(p.numel() for p in parameters))
        back = _Back(ctx.field, n, parameters)
        found = solve_ode(
            back, (*last, *slopes, gradient), ctx.end, ctx.start, controlled=2 * n, **ctx.solver
        )
        pieces = found[2 * n].split([p.numel() for p in parameters]) if parameters else ()
        shaped = (piece.reshape(p.shape) for piece, p in zip(pieces, parameters, strict=True))
        return (None,) * 5 + found[n : 2 * n] + tuple(shaped)


class _Back:
    """The field of (x, a, gradient): one evaluation of b and one product with its Jacobian in x and theta."""

    def __init__(self, field: Field, n: int, parameters: State) -> None:
        self.field, self.n, self.parameters = field, n, parameters

    def __call__(self, state: State, t: Tensor) -> State:
        n = self.n
        with torch.enable_grad():
            x = tuple(part.detach().requires_grad_() for part in state[:n])
            slope = self.field(x, t)
            products = torch.autograd.grad(
                [
                    s + 0 * z for s, z in zip(slope, x, strict=True)
                ],  # with a graph even where the field is constant
                [*x, *self.parameters],
                state[n : 2 * n],
                allow_unused=True,
                materialize_grads=True,
            )
        flat = [product.flatten() for product in products[n:]]
        gradient = torch.cat(flat) if flat else state[2 * n]
        return (*(s.detach() for s in slope), *(-p for p in products[:n]), -gradient)
