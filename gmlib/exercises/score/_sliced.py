"""Chapter 08, projections: one random direction in place of a trace."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gmlib.exercises.exercise import Exercise, Mistake, Property
from gmlib.exercises.score._cases import Cases, normal, with_field


def _projected(generator: torch.Generator) -> Cases:
    return [
        {"score": name, "x": normal(generator, n, d), "projections": normal(generator, n, d)}
        for name, n, d in (("-x/2", 4, 3), ("swirl", 3, 2), ("wave", 5, 3), ("tanh", 4, 2), ("wave", 3, 6))
    ]


def _linear(case: Any, found: Tensor) -> bool:
    if case["score"] != "-x/2":
        return True
    x, u = case["x"], case["projections"]
    return torch.allclose(found, (x * u).sum(-1).square() / 8 - u.square().sum(-1) / 2)


SLICED = Exercise(
    id="score.sliced",
    title="One direction instead of all",
    chapter="08_score_matching",
    section="sec-08-sliced",
    difficulty=2,
    minutes=20,
    statement=r"""
Compare the two scores along one random direction $u$, independent of $x$, with $\mathbb E[uu^\top] = I$: the
divergence $\tfrac12\,\mathbb E\big(u^\top s(x) - u^\top\nabla\log p(x)\big)^2$. Show that it equals $D_F$, and that
up to a constant it is the mean of $\tfrac12(u^\top s)^2$ plus a term in which the Jacobian of $s$ meets $u$ twice.

Write `sliced_loss(score, x, projections)`, the loss at each point along the direction in the same row, with a
*single* call of `torch.autograd.grad`, whatever $d$ is.
""",
    answer="sliced_loss",
    stub="""
def sliced_loss(score, x, projections):
    # score: a function from (n, d) to (n, d); x, projections: (n, d).
    # Returns the loss of each point, shape (n,).
    ...
""",
    reference="""
def sliced_loss(score, x, projections):
    x = x.detach().requires_grad_()
    s = score(x)
    along = (s * projections).sum(-1)
    (slope,) = torch.autograd.grad(along.sum(), x)
    curvature = (slope * projections).sum(-1)
    return 0.5 * along.square() + curvature
""",
    mistakes=(
        Mistake(
            "energy-s-sign",
            (("+ curvature", "- curvature"),),
            "Your field pushes away from the data. Is it the Jacobian of s that u meets twice, or the Hessian of E?",
        ),
        Mistake(
            "square-inside-the-sum",
            (("along.square()", "(s * projections).square().sum(-1)"),),
            "You square each coordinate and add up afterwards. If s = (1, −1) and u = (1, 1), how large is s along u?",
        ),
        Mistake(
            "projected-once",
            (("(slope * projections).sum(-1)", "slope.sum(-1)"),),
            "You differentiate the component of s along u. In which direction should it be differentiated?",
        ),
        Mistake(
            "no-half",
            (("0.5 * along", "along"),),
            "A Gaussian fitted with your loss comes out too wide. Where is the ½ of the statement?",
        ),
        Mistake(
            "reduced",
            (("0.5 * along.square()", "0.5 * s.square().sum(-1)"),),
            "You have taken the average of the first term over u already. It is another loss with the same mean "
            "(the book has it too); which one is asked for?",
        ),
        Mistake(
            "unit-length",
            (
                ("(s * projections).sum(-1)", "(s * projections).sum(-1) / projections.norm(dim=-1)"),
                ("(slope * projections).sum(-1)", "(slope * projections).sum(-1) / projections.norm(dim=-1)"),
            ),
            "You have scaled the directions to length 1. What is then the mean of u uᵀ in d dimensions?",
        ),
    ),
    hints=(
        r"$\mathbb E(u^\top a)^2 = a^\top\mathbb E[uu^\top]\,a$.",
        r"First form the number $u^\top s(x)$ at each point; its gradient in $x$ is one backward pass.",
    ),
    solution=r"""
With $a = s - \nabla\log p$, independent of $u$ given $x$,
$\mathbb E_u(u^\top a)^2 = a^\top\mathbb E[uu^\top]a = \lVert a\rVert^2$, so the mean over $u$ is $D_F$ itself. For
fixed $u$ expand the square; the mixed term is $-\int (u^\top s)\,(u^\top\nabla p)\,dx$, and integration by parts in
the direction $u$ makes it $+\mathbb E_p\, u^\top\nabla(u^\top s) = \mathbb E_p\, u^\top(\nabla s)\,u$. The gradient
of the number $u^\top s(x)$ costs one backward pass, and its inner product with $u$ costs nothing more: the price does
not grow with $d$; it is paid in variance. With $u$ from any law with $\mathbb E[uu^\top] = I$ the mean of
$u^\top(\nabla s)u$ is the trace; averaging the first term over $u$ in closed form, $\tfrac12\lVert s\rVert^2$, gives
the reduced form.
""",
    cases=_projected,
    call=with_field,
    properties=(Property("for s(x) = −x/2 the loss is (u·x)²/8 − ‖u‖²/2", _linear),),
)
