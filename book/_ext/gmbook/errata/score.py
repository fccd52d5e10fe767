"""Checks of the errata of chapter 08. Each takes the form of the claim and returns whether it holds, with numbers."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.distributions import Normal

from gmbook.errata import Form, Outcome
from gmlib.distributions import Gaussian
from gmlib.score import chain_moments, denoising_minimum, stationary_variance

F64 = torch.float64


def _number(value: float) -> Tensor:
    """A number in double precision that can be differentiated with respect to."""
    return torch.tensor(value, dtype=F64, requires_grad=True)


def _slope(function: Callable[[Tensor], Tensor], at: float) -> float:
    """The derivative of a function of one number, by automatic differentiation."""
    x = _number(at)
    return torch.autograd.grad(function(x), x)[0].item()


def _log_normal(x: Tensor, mean: Tensor | float, var: float) -> Tensor:
    """The log-density of N(mean, var)."""
    return Normal(torch.as_tensor(mean, dtype=F64), math.sqrt(var)).log_prob(x)


def _noised_pairs(sigma: float) -> tuple[Tensor, Tensor, Tensor]:
    """Points x ~ N(0, 1), noisy points and weights of a Gauss-Hermite rule, exact for polynomials up to degree 15."""
    nodes, weights = (torch.from_numpy(values) for values in np.polynomial.hermite_e.hermegauss(8))
    x, noise = torch.cartesian_prod(nodes, nodes).T
    joint = torch.cartesian_prod(weights, weights).prod(1)
    return x, x + sigma * noise, joint / joint.sum()


def first_term(form: Form) -> Outcome:
    """The term of (24.28) that needs the density of the data is the one that changes with that density."""
    place, name = (1, "second") if form == "printed" else (0, "first")

    def terms(data_var: float) -> list[float]:
        return [_slope(lambda x, v=var: _log_normal(x, 0.0, v), 1.0) for var in (data_var, 2.0)]

    one, other = terms(1.0)[place], terms(4.0)[place]
    laws = "the model $\\mathcal N(0, 2)$ and data from $\\mathcal N(0, 1)$ or $\\mathcal N(0, 4)$"
    return Outcome(one != other, f"with {laws}, the {name} term at $x = 1$ is ${one:.2f}$ or ${other:.2f}$")


def bracket(form: Form) -> Outcome:
    """The least value over the precision, with E = precision * x^2 / 2, is at the precision of the data."""
    data_var = 2.0
    precision = torch.arange(1, 2001, dtype=F64) / 1000
    square, curvature = precision**2 * data_var, precision
    objective = 0.5 * (square - curvature) if form == "printed" else 0.5 * square - curvature
    picked = precision[objective.argmin()].item()
    says = f"data of variance 2, so of precision 0.50: the objective is least at the precision {picked:.2f}"
    return Outcome(abs(picked - 0.5) < 1e-9, says)


def noisy_gradient(form: Form) -> Outcome:
    """The least-squares line through the target of (24.32) has the slope of the score of the noised law."""
    sigma = 0.5
    x, noisy, weights = _noised_pairs(sigma)
    x, noisy = x.requires_grad_(), noisy.detach().requires_grad_()
    log_density = -((noisy - x) ** 2).sum() / (2 * sigma**2)
    target = torch.autograd.grad(log_density, x if form == "printed" else noisy)[0]
    fitted = ((weights * target * noisy).sum() / (weights * noisy**2).sum()).item()
    true = _slope(lambda at: _log_normal(at, 0.0, 1 + sigma**2), 1.0)
    name = "x" if form == "printed" else "\\tilde x"
    laws = "$x \\sim \\mathcal N(0, 1)$ and $\\sigma = 0.5$"
    says = f"for {laws}, the gradient in ${name}$ as target gives the slope ${fitted:+.2f}$; the score's is ${true:+.2f}$"
    return Outcome(abs(fitted - true) < 1e-12, says)


def noise_gradient(form: Form) -> Outcome:
    """The derivative of (25.35) is the right-hand side that stands there."""
    x, noisy, sigma = _number(0.3), _number(1.1), 0.7
    by = x if form == "printed" else noisy
    found = torch.autograd.grad(_log_normal(noisy, x, sigma**2), by)[0].item()
    stands = (0.3 - 1.1) / sigma**2
    name = "x" if form == "printed" else "\\tilde x"
    point = "at $x = 0.3$, $\\tilde x = 1.1$, $\\sigma = 0.7$"
    says = f"{point} the derivative in ${name}$ is ${found:+.3f}$ and the right-hand side ${stands:+.3f}$"
    return Outcome(abs(found - stands) < 1e-12, says)


def missing_constant(form: Form) -> Outcome:
    """The two sides of (24.31) to (24.33) agree for the scores s = -slope * noisy."""
    sigma, slopes = 0.5, (0.4, 0.8, 1.2)
    x, noisy, weights = _noised_pairs(sigma)
    marginal, conditional = -noisy / (1 + sigma**2), -(noisy - x) / sigma**2
    constant = -denoising_minimum(Gaussian(torch.zeros(1, dtype=F64), var=1.0), sigma).item()
    apart = [0.5 * (weights * (-a * noisy - marginal) ** 2).sum().item() for a in slopes]
    right = [0.5 * (weights * (-a * noisy - conditional) ** 2).sum().item() for a in slopes]
    if form == "right":
        right = [value + constant for value in right]
    named = (
        f"with the constant ${constant:.3f}$, the right-hand side"
        if form == "right"
        else "the right-hand side"
    )
    laws = "$x \\sim \\mathcal N(0, 1)$, $\\sigma = 0.5$ and the slopes $-0.4$, $-0.8$ (the true one), $-1.2$"
    numbers = [", ".join(f"{abs(value):.3f}" for value in side) for side in (apart, right)]
    says = f"for {laws}, $D_F$ is {numbers[0]} and {named} {numbers[1]}"
    return Outcome(max(abs(a - b) for a, b in zip(apart, right, strict=True)) < 1e-12, says)


def sliced_sign(form: Form) -> Outcome:
    """The sliced objective is least at the precision of the data, and sees only the projection of the gradient."""
    data_var = 2.0
    precision = torch.arange(0, 301, dtype=F64) / 100
    sign = 1 if form == "printed" else -1
    picked = precision[(0.5 * precision**2 * data_var + sign * precision).argmin()].item()
    gradient, v = torch.tensor([1.0, -1.0], dtype=F64), torch.ones(2, dtype=F64)
    products = gradient * v
    square = 0.5 * (products**2).sum().item() if form == "printed" else 0.5 * products.sum().item() ** 2
    says = (
        f"data of variance 2 are fitted with the precision {picked:.2f}, where 0.50 is due; "
        f"for the gradient $(1, -1)$ and $v = (1, 1)$, which are at right angles, the first term is {square:.2f}"
    )
    return Outcome(abs(picked - 0.5) < 1e-9 and square == 0.0, says)


def reduced_sign(form: Form) -> Outcome:
    """The two lines (24.41) and (24.42), which an equality sign joins, agree for x ~ N(0, I) and a quadratic energy."""
    curvatures = torch.linspace(0.5, 2, 20, dtype=F64)
    # E[(v.s)^2] = E|s|^2 = sum of squares, and E[v.Jv] = -sum, for x and v standard normal.
    square, curvature = curvatures.square().sum().item(), curvatures.sum().item()
    upper = 0.5 * square + (curvature if form == "printed" else -curvature)
    lower = 0.5 * square - curvature
    energy = "the energy with curvatures from 0.5 to 2 in 20 dimensions"
    says = f"for $x \\sim \\mathcal N(0, I)$ and {energy}, (24.41) is ${upper:.2f} + C$ and (24.42) ${lower:.2f}$"
    return Outcome(abs(upper - lower) < 1e-12, says)


def step_size(form: Form) -> Outcome:
    """One number for the step size gives one chain, in (24.18) and in (24.43)."""
    eps = 0.5
    before = stationary_variance(eps**2)
    # (24.43) halves its own step in the drift and takes its root in the noise: variance b^2 / (1 - (1 - a)^2).
    drift, noise = (eps / 2, math.sqrt(eps)) if form == "printed" else (eps**2 / 2, eps)
    after = noise**2 / (1 - (1 - drift) ** 2)
    says = f"with $\\epsilon = 0.5$ on $\\mathcal N(0, 1)$, (24.18) ends with variance {before:.3f} and (24.43) {after:.3f}"
    return Outcome(abs(before - after) < 1e-9, says)


def total_time(form: Form) -> Outcome:
    """The chain of (24.18), started at 5, has reached N(0, 1) when the step size is small and the steps are many."""
    power = 1 if form == "printed" else 3
    name = "1 / \\epsilon" if form == "printed" else "1 / \\epsilon^3"
    means = []
    for eps in (0.1, 0.05, 0.02):
        steps = round(eps**-power)
        means.append(chain_moments(eps**2, steps, start_mean=5.0)[0])
    numbers = ", ".join(f"{mean:.3f}" for mean in means)
    says = f"with $K = {name}$ and $\\epsilon = 0.1, 0.05, 0.02$ the mean of $x^K$ is {numbers}, and 0 is due"
    return Outcome(means[-1] < 1e-3, says)


def falling_noise(form: Form) -> Outcome:
    """The diffusion coefficient of (25.46) is real on a geometric ladder between 10 and 0.1."""
    way = -1 if form == "printed" else 1
    rate = _slope(lambda t: 10 ** (way * (4 * t - 2)), 0.5)
    name = "falls from 10 to 0.1" if form == "printed" else "rises from 0.1 to 10"
    says = f"where $\\sigma$ {name}, $d\\sigma^2/dt = {rate:+.2f}$ half-way"
    if rate > 0:
        says += f", and its root is {math.sqrt(rate):.2f}"
    return Outcome(rate > 0, says)


def energy_gradient(form: Form) -> Outcome:
    """The score of the law exp(-E) / Z, for E = h^2 / 2, is the gradient of the energy, or minus that."""
    uphill = _slope(lambda h: 0.5 * h**2, 1.0)
    claimed = uphill if form == "printed" else -uphill
    score = _slope(lambda h: _log_normal(h, 0.0, 1.0), 1.0)
    says = f"for $E = h^2 / 2$ at $h = 1$ the claim is ${claimed:+.0f}$, and the score of $e^{{-E}} / Z$ is ${score:+.0f}$"
    return Outcome(abs(claimed - score) < 1e-12, says)


def gradient_of_the_score(form: Form) -> Outcome:
    """The mean of Langevin dynamics on N(0, 1), which a drift moves from 3, comes to 0."""
    mean, eps = 3.0, 0.1
    for _ in range(100):
        # The score of N(0, 1) is -x; its own gradient is -1 everywhere.
        mean += eps * (-1.0 if form == "printed" else -mean)
    says = f"on $\\mathcal N(0, 1)$ with $\\epsilon = 0.1$, the mean of 100 steps from 3 is ${mean:.3f}$"
    return Outcome(abs(mean) < 1e-3, says)


def unknown_target(form: Form) -> Outcome:
    """Three points alone tell which score s = -slope * x has the least loss, whatever law the points are from."""
    x = torch.tensor([-1.0, 0.0, 1.0], dtype=F64)
    slopes = torch.arange(0, 301, dtype=F64)[:, None] / 100
    picked = []
    for var in (1.0, 2.0):
        explicit = 0.5 * (x / var - slopes * x).square().mean(1)
        implicit = (0.5 * (slopes * x).square() - slopes).mean(1)
        picked.append(slopes[(explicit if form == "printed" else implicit).argmin()].item())
    name = "\\frac12 (s - \\nabla\\log p)^2" if form == "printed" else "s' + \\frac12 s^2"
    says = (
        f"of the scores $-\\theta x$, the mean of ${name}$ over the points $-1, 0, 1$ picks $\\theta = {picked[0]:.2f}$ "
        f"if they are from $\\mathcal N(0, 1)$, and {picked[1]:.2f} if from $\\mathcal N(0, 2)$"
    )
    return Outcome(picked[0] == picked[1], says)


def ladder_order(form: Form) -> Outcome:
    """Annealed Langevin dynamics on N(0, 1), from the uniform law on [-8, 8], ends near variance 1."""
    sigmas = np.geomspace(0.1, 10, 10)
    if form == "right":
        sigmas = sigmas[::-1]
    var = 64 / 3
    for sigma in sigmas:
        step = 0.05 * sigma**2 / sigmas[-1] ** 2
        var = chain_moments(step, 200, start_var=var, var=1 + sigma**2)[1]
    way = f"from $\\sigma = {sigmas[0]:g}$ to ${sigmas[-1]:g}$"
    says = (
        f"ten levels {way}, 200 steps each, $\\epsilon = 0.05$: "
        f"the variance goes from 21.3 to {var:.2f}, and 1 is due"
    )
    return Outcome(abs(var - 1) < 0.1, says)
