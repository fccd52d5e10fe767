"""Chapter 08, integration by parts: the trace term, and families whose fit is a linear system."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gmlib.exercises.exercise import Exercise, Mistake, Property
from gmlib.exercises.score._cases import Cases, normal, with_field


def _fields(generator: torch.Generator) -> Cases:
    return [
        {"score": name, "x": normal(generator, n, d)}
        for name, n, d in (("-x/2", 4, 3), ("swirl", 3, 2), ("wave", 5, 3), ("tanh", 4, 1), ("wave", 2, 4))
    ]


def _linear(case: Any, found: Tensor) -> bool:
    x = case["x"]
    return case["score"] != "-x/2" or torch.allclose(found, x.square().sum(-1) / 8 - x.shape[1] / 2)


TRACE = Exercise(
    id="score.trace",
    title="A loss without the data's score",
    chapter="08_score_matching",
    section="sec-08-implicit",
    difficulty=2,
    minutes=25,
    statement=r"""
Show that for every field $s$ that grows slowly enough

$$
D_F(p \,\|\, s) = \mathbb E_p\big[\tfrac12\lVert s(x)\rVert^2 + \mathrm{tr}\,\nabla s(x)\big] +
    \tfrac12\,\mathbb E_p\lVert\nabla\log p(x)\rVert^2,
$$

and say exactly what must vanish at infinity. The last term does not contain the model.

Then write `implicit_loss(score, x)`, the bracket at each of the $n$ points. `score` takes and returns arrays
$(n, d)$, each row by itself; use autograd for its derivatives. The sign of the second term and the number of backward
passes are yours to find.
""",
    answer="implicit_loss",
    stub="""
def implicit_loss(score, x):
    # score: a function from (n, d) to (n, d); x: (n, d). Returns the loss
    # of each point, shape (n,).
    ...
""",
    reference="""
def implicit_loss(score, x):
    x = x.detach().requires_grad_()
    s = score(x)
    trace = torch.zeros(len(x), dtype=x.dtype)
    for i in range(x.shape[1]):
        (row,) = torch.autograd.grad(s[:, i].sum(), x, retain_graph=True)
        trace = trace + row[:, i]
    return 0.5 * s.square().sum(-1) + trace
""",
    mistakes=(
        Mistake(
            "energy-s-sign",
            (("sum(-1) + trace", "sum(-1) - trace"),),
            "Your field pushes away from the data. Is your trace that of the Jacobian of s, or of the Hessian of E?",
        ),
        Mistake(
            "whole-jacobian",
            (("row[:, i]", "row.sum(-1)"),),
            "Right when each component of s depends on its own coordinate alone. Which entries of the Jacobian "
            "does a trace add up?",
        ),
        Mistake(
            "half-of-both",
            (("0.5 * s.square().sum(-1) + trace", "0.5 * (s.square().sum(-1) + trace)"),),
            "A Gaussian fitted with your loss gets half the precision. In ½‖s − ∇log p‖², what is the factor of "
            "the mixed term?",
        ),
        Mistake(
            "no-half",
            (("0.5 * s.square()", "s.square()"),),
            "A Gaussian fitted with your loss comes out too wide. In ½‖s − ∇log p‖², what is the factor of "
            "the square of s?",
        ),
        Mistake(
            "norm-not-squared",
            (("s.square().sum(-1)", "s.square().sum(-1).sqrt()"),),
            "Double the field: your first term doubles. What should a square do?",
        ),
        Mistake(
            "batch-average",
            (("0.5 * s.square().sum(-1) + trace", "(0.5 * s.square().sum(-1) + trace).mean()"),),
            "You return one number. Each point has a loss of its own; keep them apart.",
        ),
    ),
    hints=(
        r"Expand the square. Only the mixed term $-\mathbb E_p\, s^\top\nabla\log p$ has the unknown score in it, "
        r"and $p\,\nabla\log p = \nabla p$.",
        r"Integrate by parts one coordinate at a time. The boundary term of coordinate $i$ is $p\, s_i$.",
        r"`torch.autograd.grad(s[:, i].sum(), x, retain_graph=True)` gives row $i$ of the Jacobian at every point "
        r"at once.",
    ),
    solution=r"""
