"""Chapter 02, what the bound costs: the gap of the family, and the gap of the encoder."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.distributions import MultivariateNormal, kl_divergence

from gmlib.exercises.elbo._laws import Cases, normal, precision
from gmlib.exercises.exercise import Exercise, Mistake, Property


def _precisions(generator: torch.Generator) -> Cases:
    cases: Cases = [{"precision": precision(generator, k)} for k in (2, 2, 3, 4)]
    return [*cases, {"precision": torch.diag(0.5 + normal(generator, 3).square())}]


def _correlation(case: Any, found: Tensor) -> bool:
    matrix = case["precision"]
    if len(matrix) != 2:
        return True
    squared = matrix[0, 1] ** 2 / (matrix[0, 0] * matrix[1, 1])
    return torch.allclose(found, -0.5 * torch.log1p(-squared))


FAMILY_GAP = Exercise(
    id="elbo.family-gap",
    title="What a diagonal guess cannot say",
    chapter="02_elbo",
    section="sec-02-amortisation",
    difficulty=2,
    minutes=25,
    statement=r"""
Suppose the exact posterior is normal with precision (inverse covariance) $\Lambda$. Which diagonal normal $q$ is
best, and what gap does it leave? Show that it is $\tfrac12\big[\sum_k \log\Lambda_{kk} - \log\det\Lambda\big]$, and
that this is zero only if $\Lambda$ is diagonal.

Then write `family_gap(precision)`.
""",
    answer="family_gap",
    stub="""
def family_gap(precision):
    # precision: (k, k), positive definite. Returns the gap of the best
    # diagonal normal q, a number in nats.
    ...
""",
    reference="""
def family_gap(precision):
    return 0.5 * (precision.diagonal().log().sum() - torch.logdet(precision))
""",
    mistakes=(
        Mistake(
            "no-half",
            (("0.5 * (", "("),),
            "Twice too large. Where does the density of a normal law carry a ½?",
        ),
        Mistake(
            "sign",
            (("0.5 * (", "-0.5 * ("),),
            "A gap is never negative. For a positive definite matrix, which is larger: the determinant "
            "or the product of the diagonal?",
        ),
        Mistake(
            "forward-kl",
            (
                (
                    "precision.diagonal().log().sum() - torch.logdet(precision)",
                    "torch.linalg.inv(precision).diagonal().log().sum() + torch.logdet(precision)",
                ),
            ),
            "You computed the divergence of the posterior from q. The gap of the bound is the other "
            "one: under which law is the average?",
        ),
        Mistake(
            "marginal-variances",
            (
                (
                    "precision.diagonal().log().sum() - torch.logdet(precision)",
                    "(precision.diagonal() * torch.linalg.inv(precision).diagonal()).sum() - len(precision) "
                    "- torch.logdet(precision) - torch.linalg.inv(precision).diagonal().log().sum()",
                ),
            ),
            "You gave q the posterior's own marginal variances. Try a narrower q: does the gap get smaller?",
        ),
        Mistake(
            "det-for-log-det",
            (("torch.logdet(precision)", "torch.det(precision)"),),
            "Rescale z, and your gap changes. Which of your two terms is not a logarithm?",
        ),
    ),
    hints=(
        r"The mean of $q$ is easy. For its variances $s_k$ write $\mathrm{KL}(q \,\|\, p)$ as a "
        r"function of the $s_k$: it splits into one term for each $k$ and a constant.",
        r"The term is $\tfrac12(\Lambda_{kk} s_k - \log s_k)$. It does not see the off-diagonal "
        r"entries of $\Lambda$.",
    ),
    solution=r"""
With $q = \mathcal N(m, \operatorname{diag} s)$ and the right mean,
$\mathrm{KL}(q \,\|\, p) = \tfrac12\big[\sum_k \Lambda_{kk} s_k - k - \sum_k\log s_k - \log\det\Lambda\big]$. Each
$s_k$ stands alone; the derivative vanishes at $s_k = 1/\Lambda_{kk}$, the *conditional* variance of $z_k$ given the
other latents and not its marginal variance, which is larger. Put in, the first two terms cancel and
$\tfrac12[\sum_k\log\Lambda_{kk} - \log\det\Lambda]$ remains. By Hadamard's inequality
$\det\Lambda \le \prod_k \Lambda_{kk}$, with equality only for diagonal matrices. For two latents with posterior
correlation $\rho$ the gap is $-\tfrac12\log(1 - \rho^2)$.
""",
    cases=_precisions,
    properties=(
        Property("a gap is never negative", lambda case, found: bool((found >= -1e-9).all())),
        Property("for two latents with correlation ρ the gap is −½ log(1 − ρ²)", _correlation),
    ),
)


def _encoders(generator: torch.Generator) -> Cases:
    return [
        {
            "precision": precision(generator, k),
            "exact_mean": normal(generator, k),
            "mean": normal(generator, k),
            "std": 0.4 + torch.rand(k, generator=generator, dtype=torch.float64),
        }
        for k in (1, 2, 3, 2)
    ]


def _total(case: Any, found: Tensor) -> bool:
    exact = MultivariateNormal(case["exact_mean"], precision_matrix=case["precision"])
    q = MultivariateNormal(case["mean"], torch.diag(case["std"] ** 2))
    return found.shape == (2,) and torch.allclose(found.sum(), kl_divergence(q, exact))


SPLIT_GAP = Exercise(
    id="elbo.tractable",
    title="Is the new objective tractable?",
    chapter="02_elbo",
    section="sec-02-amortisation",
    difficulty=2,
    minutes=30,
    statement=r"""
