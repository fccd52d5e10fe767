"""Chapter 11, the tilt: the law that is aimed at, the field that is followed, and the law that comes out."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gmlib.exercises.exercise import Exercise, Mistake, Property
from gmlib.exercises.guidance._cases import Cases, number, numbers, respaced, uniform


def _laws(generator: torch.Generator, *, w: Tensor, alpha_bar: Tensor) -> dict[str, Any]:
    var = number(generator, 0.1, 0.6)
    all_var = var + number(generator, 0.3, 1.5)
    mean = number(generator, 0.5, 2.0)
    return {"mean": mean, "var": var, "all_var": all_var, "w": w, "alpha_bar": alpha_bar}


def _levels(generator: torch.Generator) -> Cases:
    cases: Cases = [
        {"mean": 1.0, "var": 0.25, "all_var": 1.25, "w": numbers(2.0), "alpha_bar": numbers(0.5)},
        _laws(generator, w=numbers(0.0, 1.0), alpha_bar=uniform(generator, 0.2, 0.8, 2)),
        # No noise: the field is that of the aim.
        _laws(generator, w=numbers(1.5, 4.0), alpha_bar=numbers(1.0, 1.0)),
    ]
    for n in (2, 3):
        w, alpha_bar = uniform(generator, 1.2, 5.0, n), uniform(generator, 0.2, 0.8, n)
        cases.append(_laws(generator, w=w, alpha_bar=alpha_bar))
    return cases


def _ends_met(case: Any, found: Tensor) -> bool:
    mean = case["w"] * case["mean"]
    var = torch.where(case["w"] == 1, numbers(case["var"]), numbers(case["all_var"]))
    ends = (case["w"] == 0) | (case["w"] == 1)
    return torch.allclose(found[0, ends], mean[ends]) and torch.allclose(found[1, ends], var[ends])


def _same_without_noise(case: Any, found: Tensor) -> bool:
    clean = case["alpha_bar"] == 1
    due = -1 / found[1, clean]
    return all(torch.allclose(slope, due, rtol=1e-6) for slope in found[2:, clean])


AIM_AND_FIELD = Exercise(
    id="guidance.aim-and-field",
    title="The aim, and the field that is followed",
    chapter="11_guidance",
    section="sec-11-tilt",
    difficulty=2,
    minutes=35,
    statement=r"""
A class has the law $\mathcal N(m, v)$, all data $\mathcal N(0, v_0)$ with $v_0 > v$. Guidance with weight $w$ seems to
aim at the tilted law {eq}`eq-11-tilt`.

(a) Show that it is normal, and find its mean and its variance. Does the mean stop at $m$ as $w$ grows? (b) Noise the
two laws, to the level $\bar\alpha$, and write the guided score {eq}`eq-11-guided` of the noised laws: what is its slope
in $x$? (c) Noise the tilted law, to the same level. What is the slope of *its* score? (d) For which $w$, and for which
$\bar\alpha$, are the two slopes the same? What follows for a sampler that walks back along the guided score?

Write `aim_and_field(mean, var, all_var, w, alpha_bar)`.
""",
    answer="aim_and_field",
    stub="""
def aim_and_field(mean, var, all_var, w, alpha_bar):
    # mean, var: of the class; all_var: of all data, whose mean is 0;
    # w, alpha_bar: (n,). Returns (4, n): mean and variance of the tilted law,
    # slope of the guided score, slope of the noised tilted law's score.
    ...
""",
    reference="""
def aim_and_field(mean, var, all_var, w, alpha_bar):
    tilt_var = 1 / (w / var + (1 - w) / all_var)
    tilt_mean = tilt_var * w * mean / var
    noise = 1 - alpha_bar
    noised, all_noised = alpha_bar * var + noise, alpha_bar * all_var + noise
    guided = -w / noised - (1 - w) / all_noised
    due = -1 / (alpha_bar * tilt_var + noise)
    return torch.stack([tilt_mean, tilt_var, guided, due])
