"""Chapter 11, without a classifier: one weight in two conventions, and the classifier hidden in two answers."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gmlib.exercises.exercise import Exercise, Mistake, Property
from gmlib.exercises.guidance._cases import Cases, normal, number

BASES = ("unconditional", "conditional")
KINDS = ("score", "eps", "x0")


def _strengths(generator: torch.Generator) -> Cases:
    cases: Cases = []
    for base in BASES:
        for strength in (0.0, 1.0, -1.0, number(generator, 1.5, 5.0)):
            uncond, cond = normal(generator, 3), normal(generator, 3)
            cases.append({"uncond": uncond, "cond": cond, "strength": strength, "base": base})
    # Two equal answers: the condition changes nothing.
    same = normal(generator, 2)
    return [*cases, {"uncond": same, "cond": same.clone(), "strength": 3.0, "base": "unconditional"}]


def _ends_met(case: Any, found: Tensor) -> bool:
    w = case["strength"] + (case["base"] == "conditional")
    return w not in (0, 1) or torch.allclose(found, case["cond"] if w == 1 else case["uncond"])


def _nothing_to_exaggerate(case: Any, found: Tensor) -> bool:
    return not torch.equal(case["uncond"], case["cond"]) or torch.allclose(found, case["cond"])


ONE_WEIGHT = Exercise(
    id="guidance.one-weight",
    title="Which w?",
    chapter="11_guidance",
    section="sec-11-free",
    difficulty=1,
    minutes=20,
    statement=r"""
A network gives two guesses of the noise: $u$ without the condition, $c$ with it. Guidance exaggerates their difference,
{eq}`eq-11-free`. (a) What comes out for $w = 0$, for $w = 1$, and for $w > 1$? Which scores are added up, with which
factors, and at which $t$ is the sum the score of a law that you can name? (b) Some texts start from $u$ and add the
difference $w$ times; others start from $c$ and add it $\rho$ times. Which $w$ is $\rho = 3$? Which $\rho$ is no
guidance, and which no condition? (c) The classifier's weight of {eq}`eq-11-bayes`: which of the two is it?

Write `guide(uncond, cond, strength, base)`, for both kinds of text.
""",
    answer="guide",
    stub="""
def guide(uncond, cond, strength, base):
    # uncond, cond: (n,), the two guesses; strength: a number, how often their
    # difference is added; base: "unconditional" or "conditional", the guess
    # that it is added to. Returns the guided guess, (n,).
    ...
""",
    reference="""
def guide(uncond, cond, strength, base):
    w = strength + 1 if base == "conditional" else strength
    return uncond + w * (cond - uncond)
""",
    mistakes=(
        Mistake(
            "weight-off-by-one",
            (('strength + 1 if base == "conditional" else strength', "strength + 1"),),
            "Added to the unconditional guess no times, yours returns the conditional one. What must 0 give there? And 1?",
        ),
        Mistake(
            "never-translated",
            (('strength + 1 if base == "conditional" else strength', "strength"),),
            "The same number means two things, and you use it for one. From where does a text set out that starts at the "
            "conditional guess?",
        ),
        Mistake(
            "translated-backwards",
            (("strength + 1 if", "strength - 1 if"),),
            "Who starts at the conditional guess has gone part of the way already. Is the whole way then longer or "
            "shorter than what is added?",
        ),
        Mistake(
            "texts-exchanged",
            (('base == "conditional"', 'base == "unconditional"'),),
            "You correct the text that needs no correction. Which of the two guesses does each start from?",
        ),
        Mistake(
            "roles-exchanged",
            (("uncond + w * (cond - uncond)", "cond + w * (uncond - cond)"),),
            "Full weight gives you the model without the condition, and more of it leads away from the class that was "
            "asked for. From which guess to which does the difference point?",
        ),
        Mistake(
            "between-the-two",
            (("uncond + w * (cond - uncond)", "uncond + min(max(w, 0), 1) * (cond - uncond)"),),
            "You stop at the conditional guess. Guidance is of use beyond it: no rule keeps the weight between 0 and 1.",
        ),
        Mistake(
            "not-a-difference",
            (("uncond + w * (cond - uncond)", "uncond + w * cond"),),
            "When the condition changes nothing, your guess grows all the same. What is it that is exaggerated?",
        ),
        Mistake(
            "shared-out",
            (("uncond + w * (cond - uncond)", "(uncond + w * cond) / (1 + abs(w))"),),
            "A mean of the two guesses never leaves the stretch between them. The factors add up to 1, but one of them "
            "may be negative.",
        ),
    ),
    hints=(
        r"Write both rules as $(1 - w)\,u + w\,c$, and compare the factors.",
        r"Check the two ends: a strength that returns $u$, and one that returns $c$.",
    ),
    solution=r"""
