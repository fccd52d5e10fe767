"""Checks of the errata of chapter 08b. Each takes the form of the claim and returns whether it holds, with numbers."""

from __future__ import annotations

import torch

from gmbook.errata import Form, Outcome
from gmlib.distributions import Gaussian
from gmlib.score import heat_flow

# The model exp(-PRECISION x^2 / 2) / Z on data from N(0, DATA_VAR).
PRECISION, DATA_VAR = 0.8, 2.0


def _scientific(value: float) -> str:
    """A number with its sign, in powers of ten, for use between dollars."""
    digits, power = f"{value:+.2e}".split("e")
    return f"{digits} \\times 10^{{{int(power)}}}"


def dropped_terms(form: Form) -> Outcome:
    """What (24.36) leaves out, for x ~ N(0, 1), s = -slope * x and a small sigma, is what it is said to be."""
    sigma, slopes = 0.001, (0.5, 1.0, 2.0)
    left = []
    for a in slopes:
        loss = 0.5 * ((1 / sigma - a * sigma) ** 2 + a**2)
        shown = 0.5 / sigma**2
        left.append(loss - shown)
    numbers = ", ".join(f"${value:+.3f}$" for value in left)
    laws = "$x \\sim \\mathcal N(0, 1)$, $s = -\\theta x$ and $\\theta = 0.5, 1, 2$"
    says = f"for {laws} the mean of what is left out is {numbers}"
    if form == "printed":
        return Outcome(max(left) - min(left) < 1e-3, says)
    objective = [0.5 * a**2 - a for a in slopes]
    mean = ", ".join(f"${value:+.3f}$" for value in objective)
    holds = max(abs(a - b) for a, b in zip(left, objective, strict=True)) < 1e-3
    return Outcome(holds, f"{says}, and that of $\\frac12 s^2 + z^2 s'$ is {mean}")


def _contrast(start_var: float, eps: float) -> float:
    """(24.44) with the second expectation over N(0, start_var): minus E over data, plus E after one Langevin step."""
    after = (1 - eps**2 * PRECISION / 2) ** 2 * start_var + eps**2
    return -0.5 * DATA_VAR + 0.5 * after


def start_of_the_chain(form: Form) -> Outcome:
    """The right-hand side of (24.44) is of the order of the squared step size, as (24.45) has it."""
    start = 1 / PRECISION if form == "printed" else DATA_VAR
    coarse, fine = _contrast(start, 0.03), _contrast(start, 0.003)
    name = "p_\\theta" if form == "printed" else "p_{\\mathcal D}"
    says = (
        f"for $\\mathcal E_\\theta = \\theta x^2 / 2$ at $\\theta = 0.8$ and data from $\\mathcal N(0, 2)$, starts from "
        f"${name}$ give ${_scientific(coarse)}$ at $\\epsilon = 0.03$ and ${_scientific(fine)}$ at $\\epsilon = 0.003$"
    )
    return Outcome(abs(coarse / fine - 100) < 1, says)


def contrast_sign(form: Form) -> Outcome:
    """One Langevin step from the data, and (24.45), for the same energy as above."""
    eps = 0.03
    found = _contrast(DATA_VAR, eps)
    # D_F = (1/2) E (1/DATA_VAR - theta)^2 x^2, so its gradient is DATA_VAR * theta - 1.
    claimed = (1 if form == "printed" else -1) * eps**2 / 2 * (DATA_VAR * PRECISION - 1)
    gives, due = _scientific(found), _scientific(claimed)
    says = f"at $\\epsilon = 0.03$ one step from the data gives ${gives}$, and the claim is ${due}$"
    return Outcome(abs(found - claimed) < eps**3, says)


def de_bruijn_factor(form: Form) -> Outcome:
    """The derivative of the KL divergence from N(0, 1) to N(0, 3), both noised with variance t, at t = 1/2."""
    t, h = 0.5, 1e-4
    zero = torch.zeros(1, dtype=torch.float64)
    times = torch.tensor([t - h, t, t + h], dtype=torch.float64)
    flow = heat_flow(Gaussian(zero, var=1.0), Gaussian(zero, var=3.0), times)
    slope = (flow.kl[2] - flow.kl[0]).item() / (2 * h)
    fisher = flow.fisher[1].item()
    claimed = -fisher / 2 if form == "printed" else -fisher
    laws = "for $\\mathcal N(0, 1 + t)$ against $\\mathcal N(0, 3 + t)$"
    says = f"{laws} at $t = 0.5$ the derivative is ${slope:.4f}$, and the claim ${claimed:.4f}$"
    return Outcome(abs(slope - claimed) < 1e-6, says)
