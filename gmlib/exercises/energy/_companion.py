"""The companion of chapter 06: all units at once, and weights that are learnt."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gmlib.exercises.energy._cases import F64, Cases, normal, signs, symmetric
from gmlib.exercises.exercise import Exercise, Mistake, Property


def _synchronous(generator: torch.Generator) -> Cases:
    swap = torch.tensor([[0.0, 1.0], [1.0, 0.0]], dtype=F64)
    cases: Cases = [
        {
            "weights": swap,
            "bias": torch.zeros(2, dtype=F64),
            "x": torch.tensor([1.0, -1.0], dtype=F64),
            "steps": 4,
        }
    ]
    for d, steps in ((4, 4), (5, 5), (6, 4)):
        case = {"weights": symmetric(generator, d), "bias": normal(generator, d), "x": signs(generator, d)}
        cases.append({**case, "steps": steps})
    return cases


TWO_CYCLE = Exercise(
    id="energy.two-cycle",
    title="All at once: a cycle of two",
    chapter="06_hopfield_rbm",
    section="sec-06b-synchronous",
    difficulty=2,
    minutes=30,
    statement=r"""
Update all units at once, $x_t = \operatorname{sgn}(Wx_{t-1} + b)$ with $\operatorname{sgn}(0) = +1$ and $W$ symmetric.
(a) Find two units and a start that alternate for ever, though $W$ is symmetric and 0 on its diagonal. What does the
energy $E$ of {eq}`eq-06-energy` do? (b) For $b = 0$ show that $-x_t^\top Wx_{t-1}$, {eq}`eq-06b-synchronous`, never
rises, and that a network with finitely many states must end in a fixed point or in a cycle of two. (c) Which terms with
$b$ must be added? Let the function be symmetric in $x_t$ and $x_{t-1}$, and $2E$ at a fixed point.

Write `synchronous_energies(weights, bias, x, steps)`: for $t = 1, 2, \dots$ the two numbers $E(x_t)$ and the function
of (c).
""",
    answer="synchronous_energies",
    stub="""
def synchronous_energies(weights, bias, x, steps):
    # weights: (d, d), symmetric, diagonal 0; bias: (d,); x: (d,), the start,
    # entries +1 and -1. Returns (steps, 2).
    ...
""",
    reference="""
def synchronous_energies(weights, bias, x, steps):
    rows = []
    for _ in range(steps):
        after = 1 - 2 * (weights @ x + bias < 0).to(x)
        energy = -0.5 * after @ weights @ after - bias @ after
        pair = -after @ weights @ x - bias @ (after + x)
        rows.append(torch.stack([energy, pair]))
        x = after
    return torch.stack(rows)
""",
    mistakes=(
        Mistake(
            "bias-of-one-moment",
            (("(after + x)", "after"),),
            "Your function can rise when there are biases. It is not symmetric in the two moments: which of them is "
            "missing?",
        ),
        Mistake(
            "bias-left-out",
            ((" - bias @ (after + x)", ""),),
            "Right without biases. What must be added so that the sign of Wx + b, not that of Wx, brings it down?",
        ),
        Mistake(
            "one-at-a-time",
            (
                (
                    "after = 1 - 2 * (weights @ x + bias < 0).to(x)",
                    "after = x.clone()\n        for i in range(len(x)):\n            "
                    "after[i] = 1 - 2 * (weights[i] @ after + bias[i] < 0).to(x)",
                ),
            ),
            "Your units see what the others have just done. What does 'at once' mean for the second unit?",
        ),
        Mistake(
            "half-of-the-pair",
            (("pair = -after @", "pair = -0.5 * after @"),),
            "At a fixed point your function is not 2E. How often does each pair of units occur in the product of two "
            "different moments?",
        ),
        Mistake(
            "energy-twice",
            (("weights @ x - bias @ (after + x)", "weights @ after - bias @ (2 * after)"),),
            "Your second number is twice the first, and can rise. Which two moments does the proof put together?",
        ),
        Mistake(
            "energy-without-half",
            (("energy = -0.5 * after @", "energy = -after @"),),
            "Your first number is not the energy. Count how often each pair occurs in your double sum.",
        ),
    ),
    hints=(
        r"The fewest units that can disagree are two. Let each of them copy the other.",
        r"Write the change as $-(x_{t+1} - x_{t-1})^\top Wx_t$. What maximises $y^\top Wx_t$ over all $y$ with entries "
        r"$\pm1$?",
    ),
    solution=r"""
