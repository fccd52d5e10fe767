"""Chapter 01, held-out data: a gap that is small for the wrong reason."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.distributions import Normal

from gmlib.exercises.exercise import Exercise, Mistake, Property
from gmlib.exercises.map._cases import Cases, normal, uniform


def _halves(generator: torch.Generator) -> Cases:
    cases: Cases = []
    for m, n, d in ((6, 4, 2), (9, 5, 3), (5, 8, 4), (12, 7, 3)):
        spread = 0.5 + 2 * uniform(generator, d)
        cases.append(
            {"train": spread * normal(generator, m, d), "test": 1 + spread * normal(generator, n, d)}
        )
    same = normal(generator, 7, 3)
    return [*cases, {"train": same, "test": same}]


def _difference(case: Any, found: Tensor) -> bool:
    train, test = case["train"], case["test"]
    mean = train.mean(0)
    fitted = Normal(mean, (train - mean).std(correction=0))
    due = fitted.log_prob(train).sum(-1).mean() - fitted.log_prob(test).sum(-1).mean()
    return torch.allclose(found, due, atol=1e-6)


def _no_gap(case: Any, found: Tensor) -> bool:
    return not torch.equal(case["train"], case["test"]) or abs(found.item()) < 1e-6


GAP = Exercise(
    id="map.held-out-gap",
    title="An absurd model that generalises",
    chapter="01_map",
    section="sec-01-likelihood",
    difficulty=3,
    minutes=35,
    statement=r"""
Fit one normal law $\mathcal N(\mu, \sigma^2 I)$ by maximum likelihood to $m$ training points in $\mathbb R^d$:
$d + 1$ parameters in all. As a model of images it is absurd, for its draws are the average image plus grey noise.
Yet its average log-likelihood is nearly the same on training and on held-out images. Why? Show that for data that
do come from such a law the expected gap (training minus held-out, in nats a point, with $d(m - 1) > 2$) is

$$
\mathbb E\,[\text{gap}] = \frac{d(d + 1)}{d(m - 1) - 2} \approx \frac{d + 1}{m},
$$

and say what a small gap does tell you, and what it does not.

Then write `gaussian_gap(train, test)`, with points in the rows: fit $\mu$ and $\sigma^2$ to `train`, and return the
average log-likelihood of `train` minus that of `test`.
""",
    answer="gaussian_gap",
    stub="""
def gaussian_gap(train, test):
    # train: (m, d); test: (n, d). Returns average log p(train) - average
    # log p(test) under N(mu, sigma^2 I) fitted to train: a number in nats.
    ...
""",
    reference="""
def gaussian_gap(train, test):
    mean = train.mean(0)
    variance = (train - mean).square().mean()
    off_train = ((train - mean) ** 2).sum(-1).mean()
    off_test = ((test - mean) ** 2).sum(-1).mean()
    return (off_test - off_train) / (2 * variance)
""",
    mistakes=(
        Mistake(
            "variance-of-a-point",
            (("(train - mean).square().mean()", "(train - mean).square().sum(-1).mean()"),),
            "Your gap is too small by the factor d. Is σ² the variance of one coordinate, or the squared "
            "distance of a whole point from the mean?",
        ),
        Mistake(
            "centred-on-the-test",
            (("((test - mean) ** 2)", "((test - test.mean(0)) ** 2)"),),
            "Move all test points by 10, and your gap stays the same. From which data may the model know its "
            "mean?",
        ),
        Mistake(
            "sign",
            (("(off_test - off_train)", "(off_train - off_test)"),),
            "Held-out data would be likelier than training data in yours. Which of the two did the fit see?",
        ),
        Mistake(
            "no-half",
            (("(2 * variance)", "variance"),),
            "Twice too large. Where does the density of a normal law carry a ½?",
        ),
        Mistake(
            "divisor",
            (
                (
                    "(train - mean).square().mean()",
                    "(train - mean).square().sum() / (train.numel() - train.shape[1])",
                ),
            ),
            "This variance is unbiased. Is it the one that makes the training data most likely?",
        ),
        Mistake(
            "a-variance-each",
            (
                ("(train - mean).square().mean()", "(train - mean).square().mean(0)"),
                ("((train - mean) ** 2).sum(-1).mean()", "((train - mean) ** 2).mean(0)"),
                ("((test - mean) ** 2).sum(-1).mean()", "((test - mean) ** 2).mean(0)"),
                (
                    "return (off_test - off_train) / (2 * variance)",
                    "return ((off_test - off_train) / (2 * variance)).sum()",
                ),
            ),
            "You gave each coordinate a variance of its own: 2d parameters. How many does N(μ, σ²I) have?",
        ),
    ),
    hints=(
        r"The term $\tfrac d2 \log 2\pi\sigma^2$ is the same for both halves, so only squared distances from "
        r"the fitted mean are left. For the training points their average is $d\,\hat\sigma^2$ by the "
        r"definition of $\hat\sigma^2$.",
        r"For a fresh point $\mathbb E\lVert x - \hat\mu\rVert^2 = d\sigma^2(1 + 1/m)$. The two estimates are "
        r"independent, and $m d\,\hat\sigma^2/\sigma^2$ has the chi-squared law with $d(m - 1)$ degrees of "
        r"freedom, whose inverse has the mean $1/(d(m - 1) - 2)$.",
    ),
    solution=r"""
Both averages contain $-\tfrac d2\log 2\pi\hat\sigma^2$, which cancels. Of the rest, the training points have
$-\tfrac{1}{2\hat\sigma^2}\cdot d\hat\sigma^2 = -\tfrac d2$ exactly, and the gap is
$\frac{1}{2\hat\sigma^2}\,\overline{\lVert x_{\text{test}} - \hat\mu\rVert^2} - \tfrac d2$. Given the training data
a fresh point is at the expected squared distance $d\sigma^2 + \lVert\hat\mu - \mu\rVert^2$, on average
$d\sigma^2(1 + 1/m)$; and $\mathbb E[1/\hat\sigma^2] = \frac{md}{\sigma^2 (d(m - 1) - 2)}$, independently of
$\hat\mu$. So

$$
\mathbb E\,[\text{gap}] = \frac d2\Big[\frac{d(m + 1)}{d(m - 1) - 2} - 1\Big] = \frac{d(d + 1)}{d(m - 1) - 2}.
$$

Half of the leading $(d + 1)/m$ is what the fit gains on its own data, the other half is what it loses on new data:
each of $d + 1$ parameters costs $\tfrac{1}{2m}$ twice. (Images are not normal; for them the constant is another
one, but few parameters are still set against many points.) With $d = 784$ and $m = 60\,000$ that is 0.013 nats a
digit, of a log-likelihood that is itself of the order of a thousand. A small gap says that there was enough data to
pin down these few parameters. It says nothing about how far the family is from the data: a model that ignores its
data altogether has a gap of zero on average.
""",
    cases=_halves,
    properties=(
        Property("the result is the average log-likelihood of train minus that of test", _difference),
        Property("on the training data themselves the gap is 0", _no_gap),
    ),
)
