"""Checks of the errata of chapter 01. Each takes the form of the claim and returns whether it holds, with numbers."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.distributions import Normal

from gmbook.errata import Form, Outcome
from gmlib.distributions import crab_table

F64 = torch.float64


def _normal(*shape: int, seed: int = 0) -> Tensor:
    """Standard normal numbers in double precision."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=F64)


def _law(mean: float, std: float) -> Normal:
    """A normal law in double precision."""
    return Normal(torch.tensor(mean, dtype=F64), torch.tensor(std, dtype=F64))


def bits_per_dim(form: Form) -> Outcome:
    """The uniform law over the values of a byte costs 8 bits per dimension."""
    dim = 10
    nll = dim * math.log(256)
    bits = nll * math.log(2) / dim if form == "printed" else nll / (dim * math.log(2))
    return Outcome(
        abs(bits - 8) < 1e-12, f"the uniform law over 256 levels costs {bits:.2f} bits per dimension"
    )


def perplexity_base(form: Form) -> Outcome:
    """The perplexity of the uniform law over V symbols is V, with the negative log-likelihood in nats."""
    nll = math.log(10)
    found = 2**nll if form == "printed" else math.exp(nll)
    says = f"the uniform law over 10 symbols, with an NLL of {nll:.3f} nats, has perplexity {found:.2f}"
    return Outcome(abs(found - 10) < 1e-9, says)


def rounding_noise(form: Form) -> Outcome:
    """The dequantised log-density, averaged over the noise, is not above log P(x) when x is read by rounding."""
    law = _law(4.0, 0.3)
    u = (torch.arange(10_000, dtype=F64) + 0.5) / 10_000
    bound = law.log_prob(3 + u - (0 if form == "printed" else 0.5)).mean().item()
    inside = law.cdf(torch.tensor(3.5, dtype=F64)) - law.cdf(torch.tensor(2.5, dtype=F64))
    exact = inside.log().item()
    says = f"for $z \\sim \\mathcal N(4, 0.3^2)$ and $x = 3$ the bound is ${bound:.2f}$, and $\\log P(x) = {exact:.2f}$"
    return Outcome(bound <= exact, says)


def one_per_cent(form: Form) -> Outcome:
    """What log q2 loses against log q0 is at most the bound."""
    at = torch.zeros((), dtype=F64)
    good, noise = _law(0.0, 1.0).log_prob(at), _law(100.0, 1.0).log_prob(at)
    change = (torch.logaddexp(math.log(0.01) + good, math.log(0.99) + noise) - good).item()
    bound = -2.0 if form == "printed" else -math.log(100)
    laws = "$q_0 = \\mathcal N(0, 1)$, $q_1 = \\mathcal N(100, 1)$ and $x = 0$"
    says = f"for {laws}, $\\log q_2(x) - \\log q_0(x) = {change:.3f}$, and the bound is ${bound:.3f}$"
    return Outcome(change >= bound - 1e-9, says)


def inception_marginal(form: Form) -> Outcome:
    """The two forms of the log score, (20.9) and (20.10), agree."""
    probs = torch.tensor([[0.98, 0.01, 0.01], [0.98, 0.01, 0.01], [0.01, 0.98, 0.01]], dtype=F64)
    marginal = torch.tensor([0.2, 0.3, 0.5], dtype=F64) if form == "printed" else probs.mean(0)
    divergence = (probs * (probs / marginal).log()).sum(-1).mean().item()
    entropies = (torch.special.entr(marginal).sum() - torch.special.entr(probs).sum(-1).mean()).item()
    whose = "a data set's" if form == "printed" else "the samples' own"
    says = f"with {whose} marginal (20.9) gives $\\log \\mathrm{{IS}} = {divergence:.3f}$ and (20.10) {entropies:.3f}"
    return Outcome(abs(divergence - entropies) < 1e-12, says)


def squared_distance(form: Form) -> Outcome:
    """A distance obeys the triangle inequality: for laws N(0, 1), N(1, 1), N(2, 1)."""
    power = 1.0 if form == "printed" else 0.5

    def apart(a: float, b: float) -> float:
        return ((a - b) ** 2) ** power

    way, detour = apart(0, 2), apart(0, 1) + apart(1, 2)
    name = "(20.11)" if form == "printed" else "the root of (20.11)"
    ends = "$\\mathcal N(0, 1)$ to $\\mathcal N(2, 1)$"
    says = f"{name} from {ends} is {way:.0f}, by way of $\\mathcal N(1, 1)$ {detour:.0f}"
    return Outcome(way <= detour + 1e-12, says)


