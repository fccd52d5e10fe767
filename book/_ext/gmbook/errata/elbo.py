"""Checks of the errata of chapter 02. Each takes the form of the claim and returns whether it holds, with numbers."""

from __future__ import annotations

import math

import torch

from gmbook.errata import Form, Outcome
from gmlib.vae import gaussian_kl, mle_and_elbo_maximiser

F64 = torch.float64
DRAWS = 200_000


def _variance_of_draws(std: float) -> tuple[float, float]:
    """Variance of draws mu + std * noise, and three standard errors of it."""
    noise = torch.randn(DRAWS, generator=torch.Generator().manual_seed(0), dtype=F64)
    variance = (1.0 + std * noise).var().item()
    return variance, 3 * variance * math.sqrt(2 / DRAWS)


def log_sigma(form: Form) -> Outcome:
    """The covariance written with l = log sigma is exp(l), or exp(2 l), where sigma is 2."""
    log_std = math.log(2.0)
    claimed = math.exp(log_std) if form == "printed" else math.exp(2 * log_std)
    drawn, error = _variance_of_draws(2.0)
    says = f"at $\\sigma = 2$ the variance is {claimed:.0f}; that of draws $\\mu + \\sigma\\varepsilon$ is {drawn:.2f}"
    return Outcome(abs(drawn - claimed) < error, says)


def diag_sigma(form: Form) -> Outcome:
    """The covariance of mu + sigma * noise is diag(sigma), or diag(sigma^2)."""
    claimed = 0.3 if form == "printed" else 0.3**2
    drawn, error = _variance_of_draws(0.3)
    return Outcome(
        abs(drawn - claimed) < error,
        f"at $\\sigma = 0.3$ the variance is {claimed:.2f}; that of draws $\\mu + \\sigma\\varepsilon$ is {drawn:.3f}",
    )


def triangular_mask(form: Form) -> Outcome:
    """With the mask M, L = M * L' + diag(sigma) has log-determinant sum log sigma."""
    k = 3
    index = torch.arange(1, k + 1, dtype=F64)
    raw = torch.sin(index[:, None] * index + index[:, None])
    std = torch.tensor([0.5, 1.0, 2.0], dtype=F64)
    ones = torch.ones(k, k, dtype=F64)
    mask = torch.triu(ones, -1) if form == "printed" else torch.tril(ones, -1)
    sign, log_det = torch.linalg.slogdet(mask * raw + torch.diag(std))
    due = std.log().sum().item()
    says = f"$\\log\\lvert\\det L\\rvert = {log_det:.3f}$ with sign {sign:+.0f}, where $\\sum_k \\log\\sigma_k = {due:.3f}$"
    return Outcome(bool(sign > 0) and abs(log_det.item() - due) < 1e-12, says)


def log_likelihood_sign(form: Form) -> Outcome:
    """The Bernoulli log-likelihood: its exponentials over x = 0 and 1 sum to 1."""
    sign = -1 if form == "printed" else 1
    logs = [sign * (x * math.log(0.9) + (1 - x) * math.log(0.1)) for x in (0, 1)]
    total = sum(map(math.exp, logs))
    says = f"with $p_d = 0.9$, $\\log p(x_d = 1)$ is ${logs[1]:+.3f}$ and the two probabilities sum to {total:.2f}"
    return Outcome(math.isclose(total, 1.0), says)


def descent_on_the_bound(form: Form) -> Outcome:
    """What is made small by the encoder's steps has a minimum in sigma (at mu = 0, with the likelihood left out)."""
    stds = [1.0, 1e-1, 1e-3, 1e-6]
    zero = torch.zeros(1, dtype=F64)
    rates = [gaussian_kl(zero, torch.tensor([math.log(s)], dtype=F64)).item() for s in stds]
    terms = [0.0 - rate if form == "printed" else rate for rate in rates]
    name = "-\\mathrm{KL}" if form == "printed" else "\\mathrm{KL}"
    numbers = ", ".join(f"${term:.2f}$" for term in terms)
    says = f"the code's term ${name}$ is {numbers} at $\\sigma = 1, 10^{{-1}}, 10^{{-3}}, 10^{{-6}}$"
    return Outcome(min(terms) == terms[0], says)


