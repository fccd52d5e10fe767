"""Chapter 14, scores and bounds: the hinge is not proper, the Jensen-Shannon row is the original GAN, Pearson's critic."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from gmlib.exercises.exercise import Exercise, Mistake, Property
from gmlib.exercises.gan._cases import F64, Cases, law, normal, uniform


def _shares(generator: torch.Generator) -> Cases:
    low, high = 0.05 + 0.4 * uniform(generator, 3), 0.55 + 0.4 * uniform(generator, 3)
    return [{"share": torch.tensor([0.8, 0.3], dtype=F64)}, {"share": low}, {"share": high}]


HINGE = Exercise(
    id="gan.hinge",
    title="The hinge does not pay for the truth",
    chapter="14_gans",
    section="sec-14b-hinge",
    difficulty=2,
    minutes=20,
    statement=r"""
At a point where a share $\rho = \frac p{p + q}$ of the points is real, a critic with the logit $a$ is paid, on average,
$-\rho\max(0, 1 - a) - (1 - \rho)\max(0, 1 + a)$ by the hinge score. A score is *proper* if nobody is paid more than the
critic who says $D = \sigma(a) = \rho$.

Which $a$ is paid most? Which $D$ is that? For $\rho = 0.8$ compare its pay with that of the honest critic. Write
`best_hinge(share)`: for each $\rho$ in `share`, the best logit, its pay, and the pay of the honest logit.
""",
    answer="best_hinge",
    stub="""
def best_hinge(share):
    # share: (n,), shares of real points, none of them one half. Returns (n, 3):
    # the best logit, its mean score, the mean score of the honest logit.
    ...
""",
    reference="""
def best_hinge(share):
    def score(logit):
        real = -torch.clamp(1 - logit, min=0)
        fake = -torch.clamp(1 + logit, min=0)
        return share * real + (1 - share) * fake

    honest = torch.log(share) - torch.log(1 - share)
    best = torch.sign(share - 0.5)
    return torch.stack([best, score(best), score(honest)], -1)
""",
    mistakes=(
        Mistake(
            "honest-is-best",
            (("best = torch.sign(share - 0.5)", "best = honest"),),
            "You took for granted that the honest critic is paid most. Lower its logit a little, for ρ = 0.8: does the "
            "pay fall?",
        ),
        Mistake(
            "probability-in-the-hinge",
            (("1 - logit, min", "1 - torch.sigmoid(logit), min"), ("1 + logit", "1 + torch.sigmoid(logit)")),
            "The hinge has its corners at −1 and 1. Can a probability reach both? What goes into the hinge?",
        ),
        Mistake(
            "corners-exchanged",
            (
                ("real = -torch.clamp(1 - logit", "real = -torch.clamp(1 + logit"),
                ("fake = -torch.clamp(1 + logit", "fake = -torch.clamp(1 - logit"),
            ),
            "You pay a critic for calling real points fake. Which corner belongs to which class?",
        ),
        Mistake(
            "no-corner",
            (
                ("-torch.clamp(1 - logit, min=0)", "-(1 - logit)"),
                ("-torch.clamp(1 + logit, min=0)", "-(1 + logit)"),
            ),
            "Without its corners your score pays the more, the larger the logit, without limit. What does a critic gain "
            "who is already beyond 1?",
        ),
        Mistake(
            "classes-not-weighted",
            (("share * real + (1 - share) * fake", "real + fake"),),
            "Your pay does not know how many of the points are real. How often is each term paid?",
        ),
        Mistake(
            "least-squares",
            (("torch.sign(share - 0.5)", "2 * share - 1"),),
            "That is the best answer for squared errors with the targets 1 and −1. The mean hinge is made of straight "
            "pieces: where can the top of such a line be?",
        ),
    ),
    hints=(
        r"Between $-1$ and $1$ both corners are active. What is the slope of the mean pay there?",
        r"Beyond $1$ only the fake points are charged. Which way does the pay go?",
    ),
    solution=r"""
