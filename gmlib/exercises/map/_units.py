"""Chapter 01, the units of likelihood: bits per dimension, and readings that were rounded."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Normal

from gmlib.exercises.exercise import Exercise, Mistake, Property
from gmlib.exercises.map._cases import F64, Cases, normal, uniform


def _densities(generator: torch.Generator) -> Cases:
    cases: Cases = [
        {"log_density": d * (0.5 + 0.4 * normal(generator, n)), "dim": d, "levels": levels}
        for n, d, levels in ((3, 4, 256), (5, 64, 17), (2, 9, 2), (4, 12, 256))
    ]
    return [*cases, {"log_density": torch.zeros(3, dtype=F64), "dim": 6, "levels": 256}]


def _uniform_bits(case: Any, found: Tensor) -> bool:
    return bool(case["log_density"].any()) or abs(found.item() - math.log2(case["levels"])) < 1e-6


BITS = Exercise(
    id="map.bits-per-dim",
    title="What a pixel costs",
    chapter="01_map",
    section="sec-01-units",
    difficulty=1,
    minutes=15,
    statement=r"""
Pixels $x_1, \dots, x_d$ take the values $0, 1, \dots, L - 1$. A density model $p$ was trained on $y = (x + u)/L$
with uniform noise $u \in [0, 1)^d$, so on points of the unit cube, and reports $\log p(y)$ in nats, summed over the
pixels. Show that $x + u$ has the log-density $\log p(y) - d\log L$. What does the uniform law on the cube cost in
bits per pixel? And what are 1500 nats for the 784 pixels of a digit?

Then write `pixel_bits(log_density, dim, levels)`: from the numbers $\log p(y)$ of several images, the average
cost of a pixel of $x + u$, in bits.
""",
    answer="pixel_bits",
    stub="""
def pixel_bits(log_density, dim, levels):
    # log_density: (n,), log p(y) in nats, summed over pixels, y in the unit
    # cube; dim: d; levels: L. Returns bits per dimension, a number.
    ...
""",
    reference="""
def pixel_bits(log_density, dim, levels):
    nll = dim * math.log(levels) - log_density.mean()
    return nll / (dim * math.log(2))
""",
    mistakes=(
        Mistake(
            "multiplied-by-ln-2",
            (("nll / (dim * math.log(2))", "nll * math.log(2) / dim"),),
            "For 256 equally likely levels you get 3.84, and a byte has 8 bits. A bit is 0.69 nats: is the "
            "number of bits larger or smaller than the number of nats?",
        ),
        Mistake(
            "unit-cube",
            (("dim * math.log(levels) - log_density.mean()", "-log_density.mean()"),),
            "This is the cost on the unit cube, and it can be negative. What happens to the height of a "
            "density when each axis is stretched by L?",
        ),
        Mistake(
            "scale-sign",
            (("dim * math.log(levels) - log", "-dim * math.log(levels) - log"),),
            "You account for the scale, in the wrong direction. A density that is stretched over a larger "
            "cube: does it get higher or lower?",
        ),
        Mistake(
            "scaled-once",
            (("dim * math.log(levels) - log", "math.log(levels) - log"),),
            "Your scale is that of a single pixel. How many axes were stretched?",
        ),
        Mistake(
            "nats",
            (("nll / (dim * math.log(2))", "nll / dim"),),
            "These are nats per dimension. How many nats is the choice between two equally likely values?",
        ),
        Mistake(
            "whole-image",
            (("nll / (dim * math.log(2))", "nll / math.log(2)"),),
            "These are the bits of a whole image. Two images side by side: should the number double?",
        ),
        Mistake(
            "likelihood-for-cost",
            (("return nll", "return -nll"),),
            "Your code lengths are negative. Is a likely image cheap or dear?",
        ),
    ),
    hints=(
        r"$x + u = L y$ stretches each of $d$ axes by $L$. What is the volume of the image of a little cube?",
        r"$\log_2 a = \log a / \log 2$, and a cost is *minus* a log-likelihood.",
    ),
    solution=r"""
A cube of volume $v$ around $y$ becomes one of volume $L^d v$ with the same probability, so the density of $x + u$
is $p(y) / L^d$. One nat is $1/\ln 2 = 1.44$ bits; dividing the nats by $d\ln 2$ gives bits per dimension:
$\big(d\log L - \overline{\log p(y)}\big) / (d\ln 2)$. For the uniform law $\log p = 0$ and the cost is $\log_2 L$,
8 bits for $L = 256$, as it should be. Multiplying by $\ln 2$ instead of dividing would give 3.84. And 1500 nats for
784 pixels are $1500 / (784 \ln 2) = 2.76$ bits per pixel. Without the term $d \log L$ a paper's numbers look better
by 8 bits.
""",
    cases=_densities,
    properties=(Property("the uniform law over L levels costs log₂ L bits a pixel", _uniform_bits),),
)


def _cells(generator: torch.Generator) -> Cases:
    u = (torch.arange(240, dtype=F64) + 0.5) / 240
    settings = ((3.2, 1.1), (4.0, 0.3), (-1.3, 0.6), (7.7, 2.0))
    return [
        {
            "x": (mean + 2 * std * normal(generator, 4)).round(),
            "mean": mean + 0.1 * uniform(generator).item(),
            "std": std,
            "u": u[torch.randperm(240, generator=generator)],
        }
        for mean, std in settings
    ]


def _below_exact(case: Any, found: Tensor) -> bool:
    inside = (torch.arange(4000, dtype=F64) + 0.5) / 4000 - 0.5
    exact = torch.logsumexp(
        Normal(case["mean"], case["std"]).log_prob(case["x"][:, None] + inside), 1
    ) - math.log(4000)
    return found.shape == exact.shape and bool((found <= exact + 1e-3).all())


DEQUANTISED = Exercise(
    id="map.dequantised-bound",
    title="Noise that fits its cell",
    chapter="01_map",
    section="sec-01-units",
    difficulty=2,
    minutes=20,
    statement=r"""