(a) $W = \begin{pmatrix}0 & 1\\ 1 & 0\end{pmatrix}$ and $x = (1, -1)$: each unit copies the other, so $x$ becomes $-x$
and back, for ever. The energy is 1 all the time, though $-1$ is to be had at $(1, 1)$; for other networks it can rise.
(b) By symmetry $x_t^\top Wx_{t-1} = x_{t-1}^\top Wx_t$, so the change of $-x_t^\top Wx_{t-1}$ from $t$ to $t + 1$ is
$-(x_{t+1} - x_{t-1})^\top Wx_t$. Among all $y$ of entries $\pm1$, $y^\top Wx_t$ is largest for
$y = \operatorname{sgn}(Wx_t) = x_{t+1}$, so the change is not positive, and it is 0 only if $x_{t+1}$ and $x_{t-1}$
agree wherever $Wx_t$ is not 0. The function has finitely many values; when it falls no more, $x_{t+1}$ and $x_{t-1}$
differ at most in ties, where $x_{t+1}$ is $+1$: units only rise from $-1$ to $+1$ then, which ends too, and a period of
1 or 2 is left. (c) With biases the input is $Wx_t + b$, and

$$
-x_t^\top Wx_{t-1} - b^\top(x_t + x_{t-1})
$$

changes by $-(x_{t+1} - x_{t-1})^\top(Wx_t + b) \le 0$ in the same way. It is the energy of a network twice as large,
two copies without connections inside, which are updated in turn: what looks synchronous is asynchronous there.
""",
    cases=_synchronous,
    properties=(
        Property(
            "the second number never rises", lambda case, found: bool((found[:, 1].diff() <= 1e-5).all())
        ),
    ),
)


def _lessons(generator: torch.Generator) -> Cases:
    return [
        {"weights": 0.5 * symmetric(generator, d), "patterns": signs(generator, n, d)}
        for n, d in ((2, 3), (3, 4), (5, 4), (1, 5))
    ]


def _steepest(case: Any, found: Tensor) -> bool:
    weights = case["weights"].clone().requires_grad_()
    fit = torch.nn.functional.logsigmoid(case["patterns"] * (case["patterns"] @ weights)).sum()
    (free,) = torch.autograd.grad(fit, weights)
    shared = free + free.T
    off = ~torch.eye(len(shared), dtype=torch.bool)
    return torch.allclose(found[off], shared[off], rtol=1e-5, atol=1e-6)


LEARNING = Exercise(
    id="energy.learning",
    title="Memories by logistic regression",
    chapter="06_hopfield_rbm",
    section="sec-06b-learning",
    difficulty=2,
    minutes=25,
    statement=r"""
Let every unit of a network be a logistic regression that predicts its own state from all the others: the probability of
$x_i = +1$ is $y_i = \operatorname{sigmoid}(a_i)$, $a = Wx$. The weights are shared, $w_{ij} = w_{ji}$, and
$w_{ii} = 0$. (a) Derive the gradient of the log-likelihood of $K$ patterns with respect to the shared $w_{ij}$,
{eq}`eq-06b-learning`. What is the target of a unit at $-1$? (b) Why does this store what Hebb's rule cannot, whenever
any symmetric weights can? (c) How do the weights grow when all patterns have positive margins, and what does weight
decay do about it?

