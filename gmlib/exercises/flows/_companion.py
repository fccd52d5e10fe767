"""The companion of chapter 05: a matrix in every pixel, and Russian roulette."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gmlib.exercises.exercise import Exercise, Mistake, Property
from gmlib.exercises.flows._cases import F64, Cases, normal, numbers, uniform


def _images(generator: torch.Generator) -> Cases:
    turn = uniform(generator, 1) + 0.2
    rotation = 1.3 * torch.stack([torch.cat([turn.cos(), -turn.sin()]), torch.cat([turn.sin(), turn.cos()])])
    mirror = numbers(0.0, 1.0, 1.0, 0.0).reshape(2, 2) * 0.8
    cases: Cases = [
        {"x": normal(generator, 2, 2, 2, 3), "weight": rotation},
        {"x": normal(generator, 3, 2, 1, 2), "weight": mirror},
    ]
    for n, c, height, width in ((2, 3, 2, 2), (4, 4, 1, 3)):
        weight = normal(generator, c, c)
        # Signs of the determinants differ, so that a lost absolute value is seen.
        weight[0] *= torch.linalg.det(weight).sign() * (-1) ** c
        cases.append({"x": normal(generator, n, c, height, width), "weight": weight})
    return cases


def _dense(case: Any, found: Tensor) -> bool:
    height, width = case["x"].shape[-2:]
    whole = torch.kron(case["weight"], torch.eye(height * width, dtype=F64))
    return torch.allclose(found, torch.linalg.slogdet(whole)[1].expand_as(found), rtol=1e-4, atol=1e-4)


CONV_1X1 = Exercise(
    id="flows.conv-1x1",
    title="One matrix in every pixel",
    chapter="05_flows",
    section="sec-05b-images",
    difficulty=1,
    minutes=15,
    statement=r"""
A 1×1 convolution multiplies the $C$ channels of each pixel of an image by the same matrix $W$. (a) Order the entries of
the image so that its Jacobian, a matrix of size $CHW \times CHW$, is block diagonal, and find its log-determinant. (b) A
text says that such a convolution scales the channels and has a diagonal Jacobian. For which $W$ is this so, and what
would be lost? (c) What are the log-determinants of a permutation of the channels, and of a mirror? (d) What does the
inverse cost if $W$ is any matrix, and what if it comes as $W = PL(U + \operatorname{diag}s)$, {eq}`eq-05b-plu`?

Write `log_det(x, weight)`: the log-determinant at each image of a batch, in nats.
""",
    answer="log_det",
    stub="""
def log_det(x, weight):
    # x: (n, C, H, W), images; weight: (C, C), invertible. Returns (n,).
    ...
""",
    reference="""
def log_det(x, weight):
    n, channels, height, width = x.shape
    one = torch.linalg.det(weight).abs().log()
    every = height * width * one
    return every.expand(n)
""",
    mistakes=(
        Mistake(
            "one-pixel",
            (("every = height * width * one", "every = 1 * one"),),
            "Right for an image of one pixel. How many pixels does the same matrix act on?",
        ),
        Mistake(
            "only-the-diagonal",
            (("torch.linalg.det(weight).abs().log()", "weight.diagonal().abs().log().sum()"),),
            "Right when W is diagonal. Try a rotation: which volume does it change?",
        ),
        Mistake(
            "no-absolute-value",
            (("det(weight).abs().log()", "det(weight).log()"),),
            "Not a number on some inputs. A mirror has determinant −1: can it have a logarithm, and does it change volume?",
        ),
        Mistake(
            "once-more-for-the-channels",
            (("height * width * one", "channels * height * width * one"),),
            "The channels are in the determinant already. How many blocks does the Jacobian have, and of which size?",
        ),
        Mistake(
            "summed-over-the-batch",
            (("return every.expand(n)", "return every * n"),),
            "You give one number for all images. Two copies of a point should have the same log-density as one.",
        ),
        Mistake(
            "way-back",
            (("height * width * one", "-height * width * one"),),
            "That is the log-determinant of the inverse.",
        ),
        Mistake(
            "norms-of-the-rows",
            (("torch.linalg.det(weight).abs()", "weight.norm(dim=1).prod()"),),
            "You multiply the lengths of the rows, which is the volume of a box with right angles. Are the rows of W "
            "orthogonal?",
        ),
    ),
    hints=(
        r"Put the channels of pixel 1 first, then those of pixel 2, and so on.",
        r"The determinant of a block diagonal matrix is the product of those of its blocks.",
    ),
    solution=r"""
