"""Chapter 02, where the bound leads: a shifted optimum, and soft pictures."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gmlib.exercises.elbo._laws import Cases, law, normal
from gmlib.exercises.exercise import Exercise, Mistake, Property


def _slope(theta: Tensor, *, gap: bool) -> float:
    """Slope of the average log-likelihood of data with variance 5, or of that minus the diagonal family's gap."""
    theta = theta.detach().requires_grad_()
    variance = 1 + 2 * theta**2
    average = -0.5 * (variance.log() + 5 / variance)
    if gap:
        ones = torch.ones(2, 2, dtype=torch.float64)
        posterior = torch.eye(2, dtype=torch.float64) + theta**2 * ones
        average = average - 0.5 * (posterior.diagonal().log().sum() - torch.logdet(posterior))
    (slope,) = torch.autograd.grad(average, theta)
    return slope.item()


def _stationary(case: Any, found: Tensor) -> bool:
    return found.shape == (2,) and bool(found[0] > 0) and abs(_slope(found[0], gap=False)) < 3e-3


def _bound_stationary(case: Any, found: Tensor) -> bool:
    return found.shape == (2,) and bool(found[1] > 0) and abs(_slope(found[1], gap=True)) < 3e-3


NOT_MLE = Exercise(
    id="elbo.not-mle",
    title="The bound's favourite is not the most likely",
    chapter="02_elbo",
    section="sec-02-not-mle",
    difficulty=3,
    minutes=35,
    statement=r"""
Let $x = \theta(z_1 + z_2) + \varepsilon$ with $z \sim \mathcal N(0, I_2)$, $\varepsilon \sim \mathcal N(0, 1)$ and
$\theta > 0$, and let the data have mean 0 and variance 5. Derive the gap that the best diagonal normal $q$ leaves
as a function of $\theta$. Which $\theta$ maximises the average log-likelihood, and which the average bound?

Put both numbers, to three digits or more, into `thetas = (theta_likelihood, theta_bound)`.
""",
    answer="thetas",
    stub="""
thetas = None  # (theta_likelihood, theta_bound)
""",
    reference="""
variance = 5.0
u_mle = (variance - 1) / 2
u_bound = ((variance - 4) + math.sqrt((variance - 4) ** 2 + 16 * (variance - 1))) / 8
thetas = (math.sqrt(u_mle), math.sqrt(u_bound))
""",
    mistakes=(
        Mistake(
            "swapped",
            (("(math.sqrt(u_mle), math.sqrt(u_bound))", "(math.sqrt(u_bound), math.sqrt(u_mle))"),),
            "Both numbers are right, in the other order. Which model has the larger gap?",
        ),
        Mistake(
            "theta-squared",
            (("(math.sqrt(u_mle), math.sqrt(u_bound))", "(u_mle, u_bound)"),),
            "You solved for θ². What is asked?",
        ),
        Mistake(
            "no-noise",
            (("(variance - 1) / 2", "variance / 2"),),
            "With your first number the model's variance of x is not 5. How many independent things add up to x?",
        ),
        Mistake(
            "no-gap",
            (("((variance - 4) + math.sqrt((variance - 4) ** 2 + 16 * (variance - 1))) / 8", "u_mle"),),
            "You found the same number twice. Given x, are z₁ and z₂ independent?",
        ),
        Mistake(
            "one-latent",
            (
                ("(variance - 1) / 2", "variance - 1"),
                ("((variance - 4) + math.sqrt((variance - 4) ** 2 + 16 * (variance - 1))) / 8", "u_mle"),
            ),
            "This is the answer for a single latent, where nothing is lost. What is the variance of z₁ + z₂?",
        ),
        Mistake(
            "added-gap",
            (
                (
                    "((variance - 4) + math.sqrt((variance - 4) ** 2 + 16 * (variance - 1))) / 8",
                    "((variance - 2) + math.sqrt((variance - 2) ** 2 - 4 * (1 - variance / 2))) / 2",
                ),
            ),
            "Your bound's maximiser lies to the right of the likelihood's. Does a larger θ make the "
            "posterior easier or harder to guess?",
        ),
    ),
    hints=(
        r"The posterior precision is $I + \theta^2 \mathbf 1 \mathbf 1^\top$. The exercise on diagonal "
        r"guesses gives the gap.",
        r"With $u = \theta^2$ the average bound is, up to a constant, $-\log(1 + u) - \frac{5}{2(1 + 2u)}$.",
    ),
    solution=r"""
Marginally $x \sim \mathcal N(0, 1 + 2\theta^2)$, so the likelihood is largest where $1 + 2\theta^2 = 5$:
$\theta = \sqrt2$. The posterior precision $I + \theta^2\mathbf 1\mathbf 1^\top$ has diagonal $1 + \theta^2$ and
determinant $1 + 2\theta^2$, whatever $x$, so the gap is $\tfrac12[2\log(1 + \theta^2) - \log(1 + 2\theta^2)]$.
Subtract it from $-\tfrac12[\log(1 + 2u) + 5/(1 + 2u)]$ with $u = \theta^2$: the terms $\log(1 + 2u)$ cancel and
$-\log(1 + u) - \frac{5}{2(1 + 2u)}$ remains. Its derivative vanishes where $5(1 + u) = (1 + 2u)^2$, that is
$4u^2 - u - 4 = 0$, $u = (1 + \sqrt{65})/8$. The bound prefers a smaller $\theta$, because a smaller $\theta$ leaves
the two latents less correlated.
""",
    rtol=1e-3,
    properties=(
        Property("the average log-likelihood does not rise or fall at your first number", _stationary),
        Property("the average bound does not rise or fall at your second number", _bound_stationary),
    ),
)


