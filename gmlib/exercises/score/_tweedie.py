"""Chapter 08, Tweedie's formula: the score of blurred data points is a denoiser."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gmlib.exercises.exercise import Exercise, Mistake, Property
from gmlib.exercises.score._cases import Cases, normal


def _clouds(generator: torch.Generator) -> Cases:
    cases: Cases = [
        {"noisy": 1.2 * normal(generator, m, d), "data": normal(generator, n, d), "sigma": sigma}
        for m, n, d, sigma in ((3, 5, 2, 0.6), (4, 3, 1, 0.4), (2, 6, 3, 1.4))
    ]
    return [*cases, {"noisy": 80 + normal(generator, 2, 2), "data": normal(generator, 4, 2), "sigma": 0.5}]


def _among_the_data(case: Any, found: Tensor) -> bool:
    low, high = case["data"].amin(0) - 1e-6, case["data"].amax(0) + 1e-6
    return bool((found[1] >= low).all() and (found[1] <= high).all())


def _finite(case: Any, found: Tensor) -> bool:
    return bool(torch.isfinite(found).all())


TWEEDIE = Exercise(
    id="score.tweedie",
    title="The score is a denoiser",
    chapter="08_score_matching",
    section="sec-08-tweedie",
    difficulty=2,
    minutes=25,
    statement=r"""
Derive {eq}`eq-08-tweedie`: for $\tilde x = x + \sigma\varepsilon$ with $x$ from any law, the posterior mean
$\mathbb E[x \mid \tilde x]$ is determined by $\tilde x$ and the score of the noised law at $\tilde x$.

Now let the law be that of $n$ data points, each with probability $1/n$. Write `score_and_mean(noisy, data, sigma)`,
which returns for every row of `noisy` the score $\nabla\log q_\sigma(\tilde x)$ and, from it, the posterior mean.
Points far from all data must get finite numbers.
""",
    answer="score_and_mean",
    stub="""
def score_and_mean(noisy, data, sigma):
    # noisy: (m, d); data: (n, d); sigma: a number. Returns (2, m, d): the
    # scores, then the posterior means.
    ...
""",
    reference="""
def score_and_mean(noisy, data, sigma):
    squares = torch.cdist(noisy, data).square()
    shares = torch.softmax(-squares / (2 * sigma**2), dim=1)
    score = (shares @ data - noisy) / sigma**2
    mean = noisy + sigma**2 * score
    return torch.stack([score, mean])
""",
    mistakes=(
        Mistake(
            "away-from-the-data",
            (
                ("(shares @ data - noisy)", "(noisy - shares @ data)"),
                ("noisy + sigma**2", "noisy - sigma**2"),
            ),
            "Your mean is right and your score has the wrong sign. Does your arrow point back to the data or away?",
        ),
        Mistake(
            "denoises-the-wrong-way",
            (("noisy + sigma**2", "noisy - sigma**2"),),
            "Your posterior mean is further from the data than the noisy point. Where does the score point?",
        ),
        Mistake(
            "score-divided-once",
            (("noisy) / sigma**2", "noisy) / sigma"),),
            "Units: a score is one over a length. What are the units of yours?",
        ),
        Mistake(
            "score-of-the-noise",
            (("noisy) / sigma**2", "noisy) / sigma"), ("noisy + sigma**2", "noisy + sigma")),
            "Your mean is right. Your other answer is minus the guessed noise, which has no unit; a score is one over a "
            "length. What is between the two?",
        ),
        Mistake(
            "sigma-once",
            (("noisy + sigma**2", "noisy + sigma"),),
            "Right at σ = 1. A score is one over a length; what must it be multiplied by to give a length?",
        ),
        Mistake(
            "exponent-without-2",
            (("(2 * sigma**2)", "sigma**2"),),
            "Your shares are too sure of the nearest point. What divides the squared distance in the exponent of a "
            "normal law?",
        ),
        Mistake(
            "equal-shares",
            (("torch.softmax(-squares / (2 * sigma**2), dim=1)", "torch.ones_like(squares) / len(data)"),),
            "You denoise everything to the middle of the data. All points are equally likely before x̃ is seen; are "
            "they after?",
        ),
        Mistake(
            "underflow",
            (
                (
                    "torch.softmax(-squares / (2 * sigma**2), dim=1)",
                    "torch.nn.functional.normalize(torch.exp(-squares / (2 * sigma**2)), p=1, dim=1, eps=0)",
                ),
            ),
            "Right near the data, and nan far away: exp of a very negative number is 0 on a computer. What may be "
            "subtracted from all exponents without changing the shares?",
        ),
    ),
    hints=(
        r"Differentiate $q_\sigma(\tilde x) = \int p(x)\,\mathcal N(\tilde x;\, x, \sigma^2 I)\,dx$ under the "
        r"integral sign.",
        r"The posterior of a uniform law on $n$ points is a softmax. Of what?",
    ),
    solution=r"""
$\nabla q_\sigma(\tilde x) = \int p(x)\,q(\tilde x \mid x)\,\frac{x - \tilde x}{\sigma^2}\,dx$. Divide by
$q_\sigma(\tilde x)$: the weight becomes the posterior, and
$\nabla\log q_\sigma(\tilde x) = \big(\mathbb E[x \mid \tilde x] - \tilde x\big)/\sigma^2$. Solve for the mean:
$\mathbb E[x \mid \tilde x] = \tilde x + \sigma^2\,\nabla\log q_\sigma(\tilde x)$. The law of $x$ has disappeared from
the formula.

For $n$ equally likely points the posterior shares are the softmax of $-\lVert\tilde x - x_i\rVert^2/2\sigma^2$ (which
subtracts the largest exponent first), the mean is their average of the data, and the score is that mean minus
$\tilde x$, over $\sigma^2$. This is the exact optimum of a denoiser with finitely many training points: for small
$\sigma$ it returns the nearest one. A network that generalises is one that does *not* reach it.
""",
    cases=_clouds,
    properties=(
        Property("the numbers are finite everywhere", _finite),
        Property("a posterior mean lies among the data, coordinate by coordinate", _among_the_data),
    ),
)