def birthday(form: Form) -> Outcome:
    """The least pool in which a picture comes twice with at least even odds, for 10,000 equally likely pictures."""
    outputs = 10_000
    size = outputs + 1 if form == "printed" else 119

    def repeated(draws: int) -> float:
        return 1 - math.prod(1 - i / outputs for i in range(draws))

    says = (
        f"of 10 000 pictures, {size} draws show one twice with probability {repeated(size):.3f}, "
        f"and {size - 1} draws with {repeated(size - 1):.4f}"
    )
    return Outcome(repeated(size - 1) < 0.5 <= repeated(size), says)


def kernel_in_the_plane(form: Form) -> Outcome:
    """A normal kernel of bandwidth 0.5, scaled as on the line or as in the plane, has integral 1 in the plane."""
    h = 0.5
    axis = torch.linspace(-6, 6, 601, dtype=F64)
    squares = axis[:, None] ** 2 + axis**2
    power = 1 if form == "printed" else 2
    kernel = torch.exp(-squares / (2 * h**2)) / (math.sqrt(2 * math.pi) * h) ** power
    integral = (kernel.sum() * (axis[1] - axis[0]) ** 2).item()
    says = f"with $h = 0.5$ the Gaussian kernel has the integral {integral:.3f} over the plane"
    return Outcome(abs(integral - 1) < 1e-6, says)


def self_neighbour(form: Form) -> Outcome:
    """At k = 1, most of a second sample of the data's own law counts as precise."""
    real, fake = _normal(1000, 2, seed=1), _normal(1000, 2, seed=2)
    among = torch.cdist(real, real, compute_mode="donot_use_mm_for_euclid_dist")
    rank = 1 if form == "printed" else 2
    radius = among.kthvalue(rank, dim=1).values
    precision = (torch.cdist(fake, real) <= radius).any(1).double().mean().item()
    says = f"1000 fresh draws from the law of 1000 real points in the plane have precision {precision:.3f} at $k = 1$"
    return Outcome(precision > 0.5, says)