The mean pay is made of three straight pieces. For $-1 \le a \le 1$ it is $-1 + (2\rho - 1)a$, with the slope
$2\rho - 1$; above 1 it is $-(1 - \rho)(1 + a)$, which falls; below $-1$ it is $-\rho(1 - a)$, which rises. The top is
at the corner $a = \operatorname{sign}(2\rho - 1)$, where the pay is $-2\min(\rho, 1 - \rho)$. For every $\rho > \frac12$
the best $D$ is $\sigma(1) = 0.731$, for every $\rho < \frac12$ it is $0.269$.

For $\rho = 0.8$ the honest logit is $\log 4 = 1.386$ and is paid $-0.2\cdot2.386 = -0.477$; the corner is paid $-0.4$.
So the hinge is not proper: the critic learns on which side of $\frac12$ the truth is and nothing more, and a ratio read
off it would be $e$ or $1/e$. As the divergence of a game it is fine: integrated, the pays add up to
$2\,\mathrm{TV} - 2$.
""",
    cases=_shares,
    properties=(
        Property(
            "nobody is paid more than the best, the honest critic included",
            lambda case, found: bool((found[:, 1] >= found[:, 2] - 1e-6).all()),
        ),
        Property(
            "the best logit has the sign of the honest one",
            lambda case, found: bool((found[:, 0] * (case["share"] - 0.5) > 0).all()),
        ),
    ),
)


def _logits(generator: torch.Generator) -> Cases:
    cases: Cases = [
        {"real": 1 + normal(generator, n), "fake": normal(generator, m) - 0.5} for n, m in ((4, 4), (5, 3))
    ]
    # A fake point that the critic takes for real: there D exceeds (log 2) / 2, and in one heap no logit exceeds log 2.
    for case in cases:
        case["fake"][0] = 0.5
    cases[0]["fake"].clamp_(max=0.6)
    return [{"real": torch.zeros(2, dtype=F64), "fake": torch.zeros(3, dtype=F64)}, *cases]


def _at_most_log_4(case: Any, found: Tensor) -> bool:
    return bool(found <= 2 * math.log(2) + 1e-6)


def _zero_for_a_coin(case: Any, found: Tensor) -> bool:
    return bool(case["real"].any()) or bool(found.abs() < 1e-6)


JENSEN = Exercise(
    id="gan.jensen",
    title="The Jensen–Shannon row is the original GAN",
    chapter="14_gans",
    section="sec-14-fdiv",
    difficulty=2,
    minutes=25,
    statement=r"""
Take $f(u) = u\log u - (u + 1)\log\frac{u + 1}2$. (a) Show that $\int q f(p/q)\,dx = 2\,\mathrm{JSD}(p, q)$, that the
conjugate is $f^*(c) = -\log(2 - e^c)$, and for which $c$ it is finite. (b) The critic's network gives a logit $a$ of any
size. Find a map from $a$, or from $D = \sigma(a)$, to allowed values $c$ such that the best logit $a = \log r$ becomes
the best $c = f'(r)$. (c) Show that then the bound {eq}`eq-14-bound` is the value of the original GAN, up to a constant.

Write `jensen_bound(real, fake)`: the bound as a mean over the logits of real points and one over those of fake points.
""",
    answer="jensen_bound",
    stub="""
def jensen_bound(real, fake):
    # real: (n,), fake: (m,), the critic's logits at real and at fake points.
    # Returns the bound, a tensor of shape ().
    ...
""",
    reference="""
def jensen_bound(real, fake):
    def critic(logit):
        return math.log(2) + torch.nn.functional.logsigmoid(logit)

    def conjugate(c):
        return -torch.log(2 - torch.exp(c))

    return critic(real).mean() - conjugate(critic(fake)).mean()
