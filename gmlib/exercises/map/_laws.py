"""Chapter 01, laws apart: the two KL divergences, and the best normal law."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.distributions import Normal

from gmlib.exercises.exercise import Exercise, Mistake, Property
from gmlib.exercises.map._cases import F64, Cases, law, normal, uniform


def _on_a_grid(generator: torch.Generator) -> Cases:
    cases: Cases = []
    for number, dx in enumerate((0.02, 0.05, 0.04, 0.03)):
        x = torch.arange(-6, 6, dx, dtype=F64)
        means, stds = normal(generator, 3), 0.6 + uniform(generator, 3)
        p = (
            0.4 * Normal(means[0], stds[0]).log_prob(x).exp()
            + 0.6 * Normal(means[1], stds[1]).log_prob(x).exp()
        )
        q = Normal(means[2], stds[2]).log_prob(x).exp()
        if number >= 2:
            # Both vanish on the left; in the third case q has a smaller support than p.
            p, q = p * (x > -2), q * (x > -2 + 0.5 * (number == 2))
        cases.append({"p": p / (p.sum() * dx), "q": q / (q.sum() * dx), "dx": dx})
    return cases


def _infinite(case: Any, found: Tensor) -> bool:
    never = bool(((case["p"] > 0) & (case["q"] == 0)).any())
    return found.shape == (2,) and bool(torch.isinf(found[0])) == never


BOTH_KLS = Exercise(
    id="map.both-kls",
    title="Two divergences with one name",
    chapter="01_map",
    section="sec-01-projection",
    difficulty=1,
    minutes=15,
    statement=r"""
The divergence $\mathrm{KL}(p \,\|\, q) = \int p(x) \log\frac{p(x)}{q(x)}\,dx$ is not symmetric. Let $p$ be the data
law and $q$ a model. Which of $\mathrm{KL}(p \,\|\, q)$ (*forward*) and $\mathrm{KL}(q \,\|\, p)$ (*reverse*)
becomes infinite if the model rules out something that occurs? Which one if the model says something that never
occurs? Which one does maximum likelihood make small, and which one would leave out one of two far bumps?

Then write `both_kls(p, q, dx)` for densities on an even grid with step `dx`, in nats, forward first. Densities may
be zero at some grid points, and $0\log 0 = 0$.
""",
    answer="both_kls",
    stub="""
def both_kls(p, q, dx):
    # p, q: (n,), densities on a grid; dx: its step. Returns a tensor of two
    # numbers: KL(p || q), KL(q || p).
    ...
""",
    reference="""
def both_kls(p, q, dx):
    forward = torch.special.xlogy(p, p) - torch.special.xlogy(p, q)
    reverse = torch.special.xlogy(q, q) - torch.special.xlogy(q, p)
    return torch.stack([forward.sum(), reverse.sum()]) * dx
""",
    mistakes=(
        Mistake(
            "swapped",
            (("[forward.sum(), reverse.sum()]", "[reverse.sum(), forward.sum()]"),),
            "Both numbers are right, in the other order. Under which law is the average of KL(p‖q) taken?",
        ),
        Mistake(
            "no-dx",
            (("reverse.sum()]) * dx", "reverse.sum()])"),),
            "Your answer changes when the grid gets finer. What turns a sum into an integral?",
        ),
        Mistake(
            "nan-at-zero",
            (
                ("torch.special.xlogy(p, p) - torch.special.xlogy(p, q)", "p * torch.log(p / q)"),
                ("torch.special.xlogy(q, q) - torch.special.xlogy(q, p)", "q * torch.log(q / p)"),
            ),
            "Right where both densities are positive; where one is zero, you get nan. Which of the zeros does "
            "a computer multiply by an infinite logarithm, and what should 0 log 0 be?",
        ),
        Mistake(
            "patched-zeros",
            (
                ("torch.special.xlogy(p, q)", "torch.special.xlogy(p, q + 1e-6)"),
                ("torch.special.xlogy(q, p)", "torch.special.xlogy(q, p + 1e-6)"),
            ),
            "Your divergence stays finite where q rules out what p does, and how large it is depends on the "
            "small number that you added. What should the price of an impossible event be?",
        ),
        Mistake(
            "cross-entropies",
            (
                ("torch.special.xlogy(p, p) - ", "-"),
                ("torch.special.xlogy(q, q) - ", "-"),
            ),
            "These are cross entropies. What does the KL of a law from itself have to be, and what do yours "
            "give?",
        ),
        Mistake(
            "bits",
            (("reverse.sum()]) * dx", "reverse.sum()]) * dx / math.log(2)"),),
            "These are bits. Which logarithm counts in nats?",
        ),
    ),
    hints=(
        r"The average is taken under the *first* law: a point where the first density is zero adds nothing.",
        r"`torch.special.xlogy(a, b)` is $a \log b$, and 0 when $a = 0$.",
    ),
    solution=r"""
