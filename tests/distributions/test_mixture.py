"""What only mixtures have: weights, responsibilities, batches of parameters, large batches in pieces."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

from gmlib.distributions import Gaussian, GaussianMixture, _covariance, base, two_moons

F64 = torch.float64


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=F64)


def test_one_component_is_the_normal_law() -> None:
    cov = torch.tensor([[2.0, 0.5], [0.5, 1.0]], dtype=F64)
    one, law, x = (
        GaussianMixture(normal(1, 2), cov=cov),
        Gaussian(normal(1, 2)[0], cov=cov),
        normal(6, 2, seed=1),
    )
    torch.testing.assert_close(one.log_prob(x), law.log_prob(x))
    torch.testing.assert_close(one.covariance, law.covariance)
    torch.testing.assert_close(one.posterior_mean(x, 0.5, 0.3), law.posterior_mean(x, 0.5, 0.3))


def test_weights_are_normalised_and_log_weights_agree() -> None:
    weights = torch.tensor([1.0, 3.0], dtype=F64)
    a = GaussianMixture(normal(2, 2), weights=weights, var=1.0)
    b = GaussianMixture(normal(2, 2), log_weights=weights.log() + 7, var=1.0)
    torch.testing.assert_close(a.weights, torch.tensor([0.25, 0.75], dtype=F64))
    torch.testing.assert_close(a.log_weights, b.log_weights)
    torch.testing.assert_close(
        GaussianMixture(normal(5, 2), var=1.0).weights, torch.full((5,), 0.2, dtype=F64)
    )


def test_share_of_samples_is_the_weight() -> None:
    """Two far modes at 0.2 and 0.8: the share in 10,000 draws is within 5 standard errors."""
    n, weight = 10_000, 0.8
    means = torch.tensor([[-5.0], [5.0]], dtype=F64)
    law = GaussianMixture(means, weights=torch.tensor([0.2, 0.8], dtype=F64), var=1.0)
    share = (law.sample((n,), generator=torch.Generator().manual_seed(0)) > 0).double().mean().item()
    assert abs(share - weight) < 5 * math.sqrt(weight * (1 - weight) / n)


def test_responsibilities_are_bayes() -> None:
    law, x = GaussianMixture(normal(3, 2), var=normal(3, 2, seed=2).exp()), normal(4, 2, seed=1)
    parts = zip(law.weights, law.means, law.covariances, strict=True)
    joint = torch.stack([w * Gaussian(m, cov=c).log_prob(x).exp() for w, m, c in parts], -1)
    torch.testing.assert_close(law.responsibilities(x), joint / joint.sum(-1, keepdim=True))


@pytest.mark.parametrize("kind", ["scalar", "isotropic", "diagonal", "full"])
def test_batch_of_mixtures(kind: str) -> None:
    B, K, d = 5, 3, 2
    means, weights, var = normal(B, K, d), normal(B, K, seed=1).exp(), normal(B, K, d, seed=2).exp()
    if kind == "full":
        law = GaussianMixture(means, weights=weights, cov=torch.diag_embed(var))
    elif kind == "scalar":
        var = torch.ones_like(var)
        law = GaussianMixture(means, weights=weights, var=1)
    else:
        var = var if kind == "diagonal" else var[..., :1]
        law = GaussianMixture(means, weights=weights, var=var)
    x = normal(7, B, d, seed=3)
    assert law.batch_shape == (B,)
    assert law.sample((4, 2)).shape == (4, 2, B, d)
    assert law.responsibilities(x).shape == (7, B, K)
    for i in range(B):
        one = GaussianMixture(means[i], weights=weights[i], var=var[i])
        torch.testing.assert_close(law.log_prob(x)[:, i], one.log_prob(x[:, i]))
        torch.testing.assert_close(law.score(x)[:, i], one.score(x[:, i]))
        torch.testing.assert_close(law.noised(0.5, 0.5).score(x)[:, i], one.noised(0.5, 0.5).score(x[:, i]))
        torch.testing.assert_close(law.mean[i], one.mean)
        torch.testing.assert_close(law.covariance[i], one.covariance)
        mean = law.posterior_mean(x, 0.3, 0.4)[:, i]
        torch.testing.assert_close(mean, one.posterior_mean(x[:, i], 0.3, 0.4))


def test_batch_samples_come_from_their_own_mixture() -> None:
    law = GaussianMixture(
        torch.tensor([[[-100.0], [-101.0]], [[100.0], [101.0]]]), var=torch.tensor([1.0, 2.0])
    )
    x = law.sample((50,), generator=torch.Generator().manual_seed(0))
    assert (x[:, 0] < 0).all()
    assert (x[:, 1] > 0).all()


@pytest.mark.parametrize("lead", [(), (3,), (4, 3), (4, 1), (5, 1, 3), (5, 4, 3), (1, 1, 1)])
@pytest.mark.parametrize("chunk", [2**20, 16, 1])
def test_samples_use_the_matrix_of_their_component(
    lead: tuple[int, ...], chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same draws, with the matrices gathered and with the draws grouped, as one product a draw."""
    root = normal(*lead, 2, 2) + 3 * torch.eye(2, dtype=F64)
    law = GaussianMixture(1000 * normal(5, 4, 3, 2, seed=1), cov=root @ root.mT)
    monkeypatch.setattr(_covariance, "CHUNK", chunk)
    x = law.sample((7,), generator=torch.Generator().manual_seed(2))
    g = torch.Generator().manual_seed(2)
    index = torch.multinomial(law.weights.reshape(20, 3), 7, replacement=True, generator=g)
    noise = torch.randn(20, 7, 2, generator=g, dtype=F64)
    own = torch.linalg.cholesky(law.covariances).reshape(20, 3, 2, 2)
    for b in range(20):
        for n in range(7):
            k = int(index[b, n])
            truth = law.means.reshape(20, 3, 2)[b, k] + own[b, k] @ noise[b, n]
            torch.testing.assert_close(x.reshape(7, 20, 2)[n, b], truth)


