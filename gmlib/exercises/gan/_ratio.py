"""Chapter 14, ratios: what the best critic says, and how to read a ratio off a critic that saw unequal classes."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from gmlib.exercises.exercise import Exercise, Mistake, Property
from gmlib.exercises.gan._cases import F64, Cases, law, normal


def _mixes(generator: torch.Generator) -> Cases:
    cases: Cases = [
        {"p": law(generator, n), "q": law(generator, n), "prior": prior}
        for n, prior in ((3, 0.8), (4, 0.3), (5, 0.5))
    ]
    same = law(generator, 3)
    return [*cases, {"p": same, "q": same.clone(), "prior": 0.25}]


def _prior_odds(case: Any, found: Tensor) -> bool:
    if not torch.equal(case["p"], case["q"]):
        return True
    odds = math.log(case["prior"] / (1 - case["prior"]))
    return torch.allclose(found[:-1], torch.full_like(found[:-1], odds), atol=1e-6)


def _between_guess_and_certainty(case: Any, found: Tensor) -> bool:
    prior = case["prior"]
    guess = prior * math.log(prior) + (1 - prior) * math.log(1 - prior)
    return bool(guess - 1e-6 <= found[-1] <= 0)


PRIOR = Exercise(
    id="gan.prior",
    title="The best critic, when the classes are not equally frequent",
    chapter="14_gans",
    section="sec-14-ratio",
    difficulty=2,
    minutes=20,
    statement=r"""
A critic sees points of which a share $\pi$ is real, from $p$, and the rest is fake, from $q$. It says $D(x)$ and is paid

$$
V_\pi(D) = \pi\,\mathbb E_p\log D(x) + (1 - \pi)\,\mathbb E_q\log\big(1 - D(x)\big).
$$

Find the $D$ that is paid most, point by point, and the logit $a^\star = \log\frac{D^\star}{1 - D^\star}$. What does
$V_\pi(D^\star)$ become for $p = q$, and for laws that do not overlap? Write `critic_and_value(p, q, prior)` for laws on
finitely many cells: the logits of all cells, followed by $V_\pi(D^\star)$.
""",
    answer="critic_and_value",
    stub="""
def critic_and_value(p, q, prior):
    # p, q: (n,), probabilities of the cells, all positive; prior: the share
    # of real points. Returns the n best logits and then the value, (n + 1,).
    ...
""",
    reference="""
def critic_and_value(p, q, prior):
    logit = torch.log(p / q) + math.log(prior / (1 - prior))
    real = prior * (p * torch.nn.functional.logsigmoid(logit)).sum()
    fake = (1 - prior) * (q * torch.nn.functional.logsigmoid(-logit)).sum()
    return torch.cat([logit, (real + fake)[None]])
""",
    mistakes=(
        Mistake(
            "ratio-upside-down",
            (("torch.log(p / q)", "torch.log(q / p)"),),
            "Look at a cell where p is larger than q. Which law is denser there, and what should a 'real' detector say?",
        ),
        Mistake(
            "prior-forgotten",
            ((" + math.log(prior / (1 - prior))", ""),),
            "The critic also learns how often each class shows up. In a cell where p = q, is real as likely as fake?",
        ),
        Mistake(
            "prior-upside-down",
            (("prior / (1 - prior)", "(1 - prior) / prior"),),
            "Show your critic nothing but real points, π close to 1. Which sign should its logit have?",
        ),
        Mistake(
            "share-for-odds",
            (("math.log(prior / (1 - prior))", "math.log(prior)"),),
            "For π = ½ and p = q your critic takes every point for fake. Bayes multiplies odds: what are the odds that "
            "belong to the share π?",
        ),
        Mistake(
            "value-half-and-half",
            (("prior * (p *", "0.5 * (p *"), ("(1 - prior) * (q *", "0.5 * (q *")),
            "Your logits are right. Your value is the mean over equally many real and fake points: is that what this "
            "critic is paid for?",
        ),
        Mistake(
            "value-without-weights",
            (("prior * (p *", "(p *"), ("(1 - prior) * (q *", "(q *")),
            "Your logits are right. Your value adds two means, each with the weight 1. How many points of each kind "
            "does the critic see?",
        ),
    ),
    hints=(
        r"The critic may choose $D(x)$ for each cell alone. Which function of one number is to be maximised there?",
        r"$\alpha\log y + \beta\log(1 - y)$ with $\alpha, \beta > 0$ is concave in $y$. Where is its derivative 0?",
    ),
    solution=r"""
