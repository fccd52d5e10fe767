"""Checks of the errata of chapter 05. Each takes the form of the claim and returns whether it holds, with numbers."""

from __future__ import annotations

import math

import numpy as np
import torch
from pybtex.database import parse_file
from scipy.stats import norm

from gmbook.errata import Form, Outcome
from gmbook.house import ROOT
from gmlib.flows import Radial, circular_conv_norm, jacobian

F64 = torch.float64


def _bump_slope(c: float, u: np.ndarray) -> np.ndarray:
    """The slope of u + c / (1 + u^2)."""
    return 1 - 2 * c * u / (1 + u * u) ** 2


def nlsq_condition(form: Form) -> Outcome:
    """Every setting that meets the condition gives a map whose slope is nowhere negative."""
    u = np.linspace(-6, 6, 100_001)
    allowed = [
        c for c in np.arange(-12, 13) / 4 if 9 / (8 * math.sqrt(3)) * (c if form == "printed" else abs(c)) < 1
    ]
    least = {c: _bump_slope(c, u).min() for c in allowed}
    fail = [c for c in allowed if least[c] < 0]
    says = (
        f"with $a = d = 1$, $e = 0$ and $c$ from $-3$ to $3$ in steps of a quarter, ${len(allowed)}$ settings meet the "
        f"condition and ${len(fail)}$ of them fall somewhere; the least slope of all is ${min(least.values()):.3f}$"
    )
    return Outcome(not fail, says)


def nlsq_inverse(form: Form) -> Outcome:
    """What must vanish to invert (23.9), with the denominator cleared, is a polynomial of the degree that is named."""
    degree, name = (2, "third") if form == "printed" else (3, "fourth")
    a, b, c, d, e, x = 1.0, 0.3, 1.4, 1.0, 0.2, 0.7
    u = np.arange(8.0) - 3
    cleared = (a * u + b - x) * (1 + (d * u + e) ** 2) + c
    left = float(np.abs(np.diff(cleared, degree + 1)).max())
    roots = np.roots(np.polyfit(u, cleared, 3))
    real = [root.real for root in roots if abs(root.imag) < 1e-9]
    says = (
        f"for $(a, b, c, d, e) = (1, 0.3, 1.4, 1, 0.2)$ and $x = 0.7$ the {name} differences of the equation "
        f"without its denominator, which are $0$ in degree "
        f"${degree}$, are ${left:.2f}$; the cubic has ${len(real)}$ real root, ${real[0]:.4f}$"
    )
    return Outcome(left < 1e-9, says)


def monotone_onto(form: Form) -> Outcome:
    """Bisection finds a u for every x that is asked for, in an increasing combination of sigmoids."""
    slope = 0.0 if form == "printed" else 0.1

    def h(u: float) -> float:
        return 2 / (1 + math.exp(-u)) + 3 / (1 + math.exp(1 - u)) + 0.5 + slope * u

    found = 0
    for x in (-2.0, 3.0, 6.0):
        low, high = -500.0, 500.0
        for _ in range(80):
            middle = (low + high) / 2
            low, high = (low, middle) if h(middle) > x else (middle, high)
        found += abs(h(low) - x) < 1e-6
    tail = "" if form == "printed" else " + 0.1 u"
    says = (
        f"for $2\\sigma(u) + 3\\sigma(u - 1) + \\frac12{tail}$, which goes from ${h(-500):.2f}$ to ${h(500):.2f}$ on "
        f"$[-500, 500]$, bisection finds ${found}$ of the three points $-2$, $3$ and $6$"
    )
    return Outcome(found == 3, says)


def circular(form: Form) -> Outcome:
    """The Jacobian of the residual has the rank that is claimed: a bottleneck's, or one after a multiple of I is gone."""
    layer = Radial(5).double()
    with torch.no_grad():
        layer.free_beta.fill_(1.3)
        u = torch.ones(5, dtype=F64)
        alpha, beta = layer.coefficients()
        even = float(beta / (alpha + u.norm()))
    residual = jacobian(layer, u) - torch.eye(5, dtype=F64)
    if form == "right":
        residual = residual - even * torch.eye(5, dtype=F64)
    rank = int(torch.linalg.matrix_rank(residual))
    what = (
        "the Jacobian of the residual"
        if form == "printed"
        else "what is left of it beside a multiple of the identity"
    )
    return Outcome(rank == 1, f"for the paper's second family in $5$ dimensions, {what} has rank ${rank}$")