$\tfrac12\lVert s - \nabla\log p\rVert^2 = \tfrac12\lVert s\rVert^2 - s^\top\nabla\log p + \tfrac12\lVert\nabla\log
p\rVert^2$, and the middle term has the mean $-\int s^\top\nabla p\,dx = -\sum_i\int s_i\,\partial_i
p\,dx$. Integrate by parts along coordinate $i$: $-\big[p\,s_i\big]_{x_i=-\infty}^{\infty} + \int p\,\partial_i
s_i\,dx$. If $p(x)\,s(x) \to 0$ at infinity (fast enough for the flux through a large sphere to vanish) only $+\mathbb
E_p\,\partial_i s_i$ remains. A density that stops abruptly, such as a normal law cut at 0, breaks this condition; the
loss then fits the wrong law.

The sign is plus because it is the Jacobian of the *score*: $s = -\nabla E$ turns it into minus the Laplacian of the
energy. The trace rewards a field that converges on the data, and the square keeps it from converging without limit. A
row of the Jacobian needs one backward pass, and a trace needs one entry of every row: $d$ passes.
""",
    cases=_fields,
    call=with_field,
    properties=(Property("for s(x) = −x/2 the loss is ‖x‖²/8 − d/2", _linear),),
)


def _statistics(generator: torch.Generator) -> Cases:
    line = 1.5 + 0.8 * normal(generator, 30)
    one = torch.ones_like(line)
    gaussian = torch.stack([one, -line], -1)[..., None]
    u = 1.3 * normal(generator, 40)
    quartic = torch.stack([torch.ones_like(u), 2 * u, 4 * u**3], -1)[..., None]
    bends = torch.stack([0 * u, 0 * u + 2, 12 * u**2], -1)
    ball = 1.2 * normal(generator, 25, 3)
    plane = normal(generator, 35, 2) + 0.4
    a, b, zero, unit = plane[:, 0], plane[:, 1], 0 * plane[:, 0], 0 * plane[:, 0] + 1
    squares = [[unit, zero], [zero, unit], [2 * a, zero], [b, a], [zero, 2 * b]]
    gradients = torch.stack([torch.stack(pair, -1) for pair in squares], 1)
    return [
        {"gradients": gaussian, "laplacians": torch.stack([0 * one, -one], -1)},
        {"gradients": -ball[:, None, :], "laplacians": torch.full((25, 1), -3.0, dtype=ball.dtype)},
        {"gradients": quartic, "laplacians": bends},
        {
            "gradients": gradients,
            "laplacians": torch.stack([zero, zero, unit * 2, zero, unit * 2], -1),
        },
    ]


def _normal_on_a_line(case: Any, found: Tensor) -> bool:
    gradients = case["gradients"]
    if gradients.shape[1:] != (2, 1):
        return True
    x = -gradients[:, 1, 0]
    var = x.var(correction=0)
    return torch.allclose(found, torch.stack([x.mean() / var, 1 / var]))


def _round(case: Any, found: Tensor) -> bool:
    gradients = case["gradients"]
    if gradients.shape[1] != 1:
        return True
    return torch.allclose(found, gradients.shape[2] / gradients.square().sum(-1).mean(0))


NATURAL = Exercise(
    id="score.natural",
    title="Families that are fitted by one linear system",
    chapter="08_score_matching",
    section="sec-08-implicit",
    difficulty=2,
    minutes=30,
    statement=r"""
In an exponential family, $p_\theta(x) \propto \exp\big(\theta^\top t(x)\big)$ with $k$ statistics $t$ on
$\mathbb R^d$, maximum likelihood needs the normaliser, which often has no closed form. Put the family into the loss
of {eq}`eq-08-implicit` and show that its minimiser solves a linear system of $k$ equations. What does it give for the
Gaussian, with the statistics $x$ and $-\tfrac12 x x^\top$?

