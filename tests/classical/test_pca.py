"""Principal components: the discarded eigenvalues, and the Gaussian law of probabilistic PCA."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gmlib.classical import PCA
from gmlib.distributions import Gaussian

F64 = torch.float64


def data(n: int = 80, d: int = 6, seed: int = 0) -> torch.Tensor:
    g = torch.Generator().manual_seed(seed)
    return torch.randn(n, d, generator=g, dtype=F64) @ torch.randn(d, d, generator=g, dtype=F64) + 3


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 40), st.integers(1, 8), st.integers(1, 8), st.integers(0, 1000))
def test_pca(n: int, d: int, k: int, seed: int) -> None:
    """The mean squared residual is the sum of the discarded eigenvalues, also with fewer points than coordinates."""
    k = min(k, d)
    x = data(n, d, seed)
    pca = PCA(x, k)
    residual = (x - pca.decode(pca.encode(x))).square().sum(-1).mean().item()
    assert residual == pytest.approx(pca.eigenvalues[k:].sum().item(), abs=1e-10)
    total = x.var(0, correction=0).sum().item()
    assert pca.eigenvalues.sum().item() == pytest.approx(total)
    assert torch.allclose(pca.components.T @ pca.components, torch.eye(k, dtype=F64), atol=1e-10)


def test_no_other_projector_leaves_less() -> None:
    x = data()
    best = PCA(x, 2).eigenvalues[2:].sum().item()
    g = torch.Generator().manual_seed(1)
    centred = x - x.mean(0)
    for _ in range(200):
        frame = torch.linalg.qr(torch.randn(6, 2, generator=g, dtype=F64)).Q
        assert (centred - centred @ frame @ frame.T).square().sum(-1).mean().item() >= best


@pytest.mark.parametrize("k", [1, 3, 5])
def test_law_is_probabilistic_pca(k: int) -> None:
    """scikit-learn's density (whose covariance has divisor n - 1), and the closed form of the average log-likelihood."""
    from sklearn.decomposition import PCA as Reference

    x, new = data(), data(20, seed=0)
    pca = PCA(x, k)
    law = pca.law()
    values, d = pca.eigenvalues, 6
    noise = values[k:].mean()
    closed = -0.5 * (values[:k].log().sum() + (d - k) * noise.log() + d * math.log(2 * math.pi) + d)
    assert law.log_prob(x).mean().item() == pytest.approx(closed.item(), abs=1e-12)
    # Their divisor: rescale the data about its mean, and undo it by the Jacobian.
    shrink = math.sqrt((len(x) - 1) / len(x))
    reference = Reference(k).fit((x.mean(0) + shrink * (x - x.mean(0))).numpy())
    theirs = reference.score_samples(new.numpy())
    reference_law = Gaussian(x.mean(0), cov=law.covariance * shrink**2 * len(x) / (len(x) - 1))
    np.testing.assert_allclose(reference_law.log_prob(new).numpy(), theirs, rtol=1e-9)
    assert torch.allclose(law.covariance, torch.from_numpy(reference.get_covariance()))


def test_law_is_the_best_of_its_kind_and_full_at_k_equal_d() -> None:
    x = data()
    best = PCA(x, 2).law().log_prob(x).mean().item()
    g = torch.Generator().manual_seed(2)
    pca = PCA(x, 2)
    weight = pca.components * (pca.eigenvalues[:2] - pca.eigenvalues[2:].mean()).sqrt()
    for _ in range(100):
        other = weight + 0.1 * torch.randn(6, 2, generator=g, dtype=F64)
        noise = pca.eigenvalues[2:].mean() * torch.empty(1, dtype=F64).uniform_(0.7, 1.4, generator=g)
        cov = other @ other.T + noise * torch.eye(6, dtype=F64)
        assert Gaussian(x.mean(0), cov=cov).log_prob(x).mean().item() < best
    full = PCA(x, 6).law()
    assert torch.allclose(full.covariance, torch.cov(x.T, correction=0))
    # One more component never costs likelihood.
    likelihoods = [PCA(x, k).law().log_prob(x).mean().item() for k in range(1, 7)]
    assert likelihoods == sorted(likelihoods)


@pytest.mark.bad_input
def test_bad_input() -> None:
    x = data()
    for bad in (x.long(), x.tolist(), x.half()):
        with pytest.raises(TypeError, match="x must"):
            PCA(bad, 1)
    with pytest.raises(ValueError, match="x must be finite"):
        PCA(x / 0, 1)
    with pytest.raises(ValueError, match="k must be at most d = 6"):
        PCA(x, 7)
    with pytest.raises(ValueError, match="x must be a matrix of at least two rows"):
        PCA(x[:1], 1)
    with pytest.raises(ValueError, match="x must end in the event shape"):
        PCA(x, 2).encode(x[:, :3])
    with pytest.raises(ValueError, match="x must vary in more than k = 2 directions"):
        PCA(x[:3], 2).law()
    with pytest.raises(ValueError, match="x must vary in more than k = 6 directions"):
        PCA(x[:3], 6).law()
