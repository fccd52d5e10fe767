"""Chapter 09, the bound: what a step costs, and what all of them cost for normal data."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from gmlib.exercises.diffusion._cases import Cases, chain, ddpm_chain, uniform
from gmlib.exercises.exercise import Exercise, Mistake, Property


def _prices(generator: torch.Generator) -> Cases:
    cases: Cases = []
    for steps in (3, 4, 6):
        betas = chain(generator, steps)
        cases.append({"betas": betas, "variances": betas[1:] * (0.3 + uniform(generator, steps - 1))})
    betas = chain(generator, 5)
    return [*cases, {"betas": betas, "variances": _beta_tilde(betas)}]


def _beta_tilde(betas: Tensor) -> Tensor:
    bar = (1 - betas).cumprod(0)
    return betas[1:] * (1 - bar[:-1]) / (1 - bar[1:])


def _free_where_equal(case: Any, found: Tensor) -> bool:
    exact = torch.allclose(case["variances"], _beta_tilde(case["betas"]))
    return bool((found[1] > -1e-9).all()) and (not exact or bool(found[1].abs().max() < 1e-7))


def _positive(case: Any, found: Tensor) -> bool:
    return found.shape[1] == len(case["betas"]) - 1 and bool((found[0] > 0).all())


PRICE = Exercise(
    id="diffusion.price-of-noise",
    title="The price of a wrong guess",
    chapter="09_ddpm",
    section="sec-09-noise",
    difficulty=2,
    minutes=30,
    statement=r"""
The cost of step $k \ge 2$ is the KL divergence {eq}`eq-09-bound` from $q(x_{k-1} \mid x_k, x_0)$, which is
$\mathcal N(\tilde\mu, \tilde\beta_k I)$, to the model's $\mathcal N(\mu_\theta, \tilde\sigma_k^2 I)$. Both means are
written with noise, {eq}`eq-09-mean`: the true one with $\varepsilon$, the model's with its guess.

Show that the cost is $\omega_k\lVert\varepsilon - \hat\varepsilon\rVert^2 + d\,c_k$ in $d$ dimensions. Find the weight
$\omega_k$ and the constant $c_k$. For which $\tilde\sigma_k^2$ is $c_k = 0$? Why is the sum over $k$ of the unweighted
errors not a bound on anything?

Write `price_of_noise(betas, variances)`: weights and constants of the steps 2 to $T$.
""",
    answer="price_of_noise",
    stub="""
def price_of_noise(betas, variances):
    # betas: (T,), of the steps 1 to T; variances: (T - 1,), the model's, of
    # the steps 2 to T. Returns (2, T - 1): the weights, then the constants.
    ...
""",
    reference="""
def price_of_noise(betas, variances):
    bar = (1 - betas).cumprod(0)
    before, now, beta = bar[:-1], bar[1:], betas[1:]
    weights = beta**2 / (2 * variances * (1 - beta) * (1 - now))
    ratio = beta * (1 - before) / (1 - now) / variances
    constants = 0.5 * (ratio - 1 - ratio.log())
    return torch.stack([weights, constants])
