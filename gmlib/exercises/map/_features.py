"""Chapter 01, scores of samples in a feature space: inception score and Fréchet distance."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from gmlib.exercises.exercise import Exercise, Mistake, Property
from gmlib.exercises.map._cases import F64, Cases, law


def _labels(generator: torch.Generator) -> Cases:
    cases: Cases = [
        {"probs": (2 * law(generator, n, C).log()).softmax(-1)} for n, C in ((4, 3), (6, 5), (5, 2))
    ]
    sure = torch.eye(4, dtype=F64)[torch.tensor([0, 1, 1, 3, 0])]
    sure[4] = law(generator, 4)
    return [*cases, {"probs": sure}, {"probs": law(generator, 3).expand(4, 3).clone()}]


def _in_range(case: Any, found: Tensor) -> bool:
    return bool(-1e-9 <= found <= math.log(case["probs"].shape[1]) + 1e-9)


def _blind(case: Any, found: Tensor) -> bool:
    probs = case["probs"]
    return not torch.equal(probs, probs[:1].expand_as(probs)) or abs(found.item()) < 1e-6


INCEPTION = Exercise(
    id="map.inception-score",
    title="A score that is an information",
    chapter="01_map",
    section="sec-01-apart",
    difficulty=2,
    minutes=20,
    statement=r"""
A classifier gives each sample $x$ of a model a law $p(y \mid x)$ over $C$ labels. The *inception score* is
$\mathrm{IS} = \exp \mathbb E_x \mathrm{KL}\big(p(y \mid x) \,\|\, p(y)\big)$ with
$p(y) = \mathbb E_x\, p(y \mid x)$, both expectations over the model's samples. Show that
$\log \mathrm{IS} = H(y) - H(y \mid x)$ is the mutual information of image and label, and that
$1 \le \mathrm{IS} \le C$. When are the two ends reached? Which model with only $C$ different pictures has the best
possible score?

Then write `log_inception_score(probs)` from the classifier's laws for $n$ samples, in nats. A classifier may be
certain, and $0 \log 0 = 0$.
""",
    answer="log_inception_score",
    stub="""
def log_inception_score(probs):
    # probs: (n, C), p(y | x) of n samples of the model. Returns log IS, a
    # number in nats.
    ...
""",
    reference="""
def log_inception_score(probs):
    marginal = probs.mean(0)
    entropy = torch.special.entr(marginal).sum()
    expected_entropy = torch.special.entr(probs).sum(-1).mean()
    return entropy - expected_entropy
""",
    mistakes=(
        Mistake(
            "uniform-marginal",
            (("torch.special.entr(marginal).sum()", "math.log(probs.shape[1])"),),
            "Samples that all have the same label get a high score from you. Whose labels does p(y) count: "
            "those of an ideal model, or those of this one?",
        ),
        Mistake(
            "variety-only",
            (("entropy - expected_entropy", "entropy"),),
            "You measured how varied the labels are. Give the classifier grey noise, about which it knows "
            "nothing: should that score high?",
        ),
        Mistake(
            "sharpness-only",
            (("return entropy - expected_entropy", "return -expected_entropy"),),
            "You measured how sure the classifier is. A model that always draws the same perfect picture: "
            "should it score as high as one with all labels?",
        ),
        Mistake(
            "sign",
            (("return entropy - expected_entropy", "return expected_entropy - entropy"),),
            "An information is never negative. Which of the two entropies is larger?",
        ),
        Mistake(
            "nan-when-certain",
            (("torch.special.entr(probs)", "-(probs * probs.log())"),),
            "Right unless the classifier is certain; then you get nan. What should 0 log 0 be?",
        ),
        Mistake(
            "log-outside",
            (
                (
                    "return entropy - expected_entropy",
                    "kl = -torch.special.entr(probs) - torch.special.xlogy(probs, marginal)\n"
                    "    return kl.sum(-1).exp().mean().log()",
                ),
            ),
            "You average the exponentials of the KLs. Which comes first in the score, the average or the "
            "exponential?",
        ),
        Mistake(
            "not-the-log",
            (("return entropy - expected_entropy", "return (entropy - expected_entropy).exp()"),),
            "This is the score itself. Its logarithm is asked for.",
        ),
    ),
    hints=(
        r"Write the KL as $\sum_y p(y \mid x)\log p(y \mid x) - \sum_y p(y \mid x)\log p(y)$ and average each "
        r"part over $x$.",
        r"An entropy of $C$ labels lies between 0 and $\log C$; and the mutual information is a KL itself.",
    ),
    solution=r"""
