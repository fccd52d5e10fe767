"""Chapter 01, kernels: a bump on every data point, and the distance of two samples."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Normal

from gmlib.exercises.exercise import Exercise, Mistake, Property
from gmlib.exercises.map._cases import F64, Cases, normal, uniform


def _clouds(generator: torch.Generator) -> Cases:
    cases: Cases = [
        {"points": normal(generator, m, d), "data": normal(generator, n, d), "bandwidth": bandwidth}
        for m, n, d, bandwidth in ((4, 6, 2, 0.3), (3, 8, 3, 0.7), (5, 5, 1, 0.4), (2, 4, 5, 2.0))
    ]
    once = normal(generator, 1, 2).expand(6, 2).clone()
    far = 300 + normal(generator, 3, 2)
    return [
        *cases,
        {"points": normal(generator, 3, 2), "data": once, "bandwidth": 0.6},
        {"points": far, "data": normal(generator, 5, 2), "bandwidth": 0.5},
    ]


def _below_one_bump(case: Any, found: Tensor) -> bool:
    d = case["data"].shape[1]
    return bool((found <= -d * math.log(case["bandwidth"]) - d / 2 * math.log(2 * math.pi) + 1e-9).all())


def _one_place(case: Any, found: Tensor) -> bool:
    data = case["data"]
    if not torch.equal(data, data[:1].expand_as(data)):
        return True
    return torch.allclose(
        found, Normal(data[0], case["bandwidth"]).log_prob(case["points"]).sum(-1), atol=1e-6
    )


KDE = Exercise(
    id="map.kernel-density",
    title="A bump on every point, in d dimensions",
    chapter="01_map",
    section="sec-01-kde",
    difficulty=1,
    minutes=20,
    statement=r"""
A kernel density estimate puts the same bump on each of $n$ data points and averages:
$p(x) = \frac1n\sum_i \mathcal K_\ell(x - x_i)$, where $\mathcal K_\ell(u)$ is the kernel $\mathcal K$, a density on
$\mathbb R^d$, stretched by the bandwidth $\ell$. What stands in front of $\mathcal K(u/\ell)$ so that the integral
stays 1? Derive mean and covariance of $p$ for the Gaussian kernel.

Then write `kernel_log_density(points, data, bandwidth)` for that kernel, $\mathcal K_\ell = \mathcal N(0, \ell^2 I)$.
Points far from all data must get a finite number.
""",
    answer="kernel_log_density",
    stub="""
def kernel_log_density(points, data, bandwidth):
    # points: (m, d); data: (n, d); bandwidth: a number. Returns log p at
    # each point, shape (m,).
    ...
""",
    reference="""
def kernel_log_density(points, data, bandwidth):
    n, d = data.shape
    squares = torch.cdist(points, data).square() / bandwidth**2
    log_bump = -0.5 * squares - d * math.log(bandwidth) - 0.5 * d * math.log(2 * math.pi)
    return torch.logsumexp(log_bump, dim=1) - math.log(n)
""",
    mistakes=(
        Mistake(
            "bandwidth-once",
            (("- d * math.log(bandwidth)", "- math.log(bandwidth)"),),
            "Right on the line, wrong elsewhere. Halve the bandwidth in the plane: how many times higher must "
            "the bump get to keep its volume?",
        ),
        Mistake(
            "no-bandwidth-in-front",
            ((" - d * math.log(bandwidth)", ""),),
            "A wider bump is as high as a narrow one in yours. Integrate it over a grid: what do you get?",
        ),
        Mistake(
            "pi-once",
            (("0.5 * d * math.log(2 * math.pi)", "0.5 * math.log(2 * math.pi)"),),
            "Right on the line, wrong elsewhere. A normal law in d dimensions is a product of how many?",
        ),
        Mistake(
            "underflow",
            (("torch.logsumexp(log_bump, dim=1) - math.log(n)", "log_bump.exp().mean(1).log()"),),
            "Right near the data, and -inf far away: exp of a very negative number is 0 on a computer. What "
            "can be taken out of the sum?",
        ),
        Mistake(
            "no-average",
            ((" - math.log(n)", ""),),
            "Off by exactly log n. The sum of n bumps has the integral n; what should it have?",
        ),
        Mistake(
            "mean-of-logs",
            (("torch.logsumexp(log_bump, dim=1) - math.log(n)", "log_bump.mean(1)"),),
            "Your estimate is one wide bump in the middle of the data, however many clusters there are. What "
            "is averaged, the bumps or their logarithms?",
        ),
        Mistake(
            "bandwidth-not-squared",
            (("/ bandwidth**2", "/ bandwidth"),),
            "Measure everything in centimetres instead of metres, and your exponent changes. What are the "
            "units of a squared distance?",
        ),
        Mistake(
            "no-half",
            (("-0.5 * squares", "-squares"),),
            "Your bumps are too narrow. Where does the exponent of a normal law carry a ½?",
        ),
    ),
    hints=(
        r"Substitute $u = \ell w$ in $\int \mathcal K(u/\ell)\,du$ over $\mathbb R^d$.",
        r"A draw from $p$ is a data point, chosen at random, plus independent noise $\ell\varepsilon$.",
        r"$\log\frac1n\sum_i e^{a_i}$ is `torch.logsumexp(a, dim) - math.log(n)`.",
    ),
    solution=r"""
