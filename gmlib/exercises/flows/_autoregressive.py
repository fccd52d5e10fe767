"""Chapter 05, autoregressive flows: what one affine layer cannot do, and two flows that are each other's inverse."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gmlib.exercises.exercise import Exercise, Mistake, Property
from gmlib.exercises.flows._cases import (
    F64,
    Cases,
    MaskedNet,
    normal,
    normal_density,
    table_of_banana,
    table_of_cross,
    uniform,
    with_net,
)


def _laws(generator: torch.Generator) -> Cases:
    cases: Cases = []
    axis = torch.arange(-56, 57, dtype=F64) / 8
    # A normal law with correlation; then two laws whose second coordinate bends and whose first has two modes.
    slope = 0.4 + uniform(generator, 1).item()
    plain = normal_density(axis[:, None], 0.0, 0.9) * normal_density(axis, slope * axis[:, None], 0.7)
    cases.append({"p": plain, "x1": axis, "x2": axis})
    for _ in range(2):
        mean, share = 1 + uniform(generator, 1).item(), 0.3 + 0.4 * uniform(generator, 1).item()
        first = share * normal_density(axis, -mean, 0.6) + (1 - share) * normal_density(axis, mean, 0.8)
        bend = 1.5 * torch.tanh(axis)[:, None]
        second = 0.5 * (
            normal_density(axis, bend, 0.5)
            + normal_density(axis, -0.5 * bend, 0.7 + 0.1 * axis[:, None] ** 2)
        )
        cases.append({"p": first[:, None] * second, "x1": axis, "x2": axis})
    for p, x1, x2 in (table_of_cross(), table_of_banana()):
        cases.append({"p": p, "x1": x1, "x2": x2})
    p, x1, x2 = table_of_banana()
    cases.append({"p": p.T.contiguous(), "x1": x2, "x2": x1})
    # The grids cut off a little of each law; with sums for integrals, all forms of the floor agree only for mass 1.
    for case in cases:
        case["p"] = case["p"] / (
            case["p"].sum() * (case["x1"][1] - case["x1"][0]) * (case["x2"][1] - case["x2"][0])
        )
    return cases


def _free(case: Any, found: Tensor) -> bool:
    """Where the law is what the layer can make, the floor is 0: its own best fit is the law itself."""
    p, x1, x2 = case["p"], case["x1"], case["x2"]
    first = p.sum(1)
    mean = p @ x2 / first
    var = (p * (x2 - mean[:, None]) ** 2).sum(1) / first
    share = first / first.sum()
    centre = share @ x1
    std = (share @ (x1 - centre) ** 2).sqrt()
    best = normal_density(x1, centre, std)[:, None] * normal_density(x2, mean[:, None], var.sqrt()[:, None])
    reachable = (best - p).abs().max() < 1e-4 * p.max()
    return not bool(reachable) or abs(found.item()) < 1e-4


FLOORS = Exercise(
    id="flows.floors",
    title="The least that one affine layer can lose",
    chapter="05_flows",
    section="sec-05-autoregressive",
    difficulty=3,
    minutes=40,
    statement=r"""
One affine autoregressive layer over a standard normal base makes $x_1$ normal, and $x_2$ given $x_1$ normal with a mean
and a variance that are any functions of $x_1$. (a) Show that for any law $p$ of the plane the least divergence is

$$
\min_\theta\mathrm{KL}(p\,\|\,p_\theta) = \mathrm{KL}\big(p(x_1)\,\|\,\mathcal N\big) +
\mathbb E_{x_1}\,\mathrm{KL}\big(p(x_2 \mid x_1)\,\|\,\mathcal N\big) ,
$$

where each $\mathcal N$ has the mean and the variance of the law in front of it. (b) Write it with two variances and the
entropy of $p$. (c) Compute it for the cross, $\frac12\mathcal N(0, \operatorname{diag}(1, 0.15^2)) + \frac12\mathcal
N(0, \operatorname{diag}(0.15^2, 1))$, and for the banana, $x_2 \sim \mathcal N(0, 4)$ and
$x_1 \sim \mathcal N(\frac14x_2^2, 1)$. (d) What changes when the banana is made in the order $(x_2, x_1)$?

