"""Chapter 09, one step back: when the start is known, and the variance when it is not."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gmlib.exercises.diffusion._cases import Cases, chain, numbers, uniform
from gmlib.exercises.exercise import Exercise, Mistake, Property


def _chains(generator: torch.Generator) -> Cases:
    return [{"betas": numbers(0.1, 0.3, 0.2)}, *({"betas": chain(generator, n)} for n in (2, 4, 5))]


def _products(betas: Tensor) -> tuple[Tensor, Tensor]:
    now = (1 - betas).cumprod(0)
    return now, torch.cat([torch.ones_like(now[:1]), now[:-1]])


def _lands_on_the_start(case: Any, found: Tensor) -> bool:
    return torch.allclose(found[:3, 0], found.new_tensor([0.0, 1.0, 0.0]), atol=1e-7)


def _joins_the_way_there(case: Any, found: Tensor) -> bool:
    now, before = _products(case["betas"])
    on_noisy, on_clean, variance = found[:3]
    mean = on_noisy * now.sqrt() + on_clean
    return torch.allclose(mean, before.sqrt()) and torch.allclose(
        on_noisy.square() * (1 - now) + variance, 1 - before
    )


def _two_forms_of_one(case: Any, found: Tensor) -> bool:
    now, _ = _products(case["betas"])
    on_noisy, on_clean, _, front, on_noise = found
    # x0 = (x - sqrt(1 - bar) noise) / sqrt(bar).
    same = torch.allclose(on_noisy + on_clean / now.sqrt(), front)
    return same and torch.allclose(-on_clean * ((1 - now) / now).sqrt(), on_noise)


POSTERIOR = Exercise(
    id="diffusion.reverse-posterior",
    title="One step back, twice",
    chapter="09_ddpm",
    section="sec-09-posterior",
    difficulty=2,
    minutes=35,
    statement=r"""
(a) Derive {eq}`eq-09-posterior` for neighbours on the grid: multiply the law of $x_{k-1}$ given $x_0$ with that of
$x_k$ given $x_{k-1}$, and read mean and variance off the product. Where is it used that the chain is a Markov chain?
(b) Insert $x_0$ in terms of $x_k$ and $\varepsilon$ and derive {eq}`eq-09-mean`. Why is a network that predicts the
noise as good as one that predicts the mean? (c) What do mean and variance become for $k = 1$?

Write `posterior_weights(betas)`. For every step $k = 1, \dots, T$: the weights of $x_k$ and of $x_0$ in the mean, the
variance $\tilde\beta_k$, and then the weights of $x_k$ and of $\varepsilon$ in the other form of the same mean.
""",
    answer="posterior_weights",
    stub="""
def posterior_weights(betas):
    # betas: (T,), where betas[0] belongs to the first step. Returns (5, T):
    # on x_k, on x_0, variance; on x_k, on the noise (with its sign).
    ...
""",
    reference="""
def posterior_weights(betas):
    now = (1 - betas).cumprod(0)
    before = torch.cat([torch.ones_like(now[:1]), now[:-1]])
    on_noisy = (1 - betas).sqrt() * (1 - before) / (1 - now)
    on_clean = before.sqrt() * betas / (1 - now)
    variance = betas * (1 - before) / (1 - now)
    front = 1 / (1 - betas).sqrt()
    on_noise = -front * betas / (1 - now).sqrt()
    return torch.stack([on_noisy, on_clean, variance, front, on_noise])
""",
    mistakes=(
        Mistake(
            "index-off-by-one",
            (("torch.cat([torch.ones_like(now[:1]), now[:-1]])", "now"),),
            "Your variance is β_k in every step, the last one included, as if x₀ told you nothing. What is ᾱ₀, and what "
            "should be left to draw at the last step?",
        ),
        Mistake(
            "wraps-around",
            (("torch.cat([torch.ones_like(now[:1]), now[:-1]])", "now.roll(1)"),),
            "All right but the step k = 1: there you still draw. In Python, what is at index −1?",
        ),
        Mistake(
            "step-does-not-shrink",
            (
                ("(1 - betas).sqrt() * (1 - before) / (1 - now)", "(1 - before) / (betas + 1 - before)"),
                ("before.sqrt() * betas / (1 - now)", "before.sqrt() * betas / (betas + 1 - before)"),
                ("betas * (1 - before) / (1 - now)", "betas * (1 - before) / (betas + 1 - before)"),
            ),
            "You take x_k for x_{k−1} plus noise. What does the step do before it adds noise, and what is its "
            "precision about x_{k−1} then?",
        ),
        Mistake(
            "weights-exchanged",
            (("torch.stack([on_noisy, on_clean,", "torch.stack([on_clean, on_noisy,"),),
            "Your last step lands on x₁. Which of the two points is the surer guide there?",
        ),
        Mistake(
            "bar-in-front",
            (("1 / (1 - betas).sqrt()", "1 / now.sqrt()"),),
            "Your second form is not the first one: its factor in front undoes all the steps since the start. How many "
            "steps does this one undo?",
        ),
        Mistake(
            "no-bar-on-the-noise",
            (("betas / (1 - now).sqrt()", "betas / betas.sqrt()"),),
            "In your second form ε has the size of one step's noise. How much noise has gathered in x_k since x₀?",
        ),
        Mistake(
            "noise-not-rooted",
            (("betas / (1 - now).sqrt()", "betas / (1 - now)"),),
            "Your weight of ε is divided by a variance. What multiplies ε in x_k, the variance or its root?",
        ),
        Mistake(
            "noise-added",
            (("-front * betas", "front * betas"),),
            "Your step back adds the guessed noise. It is in x_k already; where should it go?",
        ),
    ),
    hints=(
        r"In $x_{k-1}$, the law of $x_k$ given $x_{k-1}$ is a parabola with the curvature $(1 - \beta_k)/\beta_k$. "
        r"Precisions add.",
        r"$(1 - \beta_k)(1 - \bar\alpha_{k-1}) + \beta_k = 1 - \bar\alpha_k$ makes the sums short.",
    ),
    solution=r"""
