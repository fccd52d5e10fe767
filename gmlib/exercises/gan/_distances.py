"""Chapter 14, distances: four of them on laws that do not meet, the slope under a penalty, the witness of MMD."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from gmlib.exercises.exercise import Exercise, Mistake, Property
from gmlib.exercises.gan._cases import F64, Cases, normal, uniform


def _shifts(generator: torch.Generator) -> Cases:
    cases: Cases = [{"x": torch.zeros(1, dtype=F64), "shift": 1.5, "bandwidth": 1.0}]
    for n, shift, bandwidth in ((2, 0.35, 0.6), (3, -1.4, 0.8), (4, 2.7, 1.5)):
        x = torch.arange(n, dtype=F64) + 0.2 * uniform(generator, n)
        cases.append({"x": x, "shift": shift, "bandwidth": bandwidth})
    return cases


FOUR = Exercise(
    id="gan.disjoint",
    title="Four distances between laws that do not meet",
    chapter="14_gans",
    section="sec-14-disjoint",
    difficulty=2,
    minutes=25,
    statement=r"""
The data law $p$ puts the mass $1/n$ on each of $n$ points of the line; the model $q$ is the same law moved by
$\Delta \neq 0$, so that no two points of $p$ and $q$ coincide. Find $\mathrm{KL}(p \,\|\, q)$, $\mathrm{JSD}(p, q)$
(weights $\frac12$), $W_1(p, q)$ and $\mathrm{MMD}^2(p, q)$ with the kernel $\kappa(x, y) = e^{-(x - y)^2 / 2\ell^2}$.
Which of them tell a generator how to change $\Delta$, from near and from far away?

Write `four_distances(x, shift, bandwidth)`, which returns them in this order.
""",
    answer="four_distances",
    stub="""
def four_distances(x, shift, bandwidth):
    # x: (n,), the points of p; those of q are x + shift, and none of them is a
    # point of p; bandwidth: l. Returns four numbers: KL, JSD, W1, MMD^2.
    ...
""",
    reference="""
def four_distances(x, shift, bandwidth):
    def kernel(apart):
        return torch.exp(-(apart**2) / (2 * bandwidth**2))

    apart = x[:, None] - x[None, :]
    kl = math.inf
    jsd = math.log(2)
    w1 = abs(shift)
    mmd2 = 2 * (kernel(apart).mean() - kernel(apart + shift).mean())
    return torch.stack([kl + 0 * mmd2, jsd + 0 * mmd2, w1 + 0 * mmd2, mmd2])
""",
    mistakes=(
        Mistake(
            "finite-kl",
            (("kl = math.inf", "kl = 0.0"),),
            "Your first number leaves out the points where q is 0. What is the log of p / q there, and how much mass of "
            "p stands there?",
        ),
        Mistake(
            "jsd-without-weights",
            (("math.log(2)", "math.log(4)"),),
            "Your second number is twice the JSD. With its weights ½, how many nats can one point tell about its class?",
        ),
        Mistake(
            "every-pair-carried",
            (("abs(shift)", "(apart + shift).abs().mean()"),),
            "Your third number carries a share of every point to every other point, and it would not be 0 for Δ = 0. "
            "What is the cheapest plan?",
        ),
        Mistake(
            "sign-of-the-shift",
            (("abs(shift)", "shift"),),
            "Your third number is negative when the model stands to the left. What does a distance count?",
        ),
        Mistake(
            "root-of-mmd",
            (("kernel(apart + shift).mean())\n", "kernel(apart + shift).mean())\n    mmd2 = mmd2**0.5\n"),),
            "Your last number is the MMD. What is asked for?",
        ),
        Mistake(
            "mmd-half",
            (("2 * (kernel(apart).mean() - ", "(kernel(apart).mean() - "),),
            "Half of the last number. MMD² has a term for p with itself, one for q with itself, and how many for p with "
            "q?",
        ),
        Mistake(
            "kernel-without-2",
            (("(2 * bandwidth**2)", "bandwidth**2"),),
            "Your bumps are narrower than those of the kernel asked for. What divides the square in its exponent?",
        ),
    ),
    hints=(
        r"In the JSD the log-ratio at a point of $p$ is $\log\frac p{(p + q)/2}$. What is $q$ there?",
        r"$W_1$ in one dimension is the mean distance between the sorted points.",
        r"$\mathrm{MMD}^2 = \bar\kappa_{pp} - 2\bar\kappa_{pq} + \bar\kappa_{qq}$, and a shift changes no distance within "
        r"$q$.",
    ),
    solution=r"""
