"""Flows in continuous time: points follow a velocity field, and log-densities its divergence."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gmlib._checks import check_callable, check_choice, check_count, check_number, check_tensor
from gmlib.flows.adjoint import solve_ode_adjoint
from gmlib.flows.bijection import Bijection
from gmlib.flows.divergence import exact_divergence, probed_divergence
from gmlib.flows.ode_solvers import State, check_solver, solve_ode


class ContinuousFlow(Bijection):
    r"""The map along a velocity field, from noise at time T to data at time 0.

    .. math:: \dot x = b_t(x), \qquad u = x(T), \qquad
        \log|\det J_{F^{-1}}(x)| = \int_0^T \operatorname{tr}\frac{\partial b_t}{\partial x}(x(t))\, dt

    `inverse` follows the field from the data at t = 0 to the noise at t = T, `forward` goes the same way back. The
    log-determinant is solved for together with the point: it is the integral of the divergence, not the log-determinant of
    the solver's steps, from which it differs by the solver's error.

    Any network is a field: the solution is invertible if the field is Lipschitz in x, uniformly in t. (If solutions merely
    exist and are unique the map is one-to-one, but it need not reach every u.)

    Under autocast b is rounded to 8 bits, which no solver's tolerance is for: there, put the flow into `FullPrecision`.

    (:eq:`eq-05-ode`, :eq:`eq-05-instant` in the book.)

    Args:
        velocity: b, called as ``velocity(x, t)``, with a condition ``velocity(x, t, c)``; x of shape
            ``(*batch, *event_shape)``, t of shape ``()``; each point on its own. `VelocityMLP` is one. Parameters of a
            plain callable are not registered, so that no optimiser finds them among those of the flow.
        event_shape: shape of one point.
        time: T, where the noise is.
        method: solver: ``"dopri5"``, which chooses its steps (needs torchdiffeq), ``"rk4"``, ``"euler"``; see `solve_ode`.
        steps: number of steps of ``"rk4"`` and ``"euler"``; None for ``"dopri5"``.
        rtol: relative tolerance of ``"dopri5"``.
        atol: absolute tolerance of ``"dopri5"``.
        trace: ``"exact"``: d products with the Jacobian at each evaluation. ``"hutchinson"``: in training mode one product,
            with random signs drawn from torch's default generator once a solve; in evaluation mode exact (FFJORD).
            `inverse_with` and `forward_with` take the signs from outside.
        adjoint: gradients from the adjoint equation, with memory that does not grow with the steps (`solve_ode_adjoint`);
            otherwise through the steps of the solver. It takes a ``torch.nn.Module`` for ``velocity``: it differentiates by
            registered parameters alone.
        context: length of the condition c, 0 for none.

    Raises:
        TypeError: ``velocity`` cannot be called, or is no module where ``adjoint`` is wanted.
        ValueError: a number is out of its range, a choice is unknown, or ``steps`` is missing or unwanted.

    References:
        R. Chen et al., *Neural ordinary differential equations*, 2018, theorem 1 and section 4; W. Grathwohl et al.,
        *FFJORD*, 2019; K. Murphy, *Probabilistic Machine Learning: Advanced Topics*, 2023, section 23.2.6.

    Example:
        On the field x every distance grows by e, so every area by e²:

        >>> flow = ContinuousFlow(lambda x, t: x, (2,), rtol=1e-7, atol=1e-7)
        >>> u, log_det = flow.inverse(torch.ones(1, 2))
        >>> [round(v, 5) for v in (*u[0].tolist(), log_det.item())]
        [2.71828, 2.71828, 2.0]
    """

    def __init__(
        self,
        velocity: Callable[..., Tensor],
        event_shape: tuple[int, ...],
        *,
        time: float = 1.0,
        method: str = "dopri5",
        steps: int | None = None,
        rtol: float = 1e-5,
        atol: float = 1e-5,
        trace: str = "exact",
        adjoint: bool = False,
        context: int = 0,
    ) -> None:
        super().__init__(event_shape, context=context)
        check_callable("velocity", velocity)
        if adjoint and not isinstance(velocity, nn.Module):
            raise TypeError(
                "velocity must be a torch.nn.Module for adjoint=True, which gives gradients to registered parameters "
                f"alone, got {type(velocity).__name__}"
            )
        check_number("time", time, low=0.0, low_open=True)
        check_solver(method, steps, rtol, atol)
        check_choice("trace", trace, ("exact", "hutchinson"))
        self.velocity = velocity
        self.time, self.trace, self.adjoint = time, trace, adjoint
        self.solver: dict[str, Any] = {"method": method, "steps": steps, "rtol": rtol, "atol": atol}

    def forward_with(
        self, u: Float[Tensor, "..."], probe: Float[Tensor, "..."], c: Float[Tensor, "..."] | None = None
    ) -> tuple[Float[Tensor, "..."], Float[Tensor, "*batch"]]:
        r"""`forward` with Hutchinson's estimate of the log-determinant from a given probe.

        Args:
            u: points, shape ``(*batch, *event_shape)``.
            probe: v of the shape of ``u``, one for the whole solve, with :math:`\mathbb E\,vv^\top = I`: random signs, or
                standard normal draws.
            c: the condition, shape ``(*batch, context)``.

        Returns:
            x, and an unbiased estimate of the log-determinant (whose exponential is biased upwards).

        Raises:
            TypeError: an argument is no floating tensor.
            ValueError: an argument has the wrong shape.
        """
        self._check("u", u, c, self.noise_shape)
        return self._follow(u, c, self.time, 0.0, _checked(probe, u))

    def inverse_with(
        self, x: Float[Tensor, "..."], probe: Float[Tensor, "..."], c: Float[Tensor, "..."] | None = None
    ) -> tuple[Float[Tensor, "..."], Float[Tensor, "*batch"]]:
        r"""`inverse` with Hutchinson's estimate of the log-determinant from a given probe; arguments as in `forward_with`.

        Example:
            >>> flow = ContinuousFlow(lambda x, t: x.flip(-1), (2,), method="rk4", steps=4)
            >>> x = torch.zeros(2, 2)
            >>> flow.inverse_with(x, torch.tensor([[1.0, 1.0], [1.0, -1.0]]))[1]
            tensor([ 2., -2.])
            >>> flow.inverse(x)[1]  # their mean
            tensor([0., 0.])
        """
        self._check("x", x, c, self.event_shape)
        return self._follow(x, c, 0.0, self.time, _checked(probe, x))

    def path(
        self, u: Float[Tensor, "..."], c: Float[Tensor, "..."] | None = None, *, frames: int = 21
    ) -> tuple[Float[Tensor, " frames"], Float[Tensor, "frames ..."]]:
        """The points on their way from noise to data, without log-determinants.

        Args:
            u: points, shape ``(*batch, *event_shape)``.
            c: the condition, shape ``(*batch, context)``.
            frames: number of equidistant times, both ends among them; a fixed-step solver takes its steps between any two.

        Returns:
            The times, T first and 0 last, and the points at them, shape ``(frames, *batch, *event_shape)``.

        Raises:
            TypeError: ``u`` or ``c`` is no floating tensor.
            ValueError: ``u`` or ``c`` has the wrong shape, or there are fewer than 2 frames.

        Example:
            >>> flow = ContinuousFlow(lambda x, t: torch.ones_like(x), (1,), method="euler", steps=1)
            >>> times, points = flow.path(torch.zeros(1), frames=3)
            >>> times.tolist(), points.flatten().tolist()
            ([1.0, 0.5, 0.0], [0.0, -0.5, -1.0])
        """
        self._check("u", u, c, self.noise_shape)
        check_count("frames", frames, low=2)
        times = [self.time * (1 - i / (frames - 1)) for i in range(frames)]
        points = [u]
        for start, end in pairwise(times):
            points += solve_ode(partial(self._point_only, c=c), (points[-1],), start, end, **self.solver)
        return torch.tensor(times, dtype=u.dtype, device=u.device), torch.stack(points)

    def _forward(self, u: Tensor, c: Tensor | None) -> tuple[Tensor, Tensor]:
        return self._follow(u, c, self.time, 0.0, self._draw(u))

    def _inverse(self, x: Tensor, c: Tensor | None) -> tuple[Tensor, Tensor]:
        return self._follow(x, c, 0.0, self.time, self._draw(x))

    def _push(self, u: Tensor, c: Tensor | None) -> Tensor:
        """The point alone: no product with the Jacobian, and no error of the divergence to keep small."""
        field = partial(self._point_only, c=c)
        if self.adjoint:
            return solve_ode_adjoint(field, (u,), self.time, 0.0, parameters=self._moving(c), **self.solver)[
                0
            ]
        return solve_ode(field, (u,), self.time, 0.0, **self.solver)[0]

    def _moving(self, c: Tensor | None) -> list[Tensor]:
        """What the field depends on, besides the point."""
        return [*self.parameters(), *([] if c is None else [c])]

    def _draw(self, like: Tensor) -> Tensor | None:
        """Random signs, once a solve, where estimates are wanted."""
        if self.trace == "hutchinson" and self.training:
            return torch.randint_like(like, 2) * 2 - 1
        return None

    def _follow(
        self, point: Tensor, c: Tensor | None, start: float, end: float, probe: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        batch = point.shape[: point.dim() - len(self.event_shape)]
        state = (point, point.new_zeros(batch))
        field = partial(self._with_divergence, c=c, probe=probe)
        if self.adjoint:
            found = solve_ode_adjoint(field, state, start, end, parameters=self._moving(c), **self.solver)
        else:
            found = solve_ode(field, state, start, end, **self.solver)
        return found[0], found[1]

    def _at(self, x: Tensor, *, t: Tensor, c: Tensor | None) -> Tensor:
        return self.velocity(x, t) if c is None else self.velocity(x, t, c)

    def _point_only(self, state: State, t: Tensor, *, c: Tensor | None) -> State:
        return (self._at(state[0], t=t, c=c),)

    def _with_divergence(self, state: State, t: Tensor, *, c: Tensor | None, probe: Tensor | None) -> State:
        field, n = partial(self._at, t=t, c=c), len(self.event_shape)
        if probe is None:
            return exact_divergence(field, state[0], event_dims=n)
        return probed_divergence(field, state[0], probe, event_dims=n)


def _checked(probe: Any, point: Tensor) -> Tensor:
    check_tensor("probe", probe)
    if probe.shape != point.shape:
        raise ValueError(
            f"probe must have the shape of the points, {tuple(point.shape)}, got {tuple(probe.shape)}"
        )
    return probe