(a) Pixel by pixel the Jacobian is block diagonal with $HW$ copies of $W$, and reordering rows and columns alike does
not change a determinant: the log-determinant is $HW\log|\det W|$, the same at every image. (b) For diagonal $W$ only.
Mixing the channels is what the layer is there for: it takes the place of the fixed permutation between coupling layers,
and learns it. (c) Both 0, as for every orthogonal matrix: $|\det W| = 1$; without the absolute value a mirror, and half
of all permutations, have no logarithm. (d) In general $O(C^3)$, once for all pixels, and then as much as the forward
direction; in the factors of {eq}`eq-05b-plu` the log-determinant is $HW\sum_i\log|s_i|$ and the inverse solves two
triangular systems.
""",
    cases=_images,
    properties=(
        Property("it is that of the whole Jacobian", _dense),
        Property("each image has one of its own", lambda case, found: found.shape == case["x"].shape[:1]),
    ),
)


def _series(generator: torch.Generator) -> Cases:
    cases: Cases = []
    for n, lipschitz in ((1, 0.5), (2, 0.6), (5, 0.6), (30, 0.4)):
        k = torch.arange(1, n + 1, dtype=F64)
        signs = 1 - 2 * (k % 2 == 0).to(F64)
        noise = 1 + 0.3 * (2 * uniform(generator, n) - 1)
        survive = 0.25 + 0.5 * uniform(generator, 1).item()
        cases.append({"terms": signs * lipschitz**k / k * noise, "r": survive})
    return cases


ROULETTE = Exercise(
    id="flows.roulette",
    title="An infinite sum from finitely many terms",
    chapter="05_flows",
    section="sec-05b-series",
    difficulty=3,
    minutes=40,
    statement=r"""
To estimate $S = \sum_{k\ge1}\Delta_k$ compute its terms one by one. After each term toss a coin: go on with probability
$r$. Let $N$ be the number of terms computed, so $P(N \ge k) = r^{k-1}$, and take

$$
\hat S = \sum_{k=1}^N\frac{\Delta_k}{P(N \ge k)} .
$$

(a) Show that it is unbiased. (b) Show that $\mathbb E\,\hat S^2 = \sum_k\Delta_k^2/P(N \ge k) + 2\sum_{j<k}\Delta_j
\Delta_k/P(N \ge j)$. (c) In the log-determinant of a residual block of Lipschitz constant $L$ the terms are at most
$|\Delta_k| \le d\,L^k/k$. For which $r$ is the variance finite for all such terms, and what happens for others? (d) Is
$e^{\hat S}$ an unbiased estimate of a determinant?

Write `mean_and_variance(terms, r)` of $\hat S$ for a series that ends: $\Delta_k = 0$ after the last of `terms`.
""",
    answer="mean_and_variance",
    stub="""
def mean_and_variance(terms, r):
    # terms: (n,), the terms that are not 0; r: the chance to go on.
    # Returns the two numbers, (2,).
    ...
""",
    reference="""
def mean_and_variance(terms, r):
    k = torch.arange(1, len(terms) + 1, dtype=terms.dtype)
    reached = r ** (k - 1)
    estimate = torch.cumsum(terms / reached, 0)
    chance = reached * (1 - r)
    chance[-1] = reached[-1]
    mean = (chance * estimate).sum()
    variance = (chance * (estimate - mean) ** 2).sum()
    return torch.stack([mean, variance])