Averaged over $x$, the first part of the KL is $-\mathbb E_x H(p(y \mid x)) = -H(y \mid x)$. In the second,
$\mathbb E_x p(y \mid x) = p(y)$, so it is $-\sum_y p(y)\log p(y) = H(y)$: together $H(y) - H(y \mid x) = I(x; y)$.
As an average of KLs it is at least 0, with equality if and only if $p(y \mid x)$ is the same for all samples. It is
at most $H(y) \le \log C$, with equality if every sample is certain and all labels are equally frequent.

One picture for each label, all of them classified with certainty, reaches $\mathrm{IS} = C$: the score does not see
variety within a label, nor copying. And the identity holds only if $p(y)$ is the average over the *model's own*
samples; with a foreign marginal $r(y)$ the number is larger by $\mathrm{KL}(p(y) \,\|\, r(y))$, a reward for having
the wrong frequencies.
""",
    cases=_labels,
    properties=(
        Property("the result lies between 0 and log C", _in_range),
        Property("if the classifier says the same about all samples, log IS is 0", _blind),
    ),
)


def _sizes(generator: torch.Generator) -> Cases:
    sizes = torch.randint(40, 900, (5, 2), generator=generator).tolist()
    return [{"dim": dim, "n": n, "m": m} for dim, (n, m) in zip((1, 2, 4, 16, 64), sizes, strict=True)]


def _on_the_line(case: Any, found: Tensor) -> bool:
    per_draw = 1 / case["n"] + 1 / case["m"]
    due = torch.tensor([per_draw, per_draw / 2], dtype=F64)
    return found.shape == (2,) and (case["dim"] != 1 or torch.allclose(found, due, atol=1e-6))


FRECHET_BIAS = Exercise(
    id="map.frechet-bias",
    title="How far apart are two samples of one law?",
    chapter="01_map",
    section="sec-01-frechet",
    difficulty=3,
    minutes=40,
    statement=r"""
The squared Fréchet distance of two normal laws is
$\lVert m_1 - m_2\rVert^2 + \operatorname{tr}\big(V_1 + V_2 - 2(V_1V_2)^{1/2}\big)$. In
practice means and covariances come from samples. Let *both* samples, of sizes $n$ and $m$, be drawn from
$\mathcal N(0, I_d)$, so that the truth is 0. Derive the leading terms, of order $1/n$ and $1/m$, of what one
measures on average:

- for the means;
- for the covariances, with $V_1 = I + A$ and $V_2 = I + B$ for small symmetric $A$ and $B$. Show first
  that the trace term is $\tfrac14\lVert A - B\rVert_F^2$ to second order, where $\lVert\cdot\rVert_F^2$ is the sum of
  the squares of all entries.

Then write `leading_bias(dim, n, m)` that returns the two parts, that of the means first. What is their sum at
$d = 64$ and $n = m = 2000$?
""",
    answer="leading_bias",
    stub="""
def leading_bias(dim, n, m):
    # dim: d; n, m: sizes of the two samples. Returns a tensor of two numbers,
    # the leading bias from the means and from the covariances.
    ...
""",
    reference="""
def leading_bias(dim, n, m):
    per_draw = 1 / n + 1 / m
    squared_entries = dim * 2 + dim * (dim - 1) * 1
    parts = [dim * per_draw, squared_entries * per_draw / 4]
    return torch.tensor(parts, dtype=torch.float64)
