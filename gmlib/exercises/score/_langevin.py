"""Chapter 08, Langevin dynamics: the step, and the law that it really has."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gmlib.exercises.exercise import Exercise, Mistake, Property
from gmlib.exercises.score._cases import F64, Cases, normal, uniform, with_field


def _walks(generator: torch.Generator) -> Cases:
    signs = torch.tensor([[[1.0], [-1.0]]], dtype=F64)
    cases: Cases = [{"score": "-x/2", "x": torch.zeros(2, 1, dtype=F64), "noise": signs, "step": 0.25}]
    for name, steps, n, d, step in (("-x/2", 1, 3, 2, 0.25), ("swirl", 3, 2, 2, 0.1), ("tanh", 4, 3, 1, 0.3)):
        x, noise = normal(generator, n, d), normal(generator, steps, n, d)
        cases.append({"score": name, "x": x, "noise": noise, "step": step})
    return cases


def _spread(case: Any, found: Tensor) -> bool:
    if bool(case["x"].any()):
        return True
    return torch.allclose(found.square().mean(), torch.tensor(case["step"], dtype=F64))


LANGEVIN = Exercise(
    id="score.langevin",
    title="Follow the score, with noise",
    chapter="08_score_matching",
    section="sec-08-langevin",
    difficulty=1,
    minutes=15,
    statement=r"""
Write `langevin_chain(score, x, noise, step)` for {eq}`eq-08-langevin`: $K$ Langevin steps of size $\delta$ from the
points `x`, with the standard noise of the $k$-th step in `noise[k]`. Return the points at the end.

The step moves by the score and by noise. Which power of $\delta$ belongs to each, if the law of the points is to
approach $p$ as $\delta \to 0$, and which factor ties the one to the other?
""",
    answer="langevin_chain",
    stub="""
def langevin_chain(score, x, noise, step):
    # score: a function from (n, d) to (n, d); x: (n, d); noise: (K, n, d);
    # step: a number. Returns the points after K steps, (n, d).
    ...
""",
    reference="""
def langevin_chain(score, x, noise, step):
    for draw in noise:
        x = x + 0.5 * step * score(x) + math.sqrt(step) * draw
    return x
""",
    mistakes=(
        Mistake(
            "drift-not-halved",
            (("0.5 * step * score(x)", "step * score(x)"),),
            "Your chain settles at half the variance: drift and noise must match. What does Fokker–Planck ask?",
        ),
        Mistake(
            "noise-not-rooted",
            (("math.sqrt(step) * draw", "step * draw"),),
            "Your chain ends far too cold: drift and noise must match. If one step adds noise of size δ, what is the "
            "variance of 1/δ such steps, and what does Fokker–Planck ask?",
        ),
        Mistake(
            "noise-doubled",
            (("math.sqrt(step) * draw", "math.sqrt(2 * step) * draw"),),
            "Your chain ends twice too hot: drift and noise must match. What does Fokker–Planck ask?",
        ),
        Mistake(
            "other-clock",
            (("0.5 * step * score(x) + math.sqrt(step)", "step * score(x) + math.sqrt(2 * step)"),),
            "A right Langevin step, with another meaning of its size: drift and noise match, and your clock runs "
            "twice as fast. How far does one step of this book go?",
        ),
        Mistake(
            "no-noise",
            ((" + math.sqrt(step) * draw", ""),),
            "All your points climb to the top of a mode. What keeps them apart?",
        ),
        Mistake(
            "downhill",
            (("x + 0.5 * step", "x - 0.5 * step"),),
            "Your points flee from the data. Did you write the step for an energy? Which way does a score point?",
        ),
        Mistake(
            "one-draw-for-all",
            (("sqrt(step) * draw", "sqrt(step) * noise[0]"),),
            "The first step is right. What is added in the second?",
        ),
    ),
    hints=(
        r"The scheme is Euler's, for $dx = \tfrac12\nabla\log p\,dt + dW$. What is the variance of "
        r"$W_{t + \delta} - W_t$?",
        r"After each step the score is taken at the new point.",
    ),
    solution=r"""
Noise that is independent from step to step adds up in variance: over a time $T$ there are $T/\delta$ steps, so each
must add a variance proportional to $\delta$, an amplitude proportional to $\sqrt\delta$. Drifts add up as they are,
so theirs is proportional to $\delta$. The factor follows from Fokker–Planck: with $dx = c\,\nabla\log p\,dt + dW$ the
density obeys $\partial_t q = \nabla\cdot\big(-c\,q\nabla\log p + \tfrac12\nabla q\big)$, and $q = p$ stands still
exactly when $c = \tfrac12$. Each step is $x \leftarrow x + \tfrac\delta2 s(x) + \sqrt\delta\,\varepsilon$. Another
pair, such as $\epsilon s + \sqrt{2\epsilon}\,\varepsilon$, is the same step with $\epsilon = \delta/2$.
""",
    cases=_walks,
    call=with_field,
    properties=(Property("one step from one point spreads the points with the variance δ", _spread),),
)


def _steps(generator: torch.Generator) -> Cases:
    return [
        {"var": torch.ones(1, dtype=F64), "step": 0.25},
        *(
            {"var": low + 2 * uniform(generator, n), "step": step}
            for n, low, step in ((3, 0.2, 0.3), (4, 0.6, 0.9))
        ),
        {"var": torch.cat([0.1 + 0.3 * uniform(generator, 2), 1.2 + uniform(generator, 2)]), "step": 3.3},
    ]


def _one_more_step(case: Any, found: Tensor) -> bool:
    var, step = case["var"], case["step"]
    after = (1 - step / (2 * var)) ** 2 * found + step
    return torch.allclose(after, found, rtol=1e-5) and bool((found > 0).all())


STATIONARY = Exercise(
    id="score.stationary",
    title="The law that the chain really has",
    chapter="08_score_matching",
    section="sec-08-langevin",
    difficulty=2,
    minutes=25,
    statement=r"""
