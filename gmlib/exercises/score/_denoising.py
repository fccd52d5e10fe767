"""Chapter 08, denoising: the target that can be computed, and what the loss is at best."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gmlib.exercises.exercise import Exercise, Mistake, Property
from gmlib.exercises.score._cases import Cases, balanced, normal, uniform


def _draws(generator: torch.Generator) -> Cases:
    x, noise = balanced(1.0)
    cases: Cases = [{"x": x, "noise": noise, "sigma": 0.5}]
    for n, scale, sigma in ((12, 1.5, 0.4), (9, 0.6, 0.7), (15, 2.0, 1.6)):
        cases.append({"x": scale * normal(generator, n), "noise": normal(generator, n), "sigma": sigma})
    return cases


def _points_back(case: Any, found: Tensor) -> bool:
    x, noise = case["x"], case["noise"]
    return bool((x * noise).sum().abs() > 1e-9) or bool(found < 0)


SLOPE = Exercise(
    id="score.denoising-target",
    title="The target of denoising, and where it leads",
    chapter="08_score_matching",
    section="sec-08-denoising",
    difficulty=1,
    minutes=20,
    statement=r"""
A clean point $x$ is blurred, $\tilde x = x + \sigma\varepsilon$. Compute $\nabla_{\tilde x}\log q(\tilde x \mid x)$
and write it in terms of $\varepsilon$ alone. This is the target on which {eq}`eq-08-denoising` regresses the model's
score at $\tilde x$. Show that the best model is
$\mathbb E\big[\nabla_{\tilde x}\log q(\tilde x \mid x) \mid \tilde x\big]$, and that this is
$\nabla\log q_\sigma(\tilde x)$.

On the line, let the model be $s(\tilde x) = a\tilde x$. Write `denoising_slope(x, noise, sigma)`: the $a$ that
minimises the denoising loss on the draws given. What does it tend to for data from $\mathcal N(0, 1)$?
""",
    answer="denoising_slope",
    stub="""
def denoising_slope(x, noise, sigma):
    # x, noise: (n,), clean points and standard noise; sigma: a number.
    # Returns the best slope, a number.
    ...
""",
    reference="""
def denoising_slope(x, noise, sigma):
    noisy = x + sigma * noise
    target = -noise / sigma
    return (noisy * target).sum() / noisy.square().sum()
""",
    mistakes=(
        Mistake(
            "away-from-the-data",
            (("= -noise / sigma", "= noise / sigma"),),
            "Your slope has the wrong sign. Does your arrow point back to the data or away?",
        ),
        Mistake(
            "undivided-noise",
            (("= -noise / sigma", "= -noise"),),
            "The direction is right, the length is not. Units: a score is one over a length. What are the units of ε?",
        ),
        Mistake(
            "displacement",
            (("= -noise / sigma", "= -noise * sigma"),),
            "Your target is the way back to the clean point, a length. Units: a score is one over a length. Which "
            "law's logarithm did you differentiate?",
        ),
        Mistake(
            "divided-twice",
            (("= -noise / sigma", "= -noise / sigma**2"),),
            "Units: a score is one over a length, and yours is one over an area. Is it the noise ε that belongs "
            "over σ², or the displacement x̃ − x?",
        ),
        Mistake(
            "score-of-the-clean-data",
            (("(noisy * target).sum() / noisy.square().sum()", "-1 / x.square().mean()"),),
            "This slope does not depend on the noise. Whose score did you regress on, the data's or the blurred "
            "data's?",
        ),
        Mistake(
            "model-at-the-clean-point",
            (("(noisy * target).sum() / noisy.square().sum()", "(x * target).sum() / x.square().sum()"),),
            "Your slope is noise around 0, because x and ε are independent. Which point does the model get to see?",
        ),
    ),
    hints=(
        r"$\log q(\tilde x \mid x) = -\lVert\tilde x - x\rVert^2/2\sigma^2 + \text{const}$. The gradient is taken "
        r"in $\tilde x$.",
        r"A least-squares fit through the origin of $y$ on $u$ has the slope $\sum uy / \sum u^2$. What are $u$ "
        r"and $y$?",
    ),
    solution=r"""
The gradient is $-(\tilde x - x)/\sigma^2 = -\varepsilon/\sigma$: from the noisy point back to the clean one, divided
by $\sigma^2$. The minimiser of a mean square is the conditional mean of the target. And since
$q_\sigma(\tilde x) = \int p(x)\,q(\tilde x \mid x)\,dx$,

$$
\nabla\log q_\sigma(\tilde x) = \frac{\int p(x)\,\nabla_{\tilde x} q(\tilde x \mid x)\,dx}{q_\sigma(\tilde x)}
  = \mathbb E\big[\nabla_{\tilde x}\log q(\tilde x \mid x) \,\big|\, \tilde x\big].
$$