def _codebooks(generator: torch.Generator) -> Cases:
    return [
        {"x": normal(generator, n, d), "data": law(generator, n), "encoder": law(generator, n, k)}
        for n, d, k in ((3, 1, 2), (4, 2, 2), (6, 3, 4), (5, 2, 3))
    ]


def _least(case: Any, found: Tensor) -> bool:
    joint = case["data"][:, None] * case["encoder"]

    def error(points: Tensor) -> Tensor:
        return (joint * torch.cdist(case["x"], points).square()).sum()

    if found.shape != (joint.shape[1], case["x"].shape[1]):
        return False
    away = torch.linspace(-1, 1, found.numel(), dtype=torch.float64).reshape(found.shape)
    return all(bool(error(found + step * away) >= error(found)) for step in (1e-3, -1e-3, 0.1, -0.1))


BEST_DECODER = Exercise(
    id="elbo.best-decoder",
    title="Why decoder means are soft",
    chapter="02_elbo",
    section="sec-02-mnist",
    difficulty=1,
    minutes=20,
    statement=r"""
Fix the encoder. Show that the decoder with the least expected squared error
$\mathbb E_{q(x, z)}\lVert x - \mu(z)\rVert^2$ is the average $\mu^\star(z) = \mathbb E_{q(x \mid z)}[x]$, and say in
one sentence why its pictures are blurred.

Then write `best_decoder(x, data, encoder)` for $n$ images with probabilities `data` and a code with $k$ values: return
the best image of each code.
""",
    answer="best_decoder",
    stub="""
def best_decoder(x, data, encoder):
    # x: (n, d); data: p_data, (n,); encoder: q(z | x), (n, k). Returns the
    # best image for each code, (k, d).
    ...
""",
    reference="""
def best_decoder(x, data, encoder):
    q = data[:, None] * encoder
    weights = q / q.sum(0)
    return weights.T @ x
""",
    mistakes=(
        Mistake(
            "ignores-data",
            (("data[:, None] * encoder", "encoder"),),
            "Right when all images are equally frequent. Who says how often each occurs?",
        ),
        Mistake(
            "hard-codes",
            (
                (
                    "data[:, None] * encoder",
                    "data[:, None] * torch.nn.functional.one_hot(encoder.argmax(1), encoder.shape[1])",
                ),
            ),
            "You send each image to its likeliest code only. What does a stochastic encoder do with "
            "the rest of its probability?",
        ),
        Mistake(
            "not-normalised",
            (("q / q.sum(0)", "q"),),
            "Your images are too dark: the weights of a code do not sum to 1. What is q(x | z) in terms of q(x, z)?",
        ),
        Mistake(
            "encoder-for-posterior",
            (("q / q.sum(0)", "q / q.sum(1, keepdim=True)"),),
            "You weigh with q(z | x). Which of x and z is given when you decode?",
        ),
        Mistake(
            "transposed",
            (("weights.T @ x", "x.T @ weights"),),
            "The numbers are right; one row for each code is asked for.",
        ),
    ),
    hints=(
        r"For one code $z$ the error is a weighted sum of squared distances to a single point $\mu(z)$. "
        r"Differentiate with respect to that point.",
        r"The weights are $q(x \mid z) = q(x, z)/q(z)$, and $q(x, z) = p_{\text{data}}(x)\, q(z \mid x)$.",
    ),
    solution=r"""
The error is $\sum_z q(z) \sum_x q(x \mid z) \lVert x - \mu(z)\rVert^2$, and each code has a point of its own. For a
fixed $z$ add and subtract $m = \mathbb E_{q(x \mid z)}[x]$: the inner sum is
$\sum_x q(x \mid z)\lVert x - m\rVert^2 + \lVert m - \mu(z)\rVert^2$, least at $\mu(z) = m$. If a code is compatible
with an edge in several places, $m$ is the average of pictures with the edge here and there: a soft edge that no
single picture has.
""",
    cases=_codebooks,
    properties=(Property("moving the decoded images does not lower the squared error", _least),),
)
