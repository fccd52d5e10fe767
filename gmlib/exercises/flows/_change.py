"""Chapter 05, change of variables: where each Jacobian belongs, and a flow that can be written out in full."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from gmlib.exercises.exercise import Exercise, Mistake, Property
from gmlib.exercises.flows._cases import F64, Cases, normal


def _through(u: Tensor) -> Tensor:
    y = torch.sinh(u)
    return y + y**3 / 3


def _line(generator: torch.Generator) -> Cases:
    cases: Cases = [{"x": _through(normal(generator, n))} for n in (3, 5, 2)]
    # The last input is a grid, on which the density is integrated.
    cases.append({"x": _through(torch.linspace(-5, 5, 4001, dtype=F64))})
    return cases


def _integrates(case: Any, found: Tensor) -> bool:
    x = case["x"]
    return len(x) < 1000 or abs(torch.trapezoid(found.exp(), x).item() - 1) < 1e-3


COMPOSITION = Exercise(
    id="flows.composition",
    title="Where is each Jacobian taken?",
    chapter="05_flows",
    section="sec-05-composition",
    difficulty=1,
    minutes=20,
    statement=r"""
A standard normal $u$ goes through two layers, $y = F_1(u) = \sinh u$ and $x = F_2(y) = y + \frac13y^3$. (a) Prove by
the chain rule that the log-determinants of a composition add, and say for each of them at which point it is taken, once
written with the layers $F_i$ and once with their inverses. (b) Invert both layers. For the cubic, put
$y = 2\sinh t$ and use $4\sinh^3t + 3\sinh t = \sinh 3t$. (c) Give the log-density of $x$. One often sees the product of
the Jacobians written with the same letter in every factor. Integrate what this gives numerically, once with both
Jacobians at $x$, once with both at $u$: by how much is the integral off?

Write `log_density(x)`, in nats, one number for each entry of `x`.
""",
    answer="log_density",
    stub="""
def log_density(x):
    # x: (n,), points of the line. Returns (n,), nats.
    ...
""",
    reference="""
def log_density(x):
    y = 2 * torch.sinh(torch.asinh(1.5 * x) / 3)
    u = torch.asinh(y)
    first = torch.cosh(u).log()
    second = (1 + y**2).log()
    base = -0.5 * u**2 - 0.5 * math.log(2 * math.pi)
    return base - first - second
""",
    mistakes=(
        Mistake(
            "all-at-x",
            (("torch.cosh(u)", "torch.cosh(x)"), ("(1 + y**2)", "(1 + x**2)")),
            "Your density integrates to 0.606, with both Jacobians at x. Each layer only ever sees its own input. Which "
            "point reaches layer 1?",
        ),
        Mistake(
            "all-at-u",
            (("(1 + y**2)", "(1 + u**2)"),),
            "Your density integrates to 1.381, with both Jacobians at u. Each layer only ever sees its own input. Which "
            "point reaches layer 2?",
        ),
        Mistake(
            "wrong-sign",
            (("base - first - second", "base + first + second"),),
            "Integrate your density over a grid. If space is stretched, what happens to height?",
        ),
        Mistake(
            "no-jacobian",
            (("return base - first - second", "return base"),),
            "That is the density of u, at the right u. A stretch of the line that is twice as long holds no more "
            "probability than before.",
        ),
        Mistake(
            "only-the-last-layer",
            (("base - first - second", "base - second"),),
            "Between u and x there are two stretches. Which one is missing?",
        ),
        Mistake(
            "summed-over-the-batch",
            (("return base - first - second", "return (base - first - second).sum()"),),
            "You give one number for all points. Two copies of a point should have the same log-density as one.",
        ),
        Mistake(
            "jacobians-added",
            (("second = (1 + y**2).log()", "second = (torch.cosh(u) + 1 + y**2).log() - first"),),
            "You add the derivatives and then take the logarithm. What does the chain rule do with them?",
        ),
    ),
    hints=(
        r"Write $u_0 = u$, $u_1 = F_1(u_0)$, $u_2 = F_2(u_1)$, and differentiate $F_2(F_1(u))$.",
        r"$\sinh' = \cosh$, and $F_2'(y) = 1 + y^2$.",
        r"With $y = 2\sinh t$, $y^3 + 3y = 3x$ becomes $2\sinh 3t = 3x$.",
    ),
    solution=r"""
(a) With $u_0 = u$ and $u_i = F_i(u_{i-1})$ the chain rule gives $J_F(u) = J_{F_N}(u_{N-1})\cdots J_{F_1}(u_0)$, and
the determinant of a product is the product of the determinants, so

$$
\log p(x) = \log p_u(u_0) - \sum_i\log\big|\det J_{F_i}(u_{i-1})\big|
= \log p_u(u_0) + \sum_i\log\big|\det J_{F_i^{-1}}(u_i)\big| :
$$

