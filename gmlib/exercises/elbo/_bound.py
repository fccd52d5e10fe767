"""Chapter 02, the bound itself: the theorem, its four forms, its rate."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gmlib.exercises.elbo._laws import Cases, law
from gmlib.exercises.exercise import Exercise, Mistake, Property
from gmlib.vae import evidence_decomposition, four_faces


def _joints(generator: torch.Generator) -> Cases:
    cases: Cases = []
    for k in (2, 3, 5, 4):
        joint = law(generator, k) * torch.rand((), generator=generator, dtype=torch.float64)
        cases.append({"joint": joint, "q": law(generator, k)})
    # The equality case: q is the posterior.
    cases.append({"joint": cases[0]["joint"], "q": cases[0]["joint"] / cases[0]["joint"].sum()})
    return cases


def _below(case: Any, found: Tensor) -> bool:
    return bool(found <= case["joint"].sum().log() + 1e-9)


def _meets(case: Any, found: Tensor) -> bool:
    parts = evidence_decomposition(case["joint"], case["q"])
    return parts.kl.item() > 1e-9 or abs(found.item() - parts.log_evidence.item()) < 1e-9


BOUND = Exercise(
    id="elbo.bound",
    title="The bound, with its equality case",
    chapter="02_elbo",
    section="sec-02-bound",
    difficulty=1,
    minutes=15,
    statement=r"""
Prove that $\log p(x) - \mathrm{ELBO}(x; q) = \mathrm{KL}\big(q \,\|\, p(z \mid x)\big)$ for a latent variable with
finitely many values, and say for which $q$ the two sides are zero. Physicists read the same identity as
$F = U - TS$: which term of the bound is minus an energy, and which is an entropy?

Then write `lower_bound(joint, q)`: `joint` holds the numbers $p(x, z)$ for the observed $x$, one for each value of $z$
(they do not sum to 1), `q` is a law over $z$. Return the bound in nats.
""",
    answer="lower_bound",
    stub="""
def lower_bound(joint, q):
    # joint: p(x, z) for each z, shape (k,); q: a law over z, shape (k,).
    # Returns the ELBO, a number.
    ...
""",
    reference="""
def lower_bound(joint, q):
    expected_log_joint = (q * joint.log()).sum()
    entropy = -(q * q.log()).sum()
    return expected_log_joint + entropy
""",
    mistakes=(
        Mistake(
            "no-entropy",
            ((" + entropy", ""),),
            "At the posterior your bound should touch log p(x), and it stays below. What is q paid for staying wide?",
        ),
        Mistake(
            "entropy-sign",
            (("entropy = -(", "entropy = ("),),
            "Your bound likes a q that sits on one point. Should a narrow q be rewarded or charged?",
        ),
        Mistake(
            "log-outside",
            (("(q * joint.log()).sum()\n", "(q * joint / q).sum().log()\n"), (" + entropy", "")),
            "You get log p(x) for every q, so q has dropped out. Which comes first in the bound: the "
            "logarithm or the average?",
        ),
        Mistake(
            "adds-the-kl",
            (
                (
                    "return expected_log_joint + entropy",
                    "return 2 * joint.sum().log() - expected_log_joint - entropy",
                ),
            ),
            "Your bound lies above log p(x). Which of your two terms is a price?",
        ),
        Mistake(
            "reverse-kl",
            (
                (
                    "return expected_log_joint + entropy",
                    "p = joint / joint.sum()\n    return joint.sum().log() - (p * (p / q).log()).sum()",
                ),
            ),
            "The gap is the right kind of distance, measured from the wrong end. Under which law do "
            "you take the average?",
        ),
    ),
    hints=(
        r"Bayes' rule says that $p(x) = p(x, z) / p(z \mid x)$ for *every* $z$. Take logarithms, then "
        r"average both sides over $q$.",
        r"Multiply and divide by $q(z)$ inside the logarithm; what remains is one term with $p(x, z)$ "
        r"and one with $p(z \mid x)$.",
    ),
    solution=r"""
For each $z$ with $q(z) > 0$, $\log p(x) = \log\frac{p(x, z)}{q(z)} + \log\frac{q(z)}{p(z \mid x)}$. The left side
is the same for all $z$; averaging over $q$ gives
$\log p(x) = \mathbb E_q \log\frac{p(x, z)}{q(z)} + \mathrm{KL}(q \,\|\, p(z \mid x))$. The KL is zero if and only
if $q(z) = p(z \mid x)$ for all $z$, because Jensen's inequality for the strictly concave logarithm is strict unless
the ratio is constant.

