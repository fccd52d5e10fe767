"""The companion of chapter 08: a control variate for denoising, and score matching as contrastive divergence."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from gmlib.exercises.exercise import Exercise, Mistake, Property
from gmlib.exercises.score._cases import F64, Cases, balanced, normal, uniform, with_field


def _noised(generator: torch.Generator) -> Cases:
    return [
        {"score": name, "x": normal(generator, n, d), "noise": normal(generator, n, d), "sigma": sigma}
        for name, n, d, sigma in (
            ("zero", 3, 2, 0.3),
            ("wave", 4, 3, 0.4),
            ("swirl", 3, 2, 0.15),
            ("tanh", 5, 1, 0.7),
        )
    ]


def _nothing_left(case: Any, found: Tensor) -> bool:
    if case["score"] != "zero":
        return True
    return torch.allclose(found, torch.full_like(found, case["x"].shape[1] / (2 * case["sigma"] ** 2)))


CONTROL = Exercise(
    id="score.control-variate",
    title="Take the noise out of the denoising loss",
    chapter="08_score_matching",
    section="sec-08b-control",
    difficulty=3,
    minutes=35,
    statement=r"""
The denoising loss of one draw is
$\ell_\sigma = \tfrac12\big\lVert s(x + \sigma\varepsilon) + \varepsilon/\sigma\big\rVert^2$. Expand it for small
$\sigma$, up to and including the terms of order $\sigma^0$. Which terms make its variance explode? Which of these
have a mean that you know for every $s$, given $x$? And what is the mean of the terms of order $\sigma^0$?

Write `controlled_loss(score, x, noise, sigma)`: the loss of each draw with a *control variate* subtracted, that is a
quantity of mean exactly 0, such that the expectation is that of $\ell_\sigma$ for every $\sigma$, and the variance
stays finite as $\sigma \to 0$.
""",
    answer="controlled_loss",
    stub="""
def controlled_loss(score, x, noise, sigma):
    # score: a function from (n, d) to (n, d); x, noise: (n, d); sigma: a
    # number. Returns the loss of each draw, shape (n,).
    ...
""",
    reference="""
def controlled_loss(score, x, noise, sigma):
    residual = score(x + sigma * noise) + noise / sigma
    loss = 0.5 * residual.square().sum(-1)
    linear = (noise * score(x)).sum(-1) / sigma
    square = (noise.square() - 1).sum(-1) / (2 * sigma**2)
    return loss - linear - square
""",
    mistakes=(
        Mistake(
            "at-the-noisy-point",
            (("(noise * score(x))", "(noise * score(x + sigma * noise))"),),
            "Keep x fixed and average your control over the noise: it is not 0, because two of its factors know the "
            "noise. At which point must the score be taken to know nothing of it?",
        ),
        Mistake(
            "mean-not-kept",
            (("(noise.square() - 1)", "noise.square()"),),
            "The spread is right, and the mean is off by the same amount for every model. (The companion's loss drops that "
            "constant on purpose; here the expectation has to stay.) What is the mean of ‖ε‖²?",
        ),
        Mistake(
            "square-only",
            (("loss - linear - square", "loss - square"),),
            "The constant is gone, and the gradient of your loss is as noisy as before. Which exploding term contains "
            "the model?",
        ),
        Mistake(
            "linear-only",
            (("loss - linear - square", "loss - linear"),),
            "Your loss still spreads like 1/σ² even for the model s = 0. Which exploding term is left?",
        ),
        Mistake(
            "added",
            (("loss - linear - square", "loss + linear + square"),),
            "Your variance has grown. With which sign do the terms stand in the expansion?",
        ),
        Mistake(
            "d-counted-once",
            (("(noise.square() - 1).sum(-1)", "(noise.square().sum(-1) - 1)"),),
            "Right on the line only. What is the mean of ‖ε‖² in d dimensions?",
        ),
    ),
    hints=(
        r"$s(x + \sigma\varepsilon) = s(x) + \sigma\,\nabla s(x)\,\varepsilon + O(\sigma^2)$. Multiply out, and "
        r"sort by powers of $\sigma$.",
        r"$\varepsilon$ is independent of $x$. Which of your terms are $\varepsilon$ times something that depends "
        r"on $x$ only?",
    ),
    solution=r"""