""",
    mistakes=(
        Mistake(
            "field-of-the-noised-tilt",
            (
                (
                    "guided = -w / noised - (1 - w) / all_noised",
                    "guided = -1 / (alpha_bar * tilt_var + noise)",
                ),
            ),
            "You take it that the guided score is that of the tilted law at every level, and so that samples follow the "
            "tilted law. It is true without noise. With noise, compute both, and compare.",
        ),
        Mistake(
            "tilt-of-the-noised-laws",
            (("due = -1 / (alpha_bar * tilt_var + noise)", "due = -w / noised - (1 - w) / all_noised"),),
            "You noise first and tilt afterwards. The question is about the other order: tilt, then noise. Do the two "
            "commute?",
        ),
        Mistake(
            "weight-off-by-one",
            (
                ("1 / (w / var + (1 - w) / all_var)", "1 / ((1 + w) / var - w / all_var)"),
                ("tilt_var * w * mean", "tilt_var * (1 + w) * mean"),
                ("-w / noised - (1 - w) / all_noised", "-(1 + w) / noised + w / all_noised"),
            ),
            "At w = 0 you have the law of the class, at w = 1 something narrower. Which laws belong to these two weights?",
        ),
        Mistake(
            "roles-exchanged",
            (
                ("1 / (w / var + (1 - w) / all_var)", "1 / ((1 - w) / var + w / all_var)"),
                ("tilt_var * w * mean", "tilt_var * (1 - w) * mean"),
                ("-w / noised - (1 - w) / all_noised", "-(1 - w) / noised - w / all_noised"),
            ),
            "At w = 1 you have all data, and with more weight you walk away from the class that was asked for. Which law "
            "has the power w?",
        ),
        Mistake(
            "class-counted-twice",
            (
                ("1 / (w / var + (1 - w) / all_var)", "1 / (w / var + 1 / all_var)"),
                ("-w / noised - (1 - w) / all_noised", "-w / noised - 1 / all_noised"),
            ),
            "At w = 1 your law is narrower than the class. The power w belongs to p(c | x), which is the class's density "
            "over that of all data: what does the denominator add?",
        ),
        Mistake(
            "variances-mixed",
            (("1 / (w / var + (1 - w) / all_var)", "w * var + (1 - w) * all_var"),),
            "Your variance becomes negative for a large weight. Multiply two normal densities: what adds up in the "
            "exponent?",
        ),
        Mistake(
            "means-extrapolated",
            (("tilt_var * w * mean / var", "w * mean"),),
            "You extrapolate the means as if the two laws had the same width. Where is the square complete?",
        ),
        Mistake(
            "signal-not-shrunk",
            (
                ("alpha_bar * var + noise, alpha_bar * all_var + noise", "var + noise, all_var + noise"),
                ("alpha_bar * tilt_var + noise", "tilt_var + noise"),
            ),
            "Noise was added to data that stayed as large as they were. What else does the way to x_t do to them?",
        ),
        Mistake(
            "pulled-outwards",
            (
                ("guided = -w / noised - (1 - w)", "guided = w / noised + (1 - w)"),
                ("due = -1 /", "due = 1 /"),
            ),
            "Your scores point away from the middle. Where does the density of a normal law grow?",
        ),
    ),
    hints=(
        r"$q(x)\,p(c \mid x)^w \propto q(x)^{1-w}\,q(x \mid c)^w$. Collect $x^2$ and $x$ in the exponent.",
        r"The score of $\mathcal N(m, V)$ has the slope $-1/V$, and noise makes $V = \bar\alpha v + 1 - \bar\alpha$ of "
        r"$v$.",
    ),
    solution=r"""
(a) In the exponent of $q(x)^{1-w}q(x \mid c)^w$ the precisions add up with their weights,

$$
\frac1{v_w} = \frac wv + \frac{1 - w}{v_0} , \qquad m_w = v_w\,\frac{wm}v .
$$

The mean does not stop at $m$: it rises to $\frac{v_0}{v_0 - v}\,m$. All data pull towards 0, and the weight takes this
pull away again and again.

(b) $-\frac w{V} - \frac{1 - w}{V_0}$ with $V = \bar\alpha v + 1 - \bar\alpha$, and $V_0$ likewise. (c) $-1/(\bar\alpha
v_w + 1 - \bar\alpha)$.

(d) For $w = 0$ and $w = 1$ at every level, and for every $w$ where $\bar\alpha$ is 1 or 0; nowhere else. With the
precision $\rho = 1/v$ the slope has the size $\rho/(\bar\alpha + (1 - \bar\alpha)\rho)$, a concave function of it. The
tilt continues the precisions past $w = 1$, the guided score continues the slopes: beyond its chord, a concave function
is below it, so the guided score is the steeper one. With $m = 1$, $v = \tfrac14$, $v_0 = \tfrac54$, $w = 2$ and
$\bar\alpha = \tfrac12$ the slopes are $-2.311$ and $-1.756$. (With $v = \tfrac13$, $v_0 = 1$ and $w = 3$: $-2.5$ and
$-1.75$.)