In one cell the critic is paid $\pi p\log D + (1 - \pi)q\log(1 - D)$, which is concave in $D$ and stands still where
$\frac{\pi p}D = \frac{(1 - \pi)q}{1 - D}$. So

$$
D^\star = \frac{\pi p}{\pi p + (1 - \pi)q}, \qquad a^\star = \log\frac pq + \log\frac\pi{1 - \pi} :
$$

Bayes' rule, posterior log-odds from the log-ratio of the laws and the prior log-odds. For $p = q$ the critic can only
repeat the prior, and is paid $\pi\log\pi + (1 - \pi)\log(1 - \pi)$, minus the entropy of a coin with the bias $\pi$.
For laws that do not overlap it is always right, and is paid 0. In between, $V_\pi(D^\star)$ plus that entropy is the
Jensen–Shannon divergence with the weights $\pi$ and $1 - \pi$: the information that a point gives about its class. The
value $V$ of the chapter, {eq}`eq-14-value`, is $2V_{1/2}$.
""",
    cases=_mixes,
    properties=(
        Property("where p = q everywhere, the logit is the log-odds of the classes", _prior_odds),
        Property(
            "the value lies between that of a critic who only knows π and 0", _between_guess_and_certainty
        ),
    ),
)


def _counts(generator: torch.Generator) -> Cases:
    return [
        {"logit": 2 * normal(generator, n), "n_real": real, "n_fake": fake}
        for n, real, fake in ((3, 4000, 1000), (4, 300, 700), (3, 64, 640), (2, 128, 128))
    ]


CLASS_SIZES = Exercise(
    id="gan.class-sizes",
    title="A ratio from a critic that saw four real points for each fake one",
    chapter="14_gans",
    section="sec-14-ratio",
    difficulty=1,
    minutes=10,
    statement=r"""
A logistic regression is trained, by {eq}`eq-14-ratio`, on $n_\mathrm{real}$ points of $p$ and $n_\mathrm{fake}$ points
of $q$, all in one heap, and gives the logit $a(x)$. For $p = \mathcal N(0, 1)$, $q = \mathcal N(1, 1)$ and four real
points for each fake one, which line does it tend to? The true log-ratio is $\frac12 - x$.

Write `corrected_log_ratio(logit, n_real, n_fake)`: the estimate of $\log\frac{p(x)}{q(x)}$.
""",
    answer="corrected_log_ratio",
    stub="""
def corrected_log_ratio(logit, n_real, n_fake):
    # logit: (n,), what the critic says at n points; n_real, n_fake: how many
    # points of each law it was trained on. Returns log p / q, shape (n,).
    ...
""",
    reference="""
def corrected_log_ratio(logit, n_real, n_fake):
    return logit - math.log(n_real / n_fake)
""",
    mistakes=(
        Mistake(
            "sizes-forgotten",
            ((" - math.log(n_real / n_fake)", " * 1.0"),),
            "The critic also learnt how often each class shows up. What does it say where p = q?",
        ),
        Mistake(
            "sizes-twice",
            (("logit - math", "logit + math"),),
            "You went the wrong way: with more real points than fake ones, is the critic's logit too high or too low?",
        ),
        Mistake(
            "odds-without-log",
            (("math.log(n_real / n_fake)", "n_real / n_fake"),),
            "With equally many points of each you are off by exactly 1. Logits add: what is it that multiplies?",
        ),
        Mistake(
            "share-for-odds",
            (("n_real / n_fake", "n_real / (n_real + n_fake)"),),
            "With equally many points of each you are off by log 2. Is it the share of the real points that shifts a "
            "logit, or their odds?",
        ),
        Mistake(
            "ratio-upside-down",
            (("return logit - math.log(n_real / n_fake)", "return math.log(n_real / n_fake) - logit"),),
            "Your ratio is large where the critic says fake. Which law is denser there? What should a 'real' detector "
            "say?",
        ),
    ),
    hints=(
        r"The heap has the share $\pi = n_\mathrm{real} / (n_\mathrm{real} + n_\mathrm{fake})$ of real points. What are "
        r"the odds of real against fake at $x$?",
    ),
    solution=r"""
