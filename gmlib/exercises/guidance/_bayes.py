"""Chapter 11, Bayes' rule on scores: a classifier's gradient in the noise, and in the mean of a step."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gmlib.exercises.exercise import Exercise, Mistake, Property
from gmlib.exercises.guidance._cases import Cases, normal, number, numbers


def _labelled(generator: torch.Generator) -> Cases:
    def case(x: Tensor, c: float, alpha_bar: float, class_var: float, w: float) -> dict[str, Any]:
        return {"x": x, "c": c, "alpha_bar": alpha_bar, "class_var": class_var, "w": w}

    # The centre of the noised class, and two points one apart: the difference is the slope.
    cases = [case(numbers(0.5 / 1.5, 1.0, 2.0), 0.5**0.5, 0.5, 0.5, 1.0)]
    for w in (0.0, 1.0, 3.0):
        alpha_bar, class_var = number(generator, 0.2, 0.8), number(generator, 0.2, 1.5)
        cases.append(case(normal(generator, 3), number(generator, -2.0, 2.0), alpha_bar, class_var, w))
    return cases


def _nothing_at_the_centre(case: Any, found: Tensor) -> bool:
    return float(case["x"][0]) != 0.5 / 1.5 or bool(found[0].abs() < 1e-9)


def _own_noise_without_weight(case: Any, found: Tensor) -> bool:
    return case["w"] != 0 or torch.allclose(found, (1 - case["alpha_bar"]) ** 0.5 * case["x"])


GUIDED_NOISE = Exercise(
    id="guidance.guided-noise",
    title="A classifier moves the noise",
    chapter="11_guidance",
    section="sec-11-bayes",
    difficulty=2,
    minutes=30,
    statement=r"""
Everything normal, to be checked by hand: the data are $x_0 \sim \mathcal N(0, 1)$, the condition is a number $c \sim
\mathcal N(x_0, s^2)$, and $x_t = \sqrt{\bar\alpha}\,x_0 + \sqrt{1 - \bar\alpha}\,\varepsilon$. The best guess of the
noise, without the condition, is $\hat\varepsilon = \sqrt{1 - \bar\alpha}\,x_t$.

(a) A classifier is asked about the *noised* point. What is the law of $c$ given $x_t$, and the gradient of its
logarithm in $x_t$? (b) Put it into {eq}`eq-11-bayes`, with a weight $w$ in front, and translate the sum into a guess of
the noise. (c) For $s^2 = \bar\alpha = \tfrac12$ and $w = 1$ the score must have the slope $-\tfrac32$. Show it without
a classifier, from the law of $x_0$ given $c$.

Write `guided_noise(x, c, alpha_bar, class_var, w)`.
""",
    answer="guided_noise",
    stub="""
def guided_noise(x, c, alpha_bar, class_var, w):
    # x: (n,), noised points; c, alpha_bar, class_var (the s^2), w: numbers.
    # Returns the guided guess of the noise, (n,).
    ...
""",
    reference="""
def guided_noise(x, c, alpha_bar, class_var, w):
    alpha, sigma = alpha_bar**0.5, (1 - alpha_bar) ** 0.5
    gap, var = c - alpha * x, class_var + 1 - alpha_bar
    gradient = alpha * gap / var
    return sigma * x - w * sigma * gradient
""",
    mistakes=(
        Mistake(
            "noise-turned-round",
            (("sigma * x - w * sigma", "sigma * x + w * sigma"),),
            "At w = 1 the slope of your score is −0.5 where −1.5 is due: you flee from the class. A score points to the "
            "data. Where does the noise point?",
        ),
        Mistake(
            "length-not-converted",
            (("w * sigma * gradient", "w * gradient"),),
            "At w = 1 the slope of your score is −1.707 where −1.5 is due. A score is one over a length, and ε is a pure "
            "number: bring both to one unit, then add.",
        ),
        Mistake(
            "added-as-it-is",
            (("- w * sigma * gradient", "+ w * gradient"),),
            "You add a gradient to a noise. The two differ by a sign and by a length: make both scores, or both noises, "
            "and then add.",
        ),
        Mistake(
            "variance-for-length",
            (("w * sigma * gradient", "w * sigma**2 * gradient"),),
            "Your gradient is too short in the noise. One power of σ too many: is it the noise or σ times the noise that "
            "you return?",
        ),
        Mistake(
            "never-saw-noise",
            (
                ("c - alpha * x, class_var + 1 - alpha_bar", "c - x, class_var"),
                ("alpha * gap / var", "gap / var"),
            ),
            "Your classifier takes x_t for a clean point, and is too sure. Has it ever seen noise? What does x_t say of "
            "x₀, and how surely?",
        ),
        Mistake(
            "guess-taken-for-the-truth",
            (("class_var + 1 - alpha_bar", "class_var"),),
            "You put the best guess of x₀ in its place, and forget that it is a guess. How far from it may x₀ be?",
        ),
        Mistake(
            "gradient-of-the-probability",
            (
                (
                    "alpha * gap / var",
                    "alpha * gap / var * torch.exp(-(gap**2) / (2 * var)) / (2 * math.pi * var) ** 0.5",
                ),
            ),
            "Far from the class, where guidance has most to do, yours does nothing. Which function of the probability "
            "turns Bayes' product into a sum?",
        ),
        Mistake(
            "chain-rule-forgotten",
            (("alpha * gap / var", "gap / var"),),
            "That is the gradient in the guess of x₀. How much does the guess move when x_t moves by 1?",
        ),
        Mistake(
            "weight-on-everything",
            (("sigma * x - w * sigma * gradient", "w * (sigma * x - sigma * gradient)"),),
            "At w = 0 the noise must be that of the model without condition; yours is 0. What does w multiply, and what "
            "does it leave alone?",
        ),
    ),
    hints=(
        r"Given $x_t$, the clean point is normal with the mean $\sqrt{\bar\alpha}\,x_t$ and the variance $1 - \bar\alpha$, "
        r"since the data have variance 1.",
        r"A score is $-\varepsilon/\sqrt{1 - \bar\alpha}$.",
    ),
    solution=r"""