""",
    mistakes=(
        Mistake(
            "price-squared",
            (("2 * variances * (1 - beta)", "2 * variances**2 * (1 - beta)"),),
            "Measure the pixels in other units: nats must stay what they are, and yours change. By which power of the "
            "variance is a squared distance divided in a normal law's logarithm?",
        ),
        Mistake(
            "no-half",
            (("(2 * variances *", "(variances *"),),
            "Twice the right weight. What stands in front of the square in a normal law's logarithm?",
        ),
        Mistake(
            "beta-not-squared",
            (("beta**2 /", "beta /"),),
            "The distance of the means is proportional to β_k. What enters the divergence, the distance or its square?",
        ),
        Mistake(
            "no-bar",
            (("(1 - beta) * (1 - now))", "(1 - beta) * beta)"),),
            "You divide by the noise of one step. How much noise has gathered in x_k since x₀?",
        ),
        Mistake(
            "bar-of-the-time-before",
            (("(1 - beta) * (1 - now))", "(1 - beta) * (1 - before))"),),
            "Your weights are too large, most of all in the first steps. The noise that is guessed is in x_k: has the "
            "step been taken there or not?",
        ),
        Mistake(
            "bar-in-front",
            (("* (1 - beta) * (1 - now)", "* now * (1 - now)"),),
            "Your weights explode at the noisy end: the factor in front of the mean undoes one step there, not all.",
        ),
        Mistake(
            "no-constant",
            (("0.5 * (ratio - 1 - ratio.log())", "0 * ratio"),),
            "You compare the means and not the widths. How far is a normal law from a wider one with the same mean?",
        ),
        Mistake(
            "turned-around",
            (("(1 - now) / variances", "(1 - now) / variances; ratio = 1 / ratio"),),
            "Your constant belongs to the divergence from the model to the truth. Which of the two laws is averaged "
            "over?",
        ),
        Mistake(
            "index-off-by-one",
            (
                (
                    "before, now, beta = bar[:-1], bar[1:], betas[1:]",
                    "before, now, beta = bar[:-1], bar[1:], betas[:-1]",
                ),
            ),
            "With the model's variance equal to that of the true step your constant is not 0. Which β belongs to the "
            "step from k to k − 1?",
        ),
    ),
    hints=(
        r"$\mathrm{KL}\big(\mathcal N(\mu, aI) \,\Vert\, \mathcal N(\nu, bI)\big) = \tfrac d2\big(\tfrac ab - 1 - "
        r"\log\tfrac ab\big) + \tfrac1{2b}\lVert\mu - \nu\rVert^2$.",
        r"In the difference of the two means $x_k$ drops out.",
    ),
    solution=r"""
For normal laws with covariances $\tilde\beta_k I$ and $\tilde\sigma_k^2 I$,

$$
\mathrm{KL} = \frac{\lVert\tilde\mu - \mu_\theta\rVert^2}{2\tilde\sigma_k^2} +
  \frac d2\Big(\frac{\tilde\beta_k}{\tilde\sigma_k^2} - 1 - \log\frac{\tilde\beta_k}{\tilde\sigma_k^2}\Big) .
$$

The difference of the means is $\frac{\beta_k}{\sqrt{1 - \beta_k}\sqrt{1 - \bar\alpha_k}}(\hat\varepsilon - \varepsilon)$,
which gives

$$
\omega_k = \frac{\beta_k^2}{2\tilde\sigma_k^2\,(1 - \beta_k)(1 - \bar\alpha_k)} , \qquad
c_k = \tfrac12\Big(\frac{\tilde\beta_k}{\tilde\sigma_k^2} - 1 - \log\frac{\tilde\beta_k}{\tilde\sigma_k^2}\Big) .
$$

$c_k = 0$ exactly for $\tilde\sigma_k^2 = \tilde\beta_k$. It matters in the first steps only: on DDPM's chain with
$\tilde\sigma_k^2 = \beta_k$ it is 0.12 nats a coordinate at $k = 2$, and below 0.0001 from $k = 92$ on. One over the
variance, not over its square: a weight with $\tilde\sigma_k^4$ changes when pixels are counted from 0 to 255 instead
of $-1$ to 1, and a number of nats for the step must not.