With $u = \ell w$, $\int\mathcal K(u/\ell)\,du = \ell^d\int\mathcal K(w)\,dw = \ell^d$, so
$\mathcal K_\ell(u) = \ell^{-d}\,\mathcal K(u/\ell)$: the bandwidth to the power $d$, once for each axis. A draw is
$x_I + \ell\varepsilon$ with a uniform index $I$, so the mean is the sample mean, and the covariance is the sample
covariance (with divisor $n$) plus $\ell^2 I$: smoothing never makes the law narrower. In logarithms each bump is
$-\tfrac12\lVert x - x_i\rVert^2/\ell^2 - d\log\ell - \tfrac d2\log 2\pi$, and the average of bumps is a log-sum-exp
minus $\log n$, which stays finite at any distance because the largest exponent is taken out first.
""",
    cases=_clouds,
    properties=(
        Property("the density is finite everywhere", lambda case, found: bool(torch.isfinite(found).all())),
        Property("the estimate is nowhere higher than a single bump at its top", _below_one_bump),
        Property("if all data lie in one place, the estimate is a normal law", _one_place),
    ),
)


def _samples(generator: torch.Generator) -> Cases:
    cases: Cases = [
        {"x": normal(generator, n, d), "y": shift + normal(generator, m, d), "bandwidth": bandwidth}
        for n, m, d, shift, bandwidth in ((5, 7, 1, 1.0, 1.0), (8, 6, 2, 0.5, 0.8), (4, 9, 3, 0.0, 1.7))
    ]
    # Interleaved points: nearer to the other sample than to their own.
    even = torch.arange(0, 12, 2, dtype=F64) + 0.2 * uniform(generator, 6)
    odd = torch.arange(1, 13, 2, dtype=F64) + 0.2 * uniform(generator, 6)
    return [*cases, {"x": even[:, None], "y": odd[:, None], "bandwidth": 0.9}]


def _with_diagonal(case: Any, found: Tensor) -> bool:
    def pairs(a: Tensor) -> Tensor:
        return torch.exp(-torch.pdist(a).square() / (2 * case["bandwidth"] ** 2)).mean()

    n, m = len(case["x"]), len(case["y"])
    return bool(found + (1 - pairs(case["x"])) / n + (1 - pairs(case["y"])) / m >= -1e-9)


def _not_above_two(case: Any, found: Tensor) -> bool:
    return found.dim() == 0 and bool(-1.0 <= found <= 2.0)


MMD = Exercise(
    id="map.unbiased-mmd",
    title="A squared distance that may be negative",
    chapter="01_map",
    section="sec-01-mmd",
    difficulty=2,
    minutes=25,
    statement=r"""
With a kernel $\kappa$, the squared maximum mean discrepancy of two laws is

$$
\mathrm{MMD}^2(p, q) = \mathbb E\,\kappa(x, x') + \mathbb E\,\kappa(y, y') - 2\,\mathbb E\,\kappa(x, y),
$$

where $x, x' \sim p$ and $y, y' \sim q$ are all independent. From samples $x_1, \dots, x_n$ and $y_1, \dots, y_m$,
replace each expectation by an average, in such a way that the estimate is unbiased. Which pairs must be left out,
and why? For $p = q$, what is then the mean of the estimate, and what would it be with those pairs left in? Show
that an unbiased estimate must be negative now and then.

