"""Chapter 02, estimates: the gradient through a sample, and the bound from several samples."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gmlib.exercises.elbo._laws import Cases, normal
from gmlib.exercises.exercise import Exercise, Mistake, Property

FUNCTIONS = {"square": torch.square, "cube": lambda z: z**3, "sin": torch.sin, "exp": torch.exp}


def _draws(generator: torch.Generator) -> Cases:
    laws = {"square": (1.5, 1.0), "cube": (-0.7, 0.6), "sin": (0.4, 1.3), "exp": (0.2, 0.5)}
    return [
        {"f": name, "mean": mean, "std": std, "noise": normal(generator, 5)}
        for name, (mean, std) in laws.items()
    ]


def _call(answer: Any, case: Any) -> Any:
    return answer(FUNCTIONS[case["f"]], case["mean"], case["std"], case["noise"])


def _twice_the_draw(case: Any, found: Tensor) -> bool:
    z = case["mean"] + case["std"] * case["noise"]
    return case["f"] != "square" or torch.allclose(found[0], 2 * z)


PATHWISE = Exercise(
    id="elbo.pathwise",
    title="Unbiased value, biased gradient",
    chapter="02_elbo",
    section="sec-02-gradient",
    difficulty=2,
    minutes=25,
    statement=r"""
The average of $f(z)$ over draws $z \sim q_\phi$ is an unbiased estimate of $\mathbb E_{q_\phi} f$. Show by example
that the $\phi$-gradient of that average, with the draws held fixed, need not be an unbiased estimate of
$\nabla_\phi\, \mathbb E_{q_\phi} f$, and cure it for $q = \mathcal N(\mu, \sigma^2)$.

Then write `pathwise(f, mean, std, noise)`: with $z = \mu + \sigma\varepsilon$, return two rows of $n$ *pathwise*
estimates, one for each entry of `noise`: the derivatives with respect to $\mu$ and with respect to $\sigma$. The
function `f` acts on each entry of a tensor; use autograd for its derivative.
""",
    answer="pathwise",
    stub="""
def pathwise(f, mean, std, noise):
    # f: differentiable; mean, std: numbers; noise: (n,). Returns (2, n):
    # estimates of d/dmean and d/dstd of E f(z).
    ...
""",
    reference="""
def pathwise(f, mean, std, noise):
    z = (mean + std * noise).requires_grad_()
    (slope,) = torch.autograd.grad(f(z).sum(), z)
    return torch.stack([slope, slope * noise])
""",
    mistakes=(
        Mistake(
            "detached",
            (("[slope, slope * noise]", "[0 * slope, 0 * slope]"),),
            "Every estimate is 0. You differentiated the formula but not the dice. What else depends on μ and σ?",
        ),
        Mistake(
            "slope-at-the-mean",
            (("(mean + std * noise)", "(mean + 0 * noise)"),),
            "All draws give the same slope. At which point is f differentiated?",
        ),
        Mistake(
            "score-function",
            (
                (
                    "[slope, slope * noise]",
                    "[f(z) * noise / std, f(z) * (noise**2 - 1) / std]",
                ),
            ),
            "Unbiased, but the other estimate: it reweighs the draws where the exercise asks you to "
            "move them. Where is f'?",
        ),
        Mistake(
            "std-without-noise",
            (("slope * noise]", "slope]"),),
            "Your two rows are equal. How far does z = μ + σε move when σ grows by a little, and is "
            "that the same for every ε?",
        ),
        Mistake(
            "log-std",
            (("slope * noise]", "slope * noise * std]"),),
            "Your second row is a derivative with respect to log σ. Which one is asked for?",
        ),
        Mistake(
            "averaged",
            (("[slope, slope * noise])", "[slope, slope * noise]).mean(-1)"),),
            "You return the averages. Keep the n estimates apart: their spread is the point.",
        ),
    ),
    hints=(
        r"Take $f(z) = z^2$ and $q = \mathcal N(\mu, 1)$. What is $\mathbb E f$, what is its "
        r"derivative, and what does the average $\frac1n\sum_i z_i^2$ with fixed "
        r"numbers $z_i$ say about $\mu$?",
        r"Write the draw as a function of the parameters and of noise that does not depend on them. "
        r"Then the derivative may go inside the expectation.",
    ),
    solution=r"""
Take $f(z) = z^2$ and $q = \mathcal N(\mu, 1)$. Then $\mathbb E f = \mu^2 + 1$ with derivative $2\mu$, but
$\frac1n\sum_i z_i^2$ with the $z_i$ held fixed does not contain $\mu$ at all: the naive gradient is 0 for every
$\mu$. In general
$\nabla_\phi\, \mathbb E_{q_\phi} f = \mathbb E_q[\nabla_\phi f] + \mathbb E_q[f\, \nabla_\phi \log q_\phi]$, and
holding the draws fixed drops the second term.

