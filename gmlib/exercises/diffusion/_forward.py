"""Chapter 09, noising: all steps at once, and when two starts can no longer be told apart."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gmlib.exercises.diffusion._cases import F64, Cases, chain, normal, numbers, uniform
from gmlib.exercises.exercise import Exercise, Mistake, Property


def _jumps(generator: torch.Generator) -> Cases:
    signs = numbers(1, 1, -1, -1), numbers(1, -1, 1, -1)
    # The product of the first two steps is exactly one half.
    betas = numbers(0.2, 0.375, 0.3, 0.1)
    cases: Cases = [
        {"x0": signs[0], "noise": signs[1], "betas": betas, "k": 2},
        {"x0": numbers(0.7, -1.2), "noise": numbers(1.0, 0.5), "betas": betas, "k": 0},
        {"x0": numbers(0.7, -1.2), "noise": numbers(1.0, 0.5), "betas": betas, "k": 1},
    ]
    for n, steps in ((3, 6), (2, 9)):
        x0, noise = normal(generator, n), normal(generator, n)
        cases.append({"x0": x0, "noise": noise, "betas": chain(generator, steps), "k": steps - 1})
    return cases


def _starts_clean(case: Any, found: Tensor) -> bool:
    return case["k"] != 0 or torch.allclose(found, case["x0"])


def _keeps_variance_one(case: Any, found: Tensor) -> bool:
    x0, noise = case["x0"], case["noise"]
    balanced = len(x0) == 4 and bool((x0 * noise).sum() == 0)
    return not balanced or torch.allclose(found.square().mean(), torch.ones((), dtype=F64))


JUMP = Exercise(
    id="diffusion.all-at-once",
    title="All steps at once",
    chapter="09_ddpm",
    section="sec-09-forward",
    difficulty=1,
    minutes=20,
    statement=r"""
The chain {eq}`eq-09-step` adds a little noise $T$ times; {eq}`eq-09-marginal` does it in one jump. (a) A proof often
leans on this fact: if $z_1$ and $z_2$ have the law $\mathcal N(0, I)$, then $az_1 + bz_2$ has the law
$\mathcal N(0, (a^2 + b^2) I)$. One word is missing in it. Which one, and what is the law of $az_1 + bz_2$ when
$z_2 = z_1$? (b) Where does the chain provide what the word asks for? Prove {eq}`eq-09-marginal` by induction. (c) If
the data have the covariance $I$, what is that of $x_k$?

Write `jump(x0, noise, betas, k)`: the point after $k$ of the $T$ steps, for any $k$ from 0 to $T$, from one draw of
noise.
""",
    answer="jump",
    stub="""
def jump(x0, noise, betas, k):
    # x0, noise: (n,), clean points and standard noise; betas: (T,), where
    # betas[0] belongs to the first step; k: 0 (clean) to T. Returns (n,).
    ...
""",
    reference="""
def jump(x0, noise, betas, k):
    bar = (1 - betas[:k]).prod()  # an empty product is 1
    return bar.sqrt() * x0 + (1 - bar).sqrt() * noise
""",
    mistakes=(
        Mistake(
            "noise-not-rooted",
            (("(1 - bar).sqrt()", "(1 - bar)"),),
            "Give your jump data of variance 1 and a product of ½: what comes out has the variance 0.75. Variance or "
            "standard deviation?",
        ),
        Mistake(
            "index-off-by-one",
            (("betas[:k]", "betas[:k + 1]"),),
            "At k = 0 something has happened already, and your x₁ has the variance of two steps. What is ᾱ₀?",
        ),
        Mistake(
            "one-draw-for-all-steps",
            (
                (
                    "(1 - bar).sqrt()",
                    "sum(((1 - betas[j + 1 : k]).prod() * betas[j]).sqrt() for j in range(k))",
                ),
            ),
            "That is what a loop gives that adds the same draw in every step: amplitudes add up where variances "
            "should. Which word was missing in the fact?",
        ),
        Mistake(
            "old-noise-kept",
            (("(1 - bar).sqrt()", "betas[:k].sum().sqrt()"),),
            "Your noise grows beyond variance 1. What does the second step do to the noise of the first, before it "
            "adds its own?",
        ),
        Mistake(
            "signal-not-rooted",
            (("bar.sqrt() * x0", "bar * x0"),),
            "Your noise is right and your signal too small: data of variance 1 do not keep it. By what does one step "
            "multiply the point?",
        ),
        Mistake(
            "last-step-only",
            (("betas[:k]", "betas[max(k, 1) - 1:k]"),),
            "Your jump does not see the steps before the last one. How many of them are there between x₀ and x_k?",
        ),
    ),
    hints=(
        r"Insert the formula for $x_{k-1}$ into {eq}`eq-09-step`. There are two noises now; what do you know of them?",
        r"$(1 - \beta_k)(1 - \bar\alpha_{k-1}) + \beta_k = $ ?",
    ),
    solution=r"""
