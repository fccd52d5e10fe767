"""One velocity field, followed by gmlib, by bare torchdiffeq and by zuko: the same network, tolerances and divergence.

The field goes from data at t = 0 to noise at t = 1. All take Dormand and Prince's steps, and all let the worst entry of
the state choose them: that is zuko's rule and gmlib's, and an option of torchdiffeq's (its own rule averages over the
batch, and makes larger errors with fewer evaluations).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torchdiffeq import odeint, odeint_adjoint

from gmlib.flows import ContinuousFlow, Flow, StandardNormal
from gmlib.nn import MLP

TOLERANCE = 1e-5
State = tuple[Tensor, Tensor]


class Velocity(nn.Module):
    """b_t(x) on the plane: an MLP 3-64-64-2 of point and time, which counts how often it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.net = MLP([3, 64, 64, 2])
        self.asked = 0

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        """The velocity at points (n, 2) and a time."""
        self.asked += 1
        return self.net(torch.cat([x, t.expand(len(x), 1)], -1))


def steep_velocity() -> Velocity:
    """A field with something to solve: weights 2.5 times as large as torch draws them."""
    velocity = Velocity()
    with torch.no_grad():
        for parameter in velocity.parameters():
            parameter.mul_(2.5)
    return velocity


def like(velocity: Velocity) -> Velocity:
    """A copy, in its dtype."""
    other = Velocity().to(next(velocity.parameters()))
    other.load_state_dict(velocity.state_dict())
    return other


@dataclass
class Contender:
    """A continuous flow of some library.

    Attributes:
        velocity: the network.
        log_prob: points (n, 2) to nats (n,).
        push: noise (n, 2) to points (n, 2), without a log-determinant; None: not asked.
    """

    velocity: Velocity
    log_prob: Callable[[Tensor], Tensor]
    push: Callable[[Tensor], Tensor] | None = field(default=None)


def worst(state: Tensor | tuple[Tensor, ...]) -> Tensor:
    """The largest absolute entry."""
    parts = state if isinstance(state, tuple) else (state,)
    return torch.stack([part.abs().amax() for part in parts]).amax()


class Augmented(nn.Module):
    """Velocity and divergence, one backward pass a coordinate, as torchdiffeq's own example has it."""

    def __init__(self, velocity: Velocity) -> None:
        super().__init__()
        self.velocity = velocity

    def forward(self, t: Tensor, state: State) -> State:
        """Slopes of the point and of the log-determinant."""
        recording = torch.is_grad_enabled()
        with torch.enable_grad():
            x = state[0] if state[0].requires_grad else state[0].detach().requires_grad_()
            slope = self.velocity(x, t)
            rows = [
                torch.autograd.grad(slope[:, i].sum(), x, create_graph=recording, retain_graph=True)[0][:, i]
                for i in range(2)
            ]
        trace = rows[0] + rows[1]
        return (slope, trace) if recording else (slope.detach(), trace)


def with_torchdiffeq(velocity: Velocity, *, adjoint: bool = False, tolerance: float = TOLERANCE) -> Contender:
    """torchdiffeq with the worst entry's rule, and as little around it as possible."""
    augmented = Augmented(velocity)
    solver: dict[str, Any] = {
        "rtol": tolerance,
        "atol": tolerance,
        "method": "dopri5",
        "options": {"norm": worst},
    }
    base = StandardNormal((2,))

    def log_prob(x: Tensor) -> Tensor:
        solve: Any = odeint_adjoint if adjoint else odeint
        times = torch.tensor([0.0, 1.0], dtype=x.dtype, device=x.device)
        points, traces = solve(augmented, (x, torch.zeros_like(x[:, 0])), times, **solver)
        return base.log_prob(points[-1]) + traces[-1]

    def push(u: Tensor) -> Tensor:
        times = torch.tensor([1.0, 0.0], dtype=u.dtype, device=u.device)
        path: Any = odeint(lambda t, x: velocity(x, t), u, times, **solver)
        return path[-1]

    return Contender(velocity, log_prob, None if adjoint else push)


def with_gmlib(velocity: Velocity, *, adjoint: bool = False) -> Contender:
    """gmlib's flow."""
    flow = Flow(
        StandardNormal((2,)),
        ContinuousFlow(velocity, (2,), rtol=TOLERANCE, atol=TOLERANCE, adjoint=adjoint),
    ).to(next(velocity.parameters()).device)
    return Contender(velocity, flow.log_prob, None if adjoint else flow.bijection.push)


def with_zuko(velocity: Velocity) -> Contender:
    """zuko's transform, which its continuous flow builds at each call."""
    from zuko.transforms import FreeFormJacobianTransform

    base = StandardNormal((2,))
    device = next(velocity.parameters()).device
    data, noise = torch.zeros((), device=device), torch.ones((), device=device)
    phi = tuple(velocity.parameters())

    def slope(t: Tensor, x: Tensor) -> Tensor:
        return velocity(x, t)

    def transform(start: Tensor, end: Tensor) -> Any:
        return FreeFormJacobianTransform(slope, start, end, phi=phi, atol=TOLERANCE, rtol=TOLERANCE)

    def log_prob(x: Tensor) -> Tensor:
        u, log_det = transform(data, noise).call_and_ladj(x)
        return base.log_prob(u) + log_det

    return Contender(velocity, log_prob, lambda u: transform(noise, data)(u))