An instrument *rounds*: it reads the integer nearest to a real number $z$ with density $p(z)$. So the probability of
a reading is $P(x) = \int_{x - 1/2}^{x + 1/2} p(z)\,dz$. Show that $\log P(x) \ge \mathbb E \log p(x + v)$ for noise
$v$ that is uniform on the right interval. Which interval? Which one would it be if the instrument rounded *down*?
When is the bound exact?

Then write `dequantised_bound(x, mean, std, u)` for $p = \mathcal N(\mu, \sigma^2)$: `u` holds draws that are
uniform on $(0, 1)$. Return, for each reading in `x`, the average over these draws that estimates the bound.
""",
    answer="dequantised_bound",
    stub="""
def dequantised_bound(x, mean, std, u):
    # x: (n,), integers read by rounding to the nearest; mean, std: numbers;
    # u: (m,), uniform on (0, 1). Returns the bound of log P(x), shape (n,).
    ...
""",
    reference="""
def dequantised_bound(x, mean, std, u):
    z = x[:, None] + u - 0.5
    log_p = -0.5 * ((z - mean) / std) ** 2 - math.log(std) - 0.5 * math.log(2 * math.pi)
    return log_p.mean(1)
""",
    mistakes=(
        Mistake(
            "noise-for-floor",
            ((" + u - 0.5\n", " + u\n"),),
            "For some readings your bound lies above log P(x). Round x + u to the nearest integer: do you get "
            "x back?",
        ),
        Mistake(
            "noise-over-two-cells",
            ((" + u - 0.5\n", " + 2 * u - 1\n"),),
            "Half of your noisy points belong to the cells next door. How wide is the set of numbers that are "
            "read as x?",
        ),
        Mistake(
            "no-noise",
            ((" + u - 0.5\n", " + 0 * u\n"),),
            "You evaluate the density at the integers, where it can be as high as it likes if σ is small. Is "
            "the height of a density a probability?",
        ),
        Mistake(
            "log-outside",
            (("log_p.mean(1)", "log_p.exp().mean(1).log()"),),
            "This estimates log P(x) itself and is no bound of it. With thousands of pixels you will have one "
            "draw for an image: which comes first in the bound, the average or the logarithm?",
        ),
        Mistake(
            "summed-draws",
            (("log_p.mean(1)", "log_p.sum(1)"),),
            "Twice as many draws double your answer. Is an expectation a sum or an average?",
        ),
        Mistake(
            "std-for-variance",
            (("((z - mean) / std) ** 2", "(z - mean) ** 2 / std"),),
            "Right at σ = 1, wrong elsewhere. In the exponent, is the squared distance divided by σ or by σ²?",
        ),
        Mistake(
            "averaged-readings",
            (("log_p.mean(1)", "log_p.mean(0)"),),
            "You average over the readings and keep the draws apart. Which axis is which?",
        ),
    ),
    hints=(
        r"$P(x)$ is the average of $p$ over an interval of length 1. What does Jensen's inequality say about "
        r"the logarithm of an average?",
        r"The noisy point must be read as $x$ again: $\operatorname{round}(x + v) = x$ for every $v$ that the "
        r"noise can take.",
    ),
    solution=r"""
The interval has length 1, so $P(x) = \mathbb E\, p(x + v)$ with $v$ uniform on $(-\tfrac12, \tfrac12)$, and by
Jensen's inequality $\log P(x) \ge \mathbb E\log p(x + v)$. With `u` uniform on $(0, 1)$, $v = u - \tfrac12$. For an
instrument that rounds down the cell is $[x, x + 1)$ and $v = u$. The bound is exact if $p$ is constant on the cell,
and in general the gap is the KL of the uniform law on the cell from $p$ restricted to it; a noise with that shape
would close it.

The two must fit each other. For $p = \mathcal N(4, 0.3^2)$ and the reading $x = 3$ the truth is
$\log P(3) = -3.04$, and the noise $u \in (0, 1)$ under rounding gives $-1.57$, a "bound" that is far above it.
""",
    cases=_cells,
    properties=(Property("the bound is never above log P(x)", _below_exact),),
)
