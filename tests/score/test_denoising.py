"""Denoising score matching: whose score it learns, and how small it can get."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.distributions import Independent, Normal, StudentT, Uniform

from gmlib.distributions import Gaussian, GaussianMixture
from gmlib.score import (
    conditional_score_matching,
    denoising_minimum,
    denoising_score_matching,
    fisher_divergence,
    implicit_score_matching,
)

F64 = torch.float64


def pairs(law: Gaussian | GaussianMixture, sigma: float) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Clean points, noise and weights of a grid for the joint law of clean and noisy points on the line."""
    x = torch.linspace(-7, 7, 181, dtype=F64)
    noise = torch.linspace(-8, 8, 129, dtype=F64)
    both = torch.cartesian_prod(x, noise)
    clean, eps = both[:, :1], both[:, 1:]
    weight = (law.log_prob(clean) + Normal(0.0, 1.0).log_prob(both[:, 1])).exp()
    return clean, eps, weight * (14 / 180) * (16 / 128)


def mixture() -> GaussianMixture:
    weights = torch.tensor([0.3, 0.7], dtype=F64)
    return GaussianMixture(torch.tensor([[-1.0], [1.2]], dtype=F64), weights=weights, var=0.3)


def free_net(seed: int) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(1, 8, dtype=F64), nn.Tanh(), nn.Linear(8, 1, dtype=F64))


def fit_line(v: float, m: float, sigma: float) -> tuple[float, float, float]:
    """Slope, intercept and value of the best affine score on N(m, v): one Newton step of a quadratic loss."""
    law = Gaussian(torch.tensor([m], dtype=F64), var=v)
    clean, eps, weight = pairs(law, sigma)

    def loss(ab: torch.Tensor) -> torch.Tensor:
        return (weight * denoising_score_matching(lambda x: ab[0] * x + ab[1], clean, eps, sigma).total).sum()

    start = torch.zeros(2, dtype=F64)
    gradient = torch.func.grad(loss)(start)
    hessian = torch.func.hessian(loss)(start)
    best = start - torch.linalg.solve(hessian, gradient)
    return best[0].item(), best[1].item(), loss(best).item()