Write `learning_gradient(weights, patterns)`, the gradient as a symmetric matrix with the diagonal 0.
""",
    answer="learning_gradient",
    stub="""
def learning_gradient(weights, patterns):
    # weights: (d, d), symmetric, diagonal 0; patterns: (K, d), entries +1 and -1.
    # Returns (d, d): the entry i, j is the slope in the shared weight w_ij.
    ...
""",
    reference="""
def learning_gradient(weights, patterns):
    target = (patterns + 1) / 2
    error = target - torch.sigmoid(patterns @ weights)
    gradient = patterns.T @ error
    gradient = gradient + gradient.T
    return gradient - torch.diag(torch.diag(gradient))
""",
    mistakes=(
        Mistake(
            "target-minus-one",
            (("target = (patterns + 1) / 2", "target = 1.0 * patterns"),),
            "Your targets are ±1. Which values can a sigmoid reach?",
        ),
        Mistake(
            "not-symmetric",
            (("gradient = gradient + gradient.T", "gradient = gradient.T"),),
            "Your matrix is not symmetric. In how many of the d regressions does the shared weight w_ij occur?",
        ),
        Mistake(
            "mean-of-both",
            (("gradient + gradient.T", "(gradient + gradient.T) / 2"),),
            "Half of it. One weight serves two regressions: do their slopes add, or average?",
        ),
        Mistake(
            "diagonal-left",
            (("gradient - torch.diag(torch.diag(gradient))", "1.0 * gradient"),),
            "After one step your units would listen to themselves, and predict perfectly. What is w_ii?",
        ),
        Mistake(
            "prediction-minus-target",
            (("target - torch.sigmoid(patterns @ weights)", "torch.sigmoid(patterns @ weights) - target"),),
            "That is the slope of the loss. Which way is the log-likelihood up?",
        ),
        Mistake(
            "boltzmann-units",
            (("torch.sigmoid(patterns", "torch.sigmoid(2 * patterns"),),
            "The factor 2 belongs to the conditional of a Boltzmann machine of units ±1. Which sigmoid is assumed here?",
        ),
    ),
    hints=(
        r"For one regression the slope in the weight of input $j$ is $\sum_k x^{(k)}_j(t_i - y_i)$, target minus "
        r"prediction.",
        r"$w_{ij}$ is the weight of input $j$ in regression $i$ and of input $i$ in regression $j$.",
    ),
    solution=r"""
(a) With $t = \frac{x + 1}2$, so 0 for a unit at $-1$, the log-likelihood of regression $i$ has the slope
$(t_i - y_i)\,x_j$ in the weight of input $j$. The shared weight stands in the regressions of $i$ and of $j$, so

$$
\frac{\partial\ell}{\partial w_{ij}} = \sum_k\Big[x^{(k)}_j\big(t^{(k)}_i - y^{(k)}_i\big) + x^{(k)}_i\big(t^{(k)}_j -
y^{(k)}_j\big)\Big], \qquad i \neq j .
$$

(b) A pattern is a fixed point when every unit's regression has it on the right side. $\ell$ is concave in $W$, so going
uphill has no false summit, and if some symmetric $W$ has positive margins everywhere, $\ell$ tends to its supremum 0,
which no wrong side allows: there a term would be at most $-\log2$. Hebb's rule is the same gradient at $W = 0$, where
$t - y = \frac x2$: its first step, taken once. (c) When all are right, larger weights are better still, and $W$ grows
without limit, ever more slowly. Weight decay makes the best $W$ unique and finite. With
$y = \operatorname{sigmoid}(2a)$ this would be the pseudo-likelihood of a Boltzmann machine, and the gradient twice as
large.
""",
    cases=_lessons,
    properties=(
        Property("the matrix is the slope of the log-likelihood in the shared weights", _steepest),
        Property(
            "it is symmetric, with a diagonal of 0",
            lambda case, found: torch.allclose(found, found.T) and bool((found.diagonal() == 0).all()),
        ),
    ),
)