""",
    mistakes=(
        Mistake(
            "outside-the-domain",
            (("math.log(2) + torch.nn.functional.logsigmoid(logit)", "2 * torch.sigmoid(logit)"),),
            "Your critic asks for the log of a negative number. Which outputs may c take?",
        ),
        Mistake(
            "logit-as-it-is",
            (("math.log(2) + torch.nn.functional.logsigmoid(logit)", "logit"),),
            "A logit may be any number, and beyond log 2 the conjugate is infinite. What squeezes the line into the "
            "domain?",
        ),
        Mistake(
            "log-2-forgotten",
            (("math.log(2) + torch", "torch"),),
            "A critic who says ½ everywhere proves nothing, so its bound should be 0. What is f′ at r = 1, and what is "
            "your c there?",
        ),
        Mistake(
            "ratio-upside-down",
            (("logsigmoid(logit)", "logsigmoid(-logit)"),),
            "Your bound falls when the critic gets better. What should a 'real' detector say where the data are denser?",
        ),
        Mistake(
            "no-conjugate",
            (("conjugate(critic(fake))", "critic(fake)"),),
            "A difference of means bounds no f-divergence: it is 0 for a constant critic of whatever size. What is taken "
            "from the fake points in the bound?",
        ),
        Mistake(
            "conjugate-added",
            (("mean() - conjugate", "mean() + conjugate"),),
            "Your bound grows when the critic is high on fake points. Is f* a price or a reward?",
        ),
        Mistake(
            "halved",
            (
                (
                    "critic(real).mean() - conjugate(critic(fake)).mean()",
                    "0.5 * (critic(real).mean() - conjugate(critic(fake)).mean())",
                ),
            ),
            "You bound the JSD itself. Does ∫ q f(p/q) with this f have the weights ½?",
        ),
    ),
    hints=(
        r"$f'(u) = \log\frac{2u}{u + 1}$. What does $\frac r{r + 1}$ mean for the classifier?",
        r"$2 - e^c$ with $c = \log 2 + \log D$.",
    ),
    solution=r"""
(a) $\int q f(p/q) = \int p\log\frac{2p}{p + q} + \int q\log\frac{2q}{p + q}$, the two KL divergences to the mean law
without weights: $2\,\mathrm{JSD}$. The derivative $f'(u) = \log\frac{2u}{u + 1}$ runs through $(-\infty, \log 2)$ as
$u$ runs through $(0, \infty)$; with $e^c = \frac{2u}{u + 1}$, $f^*(c) = uc - f(u) = \log\frac{u + 1}2 =
-\log(2 - e^c)$, finite for $c < \log 2$ and infinite above.

(b) With $r = \frac D{1 - D}$ the best value is $f'(r) = \log(2D)$. So $c = \log 2 + \log\sigma(a)$, which is below
$\log 2$ for every logit. Without the logarithm, $c = 2D = \frac2{1 + 1/r}$ leaves the domain as soon as
$D > \frac12\log 2$, and what it computes is not a bound of anything.

(c) $-f^*(\log 2D) = \log(2 - 2D) = \log 2 + \log(1 - D)$, hence
$\mathbb E_p c - \mathbb E_q f^*(c) = \log 4 + \mathbb E_p\log D + \mathbb E_q\log(1 - D) = \log 4 + V(D)$. Maximised, the
left side is $2\,\mathrm{JSD}$ and the right side $\log 4 + V^\star$: {eq}`eq-14-value` once more.
""",
    cases=_logits,
    properties=(
        Property("the bound never exceeds 2 log 2, the largest value of the divergence", _at_most_log_4),
        Property("a critic whose logits are all 0 proves nothing: its bound is 0", _zero_for_a_coin),
    ),
)


def _critics(generator: torch.Generator) -> Cases:
    cases: Cases = [
        {"p": law(generator, n), "q": law(generator, n), "critic": 2 * normal(generator, n)}
        for n in (3, 4, 5)
    ]
    # The conjugate of (u - 1)^2 on u >= 0 bends at -2.
    for case in cases:
        case["critic"][0] = -3.0
    return cases


def _never_above(case: Any, found: Tensor) -> bool:
    divergence = ((case["p"] - case["q"]).square() / case["q"]).sum()
    return bool((found <= divergence + 1e-6).all()) and bool((found[1] - divergence).abs() < 1e-5)


PEARSON = Exercise(
    id="gan.pearson",
    title="Pearson's critic and the edge of its conjugate",
    chapter="14_gans",
    section="sec-14-fdiv",
    difficulty=2,
    minutes=25,
    statement=r"""
