"""Chapter 11, measurements: the score of what was seen, with and without what x_t leaves open."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gmlib.exercises.exercise import Exercise, Mistake, Property
from gmlib.exercises.guidance._cases import Cases, normal, number, numbers, uniform


def _measurements(generator: torch.Generator) -> Cases:
    # One number, seen at 1: where the whole score given y vanishes, x_t is the mean of its law given y.
    cases: Cases = [
        {
            "x": numbers(0.8 * 0.6)[:, None],
            "y": numbers(1.0),
            "matrix": numbers(1.0)[:, None],
            "var": numbers(1.0),
            "noise_var": 0.25,
            "alpha": 0.6,
            "sigma": 0.8,
        }
    ]
    for n, m, d in ((2, 1, 2), (3, 2, 3), (2, 2, 2)):
        alpha = number(generator, 0.3, 0.8)
        x, y, matrix = normal(generator, n, d), normal(generator, m), normal(generator, m, d)
        case = {"x": x, "y": y, "matrix": matrix, "var": uniform(generator, 0.4, 2.0, d)}
        cases.append(
            case | {"noise_var": number(generator, 0.1, 0.5), "alpha": alpha, "sigma": 1 - alpha / 2}
        )
    # Nothing is seen.
    blind = torch.zeros_like(cases[1]["matrix"])
    return [*cases, cases[1] | {"matrix": blind}]


def _zero_at_the_mean(case: Any, found: Tensor) -> bool:
    # The prior's score of N(0, 1) is -x.
    return found.shape[1:] != (1, 1) or bool((found[0] - case["x"]).abs().max() < 1e-9)


def _nothing_seen(case: Any, found: Tensor) -> bool:
    return bool(case["matrix"].any()) or bool((found.abs() < 1e-12).all())


HALF_SEEN = Exercise(
    id="guidance.half-seen",
    title="The pull of a measurement",
    chapter="11_guidance",
    section="sec-11-measured",
    difficulty=3,
    minutes=45,
    statement=r"""
Of normal data $x_0 \sim \mathcal N(0, \operatorname{diag}(v))$ in $d$ dimensions something was measured: $y = Ax_0 +
\sigma_y\varepsilon'$, with a matrix $A$ (some pixels, a blur). A sampler is to draw from the law of $x_0$ given $y$,
and needs $\nabla_{x_t}\log p(y \mid x_t)$.

(a) Given $x_t = \alpha x_0 + \sigma\varepsilon$, what are mean $\hat x_0$ and covariance $C$ of $x_0$? (b) What is then
the law of $y$ given $x_t$, and its score in $x_t$? Compare with {eq}`eq-11-measured`. (c) A shortcut puts $\hat x_0$ in
the place of $x_0$: $p(y \mid x_t) \approx \mathcal N(y;\, A\hat x_0,\, \sigma_y^2I)$. By which factor is its pull too
strong in one dimension, with $A = 1$? At which end of the chain? (d) What will its samples look like?

Write `measured_scores(x, y, matrix, var, noise_var, alpha, sigma)`: the score of (b), and that of the shortcut.
""",
    answer="measured_scores",
    stub="""
def measured_scores(x, y, matrix, var, noise_var, alpha, sigma):
    # x: (n, d), noised points; y: (m,); matrix: (m, d); var: (d,), the prior's
    # variances; noise_var: the measurement's; alpha, sigma: numbers.
    # Returns (2, n, d): with the covariance of x0 given x, and without.
    ...
""",
    reference="""
def measured_scores(x, y, matrix, var, noise_var, alpha, sigma):
    noised = alpha**2 * var + sigma**2
    moves = alpha * var / noised  # how the guess of x0 moves with x
    left = sigma**2 * var / noised
    gap = y - (moves * x) @ matrix.T
    own = noise_var * torch.eye(len(y), dtype=x.dtype)
    spread = own + matrix @ torch.diag(left) @ matrix.T
    scores = []
    for covariance in (spread, own):
        pull = torch.linalg.solve(covariance, gap.T).T
        scores.append(moves * (pull @ matrix))
    return torch.stack(scores)