""",
    mistakes=(
        Mistake(
            "one-sample",
            (("1 / n + 1 / m", "1 / n"),),
            "Your bias does not see the size of the second sample. Which of the two means is known exactly?",
        ),
        Mistake(
            "diagonal-like-the-rest",
            (("dim * 2 + dim * (dim - 1) * 1", "dim * dim"),),
            "Right but for the diagonal of the covariances. What is the variance of x² for a standard normal "
            "x, and what that of x·y for two of them?",
        ),
        Mistake(
            "off-diagonal-once",
            (("dim * 2 + dim * (dim - 1) * 1", "dim * 2 + dim * (dim - 1) / 2"),),
            "You counted the free entries of a symmetric matrix. How often does each of them stand in the sum "
            "of all squares?",
        ),
        Mistake(
            "no-quarter",
            (("per_draw / 4]", "per_draw]"),),
            "Your second part is four times too large. In one dimension, how far does the standard deviation "
            "move when the variance moves by a little?",
        ),
        Mistake(
            "half-for-quarter",
            (("per_draw / 4]", "per_draw / 2]"),),
            "Your second part is twice too large. Expand tr(V₁ + V₂ − 2(V₁V₂)^½) once more, for numbers "
            "instead of matrices: (√(1 + a) − √(1 + b))².",
        ),
        Mistake(
            "means-like-one-number",
            (("[dim * per_draw,", "[per_draw,"),),
            "The mean's part is that of a single coordinate. How many of them are squared and added?",
        ),
        Mistake(
            "standard-errors",
            (("1 / n + 1 / m", "n**-0.5 + m**-0.5"),),
            "Twice the data should halve the bias, and yours falls more slowly. Does the squared distance "
            "hold standard errors or their squares?",
        ),
    ),
    hints=(
        r"A squared distance of two noisy numbers has the mean (difference of the truths)² plus the two "
        r"variances. Here the truths agree.",
        r"For numbers the trace term is $(\sqrt{1 + a} - \sqrt{1 + b})^2$. For matrices, expand "
        r"$(V_1V_2)^{1/2}$'s trace to second order, or use that $V_1 = I$ and small $B$ give "
        r"$\operatorname{tr}(I + \tfrac12 B - \tfrac18 B^2)$.",
        r"The entries of a sample covariance of $\mathcal N(0, I)$ have variance about $2/n$ on the diagonal "
        r"and $1/n$ off it.",
    ),
    solution=r"""
*Means.* $\hat m_1 - \hat m_2 \sim \mathcal N\big(0, (\tfrac1n + \tfrac1m) I\big)$, so the expected square is
$d\,(\tfrac1n + \tfrac1m)$, exactly.

*Covariances.* $\operatorname{tr}(V_1V_2)^{1/2}$ is the trace of the root of
$M = V_1^{1/2}V_2V_1^{1/2}$. To second order $V_1^{1/2} = I + \tfrac12 A - \tfrac18 A^2$, so
$M = I + E$ with $\operatorname{tr} E = \operatorname{tr}(A + B + AB)$ and
$\operatorname{tr} E^2 = \operatorname{tr}(A + B)^2$. With
$\operatorname{tr}\sqrt{I + E} \approx d + \tfrac12 \operatorname{tr} E - \tfrac18\operatorname{tr} E^2$,

$$
\operatorname{tr}(2I + A + B) - 2\operatorname{tr}\sqrt{I + E}
\approx -\operatorname{tr} AB + \tfrac14\operatorname{tr}(A + B)^2 = \tfrac14\operatorname{tr}(A - B)^2 .
$$

The $d$ diagonal entries of $A$ have variance $\approx 2/n$ and the $d(d - 1)$ others $\approx 1/n$, together
$d(d + 1)/n$; likewise for $B$, independently. So the second part is $\tfrac14 d(d + 1)(\tfrac1n + \tfrac1m)$. For
$n = m = N$ the sum is $\frac{2d}{N} + \frac{d(d + 1)}{2N}$: 0.064 + 1.040 = 1.104 at $d = 64$, $N = 2000$, for two
perfect samples, and more than many differences between models that one would like to see. The bias is proportional
to $1/N$ while $d \ll N$, which is what extrapolation uses; at $d \approx N$ the expansion is worthless.
""",
    cases=_sizes,
    properties=(
        Property(
            "on the line, where the squared distance is (m₁ − m₂)² + (σ₁ − σ₂)², the parts are 1/n + 1/m and "
            "half of that",
            _on_the_line,
        ),
    ),
)
