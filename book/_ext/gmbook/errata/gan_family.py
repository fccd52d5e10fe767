"""Checks of the errata of chapter 14b. Each takes the form of the claim and returns whether it holds, with numbers."""

from __future__ import annotations

import math

import numpy as np
import torch

from gmbook.errata import Form, Outcome
from gmlib.distributions import Gaussian
from gmlib.gan import (
    F_DIVERGENCES,
    SCORING_RULES,
    DiracGAN,
    expected_score,
    f_divergence_1d,
    play,
    score_value,
    unrolled,
)

F64 = torch.float64


def proper_scores(form: Form) -> Outcome:
    """The best D at a point where four of five samples are real, over a fine grid of logits, is 4/5."""
    share, name = 0.8, "hinge" if form == "printed" else "log"
    honest = math.log(share / (1 - share))
    a = torch.cat([torch.arange(-400, 401, dtype=F64) / 100, torch.tensor([honest], dtype=F64)])
    score = expected_score(SCORING_RULES[name], a, share)
    best = torch.sigmoid(a[score.argmax()]).item()
    shown = "hinge" if form == "printed" else "Bernoulli"
    says = (
        f"at $p / (p + q) = 0.8$ the {shown} score is best at $D = {best:.3f}$ with ${score.max().item():.3f}$, "
        f"and at $D = 0.800$ it is ${score[-1].item():.3f}$"
    )
    return Outcome(abs(best - share) < 1e-9, says)


def pearson_of_what(form: Form) -> Outcome:
    """The optimum of the Brier score, with its constants taken off, is the divergence named."""
    rows = []
    for shift in (1.0, 3.0):
        p, q = (Gaussian(torch.full((1,), mean, dtype=F64), var=1.0) for mean in (0.0, shift))
        optimum = 4 * score_value(SCORING_RULES["brier"], p, q).item() + 2
        # (p - q)^2 / (p + q) is (2q - (p + q))^2 / (p + q), and q f(p / q) with f(u) = (u - 1)^2 / (u + 1).
        pearson = F_DIVERGENCES["pearson"] if form == "printed" else lambda u: (u - 1).square() / (u + 1)
        rows.append((optimum, f_divergence_1d(p, q, pearson).item()))
    name = "p \\,\\|\\, q" if form == "printed" else "2q \\,\\|\\, p + q"
    says = (
        f"for unit normal laws at the distances 1 and 3 the optimum gives ${rows[0][0]:.3f}$ and ${rows[1][0]:.3f}$, "
        f"and $\\chi^2({name})$ is ${rows[0][1]:.3f}$ and ${rows[1][1]:.3f}$"
    )
    return Outcome(all(abs(a - b) < 1e-4 for a, b in rows), says)


def _gap(mean: float, var: float, statistic: str) -> float:
    """The norm of E_p s - E_q s for p = N(0, 1), q = N(mean, var) and s made from log q, by Gauss-Hermite quadrature."""
    nodes, weights = (torch.from_numpy(values) for values in np.polynomial.hermite_e.hermegauss(8))
    weights = weights / weights.sum()
    moments = []
    for x in (nodes, mean + math.sqrt(var) * nodes):
        m, v = (torch.tensor(value, dtype=F64, requires_grad=True) for value in (mean, var))
        x = x.clone().requires_grad_()
        average = weights @ (-0.5 * (x - m).square() / v - 0.5 * torch.log(2 * math.pi * v))
        if statistic == "log q":
            moments.append(average.detach()[None])
        elif statistic == "in x":
            moments.append(torch.autograd.grad(average, x)[0].sum()[None])
        else:
            moments.append(torch.stack(torch.autograd.grad(average, (m, v))))
    return (moments[0] - moments[1]).norm().item()


def score_of_the_parameters(form: Form) -> Outcome:
    """Matching the moment tells N(0, 1) from every other normal law."""
    statistic = "log q" if form == "printed" else "in theta"
    far, wide = _gap(1.0, 2.0, statistic), _gap(0.0, 4.0, statistic)
    name = "\\log q_\\theta" if form == "printed" else "\\nabla_\\theta \\log p_\\theta"
    says = (
        f"for data from $\\mathcal N(0, 1)$ the gap in ${name}$ is ${far:.3f}$ at $\\mathcal N(1, 2)$ "
        f"and ${wide:.3f}$ at $\\mathcal N(0, 4)$"
    )
    if form == "printed":
        says += f", where that in $\\nabla_x \\log q_\\theta$ is ${_gap(0.0, 4.0, 'in x'):.3f}$"
    return Outcome(min(far, wide) > 1e-3, says)


def nash_loss(form: Form) -> Outcome:
    """What a generator's loss does when it leaves the equilibrium, against the critic D = 1/2."""
    data = Gaussian(torch.zeros(1, dtype=F64), var=1.0)
    values = []
    for shift in (0.0, 0.5, 2.0):
        model = Gaussian(torch.full((1,), shift, dtype=F64), var=1.0)
        blind = score_value(SCORING_RULES["log"], data, model, critic=lambda x: torch.zeros_like(x[:, 0]))
        values.append(0.5 * blind.item())
    moved = [value - values[0] for value in values[1:]]
    numbers = " and ".join(f"${abs(value):.4f}$" for value in moved)
    says = (
        "for data from $\\mathcal N(0, 1)$ and $D = \\frac12$, "
        f"moving the model's mean to 0.5 and 2 changes its loss by {numbers}"
    )
    if form == "printed":
        return Outcome(min(moved) > 1e-9, says)
    worse = (
        score_value(SCORING_RULES["log"], data, data, critic=lambda x: 0.5 + 0 * x[:, 0]).item() / 2
        - values[0]
    )
    holds = min(moved) > -1e-9 and worse < 1e-9
    return Outcome(holds, f"{says}, and a critic who moves its logit to 0.5 loses ${-worse:.4f}$")


def future_critics(form: Form) -> Outcome:
    """The players of V = phi theta come to rest, from (1, 1) in 500 steps of size 0.1."""
    if form == "right":
        rule = unrolled(0.1, inner=0.5)
        end = play(DiracGAN("linear"), torch.ones(2, dtype=F64), rule, 500)[-1].norm().item()
        says = "against the critic that would follow after a step of size $0.5$"
    else:
        phi, theta, seen = 1.0, 1.0, [1.0]
        for _ in range(500):
            mean = sum(seen[-5:]) / len(seen[-5:])
            phi, theta = phi + 0.1 * theta, theta - 0.1 * mean
            seen.append(phi)
        end = math.hypot(phi, theta)
        says = "against the mean of the last 5 critics"
    shown = (
        f"{end:.1f}" if end > 1 else f"{end:.1e}".replace("e-0", "e-").replace("e-", " \\times 10^{-") + "}"
    )
    return Outcome(
        end < 1e-3,
        f"on $V = \\varphi\\theta$, {says}, 500 steps of size $0.1$ take the radius from $1.4$ to ${shown}$",
    )