Pearson's divergence has $f(u) = (u - 1)^2$ for $u \ge 0$. (a) Compute $f^*(c) = \sup_{u \ge 0} uc - f(u)$ for *every*
$c$: where is the best $u$, and what happens when it would be negative? (b) Which critic makes the bound
{eq}`eq-14-bound` equal to the divergence?

Write `pearson_bounds(p, q, critic)` for laws on finitely many cells: the bound that the given values $c$ in `critic`
prove, and the one that the best critic proves.
""",
    answer="pearson_bounds",
    stub="""
def pearson_bounds(p, q, critic):
    # p, q: (n,), probabilities of n cells, all positive; critic: (n,), values
    # of any size. Returns two numbers: the bounds of `critic` and of the best.
    ...
""",
    reference="""
def pearson_bounds(p, q, critic):
    def bound(c):
        conjugate = torch.where(c > -2, c**2 / 4 + c, -torch.ones_like(c))
        return (p * c).sum() - (q * conjugate).sum()

    best = 2 * (p / q - 1)
    return torch.stack([bound(critic), bound(best)])
""",
    mistakes=(
        Mistake(
            "hellinger-s-critic",
            (("2 * (p / q - 1)", "1 - torch.sqrt(q / p)"),),
            "Your best critic never exceeds 1, however large the ratio: it belongs to the Hellinger distance. What is "
            "the derivative of (u − 1)²?",
        ),
        Mistake(
            "ratio-upside-down",
            (("2 * (p / q - 1)", "2 * (q / p - 1)"),),
            "Your best critic is high where the fake points are denser. What should a 'real' detector say there?",
        ),
        Mistake(
            "half-the-slope",
            (("2 * (p / q - 1)", "p / q - 1"),),
            "Double your critic and the bound rises. What is the derivative of (u − 1)²?",
        ),
        Mistake(
            "f-for-its-slope",
            (("2 * (p / q - 1)", "(p / q - 1) ** 2"),),
            "Your critic is f(r). The best value is where r is the best u for c: which function of r is that?",
        ),
        Mistake(
            "edge-forgotten",
            (("torch.where(c > -2, c**2 / 4 + c, -torch.ones_like(c))", "c**2 / 4 + c"),),
            "For c = −3 your best u is negative, and no ratio of densities is. Where is the top of uc − (u − 1)² over "
            "u ≥ 0?",
        ),
        Mistake(
            "conjugate-under-p",
            (("(q * conjugate)", "(p * conjugate)"),),
            "Your bound never sees the fake points. Under which law is the conjugate averaged?",
        ),
    ),
    hints=(
        r"$uc - (u - 1)^2$ is a parabola in $u$ with its top at $u = 1 + \frac c2$.",
        r"Equality in $f(r) \ge rc - f^*(c)$ holds where $c$ is the slope of $f$ at $r$.",
    ),
    solution=r"""
(a) The parabola $uc - (u - 1)^2$ has its top at $u = 1 + \frac c2$, with the height $\frac{c^2}4 + c$. For $c < -2$ this
$u$ is negative and not allowed; over $u \ge 0$ the parabola then falls, and its largest value is that at $u = 0$:
$f^*(c) = -1$. With the formula $\frac{c^2}4 + c$ for all $c$ one still has a bound, since it is larger than $f^*$, but a
needlessly low one.

(b) $c = f'(r) = 2(r - 1)$, never below $-2$. The bound is then
$\int 2(r - 1)p - \int q\big((r - 1)^2 + 2(r - 1)\big) = \int q\big(2(r - 1)r - (r - 1)^2 - 2(r - 1)\big) =
\int q(r - 1)^2$, the divergence itself. For $\mathcal N(0, 1)$ against $\mathcal N(1, 1)$ it is $e - 1 = 1.718$; the
critic $1 - 1/\sqrt r$, which is the right one for $(\sqrt u - 1)^2$, proves only $0.384$,
or $0.370$ with the formula for all $c$.
""",
    cases=_critics,
    properties=(
        Property(
            "no critic proves more than the divergence Σ(p − q)²/q, and the best one proves that",
            _never_above,
        ),
    ),
)