(a) $w = 0$ is the unconditional model, $w = 1$ the conditional one, and $w > 1$ goes on in the same direction, past it.
The scores add up to $(1 - w)\nabla\log q_t(x) + w\nabla\log q_t(x \mid c)$, which at each $t$ is the score of the
density $\propto q_t(x)^{1-w}q_t(x \mid c)^w$. At $t = 0$ that is the tilted law {eq}`eq-11-tilt`; later it is *not* the
tilted law with noise added.

(b) $c + \rho\,(c - u) = u + (1 + \rho)(c - u)$, so $w = 1 + \rho$: $\rho = 3$ is $w = 4$. No guidance is $\rho = 0$,
and no condition is $\rho = -1$. A strength means nothing until it is known which guess it is added to.

(c) The classifier's gradient is added to the unconditional score, so its weight is $w$: by Bayes' rule the gradient
*is* the difference of the two scores, and at 1 the sum is the conditional score.
""",
    cases=_strengths,
    properties=(
        Property("one strength returns the conditional guess, the one below it the unconditional", _ends_met),
        Property("two equal guesses are left as they are, at any strength", _nothing_to_exaggerate),
    ),
)


def _answers(generator: torch.Generator) -> Cases:
    cases: Cases = []
    for kind in KINDS:
        # A path that keeps variance 1, and one that does not.
        alpha = number(generator, 0.2, 0.8)
        for sigma, n in (((1 - alpha**2) ** 0.5, 2), (1 - alpha, 3)):
            told, untold = normal(generator, n), normal(generator, n)
            cases.append({"kind": kind, "uncond": untold, "cond": told, "alpha": alpha, "sigma": sigma})
    same = normal(generator, 2)
    return [*cases, {"kind": "x0", "uncond": same, "cond": same.clone(), "alpha": 0.6, "sigma": 0.8}]


def _bayes(case: Any, found: Tensor) -> bool:
    return case["kind"] != "score" or torch.allclose(case["uncond"] + found, case["cond"])


def _no_opinion(case: Any, found: Tensor) -> bool:
    return not torch.equal(case["uncond"], case["cond"]) or bool((found.abs() < 1e-9).all())


HIDDEN_CLASSIFIER = Exercise(
    id="guidance.hidden-classifier",
    title="No classifier? There is one in the network",
    chapter="11_guidance",
    section="sec-11-free",
    difficulty=2,
    minutes=25,
    statement=r"""
There is no classifier, but a network that guesses with and without the condition. (a) Turn {eq}`eq-11-bayes` round:
which gradient is in the two answers? What has become of $p(c)$? (b) Write it with guesses of the noise, and with
guesses of the clean point, for any path $x_t = \alpha_t x_0 + \sigma_t\varepsilon$. (c) The network was trained a
little, and its two answers are off by independent errors of the size $\delta$ in the noise. How far off is the
gradient, where $\sigma_t$ is small? Why does {eq}`eq-11-free` not suffer from it? (d) Is there always a classifier
whose gradient the two answers of a *trained* network give?

Write `class_gradient(kind, uncond, cond, alpha, sigma)`: $\nabla_{x_t}\log p(c \mid x_t)$.
""",
    answer="class_gradient",
    stub="""
def class_gradient(kind, uncond, cond, alpha, sigma):
    # kind: "score", "eps" or "x0", what the network guesses; uncond, cond:
    # (n,), its answers; alpha, sigma: numbers. Returns the gradient, (n,).
    ...