def kernel_norm(form: Form) -> Outcome:
    """A convolution that has been divided by its norm and multiplied by 0.9 contracts."""
    kernel = torch.ones(1, 1, 3, 3, dtype=F64) / 3
    divisor = (
        torch.linalg.matrix_norm(kernel.flatten(1), 2)
        if form == "printed"
        else circular_conv_norm(kernel, 16, 16)
    )
    stretch = circular_conv_norm(0.9 * kernel / divisor, 16, 16).item()
    says = (
        "a box of $3 \\times 3$ equal entries, normalised to $0.9$, stretches some images of $16 \\times 16$ pixels by the "
        f"factor ${stretch:.2f}$"
    )
    return Outcome(stretch < 1, says)


def unique_solutions(form: Form) -> Outcome:
    """The flow is one-to-one and onto: three starts have three ends, and every end has a start."""
    starts = np.array([1.0, 0.5, 0.25])
    if form == "printed":
        # x' = -2 sign(x) sqrt|x| has one solution forward from every start; sqrt|x| falls at the rate 1, down to 0.
        ends = np.maximum(np.sqrt(starts) - 1, 0) ** 2
        # x' = -x^3 has one solution for all t >= 0.
        reach = 1e6 / math.sqrt(1 + 2 * 1e12)
        fields = "$\\dot x = -2\\operatorname{sign}(x)\\sqrt{\\lvert x\\rvert}$ and $\\dot x = -x^3$"
    else:
        # x' = -tanh x has the slope 1 at most; sinh x falls like e^-t.
        ends = np.arcsinh(np.sinh(starts) / math.e)
        reach = math.asinh(math.sinh(30.0) / math.e)
        fields = "$\\dot x = -\\tanh x$"
    different = len({round(float(end), 9) for end in ends})
    far = f"{reach:.4f}" if form == "printed" else f"{reach:.1f}"
    says = (
        f"under {fields}, from $1$, $\\frac12$ and $\\frac14$ one comes to ${different}$ different points at $T = 1$, and "
        f"the points at $T = 1$ reach to ${far}$ from starts up to ${'10^6' if form == 'printed' else '30'}$"
    )
    return Outcome(different == 3 and reach > 1, says)


def positive_scale(form: Form) -> Outcome:
    """Any scale that is allowed leaves different points different."""
    scale = 0.0 if form == "printed" else math.exp(-5.0)
    ends = [z * scale + 1.0 for z in (2.0, 3.0)]
    shown = "0" if form == "printed" else "e^{-5}"
    says = f"with $h = {shown}$ and $s = 1$, $z = 2$ and $z = 3$ go to ${ends[0]:.4f}$ and ${ends[1]:.4f}$"
    return Outcome(ends[0] != ends[1], says)


def inverse_divides(form: Form) -> Outcome:
    """The inverse of the layer brings a point back."""
    z, s, h = 2.0, 0.5, 3.0
    there = z * h + s
    back = (there - s) * h if form == "printed" else (there - s) / h
    return Outcome(
        back == z, f"with $h = 3$ and $s = 0.5$, $z = 2$ goes to ${there:.1f}$ and comes back as ${back:.1f}$"
    )


def full_mixing(form: Form) -> Outcome:
    """The formula for the log-determinant is that of the whole Jacobian, for two channels turned and stretched."""
    w = 1.3 * np.array([[math.cos(1), -math.sin(1)], [math.sin(1), math.cos(1)]])
    exact = float(np.linalg.slogdet(np.kron(w, np.eye(4)))[1])
    one = np.log(np.abs(np.diag(w))).sum() if form == "printed" else np.linalg.slogdet(w)[1]
    found = 4 * float(one)
    says = (
        "two channels turned by one radian and stretched by $1.3$ in $2 \\times 2$ pixels have the log-determinant "
        f"${exact:.3f}$, and the formula gives ${found:.3f}$"
    )
    return Outcome(abs(found - exact) < 1e-9, says)


def two_titles(form: Form) -> Outcome:
    """Title and year are those under which this book's list has the papers."""
    works = parse_file(str(ROOT / "book" / "references.bib")).entries
    nice, glow = works["dinh2015nice"].fields, works["kingma2018glow"].fields
    claimed = ("Component Analysis", "2019") if form == "printed" else ("Components Estimation", "2018")
    agree = (claimed[0] in nice["title"].replace("{", "").replace("}", "")) + (claimed[1] == glow["year"])
    says = (
        f"of the title of arXiv:{nice['eprint']} and the year of the proceedings with arXiv:{glow['eprint']}, "
        f"${agree}$ of $2$ agree"
    )
    return Outcome(agree == 2, says)