Write `natural_parameters(gradients, laplacians)`. The arrays hold $\nabla t_j(x_i)$ and $\Delta t_j(x_i)$, the sum of
the second derivatives, at $n$ data points.
""",
    answer="natural_parameters",
    stub="""
def natural_parameters(gradients, laplacians):
    # gradients: (n, k, d); laplacians: (n, k). Returns the parameters that
    # minimise the mean implicit loss, shape (k,).
    ...
""",
    reference="""
def natural_parameters(gradients, laplacians):
    products = torch.einsum("nad, nbd -> ab", gradients, gradients)
    matrix = products / len(gradients)
    return -torch.linalg.solve(matrix, laplacians.mean(0))
""",
    mistakes=(
        Mistake(
            "energy-s-sign",
            (("-torch.linalg", "torch.linalg"),),
            "With the statistic −x²/2, data from N(0, 1) get the precision −1 from you: your field pushes away from "
            "the data. Is yours the Laplacian of log p, or that of E?",
        ),
        Mistake(
            "half-of-both",
            (("-torch.linalg", "-0.5 * torch.linalg"),),
            "Half the precision, on every data set. Which of the two terms of the loss does the ½ stand in front of?",
        ),
        Mistake(
            "sum-against-mean",
            (("products / len(gradients)", "products"),),
            "Give every point twice: your parameters halve. Which of the two sides is a sum over the data, and "
            "which an average?",
        ),
        Mistake(
            "one-at-a-time",
            (
                (
                    "torch.linalg.solve(matrix, laplacians.mean(0))",
                    "laplacians.mean(0) / matrix.diagonal()",
                ),
            ),
            "Right for a single statistic. Shift the data by 10: your mean stays at 0. What couples the equation of "
            "one parameter to the others?",
        ),
        Mistake(
            "mean-over-coordinates",
            (("products / len(gradients)", "products / gradients[:, 0].numel()"),),
            "Right on the line, d times too large elsewhere. Does a squared length add up its coordinates, or "
            "average them?",
        ),
        Mistake(
            "multiplied",
            (("torch.linalg.solve(matrix, laplacians.mean(0))", "matrix @ laplacians.mean(0)"),),
            "Measure x in centimetres instead of metres: your parameters change the wrong way round. Which side of "
            "the equation is the matrix on?",
        ),
    ),
    hints=(
        r"The score is $s_\theta = (\nabla t)^\top\theta$, linear in $\theta$. What kind of function of $\theta$ "
        r"is the loss?",
        r"Set the gradient of $\tfrac12\theta^\top A\theta + b^\top\theta$ to zero. What are $A$ and $b$?",
    ),
    solution=r"""
The score $s_\theta(x) = \sum_j\theta_j\nabla t_j(x)$ does not contain the normaliser and is linear in $\theta$; its
divergence is $\sum_j\theta_j\Delta t_j$. So the loss is $\tfrac12\theta^\top A\theta + b^\top\theta$ with
$A = \mathbb E[\nabla t\,\nabla t^\top]$ (a $k \times k$ matrix of inner products in $\mathbb R^d$) and
$b = \mathbb E[\Delta t]$: a convex quadratic, smallest where $A\theta = -b$.

For a normal law with precision $\Lambda$ and score $\eta - \Lambda x$, the parameter $\eta$ is free, so the best one
makes the mean score vanish, $\eta = \Lambda\,\mathbb E x$. What remains is
$\tfrac12\mathrm{tr}\,\Lambda C\Lambda - \mathrm{tr}\,\Lambda$ with $C$ the covariance of the data, and its gradient
is zero at $\Lambda = C^{-1}$: the answer of maximum likelihood. In other families, such as that of the quartic
energies, the two estimates differ for finite $n$; both are consistent, and only this one needs no integral.
""",
    cases=_statistics,
    properties=(
        Property(
            "for the statistics x and −x²/2 the result is the sample's mean/variance and 1/variance",
            _normal_on_a_line,
        ),
        Property("for the single statistic −‖x‖²/2 the result is d divided by the mean of ‖x‖²", _round),
    ),
)