With $s(x + \sigma\varepsilon) = s + \sigma\,\nabla s\,\varepsilon + O(\sigma^2)$, everything on the right at $x$,

$$
\ell_\sigma = \frac{\lVert\varepsilon\rVert^2}{2\sigma^2} + \frac{\varepsilon^\top s(x)}\sigma +
  \Big[\tfrac12\lVert s(x)\rVert^2 + \varepsilon^\top\nabla s(x)\,\varepsilon\Big] + O(\sigma).
$$

The first two terms explode. Given $x$ their means are known whatever the model is: $d/2\sigma^2$ and 0. The bracket
has the mean $\tfrac12\lVert s\rVert^2 + \mathrm{tr}\,\nabla s$, the implicit loss: all that the denoising loss has to
say about the model for small $\sigma$ stands in a term that the exploding ones drown. Subtract
$\frac{\varepsilon^\top s(x)}\sigma + \frac{\lVert\varepsilon\rVert^2 - d}{2\sigma^2}$, whose mean is exactly 0 at
every $\sigma$: the expectation is unchanged, and what is left spreads like the bracket. The price is a second
evaluation of the network, at the clean point. Only the term with $s$ matters for the gradient; the other makes the
printed loss readable. The loss of the companion drops the constant $d/2\sigma^2$ as well. For large $\sigma$, where
the clean point says little about the noisy one, the subtraction can *add* variance.
""",
    cases=_noised,
    call=with_field,
    properties=(Property("for s = 0 every draw gives the same number, d/2σ²", _nothing_left),),
)


def _models(generator: torch.Generator) -> Cases:
    x, noise = balanced(math.sqrt(2.0))
    cases: Cases = [
        {"precision": torch.tensor([0.8], dtype=F64), "x": x[:, None], "noise": noise[:, None], "step": 9e-2}
    ]
    x, noise = balanced(1.0)
    # The precision at which the chain itself settles at variance 1.
    still = torch.tensor([2 * (1 - math.sqrt(1 - 0.5)) / 0.5], dtype=F64)
    cases.append({"precision": still, "x": x[:, None], "noise": noise[:, None], "step": 0.5})
    for n, d, step in ((4, 2, 0.3), (6, 3, 0.15)):
        precision = 0.5 + uniform(generator, d)
        x, noise = normal(generator, n, d), normal(generator, n, d)
        cases.append({"precision": precision, "x": x, "noise": noise, "step": step})
    return cases


def _stands_still(case: Any, found: Tensor) -> bool:
    return case["step"] != 0.5 or bool(found.abs().max() < 1e-9)


CONTRAST = Exercise(
    id="score.contrast",
    title="One Langevin step of contrastive divergence",
    chapter="08_score_matching",
    section="sec-08b-contrast",
    difficulty=3,
    minutes=35,
    statement=r"""
