"""Chapter 08, weights: what the Fisher divergence does not see, and what noise brings back."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from gmlib.exercises.exercise import Exercise, Mistake, Property
from gmlib.exercises.score._cases import F64, Cases, uniform


def _grids(generator: torch.Generator) -> Cases:
    cases: Cases = []
    for mean in (0.6, 1.3, 2.2, 5.0):
        weights = 0.15 + 0.3 * uniform(generator, 2)
        # The model leans to the other bump.
        data, model = weights[0].item(), 1 - weights[1].item()
        x = torch.arange(-mean - 9, mean + 9, 0.05, dtype=F64)
        cases.append({"x": x, "dx": 0.05, "mean": mean, "weight": data, "model_weight": model})
    return cases


def _below_the_labels(case: Any, found: Tensor) -> bool:
    w, v = case["weight"], case["model_weight"]
    labels = w * math.log(w / v) + (1 - w) * math.log((1 - w) / (1 - v))
    return bool(-1e-9 <= found[0] <= labels + 1e-9)


TWO_MODES = Exercise(
    id="score.two-modes",
    title="Two far bumps: the KL against the Fisher divergence",
    chapter="08_score_matching",
    section="sec-08-fisher",
    difficulty=2,
    minutes=30,
    statement=r"""
The data come from $p = w\,\mathcal N(-m, 1) + (1 - w)\,\mathcal N(m, 1)$, and the model has the right bumps with
other weights: $q = w'\,\mathcal N(-m, 1) + (1 - w')\,\mathcal N(m, 1)$. Write both scores with the responsibility of
the right-hand bump. What do the Fisher divergence $D_F(p \,\|\, q)$ of {eq}`eq-08-fisher` and
$\mathrm{KL}(p \,\|\, q)$ tend to when $m$ grows, and how fast does the first get there?

Write `kl_and_fisher(x, dx, mean, weight, model_weight)`, which computes both on an even grid that covers the two
bumps. The weights are those of the bump at $-m$.
""",
    answer="kl_and_fisher",
    stub="""
def kl_and_fisher(x, dx, mean, weight, model_weight):
    # x: (n,), a grid with step dx; mean, weight, model_weight: numbers.
    # Returns a tensor of two numbers: KL(p || q), D_F(p || q).
    ...
""",
    reference="""
def kl_and_fisher(x, dx, mean, weight, model_weight):
    def log_density_and_score(w):
        left = math.log(w) - 0.5 * (x + mean) ** 2
        right = math.log(1 - w) - 0.5 * (x - mean) ** 2
        share = torch.sigmoid(right - left)
        log_density = torch.logaddexp(left, right) - 0.5 * math.log(2 * math.pi)
        return log_density, (2 * share - 1) * mean - x

    log_p, score_p = log_density_and_score(weight)
    log_q, score_q = log_density_and_score(model_weight)
    p = log_p.exp() * dx
    kl = (p * (log_p - log_q)).sum()
    fisher = 0.5 * (p * (score_p - score_q) ** 2).sum()
    return torch.stack([kl, fisher])
""",
    mistakes=(
        Mistake(
            "no-half",
            (("0.5 * (p * (score_p", "(p * (score_p"),),
            "Your second number is twice the right one. Half the literature writes D_F as you do; what does "
            "this book put in front of the square?",
        ),
        Mistake(
            "under-the-model",
            (("p = log_p.exp() * dx", "p = log_q.exp() * dx"),),
            "Your KL is negative. Under which of the two laws are the averages taken?",
        ),
        Mistake(
            "not-weighted",
            (("(p * (score_p - score_q) ** 2).sum()", "((score_p - score_q) ** 2).sum() * dx"),),
            "Your divergence counts the empty gap between the bumps as much as the bumps. How much of the data "
            "lies there?",
        ),
        Mistake(
            "prior-shares",
            (("share = torch.sigmoid(right - left)", "share = 1 - w"),),
            "Your two scores differ by the same number everywhere, so your model looks worse the further apart "
            "the bumps are. Standing on the left bump, how likely is it that x came from the right one?",
        ),
        Mistake(
            "slopes-of-densities",
            (("score_p - score_q) ** 2", "p * score_p - log_q.exp() * dx * score_q) ** 2 / dx**2"),),
            "You compare the slopes of the densities. A score is the slope of what?",
        ),
        Mistake(
            "root",
            (("(score_p - score_q) ** 2", "(score_p - score_q).abs()"),),
            "Double both scores: your divergence doubles. By how much should a mean square grow?",
        ),
    ),
    hints=(
        r"The score of a mixture is the average of the bumps' scores, weighted with the responsibilities at $x$.",
        r"The two scores differ by $2m$ times a difference of responsibilities. Where is that difference not "
        r"small, and how high is $p$ there?",
        r"`torch.sigmoid` of the log-odds gives a responsibility that never overflows.",
    ),
    solution=r"""