""",
    mistakes=(
        Mistake(
            "not-divided",
            (("terms / reached", "terms"),),
            "Your mean is not the sum of the series: late terms are often missing. How much must those that are reached "
            "count?",
        ),
        Mistake(
            "chance-of-stopping-there",
            (("terms / reached", "terms / (reached * (1 - r))"),),
            "You divide by the chance that N is k. A term is in the sum whenever it is reached: also when N is larger.",
        ),
        Mistake(
            "one-term-late",
            (("terms / reached", "terms / (r * reached)"),),
            "Your mean is too large by the factor 1/r. Is there a chance that the first term is left out?",
        ),
        Mistake(
            "squares-only",
            (
                (
                    "(chance * (estimate - mean) ** 2).sum()",
                    "(terms ** 2 / reached).sum() - mean ** 2",
                ),
            ),
            "Your variance can be negative. In the square of a sum there are also products of different terms.",
        ),
        Mistake(
            "terms-as-if-independent",
            (
                (
                    "(chance * (estimate - mean) ** 2).sum()",
                    "(terms ** 2 * (1 / reached - 1)).sum()",
                ),
            ),
            "You add the variances of the terms. But if the fifth is reached, so are the four before it.",
        ),
        Mistake(
            "second-moment",
            (("(estimate - mean) ** 2", "estimate ** 2"),),
            "A series of one term is known exactly. What is your variance for it?",
        ),
        Mistake(
            "chance-to-stop",
            (("r ** (k - 1)", "(1 - r) ** (k - 1)"), ("reached * (1 - r)", "reached * r")),
            "Your mean is right, as it is for every r. Is r the chance to go on, or to stop?",
        ),
        Mistake(
            "tail-forgotten",
            (("chance[-1] = reached[-1]", "chance[-1] = reached[-1] * (1 - r)"),),
            "Your chances do not sum to 1: also a draw of N beyond the last term gives an estimate. Which one?",
        ),
    ),
    hints=(
        r"$\hat S = \sum_k\mathbb 1[N \ge k]\,\Delta_k/P(N \ge k)$, a sum over all $k$. Take expectations.",
        r"$\mathbb 1[N \ge j]\,\mathbb 1[N \ge k] = \mathbb 1[N \ge \max(j, k)]$.",
        r"Insert $|\Delta_k| = L^k/k$ and $P(N \ge k) = r^{k-1}$: a power series in $L^2/r$.",
    ),
    solution=r"""
(a) $\mathbb E\,\mathbb 1[N \ge k] = P(N \ge k)$ cancels the denominator, term by term. (The sums may be exchanged since
$\sum_k|\Delta_k|$ is finite.) (b) $\mathbb 1[N \ge j]\,\mathbb 1[N \ge k] = \mathbb 1[N \ge k]$ for $j \le k$, of mean
$P(N \ge k)$, which cancels one of the two denominators: $\Delta_j\Delta_k/P(N \ge j)$ is left. (c) With $|\Delta_k| \le
d\,L^k/k$ the first sum is at most $d^2r\sum_k(L^2/r)^k/k^2$. In the second, the inner sum over $k > j$ is at most
$d\,L^{j+1}/\big((j+1)(1-L)\big)$, so it is at most a constant times $\sum_j(L^2/r)^j/\big(j(j+1)\big)$. Both are finite
for $r \ge L^2$, at equality thanks to the $k^2$ below. For $r < L^2$ there are blocks with such terms, a scalar one of
slope $-L$, for which the first sum diverges, and no term of the second is negative: the estimate is still unbiased, but
an average of many draws hardly settles, since rare long series count for very much. Taking the first few terms always,
and gambling from there on, makes the variance smaller and leaves the condition as it is. (d) No: $e^{\hat S}$ is too
large on average, by Jensen's inequality. Unbiased is the log-density, and the gradient with it.

In the code the last chance is $P(N \ge n)$ and not $P(N = n)$: the series ends with term $n$, so all draws with $N \ge n$
give the same estimate, and their chances add up to $r^{n-1}$.
""",
    cases=_series,
    properties=(
        Property(
            "the estimate is unbiased",
            lambda case, found: torch.allclose(found[0], case["terms"].sum(), rtol=1e-4, atol=1e-4),
        ),
        Property("a variance is not negative", lambda case, found: found[1].item() > -1e-6),
    ),
)