(a) For data of variance 1, $x_0$ given $x_t$ is $\mathcal N(\sqrt{\bar\alpha}\,x_t,\ 1 - \bar\alpha)$, so $c \mid x_t
\sim \mathcal N(\sqrt{\bar\alpha}\,x_t,\ s^2 + 1 - \bar\alpha)$ and

$$
g = \frac{\partial}{\partial x_t}\log p(c \mid x_t) =
  \frac{\sqrt{\bar\alpha}\,\big(c - \sqrt{\bar\alpha}\,x_t\big)}{s^2 + 1 - \bar\alpha} .
$$

(b) The guided score is $-x_t + wg$, and the noise is $-\sqrt{1 - \bar\alpha}$ times a score: $\hat\varepsilon_w =
\hat\varepsilon - w\sqrt{1 - \bar\alpha}\,g$. The sign and the length belong to the translation, not to the rule.

(c) $x_0 \mid c$ has the variance $s^2/(1 + s^2) = \tfrac13$, and noised $\tfrac16 + \tfrac12 = \tfrac23$: the slope is
$-\tfrac32$. From (b): $-1 - \tfrac12/1$. With the sign turned it would be $-\tfrac12$, without the length $-1.707$, and
with a classifier that takes the noised point for a clean one $-3$.
""",
    cases=_labelled,
    properties=(
        Property("at w = 0 it is the noise of the model without condition", _own_noise_without_weight),
        Property(
            "at w = 1 there is nothing to remove at the centre of the noised class", _nothing_at_the_centre
        ),
    ),
)


def _steps(generator: torch.Generator) -> Cases:
    # A classifier that is almost sure of the other class, one that has no opinion, and one asked with no weight.
    cases: Cases = [
        {"mean": numbers(-6.0, 0.0), "var": 0.3, "slope": 2.0, "offset": 0.0, "w": 1.0},
        {"mean": normal(generator, 3), "var": 0.4, "slope": 1.5, "offset": 0.3, "w": 0.0},
    ]
    for w in (1.0, 2.5):
        mean, var = normal(generator, 3), number(generator, 0.2, 0.8)
        slope, offset = number(generator, 0.7, 2.5), number(generator, -1.0, 1.0)
        cases.append({"mean": mean, "var": var, "slope": slope, "offset": offset, "w": w})
    return cases


def _straight_far_out(case: Any, found: Tensor) -> bool:
    due = case["mean"][0] + case["w"] * case["var"] * case["slope"]
    return float(case["mean"][0]) != -6.0 or bool((found[:2, 0] - due).abs().max() < 1e-4)


def _never_wider(case: Any, found: Tensor) -> bool:
    return bool((found[2] <= case["var"] + 1e-9).all()) and bool((found[1] <= found[0] + 1e-9).all())


SHIFTED_MEAN = Exercise(
    id="guidance.shifted-mean",
    title="One step, leaning towards the class",
    chapter="11_guidance",
    section="sec-11-bayes",
    difficulty=2,
    minutes=35,
    statement=r"""
A step of the sampler draws from $\mathcal N(\mu, \beta)$. A classifier knows the class at the point where the step
ends, $p(c \mid x) = 1/(1 + e^{-(ax + b)})$. Guided with weight $w$, the step should draw from the law $\propto \mathcal
N(x; \mu, \beta)\,p(c \mid x)^w$.

(a) Replace $\log p(c \mid x)$ by its tangent at $\mu$. Show that what results is normal with the same variance, and
find its mean. (b) Take one term more, with the curvature $-\kappa$ of the logarithm at $\mu$. What are mean and
variance now? (c) When is (a) good enough? What does it say of the number of steps?

Write `shifted_mean(mean, var, slope, offset, w)`: the mean of (a), and mean and variance of (b).
""",
    answer="shifted_mean",
    stub="""
def shifted_mean(mean, var, slope, offset, w):
    # mean: (n,), of the step; var: its variance; slope, offset: the a and b of
    # the classifier; w: the weight. Returns (3, n): the mean with a tangent,
    # then the mean and the variance with a parabola.
    ...
""",
    reference="""
