"""Checks of the errata of chapter 09. Each takes the form of the claim and returns whether it holds, with numbers."""

from __future__ import annotations

import itertools
import math

import numpy as np
import torch
from torch import Tensor
from torch.distributions import MultivariateNormal, Normal, kl_divergence

from gmbook.errata import Form, Outcome
from gmlib.noise import DDPM

F64 = torch.float64
# The least that any model of N(0, 1) can pay, on average.
ENTROPY = 0.5 * math.log(2 * math.pi * math.e)
# A clean point, and what the law N(0, 1) charges for it.
POINT = 0.7
DUE = 0.5 * math.log(2 * math.pi) + 0.5 * POINT**2
# Signal-to-noise ratios between which the continuous loss is taken.
SNR_HIGH, SNR_LOW = 1e4, 1e-3


def _products(steps: int) -> list[float]:
    """The products of DDPM's chain at every (1000 / steps)-th step, with the 1 of the clean data in front."""
    return DDPM.linear().alpha_bar[:: 1000 // steps].tolist()


def _normal(mean: Tensor | float, var: float) -> Normal:
    """The law N(mean, var)."""
    return Normal(torch.as_tensor(mean, dtype=F64), math.sqrt(var))


def _path_cost(betas: list[float], noises: list[Tensor]) -> Tensor:
    """The terms L_T, L_(T-1), ..., L_0 of POINT, added up along one path of the chain, without an expectation.

    The data are N(0, 1), whose true steps back are N(sqrt(1 - beta) x, beta).
    """
    bars, path = [1.0], [torch.tensor(POINT, dtype=F64)]
    for beta, noise in zip(betas, noises, strict=True):
        bars.append(bars[-1] * (1 - beta))
        path.append(math.sqrt(1 - beta) * path[-1] + math.sqrt(beta) * noise)
    total = kl_divergence(_normal(math.sqrt(bars[-1]) * POINT, 1 - bars[-1]), _normal(0.0, 1.0))
    for k in range(len(betas), 1, -1):
        beta, now, before = betas[k - 1], bars[k], bars[k - 1]
        mean = math.sqrt(1 - beta) * (1 - before) * path[k] + math.sqrt(before) * beta * POINT
        true = _normal(mean / (1 - now), beta * (1 - before) / (1 - now))
        total = total + kl_divergence(true, _normal(math.sqrt(1 - beta) * path[k], beta))
    return total - _normal(math.sqrt(1 - betas[0]) * path[1], betas[0]).log_prob(path[0])


def _mean_path_cost(betas: list[float]) -> float:
    """The expectation of `_path_cost`, by a Gauss-Hermite rule that is exact for it."""
    nodes, weights = (torch.from_numpy(values) for values in np.polynomial.hermite_e.hermegauss(4))
    noises = torch.cartesian_prod(*[nodes] * len(betas)).reshape(-1, len(betas))
    shares = torch.cartesian_prod(*[weights] * len(betas)).reshape(-1, len(betas)).prod(1)
    costs = _path_cost(betas, list(noises.T))
    return ((shares * costs).sum() / shares.sum()).item()


def _final_variance(var: float, steps: int, *, last_noise: bool) -> float:
    """What ancestral sampling with the exact noise and the variance beta makes of N(0, 1), for data from N(0, var)."""
    bars, found = _products(steps), 1.0
    for k in range(steps, 0, -1):
        ratio = bars[k] / bars[k - 1]
        now, before = (bar * var + 1 - bar for bar in (bars[k], bars[k - 1]))
        found = ratio * (before / now) ** 2 * found + (1 - ratio) * (k > 1 or last_noise)
    return found


def two_signs(form: Form) -> Outcome:
    """(25.12) by covariances, and (25.18) by its KL divergences, for N(0, 1) data and the true steps back."""
    betas = [0.1, 0.3, 0.2]
    carried = [math.prod(1 - beta for beta in betas[:k]) for k in range(4)]
    covariance = torch.tensor(
        [[math.sqrt(carried[max(i, j)] / carried[min(i, j)]) for j in range(4)] for i in range(4)], dtype=F64
    )
    # E log p - E log q, with p the same Gaussian and q the chain given its start.
    log_p = -MultivariateNormal(torch.zeros(4, dtype=F64), covariance).entropy().item()
    log_q = -sum(0.5 * math.log(2 * math.pi * math.e * beta) for beta in betas)
    lower = log_p - log_q
    # Averaged over the data, L_T and the steps are logarithms, and L_0 is the entropy of a step.
    upper = -0.5 * math.log(1 - carried[3])
    for k in (3, 2):
        upper += 0.5 * math.log((1 - carried[k]) / (1 - carried[k - 1]))
    upper += 0.5 * math.log(2 * math.pi * math.e * betas[0])
    says = f"on $\\mathcal N(0, 1)$, averaged over the data, (25.12) is ${lower:+.4f}$ and (25.18) ${upper:+.4f}$ nats"
    gap = lower - upper if form == "printed" else lower + upper
    return Outcome(abs(gap) < 1e-9, says)


def averaged_reconstruction(form: Form) -> Outcome:
    """With one step, (25.19) and (25.20) add up to what the law charges for the point."""
    setting = f"one step, $\\beta = 0.5$ and $x_0 = {POINT}$"
    due = f"$-\\log p(x_0) = {DUE:.3f}$"
    if form == "right":
        mean = _mean_path_cost([0.5])
        return Outcome(abs(mean - DUE) < 1e-12, f"{setting}: the sum is {mean:.3f}, and {due}")
    costs = [_path_cost([0.5], [torch.tensor(e, dtype=F64)]).item() for e in (-1.0, 0.0, 1.0)]
    says = (
        f"{setting}: the sum is {', '.join(f'{c:.3f}' for c in costs)} for $\\epsilon = -1, 0, 1$, and {due}"
    )
    return Outcome(max(abs(c - DUE) for c in costs) < 1e-12, says)


def argument_of_the_mean(form: Form) -> Outcome:
    """The right-hand side of (25.22) changes with the second argument of the left-hand side."""

    def mean(noisy: float, t: int) -> float:
        bar, before = _products(1000)[t], _products(1000)[t - 1]
        beta, noise = 1 - bar / before, math.sqrt(1 - bar) * noisy
        return (noisy - beta / math.sqrt(1 - bar) * noise) / math.sqrt(1 - beta)

    if form == "printed":
        names, times = ("x_0 = -1", "x_0 = 1"), (300, 300)
    else:
        names, times = ("t = 300", "t = 600"), (300, 600)
    values = [mean(1.0, t) for t in times]
    parts = [f"{value:.5f} for ${name}$" for value, name in zip(values, names, strict=True)]
    says = f"with the exact noise of $\\mathcal N(0, 1)$, the right-hand side at $x_t = 1$ is {' and '.join(parts)}"
    return Outcome(values[0] != values[1], says)


def noise_at_the_end(form: Form) -> Outcome:
    """Data that are one point come out as one point."""
    found = _final_variance(0.0, 50, last_noise=form == "printed")
    says = (
        f"50 of DDPM's 1000 steps, with the exact noise and $\\sigma_t^2 = \\beta_t$, for data that are one point: "
        f"the samples have the variance {found:.4f}"
    )
    return Outcome(found < 1e-12, says)


def entropy_bounds(form: Form) -> Outcome:
    """The variance of the true step back is at most beta."""
    step, bars = 301, _products(1000)
    beta = 1 - bars[step] / bars[step - 1]
    variances = (4.0,) if form == "printed" else (0.25, 1.0)
    true = [
        beta * (bars[step - 1] * v + 1 - bars[step - 1]) / (bars[step] * v + 1 - bars[step])
        for v in variances
    ]
    data = " or ".join(f"{v:g}" for v in variances)
    numbers = " or ".join(f"{value:.7f}" for value in true)
    says = (
        f"data of variance {data}, at step 301 of DDPM's chain: the true variance is {numbers}, "
        f"and $\\beta_t$ is {beta:.7f}"
    )
    return Outcome(max(true) <= beta + 1e-15, says)


def lost_hats(form: Form) -> Outcome:
    """The signal at the end of the chain is nearly 0, as a small prior loss needs it."""
    bars = _products(1000)
    signal = bars[-1] / bars[-2] if form == "printed" else math.sqrt(bars[-1])
    name = "\\alpha_T = 1 - \\beta_T" if form == "printed" else "\\hat\\alpha_T = \\sqrt{\\bar\\alpha_T}"
    return Outcome(signal < 0.01, f"on DDPM's chain the factor of $x_0$ in $z_T$ is ${name} = {signal:.4f}$")


def continuous_sign(form: Form) -> Outcome:
    """(25.28), integrated over a falling signal-to-noise ratio, is (25.29)."""
    t = torch.linspace(0, 1, 200_001, dtype=F64)
    snr = SNR_HIGH * (SNR_LOW / SNR_HIGH) ** t
    slope = math.log(SNR_LOW / SNR_HIGH) * snr
    # For N(0, 1) the best guess of the clean point has the error 1 / (1 + R).
    integral = 0.5 * torch.trapezoid(slope / (1 + snr), t).item()
    over_time = integral if form == "printed" else -integral
    over_snr = 0.5 * math.log((1 + SNR_HIGH) / (1 + SNR_LOW))
    says = (
        f"on $\\mathcal N(0, 1)$, with $R$ falling from $10^4$ to $10^{{-3}}$, "
        f"(25.28) is ${over_time:+.4f}$ nats and (25.29) ${over_snr:+.4f}$"
    )
    return Outcome(abs(over_time - over_snr) < 1e-6, says)


def discrete_labels(form: Form) -> Outcome:
    """The three losses of (25.27) add up to the entropy of N(0, 1), with z_t for x_t."""
    prior = 0.5 * math.log(1 + SNR_LOW)
    diffusion = 0.5 * math.log((1 + SNR_HIGH) / (1 + SNR_LOW))
    place, snr = ("z_1", SNR_LOW) if form == "printed" else ("z_0", SNR_HIGH)
    reconstruction = ENTROPY - 0.5 * math.log(1 + snr)
    total = prior + diffusion + reconstruction
    says = (
        f"on $\\mathcal N(0, 1)$, with $R$ from $10^4$ at $t = 0$ to $10^{{-3}}$ at $t = 1$ and the reconstruction from "
        f"${place}$, the losses add up to {total:.4f} nats; the entropy is {ENTROPY:.4f}"
    )
    return Outcome(abs(total - ENTROPY) < 1e-9, says)


def rescaled_input(form: Form) -> Outcome:
    """The network that is best for (25.24) is best for (25.38), with the weight sigma squared, at its level."""
    sigma = 1.0
    # The same ratio of signal to noise: alpha_bar = 1 / (1 + sigma^2).
    bar = 1 / (1 + sigma**2)
    scale = 1.0 if form == "printed" else math.sqrt(bar)
    slope = math.sqrt(1 - bar)
    # E (e - slope * scale * (x + sigma e))^2 over independent x and e of variance 1.
    loss = (1 - slope * scale * sigma) ** 2 + (slope * scale) ** 2
    floor = bar
    given = (
        "x_0 + \\sigma\\epsilon" if form == "printed" else "(x_0 + \\sigma\\epsilon) / \\sqrt{1 + \\sigma^2}"
    )
    says = (
        f"on $\\mathcal N(0, 1)$ at $\\sigma = 1$, the best network for (25.24), given ${given}$, has the loss "
        f"{loss:.3f}, and {floor:.3f} is the least"
    )
    return Outcome(abs(loss - floor) < 1e-12, says)


def round_trip(form: Form) -> Outcome:
    """Noised to the end and denoised with the exact noise, a point of N(0, 1) is where it was; or its law is."""
    bars = _products(1000)
    if form == "printed":
        # Both ways each step carries the factor sqrt(1 - beta).
        kept = math.sqrt(bars[-1]) * math.prod(math.sqrt(b / a) for a, b in itertools.pairwise(bars))
        says = f"on $\\mathcal N(0, 1)$ a point and what comes back have the covariance {kept:.5f}"
        return Outcome(abs(kept - 1) < 1e-2, says)
    found = _final_variance(1.0, 1000, last_noise=False)
    return Outcome(
        abs(found - 1) < 1e-2, f"on $\\mathcal N(0, 1)$ what comes back has the variance {found:.4f}"
    )


def grey_noise(form: Form) -> Outcome:
    """The last step leaves pictures of 256 grey levels, scaled to [-1, 1], free of noise that can be seen."""
    bars = _products(1000)
    std = math.sqrt(1 - bars[1]) if form == "printed" else 0.0
    level = 2 / 255
    says = (
        f"with $\\sigma_1^2 = \\beta_1$ of DDPM's chain the last noise has the standard deviation {std:.4f}, "
        f"which is {std / level:.2f} grey levels"
    )
    if form == "right":
        says = f"the last noise has the standard deviation {std:.4f}"
    return Outcome(std < level / 2, says)


def reverse_in_closed_form(form: Form) -> Outcome:
    """The step back, for data at -1 and 1, as a formula and by integrating Bayes' rule over a grid."""
    before, beta, noisy, at = 0.7, 0.2, 0.4, 0.5
    now, data = before * (1 - beta), torch.tensor([-1.0, 1.0], dtype=F64)
    weights = torch.softmax(
        _normal(math.sqrt(now) * data, 1 - now).log_prob(torch.tensor(noisy, dtype=F64)), 0
    )
    means = (math.sqrt(1 - beta) * (1 - before) * noisy + math.sqrt(before) * beta * data) / (1 - now)
    parts = _normal(means, beta * (1 - before) / (1 - now)).log_prob(torch.tensor(at, dtype=F64)).exp()
    formula = (weights * parts).sum().item()
    grid = torch.linspace(-8, 8, 160_001, dtype=F64)

    def joint(x: Tensor) -> Tensor:
        start = _normal(math.sqrt(before) * data[:, None], 1 - before).log_prob(x).exp().mean(0)
        return start * _normal(math.sqrt(1 - beta) * x, beta).log_prob(torch.tensor(noisy, dtype=F64)).exp()

    bayes = (joint(torch.tensor([at], dtype=F64)) / torch.trapezoid(joint(grid), grid)).item()
    agree = abs(formula - bayes) < 1e-9
    says = (
        f"for data at $-1$ and $1$ a mixture of two normal laws has the density {formula:.6f} at one point of the step "
        f"back, and integration of Bayes' rule gives {bayes:.6f}"
    )
    return Outcome(not agree if form == "printed" else agree, says)


def joint_for_conditional(form: Form) -> Outcome:
    """With one step, reconstruction term minus prior matching term is the log-likelihood of the true model."""
    beta = 0.5
    matching = kl_divergence(_normal(math.sqrt(1 - beta) * POINT, beta), _normal(0.0, 1.0)).item()
    reconstruction = matching - _mean_path_cost([beta])
    if form == "printed":
        # E log p(x_1) over q(x_1 given x_0), which the joint has in addition.
        reconstruction -= 0.5 * math.log(2 * math.pi) + 0.5 * ((1 - beta) * POINT**2 + beta)
    found = reconstruction - matching
    says = (
        f"for $T = 1$, $\\beta = 0.5$, $\\mathcal N(0, 1)$ data and $x_0 = {POINT}$ the bound is ${found:.3f}$, "
        f"and $\\log p(x_0) = {-DUE:.3f}$"
    )
    return Outcome(abs(found + DUE) < 1e-12, says)


def price_squared(form: Form) -> Outcome:
    """The price of a distance of means is the KL divergence between two laws with the same covariance."""
    var, distance = 0.01, 0.1
    covariance = var * torch.eye(3, dtype=F64)
    shift = torch.tensor([distance, 0.0, 0.0], dtype=F64)
    true = kl_divergence(
        MultivariateNormal(shift, covariance), MultivariateNormal(0 * shift, covariance)
    ).item()
    norm = torch.linalg.matrix_norm(covariance, 2).item()
    claimed = distance**2 / (2 * norm ** (2 if form == "printed" else 1))
    says = (
        f"for the covariance $0.01\\,I$ and means 0.1 apart the KL divergence is {true:.2f} nats, "
        f"and the claim {claimed:.2f}"
    )
    return Outcome(abs(claimed - true) < 1e-9, says)


def covariance_of_the_chain(form: Form) -> Outcome:
    """The variance after fifty steps that take the product to 0.4 is the one that is claimed."""
    share, variance = 0.4 ** (1 / 50), 0.0
    for _ in range(50):
        variance = share * variance + 1 - share
    claimed = math.sqrt(1 - 0.4) if form == "printed" else 1 - 0.4
    says = f"fifty steps that take $\\bar a_t$ to 0.4 leave the variance {variance:.3f}, and the claim is {claimed:.3f}"
    return Outcome(abs(claimed - variance) < 1e-12, says)


def averaged_terms(form: Form) -> Outcome:
    """With two steps, L_2 + L_1 + L_0 is what the law charges for the point."""
    setting, betas = f"two steps, $\\beta = 0.5$ and $x_0 = {POINT}$", [0.5, 0.5]
    due = f"$-\\log p(x_0) = {DUE:.3f}$"
    if form == "right":
        mean = _mean_path_cost(betas)
        return Outcome(
            abs(mean - DUE) < 1e-12, f"{setting}: averaged over the chain the sum is {mean:.3f}, and {due}"
        )
    costs = [_path_cost(betas, 2 * [torch.tensor(e, dtype=F64)]).item() for e in (-1.0, 0.0, 1.0)]
    says = f"{setting}: along three paths the sum is {', '.join(f'{c:.3f}' for c in costs)}, and {due}"
    return Outcome(max(abs(c - DUE) for c in costs) < 1e-12, says)
