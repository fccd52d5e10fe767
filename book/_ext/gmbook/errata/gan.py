"""Checks of the errata of chapter 14. Each takes the form of the claim and returns whether it holds, with numbers."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from torch.distributions import Normal

from gmbook.errata import Form, Outcome
from gmlib.distributions import Gaussian
from gmlib.gan import (
    F_DIVERGENCES,
    SCORING_RULES,
    DiracGAN,
    alternating,
    f_bound_1d,
    f_divergence_1d,
    optimal_logit,
    play,
    score_value,
    simultaneous,
)

F64 = torch.float64
# The data and the model of most checks; their log-ratio is 1/2 - x.
P, Q = (Gaussian(torch.full((1,), mean, dtype=F64), var=1.0) for mean in (0.0, 1.0))
LAWS = "for $\\mathcal N(0, 1)$ and $\\mathcal N(1, 1)$"
START = torch.ones(2, dtype=F64)


def _tilted(weight: float) -> float:
    """(26.10) for the critic whose logit is that many times the log-ratio."""
    return 0.5 * score_value(SCORING_RULES["log"], P, Q, critic=lambda x: weight * (0.5 - x[:, 0])).item()


def _jsd() -> float:
    return 0.5 * f_divergence_1d(P, Q, F_DIVERGENCES["js"]).item()


def arg_max(form: Form) -> Outcome:
    """What (26.10) defines as V is the number that (26.12) to (26.15) compute from it."""
    weights = [k / 10 for k in range(21)]
    values = [_tilted(w) for w in weights]
    best = int(np.argmax(values))
    found = weights[best] if form == "printed" else values[best]
    due = _jsd() - math.log(2)
    name = "\\arg\\max" if form == "printed" else "\\max"
    says = (
        f"{LAWS} and critics with the logit $\\varphi (\\frac12 - x)$, the ${name}$ is ${found:.4f}$, "
        f"and $\\mathrm{{JSD}} - \\log 2$ is ${due:.4f}$"
    )
    return Outcome(abs(found - due) < 1e-9, says)


def class_frequencies(form: Form) -> Outcome:
    """(26.8) gives the ratio at the point where the laws are equal, from a critic that saw four real points a fake one."""
    x = torch.tensor([[0.5]], dtype=F64)
    d = torch.sigmoid(optimal_logit(P, Q, x, log_prior=math.log(4))).item()
    found = d / (1 - d) * (1 if form == "printed" else 1 / 4)
    says = (
        f"{LAWS} and four real points for each fake one, at $x = \\frac12$, where the ratio is $1.00$, "
        f"the formula gives ${found:.2f}$"
    )
    return Outcome(abs(found - 1) < 1e-9, says)


def minimisation(form: Form) -> Outcome:
    """Adapting the critic takes V, plus log 2, to the Jensen-Shannon divergence."""
    values = [round(_tilted(w / 10) + math.log(2), 12) + 0.0 for w in range(11)]
    found, due = (min if form == "printed" else max)(values), _jsd()
    name = "least" if form == "printed" else "largest"
    says = (
        f"{LAWS} and critics between blind and best, the {name} value of $V + \\log 2$ is ${found:.4f}$, "
        f"and the divergence is ${due:.4f}$"
    )
    return Outcome(abs(found - due) < 1e-9, says)


def jensen_critic(form: Form) -> Outcome:
    """The critic of the row stays where the conjugate is finite, and its bound is the divergence of the row."""
    row = F_DIVERGENCES["js"]
    # 2 / (1 + 1/r) = 2 D exceeds log 2 where the logit 1/2 - x exceeds that of D = (log 2) / 2.
    edge = 0.5 - math.log(math.log(2) / (2 - math.log(2)))
    if form == "printed":
        outside = Normal(1.0, 1.0).cdf(torch.tensor(edge)).item()
        says = (
            f"{LAWS} the critic exceeds $\\log 2$ for $x < {edge:.3f}$, so that at ${100 * outside:.0f}$ per cent of the "
            "model's points the conjugate takes the logarithm of a negative number"
        )
        return Outcome(outside == 0, says)
    bound = f_bound_1d(P, Q, row, lambda x: math.log(2) + torch.nn.functional.logsigmoid(0.5 - x[:, 0]))
    due = f_divergence_1d(P, Q, row)
    return Outcome(
        bool((bound.total - due).abs() < 1e-9),
        f"{LAWS} the bound is ${bound.total:.6f}$, and the divergence of the row ${due:.6f}$",
    )


def jensen_label(form: Form) -> Outcome:
    """The f of the row gives the divergence that (26.16) defines."""
    x = torch.linspace(-12, 13, 20001, dtype=F64)
    log_p, log_q = P.log_prob(x[:, None]), Q.log_prob(x[:, None])
    middle = torch.logaddexp(log_p, log_q) - math.log(2)
    halves = [torch.trapezoid(law.exp() * (law - middle), x).item() for law in (log_p, log_q)]
    found = f_divergence_1d(P, Q, F_DIVERGENCES["js"]).item() / (1 if form == "printed" else 2)
    name = "\\int q f(p/q)" if form == "printed" else "\\frac12 \\int q f(p/q)"
    says = f"{LAWS}, ${name}$ is ${found:.6f}$, and (26.16) is ${0.5 * sum(halves):.6f}$"
    return Outcome(abs(found - 0.5 * sum(halves)) < 1e-9, says)


def pearson_critic(form: Form) -> Outcome:
    """The critic of the row makes the bound, with the conjugate of the row, equal to the divergence."""
    x = torch.linspace(-12, 13, 20001, dtype=F64)
    p, q = (law.log_prob(x[:, None]).exp() for law in (P, Q))
    r = torch.exp(0.5 - x)
    c = 1 - 1 / r.sqrt() if form == "printed" else 2 * (r - 1)
    bound = torch.trapezoid(p * c - q * (c**2 / 4 + c), x).item()
    due = f_divergence_1d(P, Q, F_DIVERGENCES["pearson"]).item()
    says = f"{LAWS} the critic of the row gives the bound ${bound:.4f}$, and the divergence is ${due:.4f}$"
    return Outcome(abs(bound - due) < 1e-6, says)


def pearson_domain(form: Form) -> Outcome:
    """The conjugate of the row is the supremum over the ratios that there are."""
    c, u = -3.0, torch.arange(0, 10, 1e-3, dtype=F64)
    due = (u * c - (u - 1).square()).max().item()
    found = c**2 / 4 + c if form == "printed" or c >= -2 else -1.0
    says = (
        f"at $c = -3$ the formula gives ${found:.2f}$, "
        f"and the supremum of $uc - (u - 1)^2$ over $u \\geq 0$ is ${due:.2f}$"
    )
    return Outcome(abs(found - due) < 1e-9, says)


def fgan_signs(form: Form) -> Outcome:
    """The critic's loss of the KL row, which is minimised, has a minimum among the constant critics."""
    c = torch.tensor([1.0, 3.0, 6.0], dtype=F64)
    conjugate = F_DIVERGENCES["kl"].conjugate(c)
    loss = c - conjugate if form == "printed" else conjugate - c
    numbers = ", ".join(f"${value:.1f}$" for value in loss.tolist())
    says = f"for the KL divergence and the constant critics $c = 1, 3, 6$ the loss is {numbers}"
    return Outcome(bool((loss.diff() > 0).all()), says)