The cure is to make the dependence visible: $z = \mu + \sigma\varepsilon$ with $\varepsilon$ free of parameters. By
the chain rule $\partial_\mu f(z) = f'(z)$ and $\partial_\sigma f(z) = f'(z)\,\varepsilon$, and since the law of
$\varepsilon$ is fixed, derivative and expectation may be exchanged. For the example one estimate is
$2(\mu + \varepsilon)$, with mean $2\mu$.
""",
    cases=_draws,
    call=_call,
    properties=(Property("for f(z) = z² the first row is 2z", _twice_the_draw),),
)


def _weights(generator: torch.Generator) -> Cases:
    cases: Cases = [
        {"log_weights": 1.5 * normal(generator, k, n) - 2} for k, n in ((1, 3), (2, 4), (5, 2), (8, 3))
    ]
    return [*cases, {"log_weights": normal(generator, 4, 2) - 2000}]


def _between(case: Any, found: Tensor) -> bool:
    log_weights = case["log_weights"]
    low, high = log_weights.mean(0) - 1e-9, log_weights.amax(0) + 1e-9
    return bool((found >= low).all() and (found <= high).all())


IWAE = Exercise(
    id="elbo.iwae",
    title="A bound from several samples",
    chapter="02_elbo",
    section="sec-02-iwae",
    difficulty=1,
    minutes=15,
    statement=r"""
Write `iwae(log_weights)` for {eq}`eq-02-iwae`: the argument holds $\log \omega_k$, $K$ samples in the rows and $n$ data
points in the columns. Return one number for each data point. The log-weights of an image can be as low as $-2000$;
the result must stay finite.

Before you run it: what must the result be when all $K$ weights are equal? And between which two numbers, easy to
read off the $\log \omega_k$, must it always lie?
""",
    answer="iwae",
    stub="""
def iwae(log_weights):
    # log_weights: (K, n). Returns the importance-weighted bound of each
    # data point, shape (n,).
    ...
""",
    reference="""
def iwae(log_weights):
    K = log_weights.shape[0]
    return torch.logsumexp(log_weights, dim=0) - math.log(K)
""",
    mistakes=(
        Mistake(
            "mean-of-logs",
            (("torch.logsumexp(log_weights, dim=0) - math.log(K)", "log_weights.mean(0)"),),
            "Your K = 50 equals your K = 1. What is averaged first, the weights or their logarithms?",
        ),
        Mistake(
            "no-log-k",
            ((" - math.log(K)", ""),),
            "Off by exactly log K. What is the average of K equal weights?",
        ),
        Mistake(
            "underflow",
            (
                (
                    "torch.logsumexp(log_weights, dim=0) - math.log(K)",
                    "log_weights.exp().mean(0).log()",
                ),
            ),
            "Right for weights near 1, and -inf for log-weights near -2000: exp(-2000) is 0 on a "
            "computer. What can be taken out of the sum?",
        ),
        Mistake(
            "wrong-axis",
            (("dim=0", "dim=-1"), ("log_weights.shape[0]", "log_weights.shape[-1]")),
            "You average over the data points. Which axis holds the samples?",
        ),
        Mistake(
            "best-sample",
            (("torch.logsumexp(log_weights, dim=0) - math.log(K)", "log_weights.amax(0)"),),
            "You take the best of K samples. With K large that lies above log p(x). What is averaged?",
        ),
        Mistake(
            "loss-for-bound",
            (("return torch", "return -torch"), ("- math.log(K)", "+ math.log(K)")),
            "This is the loss. The bound is what you want to be large.",
        ),
    ),
    hints=(
        r"$\log \frac1K\sum_k \omega_k = \log\sum_k e^{\log \omega_k} - \log K$.",
        r"Take the largest log-weight out of the sum first; PyTorch does it in `torch.logsumexp`.",
    ),
    solution=r"""
With $m = \max_k \log \omega_k$, $\log\frac1K\sum_k \omega_k = m + \log\sum_k e^{\log \omega_k - m} - \log K$: no
exponent is above zero, and one is exactly zero, so nothing overflows and the sum is not zero. Equal weights give
their common logarithm, whatever $K$. By Jensen's inequality the result is at least the mean of the $\log \omega_k$,
and an average is at most its largest member, so it is at most $m$.
""",
    cases=_weights,
    properties=(
        Property("the bound lies between the mean and the largest of the log-weights", _between),
        Property("the bound is finite", lambda case, found: bool(torch.isfinite(found).all())),
    ),
)