With the energy $U(z) = -\log p(x, z)$ at temperature 1, the bound is $-\mathbb E_q U + H(q)$, minus the free energy
of $q$. It is largest, $\log\sum_z e^{-U(z)}$, at the Boltzmann law $e^{-U(z)}/\sum e^{-U}$, which is the posterior.
""",
    cases=_joints,
    properties=(
        Property("the bound is never above log p(x)", _below),
        Property("the bound equals log p(x) when q is the posterior", _meets),
    ),
)


def _tables(generator: torch.Generator) -> Cases:
    return [
        {
            "data": law(generator, x),
            "encoder": law(generator, x, z),
            "prior": law(generator, z),
            "decoder": law(generator, z, x),
        }
        for x, z in ((2, 3), (4, 2), (5, 3), (3, 3))
    ]


def _any_face(case: Any, found: Tensor) -> bool:
    return bool((four_faces(**case).totals() + found).abs().max() < 1e-9)


FOUR_FORMS = Exercise(
    id="elbo.four-forms",
    title="Four forms and their constant",
    chapter="02_elbo",
    section="sec-02-faces",
    difficulty=2,
    minutes=25,
    statement=r"""
Start from $\overline{\mathrm{ELBO}} = \mathbb E_{q(x, z)}\big[\log p(x, z) - \log q(z \mid x)\big]$ with
$q(x, z) = p_{\text{data}}(x)\, q(z \mid x)$ and derive the other three forms of {eq}`eq-02-faces`. What is the
constant that three of them share, and why may training ignore it while a comparison of models on *different* data
may not?

Then write `bound_by_joints(data, encoder, prior, decoder)` that computes $\overline{\mathrm{ELBO}}$ **through the KL
of the two joint laws**: `data` is $p_{\text{data}}(x)$, `encoder` has one row $q(z \mid x)$ for each $x$, `prior`
is $p(z)$, `decoder` one row $p(x \mid z)$ for each $z$.
""",
    answer="bound_by_joints",
    stub="""
def bound_by_joints(data, encoder, prior, decoder):
    # data (x,), encoder (x, z), prior (z,), decoder (z, x): tables of laws.
    # Returns the average ELBO in nats.
    ...
""",
    reference="""
def bound_by_joints(data, encoder, prior, decoder):
    q = data[:, None] * encoder
    p = (prior[:, None] * decoder).T
    joint_kl = (q * (q / p).log()).sum()
    entropy = -(data * data.log()).sum()
    return -joint_kl - entropy
""",
    mistakes=(
        Mistake(
            "no-constant",
            (("-joint_kl - entropy", "-joint_kl"),),
            "Off by a number that depends on the data alone. A perfect model has KL 0: is its bound 0 as well?",
        ),
        Mistake(
            "constant-sign",
            (("-joint_kl - entropy", "-joint_kl + entropy"),),
            "The data's entropy has the wrong sign. Can a model of three equally likely symbols reach log p = +1?",
        ),
        Mistake(
            "reverse-kl",
            (("(q * (q / p).log())", "(p * (p / q).log())"),),
            "You average over the model's story. Which joint law do the samples of the bound come from?",
        ),
        Mistake(
            "loss-for-bound",
            (("return -joint_kl - entropy", "return joint_kl + entropy"),),
            "This is what you minimise. The bound is what you maximise.",
        ),
        Mistake(
            "uniform-data",
            (("data[:, None] * encoder", "encoder / len(data)"),),
            "Right for equally frequent data only. Who says how often each x occurs?",
        ),
    ),
    hints=(
        r"Add and subtract $\log p_{\text{data}}(x)$ inside the expectation: one of the two joins "
        r"$\log q(z \mid x)$.",
        r"For the last two forms, factor $q(x, z)$ and $p(x, z)$ the other way round and use the chain "
        r"rule of the KL.",
    ),
    solution=r"""
Inside the expectation write $-\log q(z \mid x) = -\log q(x, z) + \log p_{\text{data}}(x)$. Then
$\overline{\mathrm{ELBO}} = -\mathrm{KL}(q(x, z) \,\|\, p(x, z)) + \mathbb E\log p_{\text{data}}(x)$, and the last
term is $-H(p_{\text{data}})$.
The chain rule of the KL splits the joint KL in two ways: along $x$ first,
$\mathrm{KL}(p_{\text{data}} \,\|\, p(x)) + \mathbb E\,\mathrm{KL}(q(z \mid x) \,\|\, p(z \mid x))$, and along $z$
first, $\mathrm{KL}(q(z) \,\|\, p(z)) + \mathbb E\,\mathrm{KL}(q(x \mid z) \,\|\, p(x \mid z))$. Writing
$\log p(x, z) = \log p(z) + \log p(x \mid z)$ in the first line instead gives minus distortion minus rate.