(a) By Bayes' rule $q(x_{k-1} \mid x_k, x_0) \propto q(x_k \mid x_{k-1}, x_0)\,q(x_{k-1} \mid x_0)$, and the Markov
property takes $x_0$ out of the first factor. As functions of $x_{k-1}$ the two are normal with the precisions
$\frac{1 - \beta_k}{\beta_k}$ and $\frac1{1 - \bar\alpha_{k-1}}$, so

$$
\frac1{\tilde\beta_k} = \frac{1 - \beta_k}{\beta_k} + \frac1{1 - \bar\alpha_{k-1}}
  = \frac{1 - \bar\alpha_k}{\beta_k\,(1 - \bar\alpha_{k-1})} .
$$

The mean is $\tilde\beta_k$ times the sum of precision times centre,
$\frac{\sqrt{1 - \beta_k}}{\beta_k}x_k + \frac{\sqrt{\bar\alpha_{k-1}}}{1 - \bar\alpha_{k-1}}x_0$, which gives the two
weights in the code.

(b) With $x_0 = \big(x_k - \sqrt{1 - \bar\alpha_k}\,\varepsilon\big)/\sqrt{\bar\alpha_k}$ and
$\bar\alpha_{k-1}/\bar\alpha_k = 1/(1 - \beta_k)$ the weight of $x_k$ becomes
$\frac{(1 - \beta_k)(1 - \bar\alpha_{k-1}) + \beta_k}{\sqrt{1 - \beta_k}\,(1 - \bar\alpha_k)} = \frac1{\sqrt{1 - \beta_k}}$.
For a given $x_k$ the mean is an invertible affine function of $\varepsilon$, so who predicts the one has predicted the
other, and squared errors differ by a factor that depends on $k$ alone.

(c) $\bar\alpha_0 = 1$: the variance is 0 and the mean is $x_0$, with no weight on $x_1$. Of someone who knows where the
way began, the last step asks nothing.
""",
    cases=_chains,
    properties=(
        Property("at the last step the mean is x₀ and the variance 0", _lands_on_the_start),
        Property("averaged over x_k, the step back has the law of x_{k−1} given x₀", _joins_the_way_there),
        Property("both forms are the same mean", _two_forms_of_one),
    ),
)


def _data(generator: torch.Generator) -> Cases:
    cases: Cases = [{"var": var, "betas": chain(generator, 3)} for var in (0.0, 1.0, 4.0)]
    for n in (4, 5):
        cases.append({"var": 0.1 + 3 * uniform(generator, 1).item(), "betas": chain(generator, n)})
    return cases


def _rests_at_one(case: Any, found: Tensor) -> bool:
    return case["var"] != 1.0 or torch.allclose(found, case["betas"])


def _point_data(case: Any, found: Tensor) -> bool:
    now, before = _products(case["betas"])
    return case["var"] != 0.0 or torch.allclose(found, case["betas"] * (1 - before) / (1 - now))


def _between(case: Any, found: Tensor) -> bool:
    now, before = _products(case["betas"])
    low, high = case["betas"] * (1 - before) / (1 - now), case["betas"] / (1 - case["betas"])
    return bool(((found >= low - 1e-7) & (found <= high + 1e-7)).all())


REVERSE_VARIANCE = Exercise(
    id="diffusion.reverse-variance",
    title="How wide is the true step back?",
    chapter="09_ddpm",
    section="sec-09-sampler",
    difficulty=2,
    minutes=30,
    statement=r"""