Write `floor(p, x1, x2)` for a law given on a grid, with sums in place of integrals; by these sums its mass
is 1.
""",
    answer="floor",
    stub="""
def floor(p, x1, x2):
    # x1: (n1,) and x2: (n2,), axes with equal steps; p: (n1, n2), the density at
    # (x1[i], x2[j]). Returns nats.
    ...
""",
    reference="""
def floor(p, x1, x2):
    cell = (x1[1] - x1[0]) * (x2[1] - x2[0])
    mass = p * cell
    first = mass.sum(1)
    mean1 = first @ x1
    var1 = first @ (x1 - mean1) ** 2
    mean2 = mass @ x2 / first
    var2 = (mass * (x2 - mean2[:, None]) ** 2).sum(1) / first
    normal1 = 0.5 * (2 * math.pi * math.e * var1).log()
    normal2 = 0.5 * first @ (2 * math.pi * math.e * var2).log()
    entropy = -(mass * p.log()).sum()
    return normal1 + normal2 - entropy
""",
    mistakes=(
        Mistake(
            "one-variance-for-all",
            (
                (
                    "0.5 * first @ (2 * math.pi * math.e * var2).log()",
                    "0.5 * (2 * math.pi * math.e * (first @ var2)).log()",
                ),
            ),
            "Too large where the spread of x2 changes with x1: your layer has one scale for all x1. Of what is its scale a "
            "function?",
        ),
        Mistake(
            "full-gaussian",
            (
                (
                    "0.5 * first @ (2 * math.pi * math.e * var2).log()",
                    "0.5 * (2 * math.pi * math.e * (mass.sum(0) @ (x2 - mass.sum(0) @ x2) ** 2 "
                    "- (first @ ((x1 - mean1) * mean2)) ** 2 / var1)).log()",
                ),
            ),
            "That is the loss of one normal law of the plane: a layer with a linear mean and a constant scale. What else "
            "may its networks do?",
        ),
        Mistake(
            "other-order",
            (("mass = p * cell", "mass, p, x1, x2 = p.T * cell, p.T, x2, x1"),),
            "You condition x1 on x2. Which coordinate comes first here?",
        ),
        Mistake(
            "spread-of-the-whole",
            (
                (
                    "(mass * (x2 - mean2[:, None]) ** 2).sum(1) / first",
                    "(mass * (x2 - first @ mean2) ** 2).sum(1) / first",
                ),
            ),
            "You measure the spread of x2 about one common mean. Where is the centre of x2 when x1 is known?",
        ),
        Mistake(
            "first-coordinate-free",
            (
                (
                    "normal1 + normal2 - entropy",
                    "normal2 - entropy - (first * (first / (x1[1] - x1[0])).log()).sum()",
                ),
            ),
            "You let x1 have its own law. What can the layer make of a normal u1, when it has nothing to condition on?",
        ),
        Mistake(
            "entropy-added",
            (("normal2 - entropy", "normal2 + entropy"),),
            "For a normal law your answer is not 0. Is a divergence a cross entropy plus an entropy, or minus?",
        ),
    ),
    hints=(
        r"$\mathrm{KL}(p\,\|\,p_\theta)$ splits by the chain rule, as $p$ and $p_\theta$ do.",
        r"The cross entropy $-\mathbb E_p\log\mathcal N(m, v)$ needs two moments of $p$ only. What does it become at its "
        r"minimum?",
        r"The entropies of $p(x_1)$ and of $p(x_2 \mid x_1)$ add to that of $p$.",
    ),
    solution=r"""