At $x$ the heap holds real and fake points in the proportion $n_\mathrm{real}\,p(x) : n_\mathrm{fake}\,q(x)$, so the
logit tends to $\log\frac{p(x)}{q(x)} + \log\frac{n_\mathrm{real}}{n_\mathrm{fake}}$, and the second term must be taken
off. In the example the line is $\frac12 + \log 4 - x = 1.886 - x$. The slope does not know about the sizes; only the
intercept does, and with it every ratio, by the factor 4.
""",
    cases=_counts,
    properties=(
        Property(
            "with equally many points of each law the logit is the log-ratio",
            lambda case, found: (
                case["n_real"] != case["n_fake"] or torch.allclose(found, case["logit"], atol=1e-6)
            ),
        ),
        Property(
            "two points are as far apart in the log-ratio as in the logit",
            lambda case, found: torch.allclose(found.diff(), case["logit"].diff(), atol=1e-5),
        ),
    ),
)


def _pairs(generator: torch.Generator) -> Cases:
    cases: Cases = [
        {"p": law(generator, n), "q": law(generator, n), "other": law(generator, n)} for n in (3, 4, 5)
    ]
    p, q = law(generator, 4), law(generator, 4)
    cases.append({"p": p, "q": q, "other": q.clone()})
    far = torch.tensor([0.998, 0.001, 0.001], dtype=F64)
    return [*cases, {"p": far, "q": far.flip(0), "other": law(generator, 3)}]


def _value(p: Tensor, q: Tensor) -> Tensor:
    return (p * torch.log(p / (p + q))).sum() + (q * torch.log(q / (p + q))).sum()


def _below(case: Any, found: Tensor) -> bool:
    return bool(found[1] <= _value(case["p"], case["other"]) + 1e-6)


def _touches(case: Any, found: Tensor) -> bool:
    return not torch.equal(case["q"], case["other"]) or bool((found[0] - found[1]).abs() < 1e-6)


VALUE = Exercise(
    id="gan.value",
    title="The value of the game, and why it is convex in the model",
    chapter="14_gans",
    section="sec-14-value",
    difficulty=3,
    minutes=35,
    statement=r"""
Let $V(D, q) = \mathbb E_p\log D + \mathbb E_q\log(1 - D)$ and $V^\star(q) = \sup_D V(D, q)$. (a) Express $V^\star(q)$
by the Jensen–Shannon divergence (weights $\frac12$), and check the constants for $p = q$ and for laws that do not
overlap. (b) A common proof that $V^\star$ is convex in the law $q$ keeps only the second term,
$\sup_D\int q\log(1 - D)\,dx$. What is that supremum? Repair the proof: what kind of function of $q$ is $V(D, q)$ for a
*fixed* $D$, and what is a supremum of such functions? (c) Freeze the critic that is best against $q$. Show that
$q' \mapsto V(D^\star_q, q')$ touches $V^\star$ at $q' = q$ and lies below it elsewhere.

