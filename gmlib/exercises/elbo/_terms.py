"""Chapter 02, the two terms of a variational autoencoder: the price of a normal code, and the whole bound."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gmlib.exercises.elbo._laws import Cases, normal
from gmlib.exercises.exercise import Exercise, Mistake, Property
from gmlib.vae import gaussian_kl


def _gaussians(generator: torch.Generator) -> Cases:
    shapes = ((1, 1), (3, 2), (2, 4), (5, 1))
    cases: Cases = [
        {"mean": normal(generator, n, k), "log_std": 0.7 * normal(generator, n, k)} for n, k in shapes
    ]
    return [
        *cases,
        {"mean": torch.zeros(2, 3, dtype=torch.float64), "log_std": torch.zeros(2, 3, dtype=torch.float64)},
    ]


def _vanishes(case: Any, found: Tensor) -> bool:
    at_prior = bool((case["mean"] == 0).all() and (case["log_std"] == 0).all())
    return not at_prior or bool((found.abs() < 1e-9).all())


GAUSSIAN_KL = Exercise(
    id="elbo.gaussian-kl",
    title="The price of a normal code",
    chapter="02_elbo",
    section="sec-02-vae",
    difficulty=1,
    minutes=15,
    statement=r"""
Derive {eq}`eq-02-gaussian-kl`, the KL of $\mathcal N(\mu, \operatorname{diag} \sigma^2)$ from $\mathcal N(0, I)$.
Then write `normal_kl(mean, log_std)` for arguments of shape $(n, k)$: one number for each of the $n$ rows. Mind
that the second argument is $\log\sigma$.
""",
    answer="normal_kl",
    stub="""
def normal_kl(mean, log_std):
    # mean, log_std: (n, k). Returns the KL of each row's law from N(0, I),
    # in nats, shape (n,).
    ...
""",
    reference="""
def normal_kl(mean, log_std):
    variance = torch.exp(2 * log_std)
    per_latent = 0.5 * (mean**2 + variance - 1 - 2 * log_std)
    return per_latent.sum(-1)
""",
    mistakes=(
        Mistake(
            "log-variance",
            (("2 * log_std)\n    per", "log_std)\n    per"), ("- 2 * log_std)", "- log_std)")),
            "Right at σ = 1, wrong elsewhere. Is the argument the log of a standard deviation or of a variance?",
        ),
        Mistake(
            "half-converted",
            (("2 * log_std)\n    per", "log_std)\n    per"),),
            "Right at σ = 1, wrong elsewhere. Which variance do you sample with, and which do you charge for?",
        ),
        Mistake(
            "sign",
            (("0.5 * (", "-0.5 * ("),),
            "A divergence is never negative. Which way round is the logarithm?",
        ),
        Mistake(
            "no-minus-one",
            ((" - 1 - ", " - "),),
            "At μ = 0, σ = 1 the two laws are the same, and your answer is not 0. What is missing per latent?",
        ),
        Mistake(
            "mean-over-latents",
            ((".sum(-1)", ".mean(-1)"),),
            "Right for one latent. With k independent latents, do prices add up or average out?",
        ),
        Mistake(
            "one-number",
            ((".sum(-1)", ".sum()"),),
            "You return one number for the whole batch. Two copies of a point should each get their own price.",
        ),
    ),
    hints=(
        r"The KL is $\mathbb E_q[\log q - \log p]$, and both logarithms are quadratic in $z$. Which "
        r"two moments of $z$ do you need?",
        r"Do one latent first. $\mathbb E_q\,(z - \mu)^2 = \sigma^2$ and $\mathbb E_q\, z^2 = \mu^2 + \sigma^2$.",
    ),
    solution=r"""
The coordinates are independent under both laws, so the KL is a sum over $j$. For one of them,
$\log q(z) - \log p(z) = -\log\sigma - \frac{(z - \mu)^2}{2\sigma^2} + \frac{z^2}{2}$, and with
$\mathbb E_q (z - \mu)^2 = \sigma^2$ and $\mathbb E_q z^2 = \mu^2 + \sigma^2$ the average is
$\tfrac12(\mu^2 + \sigma^2 - 1 - 2\log\sigma)$. In $\sigma$ it is convex with its minimum at $\sigma = 1$, and it
vanishes only at $\mu = 0$, $\sigma = 1$.
""",
    cases=_gaussians,
    properties=(
        Property("a KL is never negative", lambda case, found: bool((found >= -1e-9).all())),
        Property("the KL is 0 when the law is the prior", _vanishes),
        Property(
            "the result has one number for each row",
            lambda case, found: found.shape == case["mean"].shape[:1],
        ),
    ),
)


def _images(generator: torch.Generator) -> Cases:
    cases: Cases = []
    for n, d, k in ((1, 4, 1), (3, 5, 2), (2, 8, 3)):
        x = (torch.rand(n, d, generator=generator) < 0.5).double()
        mean, log_std = normal(generator, n, k), 0.5 * normal(generator, n, k)
        cases.append({"x": x, "logits": normal(generator, n, d), "mean": mean, "log_std": log_std})
    return cases


def _within_price(case: Any, found: Tensor) -> bool:
    square = torch.nn.functional.binary_cross_entropy_with_logits(case["logits"], case["x"], reduction="none")
    return torch.allclose(found, -square.sum(-1) - gaussian_kl(case["mean"], case["log_std"]))


TWO_TERMS = Exercise(
    id="elbo.two-terms",
    title="The bound of a binary VAE",
    chapter="02_elbo",
    section="sec-02-vae",
    difficulty=2,
    minutes=20,
    statement=r"""