def probability_or_logit(form: Form) -> Outcome:
    """A decoder whose output goes through the logistic function can say that a pixel is black with probability 0.1."""
    outputs = (
        torch.linspace(0, 1, 1001, dtype=F64) if form == "printed" else torch.linspace(-9, 9, 1001, dtype=F64)
    )
    pixel = torch.sigmoid(outputs)
    low, high = pixel.min().item(), pixel.max().item()
    kind = "probabilities" if form == "printed" else "logits from $-9$ to $9$"
    says = f"with {kind} as the decoder's outputs, pixel probabilities run from {low:.3f} to {high:.3f}"
    return Outcome(low < 0.1 < 0.9 < high, says)


def local_mle(form: Form) -> Outcome:
    """Where gradient ascent on the bound stops, the slope of the likelihood, or of the bound, is zero."""
    _, start = mle_and_elbo_maximiser(5.0)
    theta = torch.tensor(start, dtype=F64, requires_grad=True)
    u = theta**2
    likelihood = -0.5 * (torch.log1p(2 * u) + 5 / (1 + 2 * u))
    gap = 0.5 * (2 * torch.log1p(u) - torch.log1p(2 * u))
    average = likelihood if form == "printed" else likelihood - gap
    (slope,) = torch.autograd.grad(average, theta)
    name = "log-likelihood" if form == "printed" else "bound"
    says = f"$x = \\theta(z_1 + z_2) + \\varepsilon$, data variance 5: at the bound's maximum, $\\theta = {start:.4f}$, "
    return Outcome(
        abs(slope.item()) < 1e-9, says + f"the average {name} has slope ${slope.item() + 0.0:.3f}$"
    )


def decoder_average(form: Form) -> Outcome:
    """The decoder of least squared error for a stochastic encoder, on three points with two codes."""
    x = torch.tensor([0.0, 1.0, 4.0], dtype=F64)
    q = torch.tensor([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8]], dtype=F64) / 3
    best = (q * x[:, None]).sum(0) / q.sum(0)
    # "The inputs that get mapped to z": each input belongs to the code that is nearest to its mean code.
    mapped = torch.tensor([x[:2].mean(), x[2:].mean()], dtype=F64)
    points = mapped if form == "printed" else best
    error = (q * (x[:, None] - points) ** 2).sum().item()
    least = (q * (x[:, None] - best) ** 2).sum().item()
    return Outcome(abs(error - least) < 1e-12, f"squared error {error:.3f}, where {least:.3f} can be reached")


def empirical_density(form: Form) -> Outcome:
    """A term of the identity settles when the data law is taken to be atoms (boxes of width h, h to zero)."""
    widths = [1e-1, 1e-3, 1e-6]
    x = torch.tensor([-1.0, 0.5, 2.0], dtype=F64)
    cross = -(-0.5 * x**2 - 0.5 * math.log(2 * math.pi)).mean().item()
    if form == "printed":
        terms = [-math.log(3 * h) + cross for h in widths]
        name = "$\\mathrm{KL}(p_{\\mathcal D} \\,\\|\\, p)$"
    else:
        terms = [cross + h**2 / 24 for h in widths]
        name = "$-\\mathbb E_{p_{\\mathcal D}} \\log p$"
    numbers = ", ".join(f"{term:.2f}" for term in terms)
    boxes = "three data points as boxes of width $10^{-1}, 10^{-3}, 10^{-6}$ under $\\mathcal N(0, 1)$"
    return Outcome(abs(terms[2] - terms[1]) < 1e-2, f"for {boxes}, {name} is {numbers}")


