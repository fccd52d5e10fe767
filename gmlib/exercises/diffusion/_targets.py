"""Chapter 09, targets: what a network learns from pure noise, and four ways to say it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gmlib.exercises.diffusion._cases import Cases, normal, uniform
from gmlib.exercises.exercise import Exercise, Mistake, Property


def _guesses(generator: torch.Generator) -> Cases:
    cases: Cases = []
    for kind in ("x0", "eps", "v", "score"):
        # A path that keeps variance 1, and one that does not.
        alpha = 0.2 + 0.6 * uniform(generator, 1).item()
        for sigma, n in (((1 - alpha**2) ** 0.5, 2), (1 - alpha, 3)):
            x, said = normal(generator, n), normal(generator, n)
            cases.append({"kind": kind, "said": said, "x": x, "alpha": alpha, "sigma": sigma})
    return cases


def _adds_up(case: Any, found: Tensor) -> bool:
    return torch.allclose(case["alpha"] * found[0] + case["sigma"] * found[1], case["x"])


def _keeps_what_was_said(case: Any, found: Tensor) -> bool:
    row = ("x0", "eps", "v", "score").index(case["kind"])
    return torch.allclose(found[row], case["said"])


TARGETS = Exercise(
    id="diffusion.four-answers",
    title="What is there to learn in pure noise?",
    chapter="09_ddpm",
    section="sec-09-noise",
    difficulty=2,
    minutes=35,
    statement=r"""
The target of {eq}`eq-09-simple` is noise, drawn fresh and independent of the picture. (a) What does the best network
return, written with $x_t$ and $\mathbb E[x_0 \mid x_t]$? Where, then, does it learn of the data? (b) What is the best
answer for $\alpha_t \to 0$, and what for a data set of one point? How large is the loss there, and what has the network
learnt? (c) Show that clean point $\hat x_0$, noise $\hat\varepsilon$, velocity
$\hat v = \alpha_t\hat\varepsilon - \sigma_t\hat x_0$ and score $-\hat\varepsilon/\sigma_t$ say the same, on any path
$x_t = \alpha_t x_0 + \sigma_t\varepsilon$, and not only where $\alpha_t^2 + \sigma_t^2 = 1$.

Write `four_answers(kind, said, x, alpha, sigma)`: all four, from the one that a network of this kind has said.
""",
    answer="four_answers",
    stub="""
def four_answers(kind, said, x, alpha, sigma):
    # kind: "x0", "eps", "v" or "score", what `said` is; said, x: (n,);
    # alpha, sigma: numbers. Returns (4, n), in the order of the kinds.
    ...
""",
    reference="""
def four_answers(kind, said, x, alpha, sigma):
    if kind == "x0":
        clean = said
    elif kind == "eps":
        clean = (x - sigma * said) / alpha
    elif kind == "v":
        clean = (alpha * x - sigma * said) / (alpha**2 + sigma**2)
    else:
        clean = (x + sigma**2 * said) / alpha
    noise = (x - alpha * clean) / sigma
    velocity = alpha * noise - sigma * clean
    score = -noise / sigma
    return torch.stack([clean, noise, velocity, score])
""",
    mistakes=(
        Mistake(
            "score-with-the-noise",
            (("x + sigma**2 * said", "x - sigma**2 * said"), ("score = -noise", "score = noise")),
            "Your score points where the noise points, away from the data. Which way does the density grow?",
        ),
        Mistake(
            "score-not-divided",
            (("sigma**2 * said", "sigma * said"), ("-noise / sigma", "-noise")),
            "Your score is the noise with a minus. Units: a score is one over a length, and ε has none. What is σ?",
        ),
        Mistake(
            "score-divided-twice",
            (("sigma**2 * said", "sigma**3 * said"), ("-noise / sigma", "-noise / sigma**2")),
            "Units: a score is one over a length, and yours is one over an area. Is it ε that belongs over σ², or σε?",
        ),
        Mistake(
            "velocity-turned",
            (
                ("alpha * x - sigma * said", "alpha * x + sigma * said"),
                ("alpha * noise - sigma * clean", "sigma * clean - alpha * noise"),
            ),
            "Your velocity goes from noise to data. In which direction does time run here?",
        ),
        Mistake(
            "unit-circle-assumed",
            (("(alpha * x - sigma * said) / (alpha**2 + sigma**2)", "alpha * x - sigma * said"),),
            "Right where α² + σ² = 1. Solve the two equations for x̂₀ on a straight path, α = 1 − σ.",
        ),
        Mistake(
            "signal-not-restored",
            (("(x - sigma * said) / alpha", "x - sigma * said"),),
            "You took the noise away; what is left is not x₀ yet. Which multiple of it is in x_t?",
        ),
        Mistake(
            "tweedie-without-alpha",
            (("(x + sigma**2 * said) / alpha", "x + sigma**2 * said"),),
            "From a score you get the denoised point of a law that was not shrunk. What does α do to the clean point?",
        ),
        Mistake(
            "velocity-uses-the-point",
            (("alpha * noise - sigma * clean", "alpha * noise - sigma * x"),),
            "Your velocity contains the noisy point, which contains the noise again. What does noise replace on its "
            "way?",
        ),
    ),
    hints=(
        r"The best guess in mean square is a conditional mean. Take that of both sides of "
        r"$x_t = \alpha_t x_0 + \sigma_t\varepsilon$, given $x_t$.",
        r"From $x_t$ and one answer you have two equations for $\hat x_0$ and $\hat\varepsilon$.",
    ),
    solution=r"""
(a) $\hat\varepsilon(x_t) = \mathbb E[\varepsilon \mid x_t] = (x_t - \alpha_t\,\mathbb E[x_0 \mid x_t])/\sigma_t$: the
conditional mean of the defining equation. The noise alone knows nothing of the data. But the network sees $x_t$, and to
say which part of it is noise it must know which part can be a picture. All that it learns is in
$\mathbb E[x_0 \mid x_t]$.

(b) For $\alpha_t \to 0$ it returns $x_t$ itself, $x_t$ *is* the noise, with loss 0 and nothing learnt. For a single
data point $a$ it returns $(x_t - \alpha_t a)/\sigma_t$, again with loss 0, and has learnt $a$. In between the loss
cannot be 0: for $\mathcal N(0, v)$ it is at least $\alpha_t^2 v/V_t$, near 1 under little noise. A small loss is no
proof of learning, nor a large one of failure; the distance to {eq}`eq-09-floors` is.

(c) With $x_t$ known, the two unknowns $\hat x_0$ and $\hat\varepsilon$ satisfy
$\alpha_t\hat x_0 + \sigma_t\hat\varepsilon = x_t$. Each answer adds one equation. For the velocity the two are solved by

$$
\hat x_0 = \frac{\alpha_t x_t - \sigma_t\hat v}{\alpha_t^2 + \sigma_t^2} , \qquad
\hat\varepsilon = \frac{\sigma_t x_t + \alpha_t\hat v}{\alpha_t^2 + \sigma_t^2} ,
$$

whose determinant $\alpha_t^2 + \sigma_t^2$ is never small. From the noise one divides by $\alpha_t$, from the clean
point by $\sigma_t$: there a network's error grows.
""",
    cases=_guesses,
    properties=(
        Property("clean point and noise make up the noisy point", _adds_up),
        Property("the answer that was given is among the four, unchanged", _keeps_what_was_said),
    ),
)
