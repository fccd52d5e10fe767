"""Chapter 01, likelihood and samples apart: one per cent of a good model, and how many pictures a generator has."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from gmlib.exercises.exercise import Exercise, Mistake, Property
from gmlib.exercises.map._cases import Cases, normal


def _log_densities(generator: torch.Generator) -> Cases:
    cases: Cases = [
        {
            "log_model": 2 * normal(generator, n) + model,
            "log_noise": 2 * normal(generator, n) + noise,
            "weight": weight,
        }
        for n, model, noise, weight in ((4, 0.0, -1.0, 0.01), (3, -2.0, -1.5, 0.3), (5, 1.0, 1.0, 0.7))
    ]
    # Images: neither exp(-1400) nor exp(-2800) is a number that a computer has.
    images = {
        "log_model": -1400 + 5 * normal(generator, 3),
        "log_noise": -2800 + 5 * normal(generator, 3),
        "weight": 0.01,
    }
    return [*cases, images]


def _within_log_weight(case: Any, found: Tensor) -> bool:
    return bool((found >= case["log_model"] + math.log(case["weight"]) - 1e-9).all())


def _at_most_best(case: Any, found: Tensor) -> bool:
    return bool((found <= torch.maximum(case["log_model"], case["log_noise"]) + 1e-9).all())


CONTAMINATED = Exercise(
    id="map.one-per-cent",
    title="One per cent of a good model",
    chapter="01_map",
    section="sec-01-apart",
    difficulty=1,
    minutes=15,
    statement=r"""
Take a good model $p_\theta$ and a bad law $r$, such as white noise, and draw from $p_\theta$ only with probability
$\pi$, from $r$ otherwise: $p_{\text{mix}} = \pi\, p_\theta + (1 - \pi)\, r$. Show that
$\log p_{\text{mix}}(x) \ge \log p_\theta(x) + \log\pi$ at every $x$, and that therefore
$\mathrm{KL}(p_{\text{data}} \,\|\, p_{\text{mix}}) \le \mathrm{KL}(p_{\text{data}} \,\|\, p_\theta) - \log\pi$. How
many nats can 99 % noise cost at most? How much is that for each of the 784 pixels of a digit, in bits?

Then write `log_contaminated(log_model, log_noise, weight)`: given $\log p_\theta$ and $\log r$ at $n$ points and
$\pi$, return $\log p_{\text{mix}}$. The log-density of an image can be $-1400$; the result must stay finite.
""",
    answer="log_contaminated",
    stub="""
def log_contaminated(log_model, log_noise, weight):
    # log_model, log_noise: (n,), log-densities in nats; weight: pi.
    # Returns the mixture's log-density at each point, shape (n,).
    ...
""",
    reference="""
def log_contaminated(log_model, log_noise, weight):
    good = log_model + math.log(weight)
    bad = log_noise + math.log(1 - weight)
    return torch.logaddexp(good, bad)
""",
    mistakes=(
        Mistake(
            "mixed-logs",
            (("torch.logaddexp(good, bad)", "weight * log_model + (1 - weight) * log_noise"),),
            "You average the logarithms: with 99 % of noise the good model hardly counts. Of what is the "
            "mixture an average, densities or log-densities?",
        ),
        Mistake(
            "underflow",
            (("torch.logaddexp(good, bad)", "(good.exp() + bad.exp()).log()"),),
            "Right for densities near 1, and -inf for an image: exp(-1400) is 0 on a computer. What can be "
            "taken out of the sum?",
        ),
        Mistake(
            "weights-swapped",
            (
                ("math.log(weight)", "math.log(1 - weight)"),
                ("log_noise + math.log(1 - weight)", "log_noise + math.log(weight)"),
            ),
            "Your model contributes the larger part. To which of the two does π belong?",
        ),
        Mistake(
            "no-weights",
            ((" + math.log(weight)", ""), (" + math.log(1 - weight)", "")),
            "Your density has the integral 2. How much of it belongs to each part?",
        ),
        Mistake(
            "bound-only",
            (("torch.logaddexp(good, bad)", "good"),),
            "This is the lower bound. The mixture is more likely than that wherever the noise has any "
            "density. What was left out?",
        ),
        Mistake(
            "base-10",
            (("math.log(weight)", "math.log10(weight)"), ("math.log(1 - weight)", "math.log10(1 - weight)")),
            "At π = 1 % you take away 2 where the noise plays no part. In which base are the log-densities?",
        ),
    ),
    hints=(
        r"Both parts of the mixture are at least 0. Leave one of them out.",
        r"$\log(e^a + e^b) = \max(a, b) + \log\big(1 + e^{-\lvert a - b\rvert}\big)$; PyTorch has "
        r"`torch.logaddexp`.",
    ),
    solution=r"""
$p_{\text{mix}}(x) \ge \pi\,p_\theta(x)$, because the other part is not negative; the logarithm is increasing.
Averaging $-\log p_{\text{mix}} \le -\log p_\theta - \log\pi$ over the data and subtracting the entropy of the data
gives the bound on the KL. For $\pi = 0.01$ it is $\log 100 = 4.605$ nats, *whatever the dimension*. (In base 10 it
would be 2; nats want the natural logarithm.) Over 784 pixels that is $4.605 / (784\ln 2) = 0.0085$ bits a pixel,
hardly visible in a table with two decimals. So a likelihood can hardly see that 99 of 100 samples are noise; the
samples can.