def sum_of_samples(form: Form) -> Outcome:
    """The estimate of the bound from s samples: z ~ N(0, 1), x | z ~ N(z, 1), x = 1.3, q the posterior."""
    z = 0.65 + math.sqrt(0.5) * torch.randn(10, generator=torch.Generator().manual_seed(0), dtype=F64)
    log_joint = -0.5 * z**2 - 0.5 * (1.3 - z) ** 2 - math.log(2 * math.pi)
    log_q = -((z - 0.65) ** 2) - 0.5 * math.log(math.pi)
    terms = log_joint - log_q
    estimate = (terms.sum() if form == "printed" else terms.mean()).item()
    evidence = -(1.3**2) / 4 - 0.5 * math.log(4 * math.pi)
    says = f"with $s = 10$ and $q$ the exact posterior the estimate is ${estimate:.3f}$; $\\log p(x) = {evidence:.3f}$"
    return Outcome(abs(estimate - evidence) < 1e-9, says)


def autoencoder_density(form: Form) -> Outcome:
    """Two autoencoders with the same loss: z = x and z = 9 x, each with its inverse. Is the law of draws the same?"""
    x = torch.linspace(-2, 2, 9, dtype=F64)
    z = torch.randn(DRAWS, generator=torch.Generator().manual_seed(0), dtype=F64)
    losses = [((x * a / a - x) ** 2).mean().item() for a in (1.0, 9.0)]
    spreads = [(z / a).std().item() for a in (1.0, 9.0)]
    same_law = abs(spreads[0] - spreads[1]) < 1e-2
    says = (
        f"codes $z = x$ and $z = 9x$ have losses {losses[0]:.1f} and {losses[1]:.1f}; decoded draws from "
        f"$\\mathcal N(0, 1)$ have standard deviations {spreads[0]:.2f} and {spreads[1]:.2f}"
    )
    return Outcome(same_law if form == "printed" else not same_law and max(losses) < 1e-30, says)


def _spread_out() -> torch.Tensor:
    """Fifty centred points in four dimensions with different spreads."""
    x = torch.randn(50, 4, generator=torch.Generator().manual_seed(0), dtype=F64)
    x = x * torch.tensor([3.0, 2.0, 1.0, 0.5], dtype=F64)
    return x - x.mean(0)


def linear_encoder(form: Form) -> Outcome:
    """A best linear autoencoder, U A and A^-1 U^T: is its code PCA's, or only its reconstruction?"""
    x = _spread_out()
    axes = torch.linalg.svd(x)[2][:2].T
    turn = torch.tensor([[1.0, 2.0], [0.5, -1.0]], dtype=F64)
    code, pca = x @ axes @ turn, x @ axes
    apart = (code - pca).abs().max().item()
    rebuilt = (code @ torch.linalg.inv(turn) @ axes.T - pca @ axes.T).abs().max().item()
    if form == "printed":
        return Outcome(apart < 1e-9, f"an optimum whose codes differ from PCA's by up to {apart:.2f}")
    return Outcome(
        rebuilt < 1e-9, f"its reconstructions differ from PCA's by at most {max(rebuilt, 1e-15):.0e}"
    )


def linear_networks(form: Form) -> Outcome:
    """Alternating least squares for a two-unit linear network: does it leave less error than PCA?"""
    x = _spread_out()
    decoder = torch.eye(4, 2, dtype=F64)
    for _ in range(300):
        code = x @ torch.linalg.pinv(decoder.T)
        decoder = (torch.linalg.pinv(code) @ x).T
    error = (x - x @ torch.linalg.pinv(decoder.T) @ decoder.T).square().sum().item() / 50
    pca = torch.linalg.svdvals(x)[2:].square().sum().item() / 50
    says = f"a fitted linear network with two hidden units leaves {error:.4f} of variance, PCA with two axes {pca:.4f}"
    beyond = error < pca - 1e-6
    return Outcome(beyond if form == "printed" else not beyond, says)