each layer at its own input, each inverse at that layer's output. (b) $y = 2\sinh\big(\frac13\operatorname{arsinh}
\frac{3x}2\big)$ and $u = \operatorname{arsinh}y$. (c) $\log p(x) = -\frac12u^2 - \frac12\log2\pi - \log\cosh u -
\log(1 + y^2)$. With both Jacobians at $x$ the density is far too low out in the tails and integrates to 0.606; with
both at $u$ the cubic is thought to stretch less than it does, and the integral is 1.381. Neither looks wrong in a plot,
and an optimiser would gladly make use of the second.
""",
    cases=_line,
    properties=(
        Property("the density integrates to one", _integrates),
        Property(
            "each point has a log-density of its own", lambda case, found: found.shape == case["x"].shape
        ),
    ),
)


def _shears(generator: torch.Generator) -> Cases:
    cases: Cases = []
    for n in (1, 3, 5):
        a, b = 0.7 * normal(generator, 3), 0.7 * normal(generator, 3)
        cases.append({"x": 1.5 * normal(generator, n, 4), "a": a, "b": b})
    # The last input is a grid in the last two coordinates.
    a, b = 0.5 * normal(generator, 3), 0.5 * normal(generator, 3)
    first, second = 0.3, -1.1
    axis = torch.linspace(-6, 6, 49, dtype=F64)
    third, fourth = (
        c[1] * first**2 + c[2] * second**2 + c[0].exp() * steps
        for c, steps in zip((a, b), torch.meshgrid(axis, axis, indexing="ij"), strict=True)
    )
    x = torch.stack([torch.full_like(third, first), torch.full_like(third, second), third, fourth], -1)
    cases.append({"x": x.reshape(-1, 4), "a": a, "b": b})
    return cases


def _marginal(case: Any, found: Tensor) -> bool:
    """On the grid the last two coordinates integrate out, and the first two are standard normal."""
    x = case["x"]
    if len(x) < 1000:
        return True
    area = (12 / 48) ** 2 * (case["a"][0] + case["b"][0]).exp()
    due = -0.5 * x[0, :2].square().sum() - math.log(2 * math.pi)
    return torch.allclose((found.exp().sum() * area).log(), due, atol=1e-4)


QUADRATIC_SHEAR = Exercise(
    id="flows.quadratic-shear",
    title="A flow written out in full",
    chapter="05_flows",
    section="sec-05-coupling",
    difficulty=2,
    minutes=40,
    statement=r"""
(After problem 15.2.1 of *Introduction to distribution learning and deep generative models*.) Let $u \sim
\mathcal N(0, I)$ in four dimensions and

$$
x = F(u) = \big(u_1,\ u_2,\ e^{a_0}u_3 + a_1u_1^2 + a_2u_2^2,\ e^{b_0}u_4 + b_1u_1^2 + b_2u_2^2\big) .
$$

(a) Why is $F$ invertible for all real coefficients? Write down $F^{-1}$ and the determinant of the Jacobian. (b) Find
the density of $x$. (c) Read off the law of $(x_1, x_2)$ and that of $(x_3, x_4)$ given $(x_1, x_2)$, and compute
$\mathbb E\,x_3$, $\operatorname{Var}x_3$ and $\operatorname{Cov}(x_3, x_4)$. (d) Which layer of this chapter is it? (e)
Let the log-scale depend on the kept half, too: $x_3 = e^{a_0u_1}u_3$, without a shift. Find the log-determinant and
$\operatorname{Var}x_3$. The kurtosis $\mathbb E\,x_3^4 / (\mathbb E\,x_3^2)^2$ of a normal law is 3: what is that of
$x_3$?

Write `log_density(x, a, b)`, in nats, one number for each row of `x`.
""",
    answer="log_density",
    stub="""
def log_density(x, a, b):
    # x: (n, 4), points; a: (a0, a1, a2); b: (b0, b1, b2). Returns (n,), nats.
    ...
""",
    reference="""
def log_density(x, a, b):
    x1, x2, x3, x4 = x.unbind(-1)
    u3 = (x3 - a[1] * x1**2 - a[2] * x2**2) * torch.exp(-a[0])
    u4 = (x4 - b[1] * x1**2 - b[2] * x2**2) * torch.exp(-b[0])
    square = x1**2 + x2**2 + u3**2 + u4**2
    base = -0.5 * square - 2 * math.log(2 * math.pi)
    return base - a[0] - b[0]