Contrastive divergence estimates the gradient of the mean log-likelihood by
$-\nabla_\theta E_\theta(x) + \nabla_\theta E_\theta(x')$, where the chain that makes $x'$ starts at the *data* point
$x$, and $x'$ is held fixed when the gradient is taken. Let it be one Langevin step of size $\delta$. Expand the mean
of the estimate in $\delta$ and show that it is
$-\tfrac\delta2\nabla_\theta D_F(p_\mathrm{data} \,\|\, p_\theta) + O(\delta^2)$: for small steps contrastive
divergence *is* score matching.

Take $E_\lambda(x) = \tfrac12\sum_j\lambda_j x_j^2$. Write `contrast_gradient(precision, x, noise, step)`: the
estimate for each $\lambda_j$, averaged over the $n$ data points, positive where $\lambda_j$ should grow. What happens
to the fitted precision if one differentiates through the step as well?
""",
    answer="contrast_gradient",
    stub="""
def contrast_gradient(precision, x, noise, step):
    # precision: (d,); x, noise: (n, d); step: a number. Returns the
    # estimated gradient of the mean log-likelihood, shape (d,).
    ...
""",
    reference="""
def contrast_gradient(precision, x, noise, step):
    score = -precision * x
    moved = x + 0.5 * step * score + math.sqrt(step) * noise
    return 0.5 * (moved.square() - x.square()).mean(0)
""",
    mistakes=(
        Mistake(
            "descends",
            (("moved.square() - x.square()", "x.square() - moved.square()"),),
            "Following your rule the likelihood falls. Which of the two points should get a lower energy?",
        ),
        Mistake(
            "through-the-step",
            (
                (
                    "(moved.square() - x.square())",
                    "(moved.square() - x.square() - step * precision * moved * x)",
                ),
            ),
            "Give your rule data from the model: it does not stand still, and it ends at half the precision. Which "
            "parts of your formula depend on λ only through the chain?",
        ),
        Mistake(
            "drift-not-halved",
            (("0.5 * step * score", "step * score"),),
            "Give your rule data from the model: it does not stand still. Drift and noise must match. What does "
            "Fokker–Planck ask?",
        ),
        Mistake(
            "noise-not-rooted",
            (("math.sqrt(step)", "step"),),
            "Your chain is far too cold, and your precisions only ever fall. Drift and noise must match. What does "
            "Fokker–Planck ask?",
        ),
        Mistake(
            "uphill-in-energy",
            (("score = -precision * x", "score = precision * x"),),
            "Your chain climbs to high energies. Which way does the score of a law with energy E point?",
        ),
        Mistake(
            "no-half-in-the-energy",
            (("0.5 * (moved", "(moved"),),
            "Twice the estimate. What is the derivative of the energy with respect to λ_j?",
        ),
        Mistake(
            "no-noise",
            ((" + math.sqrt(step) * noise", ""),),
            "One step of pure descent makes the energy fall for whatever λ, so your precisions only ever fall. What "
            "does a step of the chain add?",
        ),
    ),
    hints=(
        r"Expand $g(x')$ with $g = \nabla_\theta E_\theta$ to second order in "
        r"$x' - x = \tfrac\delta2 s + \sqrt\delta\,\varepsilon$, and average over $\varepsilon$.",
        r"$\mathbb E\,g(x') - g(x) = \tfrac\delta2\big(s^\top\nabla g + \Delta g\big) + O(\delta^2)$. Compare with "
        r"the gradient of the implicit loss.",
    ),
    solution=r"""
Let $g = \partial_\theta E_\theta$ and $s = -\nabla E_\theta$. Averaged over the noise,
$g(x') - g(x) = \tfrac\delta2\big(s^\top\nabla g + \Delta g\big) + O(\delta^2)$; the drift gives the first term, and
the square of the noise gives $\tfrac\delta2\Delta g$. Since $\nabla g = -\partial_\theta s$, this is
$-\tfrac\delta2\,\partial_\theta\big(\tfrac12\lVert s\rVert^2 + \nabla\cdot s\big)$: the implicit loss of the chapter,
whose mean over the data differs from $D_F$ by a constant. Ascent on the likelihood is descent on the Fisher
divergence, and both halves of the estimate start at the data; from model samples the difference would vanish to this
order, as it must for a step that leaves the model's law alone.

For the quadratic energy $g_j = \tfrac12x_j^2$, and for data of variance $v$ the mean is
$\tfrac\delta2(1 - \lambda v) + \tfrac{\delta^2}8\lambda^2v$. To first order it vanishes at $\lambda = 1/v$; exactly,
at the precision for which the *chain* has the variance $v$, $\frac{1/\lambda}{1 - \delta\lambda/4} = v$.
Differentiated through the step, $E_\lambda(x')$ gains $\lambda x'\,\partial_\lambda x' = -\tfrac\delta2\lambda\,x'x$,
whose mean is $-\tfrac\delta2\lambda v$ to first order, and the rule stands still at $\lambda = 1/2v$: half the
precision.
""",
    cases=_models,
    properties=(
        Property("with data from the chain's own stationary law the estimate is 0", _stands_still),
        Property(
            "the result has one number for each precision",
            lambda case, found: found.shape == case["precision"].shape,
        ),
    ),
)
