"""The bound and its terms against sums, integrals and closed forms."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gmlib.classical import e_step, m_step
from gmlib.distributions import GaussianMixture, crab_table
from gmlib.vae import (
    DiagonalPosterior,
    LinearVAE,
    elbo,
    evidence_decomposition,
    four_faces,
    gaussian_kl,
    grid_posterior,
    importance_weighted_bound,
    log_evidence,
    standard_normal_log_prob,
)

F64 = torch.float64


def random_law(*shape: int, seed: int) -> torch.Tensor:
    return (
        torch.rand(*shape, dtype=F64, generator=torch.Generator().manual_seed(seed))
        .add(0.05)
        .log()
        .softmax(-1)
    )


def test_latent_variable_model() -> None:
    # One latent on a grid against the closed form of a linear decoder: p(x) = N(0, W W^T + sigma^2 I).
    z = torch.linspace(-12, 12, 801, dtype=F64)
    weight, var = torch.tensor([[1.5], [-0.7]], dtype=F64), 0.3
    x = torch.tensor([[0.4, -1.0], [3.0, 2.0], [-2.0, 1.0]], dtype=F64)
    square = (x[:, None, :] - z[:, None] * weight[:, 0]).square().sum(-1)
    log_joint = -0.5 * square / var - math.log(2 * math.pi * var) - 0.5 * z**2 - 0.5 * math.log(2 * math.pi)
    covariance = weight @ weight.T + var * torch.eye(2, dtype=F64)
    exact = torch.distributions.MultivariateNormal(torch.zeros(2, dtype=F64), covariance).log_prob(x)
    assert torch.allclose(log_evidence(log_joint, z), exact, atol=1e-12)

    # The grid's posterior is the exact one, N(M^-1 W^T x, sigma^2 / M) with M = W^T W + sigma^2.
    m = (weight.T @ weight).item() + var
    expected = torch.distributions.Normal((x @ weight) / m, math.sqrt(var / m)).log_prob(z).exp()
    assert torch.allclose(grid_posterior(log_joint, z), expected, atol=1e-12)

    # At a fixed point of EM the mean responsibility is the mixing weight (crab table, 29 classes of 1000 crabs).
    midpoints, whole_counts = crab_table()
    data, counts = midpoints[:, None], whole_counts.to(F64)
    mixture = GaussianMixture(
        torch.tensor([[0.63], [0.66]], dtype=F64), weights=torch.tensor([0.4, 0.6], dtype=F64), var=2e-4
    )
    for _ in range(3000):
        mixture = m_step(data, e_step(mixture, data), counts=counts)
    average = (counts[:, None] * e_step(mixture, data)).sum(0) / counts.sum()
    assert torch.allclose(average, mixture.weights, atol=1e-8)
    assert torch.allclose(mixture.weights, torch.tensor([0.433, 0.567], dtype=F64), atol=2e-3)
    assert (counts * mixture.log_prob(data)).sum().item() == pytest.approx(2567.58, abs=0.01)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 9))
def test_elbo(seed: int, size: int) -> None:
    joint = random_law(3, size, seed=seed) * 0.3
    q = random_law(3, size, seed=seed + 1)
    parts = evidence_decomposition(joint, q)
    total = parts.expected_log_joint + parts.entropy + parts.kl
    assert torch.allclose(total, parts.log_evidence, atol=1e-14, rtol=0)
    assert torch.allclose(parts.entropy, torch.distributions.Categorical(q).entropy(), atol=1e-13)
    assert bool((parts.kl >= 0).all())
    # The maximiser is the posterior: its bound touches the evidence, and every other q lies below.
    posterior = joint / joint.sum(-1, keepdim=True)
    best = evidence_decomposition(joint, posterior)
    assert torch.allclose(best.elbo, best.log_evidence, atol=1e-14, rtol=0)
    assert bool((parts.elbo <= best.elbo + 1e-14).all())


def test_em_is_coordinate_ascent_on_the_bound() -> None:
    midpoints, whole_counts = crab_table()
    data, counts = midpoints[:, None], whole_counts.to(F64)
    mixture = GaussianMixture(torch.tensor([[0.60], [0.67]], dtype=F64), var=4e-4)

    def joint(model: GaussianMixture) -> torch.Tensor:
        parts = [GaussianMixture(model.means[k : k + 1], cov=model.covariances[k : k + 1]) for k in range(2)]
        return torch.stack([model.weights[k] * part.log_prob(data).exp() for k, part in enumerate(parts)], -1)

    previous = -math.inf
    for _ in range(20):
        q = e_step(mixture, data)
        after_e = evidence_decomposition(joint(mixture), q)
        assert float(after_e.kl.abs().max()) < 1e-12  # the E-step closes the gap
        bound_e = (counts * after_e.elbo).sum().item()
        mixture = m_step(data, q, counts=counts)
        bound_m = (counts * evidence_decomposition(joint(mixture), q).elbo).sum().item()
        assert bound_m >= bound_e - 1e-9 >= previous - 2e-9  # neither step lowers the bound
        previous = bound_m


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 6), st.integers(2, 5))
def test_elbo_four_faces(seed: int, n_x: int, n_z: int) -> None:
    faces = four_faces(
        random_law(n_x, seed=seed),
        random_law(n_x, n_z, seed=seed + 1),
        random_law(n_z, seed=seed + 2),
        random_law(n_z, n_x, seed=seed + 3),
    )
    totals = faces.totals()
    assert float(totals.max() - totals.min()) < 5e-14
    terms = vars(faces)
    assert all(float(value) >= -1e-15 for value in terms.values()), terms
    # A perfect code and decoder: posterior and decoder gaps close together, and the rest is the data's entropy.
    joint = random_law(n_x * n_z, seed=seed + 4).reshape(n_x, n_z)
    data, prior = joint.sum(1), joint.sum(0)
    exact = four_faces(data, joint / data[:, None], prior, (joint / prior).T)
    assert torch.allclose(exact.totals(), exact.data_entropy.expand(4), atol=1e-13)


def test_gaussian_kl_regulariser() -> None:
    generator = torch.Generator().manual_seed(1)
    mean, log_std = torch.tensor([[0.8, -1.1, 0.0]], dtype=F64), torch.tensor([[0.3, -0.9, 0.1]], dtype=F64)
    closed = gaussian_kl(mean, log_std)
    reference = torch.distributions.kl_divergence(
        torch.distributions.Normal(mean, log_std.exp()),
        torch.distributions.Normal(torch.zeros(3, dtype=F64), 1.0),
    ).sum(-1)
    assert torch.allclose(closed, reference, atol=1e-13)
    # Monte Carlo, 200 000 draws: truth within 4 standard errors.
    q = DiagonalPosterior(mean, log_std)
    z = q.rsample(torch.randn(200_000, 1, 3, dtype=F64, generator=generator))
    draws = q.log_prob(z) - standard_normal_log_prob(z)
    assert abs(draws.mean() - closed.item()) < 4 * draws.std() / math.sqrt(draws.numel())
    # Zero if and only if the law is the prior; log sigma read as log sigma^2 would agree at 0 only.
    assert gaussian_kl(torch.zeros(1, 4), torch.zeros(1, 4)).item() == 0.0
    assert float(
        gaussian_kl(torch.zeros(1, 1, dtype=F64), torch.full((1, 1), 1e-4, dtype=F64))
    ) == pytest.approx(1e-8, rel=1e-3)


def conjugate_log_weights(samples: int, n: int, *, generator: torch.Generator) -> torch.Tensor:
    """Log weights of z ~ N(0,1), x | z ~ N(z,1), x = 1.3, with q = prior: just the likelihood."""
    z = torch.randn(samples, n, dtype=F64, generator=generator)
    return -0.5 * (1.3 - z).square() - 0.5 * math.log(2 * math.pi)


def test_iwae(generator: torch.Generator) -> None:
    # Exact values: log p = log N(1.3; 0, 2); K = 1 is E log N(1.3; z, 1); K = 2 by two-dimensional quadrature.
    log_p = -0.25 * 1.3**2 - 0.5 * math.log(4 * math.pi)
    grid = torch.linspace(-10, 10, 1201, dtype=F64)
    density = torch.exp(-0.5 * grid**2) / math.sqrt(2 * math.pi)
    weight = density * (grid[1] - grid[0])
    log_w = -0.5 * (1.3 - grid).square() - 0.5 * math.log(2 * math.pi)
    one = (weight * log_w).sum()
    pair = importance_weighted_bound(torch.stack([log_w[:, None].expand(-1, 1201), log_w.expand(1201, -1)]))
    two = (weight[:, None] * weight * pair).sum()
    assert log_p == pytest.approx(-1.6880121, abs=1e-7)
    assert one.item() == pytest.approx(-2.2639385, abs=1e-7)
    assert two.item() == pytest.approx(-1.8966812, abs=1e-7)
    # The order holds for expectations: 40 000 draws at each K, each mean within its own error of the order.
    means, errors = [], []
    for k in (1, 2, 5, 20):
        bound = importance_weighted_bound(conjugate_log_weights(k, 40_000, generator=generator))
        means.append(bound.mean().item())
        errors.append(bound.std().item() / 200)
    assert means[0] == pytest.approx(one.item(), abs=4 * errors[0])
    assert means[1] == pytest.approx(two.item(), abs=4 * errors[1])
    assert means == sorted(means)
    assert means[-1] < log_p + 4 * errors[-1]


def test_exact_posterior_has_no_variance(generator: torch.Generator) -> None:
    # With q = p(z | x) every single weight is the evidence (a linear model with one latent: the posterior is diagonal).
    data = torch.randn(40, 3, dtype=F64, generator=generator) @ torch.diag(
        torch.tensor([2.0, 1.0, 0.5], dtype=F64)
    )
    model = LinearVAE.from_ppca(data, 1)
    mean, cov = model.posterior(data)
    q = DiagonalPosterior(mean, (0.5 * cov.diagonal().log()).expand_as(mean))
    z = q.rsample(torch.randn(7, 40, 1, dtype=F64, generator=generator))
    var = model.log_var.exp()
    square = (data - model.bias - z @ model.weight.T).square().sum(-1)
    log_w = (
        -0.5 * square / var - 1.5 * torch.log(2 * math.pi * var) + standard_normal_log_prob(z) - q.log_prob(z)
    )
    assert torch.allclose(log_w, model.log_prob(data).expand_as(log_w), atol=1e-11)


@pytest.mark.bad_input
def test_bad_input() -> None:
    good = torch.zeros(2, 3)
    with pytest.raises(ValueError, match="log_std"):
        gaussian_kl(good, torch.zeros(2, 4))
    with pytest.raises(TypeError, match="mean"):
        gaussian_kl(torch.zeros(2, 3, dtype=torch.int64), good)
    with pytest.raises(ValueError, match="kl must have the shape"):
        elbo(torch.zeros(2), torch.zeros(3))
    with pytest.raises(ValueError, match="kl_weight"):
        elbo(torch.zeros(2), torch.zeros(2), kl_weight=-1.0)
    with pytest.raises(ValueError, match="log_weights"):
        importance_weighted_bound(torch.zeros(0, 3))
    with pytest.raises(ValueError, match="q must be non-negative"):
        evidence_decomposition(torch.tensor([0.1, 0.2]), torch.tensor([0.9, 0.3]))
    with pytest.raises(ValueError, match="joint"):
        evidence_decomposition(torch.tensor([0.0, 0.2]), torch.tensor([0.5, 0.5]))
    half = torch.full((2,), 0.5)
    with pytest.raises(ValueError, match=r"encoder must be \(x, z\)"):
        four_faces(half, half.expand(3, 2), half, half.expand(2, 2))
    with pytest.raises(ValueError, match="z must increase"):
        log_evidence(torch.zeros(3), torch.tensor([0.0, 2.0, 1.0]))
    with pytest.raises(ValueError, match="log_joint must end"):
        log_evidence(torch.zeros(4), torch.tensor([0.0, 1.0, 2.0]))
    with pytest.raises(ValueError, match="noise must end"):
        DiagonalPosterior(good, good).rsample(torch.zeros(5, 2, 4))
