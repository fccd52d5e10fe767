"""Pearson's moments: both of his solutions for the crabs, and the truth among the solutions for known mixtures."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from gmlib.classical import central_moments, pearson_moments
from gmlib.distributions import GaussianMixture, crab_table

F64 = torch.float64


def moments_of(weights: Tensor, means: Tensor, variances: Tensor) -> tuple[float, list[float]]:
    """Mean and central moments 2 to 6 of a mixture by Gauss-Hermite quadrature, exact for polynomials."""
    from numpy.polynomial.hermite_e import hermegauss

    nodes, node_weights = (torch.from_numpy(a) for a in hermegauss(12))
    points = (means[:, None] + variances.sqrt()[:, None] * nodes).flatten()
    return central_moments(points, 6, counts=(weights[:, None] * node_weights).flatten())


def parts(mixture: GaussianMixture) -> tuple[Tensor, Tensor, Tensor]:
    return mixture.weights, mixture.means.flatten(), mixture.covariances.flatten()


def test_gmm_moments() -> None:
    """The crab table in units of its classes (numbered from 1), without Sheppard's correction: two solutions."""
    counts = crab_table()[1].double()
    classes = torch.arange(1, 30, dtype=F64)
    mean, moments = central_moments(classes, counts=counts)
    assert mean == pytest.approx(16.799, abs=1e-9)
    one, two = pearson_moments(mean, moments)
    for solution, weight, means, deviations in (
        (one, 0.424, (13.40, 19.30), (4.51, 3.11)),
        (two, 0.533, (14.37, 19.57), (4.77, 2.88)),
    ):
        weights, m, v = parts(solution.mixture)
        assert weights[0].item() == pytest.approx(weight, abs=5e-4)
        assert m.tolist() == pytest.approx(means, abs=5e-3)
        assert v.sqrt().tolist() == pytest.approx(deviations, abs=5e-3)
        again_mean, again = moments_of(weights, m, v)
        assert again_mean == pytest.approx(mean, abs=1e-9)
        assert again[:4] == pytest.approx(moments[:4], rel=1e-9)
        assert again[4] == pytest.approx(solution.sixth_moment, rel=1e-9)
    # The moment that was not matched and the likelihood choose the same one; EM's maximum lies above both.
    gaps = [abs(s.sixth_moment - moments[4]) for s in (one, two)]
    per_ratio = (
        1000 * torch.log(torch.tensor(1 / 0.004, dtype=F64)).item()
    )  # from classes to units of the ratio
    likelihoods = [(counts @ s.mixture.log_prob(classes[:, None])).item() + per_ratio for s in (one, two)]
    assert gaps[0] < gaps[1]
    assert likelihoods == pytest.approx([2567.49, 2567.08], abs=5e-3)
    assert 2567.58 > likelihoods[0] > likelihoods[1]


@settings(max_examples=150, deadline=None)
@given(
    st.floats(0.1, 0.9), st.floats(0.3, 5.0), st.floats(0.1, 3.0), st.floats(0.1, 3.0), st.floats(0.01, 50.0)
)
def test_the_truth_is_among_the_solutions(
    weight: float, apart: float, v1: float, v2: float, unit: float
) -> None:
    weights = torch.tensor([weight, 1 - weight], dtype=F64)
    means = unit * torch.tensor([1.0, 1.0 + apart], dtype=F64)
    variances = unit**2 * torch.tensor([v1, v2], dtype=F64)
    mean, moments = moments_of(weights, means, variances)
    solutions = pearson_moments(mean, moments)
    # The mean and five moments are all that is known: every solution reproduces them, and one is the truth.
    for solution in solutions:
        again_mean, again = moments_of(*parts(solution.mixture))
        scale = [moments[0] ** (r / 2) for r in range(2, 6)]
        assert again_mean == pytest.approx(mean, abs=1e-6 * unit)
        assert [a / s for a, s in zip(again[:4], scale, strict=True)] == pytest.approx(
            [m / s for m, s in zip(moments[:4], scale, strict=True)], abs=1e-5
        )
    # Close parents are badly conditioned: rounding of the moments moves them by more the closer they lie.
    tolerance = 1e-3 / min(apart, 1.0) ** 3
    assert any(
        (parts(s.mixture)[0] - weights).abs().max() < tolerance
        and (parts(s.mixture)[1] - means).abs().max() < tolerance * unit
        for s in solutions
    )


def test_symmetric_mixtures_and_no_solution() -> None:
    """Equal halves make the quotient for w 0/0; a flat-topped law of too small kurtosis has no solution."""
    half = torch.tensor([0.5, 0.5], dtype=F64)
    truth = (half, torch.tensor([-1.0, 1.0], dtype=F64), torch.tensor([0.3, 0.3], dtype=F64))
    (solution,) = pearson_moments(*moments_of(*truth))
    assert all(torch.allclose(a, b, atol=1e-9) for a, b in zip(parts(solution.mixture), truth, strict=True))
    # A normal law has p = 0 only, and two points need variances of 0.
    assert pearson_moments(0.0, [1.0, 0.0, 3.0, 0.0]) == []
    assert pearson_moments(0.0, [1.0, 0.0, 1.0, 0.0]) == []
    # Equal means: p = 0, and a curve of mixtures has these moments.
    wide = moments_of(half, torch.zeros(2, dtype=F64), torch.tensor([0.5, 2.0], dtype=F64))
    assert pearson_moments(*wide) == []


def test_central_moments_with_counts() -> None:
    x, counts = torch.tensor([0.0, 1.0, 4.0], dtype=F64), torch.tensor([2.0, 1.0, 3.0])
    rows = torch.tensor([0.0, 0.0, 1.0, 4.0, 4.0, 4.0], dtype=F64)
    mean, moments = central_moments(x, 5, counts=counts)
    other_mean, other = central_moments(rows, 5)
    assert mean == pytest.approx(other_mean)
    assert moments == pytest.approx(other)
    assert moments[0] == pytest.approx(rows.var(correction=0).item())


@pytest.mark.bad_input
def test_bad_input() -> None:
    x = torch.tensor([1.0, 2.0])
    with pytest.raises(ValueError, match="x must be a vector"):
        central_moments(x[:0])
    with pytest.raises(TypeError, match="x must have a floating dtype"):
        central_moments(x.long())
    with pytest.raises(ValueError, match="order must be at least 2"):
        central_moments(x, 1)
    with pytest.raises(ValueError, match="counts must be 2 non-negative"):
        central_moments(x, counts=torch.tensor([1.0]))
    with pytest.raises(TypeError, match=r"counts must be a torch.Tensor, got list"):
        central_moments(x, counts=[1.0, 2.0])
    with pytest.raises(ValueError, match="counts must be finite"):
        central_moments(x, counts=torch.tensor([1.0, float("inf")]))
    with pytest.raises(ValueError, match="moments must hold the central moments"):
        pearson_moments(0.0, [1.0, 0.0, 3.0])
    with pytest.raises(ValueError, match="positive variance"):
        pearson_moments(0.0, [0.0, 0.0, 3.0, 0.0])
    with pytest.raises(ValueError, match="moments must be a finite"):
        pearson_moments(0.0, [1.0, float("nan"), 3.0, 0.0])
    with pytest.raises(TypeError, match="mean must be a real number"):
        pearson_moments(x, [1.0, 0.0, 3.0, 0.0])