A point adds $p \log(p/q)\,dx$: nothing if $p = 0$, and $+\infty$ if $q = 0 < p$. So the forward KL is infinite if
the model rules out something that occurs, the reverse KL if the model says something that never occurs. On data,
$\mathrm{KL}(p \,\|\, q) = -H(p) - \mathbb E_p \log q$: maximum likelihood makes the *forward* KL small, and
therefore has to cover every bump. The reverse KL does not see the bumps that the model leaves out, and charges for
mass between the bumps; it would rather sit on one of them.
""",
    cases=_on_a_grid,
    properties=(
        Property("a KL is never negative", lambda case, found: bool((found >= -1e-9).all())),
        Property("the forward KL is infinite exactly when q rules out something that p does", _infinite),
    ),
)


def _mixtures(generator: torch.Generator) -> Cases:
    cases: Cases = [
        {
            "weights": law(generator, K),
            "means": 2 * normal(generator, K),
            "variances": 0.3 + uniform(generator, K),
        }
        for K in (2, 3, 4, 2)
    ]
    bumps = torch.tensor([-3.0, 3.0], dtype=F64)
    ones = torch.ones(2, dtype=F64)
    return [*cases, {"weights": 0.5 * ones, "means": bumps, "variances": ones}]


def _no_nearer(case: Any, found: Tensor) -> bool:
    x = torch.linspace(-25, 25, 20_001, dtype=F64)
    parts = Normal(case["means"], case["variances"].sqrt()).log_prob(x[:, None]).exp()
    p = parts @ case["weights"]

    def loss(mean: float, variance: float) -> float:
        return -(p * Normal(mean, variance**0.5).log_prob(x)).sum().item() / p.sum().item()

    mean, variance = found.tolist()
    if variance <= 0.02:
        return False
    least = loss(mean, variance)
    nudges = ((0.02, 0.0), (-0.02, 0.0), (0.0, 0.02), (0.0, -0.02))
    return all(loss(mean + a, variance + b) > least for a, b in nudges)


PROJECTION = Exercise(
    id="map.best-gaussian",
    title="Maximum likelihood in the wrong family",
    chapter="01_map",
    section="sec-01-projection",
    difficulty=2,
    minutes=25,
    statement=r"""
Show that $\mathrm{KL}(p \,\|\, q) = -H(p) - \mathbb E_p \log q$, and deduce: with enough data, maximum likelihood
picks the member $q$ of the family with the smallest $\mathrm{KL}(p \,\|\, q)$ from the data law $p$. What does it
pick if $p$ itself is *not* in the family, and can one tell that from the likelihood?

Then the case that one can do by hand: $p = \sum_k \pi_k\, \mathcal N(m_k, v_k)$ is a mixture on the line, and the
family is all single normal laws. Write `nearest_gaussian(weights, means, variances)` that returns the mean and the
variance of the best $q$. (Try $\tfrac12\mathcal N(-3, 1) + \tfrac12\mathcal N(3, 1)$ first, in your head.)
""",
    answer="nearest_gaussian",
    stub="""
def nearest_gaussian(weights, means, variances):
    # weights, means, variances of the mixture: (K,). Returns a tensor of two
    # numbers: mean and variance of the normal law q with least KL(p || q).
    ...
""",
    reference="""
def nearest_gaussian(weights, means, variances):
    mean = (weights * means).sum()
    within = (weights * variances).sum()
    between = (weights * (means - mean) ** 2).sum()
    return torch.stack([mean, within + between])
""",
    mistakes=(
        Mistake(
            "within-only",
            (("within + between", "within"),),
            "Your variance does not change when the bumps move apart. Where does the spread of two far bumps "
            "come from?",
        ),
        Mistake(
            "between-only",
            (("within + between", "between"),),
            "With a single component your variance is 0. What spread does each bump have by itself?",
        ),
        Mistake(
            "one-bump",
            (("[mean, within + between]", "[means[weights.argmax()], variances[weights.argmax()]]"),),
            "You sit on the heaviest bump, as the reverse KL would. Data from the other bumps: how likely "
            "does your q think they are?",
        ),
        Mistake(
            "standard-deviation",
            (("within + between]", "(within + between).sqrt()]"),),
            "Your second number is a standard deviation. Which one is asked for?",
        ),
        Mistake(
            "not-centred",
            (("(means - mean) ** 2", "means**2"),),
            "Shift the whole mixture by 10: your variance grows. Around which point is it measured?",
        ),
        Mistake(
            "equal-weights",
            (("mean = (weights * means).sum()", "mean = means.mean()"),),
            "Right for equal weights. Which bump do more of the data come from?",
        ),
    ),
    hints=(
        r"$\mathbb E_p \log q$ is an average of $-\tfrac12\log 2\pi v - \frac{(x - m)^2}{2v}$. Which moments "
        r"of $p$ does it need?",
        r"The variance of a mixture is the average of the variances plus the variance of the means.",
    ),
    solution=r"""
Split the logarithm of the ratio: $\mathrm{KL}(p \,\|\, q) = \mathbb E_p\log p - \mathbb E_p\log q$. The first term
is $-H(p)$ and does not depend on $q$; the average log-likelihood of $n$ points tends to the second,
$\mathbb E_p\log q$. So its maximiser tends to the minimiser of the KL, under the usual conditions. If $p$ is in the
family the minimum is 0, at $q = p$. If not, the answer is still defined: the *forward projection* of $p$. The
likelihood alone does not tell, because its best value is $-H(p) - \min \mathrm{KL}$ and the entropy of the data is
not known. A difference of two models' average log-likelihoods is a difference of their KLs, and that one can
measure.

For normal $q$ with mean $m$ and variance $v$,
$\mathbb E_p\log q = -\tfrac12\log 2\pi v - \frac{\mathrm{var}_p + (\mathbb E_p x - m)^2}{2v}$, largest at
$m = \mathbb E_p x$ and $v = \mathrm{var}_p$: maximum likelihood matches the moments. For the mixture,
$m = \sum_k\pi_k m_k$ and $v = \sum_k \pi_k v_k + \sum_k\pi_k(m_k - m)^2$. The two bumps at $\pm 3$ give
$\mathcal N(0, 10)$, whose density is largest where there are hardly any data.
""",
    cases=_mixtures,
    properties=(Property("no normal law near yours has a smaller KL(p‖q)", _no_nearer),),
)