A sampler that follows the guided score does not walk back through the noised tilted laws, so nothing says that it ends
at the tilted law, here $\mathcal N(1.111, 0.139)$. It does not: the next exercise.
""",
    cases=_levels,
    properties=(
        Property("at w = 0 the tilted law is that of all data, at w = 1 that of the class", _ends_met),
        Property("without noise both slopes are minus one over the tilted variance", _same_without_noise),
    ),
)


def _runs(generator: torch.Generator) -> Cases:
    cases: Cases = [
        {"mean": 1.0, "var": 0.25, "all_var": 1.25, "w": 2.0, "alpha_bar": respaced(100)},
        # With one step all is known: the guess of the clean point, and no noise.
        {"mean": 1.0, "var": 0.25, "all_var": 1.0, "w": 1.0, "alpha_bar": numbers(1.0, 0.4)},
    ]
    for bars, w in (((1, 0.8, 0.3), 2.5), ((1, 0.9, 0.6, 0.2), 1.7), ((1, 0.7, 0.4, 0.1), 0.0)):
        cases.append(_laws(generator, w=numbers(w), alpha_bar=numbers(*bars)) | {"w": w})
    return cases


# What the recursion gives with 100 of the 1000 steps, to the digits that the statement shows.
HUNDRED_STEPS = 1.2029, 0.1066


def _known_law(case: Any, found: Tensor) -> bool:
    if len(case["alpha_bar"]) != 101:
        return True
    return bool((found - numbers(*HUNDRED_STEPS)).abs().max() < 1e-4)


def _one_step(case: Any, found: Tensor) -> bool:
    if len(case["alpha_bar"]) != 2:
        return True
    # The clean point's conditional mean, for points from N(0, 1).
    bar, var = case["alpha_bar"][1], case["var"]
    slope = bar.sqrt() * var / (bar * var + 1 - bar)
    return torch.allclose(found, torch.stack([case["mean"] * (1 - bar.sqrt() * slope), slope**2]))


WHAT_COMES_OUT = Exercise(
    id="guidance.what-comes-out",
    title="What comes out of a guided sampler",
    chapter="11_guidance",
    section="sec-11-tilt",
    difficulty=3,
    minutes=45,
    statement=r"""
A class has the law $\mathcal N(m, v)$, all data $\mathcal N(0, v_0)$. Ancestral sampling starts from $\mathcal N(0,
1)$; a step from $\bar\alpha_k$ to $\bar\alpha_{k-1}$, with $1 - \beta = \bar\alpha_k/\bar\alpha_{k-1}$, is

$$
x' = \frac{x + \beta\,s_w(x)}{\sqrt{1 - \beta}} + \sqrt\beta\,\varepsilon ,
$$

with the guided score $s_w$ of {eq}`eq-11-guided`, and no noise in the last step. Everything is linear and stays normal.

(a) Write the mean and the variance after a step with those before it. (b) Run it with $m = 1$, $v = \tfrac14$, $v_0 =
\tfrac54$ and $w = 2$: with every tenth of DDPM's 1000 steps, the mean 1.2029 and the variance 0.1066 must come out. Is
that the tilted law {eq}`eq-11-tilt`? Do more steps help? (c) What changes without noise in the steps, and in which
direction?

Write `what_comes_out(mean, var, all_var, w, alpha_bar)`.
""",
    answer="what_comes_out",
    stub="""
def what_comes_out(mean, var, all_var, w, alpha_bar):
    # mean, var: of the class; all_var: of all data, whose mean is 0; w: a
    # number; alpha_bar: (T + 1,), of the visited times, where alpha_bar[0] is
    # 1. Returns the mean and the variance of the samples, (2,).
    ...
""",
    reference="""
def what_comes_out(mean, var, all_var, w, alpha_bar):
    found, spread = 0 * alpha_bar[0], alpha_bar[0]
    for k in range(len(alpha_bar) - 1, 0, -1):
        now, before = alpha_bar[k], alpha_bar[k - 1]
        beta = 1 - now / before
        noised, all_noised = now * var + 1 - now, now * all_var + 1 - now
        slope = -w / noised - (1 - w) / all_noised
        pull = w * now.sqrt() * mean / noised
        factor = (1 + beta * slope) / (1 - beta).sqrt()
        found = factor * found + beta * pull / (1 - beta).sqrt()
        fresh = beta if k > 1 else 0
        spread = factor**2 * spread + fresh
    return torch.stack([found, spread])