The decoder of a VAE for black-and-white images returns one *logit* $a_i$ a pixel, with
$p(x_i = 1 \mid z) = 1/(1 + e^{-a_i})$. Show that $\log p(x \mid z) = \sum_i x_i a_i - \log(1 + e^{a_i})$.

Then write `binary_elbo(x, logits, mean, log_std)`: `x` and `logits` are $(n, d)$, the logits decoded from one sample of
each code; `mean` and `log_std` are the encoder's $(n, k)$. Return the bound of {eq}`eq-02-bound` (not the loss) for
each of the $n$ images, in nats.
""",
    answer="binary_elbo",
    stub="""
def binary_elbo(x, logits, mean, log_std):
    # x, logits: (n, d); mean, log_std: (n, k). Returns the one-sample bound
    # of each image, shape (n,).
    ...
""",
    reference="""
def binary_elbo(x, logits, mean, log_std):
    log_likelihood = x * logits - torch.nn.functional.softplus(logits)
    kl = 0.5 * (mean**2 + torch.exp(2 * log_std) - 1 - 2 * log_std)
    return log_likelihood.sum(-1) - kl.sum(-1)
""",
    mistakes=(
        Mistake(
            "adds-kl",
            (("sum(-1) - kl", "sum(-1) + kl"),),
            "Your bound rises when the code gets dearer, and can lie above log p(x). Which of your two "
            "terms is a price?",
        ),
        Mistake(
            "mean-over-pixels",
            (("log_likelihood.sum(-1)", "log_likelihood.mean(-1)"),),
            "With d pixels you have built a β-VAE with β = d. Who sums, who averages?",
        ),
        Mistake(
            "default-reduction",
            (("log_likelihood.sum(-1)", "log_likelihood.mean()"),),
            "All images get the same log-likelihood, averaged over every pixel of every image: PyTorch's losses do that "
            "unless `reduction` says otherwise. What is one image's?",
        ),
        Mistake(
            "log-variance",
            (("torch.exp(2 * log_std) - 1 - 2 * log_std", "torch.exp(log_std) - 1 - log_std"),),
            "Right at σ = 1, wrong elsewhere. Which variance do you sample with, and which do you charge for?",
        ),
        Mistake(
            "loss-for-bound",
            (("log_likelihood.sum(-1) - kl.sum(-1)", "kl.sum(-1) - log_likelihood.sum(-1)"),),
            "This is the loss. The bound is the number that you want to be large.",
        ),
        Mistake(
            "batch-average",
            (
                (
                    "log_likelihood.sum(-1) - kl.sum(-1)",
                    "(log_likelihood.sum(-1) - kl.sum(-1)).mean()",
                ),
            ),
            "You have averaged over the batch. Each image has a bound of its own.",
        ),
        Mistake(
            "forgets-white-pixels",
            (
                (
                    "x * logits - torch.nn.functional.softplus(logits)",
                    "x * torch.nn.functional.logsigmoid(logits)",
                ),
            ),
            "Only the pixels with x = 1 count in your sum. What does a pixel that is 0, and was likely "
            "to be 1, cost?",
        ),
    ),
    hints=(
        r"Write $p(x_i \mid z) = p_i^{x_i} (1 - p_i)^{1 - x_i}$ and put the logit in.",
        r"$\log(1 - p_i) = -\log(1 + e^{a_i})$ and $\log p_i = a_i - \log(1 + e^{a_i})$. PyTorch calls "
        r"$\log(1 + e^a)$ `softplus`.",
    ),
    solution=r"""
$\log p(x_i \mid z) = x_i \log p_i + (1 - x_i)\log(1 - p_i)$. With $\log p_i = a_i - \log(1 + e^{a_i})$ and
$\log(1 - p_i) = -\log(1 + e^{a_i})$ the two softplus terms join: $x_i a_i - \log(1 + e^{a_i})$. Pixels are
independent given $z$, so their log-probabilities *add*; so do the prices of independent latents. The bound is the
first sum minus the second. In this form nothing overflows, however sure the decoder is.
""",
    cases=_images,
    properties=(Property("the bound is the log-likelihood minus the price of the code", _within_price),),
)