With the same variance the weight falls from 0.27 at $k = 2$ to 0.0050 at $k = 349$ and rises again, to 0.0102 at
$k = 1000$. The unweighted sum charges all steps alike. As a loss for training that is a choice, and a good one for
pictures; as a number it is not the price of anything.
""",
    cases=_prices,
    properties=(
        Property("a constant is never negative, and 0 where the variances agree", _free_where_equal),
        Property("there is one positive weight for each step from 2 on", _positive),
    ),
)


def _laws(generator: torch.Generator) -> Cases:
    cases: Cases = [{"var": 1.0, "betas": ddpm_chain()}, {"var": 1.0, "betas": chain(generator, 4)}]
    for var, steps in ((0.3, 5), (2.5, 3), (0.6, 8)):
        cases.append({"var": var, "betas": chain(generator, steps)})
    return cases


def _entropy(var: float) -> float:
    return 0.5 * math.log(2 * math.pi * math.e * var)


def _above_the_entropy(case: Any, found: Tensor) -> bool:
    return bool(found >= _entropy(case["var"]) - 1e-6)


def _tight_at_rest(case: Any, found: Tensor) -> bool:
    return case["var"] != 1.0 or bool((found - _entropy(1.0)).abs() < 1e-6)


TIGHT = Exercise(
    id="diffusion.tight-bound",
    title="A bound that leaks nothing",
    chapter="09_ddpm",
    section="sec-09-bound",
    difficulty=3,
    minutes=45,
    statement=r"""
The data have the law $\mathcal N(0, v)$, and the model is as good as a model of the form {eq}`eq-09-bound` can be with
$\tilde\sigma_k^2 = \beta_k$ for all $k \ge 1$ (so that $p_\theta(x_0 \mid x_1)$ is a normal density of variance
$\beta_1$): it guesses the noise by {eq}`eq-09-oracle`, and its errors are {eq}`eq-09-floors`.

(a) Find $L_T$, $L_{k-1}$ and $L_0$ in nats, each averaged over the data. (b) Show that for $v = 1$ their sum is
$\tfrac12\log 2\pi e$ for *every* chain, with however many steps. (c) Why is that not luck? And why does the bound leak
for $v \ne 1$?

Write `whole_bound(var, betas)`: the sum $L_T + \sum_{k \ge 2} L_{k-1} + L_0$, for data with variance `var`.
""",
    answer="whole_bound",
    stub="""
def whole_bound(var, betas):
    # var: the data's variance, a number; betas: (T,). Returns nats, a number.
    ...
""",
    reference="""
def whole_bound(var, betas):
    now = (1 - betas).cumprod(0)
    ratio = (1 - now[:-1]) / (1 - now[1:])
    error = now * var / (now * var + 1 - now)
    weight = betas / (2 * (1 - betas) * (1 - now))
    prior = 0.5 * (now[-1] * (var - 1) - torch.log(1 - now[-1]))
    widths = 0.5 * (ratio - 1 - ratio.log()).sum()
    last = 0.5 * torch.log(2 * math.pi * betas[0])
    # In the first step the weight is that of the reconstruction.
    return prior + (weight * error).sum() + widths + last
""",
    mistakes=(
        Mistake(
            "sum-of-simple-losses",
            (("prior + (weight * error).sum() + widths + last", "error.sum()"),),
            "On N(0, 1) and DDPM's chain you get 275.5 where 1.4189 is due. Each step's KL has a price per unit of error. "
            "Where is ω_k, and is it the same for all k?",
        ),
        Mistake(
            "weights-left-out",
            (("(weight * error).sum()", "error.sum()"),),
            "All other terms are there, and your noise errors are added as they are. What does the bound pay for a unit "
            "of error in step k?",
        ),
        Mistake(
            "widths-left-out",
            ((" + widths", ""),),
            "You compare the means of the steps only, and your bound falls below the entropy, which no model can beat. "
            "How far is a normal law from a wider one with the same mean?",
        ),
        Mistake(
            "prior-left-out",
            (("return prior + ", "return "),),
            "For a short chain your bound is below the entropy, which no model can beat. Where does the model start, "
            "and where does the chain end?",
        ),
        Mistake(
            "reconstruction-without-error",
            (("(weight * error).sum()", "(weight * error)[1:].sum()"),),
            "Your last step is a density at its own peak. How far from it is x₀, in mean square?",
        ),
        Mistake(
            "just-the-entropy",
            (
                (
                    "prior + (weight * error).sum() + widths + last",
                    "0.5 * math.log(2 * math.pi * math.e * var) + 0 * last",
                ),
            ),
            "That is what no model can beat, and this one reaches it for one variance only. Which of its pieces is "
            "wrong for the others?",
        ),
        Mistake(
            "clean-error",
            (("error = now * var /", "error = (1 - now) * var /"),),
            "This is the error of the guessed clean point, and your weight is that of noise. Which is due?",
        ),
        Mistake(
            "in-bits",
            (
                (
                    "return prior + (weight * error).sum() + widths + last",
                    "return (prior + (weight * error).sum() + widths + last) / math.log(2)",
                ),
            ),
            "Your number is in bits. A nat is log₂ e bits; which is asked for?",
        ),
    ),
    hints=(
        r"$L_0$ has a normal law with variance $\beta_1$ around the guess of $x_0$. Its mean squared error over $2\beta_1$ "
        r"is $\omega_1$ times that of the noise.",
        r"For $v = 1$ and $k \ge 2$, all of $L_{k-1}$ but its logarithm cancels. Then the logarithms telescope.",
    ),
    solution=r"""