""",
    mistakes=(
        Mistake(
            "wrong-sign",
            (("base - a[0] - b[0]", "base + a[0] + b[0]"),),
            "Integrate your density over a grid. If space is stretched, what happens to height? Mind which way F goes: "
            "other texts let it run from the data to the noise.",
        ),
        Mistake(
            "no-determinant",
            (("return base - a[0] - b[0]", "return base"),),
            "Right for a0 = b0 = 0. With x = 2u in one coordinate your density would integrate to 2.",
        ),
        Mistake(
            "determinant-without-logarithm",
            (("base - a[0] - b[0]", "base - torch.exp(a[0] + b[0])"),),
            "You subtract the determinant itself. What is its logarithm?",
        ),
        Mistake(
            "multiplied-back",
            (("torch.exp(-a[0])", "torch.exp(a[0])"), ("torch.exp(-b[0])", "torch.exp(b[0])")),
            "Put your u through F: x does not come back, unless a0 = b0 = 0. Which operation undoes a product?",
        ),
        Mistake(
            "shift-kept",
            (
                ("(x3 - a[1] * x1**2 - a[2] * x2**2)", "(x3 + a[1] * x1**2 + a[2] * x2**2)"),
                ("(x4 - b[1] * x1**2 - b[2] * x2**2)", "(x4 + b[1] * x1**2 + b[2] * x2**2)"),
            ),
            "Put your u through F: the squares are there twice.",
        ),
        Mistake(
            "scale-first",
            (
                (
                    "(x3 - a[1] * x1**2 - a[2] * x2**2) * torch.exp(-a[0])",
                    "x3 * torch.exp(-a[0]) - a[1] * x1**2 - a[2] * x2**2",
                ),
                (
                    "(x4 - b[1] * x1**2 - b[2] * x2**2) * torch.exp(-b[0])",
                    "x4 * torch.exp(-b[0]) - b[1] * x1**2 - b[2] * x2**2",
                ),
            ),
            "Undo: first or last operation first?",
        ),
        Mistake(
            "normaliser-of-the-plane",
            (("2 * math.log(2 * math.pi)", "math.log(2 * math.pi)"),),
            "Off by the same number everywhere. How many normal coordinates are there, and what does each of them cost?",
        ),
        Mistake(
            "summed-over-the-batch",
            (("return base - a[0] - b[0]", "return (base - a[0] - b[0]).sum()"),),
            "You give one number for all rows. Two copies of a point should have the same log-density as one.",
        ),
    ),
    hints=(
        r"The first two coordinates come out as they went in, so the squares are known on the way back.",
        r"Write the Jacobian in the order 1, 2, 3, 4. What stands above its diagonal?",
        r"$\operatorname{Var}u_1^2 = 2$, and $u_1^2$ and $u_2^2$ are independent.",
        r"For (e): $u_1$ and $u_3$ are independent, and $\mathbb E\,e^{cu_1} = e^{c^2/2}$.",
    ),
    solution=r"""
(a) $u_1 = x_1$, $u_2 = x_2$, and with these $u_3 = e^{-a_0}(x_3 - a_1x_1^2 - a_2x_2^2)$ and
$u_4 = e^{-b_0}(x_4 - b_1x_1^2 - b_2x_2^2)$: exponentials are never 0. The Jacobian is lower triangular with the diagonal
$(1, 1, e^{a_0}, e^{b_0})$, so its determinant is $e^{a_0 + b_0}$ everywhere. (b) $F$ runs from noise to data, hence the
density is divided by it:

$$
p(x) = \frac{e^{-a_0-b_0}}{(2\pi)^2}\exp\Big(-\tfrac12\big[x_1^2 + x_2^2 +
e^{-2a_0}(x_3 - a_1x_1^2 - a_2x_2^2)^2 + e^{-2b_0}(x_4 - b_1x_1^2 - b_2x_2^2)^2\big]\Big) .
$$

(c) $x_1$ and $x_2$ are standard normal; given them $x_3$ and $x_4$ are independent,
$\mathcal N(a_1x_1^2 + a_2x_2^2,\ e^{2a_0})$ and $\mathcal N(b_1x_1^2 + b_2x_2^2,\ e^{2b_0})$. Hence
$\mathbb E\,x_3 = a_1 + a_2$, $\operatorname{Var}x_3 = e^{2a_0} + 2a_1^2 + 2a_2^2$ and
$\operatorname{Cov}(x_3, x_4) = 2a_1b_1 + 2a_2b_2$: dependent through the squares alone. (d) One affine coupling layer
that keeps $\{1, 2\}$, with a constant log-scale and a quadratic shift. (e) The log-determinant, of $x_3$ alone, is
$a_0u_1$: another one at every point, but no derivative of the scale is in it. Since $u_1$ and $u_3$ are independent,
$\operatorname{Var}x_3 = \mathbb E\,e^{2a_0u_1} = e^{2a_0^2}$ and $\mathbb E\,x_3^4 = 3\,\mathbb E\,e^{4a_0u_1} =
3e^{8a_0^2}$, so the kurtosis is $3e^{4a_0^2}$: given $x_1$ the law is normal, and without the condition it is a mixture of
all widths, with heavy tails. A constant scale and no shift would leave it normal.
""",
    cases=_shears,
    properties=(
        Property("integrated over the last two coordinates, it leaves two standard normal ones", _marginal),
        Property(
            "each row has a log-density of its own", lambda case, found: found.shape == case["x"].shape[:1]
        ),
    ),
)