def shifted_mean(mean, var, slope, offset, w):
    p = torch.sigmoid(slope * mean + offset)
    gradient = slope * (1 - p)
    curvature = slope**2 * p * (1 - p)
    shrink = 1 + w * var * curvature
    tangent = mean + w * var * gradient
    parabola = mean + w * var * gradient / shrink
    return torch.stack([tangent, parabola, var / shrink])
""",
    mistakes=(
        Mistake(
            "gradient-of-the-probability",
            (("gradient = slope * (1 - p)", "gradient = slope * p * (1 - p)"),),
            "Where the class is improbable you hardly move. A small probability has a small gradient: is it this one that "
            "Bayes' rule asks for?",
        ),
        Mistake(
            "towards-the-other-class",
            (("gradient = slope * (1 - p)", "gradient = -slope * p"),),
            "Your steps lean away from the class. Whose probability does the logarithm have, that of c or that of the "
            "rest?",
        ),
        Mistake(
            "length-for-variance",
            (
                ("tangent = mean + w * var * gradient", "tangent = mean + w * var**0.5 * gradient"),
                ("parabola = mean + w * var * gradient", "parabola = mean + w * var**0.5 * gradient"),
            ),
            "Units: a gradient of a logarithm is one over a length, and a shift is a length. By what must one multiply?",
        ),
        Mistake(
            "variance-forgotten",
            (
                ("tangent = mean + w * var * gradient", "tangent = mean + w * gradient"),
                ("parabola = mean + w * var * gradient", "parabola = mean + w * gradient"),
            ),
            "However short the step, your shift stays the same, and a thousand steps shift a thousand times. Complete the "
            "square: what multiplies the gradient?",
        ),
        Mistake(
            "weight-forgotten",
            (
                ("tangent = mean + w * var * gradient", "tangent = mean + var * gradient"),
                ("parabola = mean + w * var * gradient", "parabola = mean + var * gradient"),
                ("1 + w * var * curvature", "1 + var * curvature"),
            ),
            "At w = 0 nothing should happen, and yours moves. Where does a power of a probability go in its logarithm?",
        ),
        Mistake(
            "unweighted-curvature",
            (("1 + w * var * curvature", "1 + var * curvature"),),
            "The weight is a power of the whole factor: it multiplies every term of the logarithm, not the first alone.",
        ),
        Mistake(
            "curvature-turned",
            (("1 + w * var * curvature", "1 - w * var * curvature"),),
            "Your guided step is wider than the plain one. The logarithm of a probability bends down here: does a factor "
            "that falls off on both sides make a law wider?",
        ),
        Mistake(
            "variance-not-narrowed",
            (("var / shrink])", "var + 0 * p])"),),
            "A tangent leaves the variance alone. Does a parabola? Add the two second derivatives.",
        ),
        Mistake(
            "chain-rule-forgotten",
            (
                ("gradient = slope * (1 - p)", "gradient = 1 - p"),
                ("slope**2 * p * (1 - p)", "p * (1 - p)"),
            ),
            "That is the derivative in the logit ax + b. How much does the logit change when x moves by 1?",
        ),
    ),
    hints=(
        r"With $g$ the slope at $\mu$, the logarithm of the product is "
        r"$-\tfrac1{2\beta}(x - \mu)^2 + wg\,(x - \mu)$ and a constant. Complete the square.",
        r"$\frac{d}{du}\log\frac1{1 + e^{-u}} = 1 - \frac1{1 + e^{-u}}$.",
    ),
    solution=r"""
(a) With $g = a(1 - p)$ at $\mu$, completing the square gives

$$
-\frac{(x - \mu)^2}{2\beta} + wg\,(x - \mu) = -\frac{(x - \mu - w\beta g)^2}{2\beta} + \text{const} :
$$

a normal law times an exponential is the same normal law, moved by variance times rate, to $\mu + w\beta g$.

(b) With $-\tfrac12w\kappa(x - \mu)^2$ in addition, $\kappa = a^2p(1 - p)$, the precision is $1/\beta + w\kappa$. So the
variance is $\beta/(1 + w\beta\kappa)$ and the mean $\mu + w\beta g/(1 + w\beta\kappa)$.

(c) When $w\beta\kappa$ is small: the tangent is exact for a classifier whose logarithm is straight on the scale of the
step. What it misses of the mean is of the order $\beta^2$ in a step, and there are about $1/\beta$ steps: more and
smaller ones help. (With $\beta = 0.1$, $\mu = b = 0$, $a = 2$ and $w = 1$: tangent 0.1000, parabola 0.0909, exactly
0.0916.) The parabola mends the variance; its mean still misses $\tfrac12w\beta^2$ times the third derivative, which
is 0 in this example, and what is of higher order. Where the class is nearly certain not to be, $g$ is $a$: as large as it
gets, though the probability hardly changes.
""",
    cases=_steps,
    properties=(
        Property(
            "where the class is very improbable, both means move by w times variance times slope",
            _straight_far_out,
        ),
        Property(
            "the parabola's law is no wider than the step, and moves no farther than the tangent's",
            _never_wider,
        ),
    ),
)