def wasserstein_signs(form: Form) -> Outcome:
    """The critic that minimises L_D among lines of slope at most 1 is the critic of (26.31)."""
    slopes = torch.linspace(-1, 1, 21, dtype=F64)
    gain = -slopes  # E_p D - E_q D for D = slope * x, where the means are 0 and 1.
    found = gain[(gain if form == "printed" else -gain).argmin()].item()
    says = (
        f"{LAWS} the best line of slope at most 1 has $\\mathbb E_p D - \\mathbb E_q D = {found:+.1f}$, "
        "and $W_1$ is $1.0$"
    )
    return Outcome(abs(found - 1) < 1e-12, says)


def dirac_signs(form: Form) -> Outcome:
    """Where data and model are the same point, the critic of the logistic game is best when it does not tell them apart."""
    phi = torch.linspace(-5, 5, 101, dtype=F64)

    def psi(u: Tensor) -> Tensor:
        return torch.nn.functional.logsigmoid(u)

    real, fake = 0.5 * phi, 0.5 * phi
    loss = -psi(real if form == "printed" else -real) - psi(fake)
    found = phi[loss.argmin()].abs().item()
    says = f"with data and model both at $0.5$, among the slopes from $-5$ to $5$ the loss $L_D$ is least at ${found:.1f}$"
    return Outcome(found < 1e-9, says)


def simultaneous_order(form: Form) -> Outcome:
    """The pair of updates is one step of Euler's method for both players: with linear psi, of modulus sqrt(1 + eta^2)."""
    eta = 0.5
    rule = alternating(eta) if form == "printed" else simultaneous(eta)
    columns = [rule(DiracGAN("linear"), unit) for unit in torch.eye(2, dtype=F64)]
    found = torch.linalg.eigvals(torch.stack(columns, 1)).abs().max().item()
    due = math.sqrt(1 + eta**2)
    says = f"with $\\psi(u) = u$ and the step $0.5$ the pair has the modulus ${found:.3f}$, and Euler's method ${due:.3f}$"
    return Outcome(abs(found - due) < 1e-9, says)