Write `unbiased_mmd2(x, y, bandwidth)`, the unbiased estimate with the kernel
$\kappa(a, b) = \exp\big(-\lVert a - b\rVert^2 / 2\ell^2\big)$ of bandwidth $\ell$.
""",
    answer="unbiased_mmd2",
    stub="""
def unbiased_mmd2(x, y, bandwidth):
    # x: (n, d); y: (m, d); bandwidth: a number. Returns the unbiased
    # estimate of the squared MMD, a number.
    ...
""",
    reference="""
def unbiased_mmd2(x, y, bandwidth):
    def kernel(a, b):
        return torch.exp(-torch.cdist(a, b).square() / (2 * bandwidth**2))

    n, m = len(x), len(y)
    within_x = (kernel(x, x).sum() - n) / (n * (n - 1))
    within_y = (kernel(y, y).sum() - m) / (m * (m - 1))
    return within_x + within_y - 2 * kernel(x, y).mean()
""",
    mistakes=(
        Mistake(
            "diagonal-left-in",
            (
                ("(kernel(x, x).sum() - n) / (n * (n - 1))", "kernel(x, x).mean()"),
                ("(kernel(y, y).sum() - m) / (m * (m - 1))", "kernel(y, y).mean()"),
            ),
            "Two samples of the same law look different to you, the more so the fewer points there are. Some "
            "of your pairs are not a pair of independent points. Which ones?",
        ),
        Mistake(
            "divided-by-n-squared",
            (("(n * (n - 1))", "(n * n)"), ("(m * (m - 1))", "(m * m)")),
            "You left out the right pairs and divide as if they were there. How many are left?",
        ),
        Mistake(
            "cross-term-once",
            (("- 2 * kernel(x, y)", "- kernel(x, y)"),),
            "For p = q your three terms do not cancel. How often does the mixed term occur in ‖a − b‖²?",
        ),
        Mistake(
            "clamped",
            (
                (
                    "within_x + within_y - 2 * kernel(x, y).mean()",
                    "(within_x + within_y - 2 * kernel(x, y).mean()).clamp(min=0)",
                ),
            ),
            "You cut negative values off. If the mean is to be 0 for p = q, can every value be at least 0?",
        ),
        Mistake(
            "bandwidth-without-2",
            (("/ (2 * bandwidth**2)", "/ bandwidth**2"),),
            "Your kernel is narrower than the one in the statement. What divides the squared distance?",
        ),
        Mistake(
            "distance-not-squared",
            (("torch.cdist(a, b).square()", "torch.cdist(a, b)"),),
            "Your kernel has a sharp tip at 0. Does the exponent hold the distance or its square?",
        ),
        Mistake(
            "root",
            (
                (
                    "within_x + within_y - 2 * kernel(x, y).mean()",
                    "(within_x + within_y - 2 * kernel(x, y).mean()).abs().sqrt()",
                ),
            ),
            "You took a root. The *squared* MMD is asked for; what would the root do to an unbiased estimate?",
        ),
    ),
    hints=(
        r"In $\mathbb E\,\kappa(x, x')$ the two points are independent. Which pairs $(x_i, x_j)$ are?",
        r"The mean of $\kappa(x_i, x_i)$ is $\kappa$ at distance 0, the largest value that the kernel has.",
    ),
    solution=r"""
For $i \ne j$ the points $x_i, x_j$ are independent and $\mathbb E\,\kappa(x_i, x_j) = \mathbb E\,\kappa(x, x')$. A pair
$(x_i, x_i)$ instead gives $\kappa(x_i, x_i) = 1$, whatever the law. So the unbiased average runs over the $n(n - 1)$
pairs with $i \ne j$; all $nm$ mixed pairs are independent and stay. For $p = q$ the three means cancel, and the
mean is 0 for every $n$ and $m$. With the diagonal left in, each inner average is
$\frac{n - 1}{n}\,\mathbb E\,\kappa + \frac1n$, so the estimate is too large by
$(\tfrac1n + \tfrac1m)(1 - \mathbb E\,\kappa)$ on average: two samples of one law look different, and the small sample
looks worse. A random variable with mean 0 that is not constantly 0 takes negative values. That is the price of an
estimate that one may average, and why the book reports it with its standard error and does not take its root.
""",
    cases=_samples,
    properties=(
        Property(
            "with the diagonal put back, the estimate is a squared length and not negative", _with_diagonal
        ),
        Property("for this kernel the estimate lies between −1 and 2", _not_above_two),
    ),
)
