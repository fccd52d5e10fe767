"""Chapter 09, the signal-to-noise ratio: the calmest schedule, and times that leave no gap."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from gmlib.exercises.diffusion._cases import F64, Cases, numbers, uniform
from gmlib.exercises.exercise import Exercise, Mistake, Property


def _ends(generator: torch.Generator) -> Cases:
    cases: Cases = [
        {"var": 1.0, "low": math.log(1e-3), "high": math.log(1e4), "t": numbers(0, 0.25, 0.5, 0.75, 1)}
    ]
    for var, low, high in ((0.25, -4.0, 6.0), (3.0, -7.0, 5.0), (0.6, -2.0, 2.5)):
        t = torch.cat([numbers(0, 1), uniform(generator, 3)])
        cases.append({"var": var, "low": low, "high": high, "t": t})
    return cases


def _ends_met(case: Any, found: Tensor) -> bool:
    t, level = case["t"], found[0]
    start = torch.full((), case["high"], dtype=F64)
    end = torch.full((), case["low"], dtype=F64)
    return torch.allclose(level[t == 0], start) and torch.allclose(level[t == 1], end)


def _calm(case: Any, found: Tensor) -> bool:
    return bool((found[1] > 0).all()) and torch.allclose(found[1], found[1, :1].expand_as(found[1]))


CALM = Exercise(
    id="diffusion.calm-schedule",
    title="Every schedule the same, and one the calmest",
    chapter="09_ddpm",
    section="sec-09-snr",
    difficulty=3,
    minutes=40,
    statement=r"""
(a) Substitute $\lambda = \lambda_t$ in the right-hand side of {eq}`eq-09-continuous`, and say in which sense the shape
of the schedule does not matter. (b) In training the integral over $t$ is estimated at one random time, uniform on
$[0, 1]$, by the integrand $-\tfrac12\lambda_t'\,e(\lambda_t)$ with
$e(\lambda) = \mathbb E\lVert\varepsilon - \hat\varepsilon\rVert^2$. Its mean is fixed by (a). Which schedule between
$\lambda_{\max}$ at $t = 0$ and $\lambda_{\min}$ at $t = 1$ makes its variance as small as can be, and how small is it?
(c) Work it out for $\mathcal N(0, v)$ data and the best guess, {eq}`eq-09-floors`. Why do a finite number of steps, and
a network that is still learning, care about the schedule all the same?

Write `calm_schedule(var, low, high, t)`: the log-SNR of (c) at the times $t$, and the integrand there, in one dimension.
""",
    answer="calm_schedule",
    stub="""
def calm_schedule(var, low, high, t):
    # var: the data's variance; low, high: the least and largest log-SNR;
    # t: (n,), between 0 and 1. Returns (2, n): log-SNRs, then integrands.
    ...
""",
    reference="""
def calm_schedule(var, low, high, t):
    first, last = math.log1p(var * math.exp(high)), math.log1p(var * math.exp(low))
    level = first + t * (last - first)
    log_snr = torch.log(torch.expm1(level) / var)
    integrand = 0.5 * (first - last) * torch.ones_like(t)
    return torch.stack([log_snr, integrand])
""",
    mistakes=(
        Mistake(
            "even-in-log-snr",
            (
                ("torch.log(torch.expm1(level) / var)", "high + t * (low - high)"),
                (
                    "0.5 * (first - last) * torch.ones_like(t)",
                    "0.5 * (high - low) * torch.sigmoid(log_snr + math.log(var))",
                ),
            ),
            "Even in log-SNR, your integrand is the error itself, large at one end and small at the other. How long "
            "should the schedule stay where an instant costs little?",
        ),
        Mistake(
            "even-in-snr",
            (
                (
                    "torch.log(torch.expm1(level) / var)",
                    "torch.log(math.exp(high) + t * (math.exp(low) - math.exp(high)))",
                ),
                (
                    "0.5 * (first - last) * torch.ones_like(t)",
                    "0.5 * (math.exp(high) - math.exp(low)) * var / (1 + var * log_snr.exp())",
                ),
            ),
            "Even in the signal-to-noise ratio, your schedule spends nearly all its time on clean points, and your "
            "integrand explodes at the end. What should be even in time is the cost.",
        ),
        Mistake(
            "for-unit-variance",
            (
                ("math.log1p(var * math.exp(high))", "math.log1p(math.exp(high))"),
                ("math.log1p(var * math.exp(low))", "math.log1p(math.exp(low))"),
                ("torch.expm1(level) / var", "torch.expm1(level)"),
            ),
            "Right for data of variance 1. What is the least error of the noise for other data, as a function of λ?",
        ),
        Mistake(
            "wrong-way-round",
            (
                (
                    "first, last = math.log1p(var * math.exp(high)), math.log1p(var * math.exp(low))",
                    "last, first = math.log1p(var * math.exp(high)), math.log1p(var * math.exp(low))",
                ),
            ),
            "Your time begins with noise, and your integrand is negative. Where is t = 0, and which sign has the "
            "slope of the log-SNR?",
        ),
        Mistake(
            "sign-of-the-slope",
            (("0.5 * (first - last)", "0.5 * (last - first)"),),
            "Your integrand is negative, and a sum of KL divergences is not. Which sign has the slope of the log-SNR?",
        ),
        Mistake(
            "no-half",
            (("0.5 * (first - last)", "(first - last)"),),
            "Twice the integrand. What stands in front of the integral in the continuous bound?",
        ),
        Mistake(
            "error-of-the-clean-point",
            (
                ("math.log1p(var * math.exp(high))", "math.log1p(math.exp(-high) / var)"),
                ("math.log1p(var * math.exp(low))", "math.log1p(math.exp(-low) / var)"),
                ("torch.log(torch.expm1(level) / var)", "-torch.log(torch.expm1(level) * var)"),
                ("(first - last)", "var * (last - first)"),
            ),
            "Your cost of an instant is what the noise leaves unknown of the point, not what the point leaves unknown of "
            "the noise. Which of the two errors has no weight when λ is the clock?",
        ),
    ),
    hints=(
        r"A variance is never negative. When is it 0?",
        r"For normal data $e(\lambda) = \frac{v e^\lambda}{1 + v e^\lambda}$, and that is the slope in $\lambda$ of what?",
    ),
    solution=r"""