(a) Write the Fokker–Planck equation of $dx = \tfrac12\nabla\log p\,dt + dW$ and show that $p$ is stationary. (b) A
chain with steps of size $\delta > 0$ is not exact. For $p = \mathcal N(0, v)$ the step of {eq}`eq-08-langevin` is
linear in $x$. How does the variance of the points change in one step, and at which value does it stand still? (c)
From which $\delta$ on is there no such value, because the chain runs away?

Write `variance_of_chain(var, step)`: the variance of the chain in the long run, for each entry $v$ of `var`, and
infinity (`math.inf`) where it runs away.
""",
    answer="variance_of_chain",
    stub="""
def variance_of_chain(var, step):
    # var: (n,), variances of normal targets; step: a number. Returns the
    # stationary variances of the chains, shape (n,).
    ...
""",
    reference="""
def variance_of_chain(var, step):
    stays = step < 4 * var
    return torch.where(stays, var / (1 - step / (4 * var)), math.inf)
""",
    mistakes=(
        Mistake(
            "drift-not-halved",
            (
                ("step < 4 * var", "step < 2 * var"),
                ("var / (1 - step / (4 * var))", "var / (2 - step / var)"),
            ),
            "As δ → 0 you get half the variance: this chain has the drift δ s. Drift and noise must match. What does "
            "Fokker–Planck ask?",
        ),
        Mistake(
            "noise-not-rooted",
            (("stays, var / (1", "stays, step * var / (1"),),
            "As δ → 0 your chain freezes: it adds noise of size δ. Drift and noise must match. What does "
            "Fokker–Planck ask?",
        ),
        Mistake(
            "noise-doubled",
            (("stays, var / (1", "stays, 2 * var / (1"),),
            "As δ → 0 your chain is twice too hot. Drift and noise must match. What does Fokker–Planck ask?",
        ),
        Mistake(
            "other-clock",
            (("step < 4 * var", "step < 2 * var"), ("step / (4 * var)", "step / (2 * var)")),
            "Your limit is right and your bias too large: this is the chain whose drift is δ s and whose noise has "
            "variance 2δ. What is the drift of this book's step?",
        ),
        Mistake(
            "squared-step",
            (("step < 4 * var", "step**2 < 4 * var"), ("1 - step / (4", "1 - step**2 / (4")),
            "Your noise has the amplitude δ. Some texts write the step in this way; what is the variance of the noise "
            "that this book's step adds?",
        ),
        Mistake(
            "unit-target",
            (("step < 4 * var", "step < 4 + 0 * var"), ("step / (4 * var)", "step / 4")),
            "Right for v = 1. Measure x in centimetres instead of metres: what happens to a δ that was small?",
        ),
        Mistake(
            "no-bias",
            (("var / (1 - step / (4 * var))", "var"),),
            "This is the law of the continuous diffusion. After a step of size δ > 0 from it, is the variance the "
            "same?",
        ),
        Mistake(
            "runs-away-unseen",
            (("step < 4 * var", "step < math.inf * var"),),
            "Some of your variances are negative. By which factor is x multiplied in one step, and how large may that "
            "factor be?",
        ),
    ),
    hints=(
        r"The score of $\mathcal N(0, v)$ is $-x/v$. Collect the factor of $x$ in one step.",
        r"If $x' = ax + \sqrt\delta\,\varepsilon$ with independent noise, then "
        r"$\mathrm{Var}\,x' = a^2\,\mathrm{Var}\,x + \delta$.",
    ),
    solution=r"""
(a) The density obeys $\partial_t q = -\nabla\cdot(\tfrac12 q\nabla\log p) + \tfrac12\Delta q =
\tfrac12\nabla\cdot\big(q\,\nabla\log\tfrac qp\big)$, and the bracket is 0 for $q = p$.

(b) One step is $x' = ax + \sqrt\delta\,\varepsilon$ with $a = 1 - \delta/2v$, so the variances obey
$V' = a^2V + \delta$. They stand still at $V = \delta/(1 - a^2)$, and
$1 - a^2 = \frac\delta v - \frac{\delta^2}{4v^2} = \frac\delta v\big(1 - \frac\delta{4v}\big)$:

$$
V = \frac v{1 - \delta/4v}.
$$

The chain is too wide, by the relative amount $\delta/4v$ to first order: the bias goes to zero with $\delta$, and the
number of steps that a given time needs goes to infinity. (c) The fixed point attracts as long as
$\lvert a\rvert < 1$, that is $\delta < 4v$; beyond, each step overshoots the mode by more than it came from. In
several dimensions the *narrowest* direction sets this limit, and the widest sets how long the chain takes.
""",
    cases=_steps,
    properties=(
        Property(
            "one more step of the chain leaves the variance as it is, and it is positive", _one_more_step
        ),
        Property(
            "the chain is never narrower than its target",
            lambda case, found: bool((found >= case["var"] - 1e-9).all()),
        ),
    ),
)
