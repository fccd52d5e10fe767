"""Chapter 05, continuous flows: the density along a linear field, in closed form."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gmlib.exercises.exercise import Exercise, Mistake, Property
from gmlib.exercises.flows._cases import F64, Cases, normal


def _fields(generator: torch.Generator) -> Cases:
    cases: Cases = [
        {"x": normal(generator, n, d), "a": 0.6 * normal(generator, d, d), "time": time}
        for n, d, time in ((2, 2, 1.0), (3, 3, 0.7), (1, 2, 1.6))
    ]
    # The last input is a grid of the plane, on which the density is integrated.
    axis = torch.linspace(-12, 12, 97, dtype=F64)
    grid = torch.cartesian_prod(axis, axis)
    cases.append({"x": grid, "a": 0.3 * normal(generator, 2, 2), "time": 0.8})
    return cases


def _is_normal(case: Any, found: Tensor) -> bool:
    forth = torch.linalg.matrix_exp(-case["time"] * case["a"])
    law = torch.distributions.MultivariateNormal(torch.zeros(len(forth), dtype=F64), forth @ forth.T)
    return torch.allclose(found, law.log_prob(case["x"]), rtol=1e-4, atol=1e-4)


LINEAR_FIELD = Exercise(
    id="flows.linear-field",
    title="The density along a linear field",
    chapter="05_flows",
    section="sec-05-continuous",
    difficulty=2,
    minutes=30,
    statement=r"""
Points move with a velocity field, {eq}`eq-05-ode`, from the data $x_0 = x$ to the noise $x_T = u \sim \mathcal N(0, I)$;
to sample, one runs time backwards. (a) Show that the Jacobian $J_t = \partial x_t/\partial x_0$ obeys
$\frac{\mathrm dJ_t}{\mathrm dt} = \frac{\partial b_t}{\partial x}J_t$, and from this, with Jacobi's formula
$\frac{\mathrm d}{\mathrm dt}\log|\det J_t| = \operatorname{tr}\big(J_t^{-1}\frac{\mathrm dJ_t}{\mathrm dt}\big)$, that the
log-density of the moving point falls at the rate of the divergence,
$\frac{\mathrm d}{\mathrm dt}\log p_t(x_t) = -\operatorname{tr}\frac{\partial b_t}{\partial x}(x_t)$.
(b) For $b_t(x) = Ax$ solve both equations. (c) Euler's rule with steps of length $\Delta t$ is a residual flow. Its
steps have *exact* log-determinants: how far is their sum from $T\operatorname{tr}A$, to first order in $\Delta t$?
Which sign has the difference for a symmetric $A \ne 0$, and which for a rotation, $A^\top = -A$?

Write `log_density(x, a, time)` for $b_t(x) = Ax$, in nats, one number for each row of `x`.
""",
    answer="log_density",
    stub="""
def log_density(x, a, time):
    # x: (n, d), data, where the points are at time 0; a: (d, d), the matrix A;
    # time: T, when they are noise. Returns (n,), nats.
    ...
""",
    reference="""
def log_density(x, a, time):
    there = torch.linalg.matrix_exp(time * a)
    u = x @ there.T
    base = -0.5 * (u**2).sum(-1) - 0.5 * len(a) * math.log(2 * math.pi)
    return base + time * a.trace()
""",
    mistakes=(
        Mistake(
            "trace-subtracted",
            (("base + time * a.trace()", "base - time * a.trace()"),),
            "Integrate your density over a grid. If space is stretched on the way to the noise, was the density of the "
            "data lower or higher?",
        ),
        Mistake(
            "no-trace",
            (("return base + time * a.trace()", "return base"),),
            "Right when the trace is 0, a field that neither spreads nor gathers. What about the others?",
        ),
        Mistake(
            "determinant-of-the-field",
            (("a.trace()", "torch.linalg.det(a).abs().log()"),),
            "You take the log-determinant of A. It is the map that has a Jacobian to take it of, and A is its rate of "
            "change: for A = 0 the map is the identity.",
        ),
        Mistake(
            "backwards-in-time",
            (("(time * a)", "(-time * a)"),),
            "You run time backwards, as a sampler does. Which way leads from the data to the noise?",
        ),
        Mistake(
            "transposed",
            (("x @ there.T", "x @ there"),),
            "Right for symmetric A. With points as rows, what does a matrix that acts on columns become?",
        ),
        Mistake(
            "one-euler-step",
            (("torch.linalg.matrix_exp(time * a)", "torch.eye(len(a), dtype=a.dtype) + time * a"),),
            "Your way to the noise is one step of Euler's method, good for short times. What solves the equation exactly?",
        ),
        Mistake(
            "log-determinant-of-one-step",
            (
                (
                    "time * a.trace()",
                    "torch.linalg.slogdet(torch.eye(len(a), dtype=a.dtype) + time * a)[1]",
                ),
            ),
            "That is the log-determinant of one long step of Euler's method. What do many short ones add up to?",
        ),
    ),
    hints=(
        r"Differentiate $\frac{\mathrm dx_t}{\mathrm dt} = b_t(x_t)$ with respect to $x_0$.",
        r"$x_T = e^{AT}x$, and $\det e^{AT} = e^{T\operatorname{tr}A}$.",
        r"$\log\det(I + \Delta t\,A) = \Delta t\operatorname{tr}A - \frac{\Delta t^2}2\operatorname{tr}A^2 + \dots$, and "
        r"there are $T/\Delta t$ steps.",
    ),
    solution=r"""
(a) $\frac{\mathrm dJ_t}{\mathrm dt} = \frac{\partial}{\partial x_0}b_t(x_t) = \frac{\partial b_t}{\partial x}J_t$, so
$\operatorname{tr}\big(J_t^{-1}\frac{\mathrm dJ_t}{\mathrm dt}\big) = \operatorname{tr}\big(J_t^{-1}\frac{\partial
b_t}{\partial x}J_t\big) = \operatorname{tr}\frac{\partial b_t}{\partial x}$. With $\log p_t(x_t) = \log p_0(x_0) -
\log|\det J_t|$ this is the claim. Only a trace is left, where discrete layers need a determinant. (b) $x_t = e^{At}x$ and
$\log|\det J_T| = T\operatorname{tr}A$, hence

$$
\log p(x) = \log\mathcal N\big(e^{AT}x\,;\,0, I\big) + T\operatorname{tr}A ,
$$

which is $\mathcal N(0, e^{-AT}e^{-A^\top T})$. (c) Each step has $\log\det(I + \Delta t\,A)$, so all of them together
$T\operatorname{tr}A - \frac{\Delta t}2T\operatorname{tr}A^2 + O(\Delta t^2)$. For a symmetric $A$ the trace of $A^2$ is
the sum of the squares of all entries, and Euler's log-determinant is too small. For a rotation it is minus that sum,
and the log-determinant is too large: the steps go along tangents, and out of the circle. A code that integrates the
trace by Euler's rule reports $T\operatorname{tr}A$ exactly, for a map whose log-determinant is another number.
""",
    cases=_fields,
    properties=(
        Property(
            "the density integrates to one",
            lambda case, found: len(found) < 1000 or abs(found.exp().sum().item() / 16 - 1) < 1e-3,
        ),
        Property("a linear map of normal noise is normal", _is_normal),
    ),
)