(a) $-\tfrac12\int_0^1\lambda_t'\,e(\lambda_t)\,dt = \tfrac12\int_{\lambda_{\min}}^{\lambda_{\max}}e(\lambda)\,d\lambda$,
whatever $\lambda_t$ does on its way, as long as it falls from the one end to the other. Here $e$ may depend on the
time only through $\lambda$: the best guess does so, because two points with the same $\lambda$ on two paths are
multiples of each other, by a factor that is known.

(b) The variance is 0 if the integrand is the same at all times. So time must pass in proportion to cost,
$t = \int_{\lambda_t}^{\lambda_{\max}} e\,d\lambda \,\big/ \int_{\lambda_{\min}}^{\lambda_{\max}} e\,d\lambda$: the schedule
is slow where an error is expensive. (The spread of a single $\lVert\varepsilon - \hat\varepsilon\rVert^2$ around its mean
$e$ is left out here. It enters with the square of $\lambda_t'$ as well, and moves the best schedule a little.)

(c) The integral of $e(\lambda) = \frac{v e^\lambda}{1 + v e^\lambda}$ is $\log(1 + v e^\lambda)$. It must be linear in
$t$, between its two ends, and the integrand is half their difference. On a variance-preserving path with $v = 1$ it
means that $\log\sigma_t^2$ is linear: the noise level grows geometrically. For signal-to-noise ratios from $10^4$ to
$10^{-3}$ the value is 4.605 nats.

A finite chain pays each step at the price of its noisier end ({eq}`eq-09-step-snr` with the error at $t$), and how much
that is depends on where its steps are. And a network learns from estimates, whose spread the schedule sets.
""",
    cases=_ends,
    properties=(
        Property("the log-SNR goes from its largest value at t = 0 to its least at t = 1", _ends_met),
        Property("the integrand is positive, and the same at all times", _calm),
    ),
)


def _batches(generator: torch.Generator) -> Cases:
    cases: Cases = [{"slope": 1.0, "bend": 0.0, "n": 8}, {"slope": 1.0, "bend": 0.0, "n": 1}]
    for n in (2, 5, 30):
        slope, bend = (3 * uniform(generator, 2) - 1).tolist()
        cases.append({"slope": slope, "bend": bend, "n": n})
    return cases


def _straight_line(case: Any, found: Tensor) -> bool:
    n = case["n"]
    due = found.new_tensor([1 / (12 * n), 1 / (12 * n**2)]) * case["slope"] ** 2
    return case["bend"] != 0 or torch.allclose(found, due)


def _no_worse(case: Any, found: Tensor) -> bool:
    return bool((found >= -1e-12).all()) and (case["n"] > 1 or torch.allclose(found[0], found[1]))


EVEN_TIMES = Exercise(
    id="diffusion.even-times",
    title="Times that share one shift",
    chapter="09_ddpm",
    section="sec-09b-times",
    difficulty=2,
    minutes=30,
    statement=r"""
A batch of $n$ points is trained at $n$ times, and its loss estimates the mean of a function $f$ over $[0, 1]$. The times
may be drawn independently, or they share one uniform shift $u$: $t_i = (u + i/n) \bmod 1$ for $i = 0, \dots, n - 1$.

(a) Show that each $t_i$ is uniform, so that the mean over the batch is unbiased in both cases. (b) Find the variance of
this mean for $f(t) = bt + ct^2$ in both cases. By which factor does the shared shift win for large $n$? (c) Is it still
a gain when $n = 1$? And how would times that are drawn independently in their own cells, $t_i = (i + u_i)/n$, do?

Write `two_spreads(slope, bend, n)`: both variances, for $f(t) = \mathtt{slope}\cdot t + \mathtt{bend}\cdot t^2$.
""",
    answer="two_spreads",
    stub="""
def two_spreads(slope, bend, n):
    # slope, bend: numbers; n: how many times. Returns two variances of the
    # batch's mean: with independent times, and with a shared shift.
    ...
""",
    reference="""
def two_spreads(slope, bend, n):
    def spread(b, c):
        return b**2 / 12 + b * c / 6 + 4 * c**2 / 45

    alone = spread(slope, bend) / n
    shared = spread(slope / n + bend * (n - 1) / n**2, bend / n**2)
    return torch.tensor([alone, shared], dtype=torch.float64)
""",
    mistakes=(
        Mistake(
            "no-gain",
            (("spread(slope / n + bend * (n - 1) / n**2, bend / n**2)", "spread(slope, bend) / n"),),
            "You treat times that share a shift as if they were independent. If one of them is early, where are the "
            "others?",
        ),
        Mistake(
            "independent-in-cells",
            (
                (
                    "spread(slope / n + bend * (n - 1) / n**2, bend / n**2)",
                    "sum(spread(slope / n + 2 * bend * i / n**2, bend / n**2) for i in range(n)) / n**2",
                ),
            ),
            "That is the variance with one draw for each cell. How many random numbers does a shared shift need, and do "
            "the errors of the cells cancel then?",
        ),
        Mistake(
            "one-time",
            (("spread(slope, bend) / n", "spread(slope, bend)"),),
            "Your first variance is that of one time. What does a mean over n independent ones do to it?",
        ),
        Mistake(
            "bend-only-within-the-cell",
            (("slope / n + bend * (n - 1) / n**2", "slope / n"),),
            "Right for straight lines. A parabola is steeper in later cells: what is its mean slope over all of them?",
        ),
        Mistake(
            "terms-independent",
            (("b * c / 6", "0 * b * c"),),
            "The variances of bt and ct² do not add up: t and t² rise together. What is their covariance?",
        ),
        Mistake(
            "std-for-variance",
            (("4 * c**2 / 45", "4 * c**2 / 45) ** 0.5"), ("return b**2 / 12", "return (b**2 / 12")),
            "Twice the function gives twice your number. What does it give for a variance?",
        ),
    ),
    hints=(
        r"$\mathrm{Var}(t) = \tfrac1{12}$, $\mathrm{Cov}(t, t^2) = \tfrac1{12}$, $\mathrm{Var}(t^2) = \tfrac4{45}$ for "
        r"uniform $t$.",
        r"With a shared shift the times are, in some order, $(w + i)/n$ with one uniform $w$. So the batch's mean is a "
        r"parabola in $w$.",
    ),
    solution=r"""
(a) A uniform number plus a constant, modulo 1, is uniform.

(b) $\mathrm{Var}(bt + ct^2) = \frac{b^2}{12} + \frac{bc}6 + \frac{4c^2}{45} = S(b, c)$; independent times divide it by
$n$. With a shared shift exactly one time lies in each cell $[i/n, (i + 1)/n)$, all at the same place of their cells, so
they are $(w + i)/n$ with one uniform $w$. The mean over the batch is

$$
\frac1n\sum_{i=0}^{n-1}\Big(b\,\frac{w + i}n + c\,\frac{(w + i)^2}{n^2}\Big)
  = \text{const} + \Big(\frac bn + \frac{c\,(n - 1)}{n^2}\Big)w + \frac c{n^2}\,w^2 ,
$$

a parabola in one uniform number, and its variance is $S$ of the two coefficients. For large $n$ it is near
$\frac{(b + c)^2}{12n^2}$: the factor of the gain grows like $n$. (It is proportional to the difference of $f$ at the two
ends. For a periodic $f$ the gain is larger still.)

(c) At $n = 1$ both are one uniform time. Independent draws in cells have the variance of about
$\frac1{12n^3}\int f'^2$, smaller by another factor $n$, because the errors of the cells cancel instead of adding up. The
shared shift is content with one random number, and its times are exactly even.
""",
    cases=_batches,
    properties=(
        Property("for f(t) = t they are 1/12n and 1/12n²", _straight_line),
        Property("neither is negative, and for one time they agree", _no_worse),
    ),
)