@pytest.mark.parametrize("batch", [False, True])
def test_draws_get_no_copies_of_the_matrices(batch: bool) -> None:
    d, n = 100, 600
    law = GaussianMixture(normal(2, d), cov=torch.eye(d, dtype=F64))
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
        x = law.expand((n,)).sample() if batch else law.sample((n,))
    assert x.shape == (n, d)
    bytes_at_once = max(event.self_cpu_memory_usage for event in seen.events() or [])
    assert 8 * n * d <= bytes_at_once <= 3 * 8 * n * d  # a copy a draw would be 8 n d d


@pytest.mark.parametrize("kind", ["var", "cov"])
def test_large_batches_go_in_pieces(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    law = GaussianMixture(normal(3, 2), **{kind: torch.eye(2, dtype=F64) if kind == "cov" else 0.5})
    x, alpha = normal(11, 4, 2, seed=1), torch.linspace(0.1, 1, 4, dtype=F64)

    def everything() -> list[Tensor]:
        return [law.log_prob(x), law.score(x), law.responsibilities(x), law.posterior_mean(x, alpha, 0.5)]

    whole = everything()
    monkeypatch.setattr(base, "CHUNK", 30)
    for a, b in zip(whole, everything(), strict=True):
        torch.testing.assert_close(a, b)


def test_gradients_reach_every_parameter() -> None:
    """d log p / d log-weight = responsibility - weight; d log p / d mean = r C^{-1}(x - m), as autograd finds."""
    log_weights, means = normal(3).requires_grad_(), normal(3, 2, seed=1).requires_grad_()
    cov = torch.eye(2, dtype=F64).repeat(3, 1, 1).requires_grad_()
    law, x = GaussianMixture(means, log_weights=log_weights, cov=cov), normal(2, seed=2)
    law.log_prob(x).backward()
    r = law.responsibilities(x)
    torch.testing.assert_close(log_weights.grad, r - law.weights)
    torch.testing.assert_close(means.grad, r.unsqueeze(-1) * (x - means))
    assert cov.grad is not None
    assert torch.isfinite(cov.grad).all()


def test_equal_means_and_far_points_make_no_nan() -> None:
    law = GaussianMixture(torch.zeros(3, 2), var=torch.tensor([1e-4, 1.0, 1e4]))
    x = torch.tensor([[1e4, -1e4], [0.0, 0.0]], requires_grad=True)
    law.log_prob(x).sum().backward()
    assert x.grad is not None
    torch.testing.assert_close(x.grad, law.score(x).detach())
    assert torch.isfinite(x.grad).all()


def test_song_ermon_mixture_hides_its_weights() -> None:
    """Between far modes the score says nothing of the weights: 1/5, 4/5 and 1/2, 1/2 agree near each mode."""
    means = torch.tensor([[-5.0, -5.0], [5.0, 5.0]], dtype=F64)
    a = GaussianMixture(means, weights=torch.tensor([0.2, 0.8], dtype=F64), var=1.0)
    b = GaussianMixture(means, var=1.0)
    torch.testing.assert_close(a.score(means), b.score(means), rtol=0, atol=1e-12)


def test_noise_levels_broadcast_the_same_in_one_piece_and_in_many() -> None:
    # alpha of shape (2, 1) against n points: (2, n, d), whether or not the work is cut into pieces.
    law = two_moons()
    alpha = torch.tensor([[0.6], [0.9]], dtype=torch.float64)
    x = torch.randn(6000, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    whole = law.posterior_mean(x, alpha, 0.5)
    assert whole.shape == (2, 6000, 2)
    assert torch.allclose(whole[:, :10], law.posterior_mean(x[:10], alpha, 0.5))