At every point of $p$ the model has mass 0, so $\mathrm{KL} = \infty$. In the JSD the ratio to the mean law is 2 at every
point of either law, so it is $\log 2$: a perfect critic learns one bit, for every $\Delta$. Sorted points are paired with
their own copies, so $W_1 = \lvert\Delta\rvert$. And

$$
\mathrm{MMD}^2 = 2\big(\bar\kappa(0) - \bar\kappa(\Delta)\big), \qquad
\bar\kappa(\Delta) = \frac1{n^2}\sum_{i,j} e^{-(x_i - x_j + \Delta)^2 / 2\ell^2}.
$$

The first two are constant in $\Delta$ and tell nothing. $W_1$ has the slope $\pm1$ from every distance. $\mathrm{MMD}^2$ is
smooth, has a slope near by, and levels off at $2\bar\kappa(0)$ once $\lvert\Delta\rvert$ exceeds the spread of the points
by several bandwidths: from far away it is as silent as the JSD.
""",
    cases=_shifts,
    properties=(
        Property("W1 is positive", lambda case, found: bool(found[2] > 0)),
        Property("MMD² lies between 0 and 2", lambda case, found: bool(0 <= found[3] <= 2)),
        Property("the JSD does not exceed log 2", lambda case, found: bool(found[1] <= math.log(2) + 1e-6)),
    ),
)


def _means(generator: torch.Generator) -> Cases:
    cases: Cases = [
        {
            "mean_real": torch.tensor([1.0, 0.0], dtype=F64),
            "mean_fake": torch.tensor([0.0, 1.0], dtype=F64),
            "gamma": 20.0,
        }
    ]
    for n, gamma in ((3, 2.0), (4, 5.0)):
        cases.append(
            {"mean_real": 2 * normal(generator, n), "mean_fake": 2 * normal(generator, n), "gamma": gamma}
        )
    return cases


def _highest(case: Any, found: Tensor) -> bool:
    shift, gamma = case["mean_real"] - case["mean_fake"], case["gamma"]

    def objective(slope: Tensor) -> Tensor:
        return slope * shift - 0.5 * gamma * (slope.abs() - 1).square()

    slope = found[:, 0]
    best = objective(slope)
    return bool(((objective(slope + 0.01) < best) & (objective(slope - 0.01) < best)).all())


PENALTY = Exercise(
    id="gan.penalty",
    title="How steep a penalised critic is",
    chapter="14_gans",
    section="sec-14-penalty",
    difficulty=2,
    minutes=20,
    statement=r"""
In one dimension let the critic be a line, $D(x) = sx + \text{const}$. The Wasserstein critic may not be steeper than 1.
A gradient penalty, {eq}`eq-14-penalty`, forbids nothing and charges: the critic maximises

$$
\mathbb E_p D - \mathbb E_q D - \frac\gamma2\big(\lvert s\rvert - 1\big)^2 .
$$

Find the best slope, and the estimate $\mathbb E_p D - \mathbb E_q D$ that it reports. How far is that from
$W_1 = \lvert\mathbb E_p x - \mathbb E_q x\rvert$ of two laws of the same shape? Write
`penalised_critic(mean_real, mean_fake, gamma)`: for each pair of means, the slope and the reported estimate.
""",
    answer="penalised_critic",
    stub="""
def penalised_critic(mean_real, mean_fake, gamma):
    # mean_real, mean_fake: (n,), means of p and of q; gamma: a number.
    # Returns (n, 2): the best slope, and the estimate that it reports.
    ...
""",
    reference="""
