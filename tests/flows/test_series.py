"""Log-determinants and traces without a determinant: power series, random vectors, Russian roulette."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from torch import Tensor

from gmlib.flows import (
    hutchinson_trace,
    hutchinson_variance,
    log_det_series_bound,
    log_det_terms,
    probe,
    probed_log_det_terms,
    reference_matrix,
    roulette_stops,
    roulette_survival,
    roulette_variance,
    russian_roulette,
    vector_jacobian,
)

F64 = torch.float64
A = reference_matrix()
LOG_DET = torch.linalg.slogdet(torch.eye(6, dtype=F64) + A)[1].item()
SIGNS = torch.tensor(list(itertools.product([-1.0, 1.0], repeat=6)), dtype=F64)


def normal_nodes(d: int) -> tuple[Tensor, Tensor]:
    """Points and weights that integrate polynomials up to degree 5 in each coordinate against N(0, I), exactly."""
    axis, weight = np.polynomial.hermite_e.hermegauss(3)
    points = torch.cartesian_prod(*[torch.tensor(axis)] * d)
    weights = torch.cartesian_prod(*[torch.tensor(weight / weight.sum())] * d).prod(-1)
    return points, weights


def test_the_reference_matrix_is_the_one_of_the_numbers() -> None:
    assert A[1, 2].item() == pytest.approx(math.sin(2 * 3 + 2) * A[0, 0].item() / math.sin(2))
    assert torch.linalg.matrix_norm(A, 2).item() == pytest.approx(0.6, abs=1e-14)
    assert A.trace().item() == pytest.approx(-0.2380566, abs=5e-8)
    assert (A @ A).trace().item() == pytest.approx(-0.1222242, abs=5e-8)
    assert pytest.approx(-0.2712624, abs=5e-8) == LOG_DET
    assert np.abs(np.linalg.eigvals(A.numpy())).max() == pytest.approx(0.45983, abs=1e-5)


def test_logdet_series() -> None:
    partial = log_det_terms(A, 40).cumsum(-1)
    errors = (partial - LOG_DET).tolist()
    bounds = [log_det_series_bound(6, 0.6, n) for n in range(1, 41)]
    for n, error, bound in (
        (2, 0.0943, 0.818),
        (5, -7.2e-6, 0.098),
        (10, 2.8e-5, 0.0044),
        (20, 1.1e-8, 1.5e-5),
    ):
        assert errors[n - 1] == pytest.approx(error, rel=0.05)
        assert bounds[n - 1] == pytest.approx(bound, rel=0.02)
    assert all(abs(error) <= bound + 1e-15 for error, bound in zip(errors, bounds, strict=True))


def test_the_signs_alternate_and_the_bound_is_reached() -> None:
    stretch = 0.6 * torch.eye(6, dtype=F64)
    errors = log_det_terms(stretch, 12).cumsum(-1) - 6 * math.log(1.6)
    assert torch.equal(errors.sign(), torch.tensor([1.0, -1.0] * 6, dtype=F64))
    # All eigenvalues at -L: no term has another sign, and the error is the bound.
    errors = (log_det_terms(-stretch, 12).cumsum(-1) - 6 * math.log(0.4)).tolist()
    assert errors == pytest.approx([log_det_series_bound(6, 0.6, n) for n in range(1, 13)], rel=1e-9)
    assert log_det_series_bound(6, 0.6, 0) == pytest.approx(-6 * math.log(0.4))


def test_hutchinson_trace() -> None:
    # Not a sample: all sign vectors there are.
    signs = hutchinson_trace(lambda v: v @ A.T, SIGNS)
    assert signs.mean().item() == pytest.approx(A.trace().item(), abs=1e-14)
    variance = signs.var(correction=0)
    assert variance.item() == pytest.approx(0.640395, abs=5e-7)
    torch.testing.assert_close(hutchinson_variance(A), variance)
    # And a rule that integrates the fourth moments of normal vectors exactly.
    points, weights = normal_nodes(6)
    normal = hutchinson_trace(lambda v: v @ A.T, points)
    mean = (weights * normal).sum()
    assert mean.item() == pytest.approx(A.trace().item(), abs=1e-13)
    variance = (weights * (normal - mean).square()).sum()
    assert variance.item() == pytest.approx(1.18011, abs=5e-6)
    torch.testing.assert_close(hutchinson_variance(A, "gaussian"), variance)


def test_only_products_with_the_jacobian_are_needed_one_a_vector() -> None:
    calls = []

    def field(u: Tensor) -> Tensor:
        calls.append(u.shape)
        return torch.tanh(u @ A.T)

    u = torch.linspace(-1, 1, 6, dtype=F64).expand(64, 6)
    value, product = vector_jacobian(field, u)
    estimates = hutchinson_trace(product, SIGNS)
    assert calls == [(64, 6)]
    torch.testing.assert_close(value, torch.tanh(u @ A.T))
    due = ((1 - value[0].square()) * A.diagonal()).sum()
    torch.testing.assert_close(estimates.mean(), due)


def test_probes_have_the_identity_for_covariance_whatever_their_shape() -> None:
    generator = torch.Generator().manual_seed(0)
    n = 100_000
    for law, fourth in (("rademacher", 1.0), ("gaussian", 3.0)):
        v = probe((n, 2), law, generator=generator, dtype=F64)
        # Standard errors: 1 / sqrt(n) off the diagonal, sqrt(fourth moment - 1) / sqrt(n) on it.
        covariance = v.T @ v / n
        slack = (
            4.5 * torch.tensor([[math.sqrt(fourth - 1), 1.0], [1.0, math.sqrt(fourth - 1)]]) / math.sqrt(n)
        )
        assert bool(((covariance - torch.eye(2)).abs() <= slack + 1e-12).all())
        assert v.pow(4).mean().item() == pytest.approx(fourth, abs=4.5 * math.sqrt(96 / n))
    image = probe((5, 1, 2, 3), generator=generator)
    assert hutchinson_trace(lambda v: 2 * v, image, event_dims=3).tolist() == [12.0] * 5


def test_terms_from_random_vectors_have_the_right_mean_each() -> None:
    probed = probed_log_det_terms(lambda v: v @ A.T, SIGNS, 7)
    assert probed.shape == (64, 7)
    torch.testing.assert_close(probed.mean(0), log_det_terms(A, 7))
    transposed = probed_log_det_terms(lambda v: v @ A, SIGNS, 7)
    torch.testing.assert_close(transposed, probed)


def stopped(terms: Tensor, survive: float, kept: int) -> tuple[Tensor, Tensor]:
    """Every value of the estimate and its probability."""
    n = terms.shape[-1]
    stops = torch.arange(kept, n + 1)
    reached = torch.cat(
        [roulette_survival(n, survive=survive, kept=kept, dtype=F64), torch.zeros(1, dtype=F64)]
    )
    reached = torch.cat([torch.ones(1, dtype=F64), reached])[kept:]
    return russian_roulette(terms, stops, survive=survive, kept=kept), reached[:-1] - reached[1:]


def test_russian_roulette() -> None:
    terms = log_det_terms(A, 80)
    for survive, kept in itertools.product((0.3, 0.5, 0.7), (0, 1, 2, 5)):
        values, chances = stopped(terms, survive, kept)
        assert chances.sum().item() == pytest.approx(1)
        mean = (chances * values).sum()
        assert mean.item() == pytest.approx(LOG_DET, abs=1e-12)
        variance = (chances * (values - mean).square()).sum()
        torch.testing.assert_close(roulette_variance(terms, survive=survive, kept=kept), variance)
    # One sample of a million, against the exact mean and its exact standard error, 1.5e-4.
    n = 1_000_000
    values, _ = stopped(terms, 0.5, 1)
    stops = roulette_stops((n,), survive=0.5, generator=torch.Generator().manual_seed(0))
    error = math.sqrt(roulette_variance(terms, survive=0.5).item() / n)
    assert error == pytest.approx(1.5e-4, rel=0.02)
    assert values[stops - 1].mean().item() == pytest.approx(LOG_DET, abs=4.5 * error)


def test_a_truncated_series_is_biased_and_roulette_is_not() -> None:
    terms = log_det_terms(A, 60)
    assert terms[:2].sum().item() - LOG_DET == pytest.approx(0.0943, abs=5e-5)
    values, chances = stopped(terms, 0.5, 2)
    assert (chances * values).sum().item() == pytest.approx(LOG_DET, abs=1e-12)


def test_terms_that_are_always_kept_lower_the_variance() -> None:
    terms = log_det_terms(A, 80)
    variances = [roulette_variance(terms, survive=0.5, kept=kept).item() for kept in range(6)]
    assert all(later < earlier for earlier, later in itertools.pairwise(variances))
    assert variances[1] == pytest.approx(0.02222, abs=5e-6)
    assert variances[2] == pytest.approx(0.01056, abs=5e-6)


@pytest.mark.parametrize(("survive", "finite"), [(0.3, False), (0.35, False), (0.37, True), (0.5, True)])
def test_the_variance_is_finite_above_the_squared_lipschitz_constant(survive: float, finite: bool) -> None:
    terms = log_det_terms(torch.full((1, 1), -0.6, dtype=F64), 400)
    short, long = (roulette_variance(terms[:n], survive=survive).item() for n in (200, 400))
    assert (long / short < 1.0001) is finite


def test_what_decides_is_the_spectral_radius_which_the_norm_bounds() -> None:
    terms = log_det_terms(A, 400)
    radius = np.abs(np.linalg.eigvals(A.numpy())).max()
    for survive, finite in ((0.95 * radius**2, False), (1.05 * radius**2, True)):
        short, long = (roulette_variance(terms[:n], survive=survive).item() for n in (200, 400))
        assert (long / short < 1.01) is finite


def test_chances_are_made_where_they_are_asked_for() -> None:
    assert roulette_survival(3, survive=0.5, device=torch.device("meta")).device.type == "meta"


@pytest.mark.bad_input
def test_bad_input_is_named() -> None:
    with pytest.raises(ValueError, match=r"^matrix must have shape \(\*batch, d, d\), got shape \(2, 3\)"):
        log_det_terms(torch.zeros(2, 3), 4)
    with pytest.raises(ValueError, match=r"^n must be at least 1, got 0"):
        log_det_terms(A, 0)
    with pytest.raises(ValueError, match=r"^lipschitz must be a finite number in \[0, 1\), got 1.0"):
        log_det_series_bound(6, 1.0, 3)
    with pytest.raises(ValueError, match=r"^law must be one of 'rademacher', 'gaussian', got 'uniform'"):
        probe((2,), "uniform")
    with pytest.raises(TypeError, match=r"^product must be callable, got Tensor"):
        hutchinson_trace(A, SIGNS)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"^function must be callable"):
        vector_jacobian(A, SIGNS)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"^matrix must have shape"):
        hutchinson_variance(torch.zeros(3))
    with pytest.raises(TypeError, match=r"^v must have a floating dtype"):
        probed_log_det_terms(lambda v: v, torch.ones(2, dtype=torch.int64), 2)
    with pytest.raises(ValueError, match=r"^survive must be a finite number in \(0, 1\), got 1.0"):
        roulette_stops((3,), survive=1.0)
    with pytest.raises(ValueError, match=r"^kept must be at least 0, got -1"):
        roulette_variance(torch.ones(3), survive=0.5, kept=-1)
    with pytest.raises(TypeError, match=r"^stops must be a torch.Tensor, got int"):
        russian_roulette(torch.ones(3), 2, survive=0.5)  # type: ignore[arg-type]