(a) $L_T$ is a KL between $\mathcal N(\sqrt{\bar\alpha_T}\,x_0, 1 - \bar\alpha_T)$ and $\mathcal N(0, 1)$, with mean
$\tfrac12\big(\bar\alpha_T v - \bar\alpha_T - \log(1 - \bar\alpha_T)\big)$. With $\tilde\sigma_k^2 = \beta_k$ the weight
is $\omega_k = \frac{\beta_k}{2(1 - \beta_k)(1 - \bar\alpha_k)}$, the error $\bar\alpha_k v/V_k$, and
$\tilde\beta_k/\beta_k = \frac{1 - \bar\alpha_{k-1}}{1 - \bar\alpha_k} = \rho_k$, so that

$$
L_{k-1} = \omega_k\,\frac{\bar\alpha_k v}{V_k} + \tfrac12\big(\rho_k - 1 - \log\rho_k\big), \qquad
L_0 = \tfrac12\log 2\pi\beta_1 + \frac{\beta_1 v/V_1}{2\beta_1} .
$$

The last fraction is $\omega_1\,\bar\alpha_1 v/V_1$, since $1 - \bar\alpha_1 = \beta_1$ and $\bar\alpha_1 = 1 - \beta_1$.

(b) For $v = 1$, $V_k = 1$, and
$2\omega_k\bar\alpha_k + \rho_k = \frac{\beta_k\bar\alpha_{k-1} + 1 - \bar\alpha_{k-1}}{1 - \bar\alpha_k} = 1$. What is
left of $L_{k-1}$ is $\tfrac12\log\frac{1 - \bar\alpha_k}{1 - \bar\alpha_{k-1}}$, and the sum telescopes to
$\tfrac12\log\frac{1 - \bar\alpha_T}{\beta_1}$. Add $L_T = -\tfrac12\log(1 - \bar\alpha_T)$ and
$L_0 = \tfrac12\log 2\pi\beta_1 + \tfrac12$.

(c) The bound is tight if the model's steps back are the true ones. At $v = 1$ the true step back is normal with the
variance $\beta_k$ ({eq}`eq-09-true-variance`), the guess is exact, and $x_T$ is $\mathcal N(0, 1)$
exactly. For other $v$ the variance $\beta_k$ is wrong in every step, and $x_T$ is not quite $\mathcal N(0, 1)$. With
many steps both leaks are small: for $v = \tfrac14$ DDPM's chain loses 0.0011 nats.
""",
    cases=_laws,
    properties=(
        Property("no bound is below the entropy of the data, ½ log 2πev", _above_the_entropy),
        Property("for data of variance 1 it is the entropy", _tight_at_rest),
    ),
)