def penalised_critic(mean_real, mean_fake, gamma):
    shift = mean_real - mean_fake
    slope = torch.sign(shift) * (1 + shift.abs() / gamma)
    reported = slope * shift
    return torch.stack([slope, reported], -1)
""",
    mistakes=(
        Mistake(
            "no-overshoot",
            ((" * (1 + shift.abs() / gamma)", ""),),
            "At the slope 1 the penalty is flat, and the difference of means still pulls. Does a critic stop where the "
            "first step costs nothing?",
        ),
        Mistake(
            "penalty-without-half",
            (("abs() / gamma", "abs() / (2 * gamma)"),),
            "Half the overshoot: many papers write λ(|s| − 1)². What stands in front of the square here?",
        ),
        Mistake(
            "zero-centred",
            (("(1 + shift.abs() / gamma)", "(shift.abs() / gamma)"),),
            "Your critic is charged for every slope, so it goes flat where the laws agree. Around which slope is the "
            "penalty centred?",
        ),
        Mistake(
            "always-uphill",
            (("torch.sign(shift) * ", ""),),
            "Where the data stand to the left of the model your critic is higher on the fake points. Which sign must the "
            "slope have?",
        ),
        Mistake(
            "penalty-reported-too",
            (("= slope * shift", "= slope * shift - 0.5 * gamma * (slope.abs() - 1) ** 2"),),
            "Your second number is what the critic maximises, charge included. What is the estimate of W1 that it "
            "reports?",
        ),
    ),
    hints=(
        r"With a line the difference of expectations is $s\,(\mathbb E_p x - \mathbb E_q x)$.",
        r"Take $s > 0$ when the shift is positive, differentiate, and use the mirror image for the other sign.",
    ),
    solution=r"""
Write $\Delta = \mathbb E_p x - \mathbb E_q x$. The objective is $s\Delta - \frac\gamma2(\lvert s\rvert - 1)^2$; the sign
of $s$ that helps is that of $\Delta$, and then $\lvert\Delta\rvert = \gamma(\lvert s\rvert - 1)$, so

$$
s = \operatorname{sign}(\Delta)\Big(1 + \frac{\lvert\Delta\rvert}\gamma\Big), \qquad
\mathbb E_p D - \mathbb E_q D = \lvert\Delta\rvert + \frac{\Delta^2}\gamma .
$$

The penalised critic overshoots, and the more the further apart the laws are. With $\lvert\Delta\rvert = 1$ and
$\gamma = 20$ (a weight of 10 where the penalty is written without the $\frac12$) the slope is $\frac{21}{20}$, and
$W_1$ is reported a twentieth too large. Divided by the slope, the report is right again.
""",
    cases=_means,
    properties=(
        Property("neither a larger nor a smaller slope gains anything", _highest),
        Property("the critic is higher on the real side", lambda case, found: bool((found[:, 1] > 0).all())),
    ),
)


def _samples(generator: torch.Generator) -> Cases:
    cases: Cases = []
    for n, m, shift, bandwidth in ((3, 3, 1.0, 1.0), (4, 6, -1.5, 0.5), (5, 2, 2.0, 1.7)):
        x, y = normal(generator, n), normal(generator, m) + shift
        cases.append({"at": torch.cat([x, y]), "x": x, "y": y, "bandwidth": bandwidth})
    return cases


def _real_side_up(case: Any, found: Tensor) -> bool:
    n = len(case["x"])
    return bool(found[:n].mean() > found[n:].mean())


WITNESS = Exercise(
    id="gan.witness",
    title="The witness of the maximum mean discrepancy",
    chapter="14_gans",
    section="sec-14b-witness",
    difficulty=2,
    minutes=25,
    statement=r"""
Among all functions of norm at most 1 in the Hilbert space of the kernel $\kappa(x, y) = e^{-(x - y)^2 / 2\ell^2}$, which
one has the largest $\mathbb E_p f - \mathbb E_q f$? Use $f(x) = \langle f, \kappa(x, \cdot)\rangle$, and show that the
largest value is the MMD. What does the witness do far from all points, where the critic of $W_1$ has the slope 1?