def rates(form: Form) -> Outcome:
    """What the text finds conserved is conserved by the flow of which the updates with two rates are Euler steps."""
    alpha, rate = 1.0, 0.25
    # The exact flow of phi' = alpha theta, theta' = -rate phi from (1, 1), over more than a turn.
    t = torch.arange(0, 20, 0.01, dtype=F64)
    omega = math.sqrt(alpha * rate)
    phi = torch.cos(omega * t) + alpha / omega * torch.sin(omega * t)
    theta = torch.cos(omega * t) - rate / omega * torch.sin(omega * t)
    found = theta**2 + phi**2 if form == "printed" else theta**2 / rate + phi**2 / alpha
    low, high = found.min().item(), found.max().item()
    name = "\\theta^2 + \\varphi^2" if form == "printed" else "\\theta^2 / \\lambda + \\varphi^2 / \\alpha"
    says = f"with $\\alpha = 1$, $\\lambda = 0.25$ and linear $\\psi$, ${name}$ runs between ${low:.2f}$ and ${high:.2f}$"
    return Outcome(high - low < 1e-9, says)


def zero_real_parts(form: Form) -> Outcome:
    """How the distance falls in x' = y - x^3, y' = -x, whose eigenvalues at 0 are those of DiracGAN with linear psi."""

    def field(x: float, y: float) -> tuple[float, float]:
        return y - x**3, -x

    x, y, step, radii = 1.0, 0.0, 0.05, []
    for k in range(1, 16001):
        a = field(x, y)
        b = field(x + step / 2 * a[0], y + step / 2 * a[1])
        c = field(x + step / 2 * b[0], y + step / 2 * b[1])
        d = field(x + step * c[0], y + step * c[1])
        x += step / 6 * (a[0] + 2 * b[0] + 2 * c[0] + d[0])
        y += step / 6 * (a[1] + 2 * b[1] + 2 * c[1] + d[1])
        if k in (4000, 8000, 16000):
            radii.append(math.hypot(x, y))
    first, second = radii[1] / radii[0], radii[2] / radii[1]
    # Linear convergence squares the factor whenever the time doubles; t^(-1/2) keeps it.
    due = first**2 if form == "printed" else math.sqrt(0.5)
    says = (
        f"for $\\dot x = y - x^3$, $\\dot y = -x$ the distance from 0 at $t = 200$, $400$, $800$ is multiplied by "
        f"${first:.3f}$ and ${second:.3f}$, where the claim asks for ${due:.3f}$ the second time"
    )
    return Outcome(abs(second - due) < 0.01, says)


def every_step(form: Form) -> Outcome:
    """Simultaneous steps leave the circle of the continuous game, in the time 200 from (1, 1) with logistic psi."""
    ends = []
    for eta in (0.1, 0.05, 0.02):
        phi = theta = 1.0
        for _ in range(round(200 / eta)):
            push = eta / (1 + math.exp(phi * theta))
            phi, theta = phi + push * theta, theta - push * phi
        ends.append(math.hypot(phi, theta))
    numbers = ", ".join(f"${radius:.2f}$" for radius in ends)
    says = f"after the time 200 with $\\eta = 0.1, 0.05, 0.02$ the radius is {numbers}, and was $1.41$"
    stays = max(ends) < 1.42
    return Outcome(stays if form == "printed" else min(ends) > 1.5, says)


def circles(form: Form) -> Outcome:
    """Alternating steps come back: from (1, 1), the critic first, 2000 steps of size 1."""
    name = "logistic" if form == "printed" else "linear"
    path = play(DiracGAN(name), START, alternating(1.0), 2000)
    early, late = (part.norm(dim=-1).max().item() for part in (path[:13], path[-13:]))
    psi = "-\\log(1 + e^{-u})" if form == "printed" else "u"
    says = (
        f"with $\\psi(u) = {psi}$ and $\\eta = 1$ the largest radius is ${early:.2f}$ in the first twelve steps and "
        f"${late:.2f}$ in the last twelve of 2000"
    )
    return Outcome(abs(early - late) < 1e-6, says)


def data_term(form: Form) -> Outcome:
    """The supremum that stands for the value changes with the model, as the value does."""
    data = np.array([0.2, 0.8])
    models = [data, np.array([0.6, 0.4])]
    d = np.linspace(0, 0.999, 1000)
    values = []
    for model in models:
        terms = model[:, None] * np.log(1 - d)
        if form == "right":
            terms[:, 1:] += data[:, None] * np.log(d[1:])
            terms[:, 0] = -np.inf
        values.append(terms.max(1).sum())
    numbers = " and ".join(f"${value + 0.0:.3f}$" for value in values)
    says = f"for data $(0.2, 0.8)$ and the models $(0.2, 0.8)$ and $(0.6, 0.4)$ the supremum is {numbers}"
    return Outcome(abs(values[0] - values[1]) > 0.1, says)


def saturating_end(form: Form) -> Outcome:
    """Where log(1 - D) is said to saturate, its slope in the critic's logit is small."""
    a = torch.tensor(9.0 if form == "printed" else -9.0, dtype=F64, requires_grad=True)
    d = torch.sigmoid(a)
    (slope,) = torch.autograd.grad(torch.log(1 - d), a)
    says = f"at $D = {d.item():.4f}$ the slope of $\\log(1 - D)$ in the logit is ${slope.item():.4f}$"
    return Outcome(abs(slope.item()) < 0.01, says)