Let $r(x)$ be the responsibility of the right-hand bump under $p$; its log-odds are $\log\frac{1 - w}w + 2mx$. The
score is $\nabla\log p = (1 - r)(-m - x) + r(m - x) = (2r - 1)m - x$, and in the same way for $q$ with $r'$, so
$D_F = 2m^2\,\mathbb E_p (r - r')^2$. The log-odds of $r$ and $r'$ differ by a constant, and both responsibilities are
0 or 1, up to terms of order $e^{-2m\lvert x\rvert}$, away from $x = 0$. The two scores disagree only in a strip of
width of order $1/m$ around 0, where $p$ has density of order $e^{-m^2/2}$: $D_F$ vanishes exponentially in the
*squared* distance.

The KL sees the weights. For far bumps the label can be read off $x$, so the KL of the mixtures tends to that of the
labels, $w\log\frac w{w'} + (1 - w)\log\frac{1 - w}{1 - w'}$; without its label $x$ can only tell less, so the limit
is an upper bound. A model trained with $D_F$ alone learns where the bumps are and what they look like, and hardly
anything of how much of the data each holds.
""",
    cases=_grids,
    properties=(
        Property(
            "the KL is at least 0, and at most that of the two bumps' labels (weights w and w')",
            _below_the_labels,
        ),
        Property("D_F is not negative", lambda case, found: bool(found[1] >= 0)),
    ),
)


def _blurs(generator: torch.Generator) -> Cases:
    cases: Cases = []
    for sigma in (0.8, 1.1, 0.6, 1.7):
        a, b = (torch.tensor([-1.0, 1.0], dtype=F64) + 0.3 * uniform(generator, 2)).tolist()
        weight = 0.1 + 0.8 * uniform(generator, 1).item()
        noisy = a - 0.3 + (b - a + 0.6) * uniform(generator, 5)
        near = weight * torch.exp(-0.5 * ((noisy - a) / sigma) ** 2)
        far = (1 - weight) * torch.exp(-0.5 * ((noisy - b) / sigma) ** 2)
        score = (near * (a - noisy) + far * (b - noisy)) / (near + far) / sigma**2
        cases.append({"noisy": noisy, "score": score, "a": a, "b": b, "sigma": sigma})
    return cases


HIDDEN_WEIGHT = Exercise(
    id="score.hidden-weight",
    title="Noise reveals what the score hides",
    chapter="08_score_matching",
    section="sec-08-noised",
    difficulty=3,
    minutes=30,
    statement=r"""
Let the data law be a mixture of two laws with disjoint supports, with weights $w$ and $1 - w$. Show that its score,
at every point where it is defined, does not contain $w$. So nobody can read $w$ off it.

Now blur. For the simplest case, two points $a$ and $b$ on the line with $\Pr(x = a) = w$, the noised law is
$q_\sigma = w\,\mathcal N(a, \sigma^2) + (1 - w)\,\mathcal N(b, \sigma^2)$. Its score *at a single point* $\tilde x$
determines $w$: find it. Write `hidden_weight(noisy, score, a, b, sigma)`, which does that for every entry of `noisy`,
with the value of $\nabla\log q_\sigma$ there in `score`. Why does the recipe fail in practice for small $\sigma$?
""",
    answer="hidden_weight",
    stub="""
def hidden_weight(noisy, score, a, b, sigma):
    # noisy, score: (n,); a, b, sigma: numbers. Returns the weight of the
    # point a, as computed from each entry, shape (n,).
    ...
""",
    reference="""
def hidden_weight(noisy, score, a, b, sigma):
    clean = noisy + sigma**2 * score
    share = (clean - b) / (a - b)
    log_ratio = ((noisy - a) ** 2 - (noisy - b) ** 2) / (2 * sigma**2)
    return torch.sigmoid(torch.logit(share) + log_ratio)
""",
    mistakes=(
        Mistake(
            "share-for-weight",
            (("torch.sigmoid(torch.logit(share) + log_ratio)", "share"),),
            "Your number changes when x̃ moves: near a it is almost 1. Is that how often a is drawn, or how "
            "likely a is once x̃ is known?",
        ),
        Mistake(
            "ratio-upside-down",
            (("(share) + log_ratio", "(share) - log_ratio"),),
            "Half-way between a and b you are right, elsewhere not. If x̃ lies close to a and the share of a is "
            "no more than one half, is a rare or frequent?",
        ),
        Mistake(
            "other-point",
            (("sigmoid(torch.logit(share) + log_ratio)", "sigmoid(-torch.logit(share) - log_ratio)"),),
            "Your numbers and the right ones add up to 1. Whose weight is asked for?",
        ),
        Mistake(
            "sigma-once",
            (("noisy + sigma**2 * score", "noisy + sigma * score"),),
            "Units: a score is one over a length. What must it be multiplied by to give a distance?",
        ),
        Mistake(
            "no-2-in-the-exponent",
            (("/ (2 * sigma**2)", "/ sigma**2"),),
            "Half-way between a and b you are right, elsewhere not. What divides the square in the exponent of a "
            "normal law?",
        ),
    ),
    hints=(
        r"Inside the support of one component the other adds nothing to the density. What does a constant factor "
        r"do to $\nabla\log$?",
        r"Tweedie's formula gives $\mathbb E[x \mid \tilde x]$, and $x$ takes two values only.",
        r"Bayes in log-odds: posterior log-odds are prior log-odds plus a log-ratio of likelihoods.",
    ),
    solution=r"""
Inside the support of component $k$ the density is $w_k p_k(x)$, so $\nabla\log p = \nabla\log w_k + \nabla\log p_k$
and the first term is 0. Between the supports there is no score at all, and the score of neither side is tied to the
other's: the weights are the constants that differentiation loses, one for each piece.

After the blur the density is positive everywhere, there is one piece, and
$\nabla\log q_\sigma = \sum_k r_k(\tilde x)\,\nabla\log q_{\sigma,k}$ has the weights in the responsibilities. For two
points, $\tilde x + \sigma^2\nabla\log q_\sigma(\tilde x) = \mathbb E[x \mid \tilde x] = r a + (1 - r) b$ gives
$r = \frac{\mathbb E[x \mid \tilde x] - b}{a - b}$, and by Bayes
$\log\frac r{1 - r} = \log\frac w{1 - w} - \frac{(\tilde x - a)^2 - (\tilde x - b)^2}{2\sigma^2}$. Move the
likelihoods to the other side. For small $\sigma$ the quotient is huge and $r$ differs from 0 or 1 by less than a
computer, or a network with its own error, can tell: the information is there in principle and not in practice. Large
$\sigma$ is where a score model learns the weights.
""",
    cases=_blurs,
    properties=(
        Property(
            "a weight lies between 0 and 1", lambda case, found: bool(((found > 0) & (found < 1)).all())
        ),
        Property(
            "every x̃ tells the same weight",
            lambda case, found: torch.allclose(found, found[:1].expand_as(found), atol=1e-6),
        ),
    ),
)