def halves_of_output(form: Form) -> Outcome:
    """The two halves are those of the vector that is named."""
    a, b = 1.3, 0.4
    output = (a * math.exp(math.sin(b)) + b * b, b)
    named = (a, b) if form == "printed" else output
    name = "input" if form == "printed" else "output"
    says = (
        "for $x_A = 1.3$, $x_B = 0.4$, scale $e^{\\sin x_B}$ and shift $x_B^2$, $h$ gives "
        f"${output[0]:.3f}$, and the first half of the {name} is ${named[0]:.3f}$"
    )
    return Outcome(named == output, says)


def corner_of_jacobian(form: Form) -> Outcome:
    """The upper right entry, for scale exp(sin x_B) and shift x_B^2, is the derivative in x_B."""
    a, b, step = 1.3, 0.4, 1e-6

    def h(b: float) -> float:
        return a * math.exp(math.sin(b)) + b * b

    exact = (h(b + step) - h(b - step)) / (2 * step)
    # beta = (sin x_B, x_B^2); h = x_A e^{beta_1} + beta_2.
    weights = (math.exp(math.sin(b)),) * 2 if form == "printed" else (a * math.exp(math.sin(b)), 1.0)
    found = weights[0] * math.cos(b) + weights[1] * 2 * b
    says = (
        "for $h = x_A e^{\\sin x_B} + x_B^2$ at $(1.3, 0.4)$ the entry is "
        f"${exact:.3f}$, and the formula gives ${found:.3f}$"
    )
    return Outcome(abs(found - exact) < 1e-6, says)


def same_letter(form: Form) -> Outcome:
    """The density integrates to one, for y = sinh z and x = y + y^3 / 3."""
    z = np.linspace(-4, 4, 200_001)
    y = np.sinh(z)
    x = y + y**3 / 3
    if form == "printed":
        first = 1 / np.cosh(np.clip(x, -300, 300))
        density = norm.pdf(z) * first / (1 + x * x)
    else:
        density = norm.pdf(z) / np.cosh(z) / (1 + y * y)
    found = float(np.trapezoid(density, x))
    says = (
        "for $f_1 = \\sinh$, $f_2(y) = y + y^3 / 3$ and a normal $z$, the density integrates to "
        f"${found:.3f}$"
    )
    return Outcome(abs(found - 1) < 1e-3, says)


def sum_scope(form: Form) -> Outcome:
    """The log-likelihood of three points under x = 2z."""
    x = np.array([0.3, -1.0, 2.0])
    due = float(norm.logpdf(x, 0, 2).sum())
    times = 1 if form == "printed" else len(x)
    found = float(norm.logpdf(x / 2).sum()) - times * math.log(2)
    says = f"for the three points $0.3$, $-1$, $2$ and $f(z) = 2z$ it is ${due:.3f}$, and the formula gives ${found:.3f}$"
    return Outcome(abs(found - due) < 1e-9, says)


def probability_of_x(form: Form) -> Outcome:
    """What is computed for each x integrates to one, for x = 2z."""
    x = np.linspace(-20, 20, 4001)
    found = float(np.trapezoid(norm.pdf(x / 2) * (1 if form == "printed" else 0.5), x))
    return Outcome(abs(found - 1) < 1e-6, f"for $f(z) = 2z$ it integrates to ${found:.3f}$")


def actnorm_batch(form: Form) -> Outcome:
    """After the first batch a point's output does not depend on what else is in its batch."""
    rng = np.random.default_rng(0)
    first, one, other = (rng.normal(size=(8, 3)) for _ in range(3))
    point = np.array([0.5, -1.0, 2.0])
    one[0] = other[0] = point
    mean, std = first.mean(0), first.std(0)
    ends = [(b[0] - b.mean(0)) / b.std(0) if form == "printed" else (b[0] - mean) / std for b in (one, other)]
    apart = float(np.abs(ends[0] - ends[1]).max())
    how = (
        "normalised by its own batch" if form == "printed" else "with the shift and scale of the first batch"
    )
    says = f"one point in two batches of eight, {how}, comes out as two points that differ by up to ${apart:.3f}$"
    return Outcome(apart < 1e-12, says)


def base_of_every_step(form: Form) -> Outcome:
    """What enters the second of two steps exp, exp has the law that is named."""
    z = np.exp(norm.ppf((np.arange(100_000) + 0.5) / 100_000))
    share = float((z < 0.5).mean())
    # The base, or the law of exp of a standard normal.
    due = float(norm.cdf(0.5) if form == "printed" else norm.cdf(math.log(0.5)))
    name = "$\\pi$" if form == "printed" else "$p_1$"
    says = (
        "for $\\pi = \\mathcal N(0, 1)$ and $f_1 = \\exp$, $z_1 < \\frac12$ has the chance "
        f"${share:.4f}$, and under {name} ${due:.4f}$"
    )
    return Outcome(abs(share - due) < 1e-4, says)
