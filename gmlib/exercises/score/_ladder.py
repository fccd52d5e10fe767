"""Chapter 08, noise levels: which ones, and what each of them should weigh."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gmlib.exercises.exercise import Exercise, Mistake, Property
from gmlib.exercises.score._cases import F64, Cases, uniform


def _ends(generator: torch.Generator) -> Cases:
    cases: Cases = []
    for levels, scale in ((2, 1.0), (4, 8.0), (7, 20.0)):
        low, high = 0.05 + 0.3 * uniform(generator, 1).item(), scale * (1.2 + uniform(generator, 1).item())
        cases.append({"sigma_max": high, "sigma_min": low, "levels": levels})
    return cases


def _ends_met(case: Any, found: Tensor) -> bool:
    ends = torch.tensor([case["sigma_max"], case["sigma_min"]], dtype=F64)
    return torch.allclose(found[0, [0, -1]], ends)


def _alike(case: Any, found: Tensor) -> bool:
    ratios = found[0, 1:] / found[0, :-1]
    return bool((ratios < 1).all()) and torch.allclose(ratios, ratios[:1].expand_as(ratios))


def _level_costs(case: Any, found: Tensor) -> bool:
    costs = found[1] / (2 * found[0].square())
    return torch.allclose(costs, torch.full_like(costs, 0.5))


LADDER = Exercise(
    id="score.ladder",
    title="Noise levels and their weights",
    chapter="08_score_matching",
    section="sec-08-ncsn",
    difficulty=1,
    minutes=20,
    statement=r"""
A noise-conditional score is trained at levels $\sigma_1 > \dots > \sigma_L$ with the loss
$\sum_i\omega(\sigma_i)\cdot\text{(denoising loss at level } \sigma_i)$, and sampled by going *down* the levels.

(a) A network that has learnt nothing returns $s = 0$. What is its denoising loss at level $\sigma$ in $d$ dimensions?
Choose $\omega(\sigma)$ so that every level costs it exactly $d/2$. (b) The chain of one level starts where that of
the level before ended. Choose the levels between $\sigma_{\max}$ and $\sigma_{\min}$, both included, such that
neighbouring blurs of a data point, $\mathcal N(x, \sigma_i^2 I)$ and $\mathcal N(x, \sigma_{i+1}^2 I)$, have the same
KL divergence at all $i$. (c) What should $\sigma_{\max}$ and $\sigma_{\min}$ be compared with?

Write `levels_and_weights(sigma_max, sigma_min, levels)`: the levels in the order of sampling, and their weights.
""",
    answer="levels_and_weights",
    stub="""
def levels_and_weights(sigma_max, sigma_min, levels):
    # sigma_max, sigma_min: numbers; levels: how many, at least 2. Returns
    # (2, levels): the noise levels, then their weights.
    ...
""",
    reference="""
def levels_and_weights(sigma_max, sigma_min, levels):
    ratio = (sigma_min / sigma_max) ** (1 / (levels - 1))
    sigmas = sigma_max * ratio ** torch.arange(levels, dtype=torch.float64)
    weights = sigmas**2
    return torch.stack([sigmas, weights])
""",
    mistakes=(
        Mistake(
            "off-by-one",
            (("torch.arange(levels, ", "torch.arange(1, levels + 1, "),),
            "Your first level is not σ_max. With which power of the ratio does the ladder begin?",
        ),
        Mistake(
            "levels-for-gaps",
            (("1 / (levels - 1)", "1 / levels"),),
            "Your ladder stops above σ_min. How many gaps are there between L levels?",
        ),
        Mistake(
            "evenly-spaced",
            (
                (
                    "sigma_max * ratio ** torch.arange(levels, dtype=torch.float64)",
                    "torch.linspace(sigma_max, sigma_min, levels, dtype=torch.float64)",
                ),
            ),
            "Your last two levels overlap much less than your first two. On which scale of σ is an equal KL an equal "
            "distance?",
        ),
        Mistake(
            "upwards",
            (("weights = sigmas**2", "sigmas = sigmas.flip(0); weights = sigmas**2"),),
            "Your ladder goes up: sampling would end with the strongest noise. Which blur should the last points have?",
        ),
        Mistake(
            "weight-one",
            (("weights = sigmas**2", "weights = torch.ones_like(sigmas)"),),
            "With equal weights the finest level makes up almost all of your loss. What is the mean of ‖ε/σ‖²?",
        ),
        Mistake(
            "weight-upside-down",
            (("weights = sigmas**2", "weights = 1 / sigmas**2"),),
            "Your weight makes the loud levels louder. Which level has the largest loss before it is weighted?",
        ),
        Mistake(
            "weight-not-squared",
            (("weights = sigmas**2", "weights = sigmas"),),
            "The target has the size 1/σ. What size has its square, which the loss averages?",
        ),
    ),
    hints=(
        r"The target is $-\varepsilon/\sigma$, and $\mathbb E\lVert\varepsilon\rVert^2 = d$.",
        r"The KL of two normal laws with one mean depends on the ratio of their variances only.",
    ),
    solution=r"""
(a) For $s = 0$ the loss is $\tfrac12\mathbb E\lVert\varepsilon/\sigma\rVert^2 = d/2\sigma^2$, so
$\omega(\sigma) = \sigma^2$. Then every level asks for the noise $\varepsilon$ itself, in units of order 1, and none
drowns the others.

(b) $\mathrm{KL}\big(\mathcal N(x, \sigma_i^2I) \,\|\, \mathcal N(x, \sigma_{i+1}^2I)\big) = \tfrac d2(\rho - 1 -
\log\rho)$ with $\rho = \sigma_i^2/\sigma_{i+1}^2$, strictly increasing for $\rho >
1$: equal divergences are equal ratios. So $\sigma_i = \sigma_1 r^{i - 1}$ with $r^{L - 1} =
\sigma_{\min}/\sigma_{\max}$, because $L$ levels have $L - 1$ gaps. The factor $d$ says that images need ratios nearer
to 1, hence more levels, than points in the plane do.

(c) At $\sigma_{\max}$ the blurred law should have one mode, so that any start will do: it should be about the largest
distance between two data points. At $\sigma_{\min}$ the blur should be below what one can see or cares for. Down the
ladder, the coarse levels settle the weights of the modes, which the fine ones can no longer change.
""",
    cases=_ends,
    properties=(
        Property("the first level is σ_max and the last is σ_min", _ends_met),
        Property("the levels go down, and neighbours have the same KL all along", _alike),
        Property("a score that is 0 everywhere costs exactly ½ a dimension at each level", _level_costs),
    ),
)
