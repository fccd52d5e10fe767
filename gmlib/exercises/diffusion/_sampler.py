"""Chapter 09, the sampler: from noise back to data."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gmlib.exercises.diffusion._cases import DATA_VAR, Cases, basis, normal, numbers, respaced, with_guess
from gmlib.exercises.exercise import Exercise, Mistake, Property

# The recursion of the variance on N(0, 1/4) with 50 of the 1000 steps, to the digits that the chapter shows.
FIFTY_STEPS = 0.2619


def _runs(generator: torch.Generator) -> Cases:
    cases: Cases = [
        {
            "guess": "tanh",
            "x": normal(generator, 2),
            "noise": normal(generator, 1, 2),
            "alpha_bar": numbers(1, 0.6),
        },
    ]
    for guess, bars in (("tanh", (1, 0.7, 0.4)), ("wave", (1, 0.95, 0.6, 0.3)), ("tanh", (1, 0.9, 0.5, 0.2))):
        steps = len(bars) - 1
        x, noise = normal(generator, 3), normal(generator, steps, 3)
        cases.append({"guess": guess, "x": x, "noise": noise, "alpha_bar": numbers(*bars)})
    x, noise = basis(50)
    return [*cases, {"guess": "best for N(0, 1/4)", "x": x, "noise": noise, "alpha_bar": respaced(50)}]


def _variance_is_that_of_the_recursion(case: Any, found: Tensor) -> bool:
    if len(case["alpha_bar"]) != 51:
        return True
    return bool((found.square().sum() - FIFTY_STEPS).abs() < 5e-5)


def _last_noise_unused(case: Any, found: Tensor) -> bool:
    # Of the basis, the second point has nothing but the noise of the last step.
    return len(case["alpha_bar"]) != 51 or bool(found[1].abs() < 1e-9)


WALK_BACK = Exercise(
    id="diffusion.walk-back",
    title="From noise back to data",
    chapter="09_ddpm",
    section="sec-09-sampler",
    difficulty=2,
    minutes=40,
    statement=r"""
Write ancestral sampling. A network guesses the noise; the times that are visited need not be neighbours on the grid, so
you are given the products $\bar\alpha$ at these times only, from $\bar\alpha_0 = 1$ of the clean data up to the
noisiest. Between two visited times, what takes the place of $1 - \beta_k$? Use the variance
$\tilde\sigma^2 = \beta$, and think about the last step.

For normal data the best guess is a multiple of $x$, so the variance of what comes out is the recursion
{eq}`eq-09-recursion`. The check feeds your sampler points with a single 1 among their draws, from which it reads the
same number: on $\mathcal N(0, \tfrac14)$ with 50 of DDPM's 1000 steps it must be 0.2619. Where does the difference from
0.25 come from?

Write `walk_back(guess, x, noise, alpha_bar)`.
""",
    answer="walk_back",
    stub="""
def walk_back(guess, x, noise, alpha_bar):
    # guess(x, k): the noise in points x at time k; x: (n,), the start;
    # noise: (T, n), where noise[k - 1] belongs to the step from k to k - 1;
    # alpha_bar: (T + 1,), where alpha_bar[0] is 1. Returns the points at 0.
    ...
""",
    reference="""
def walk_back(guess, x, noise, alpha_bar):
    for k in range(len(alpha_bar) - 1, 0, -1):
        now, before = alpha_bar[k], alpha_bar[k - 1]
        beta = 1 - now / before
        mean = (x - beta / (1 - now).sqrt() * guess(x, k)) / (1 - beta).sqrt()
        fresh = beta.sqrt() * noise[k - 1] if k > 1 else 0
        x = mean + fresh
    return x