(a) *Independent*. For $z_2 = z_1$ the sum is $(a + b) z_1$, of variance $(a + b)^2$: standard deviations add up. In
between, with correlation $\rho$, it is $a^2 + b^2 + 2\rho ab$.

(b) Each step draws fresh noise, independent of all that was there. For $k = 0$ the product is empty and nothing has
happened. If $x_{k-1} = \sqrt{\bar\alpha_{k-1}}\,x_0 + \sqrt{1 - \bar\alpha_{k-1}}\,\eta$, then

$$
x_k = \sqrt{(1 - \beta_k)\,\bar\alpha_{k-1}}\;x_0 +
  \sqrt{(1 - \beta_k)(1 - \bar\alpha_{k-1})}\;\eta + \sqrt{\beta_k}\;\varepsilon_k ,
$$

and the last two terms, being independent and normal, are one normal variable with the variance
$(1 - \beta_k)(1 - \bar\alpha_{k-1}) + \beta_k = 1 - (1 - \beta_k)\,\bar\alpha_{k-1} = 1 - \bar\alpha_k$.

(c) $\bar\alpha_k I + (1 - \bar\alpha_k) I = I$. A loop that draws its noise once, above the first line, makes
$\sum_j\big(\beta_j \prod_{i > j}(1 - \beta_i)\big)^{1/2}$ of it instead of $\sqrt{1 - \bar\alpha_k}$: after DDPM's
thousand steps an amplitude of 15 instead of 1.
""",
    cases=_jumps,
    properties=(
        Property("at k = 0 the points are clean", _starts_clean),
        Property("data of variance 1 that do not know the noise keep variance 1", _keeps_variance_one),
    ),
)


def _pairs(generator: torch.Generator) -> Cases:
    # Centres 1.7 apart with the standard deviation 0.8, and equal starts.
    cases: Cases = [
        {"gap": numbers(1.7 / 0.6), "alpha_bar": numbers(0.36)},
        {"gap": numbers(0.0, 0.0), "alpha_bar": numbers(0.9, 0.2)},
    ]
    for n in (3, 4):
        cases.append({"gap": 3 * uniform(generator, n), "alpha_bar": 0.1 + 0.8 * uniform(generator, n)})
    return cases


def _equal_starts(case: Any, found: Tensor) -> bool:
    return bool(case["gap"].any()) or torch.allclose(found[0], torch.full_like(found[0], 0.5))


def _bounded(case: Any, found: Tensor) -> bool:
    return bool((found[0] <= found[1] + 1e-9).all()) and bool((found[0] <= 0.5 + 1e-9).all())


TOLD_APART = Exercise(
    id="diffusion.told-apart",
    title="From which of two starts?",
    chapter="09_ddpm",
    section="sec-09-forward",
    difficulty=1,
    minutes=25,
    statement=r"""
A coin picks one of two clean points on the line, $x_0$ or $x_0'$, and the chain noises it with $k$ steps. You see
$x_k$ and bet on the start whose centre, $\sqrt{\bar\alpha_k}\,x_0$ or $\sqrt{\bar\alpha_k}\,x_0'$, is nearer.

(a) Let the centres be $\ell$ apart and the noise have the standard deviation $\sigma$. Show that you are wrong with
probability $1 - \Phi(\ell/2\sigma)$, where $\Phi$ is the distribution function of $\mathcal N(0, 1)$. Is there a
better way to bet? (b) Show that $1 - \Phi(z) \le \tfrac12 e^{-z^2/2}$ for $z \ge 0$, and so that the error is at most
$\tfrac12 e^{-\ell^2/8\sigma^2}$. (c) At the end of DDPM's chain the bet is no better than the coin. Does that mean
that the chain cannot be undone?

Write `error_and_bound(gap, alpha_bar)`: the error and the bound of (b), where
`gap` is the distance $\lvert x_0 - x_0'\rvert$ of the clean points, not $\ell$.
""",
    answer="error_and_bound",
    stub="""