The data are normal with variance $v$, and nobody tells us $x_0$. (a) Derive {eq}`eq-09-true-variance`: given $x_k$,
the point before has the variance $\beta_k V_{k-1}/V_k$, where $V_k = \bar\alpha_k v + 1 - \bar\alpha_k$. (b) For which
$v$ is it $\tilde\beta_k$, for which $\beta_k$? (c) $\beta_k$ is called an upper bound. For which $v$ is the truth
larger, and how large can it get? (d) A mean over $x_k$ hides something. Take data at $\pm3$,
$\bar\alpha_{k-1} = \tfrac12$ and $\beta_k = 0.02$: what is the variance of the step back from $x_k = 0$, and why is it
above $\beta_k$?

Write `true_variance(var, betas)`: the variances of the steps $k = 1, \dots, T$ for normal data.
""",
    answer="true_variance",
    stub="""
def true_variance(var, betas):
    # var: the data's variance, a number; betas: (T,). Returns (T,).
    ...
""",
    reference="""
def true_variance(var, betas):
    now = (1 - betas).cumprod(0)
    before = torch.cat([torch.ones_like(now[:1]), now[:-1]])
    spread_now = now * var + 1 - now
    spread_before = before * var + 1 - before
    return betas * spread_before / spread_now
""",
    mistakes=(
        Mistake(
            "upside-down",
            (("spread_before / spread_now", "spread_now / spread_before"),),
            "For wide data your step back gets narrower. If the data are far apart, do you know better or worse where "
            "x_k came from?",
        ),
        Mistake(
            "always-beta",
            (("betas * spread_before / spread_now", "betas"),),
            "Right for data of variance 1. Take point data: what is there to be unsure of, at the last step?",
        ),
        Mistake(
            "always-beta-tilde",
            (("spread_before / spread_now", "(1 - before) / (1 - now)"),),
            "This is the variance for someone who knows x₀. Which x₀ do you know?",
        ),
        Mistake(
            "std-for-variance",
            (("now * var + 1 - now", "now * var**2 + 1 - now"), ("before * var + 1", "before * var**2 + 1")),
            "Right at 0 and 1 only. Is `var` the variance of the data, or its root?",
        ),
        Mistake(
            "step-does-not-shrink",
            (("betas * spread_before / spread_now", "betas * spread_before / (betas + spread_before)"),),
            "For data of variance 1 you get less than β_k. You take x_k for x_{k−1} plus noise; what does the step do "
            "before it adds noise?",
        ),
        Mistake(
            "prior-forgotten",
            (("betas * spread_before / spread_now", "betas / (1 - betas)"),),
            "Your answer does not depend on the data: it is what x_k alone says of x_{k−1}. What did you know before "
            "you saw x_k?",
        ),
        Mistake(
            "wraps-around",
            (("torch.cat([torch.ones_like(now[:1]), now[:-1]])", "now.roll(1)"),),
            "For point data there is something left to draw at your last step, and nothing should be. Which ᾱ belongs to "
            "x₀, and what is at index −1 in Python?",
        ),
    ),
    hints=(
        r"$x_{k-1} \sim \mathcal N(\cdot, V_{k-1})$ before, and $x_k$ given it is normal. Precisions add, as in "
        r"{eq}`eq-09-posterior`.",
        r"$V_k = (1 - \beta_k)\,V_{k-1} + \beta_k$.",
    ),
    solution=r"""
(a) As in {eq}`eq-09-posterior`, with the law of $x_{k-1}$ in place of that of $x_{k-1}$ given $x_0$: the precision is
$\frac1{V_{k-1}} + \frac{1 - \beta_k}{\beta_k} = \frac{\beta_k + (1 - \beta_k)V_{k-1}}{\beta_k V_{k-1}}$, and the
numerator is $V_k$.

(b) For $v = 0$, where $V_k = 1 - \bar\alpha_k$, it is $\tilde\beta_k$: the data are one point, and we do know $x_0$.
For $v = 1$, where $V_k = 1$ throughout, it is $\beta_k$. (c) $V_{k-1} > V_k$ exactly when $v > 1$; then it is above
$\beta_k$, and it tends to $\beta_k/(1 - \beta_k)$, what $x_k$ alone says, as $v \to \infty$. In several dimensions the
bound needs every coordinate to have a variance of at most 1. At step 301 of DDPM's chain and for $v = 4$ the truth is
0.0060961, and $\beta_k$ is 0.0060760.

(d) Given $x_0 = \pm3$ the step back is normal with variance $\tilde\beta_k = 0.0196$ and, from $x_k = 0$, mean
$\pm3\cdot\sqrt{1/2}\cdot0.02/0.51 = \pm0.083$; both signs are equally likely. The variance of the mixture is
$0.0196 + 0.083^2 = 0.0265$. At the place where it is open to which data point the way leads, a step is wider than
anywhere else. With few steps this is where a single normal law fails.
""",
    cases=_data,
    properties=(
        Property("for data of variance 1 it is β_k", _rests_at_one),
        Property("for point data it is that of someone who knows x₀", _point_data),
        Property("it lies between what x₀ and x_k together say and what x_k alone says", _between),
    ),
)