""",
    mistakes=(
        Mistake(
            "bar-in-front",
            (("guess(x, k)) / (1 - beta).sqrt()", "guess(x, k)) / now.sqrt()"),),
            "Your points run away. One step undoes one step: which product of α's belongs to a single step?",
        ),
        Mistake(
            "bars-everywhere",
            (
                ("x - beta / (1 - now)", "x - (1 - now) / (1 - now)"),
                ("guess(x, k)) / (1 - beta).sqrt()", "guess(x, k)) / now.sqrt()"),
            ),
            "Your mean is the guess of x₀ itself: each step jumps to the end, and adds a little noise there. One step "
            "undoes one step: which of its α's belong to it alone?",
        ),
        Mistake(
            "no-bar",
            (("(1 - now).sqrt() * guess", "beta.sqrt() * guess"),),
            "You take away more than was guessed: the noise in x_k has the size of what one step adds. How much has "
            "gathered there since x₀?",
        ),
        Mistake(
            "product-for-one-step",
            (("beta = 1 - now / before", "beta = 1 - now"),),
            "With a single step you are right, with two no longer: your step undoes all the noise since x₀. How much of "
            "it came between the two visited times?",
        ),
        Mistake(
            "guess-of-the-time-before",
            (("guess(x, k)", "guess(x, k - 1)"),),
            "You ask for the noise in x at a time when x has less of it. At which of the two times is the point that "
            "you hold?",
        ),
        Mistake(
            "noise-in-the-last-step",
            ((" if k > 1 else 0", ""),),
            "You stopped in the fog: 0.2676 comes out where 0.2619 is due. What is the last thing that a sampler does?",
        ),
        Mistake(
            "noise-not-rooted",
            (("beta.sqrt() * noise", "beta * noise"),),
            "Far too little variance comes out. Variance or standard deviation?",
        ),
        Mistake(
            "beta-tilde",
            (("beta.sqrt() * noise", "(beta * (1 - before) / (1 - now)).sqrt() * noise"),),
            "A right step, with the other variance: β̃ belongs to someone who knows x₀. Which one is asked for?",
        ),
        Mistake(
            "signal-not-restored",
            (("guess(x, k)) / (1 - beta).sqrt()", "guess(x, k))"),),
            "You take the noise away and leave the signal as small as it is at the end of the chain. What else did a "
            "step forward do?",
        ),
        Mistake(
            "noise-added",
            (("(x - beta /", "(x + beta /"),),
            "Your points get noisier on the way back. With which sign does the guessed noise leave?",
        ),
    ),
    hints=(
        r"Between two visited times the chain has shrunk the signal by $\sqrt{\bar\alpha_k/\bar\alpha_{k-1}}$, where $k$ "
        r"counts visited times.",
        r"Then {eq}`eq-09-mean`, with this step's own $\beta$.",
    ),
    solution=r"""
Two visited times are one step of a coarser chain, with $1 - \beta = \bar\alpha_k/\bar\alpha_{k-1}$. Its mean is
{eq}`eq-09-mean`. One factor has no bar, $1/\sqrt{1 - \beta}$: a step back restores the signal that one step took. One
has: $\sqrt{1 - \bar\alpha_k}$ is the standard deviation of *all* the noise in $x_k$, of which the guess speaks. The
last step ends at the data, where there is no noise, and adds none.

For $\mathcal N(0, v)$ with $V_k = \bar\alpha_k v + 1 - \bar\alpha_k$ the guess is
$\hat\varepsilon = \sqrt{1 - \bar\alpha_k}\,x/V_k$, and a step multiplies by
$\frac1{\sqrt{1 - \beta}}\big(1 - \frac\beta{V_k}\big) = \sqrt{1 - \beta}\,\frac{V_{k-1}}{V_k}$, which is the factor of
{eq}`eq-09-recursion`. The true variance of the step is $\beta V_{k-1}/V_k$, here less than $\beta$, because $v < 1$:
each step adds a little too much noise. The steps after it forget most of that, so the end is close, 0.2619 with 50
steps and 0.2508 with 1000. Noise in the last step, which nothing comes after to forget, gives 0.2676.
""",
    cases=_runs,
    call=with_guess,
    properties=(
        Property(
            f"on N(0, {DATA_VAR}) with 50 steps the variance of what comes out is {FIFTY_STEPS}",
            _variance_is_that_of_the_recursion,
        ),
        Property("what comes out does not depend on the noise of the last step", _last_noise_unused),
    ),
)