""",
    reference="""
def class_gradient(kind, uncond, cond, alpha, sigma):
    difference = cond - uncond
    if kind == "score":
        return difference
    if kind == "eps":
        return -difference / sigma
    return alpha * difference / sigma**2
""",
    mistakes=(
        Mistake(
            "nothing-subtracted",
            (("difference = cond - uncond", "difference = cond"),),
            "That is the gradient of log p(x | c), which pulls even where the condition changes nothing. What does Bayes' "
            "rule divide by?",
        ),
        Mistake(
            "noise-turned-round",
            (("-difference / sigma\n", "difference / sigma\n"),),
            "With guesses of the noise your classifier turns round. Where does the noise point, towards the data or away "
            "from it?",
        ),
        Mistake(
            "noise-for-score",
            (("-difference / sigma\n", "-difference\n"),),
            "A gradient of a logarithm is one over a length, a guess of the noise has no unit. What is missing?",
        ),
        Mistake(
            "noise-divided-twice",
            (("-difference / sigma\n", "-difference / sigma**2\n"),),
            "A gradient of a logarithm is one over a length, and yours is one over an area. Is it ε that belongs over σ², "
            "or σε?",
        ),
        Mistake(
            "signal-not-shrunk",
            (("alpha * difference / sigma**2", "difference / sigma**2"),),
            "With guesses of the clean point you are right for α = 1. In the noised point, how long is a step by which "
            "the clean one moves?",
        ),
        Mistake(
            "variance-for-length",
            (("alpha * difference / sigma**2", "alpha * difference / sigma"),),
            "Units: clean points are lengths, and a gradient is one over a length. By how many lengths must you divide?",
        ),
        Mistake(
            "clean-point-like-noise",
            (("alpha * difference / sigma**2", "-alpha * difference / sigma**2"),),
            "With guesses of the clean point you go away from where the class lies. Only one of noise and clean point "
            "needs a minus. Which?",
        ),
        Mistake(
            "roles-exchanged",
            (("cond - uncond", "uncond - cond"),),
            "Your classifier pulls away from the class that was asked for. Which of the two scores has the gradient in it?",
        ),
        Mistake(
            "all-kinds-alike",
            (
                ("-difference / sigma\n", "difference\n"),
                ("alpha * difference / sigma**2", "difference"),
            ),
            "Right for scores. A guess of the noise, or of the clean point, is no score: translate it first.",
        ),
    ),
    hints=(
        r"$\log p(c \mid x_t) = \log q(x_t \mid c) - \log q(x_t) + \log p(c)$.",
        r"$x_t$ is the same in both answers, and drops out of their difference.",
    ),
    solution=r"""
(a) $\nabla\log p(c \mid x_t) = \nabla\log q(x_t \mid c) - \nabla\log q(x_t)$: the difference of the two scores. $p(c)$
does not depend on $x_t$ and has the gradient 0.

(b) A score is $-\hat\varepsilon/\sigma_t$, and $(\alpha_t\hat x_0 - x_t)/\sigma_t^2$. With $x_t$ the same in both,

$$
\nabla\log p(c \mid x_t) = -\frac{\hat\varepsilon_c - \hat\varepsilon_u}{\sigma_t} =
  \frac{\alpha_t\,(\hat x_{0,c} - \hat x_{0,u})}{\sigma_t^2} .
$$

(c) By $\sqrt2\,\delta/\sigma_t$, which grows without limit at the clean end. Guided guesses of the *noise* multiply the
gradient by $\sigma_t$ again and are off by $\delta\sqrt{(1 - w)^2 + w^2}$: more than one answer's error for $w > 1$,
but bounded.

(d) No. The gradient of a function has a symmetric Jacobian, and a network's answers need not have one. For the exact
scores there is: the best classifier that was told the noise. So a classifier never has to be trained, but it cannot be
asked for a probability either.
""",
    cases=_answers,
    properties=(
        Property("the unconditional score and the gradient add up to the conditional score", _bayes),
        Property("where the condition changes nothing, the gradient is 0", _no_opinion),
    ),
)
