"""Ordinary differential equations, solved step by step: Euler, Runge and Kutta, and steps that choose themselves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from gmlib._checks import check_callable, check_choice, check_count, check_number, check_tensor
from gmlib._extras import require

State = tuple[Tensor, ...]
Field = Callable[[State, Tensor], State]
"""dx/dt at a state and a time (a tensor of shape ``()``), as many tensors as the state has."""

METHODS = ("euler", "rk4", "dopri5")


def solve_ode(
    field: Field,
    state: State,
    start: float,
    end: float,
    *,
    method: str = "dopri5",
    steps: int | None = None,
    rtol: float = 1e-5,
    atol: float = 1e-5,
    controlled: int | None = None,
) -> State:
    r"""The state at the end of :math:`\dot x = b_t(x)`, for states of one tensor or more.

    .. math:: x(t_1) = x(t_0) + \int_{t_0}^{t_1} b_t(x(t))\, dt

    Time may run backwards. All operations are recorded by autograd, so that gradients go through the solver (and its
    memory grows with the steps; `solve_ode_adjoint` does without).

    Args:
        field: :math:`b`, called as ``field(state, t)``, with t of shape ``()``; returns the slopes, a tuple like ``state``.
        state: x(t0), a tuple of floating tensors of one dtype.
        start: t0.
        end: t1.
        method: ``"euler"`` or ``"rk4"``, in ``steps`` equal steps, or ``"dopri5"``, which chooses its steps so that the
            estimated error of each stays below :math:`\mathrm{atol} + \mathrm{rtol}\,|x|` in *every* entry. (A norm
            averaged over the batch lets single points be as wrong as they like in a large one.)
        steps: number of steps; None for ``"dopri5"``.
        rtol: relative tolerance of ``"dopri5"``; it and ``atol`` are never taken tighter than 10 roundings of the dtype.
        atol: absolute tolerance of ``"dopri5"``.
        controlled: how many of the state's tensors, from the first on, choose the steps; None for all.

    Returns:
        x(t1), a tuple like ``state``.

    Raises:
        TypeError: ``field`` cannot be called, or ``state`` is no tuple of floating tensors.
        ValueError: the method is unknown, a number is out of its range, or ``steps`` is missing or unwanted.
        ArithmeticError: the steps of ``"dopri5"`` shrink to nothing, as where a solution escapes to infinity.
        ImportError: ``"dopri5"`` without torchdiffeq.

    References:
        E. Hairer, S. Norsett and G. Wanner, *Solving ordinary differential equations I*, 1993, sections II.1 and II.5;
        J. Dormand and P. Prince, *A family of embedded Runge-Kutta formulae*, 1980.

    Example:
        >>> decay = lambda state, t: (-state[0],)
        >>> x = (torch.ones(1),)
        >>> [round(solve_ode(decay, x, 0.0, 1.0, method=m, steps=4)[0].item(), 4) for m in ("euler", "rk4")]
        [0.3164, 0.3679]
        >>> round(solve_ode(decay, x, 0.0, 1.0, rtol=1e-7, atol=1e-7)[0].item(), 6)  # e^-1
        0.367879
    """
    check_solver(method, steps, rtol, atol)
    check_callable("field", field)
    if not isinstance(state, tuple) or not state:
        raise TypeError(f"state must be a tuple of tensors, got {type(state).__name__}")
    for part in state:
        check_tensor("state", part)
    check_number("start", start)
    check_number("end", end)
    if start == end or not any(part.numel() for part in state):
        return state
    if method == "dopri5":
        return _dopri5(field, state, start, end, rtol, atol, len(state) if controlled is None else controlled)
    assert steps is not None
    return _fixed(_euler_step if method == "euler" else _rk4_step, field, state, start, end, steps)


def check_solver(method: Any, steps: Any, rtol: Any, atol: Any) -> None:
    """Raise unless the four describe a solver, as `solve_ode` wants them.

    Example:
        >>> check_solver("rk4", 10, 1e-5, 1e-5)
    """
    check_choice("method", method, METHODS)
    if method == "dopri5":
        if steps is not None:
            raise ValueError(f'steps must be None for "dopri5", which chooses its steps, got {steps!r}')
        check_number("rtol", rtol, low=0.0)
        check_number("atol", atol, low=0.0, low_open=True)
    elif steps is None:
        raise ValueError(f'steps must be given for "{method}", got None')
    else:
        check_count("steps", steps)


def _fixed(step: Callable[..., State], field: Field, state: State, start: float, end: float, n: int) -> State:
    # Ends and middles of all steps at once: indexing gives views, and the device never has to ask the host for a time.
    times = torch.linspace(start, end, 2 * n + 1, dtype=state[0].dtype, device=state[0].device)
    h = (end - start) / n
    for i in range(0, 2 * n, 2):
        state = step(field, state, times[i : i + 3], h)
    return state


def _euler_step(field: Field, x: State, times: Tensor, h: float) -> State:
    """One layer of a residual network, x + h b(x)."""
    return _move(x, field(x, times[0]), h)


def _rk4_step(field: Field, x: State, times: Tensor, h: float) -> State:
    k1 = field(x, times[0])
    k2 = field(_move(x, k1, h / 2), times[1])
    k3 = field(_move(x, k2, h / 2), times[1])
    k4 = field(_move(x, k3, h), times[2])
    return tuple(
        a.add(p + 2 * (q + r) + s, alpha=h / 6) for a, p, q, r, s in zip(x, k1, k2, k3, k4, strict=True)
    )


def _move(x: State, slope: State, h: float) -> State:
    return tuple(a.add(b, alpha=h) for a, b in zip(x, slope, strict=True))


def _dopri5(
    field: Field, state: State, start: float, end: float, rtol: float, atol: float, controlled: int
) -> State:
    torchdiffeq = require("torchdiffeq", extra="ode", purpose="for steps that choose themselves")
    first = state[0]
    # Of a tuple torchdiffeq makes one vector and back, at every evaluation.
    start_state = first if len(state) == 1 else state
    time_dtype = torch.float32 if first.device.type == "mps" else torch.float64  # MPS has no float64
    times = torch.tensor([start, end], dtype=time_dtype, device=first.device)
    finest = 10 * torch.finfo(first.dtype).eps
    try:
        path = torchdiffeq.odeint(
            _TimeFirst(field),
            start_state,
            times,
            rtol=max(rtol, finest),
            atol=max(atol, finest),
            method="dopri5",
            options={"norm": _LargestEntry(controlled), "dtype": time_dtype},
        )
    except AssertionError as error:  # torchdiffeq's word for steps of no length, and for infinite states
        raise ArithmeticError(
            f"the solution from t = {start:g} to {end:g} cannot be followed ({error}): it may escape to infinity "
            "on the way, or the field is too steep"
        ) from error
    return (path[-1],) if len(state) == 1 else tuple(part[-1] for part in path)


class _TimeFirst:
    """A field as torchdiffeq calls it, with a bare tensor for a state of one."""

    def __init__(self, field: Field) -> None:
        self.field = field

    def __call__(self, t: Tensor, state: State | Tensor) -> State | Tensor:
        return self.field((state,), t)[0] if isinstance(state, Tensor) else self.field(state, t)


class _LargestEntry:
    """The largest absolute entry of the first tensors."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __call__(self, state: State | Tensor) -> Tensor:
        if isinstance(state, Tensor):
            return state.abs().amax()
        return torch.stack([part.abs().amax() for part in state[: self.count]]).amax()