The constant is $-H(p_{\text{data}})$. No parameter occurs in it, so gradients do not see it. Two bounds on
different data differ by it, so nats on one data set say nothing about nats on another.
""",
    cases=_tables,
    properties=(Property("the result is minus each of the four forms of the negative bound", _any_face),),
)


def _codes(generator: torch.Generator) -> Cases:
    return [
        {"data": law(generator, x), "encoder": law(generator, x, z), "prior": law(generator, z)}
        for x, z in ((2, 3), (4, 2), (5, 4), (3, 3))
    ]


def _adds_to_rate(case: Any, found: Tensor) -> bool:
    log_ratio = (case["encoder"] / case["prior"]).log()
    rate = (case["data"] * (case["encoder"] * log_ratio).sum(-1)).sum()
    return found.shape == (2,) and abs(found.sum().item() - rate.item()) < 1e-9


RATE = Exercise(
    id="elbo.rate",
    title="What the rate pays for",
    chapter="02_elbo",
    section="sec-02-faces",
    difficulty=2,
    minutes=20,
    statement=r"""
Show that the rate is the information that the code carries about $x$, plus a fine for a code whose overall law is
not the prior:

$$
\mathbb E_{p_{\text{data}}} \mathrm{KL}\big(q(z \mid x) \,\|\, p(z)\big) = I_q(x; z) +
\mathrm{KL}\big(q(z) \,\|\, p(z)\big), \qquad q(z) = \mathbb E_{p_{\text{data}}}\, q(z \mid x).
$$

Then write `split_rate(data, encoder, prior)` that returns the two parts, information first, for tables as in the
exercise before.
""",
    answer="split_rate",
    stub="""
def split_rate(data, encoder, prior):
    # data (x,), encoder (x, z), prior (z,). Returns a tensor of two
    # numbers: information, KL of q(z) from p(z).
    ...
""",
    reference="""
def split_rate(data, encoder, prior):
    code = data @ encoder
    information = (data[:, None] * encoder * (encoder / code).log()).sum()
    marginal_kl = (code * (code / prior).log()).sum()
    return torch.stack([information, marginal_kl])
""",
    mistakes=(
        Mistake(
            "plain-average",
            (("data @ encoder", "encoder.mean(0)"),),
            "Your q(z) counts every x alike. Which x occur more often?",
        ),
        Mistake(
            "swapped",
            (("[information, marginal_kl]", "[marginal_kl, information]"),),
            "Both numbers are right, in the other order.",
        ),
        Mistake(
            "reverse-kl",
            (("(code * (code / prior).log())", "(prior * (prior / code).log())"),),
            "Your two parts do not add up to the rate. Which of the two laws is the average taken under?",
        ),
        Mistake(
            "entropy-for-information",
            (
                (
                    "(data[:, None] * encoder * (encoder / code).log()).sum()",
                    "-(code * code.log()).sum()",
                ),
            ),
            "You measured how varied the codes are. Give the encoder pure noise: how much does such a "
            "code tell about x?",
        ),
        Mistake(
            "rate-for-information",
            (("(encoder / code).log()", "(encoder / prior).log()"),),
            "Your first number is the whole rate. What would it be if the prior were equal to q(z)?",
        ),
    ),
    hints=(
        r"Write $\log\frac{q(z \mid x)}{p(z)} = \log\frac{q(z \mid x)}{q(z)} + \log\frac{q(z)}{p(z)}$ "
        r"and average over $q(x, z)$.",
    ),
    solution=r"""
Insert $q(z)$ between numerator and denominator:
$\log\frac{q(z \mid x)}{p(z)} = \log\frac{q(z \mid x)}{q(z)} + \log\frac{q(z)}{p(z)}$. Averaged over $q(x, z)$ the
first term is the mutual information $I_q(x; z)$ by definition, and the second no longer depends on $x$, so that
only $q(z)$ is left of the average: $\mathrm{KL}(q(z) \,\|\, p(z))$. Both are at least zero: the rate is never below
the information. It equals the information when the aggregated posterior is the prior, which is what makes decoded
prior samples look like decoded codes.
""",
    cases=_codes,
    properties=(
        Property("the two parts add up to the rate", _adds_to_rate),
        Property("neither part is negative", lambda case, found: bool((found >= -1e-9).all())),
    ),
)