Write `witness_values(at, x, y, bandwidth)`: its values at the points `at`, when $p$ and $q$ are the empirical laws of the
samples `x` and `y`.
""",
    answer="witness_values",
    stub="""
def witness_values(at, x, y, bandwidth):
    # at: (k,); x: (n,), the sample of p; y: (m,), that of q; bandwidth: l.
    # Returns the values of the witness, of norm 1, at the points: (k,).
    ...
""",
    reference="""
def witness_values(at, x, y, bandwidth):
    def kernel(a, b):
        return torch.exp(-((a[:, None] - b[None, :]) ** 2) / (2 * bandwidth**2))

    height = kernel(at, x).mean(1) - kernel(at, y).mean(1)
    squared = kernel(x, x).mean() - 2 * kernel(x, y).mean() + kernel(y, y).mean()
    return height / torch.sqrt(squared)
""",
    mistakes=(
        Mistake(
            "not-normalised",
            (("return height / torch.sqrt(squared)", "return height"),),
            "Right up to one factor: the difference of your means is MMD², not MMD. Which norm has your function?",
        ),
        Mistake(
            "divided-by-the-square",
            (("/ torch.sqrt(squared)", "/ squared"),),
            "Right up to one factor: the difference of your means is 1 for every pair of laws. What is the norm of the "
            "difference of the two mean embeddings?",
        ),
        Mistake(
            "sides-exchanged",
            (
                (
                    "kernel(at, x).mean(1) - kernel(at, y).mean(1)",
                    "kernel(at, y).mean(1) - kernel(at, x).mean(1)",
                ),
            ),
            "Your witness is high on the fake points. Which difference is to be large?",
        ),
        Mistake(
            "ratio-for-difference",
            (
                (
                    "kernel(at, x).mean(1) - kernel(at, y).mean(1)",
                    "torch.log(kernel(at, x).mean(1) / kernel(at, y).mean(1))",
                ),
            ),
            "That is the log-ratio of two density estimates. An MMD critic is linear in the laws: what takes the place "
            "of the ratio?",
        ),
        Mistake(
            "cross-term-once",
            (("- 2 * kernel(x, y)", "- kernel(x, y)"),),
            "Your norm is not 0 for two equal samples. How many cross terms does the square of a difference have?",
        ),
        Mistake(
            "kernel-without-2",
            (("(2 * bandwidth**2)", "bandwidth**2"),),
            "Your bumps are narrower than those of the kernel asked for. What divides the square in its exponent?",
        ),
    ),
    hints=(
        r"$\mathbb E_p f - \mathbb E_q f = \langle f, \mu_p - \mu_q\rangle$ with $\mu_p = \mathbb E_p\kappa(x, \cdot)$. "
        r"Which unit vector has the largest product with a given vector?",
        r"$\lVert\mu_p - \mu_q\rVert^2$ is a sum of means of $\kappa$.",
    ),
    solution=r"""
By the reproducing property $\mathbb E_p f - \mathbb E_q f = \langle f, \mu_p - \mu_q\rangle$, and by Cauchy–Schwarz the
best unit vector is $f^\star = (\mu_p - \mu_q) / \lVert\mu_p - \mu_q\rVert$, with the value
$\lVert\mu_p - \mu_q\rVert = \mathrm{MMD}$. In plain terms

$$
f^\star(x) = \frac{\mathbb E_p\kappa(x', x) - \mathbb E_q\kappa(y, x)}{\mathrm{MMD}}, \qquad
\mathrm{MMD}^2 = \mathbb E_{pp}\kappa - 2\,\mathbb E_{pq}\kappa + \mathbb E_{qq}\kappa .
$$

It is a sum of bumps, one upwards at each real point and one downwards at each fake one, so it goes to 0 within a few
bandwidths of the outermost points. A fake point out there gets no gradient from MMD, while the critic of $W_1$ pulls on
it as on any other.
""",
    cases=_samples,
    properties=(
        Property("the witness is larger on the real points, on average", _real_side_up),
        Property(
            "a function of norm 1 stays between −1 and 1",
            lambda case, found: bool((found.abs() <= 1 + 1e-9).all()),
        ),
    ),
)
