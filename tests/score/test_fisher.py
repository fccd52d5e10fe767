"""The Fisher divergence against its closed forms, and what it cannot see."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gmlib.distributions import Gaussian, GaussianMixture
from gmlib.score import fisher_divergence, gaussian_fisher_divergence, sliced_fisher_divergence

F64 = torch.float64


def random_gaussian(d: int, *, seed: int) -> Gaussian:
    generator = torch.Generator().manual_seed(seed)
    root = torch.randn(d, d, dtype=F64, generator=generator)
    cov = root @ root.T / d + 0.3 * torch.eye(d, dtype=F64)
    return Gaussian(torch.randn(d, dtype=F64, generator=generator), cov=cov)


def two_modes(weight: float) -> GaussianMixture:
    weights = torch.tensor([weight, 1 - weight], dtype=F64)
    return GaussianMixture(torch.tensor([[-5.0], [5.0]], dtype=F64), weights=weights, var=1.0)


def test_fisher_divergence() -> None:
    # N(0, a) and N(0, b), with the half.
    zero = torch.zeros(1, dtype=F64)
    axis = torch.linspace(-14, 14, 2001, dtype=F64)[:, None]
    for a, b in ((1.0, 2.0), (2.0, 0.5), (0.3, 0.3)):
        p, q = Gaussian(zero, var=a), Gaussian(zero, var=b)
        exact = 0.5 * a * (1 / b - 1 / a) ** 2
        on_grid = (fisher_divergence(p.score, q.score, axis) * p.log_prob(axis).exp()).sum() * 0.014
        assert gaussian_fisher_divergence(p, q).item() == pytest.approx(exact, abs=1e-14)
        assert on_grid.item() == pytest.approx(exact, abs=1e-12)
    # Equal variances: half the squared distance of the means over the squared variance.
    one, other = Gaussian(zero, var=0.7), Gaussian(zero + 1.3, var=0.7)
    assert gaussian_fisher_divergence(one, other).item() == pytest.approx(0.5 * 1.3**2 / 0.7**2, abs=1e-14)
    # Two far modes: 2.9e-6, while KL is within 1e-6 of the weights' own 0.2231.
    p, q = two_modes(0.5), two_modes(0.2)
    weight = p.log_prob(axis).exp() * 0.014
    blind = (fisher_divergence(p.score, q.score, axis) * weight).sum()
    seen = (weight * (p.log_prob(axis) - q.log_prob(axis))).sum()
    assert blind.item() == pytest.approx(2.879e-6, abs=5e-10)
    assert seen.item() == pytest.approx(0.5 * math.log(0.5 / 0.2) + 0.5 * math.log(0.5 / 0.8), abs=1e-6)
    assert seen.item() == pytest.approx(0.2231, abs=5e-5)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 5))
def test_gaussian_fisher_divergence(seed: int, d: int) -> None:
    p, q = random_gaussian(d, seed=seed), random_gaussian(d, seed=seed + 1)
    # From the scores alone, which are affine: the mean of a square is a square at the mean plus one a direction of C.
    root = torch.linalg.cholesky(p.covariance)
    middle = q.score(p.mean)
    directions = p.score(p.mean + root.T) - (q.score(p.mean + root.T) - middle)
    exact = 0.5 * (middle.square().sum() + directions.square().sum())
    assert gaussian_fisher_divergence(p, q).item() == pytest.approx(exact.item(), rel=1e-10)
    assert gaussian_fisher_divergence(p, p).item() < 1e-20


def test_batches_and_kinds_of_covariance(generator: torch.Generator) -> None:
    means = torch.randn(4, 3, dtype=F64, generator=generator)
    var = torch.rand(4, 3, dtype=F64, generator=generator) + 0.5
    p, q = Gaussian(means, var=var), random_gaussian(3, seed=3)
    together = gaussian_fisher_divergence(p, q)
    alone = [gaussian_fisher_divergence(Gaussian(m, var=v), q) for m, v in zip(means, var, strict=True)]
    assert together.shape == (4,)
    assert torch.allclose(together, torch.stack(alone), atol=1e-13)


def test_sliced_fisher_divergence(generator: torch.Generator) -> None:
    p, q = random_gaussian(3, seed=0), random_gaussian(3, seed=1)
    x = p.sample((6,), generator=generator)
    full = fisher_divergence(p.score, q.score, x)
    # The mean over all eight sign vectors is the mean over Rademacher directions, and E v v^T = I.
    signs = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0], dtype=F64)] * 3)
    sliced = torch.stack([sliced_fisher_divergence(p.score, q.score, x, v.expand(6, 3)) for v in signs])
    assert torch.allclose(sliced.mean(0), full, atol=1e-12)
    assert float(sliced.std(0).min()) > 1e-3
    together = signs[:, None].expand(8, 6, 3)  # several directions at once are averaged
    assert torch.allclose(sliced_fisher_divergence(p.score, q.score, x, together), sliced.mean(0), atol=1e-12)
    # Any event shape: the same numbers for the same points as images.
    shaped = [lambda y, law=law: law.score(y.flatten(1)).reshape(y.shape) for law in (p, q)]
    assert torch.equal(fisher_divergence(shaped[0], shaped[1], x.reshape(6, 1, 3)), full)


@pytest.mark.bad_input
def test_bad_input() -> None:
    x = torch.zeros(2, 3)
    good = Gaussian(torch.zeros(2), var=1.0)
    with pytest.raises(TypeError, match="score_p must be callable"):
        fisher_divergence(1.0, torch.sin, x)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"score_q\(x\) must have the shape \(2, 3\)"):
        fisher_divergence(torch.sin, lambda x: x[:, :1], x)
    with pytest.raises(ValueError, match="at least one point"):
        fisher_divergence(torch.sin, torch.sin, torch.zeros(0, 3))
    with pytest.raises(ValueError, match="projections must have the shape"):
        sliced_fisher_divergence(torch.sin, torch.sin, x, torch.zeros(2, 2))
    with pytest.raises(TypeError, match="q must be a Gaussian, got Tensor"):
        gaussian_fisher_divergence(good, x)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="q must have the event shape"):
        gaussian_fisher_divergence(good, Gaussian(torch.zeros(3), var=1.0))
    with pytest.raises(ValueError, match=r"q must have the dtype torch.float32 of p, got torch.float64"):
        gaussian_fisher_divergence(good, Gaussian(torch.zeros(2, dtype=F64), var=1.0))
    with pytest.raises(ValueError, match="batch of q must broadcast"):
        gaussian_fisher_divergence(Gaussian(torch.zeros(2, 2), var=1.0), Gaussian(torch.zeros(3, 2), var=1.0))