(a) By the chain rule $\mathrm{KL}(p\,\|\,p_\theta) = \mathrm{KL}(p(x_1)\,\|\,p_\theta(x_1)) + \mathbb E_{x_1}\mathrm{KL}
(p(x_2 \mid x_1)\,\|\,p_\theta(x_2 \mid x_1))$, and mean and variance may be chosen for each $x_1$ by itself. For a law
$q$ with mean $m$ and variance $v$, $-\mathbb E_q\log\mathcal N(m', v') = \frac12\log2\pi v' +
\frac{v + (m - m')^2}{2v'}$ is least at $m' = m$ and $v' = v$. (b) There it is $\frac12\log2\pi ev$, so that

$$
\text{floor} = \tfrac12\log2\pi e\operatorname{Var}x_1 + \tfrac12\,\mathbb E\log2\pi e\operatorname{Var}[x_2 \mid x_1] -
H(p) .
$$

(c) The cross loses 0.3283 nats, of which 0.2517 are due to its first coordinate, a spike on a wide foot; the banana in
the order $(x_1, x_2)$ loses 0.3354: given a large $x_1$ there are two branches, and a normal law bridges them. No width of
the networks changes this. A full normal law loses 0.7139 on the cross. (d) In the order $(x_2, x_1)$ both laws are
normal to begin with, and the floor is 0: the order is part of the model.
""",
    cases=_laws,
    properties=(
        Property("a divergence is not negative", lambda case, found: found.item() > -1e-4),
        Property("a law that the layer can make loses nothing", _free),
    ),
)


def _masked(generator: torch.Generator) -> Cases:
    return [
        {"v": normal(generator, n, d), "net": normal(generator, 2, d, d)} for n, d in ((2, 2), (3, 3), (1, 5))
    ]


def _halves(case: Any, found: Tensor) -> tuple[Tensor, Tensor]:
    x, y = found[:-1].reshape(2, *case["v"].shape)
    return x, y


def _is_maf(case: Any, found: Tensor) -> bool:
    x, _ = _halves(case, found)
    log_scale, shift = MaskedNet(case["net"])(x)
    return torch.allclose((x - shift) * torch.exp(-log_scale), case["v"], rtol=1e-4, atol=1e-4)


def _undoes(case: Any, found: Tensor) -> bool:
    _, y = _halves(case, found)
    log_scale, shift = MaskedNet(case["net"])(case["v"])
    return torch.allclose(y * torch.exp(log_scale) + shift, case["v"], rtol=1e-4, atol=1e-4)


MAF_AND_IAF = Exercise(
    id="flows.maf-and-iaf",
    title="The same net, the other way round",
    chapter="05_flows",
    section="sec-05-autoregressive",
    difficulty=2,
    minutes=30,
    statement=r"""
A masked net turns a vector $y$ into log-scales $a(y)$ and shifts $\mu(y)$ whose $i$-th entries depend on $y_1, \dots,
y_{i-1}$ only. A masked autoregressive flow (MAF) conditions on the data, $x_i = u_i\,e^{a_i(x)} + \mu_i(x)$. (a) Write
down its inverse. How many evaluations of the net does each direction take? (b) Exchange the letters $u$ and $x$ in the
inverse: this is an inverse autoregressive flow (IAF), which conditions on the noise, {eq}`eq-05-iaf` with the inverse
of the MAF's affine map for $h$. Show that it undoes the MAF with the same net. (c) Which of the two would you train by
maximum likelihood, which would you take as the posterior of a VAE, and why does the IAF need no second pass for the
density of its *own* samples?

Write `two_samples(v, net)`: what the MAF makes of the noise `v`, and what the IAF of (b) makes of the same noise. Call
`net` at most $d + 1$ times; the check counts. Can you save one of these calls?
""",
    answer="two_samples",
    stub="""
def two_samples(v, net):
    # v: (n, d), noise; net(y) returns the log-scales a and the shifts mu, each (n, d).
    # Returns (2, n, d): the sample of the MAF, then that of the IAF.
    ...
""",
    reference="""
def two_samples(v, net):
    a, mu = net(v)
    iaf = (v - mu) * torch.exp(-a)
    maf = torch.zeros_like(v)
    # The first entries of a and mu depend on nothing: they are here already.
    maf[:, 0] = v[:, 0] * torch.exp(a[:, 0]) + mu[:, 0]
    for i in range(1, v.shape[-1]):
        a, mu = net(maf)
        maf[:, i] = v[:, i] * torch.exp(a[:, i]) + mu[:, i]
    return torch.stack([maf, iaf])
""",
    mistakes=(
        Mistake(
            "conditioned-on-the-noise",
            (("a, mu = net(maf)", "a, mu = net(v)"),),
            "Your MAF hands the noise to the net. Which of its two vectors does a MAF condition on, and how much of it is "
            "there at step i?",
        ),
        Mistake(
            "maf-in-one-pass",
            (
                ("for i in range(1, v.shape[-1]):\n        a, mu = net(maf)\n        ", ""),
                ("maf[:, i] = v[:, i] * torch.exp(a[:, i]) + mu[:, i]", "maf = v * torch.exp(a) + mu"),
            ),
            "One evaluation for the MAF is too good to be true: the net wants coordinates of x that are not there yet.",
        ),
        Mistake(
            "iaf-with-the-other-map",
            (("(v - mu) * torch.exp(-a)", "v * torch.exp(a) + mu"),),
            "That is an inverse autoregressive flow too, but not the one that undoes this MAF. Give its sample to the MAF "
            "as noise: what comes out?",
        ),
        Mistake(
            "maf-with-the-inverse-map",
            (
                (
                    "maf[:, i] = v[:, i] * torch.exp(a[:, i]) + mu[:, i]",
                    "maf[:, i] = (v[:, i] - mu[:, i]) * torch.exp(-a[:, i])",
                ),
                (
                    "maf[:, 0] = v[:, 0] * torch.exp(a[:, 0]) + mu[:, 0]",
                    "maf[:, 0] = (v[:, 0] - mu[:, 0]) * torch.exp(-a[:, 0])",
                ),
            ),
            "Your first sample conditions on the right vector, but it uses the map from x to u. Which one takes u to x?",
        ),
        Mistake(
            "iaf-step-by-step",
            (
                (
                    "    a, mu = net(v)\n    iaf = (v - mu) * torch.exp(-a)\n",
                    "    iaf = torch.zeros_like(v)\n    for i in range(v.shape[-1]):\n        a, mu = net(v)\n"
                    "        iaf[:, i] = (v[:, i] - mu[:, i]) * torch.exp(-a[:, i])\n",
                ),
            ),
            "Both samples are right, and the net was called too often. Does the second one ever wait for anything?",
        ),
        Mistake(
            "iaf-conditioned-on-its-output",
            (
                (
                    "    a, mu = net(v)\n    iaf = (v - mu) * torch.exp(-a)\n",
                    "    iaf = torch.zeros_like(v)\n    for i in range(v.shape[-1]):\n        a, mu = net(iaf)\n"
                    "        iaf[:, i] = (v[:, i] - mu[:, i]) * torch.exp(-a[:, i])\n",
                ),
            ),
            "Your IAF conditions on what it has made so far, as a MAF does. What does an inverse autoregressive flow "
            "condition on?",
        ),
    ),
    hints=(
        r"$u_i = (x_i - \mu_i(x))\,e^{-a_i(x)}$: everything on the right is known at once.",
        r"To draw from the MAF, start with any $x$: its first coordinate comes out right whatever the others are. Then the "
        r"second.",
    ),
    solution=r"""
(a) $u_i = (x_i - \mu_i(x))\,e^{-a_i(x)}$, all $i$ at once: one evaluation from data to noise. From noise to data $x_i$
needs $x_1, \dots, x_{i-1}$, so $d$ evaluations. (b) The IAF is $x_i = (u_i - \mu_i(u))\,e^{-a_i(u)}$, the formula of (a)
with the letters exchanged. Sent into the MAF as its noise, $x$ gives $x_i\,e^{a_i(y)} + \mu_i(y)$ for the output $y$; for
$i = 1$ this is $u_1$, and if $y_j = u_j$ for all $j < i$, then $a_i(y) = a_i(u)$ and $y_i = u_i$. So the two maps are
inverse to each other, and what takes one pass there takes $d$ here. That makes $d + 1$ evaluations for the two samples,
and $d$ are enough: $a_1$ and $\mu_1$ depend on nothing, so the first coordinate of the MAF comes out of the IAF's one pass.
(c) Likelihood needs the way from data to noise, one pass for the MAF. A variational posterior is drawn from and evaluated
at its own draws, one pass for the IAF: the noise of a sample that it has just made is still at hand, and so are the
log-scales.
""",
    cases=_masked,
    call=with_net,
    properties=(
        Property("the MAF's way back takes the first sample to the noise", _is_maf),
        Property(
            "the MAF with the same net takes the second sample, as its noise, to what it was made from",
            _undoes,
        ),
        Property(
            "the MAF waits for its own output and the IAF for nothing",
            lambda case, found: found[-1].item() <= case["v"].shape[-1],
        ),
    ),
)