In code, add $\log\pi$ and $\log(1 - \pi)$ to the two log-densities and take the log-sum-exp of the pair.
""",
    cases=_log_densities,
    properties=(
        Property("the mixture is never less likely than log p + log π", _within_log_weight),
        Property("the mixture is never more likely than the likelier of its two parts", _at_most_best),
        Property("the result is finite", lambda case, found: bool(torch.isfinite(found).all())),
    ),
)


def _pools(generator: torch.Generator) -> Cases:
    cases: Cases = [
        {"samples": torch.randint(support, (n,), generator=generator)}
        for support, n in ((12, 20), (30, 40), (9, 25))
    ]
    uneven = torch.tensor([0.5, 0.2, 0.1, 0.1, 0.05, 0.05])
    return [
        *cases,
        {"samples": torch.multinomial(uneven, 18, replacement=True, generator=generator)},
        {"samples": torch.full((7,), 3)},
        {"samples": torch.randperm(9, generator=generator)},
    ]


def _one_output(case: Any, found: Tensor) -> bool:
    return len(case["samples"].unique()) > 1 or abs(found.item() - 1) < 1e-6


BIRTHDAY = Exercise(
    id="map.birthday",
    title="How many pictures does a generator have?",
    chapter="01_map",
    section="sec-01-apart",
    difficulty=2,
    minutes=25,
    statement=r"""
A generator has $S$ different outputs, all equally likely, and you may only draw from it. Show that $n$ draws
contain a repetition with probability about $1 - e^{-n^2/2S}$, so that if repetitions turn up in every second pool
of size $n$, then $S \approx n^2/(2\ln 2)$. How many draws give even odds for $S = 10\,000$? How many would be
needed to be *certain* of a repetition?

A whole pool says more than whether it has a repetition: every *pair* of its draws is equal with probability $1/S$.
Turn that into an estimate and write `support_size(samples)`, where equal integers stand for equal pictures; a pool
without an equal pair gives infinity. What does it estimate if the $S$ outputs are not equally likely?
""",
    answer="support_size",
    stub="""
def support_size(samples):
    # samples: (n,), integers; equal pictures have equal integers. Returns the
    # estimate of S from the number of equal pairs, a number.
    ...
""",
    reference="""
def support_size(samples):
    n = len(samples)
    equal = (samples[:, None] == samples).double()
    equal_pairs = (equal.sum() - n) / 2
    return n * (n - 1) / 2 / equal_pairs
""",
    mistakes=(
        Mistake(
            "different-outputs",
            (("n * (n - 1) / 2 / equal_pairs", "torch.tensor(float(len(samples.unique())))"),),
            "You counted the different pictures that you saw. Draw only a few from a large generator: can the "
            "count exceed the number of draws?",
        ),
        Mistake(
            "pairs-with-itself",
            (("(equal.sum() - n) / 2", "equal.sum() / 2"),),
            "A pool without any repetition would have equal pairs in yours. With whom do you compare a draw?",
        ),
        Mistake(
            "counted-twice",
            (("(equal.sum() - n) / 2", "equal.sum() - n"),),
            "With a generator that has one output you get ½. How often do you count the pair of draws 3 and 7?",
        ),
        Mistake(
            "repetitions-for-pairs",
            (("(equal.sum() - n) / 2", "torch.tensor(n - len(samples.unique()))"),),
            "Right while no picture comes three times. How many equal pairs are there in a picture that came "
            "three times?",
        ),
        Mistake(
            "even-odds-formula",
            (("n * (n - 1) / 2 / equal_pairs", "torch.tensor(n * n / (2 * math.log(2)))"),),
            "Your answer depends on the size of the pool and not on what is in it. When does that formula "
            "hold?",
        ),
        Mistake(
            "all-pairs",
            (("n * (n - 1) / 2 / equal_pairs", "n * n / 2 / equal_pairs"),),
            "Nearly right: with a generator that has one output you get more than 1. How many pairs of "
            "different draws are there?",
        ),
    ),
    hints=(
        r"No repetition: the second draw avoids one output, the third two. The product is "
        r"$\prod_{i<n}(1 - i/S)$; take its logarithm.",
        r"There are $n(n - 1)/2$ pairs. How many of them are equal on average?",
    ),
    solution=r"""
$P(\text{no repetition}) = \prod_{i=1}^{n-1}(1 - i/S) \approx \exp(-\sum_i i/S) = e^{-n(n - 1)/2S}$. Half a chance
is at $n^2 \approx 2S\ln 2$: 118 draws for $S = 10\,000$ (0.4999; with 119 it is 0.506). To be certain one needs
$S + 1 = 10\,001$, by the pigeonhole principle; that it works with a hundred draws is the birthday paradox.

Each of the $n(n - 1)/2$ pairs is equal with probability $1/S$, so the expected number of equal pairs is
$n(n - 1)/2S$, exactly, and $S \approx \frac{n(n - 1)}{2}\big/\text{(number of equal pairs)}$. With unequal
probabilities $p_i$ a pair is equal with probability $\sum_i p_i^2$, and what is estimated is $1/\sum_i p_i^2$: an
effective number of outputs, never more than $S$. A generator with a million rare outputs and one that comes every
tenth time is taken for one with a hundred.
""",
    cases=_pools,
    properties=(
        Property("a generator with a single output is found to have one", _one_output),
        Property("the estimate is at least 1", lambda case, found: bool(found >= 1 - 1e-9)),
    ),
)
