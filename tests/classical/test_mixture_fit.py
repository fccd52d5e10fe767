"""EM from start to convergence: the crabs, scikit-learn, monotone likelihood, floors."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from gmlib.classical import e_step, fit_mixture, m_step
from gmlib.classical.mixture_fit import log_joint
from gmlib.distributions import Gaussian, GaussianMixture, crab_table

F64 = torch.float64
KINDS = ["full", "diagonal", "spherical"]


def blobs(n: int = 300, d: int = 2, seed: int = 0) -> Tensor:
    g = torch.Generator().manual_seed(seed)
    means = 3 * torch.randn(3, d, generator=g, dtype=F64)
    var = torch.rand(3, d, generator=g, dtype=F64) + 0.3
    return GaussianMixture(means, var=var).sample((n,), generator=g)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_gmm_em() -> None:
    """The crab table: 2567.58 nats against 2540.97 for one Gaussian, from every start; the likelihood never falls."""
    midpoints, counts = crab_table()
    x, counts = midpoints[:, None], counts.double()
    mean = counts @ midpoints / 1000
    single = Gaussian(mean[None], var=(counts @ (midpoints - mean) ** 2 / 1000).item())
    assert (counts @ single.log_prob(x)).item() == pytest.approx(2540.97, abs=5e-3)
    fits = [
        fit_mixture(x, 2, counts=counts, tolerance=1e-11, steps=5000, generator=seeded(s)) for s in range(2)
    ]
    for fit in fits:
        assert fit.converged
        assert (fit.log_likelihood.diff() >= -1e-9).all()
        assert fit.log_likelihood[-1].item() == pytest.approx(2567.58, abs=5e-3)
        assert fit.log_likelihood[-1].item() == pytest.approx((counts @ fit.mixture.log_prob(x)).item())
        order = fit.mixture.means.flatten().argsort()
        assert fit.mixture.weights[order].tolist() == pytest.approx([0.433, 0.567], abs=5e-4)
        assert fit.mixture.means.flatten()[order].tolist() == pytest.approx([0.6317, 0.6546], abs=5e-5)
        deviations = fit.mixture.covariances.flatten().sqrt()[order]
        assert deviations.tolist() == pytest.approx([0.0183, 0.0126], abs=5e-5)
        # A stationary point: the average responsibility is the weight.
        average = counts @ e_step(fit.mixture, x) / 1000
        assert torch.allclose(average, fit.mixture.weights, atol=1e-5)
    # A single component is the Gaussian, after one step.
    one = fit_mixture(x, 1, counts=counts, generator=seeded(0))
    assert one.log_likelihood[-1].item() == pytest.approx(2540.97, abs=5e-3)
    assert len(one.log_likelihood) == 3


@pytest.mark.parametrize("covariance", KINDS)
@pytest.mark.parametrize("floor", [0.0, 0.5])
def test_never_lowers_the_likelihood(covariance: str, floor: float) -> None:
    for seed in range(4):
        x = blobs(seed=seed, n=200)
        fit = fit_mixture(x, 3, covariance=covariance, floor=floor, steps=60, generator=seeded(seed))
        assert (fit.log_likelihood.diff() >= -1e-9).all()
        assert fit.log_likelihood[-1].item() == pytest.approx(fit.mixture.log_prob(x).sum().item())
        lowest = torch.linalg.eigvalsh(fit.mixture.covariances).min().item()
        assert lowest >= floor * (1 - 1e-12)
        if covariance == "spherical":
            diagonal = fit.mixture.covariances.diagonal(dim1=-2, dim2=-1)
            assert torch.equal(diagonal[:, 0], diagonal[:, 1])


@pytest.mark.parametrize(
    ("covariance", "theirs"), [("full", "full"), ("diagonal", "diag"), ("spherical", "spherical")]
)
def test_agrees_with_scikit_learn(covariance: str, theirs: str) -> None:
    from sklearn.mixture import GaussianMixture as Reference

    x = blobs(400)
    start = fit_mixture(x, 3, covariance=covariance, steps=2, tolerance=0.0, generator=seeded(1)).mixture
    fit = fit_mixture(x, 3, covariance=covariance, start=start, tolerance=1e-12, steps=5000)
    precisions = np.linalg.inv(start.covariances.numpy())
    if theirs != "full":
        precisions = np.diagonal(precisions, axis1=-2, axis2=-1)
    if theirs == "spherical":
        precisions = precisions[:, 0]
    reference = Reference(
        3, covariance_type=theirs, tol=1e-12, max_iter=5000, reg_covar=0.0, means_init=start.means.numpy(),
        weights_init=start.weights.numpy(), precisions_init=precisions,
    ).fit(x.numpy())  # fmt: skip
    assert fit.log_likelihood[-1].item() / 400 == pytest.approx(reference.score(x.numpy()), abs=1e-8)
    assert torch.allclose(fit.mixture.means, torch.from_numpy(reference.means_), atol=1e-4)


@pytest.mark.parametrize("covariance", KINDS)
def test_log_joint_is_the_mixtures_own(covariance: str) -> None:
    x = blobs(50, d=3) + 100
    mixture = m_step(x, torch.rand(50, 4, generator=seeded(3), dtype=F64).softmax(-1), covariance=covariance)
    joint = log_joint(mixture, x)
    assert torch.allclose(joint.logsumexp(-1), mixture.log_prob(x), atol=1e-9)
    assert torch.allclose(joint.softmax(-1), e_step(mixture, x), atol=1e-9)
    shared = GaussianMixture(mixture.means, var=2.0)
    assert torch.allclose(log_joint(shared, x).logsumexp(-1), shared.log_prob(x), atol=1e-9)


def test_counts_stand_for_repeated_rows() -> None:
    x, counts = blobs(30), torch.arange(30, dtype=F64) % 3 + 1
    start = GaussianMixture(x[:2], var=2.0)
    one = fit_mixture(x, 2, counts=counts, start=start, steps=20, tolerance=0.0)
    other = fit_mixture(x.repeat_interleave(counts.long(), 0), 2, start=start, steps=20, tolerance=0.0)
    assert torch.allclose(one.mixture.means, other.mixture.means)
    assert torch.allclose(one.log_likelihood, other.log_likelihood)


def test_constrained_step_is_the_best_under_its_constraint() -> None:
    """No covariance with eigenvalues above the floor gives one Gaussian a larger likelihood than the raised one."""
    x = blobs(100) @ torch.diag(torch.tensor([1.0, 0.1], dtype=F64))
    floor, ones = 0.2, torch.ones(100, 1, dtype=F64)
    best = m_step(x, ones, floor=floor).log_prob(x).mean().item()
    assert torch.linalg.eigvalsh(m_step(x, ones, floor=floor).covariances[0])[0].item() == pytest.approx(
        floor
    )
    g = seeded(4)
    for _ in range(200):
        a = 0.5 * torch.randn(2, 2, generator=g, dtype=F64)
        other = a @ a.T + floor * torch.eye(2, dtype=F64)
        assert Gaussian(x.mean(0), cov=other).log_prob(x).mean().item() <= best + 1e-12


def test_a_floor_saves_what_would_collapse() -> None:
    """A constant coordinate and a component with a single point: singular without a floor, fine with one."""
    x = torch.cat([blobs(40), torch.zeros(40, 1, dtype=F64)], 1)
    with pytest.raises(ValueError, match="too few points"):
        fit_mixture(x, 2, generator=seeded(0))
    fit = fit_mixture(x, 2, floor=1e-3, generator=seeded(0))
    assert torch.isfinite(fit.log_likelihood).all()
    assert fit.mixture.covariances[:, 2, 2].tolist() == pytest.approx([1e-3, 1e-3])
    lonely = torch.cat([torch.zeros(5, 1, dtype=F64), torch.full((1, 1), 50.0, dtype=F64)])
    pair = fit_mixture(lonely, 2, floor=0.01, generator=seeded(0)).mixture
    assert sorted(pair.means.flatten().tolist()) == pytest.approx([0.0, 50.0])
    assert pair.covariances.flatten().tolist() == pytest.approx([0.01, 0.01])


def test_stops_where_told() -> None:
    x = blobs()
    short = fit_mixture(x, 3, steps=4, tolerance=0.0, generator=seeded(0))
    assert len(short.log_likelihood) == 5
    assert not short.converged
    again = fit_mixture(x, 3, steps=4, tolerance=0.0, generator=seeded(0))
    assert torch.equal(short.log_likelihood, again.log_likelihood)
    assert fit_mixture(x, 3, tolerance=10.0, generator=seeded(0)).converged


@pytest.mark.gpu
@pytest.mark.parametrize("covariance", KINDS)
def test_the_gpu_gives_the_cpus_numbers(covariance: str) -> None:
    x = blobs()
    start = GaussianMixture(x[:3], var=1.0)
    here = fit_mixture(x, 3, start=start, covariance=covariance, steps=30, tolerance=0.0)
    there = fit_mixture(x.cuda(), 3, start=start.to("cuda"), covariance=covariance, steps=30, tolerance=0.0)
    assert torch.allclose(there.log_likelihood.cpu(), here.log_likelihood, atol=1e-6)
    fit_mixture(x.cuda(), 3, floor=0.1, generator=torch.Generator("cuda").manual_seed(0))


@pytest.mark.bad_input
def test_bad_input() -> None:
    x = blobs(20)
    with pytest.raises(ValueError, match="K must be at most the number of rows 20"):
        fit_mixture(x, 21)
    with pytest.raises(ValueError, match="K must be at least 1"):
        fit_mixture(x, 0)
    with pytest.raises(ValueError, match="x must be a matrix"):
        fit_mixture(x[0], 1)
    with pytest.raises(ValueError, match="x must be finite"):
        fit_mixture(x / 0, 1)
    with pytest.raises(ValueError, match="counts must be 20 non-negative"):
        fit_mixture(x, 1, counts=torch.ones(3))
    with pytest.raises(ValueError, match="start must be one mixture with K = 2"):
        fit_mixture(x, 2, start=GaussianMixture(x[:3], var=1.0))
    with pytest.raises(ValueError, match="start must be one mixture with K = 2"):
        fit_mixture(x, 2, start=Gaussian(x[0], var=1.0))
    with pytest.raises(
        ValueError, match=r"start must be torch.float32 on cpu as x is, got torch.float64 on cpu"
    ):
        fit_mixture(x.float(), 2, start=GaussianMixture(x[:2], var=1.0))
    with pytest.raises(ValueError, match="counts must be 20 non-negative"):
        fit_mixture(x, 1, counts=-torch.ones(20))
    with pytest.raises(ValueError, match="covariance must be one of"):
        fit_mixture(x, 2, covariance="tied")
    with pytest.raises(ValueError, match="floor"):
        fit_mixture(x, 2, floor=-1.0)
    with pytest.raises(ValueError, match="tolerance"):
        fit_mixture(x, 2, tolerance=-1.0)
    with pytest.raises(ValueError, match="at least K = 3 different rows"):
        fit_mixture(torch.tensor([[0.0], [0.0], [1.0]]), 3)
    with pytest.raises(ValueError, match="more than K = 2 different rows"):
        fit_mixture(torch.tensor([[0.0], [0.0], [1.0]]), 2)
