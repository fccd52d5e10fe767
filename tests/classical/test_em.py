"""EM steps: monotone likelihood, agreement with scikit-learn, weighted moments."""

import itertools

import pytest
import torch

from gmlib.classical import e_step, m_step
from gmlib.distributions import GaussianMixture

F64 = torch.float64


def test_em_never_lowers_the_likelihood_and_agrees_with_scikit_learn() -> None:
    from sklearn.mixture import GaussianMixture as Reference

    generator = torch.Generator().manual_seed(0)
    law = GaussianMixture(
        torch.tensor([[-2.0, 0.0], [2.0, 1.0]], dtype=F64), var=torch.tensor([0.5, 1.0], dtype=F64)
    )
    x = law.sample((400,), generator=generator)
    start = torch.tensor([[-1.0, 0.5], [1.0, -0.5]], dtype=F64)
    mixture = GaussianMixture(start, var=1.0)
    likelihood = [mixture.log_prob(x).mean().item()]
    for _ in range(60):
        mixture = m_step(x, e_step(mixture, x))
        likelihood.append(mixture.log_prob(x).mean().item())
    assert all(b >= a - 1e-12 for a, b in itertools.pairwise(likelihood))
    reference = Reference(
        2, means_init=start.numpy(), weights_init=[0.5, 0.5], tol=1e-10, max_iter=500, reg_covar=0.0,
        precisions_init=torch.eye(2, dtype=F64).expand(2, 2, 2).numpy(),
    ).fit(x.numpy())  # fmt: skip
    assert likelihood[-1] == pytest.approx(reference.score(x.numpy()), abs=1e-6)
    assert torch.allclose(mixture.means, torch.from_numpy(reference.means_), atol=1e-3)


def test_counts_stand_for_repeated_rows() -> None:
    x = torch.tensor([[0.0], [1.0], [4.0]], dtype=F64)
    counts = torch.tensor([2.0, 1.0, 3.0], dtype=F64)
    r = torch.tensor([[0.9, 0.1], [0.5, 0.5], [0.2, 0.8]], dtype=F64)
    index = torch.tensor([0, 0, 1, 2, 2, 2])
    one, other = m_step(x, r, counts=counts), m_step(x[index], r[index])
    assert torch.allclose(one.weights, other.weights)
    assert torch.allclose(one.means, other.means)
    assert torch.allclose(one.covariances, other.covariances)


def test_counts_of_another_dtype_take_that_of_the_data() -> None:
    x, r, counts = torch.arange(3.0)[:, None], torch.full((3, 2), 0.5), torch.tensor([2.0, 1.0, 3.0])
    assert torch.equal(m_step(x, r, counts=counts.double()).means, m_step(x, r, counts=counts).means)


@pytest.mark.bad_input
def test_bad_input() -> None:
    mixture = GaussianMixture(torch.zeros(2, 1), var=1.0)
    with pytest.raises(ValueError, match="x"):
        e_step(mixture, torch.zeros(3, 2))
    with pytest.raises(ValueError, match="responsibilities must be"):
        m_step(torch.zeros(3, 1), torch.zeros(4, 2))
    with pytest.raises(ValueError, match="too few points"):
        m_step(torch.zeros(3, 1), torch.full((3, 2), 0.5))
    x, r = torch.arange(3.0)[:, None], torch.full((3, 2), 0.5)
    with pytest.raises(TypeError, match=r"responsibilities must have the dtype torch.float32 of x"):
        m_step(x, r.double())
    with pytest.raises(ValueError, match="responsibilities must sum to one"):
        m_step(x, 3 * r)
    with pytest.raises(ValueError, match="responsibilities must not be negative"):
        m_step(x, r + torch.tensor([1.0, -1.0]))
    for counts in (torch.ones(1), torch.ones(3, 1), torch.tensor([1.0, 1.0, -0.5]), torch.zeros(3)):
        with pytest.raises(ValueError, match="counts must be 3 non-negative numbers, not all 0"):
            m_step(x, r, counts=counts)
    with pytest.raises(ValueError, match="counts must be finite"):
        m_step(x, r, counts=torch.tensor([1.0, 1.0, float("nan")]))
    with pytest.raises(TypeError, match=r"counts must be a torch.Tensor, got list"):
        m_step(x, r, counts=[1.0, 1.0, 1.0])