def _calls(coupling: bool, dim: int) -> int:
    """How often a layer of a flow calls its network, one call after another, to draw a sample.

    Raises:
        ArithmeticError: the layer's inverse does not return to the base variable.
    """
    weights, u = 0.1 * _normal(dim, dim), _normal(dim, seed=1)
    x, calls = u.clone(), 0
    mask = torch.ones(dim, dim, dtype=F64).tril(-1)
    if coupling:
        # The second half is shifted by a function of the first.
        mask[:, dim // 2 :], mask[: dim // 2] = 0, 0
    for free in [range(dim)] if coupling else [[i] for i in range(dim)]:
        calls += 1
        shift = torch.tanh((weights * mask) @ x)
        for i in free:
            x[i] = u[i] + shift[i]
    if (x - torch.tanh((weights * mask) @ x) - u).abs().max() > 1e-12:
        raise ArithmeticError("the layer is not inverted")
    return calls


def flow_sampling(form: Form) -> Outcome:
    """Every flow needs many calls of its networks to draw a sample, or only some do."""
    dim = 64
    one, many = _calls(True, dim), _calls(False, dim)
    says = f"in {dim} dimensions a coupling layer draws with {one} call of its network"
    if form == "printed":
        return Outcome(min(one, many) > 1, says)
    return Outcome(
        one == 1 and many == dim, f"{says}, an autoregressive layer with {many} calls, one after another"
    )


def least_likelihood(form: Form) -> Outcome:
    """The mean that the principle of maximum likelihood picks is the sample's."""
    x = 2 + _normal(99)
    means = torch.linspace(-9, 9, 1801, dtype=F64)
    log_likelihood = -0.5 * (x[:, None] - means).square().sum(0)
    picked = means[log_likelihood.argmin() if form == "printed" else log_likelihood.argmax()].item()
    best = "least" if form == "printed" else "largest"
    says = f"of the means from $-9$ to 9, ${picked:.2f}$ has the {best} log-likelihood; the sample mean is {x.mean():.2f}"
    return Outcome(abs(picked - x.mean().item()) <= 0.01, says)


def _cloud() -> Tensor:
    """4000 points in three dimensions with variance 4 in each."""
    return 2 * _normal(4000, 3)


def missing_log(form: Form) -> Outcome:
    """The objective, minimised over the variance, has its least value at the average variance of a coordinate."""
    x = _cloud()
    m, d = x.shape
    off = (x - x.mean(0)).square().sum()
    variances = torch.logspace(-1, 3, 4001, dtype=F64)
    objective = off / variances + (0 if form == "printed" else m * d * (2 * math.pi * variances).log())
    picked = variances[objective.argmin()].item()
    says = f"of the variances from 0.1 to 1000, {picked:.2f} makes it least; the points have variance {off / (m * d):.2f}"
    return Outcome(abs(picked - off.item() / (m * d)) < 0.01 * picked, says)


def variance_per_pixel(form: Form) -> Outcome:
    """The estimate is the average variance of a coordinate, to three standard errors."""
    x = _cloud()
    m, d = x.shape
    divisor = m if form == "printed" else m * d
    found = (x - x.mean(0)).square().sum().item() / divisor
    error = 4 * math.sqrt(2 / (m * d))
    says = f"4000 points in three dimensions, each coordinate with variance 4, give $\\hat\\sigma^2 = {found:.2f}$"
    return Outcome(abs(found - 4) < 3 * error, says)


def _climb(loss: Callable[[Tensor], Tensor], start: list[float]) -> tuple[Tensor, float]:
    """Parameters at which a loss is least, and the loss there, by L-BFGS."""
    at = torch.tensor(start, dtype=F64, requires_grad=True)
    steps = torch.optim.LBFGS([at], max_iter=500, tolerance_grad=1e-9, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        steps.zero_grad()
        value = loss(at)
        value.backward()
        return value

    steps.step(closure)
    return at.detach(), loss(at).item()


def two_species(form: Form) -> Outcome:
    """The crabs' table speaks for a mixture of two laws, against one skewed law, by BIC (less is better)."""
    midpoints, counts = crab_table()
    z = (midpoints - 0.645) / 0.02
    scale = counts.sum() * math.log(0.02)

    def mixture(at: Tensor) -> Tensor:
        share, means, log_stds = torch.sigmoid(at[0]), at[1:3], at[3:5]
        parts = Normal(means, log_stds.exp()).log_prob(z[:, None])
        return (
            -(counts * torch.logaddexp(share.log() + parts[:, 0], (1 - share).log() + parts[:, 1])).sum()
            / 1000
        )

    def skewed(at: Tensor) -> Tensor:
        place, log_width, slant = at
        y = (z - place) / log_width.exp()
        log_density = (
            math.log(2) + Normal(0.0, 1.0).log_prob(y) + torch.special.log_ndtr(slant * y) - log_width
        )
        return -(counts * log_density).sum() / 1000

    two = -1000 * _climb(mixture, [0.0, -0.6, 0.5, 0.0, -0.4])[1] - scale.item()
    one = -1000 * _climb(skewed, [0.8, 0.3, -1.5])[1] - scale.item()
    bic_two, bic_one = (k * math.log(1000) - 2 * fit for k, fit in ((5, two), (3, one)))
    by_two = f"two normal laws: log-likelihood {two:.1f}, 5 parameters, BIC ${bic_two:.1f}$"
    by_one = (
        f"one skew-normal law, with a single top: log-likelihood {one:.1f}, 3 parameters, BIC ${bic_one:.1f}$"
    )
    if form == "printed":
        return Outcome(bic_two < bic_one, by_two)
    return Outcome(bic_one < bic_two, f"{by_one}, which is less, and so better")


def prior_twice(form: Form) -> Outcome:
    """Where p(theta | y) is largest: five values y ~ N(theta, 1), prior N(0, 1), exact posterior mean sum(y) / 6."""
    y = 2 + _normal(5)
    theta = torch.linspace(-1, 5, 60_001, dtype=F64)
    log_prior = -0.5 * theta**2
    log_likelihood = -0.5 * (y[:, None] - theta).square().sum(0)
    picked = theta[((2 if form == "printed" else 1) * log_prior + log_likelihood).argmax()].item()
    due = y.sum().item() / 6
    says = f"with five observations the maximum is at {picked:.3f}; the exact posterior's is at {due:.3f}"
    return Outcome(abs(picked - due) < 1e-3, says)