The evidence was out of reach, so we put the bound in its place. In what sense is the new objective tractable, and
what did the exchange cost? Name each of the approximations between $\log p(x)$ and the number that a training step
computes, and say which of them are errors *on average* and which are only noise.

Two of them have numbers. The exact posterior is $\mathcal N(m, \Lambda^{-1})$; the encoder says
$\mathcal N\big(\mu, \operatorname{diag}\sigma^2\big)$. Write `split_gap(precision, exact_mean, mean, std)` that returns
the amortisation gap (what optimising $\mu, \sigma$ for this $x$ would gain) and the family's gap (what would
remain), in this order.
""",
    answer="split_gap",
    stub="""
def split_gap(precision, exact_mean, mean, std):
    # precision: (k, k); exact_mean, mean, std: (k,). Returns a tensor of
    # two numbers: amortisation gap, family's gap.
    ...
""",
    reference="""
def split_gap(precision, exact_mean, mean, std):
    away = mean - exact_mean
    spread = (precision.diagonal() * std**2).sum()
    log_dets = torch.logdet(precision) + 2 * std.log().sum()
    total = 0.5 * (spread + away @ precision @ away - len(mean) - log_dets)
    family = 0.5 * (precision.diagonal().log().sum() - torch.logdet(precision))
    return torch.stack([total - family, family])
""",
    mistakes=(
        Mistake(
            "whole-gap",
            (("[total - family, family]", "[total, family]"),),
            "Your two parts together exceed log p − ELBO. Is the family's share still in the first one?",
        ),
        Mistake(
            "swapped",
            (("[total - family, family]", "[family, total - family]"),),
            "Both numbers are right, in the other order.",
        ),
        Mistake(
            "forgets-the-mean",
            (("away @ precision @ away", "0"),),
            "Your gap does not see where the encoder puts its mean. Shift it: should that be free?",
        ),
        Mistake(
            "covariance-for-precision",
            (("away @ precision @ away", "away @ torch.linalg.inv(precision) @ away"),),
            "A wrong mean should cost more when the posterior is narrow. In yours it costs less.",
        ),
        Mistake(
            "log-std-once",
            (("2 * std.log()", "std.log()"),),
            "Right where every σ is 1, wrong elsewhere. Is log det of the covariance Σ log σ or Σ log σ²?",
        ),
    ),
    hints=(
        r"The sum of the two gaps is $\mathrm{KL}(q \,\|\, p(z \mid x))$ of two normal laws.",
        r"The second one does not depend on what the encoder says: it is the answer of the exercise before.",
    ),
    solution=r"""
Tractable in this sense: every term of the bound can be sampled and, with the reparameterisation, its gradient is
unbiased from a single draw. What was given up: (1) the bound itself,
$\log p - \mathrm{ELBO} = \mathrm{KL}(q \,\|\, p(z \mid x))$, which consists of (1a) the *family's gap*, since even
the best diagonal normal law is not the posterior, and (1b) the *amortisation gap*, since the encoder's one-pass
answer is not the best diagonal normal law; (2) one sample in place of the expectation; (3) a batch in place of the
data. The first two bias the result, on average, and move its optimum; the last two are noise with mean zero. (A
fourth, that gradient steps find a local optimum, is common to all of deep learning.)

For normal laws

$$
\mathrm{KL}(q \,\|\, p) = \tfrac12\Big[\sum_k\Lambda_{kk}\sigma_k^2 + (\mu - m)^\top\Lambda(\mu - m) - k - \log\det\Lambda -
\sum_k\log\sigma_k^2\Big];
$$

subtracting $\tfrac12[\sum_k\log\Lambda_{kk} - \log\det\Lambda]$ leaves the encoder's share, which vanishes only at
$\mu = m$, $\sigma_k^2 = 1/\Lambda_{kk}$.
""",
    cases=_encoders,
    properties=(
        Property("the two gaps add up to the KL of the encoder's law from the posterior", _total),
        Property("neither gap is negative", lambda case, found: bool((found >= -1e-9).all())),
    ),
)