""",
    mistakes=(
        Mistake(
            "certain-of-the-guess",
            (("in (spread, own)", "in (own, own)"),),
            "In the noise the guess of x₀ knows nothing, and you pull as if it were the truth. How far from the guess may"
            " x₀ be, given x_t, and what does that do to y?",
        ),
        Mistake(
            "prior-s-covariance",
            (("left = sigma**2 * var / noised", "left = var + 0 * noised"),),
            "You leave as open as if x_t had never been seen. What is the variance of x₀ when it has been?",
        ),
        Mistake(
            "noise-s-covariance",
            (("left = sigma**2 * var / noised", "left = (sigma / alpha) ** 2 + 0 * var"),),
            "That is what x_t alone leaves open. Far out in the noise it grows without limit: who else has something to "
            "say of x₀?",
        ),
        Mistake(
            "jacobian-forgotten",
            (("scores.append(moves * (pull @ matrix))", "scores.append(pull @ matrix)"),),
            "That is the gradient in the guess. The question is about x_t: how much does the guess move with it?",
        ),
        Mistake(
            "rescaled-for-the-guess",
            (("(moves * x) @ matrix.T", "(x / alpha) @ matrix.T"),),
            "You measure x_t divided by α, noise and all. What is the best guess of the clean point?",
        ),
        Mistake(
            "noisy-point-measured",
            (("(moves * x) @ matrix.T", "x @ matrix.T"),),
            "You compare y with a measurement of the noised point. Which point was measured?",
        ),
        Mistake(
            "pushed-away",
            (("gap = y - (moves * x) @ matrix.T", "gap = (moves * x) @ matrix.T - y"),),
            "Your score leads away from what was seen. Which sign has the derivative of minus a square?",
        ),
        Mistake(
            "alpha-forgotten",
            (("moves = alpha * var / noised", "moves = var / noised"),),
            "Your guess is that of data which were not shrunk. Regress x₀ on x_t: what is their covariance?",
        ),
    ),
    hints=(
        r"$x_0$ and $x_t$ are jointly normal; the covariance of the two is $\alpha\operatorname{diag}(v)$.",
        r"$y - A\hat x_0 = A(x_0 - \hat x_0) + \sigma_y\varepsilon'$. The covariance of the first term is $ACA^\top$, and"
        r" $C$ does not depend on $x_t$.",
    ),
    solution=r"""
(a) Coordinate by coordinate, with $V = \alpha^2v + \sigma^2$: $\hat x_0 = \frac{\alpha v}V\,x_t$ and $C =
\frac{\sigma^2v}V$, as diagonal matrices.

(b) $y \mid x_t \sim \mathcal N(A\hat x_0,\ ACA^\top + \sigma_y^2I)$, and with $J = \partial\hat x_0/\partial x_t =
\alpha v/V$

$$
\nabla_{x_t}\log p(y \mid x_t) = J^\top A^\top\big(ACA^\top + \sigma_y^2I\big)^{-1}(y - A\hat x_0) .
$$

For normal data that is exact, since $x_0$ given $x_t$ is normal with a covariance that does not depend on $x_t$.

(c) By $1 + C/\sigma_y^2$. At the data's end $C$ is 0 and the shortcut is right; at the noise's end $C$ is $v$. With $v
= 1$ and $\sigma_y^2 = \tfrac14$ the pull is five times too strong there.

(d) Too near to what was measured, and too much alike. Seen is $y = 1$; the law of $x_0$ given $y$ is $\mathcal N(0.8,
0.2)$. DDPM's 1000 steps with the covariance give the mean 0.800 and the variance 0.2007, with the shortcut 0.982 and
0.125; without noise in the steps (DDIM) the shortcut gives 1.275 and 0.018, farther than the measurement itself.
""",
    cases=_measurements,
    properties=(
        Property(
            "with prior and measurement, the score vanishes at the mean of x_t given y", _zero_at_the_mean
        ),
        Property("where nothing is seen, nothing pulls", _nothing_seen),
    ),
)