def error_and_bound(gap, alpha_bar):
    # gap, alpha_bar: (n,). Returns (2, n): the errors, then the bounds.
    ...
""",
    reference="""
def error_and_bound(gap, alpha_bar):
    distance, std = alpha_bar.sqrt() * gap, (1 - alpha_bar).sqrt()
    z = distance / (2 * std)
    error = 0.5 * torch.erfc(z / math.sqrt(2))
    limit = 0.5 * torch.exp(-z.square() / 2)
    return torch.stack([error, limit])
""",
    mistakes=(
        Mistake(
            "whole-distance",
            (("distance / (2 * std)", "distance / std"),),
            "A bet is lost when the noise carries the point past the border. How far is the border from a centre?",
        ),
        Mistake(
            "both-tails",
            (("0.5 * torch.erfc(z /", "torch.erfc(z /"),),
            "For two equal starts you are always wrong. Past how many borders can a point of one start go?",
        ),
        Mistake(
            "halved-again",
            (("0.5 * torch.erfc(z /", "0.25 * torch.erfc(z /"),),
            "For two equal starts you are right three times out of four. Both starts lead to the same error; what is "
            "the average of two equal numbers?",
        ),
        Mistake(
            "variance-for-std",
            (("(1 - alpha_bar).sqrt()", "(1 - alpha_bar)"),),
            "Units: z is a length over a length. Is 1 − ᾱ the one or the square of one?",
        ),
        Mistake(
            "starts-not-shrunk",
            (("alpha_bar.sqrt() * gap", "gap"),),
            "You are too sure when ᾱ is small. What has the chain done to the points, beside adding noise?",
        ),
        Mistake(
            "bar-not-rooted",
            (("alpha_bar.sqrt() * gap", "alpha_bar * gap"),),
            "You are not sure enough: your points have moved closer than the chain moves them. By what does it multiply "
            "a point in k steps, by ᾱ or by its root?",
        ),
        Mistake(
            "no-root-of-two",
            (("torch.erfc(z / math.sqrt(2))", "torch.erfc(z)"),),
            "erfc has its own scale: it belongs to the density exp(−u²)/√π. Which variance is that?",
        ),
        Mistake(
            "bound-without-half",
            (("0.5 * torch.exp(", "torch.exp("),),
            "A bound, but twice the one asked for: at a distance of 0 it says 1. What is the error there?",
        ),
        Mistake(
            "exponent-not-halved",
            (("z.square() / 2)", "z.square())"),),
            "Your bound is below the error. With which power falls the density of N(0, 1)?",
        ),
    ),
    hints=(
        r"Put the centres at $-\ell/2$ and $\ell/2$. Where is the border, and which part of a normal law is past it?",
        r"For (b), let $g(z) = \tfrac12 e^{-z^2/2} - (1 - \Phi(z))$. What are $g(0)$ and $g(\infty)$, and how often does "
        r"$g'$ change its sign?",
    ),
    solution=r"""
(a) With the centres at $\mp\ell/2$ the border is 0. A point from the left one is past it with the probability
$\Pr[-\ell/2 + \sigma z > 0] = 1 - \Phi(\ell/2\sigma)$, and the other one is its mirror image; the average of the two
is the same number. Since both starts are equally likely, the nearer centre is the more probable one, and no bet is
better: the error is $\tfrac12(1 - \mathrm{TV})$, with the total variation distance
$\mathrm{TV} = 2\Phi(\ell/2\sigma) - 1$ of the two laws.

(b) $g(0) = g(\infty) = 0$, and $g'(z) = e^{-z^2/2}\big(\tfrac1{\sqrt{2\pi}} - \tfrac z2\big)$ is first positive and then
negative: $g$ rises from 0 and falls back to 0, so it is never below. Insert $z = \ell/2\sigma$. In the chain
$\ell = \sqrt{\bar\alpha_k}\,\lvert x_0 - x_0'\rvert$ and $\sigma = \sqrt{1 - \bar\alpha_k}$.

(c) No. A single point cannot be traced back to its start, and need not be. What is undone is the *law*: many steps
back, each drawn from $q(x_{k-1} \mid x_k)$, lead from the law of $x_T$ to that of the data, and forget which start was
whose. For each of these steps to be nearly normal it must be small; that it tell its starts apart is not asked.
""",
    cases=_pairs,
    properties=(
        Property("for two equal starts the bet is a coin", _equal_starts),
        Property("the error is at most ½, and at most the bound", _bounded),
    ),
)
