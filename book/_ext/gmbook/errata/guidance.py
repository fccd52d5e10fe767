"""Checks of the errata of chapter 11. Each takes the form of the claim and returns whether it holds, with numbers."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.distributions import Normal

from gmbook.errata import Form, Outcome
from gmlib.noise import DDPM, Denoiser
from gmlib.noise.guidance import ClassifierFree, ClassifierGuided
from gmlib.noise.samplers import ddim, ddpm_times

F64 = torch.float64
# A class N(1, 1/4) within data N(0, 1), and a noise level.
MEAN, VAR = 1.0, 0.25
BAR = 0.5


def _normal(mean: Tensor | float, var: float) -> Normal:
    """The law N(mean, var)."""
    return Normal(torch.as_tensor(mean, dtype=F64), math.sqrt(var))


def two_strengths(form: Form) -> Outcome:
    """(25.62) and (25.66) are the same score for the same strength; here by their slopes."""
    first, second = 2.0, 2.0 if form == "printed" else 1.0
    added = -1 - first * (1 / VAR - 1)
    exaggerated = -(1 + second) / VAR + second
    says = (
        f"for $p(x) = \\mathcal N(0, 1)$ and $p(x \\mid c) = \\mathcal N(1, \\tfrac14)$ the score (25.62) has the slope "
        f"${added:g}$ at $w = {first:g}$, and (25.66) ${exaggerated:g}$ at $w = {second:g}$"
    )
    return Outcome(abs(added - exaggerated) < 1e-12, says)


def score_of_the_tilt(form: Form) -> Outcome:
    """(25.62) at a noise level is the score of p_w, noised to this level; here by slopes, for normal laws."""
    # x ~ N(0, 1) and c given x ~ N(x, 1/2), so that p(x) p(c | x)^w has the precision 1 + 2 w.
    levels = [(BAR, 3.0)] if form == "printed" else [(1.0, 3.0), (BAR, 1.0)]
    parts, gap = [], 0.0
    for bar, w in levels:
        guided = -1 - w * bar / (1.5 - bar)
        due = -1 / (bar / (1 + 2 * w) + 1 - bar)
        gap = max(gap, abs(guided - due))
        parts.append(f"at $\\bar\\alpha = {bar:g}$ and $w = {w:g}$ they are ${guided:g}$ and ${due:g}$")
    laws = "for $x \\sim \\mathcal N(0, 1)$ and $c \\sim \\mathcal N(x, \\tfrac12)$"
    says = f"{laws}, slopes of (25.62) and of the score of $p_w$, noised: {', '.join(parts)}"
    return Outcome(gap < 1e-12, says)


def chain_for_marginal(form: Form) -> Outcome:
    """With one step, the product is the density of x_0 given y; or its integral over x_1 is."""
    point = 0.7
    due = _normal(0.0, 1.0).log_prob(torch.tensor(point, dtype=F64)).exp().item()
    # p(x_1) = N(0, 1) and p(x_0 | x_1, y) = N(x_1 / 2, 3/4), so that p(x_0 | y) = N(0, 1).
    starts = torch.tensor([-1.0, 0.0, 1.0], dtype=F64)
    if form == "right":
        starts = torch.linspace(-12, 12, 4801, dtype=F64)
    step = _normal(starts / 2, 0.75).log_prob(torch.tensor(point, dtype=F64))
    product = (_normal(0.0, 1.0).log_prob(starts) + step).exp()
    law = "$p(x_0 \\mid x_1, y) = \\mathcal N(x_1 / 2, \\tfrac34)$"
    setting = f"one step, {law}: the density at $x_0 = {point}$ is {due:.4f}"
    if form == "right":
        found = torch.trapezoid(product, starts).item()
        return Outcome(abs(found - due) < 1e-9, f"{setting}, and the integral of the product {found:.4f}")
    shown = ", ".join(f"{value:.4f}" for value in product.tolist())
    says = f"{setting}, and the product {shown} for $x_1 = -1, 0, 1$"
    return Outcome(max(abs(value - due) for value in product.tolist()) < 1e-9, says)


def twice_as_long(form: Form) -> Outcome:
    """Classifier-free guidance asks twice as many networks as the other method, by counting."""
    asked = {"denoiser": 0, "classifier": 0}

    def network(x: Tensor, t: Tensor, label: Tensor | None = None) -> Tensor:
        asked["denoiser"] += len(x)
        return torch.zeros_like(x)

    def log_prob(x: Tensor, t: Tensor) -> Tensor:
        asked["classifier"] += len(x)
        return -x.square().sum(1)

    schedule = DDPM.linear()
    times, start, label = ddpm_times(schedule, 10), torch.zeros(1, 1), torch.zeros(1, dtype=torch.long)
    plain = Denoiser(network, schedule, "eps")
    ddim(ClassifierFree(plain, 3.0, {"label": 1}), start, times, label=label)
    free = asked["denoiser"]
    asked["denoiser"] = 0
    ddim(ClassifierGuided(plain, log_prob, 3.0) if form == "printed" else plain, start, times)
    other = asked["denoiser"] + asked["classifier"]
    says = f"in ten steps classifier-free guidance asks the denoiser {free} times; "
    if form == "printed":
        says += (
            f"with a classifier the denoiser is asked {asked['denoiser']} times, and {asked['classifier']} times the "
            "classifier, forward and back"
        )
    else:
        says += f"without guidance it is asked {asked['denoiser']} times"
    return Outcome(free == 2 * other, says)


def start_for_score(form: Form) -> Outcome:
    """The score of noised data at -1 and 1, by differentiation, and by the claim."""
    data, noisy = torch.tensor([-1.0, 1.0], dtype=F64), torch.tensor(0.3, dtype=F64, requires_grad=True)
    log_q = _normal(math.sqrt(BAR) * data, 1 - BAR).log_prob(noisy)
    (found,) = torch.autograd.grad(log_q.logsumexp(0), noisy)
    score = found.item()
    each = ((math.sqrt(BAR) * data - noisy) / (1 - BAR)).detach()
    setting = f"data at $-1$ and 1, $\\bar\\alpha_t = 0.5$ and $x_t = 0.3$: the score is ${score:+.3f}$"
    if form == "printed":
        shown = " and ".join(f"${value:+.3f}$" for value in each.tolist())
        holds = max(abs(value - score) for value in each.tolist()) < 1e-9
        return Outcome(holds, f"{setting}, and the right-hand side {shown} for the two $x_0$")
    mean = (torch.softmax(log_q.detach(), 0) * each).sum().item()
    return Outcome(abs(mean - score) < 1e-9, f"{setting}, and the mean of the right-hand side ${mean:+.3f}$")


def two_bases(form: Form) -> Outcome:
    """The noise of the two slides, with the exact classifier of normal laws, at one noised point."""
    noisy, sigma = 0.3, math.sqrt(1 - BAR)
    plain = sigma * noisy
    told = sigma * (noisy - math.sqrt(BAR) * MEAN) / (BAR * VAR + 1 - BAR)
    gradient = (plain - told) / sigma
    w = 1.0 if form == "printed" else 0.0
    by_classifier = plain - sigma * 1.0 * gradient
    free = (w + 1) * told - w * plain
    says = (
        f"for $x_0 \\sim \\mathcal N(0, 1)$, a class $\\mathcal N(1, \\tfrac14)$, $\\bar\\alpha_t = 0.5$ and $x_t = 0.3$: "
        f"the noise is ${by_classifier:+.3f}$ with a classifier and $w = 1$, and ${free:+.3f}$ without one and $w = {w:g}$"
    )
    return Outcome(abs(by_classifier - free) < 1e-12, says)