Write `value_and_plane(p, q, other)` for laws on finitely many cells: the two numbers $V^\star(q)$ and
$V(D^\star_q, q')$, with $q'$ in `other`.
""",
    answer="value_and_plane",
    stub="""
def value_and_plane(p, q, other):
    # p, q, other: (n,), probabilities of n cells, all positive. Returns
    # a tensor of two numbers: V*(q), and V(D, other) for the D best against q.
    ...
""",
    reference="""
def value_and_plane(p, q, other):
    mean = (p + q) / 2
    jsd = 0.5 * (p * torch.log(p / mean)).sum() + 0.5 * (q * torch.log(q / mean)).sum()
    value = 2 * jsd - math.log(4)
    critic = p / (p + q)
    plane = (p * torch.log(critic)).sum() + (other * torch.log(1 - critic)).sum()
    return torch.stack([value, plane])
""",
    mistakes=(
        Mistake(
            "one-jsd-minus-log-4",
            (("2 * jsd - math.log(4)", "jsd - math.log(4)"),),
            "For laws that do not overlap your value is not 0, though the critic is always right. Were two weights of ½ "
            "dropped or kept? Try p = q and disjoint p, q.",
        ),
        Mistake(
            "two-jsd-minus-log-2",
            (("2 * jsd - math.log(4)", "2 * jsd - math.log(2)"),),
            "For laws that do not overlap your value is positive, and no logarithm of a probability is. Were two weights "
            "of ½ dropped or kept? Try p = q as well.",
        ),
        Mistake(
            "value-with-weights",
            (("2 * jsd - math.log(4)", "jsd - math.log(2)"),),
            "This is the game in which each player's points count one half. Is there a ½ in front of the expectations "
            "of V?",
        ),
        Mistake(
            "data-term-dropped",
            (("(p * torch.log(critic)).sum() + ", ""),),
            "Your plane has lost the data. If only the second term counted, which D would the critic choose, against "
            "every law?",
        ),
        Mistake(
            "critic-of-the-other",
            (("critic = p / (p + q)", "critic = p / (p + other)"),),
            "Your plane touches the value wherever it is asked for: you let the critic answer. Against which law was it "
            "frozen?",
        ),
        Mistake(
            "ratio-upside-down",
            (("critic = p / (p + q)", "critic = q / (p + q)"),),
            "Your critic calls the fake points real. In a cell where p is larger than q, what should a 'real' detector "
            "say?",
        ),
        Mistake(
            "non-saturating",
            (("torch.log(1 - critic)", "-torch.log(critic)"),),
            "With −log D for the fake points your plane may lie above the value. Is that term in V?",
        ),
    ),
    hints=(
        r"Write $\frac p{p + q} = \frac12\cdot\frac p{(p + q)/2}$ and take the logarithm apart.",
        r"For a fixed $D$ the only place where $q$ enters is under the integral, to the first power.",
        r"$V^\star(q') = \sup_D V(D, q') \ge V(D, q')$ for every $D$, also for one that was chosen for another law.",
    ),
    solution=r"""
(a) $V^\star(q) = \mathbb E_p\log\frac p{p + q} + \mathbb E_q\log\frac q{p + q}$, and each logarithm has a
$-\log 2$ in it when $p + q$ is replaced by the mean law: $V^\star = 2\,\mathrm{JSD}(p, q) - \log 4$. For $p = q$ it is
$-\log 4$, a critic who says ½ twice; for disjoint laws $\mathrm{JSD} = \log 2$ and the value is 0.

(b) $\log(1 - D) \le 0$, with equality for $D = 0$, so the supremum of the second term alone is 0 for every $q$ and
proves nothing. With the data term, $q \mapsto V(D, q) = \text{const}_D + \int q\log(1 - D)\,dx$ is *affine* for every
fixed $D$. A pointwise supremum of affine functions is convex: for $q = (1 - t)q_0 + tq_1$,
$V(D, q) = (1 - t)V(D, q_0) + tV(D, q_1) \le (1 - t)V^\star(q_0) + tV^\star(q_1)$ for every $D$, hence also for the
supremum on the left.

(c) $V(D^\star_q, q) = V^\star(q)$ by definition of $D^\star_q$, and $V(D^\star_q, q') \le \sup_D V(D, q')$. So the
frozen critic is a tangent plane, and $\log(1 - D^\star_q)$ is a subgradient of $V^\star$ at $q$: in the space of laws,
descending with the critic's answer is descending on a convex function. In the space of $\theta$ it is not, since
$q_\theta$ does not depend on $\theta$ in an affine way; and a plane, pushed down far from the point where it touches,
tells nothing about the function above it.
""",
    cases=_pairs,
    properties=(
        Property("a plane through a frozen critic never lies above the value at the other law", _below),
        Property("it touches the value where the other law is q itself", _touches),
        Property(
            "the value lies between −log 4 and 0",
            lambda case, found: bool(-math.log(4) - 1e-6 <= found[0] <= 1e-9),
        ),
    ),
)