The fit is least squares through the origin. For data from $\mathcal N(0, v)$,
$\mathbb E\,\tilde x\cdot(-\varepsilon/\sigma) = -1$ and $\mathbb E\tilde x^2 = v + \sigma^2$, so the slope tends to
$-1/(v + \sigma^2)$: it is the score of the *blurred* data, and not $-1/v$. A denoising model is right about
$q_\sigma$, and about the data only as far as the two agree.
""",
    cases=_draws,
    properties=(
        Property("when x and ε are uncorrelated, the arrow points back: the slope is negative", _points_back),
    ),
)


def _variances(generator: torch.Generator) -> Cases:
    return [
        {"var": 0.3 + 2 * uniform(generator, d), "sigma": sigma}
        for d, sigma in ((1, 0.5), (3, 0.7), (4, 1.6), (2, 0.2))
    ]


def _between(case: Any, found: Tensor) -> bool:
    return found.dim() == 0 and bool(0 < found < len(case["var"]) / (2 * case["sigma"] ** 2))


FLOOR = Exercise(
    id="score.denoising-floor",
    title="What the denoising loss cannot go below",
    chapter="08_score_matching",
    section="sec-08-denoising",
    difficulty=2,
    minutes=30,
    statement=r"""
Show that for every field $s$

$$
\mathbb E\,\tfrac12\big\lVert s(\tilde x) - \nabla_{\tilde x}\log q(\tilde x \mid x)\big\rVert^2
    = D_F(q_\sigma \,\|\, s) + C,
$$

and find $C$, which does not depend on $s$, in terms of $d$, $\sigma$ and
$\mathbb E\lVert\nabla\log q_\sigma\rVert^2$. So the loss of a perfect model is $C$, and not 0.

Write `denoising_floor(var, sigma)`: $C$ for data from $\mathcal N(m, V)$ with the diagonal covariance
$V = \mathrm{diag}(v_1, \dots, v_d)$. What happens to it as $\sigma \to 0$, and what does that do to the gradient of
the loss?
""",
    answer="denoising_floor",
    stub="""
def denoising_floor(var, sigma):
    # var: (d,), the variances of the data; sigma: a number. Returns the
    # least denoising loss, a number.
    ...
""",
    reference="""
def denoising_floor(var, sigma):
    target = 1 / sigma**2
    explained = 1 / (var + sigma**2)
    return 0.5 * (target - explained).sum()
""",
    mistakes=(
        Mistake(
            "no-half",
            (("0.5 * (target", "(target"),),
            "Twice the right number. What stands in front of the square in the loss?",
        ),
        Mistake(
            "score-of-the-clean-data",
            (("1 / (var + sigma**2)", "1 / var"),),
            "For data narrower than the noise your least mean square is negative. Whose score does the perfect model "
            "return, the data's or the blurred data's?",
        ),
        Mistake(
            "nothing-explained",
            (("(target - explained)", "(target - 0 * explained)"),),
            "This is the loss of s = 0. Does a perfect model explain nothing of the target?",
        ),
        Mistake(
            "one-dimension-of-noise",
            (("(target - explained).sum()", "(target - explained.sum())"),),
            "Right on the line only. How large is the mean of ‖ε‖² in d dimensions?",
        ),
        Mistake(
            "mean-over-coordinates",
            (("explained).sum()", "explained).mean()"),),
            "Give the data a second, independent copy of every coordinate: your loss stays. Is a squared norm a sum or an "
            "average?",
        ),
        Mistake(
            "std-for-variance",
            (("(var + sigma**2)", "(var**2 + sigma**2)"),),
            "Right where the variance is 1. What does the second argument of this book's 𝒩(m, V) hold?",
        ),
    ),
    hints=(
        r"A mean square around the conditional mean: $\mathbb E\lVert s - y\rVert^2 = \mathbb E\lVert s - \mathbb "
        r"E[y \mid \tilde x]\rVert^2 + \mathbb E\lVert y - \mathbb E[y \mid \tilde x]\rVert^2$.",
        r"The last term is $\mathbb E\lVert y\rVert^2 - \mathbb E\lVert\mathbb E[y \mid \tilde x]\rVert^2$. You "
        r"know $y$ and its conditional mean.",
    ),
    solution=r"""
Write $y = -\varepsilon/\sigma$ for the target. Its conditional mean given $\tilde x$ is
$\nabla\log q_\sigma(\tilde x)$, and $s(\tilde x)$ is a function of $\tilde x$ alone, so the mixed term of
$\lVert (s - \mathbb E[y \mid \tilde x]) + (\mathbb E[y \mid \tilde x] - y)\rVert^2$ has mean 0. The first square
gives $D_F$. The second gives the constant

$$
C = \tfrac12\big(\mathbb E\lVert y\rVert^2 - \mathbb E\lVert\nabla\log q_\sigma\rVert^2\big)
  = \tfrac12\Big(\frac d{\sigma^2} - \mathbb E\lVert\nabla\log q_\sigma\rVert^2\Big).
$$

For the Gaussian $\nabla_j\log q_\sigma = -(\tilde x_j - m_j)/(v_j + \sigma^2)$ has the mean square
$1/(v_j + \sigma^2)$, and $C = \tfrac12\sum_j\frac{v_j}{\sigma^2(v_j + \sigma^2)}$. As $\sigma \to 0$ it grows like
$d/2\sigma^2$ while $D_F$ stays: the part of the loss that says something about the model drowns, and the spread of
its gradient grows like $1/\sigma$. Two trained models may be compared by their loss, at the same $\sigma$; a value
alone means nothing until $C$ is known.
""",
    cases=_variances,
    properties=(
        Property(
            "a perfect model has a positive loss, and a smaller one than s = 0, which has d/2σ²", _between
        ),
    ),
)