""",
    mistakes=(
        Mistake(
            "takes-it-for-the-tilt",
            (
                (
                    "return torch.stack([found, spread])",
                    "spread = 1 / (w / var + (1 - w) / all_var) + 0 * spread\n"
                    "    return torch.stack([spread * w * mean / var, spread])",
                ),
            ),
            "Those are mean and variance of the tilted law. It is what guidance means where there is no noise; the sampler "
            "comes through noise. Is the guided score there that of the tilted law, noised?",
        ),
        Mistake(
            "weight-off-by-one",
            (
                ("slope = -w / noised - (1 - w) / all_noised", "slope = -(1 + w) / noised + w / all_noised"),
                ("pull = w * now", "pull = (1 + w) * now"),
            ),
            "With w = 0, all data should come out, and the class does. Which guess does the difference start from?",
        ),
        Mistake(
            "roles-exchanged",
            (
                ("slope = -w / noised - (1 - w) / all_noised", "slope = -(1 - w) / noised - w / all_noised"),
                ("pull = w * now", "pull = (1 - w) * now"),
            ),
            "With w = 0 the class comes out, and with a large w its opposite: the more weight, the farther from what was "
            "asked for. Which score has the factor w?",
        ),
        Mistake(
            "noise-in-the-last-step",
            ((" if k > 1 else 0", ""),),
            "Your samples are noisier than they need be, most of all with few steps. What does the last step end at?",
        ),
        Mistake(
            "no-noise-at-all",
            (("fresh = beta if k > 1 else 0", "fresh = 0"),),
            "Hardly any variance is left. What does a step add besides moving the point?",
        ),
        Mistake(
            "noise-not-squared",
            (("fresh = beta if", "fresh = beta.sqrt() if"),),
            "Far too much variance comes out. Is it the standard deviations of independent terms that add up?",
        ),
        Mistake(
            "factor-not-squared",
            (("factor**2 * spread", "factor * spread"),),
            "A variance is in squares of a length. If all points are stretched by a factor, what happens to it?",
        ),
        Mistake(
            "mean-not-carried",
            (("found = factor * found + beta", "found = found + beta"),),
            "The slope of the score acts on all points, so it acts on their mean. By what is the mean multiplied in a "
            "step?",
        ),
        Mistake(
            "centre-not-shrunk",
            (("w * now.sqrt() * mean / noised", "w * mean / noised"),),
            "Your samples go too far. In the noised point, where is the centre of the class?",
        ),
    ),
    hints=(
        r"The guided score is $-\big(\tfrac w{V} + \tfrac{1 - w}{V_0}\big)x + \tfrac{w\sqrt{\bar\alpha}\,m}{V}$ with the "
        r"noised variances $V$ and $V_0$.",
        r"If $x' = ax + b + \sqrt\beta\,\varepsilon$, what are mean and variance of $x'$?",
    ),
    solution=r"""
(a) Write the guided score as $-kx + h$ with $k = \frac w{V} + \frac{1 - w}{V_0}$ and $h = w\sqrt{\bar\alpha}\,m/V$.
Then the mean becomes $\frac{(1 - \beta k)\,\text{mean} + \beta h}{\sqrt{1 - \beta}}$ and the variance $\frac{(1 - \beta
k)^2}{1 - \beta}\,\text{variance} + \beta$, without the $\beta$ in the last step.

(b) No: the tilted law is $\mathcal N(1.111, 0.139)$. With 1000 steps the samples have the mean 1.200 and the variance
0.104. More steps come nearer to the walk of infinitely small steps, and that walk does not end at the tilted law: at
the noisy levels the guided score is steeper than that of the noised tilted law. The samples lie farther out than the
law that was aimed at, and closer together.

(c) Without noise (DDIM, 1000 steps) it is more of the same: mean 1.320, variance 0.049. For infinitely many steps from
infinitely much noise that variance tends to $v^wv_0^{1-w} = 0.05$. What is wrong at a noisy level is partly forgotten
by steps with noise, and carried to the end by steps without.
""",
    cases=_runs,
    properties=(
        Property(
            f"with every tenth of DDPM's steps, mean and variance are {HUNDRED_STEPS[0]} and {HUNDRED_STEPS[1]}",
            _known_law,
        ),
        Property("a single step gives the law of the best guess of the clean point", _one_step),
    ),
)