def test_denoising_score_matching() -> None:
    # Standard normal data at sigma = 1/2: slope -1/(1 + sigma^2) = -0.8, not the data's -1; value 1.6, not 0.
    slope, intercept, value = fit_line(1.0, 0.0, 0.5)
    assert slope == pytest.approx(-0.8, abs=1e-9)
    assert intercept == pytest.approx(0.0, abs=1e-9)
    assert value == pytest.approx(1.6, abs=1e-9)
    # N(m, v): the score of N(m, v + sigma^2), and the minimum v / (2 sigma^2 (v + sigma^2)).
    for m, v, sigma in ((0.4, 0.6, 0.3), (-0.5, 1.1, 1.0)):
        slope, intercept, value = fit_line(v, m, sigma)
        assert slope == pytest.approx(-1 / (v + sigma**2), rel=1e-8)
        assert intercept == pytest.approx(m / (v + sigma**2), rel=1e-8)
        assert value == pytest.approx(v / (2 * sigma**2 * (v + sigma**2)), rel=1e-8)
    # A loss minus the minimum is the Fisher divergence from the noised law, for every network.
    law, sigma = mixture(), 0.5
    clean, eps, weight = pairs(law, sigma)
    noised = law.noised(1.0, sigma)
    axis = torch.linspace(-9, 9, 1801, dtype=F64)[:, None]
    q = noised.log_prob(axis).exp() * 0.01
    minimum = (q * denoising_minimum(law, sigma, axis)).sum().item()
    assert minimum == pytest.approx(
        0.5 * (1 / sigma**2 - (q * noised.score(axis).square().sum(1)).sum().item()), abs=1e-10
    )
    for score in (free_net(0), free_net(1), noised.score, law.score):
        with torch.no_grad():
            loss = (weight * denoising_score_matching(score, clean, eps, sigma).total).sum().item()
            divergence = (q * fisher_divergence(noised.score, score, axis)).sum().item()
        assert loss - minimum == pytest.approx(divergence, abs=1e-9)
    # The data's own score does not reach it.
    assert divergence > 0.1


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 4), st.floats(0.05, 5.0))
def test_terms(seed: int, d: int, sigma: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    x, eps = torch.randn(2, 6, 1, d, dtype=F64, generator=generator)
    loss = denoising_score_matching(torch.sin, x, eps, sigma)
    noisy = x + sigma * eps
    exact = 0.5 * (torch.sin(noisy) + (noisy - x) / sigma**2).square().sum((1, 2))
    assert torch.allclose(loss.total, exact, rtol=1e-9)
    assert torch.allclose(loss.square + loss.cross + loss.constant, exact, rtol=1e-9)
    assert loss.mean().total.item() == pytest.approx(exact.mean().item(), rel=1e-9)
    # One level a point, or a scalar tensor, are the same.
    for level in (torch.full((6,), sigma, dtype=F64), torch.tensor(sigma, dtype=F64)):
        assert torch.allclose(denoising_score_matching(torch.sin, x, eps, level).total, exact, rtol=1e-9)


def test_cross_term_is_the_trace() -> None:
    # Stein: the mean of s(noisy) . noise / sigma is that of tr grad s, so that both objectives are one at the noised law.
    law, sigma, net = mixture(), 0.6, free_net(3)
    clean, eps, weight = pairs(law, sigma)
    with torch.no_grad():
        cross = (weight * denoising_score_matching(net, clean, eps, sigma).cross).sum()
        trace = (weight * implicit_score_matching(net, clean + sigma * eps).trace).sum()
    assert cross.item() == pytest.approx(trace.item(), abs=1e-9)
    assert abs(trace.item()) > 1e-2


def test_gradient_reaches_parameters() -> None:
    # On s = -a x with x = 1, noise 2, sigma 1/2: the loss at the noisy point 2 is (4 - 2 a)^2 / 2.
    a = torch.tensor(0.7, requires_grad=True)
    x, eps = torch.tensor([[1.0]]), torch.tensor([[2.0]])
    loss = denoising_score_matching(lambda x: -a * x, x, eps, 0.5).total.sum()
    loss.backward()
    assert a.grad is not None
    assert loss.item() == pytest.approx(0.5 * (4 - 1.4) ** 2, rel=1e-6)
    assert a.grad.item() == pytest.approx(-2 * (4 - 1.4), rel=1e-6)


def test_any_noise_law(generator: torch.Generator) -> None:
    x = torch.randn(7, 2, 3, dtype=F64, generator=generator)
    eps = torch.randn(7, 2, 3, dtype=F64, generator=generator)
    gaussian = denoising_score_matching(torch.sin, x, eps, 0.3)
    for law in (lambda x: Normal(x, 0.3), lambda x: Independent(Normal(x, 0.3), 2)):
        general = conditional_score_matching(torch.sin, x, law, x + 0.3 * eps)
        assert torch.allclose(general.total, gaussian.total, atol=1e-10)
    # Heavy tails, with a width that depends on x: two data points, and for every model the loss minus the Fisher
    # divergence from the marginal law is one number. Exact at each noisy point, so any grid will do.
    data = torch.tensor([-1.0, 2.0], dtype=F64)
    widths = torch.tensor([0.5, 1.5], dtype=F64)

    def noise_law(x: torch.Tensor) -> StudentT:
        return StudentT(3.0, x, torch.where(x < 0, widths[0], widths[1]))

    axis = torch.linspace(-12, 12, 401, dtype=F64)[:, None]
    parts = torch.stack([noise_law(c.expand_as(axis)).log_prob(axis).squeeze(1).exp() for c in data])
    marginal = parts.mean(0)

    def marginal_score(y: torch.Tensor) -> torch.Tensor:
        with torch.enable_grad():
            y = y.detach().requires_grad_()
            terms = torch.stack([noise_law(c.expand_as(y)).log_prob(y) for c in data])
            return torch.autograd.grad(terms.logsumexp(0).sum(), y)[0]

    constants, losses = [], []
    for score in (marginal_score, free_net(0), free_net(1), lambda y: -y):
        with torch.no_grad():
            both = [conditional_score_matching(score, c.expand_as(axis), noise_law, axis).total for c in data]
            loss = (torch.stack(both) * parts).mean(0).sum()
            divergence = (marginal * fisher_divergence(marginal_score, score, axis)).sum()
        losses.append(loss.item())
        constants.append((loss - divergence).item())
    assert constants == pytest.approx([constants[0]] * 4, rel=1e-12)
    assert min(losses) == losses[0]
    assert min(losses[1:]) > losses[0] * 1.01


def test_denoising_minimum(generator: torch.Generator) -> None:
    # The sum over the eigenvalues of the covariance.
    root = torch.randn(3, 3, dtype=F64, generator=generator)
    law = Gaussian(
        torch.randn(3, dtype=F64, generator=generator), cov=root @ root.T + 0.1 * torch.eye(3, dtype=F64)
    )
    eigen = torch.linalg.eigvalsh(law.covariance)
    for sigma in (0.2, 1.0, 5.0):
        exact = (eigen / (2 * sigma**2 * (eigen + sigma**2))).sum().item()
        assert denoising_minimum(law, sigma).item() == pytest.approx(exact, rel=1e-10)
    # One level a point.
    noisy = torch.randn(4, 3, dtype=F64, generator=generator)
    levels = torch.tensor([0.2, 1.0, 5.0, 0.2], dtype=F64)
    several = denoising_minimum(law, levels, noisy)
    assert torch.allclose(
        several, torch.stack([denoising_minimum(law, s.item()) for s in levels]), rtol=1e-10
    )
    # In half precision sigma^4 is 0 at .005, sigma^2 is 2.5e-5 to 3 parts in a thousand.
    half = Gaussian(torch.zeros(1, dtype=torch.float16), var=1.0)
    for level in (0.005, torch.tensor(0.005, dtype=torch.float16)):
        assert denoising_minimum(half, level).item() == pytest.approx(0.5 / 0.005**2, rel=0.01)
    # A mixture in the plane, 20 000 points: both forms of the minimum, within 4 standard errors of their difference.
    plane = GaussianMixture(torch.tensor([[-2.0, 0.0], [2.0, 1.0], [0.0, 3.0]], dtype=F64), var=0.4)
    noisy = plane.noised(1.0, 0.8).sample((20_000,), generator=generator)
    one = denoising_minimum(plane, 0.8, noisy)
    other = 0.5 * (2 / 0.8**2 - plane.noised(1.0, 0.8).score(noisy).square().sum(1))
    difference = one - other
    assert abs(difference.mean().item()) < 4 * difference.std().item() / 20_000**0.5
    assert float(one.min()) > 0
    assert float(other.min()) < 0
    assert float(one.std()) < float(other.std())


@pytest.mark.bad_input
def test_bad_input() -> None:
    x = torch.zeros(2, 3)
    law = Gaussian(torch.zeros(3), var=1.0)
    with pytest.raises(ValueError, match="noise must have the shape"):
        denoising_score_matching(torch.sin, x, torch.zeros(3), 1.0)
    with pytest.raises(ValueError, match="noise must have the dtype"):
        denoising_score_matching(torch.sin, x, x.double(), 1.0)
    with pytest.raises(ValueError, match=r"sigma must be a finite number in \(0, inf"):
        denoising_score_matching(torch.sin, x, x, 0.0)
    with pytest.raises(ValueError, match="sigma must be a finite number"):
        denoising_score_matching(torch.sin, x, x, float("nan"))
    with pytest.raises(TypeError, match="sigma must be a real number"):
        denoising_score_matching(torch.sin, x, x, "0.1")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"sigma must have shape \(\) or \(2,\)"):
        denoising_score_matching(torch.sin, x, x, torch.ones(3))
    with pytest.raises(TypeError, match="noise_law must be callable"):
        conditional_score_matching(torch.sin, x, Normal(0.0, 1.0), x)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"noise_law\(x\) must be a law with log_prob, got Tensor"):
        conditional_score_matching(torch.sin, x, lambda x: x, x)
    with pytest.raises(ValueError, match="differentiable in the noisy point, got Uniform"):
        conditional_score_matching(torch.sin, x, lambda x: Uniform(x - 1, x + 1), x)
    weight = torch.ones(2, 3, requires_grad=True)
    with pytest.raises(ValueError, match="differentiable in the noisy point, got Uniform"):
        conditional_score_matching(torch.sin, x, lambda x: Uniform(x - weight, x + weight), x)
    with torch.inference_mode():
        inference = torch.zeros(2, 3)
    with pytest.raises(ValueError, match="noisy must be an ordinary tensor"):
        conditional_score_matching(torch.sin, x, lambda x: Normal(x, 1.0), inference)
    with pytest.raises(TypeError, match=r"score\(x\) must be a torch.Tensor, got NoneType"):
        denoising_score_matching(lambda x: None, x, x, 1.0)  # type: ignore[arg-type, return-value]
    with pytest.raises(ValueError, match="noisy must be given for a GaussianMixture"):
        denoising_minimum(GaussianMixture(torch.zeros(2, 3), var=1.0), 1.0)
    with pytest.raises(TypeError, match="law must be a single exact law"):
        denoising_minimum(Gaussian(x, var=1.0), 1.0)
    with pytest.raises(ValueError, match="sigma must be a number"):
        denoising_minimum(law, torch.ones(2))
    with pytest.raises(ValueError, match="x must end in the event shape"):
        denoising_minimum(law, 1.0, torch.zeros(2, 2))
