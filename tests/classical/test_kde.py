"""Kernel density estimates: scikit-learn, quadrature, moments, and the leave-one-out curve."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from gmlib.classical import KernelDensity, best_bandwidth, leave_one_out_nll
from gmlib.distributions import crab_sample

F64 = torch.float64


def points(n: int, d: int, seed: int = 0) -> Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=F64)


@pytest.mark.parametrize("kernel", ["gaussian", "boxcar"])
@pytest.mark.parametrize("bandwidth", [0.05, 0.3, 2.0])
def test_kde(kernel: str, bandwidth: float) -> None:
    """Integral, mean and variance by quadrature, for each h; the variance is S + h^2 or S + h^2/3."""
    x = points(7, 1)
    law = KernelDensity(x, bandwidth, kernel)
    # Midpoints of cells: for the boxcar, the error is one cell at each of the 14 edges.
    cells = 400_000
    edge = x.abs().max().item() + 9 * bandwidth
    step = 2 * edge / cells
    t = ((torch.arange(cells, dtype=F64) + 0.5) * step - edge)[:, None]
    p = law.log_prob(t).exp()
    tolerance = 1e-10 if kernel == "gaussian" else 14 * step / (7 * 2 * bandwidth) * max(1, edge**2)
    mean = (p @ t).item() * step
    variance = (p @ (t - mean).square()).item() * step
    assert p.sum().item() * step == pytest.approx(1, abs=tolerance)
    assert mean == pytest.approx(x.mean().item(), abs=tolerance)
    extra = bandwidth**2 if kernel == "gaussian" else bandwidth**2 / 3
    assert variance == pytest.approx(x.var(correction=0).item() + extra, abs=2 * tolerance)
    assert law.mean.item() == pytest.approx(x.mean().item(), abs=1e-14)
    assert law.variance.item() == pytest.approx(x.var(correction=0).item() + extra, abs=1e-12)


@pytest.mark.parametrize("kernel", ["gaussian", "boxcar"])
def test_two_dimensions_and_their_covariance(kernel: str) -> None:
    x = points(5, 2, seed=1)
    law = KernelDensity(x, 0.7, kernel)
    axis = (torch.arange(600, dtype=F64) + 0.5) / 600 * 14 - 7
    grid = torch.cartesian_prod(axis, axis)
    p = law.log_prob(grid).exp() * (14 / 600) ** 2
    tolerance = 1e-9 if kernel == "gaussian" else 0.03
    mean = p @ grid
    cov = (p[:, None] * (grid - mean)).T @ (grid - mean)
    assert p.sum().item() == pytest.approx(1, abs=tolerance)
    assert torch.allclose(law.covariance, cov, atol=3 * tolerance)
    extra = 0.49 if kernel == "gaussian" else 0.49 / 3
    assert torch.allclose(law.covariance, torch.cov(x.T, correction=0) + extra * torch.eye(2, dtype=F64))
    assert torch.allclose(law.covariance.diagonal(), law.variance)


@pytest.mark.parametrize("d", [1, 3, 20])
def test_agrees_with_scikit_learn(d: int) -> None:
    from sklearn.neighbors import KernelDensity as Reference

    x, y = points(60, d, seed=2), points(40, d, seed=3)
    for bandwidth in (0.4, 1.5):
        reference = Reference(kernel="gaussian", bandwidth=bandwidth).fit(x.numpy())
        ours = KernelDensity(x, bandwidth).log_prob(y)
        np.testing.assert_allclose(ours.numpy(), reference.score_samples(y.numpy()), rtol=1e-9)
    # scikit-learn calls a boxcar tophat and makes it a ball of Chebyshev distance only when asked.
    cube = Reference(kernel="tophat", metric="chebyshev", bandwidth=2.5).fit(x.numpy())
    ours = KernelDensity(x, 2.5, "boxcar").log_prob(y).numpy()
    theirs = cube.score_samples(y.numpy())
    inside = np.isfinite(ours)
    # Their tophat is normalised as a Euclidean ball whatever the metric: compare up to that constant.
    volume = math.log(2 * 2.5) * d - (d / 2 * math.log(math.pi) - math.lgamma(d / 2 + 1) + d * math.log(2.5))
    assert inside.any()
    np.testing.assert_allclose(ours[inside], theirs[inside] - volume, rtol=1e-9, atol=1e-9)
    assert (np.isinf(theirs) == ~inside).all()


@pytest.mark.parametrize("kernel", ["gaussian", "boxcar"])
def test_samples_follow_the_law(kernel: str) -> None:
    """Mean and variance of 40,000 draws, within 5 standard errors; and a boxcar's draws lie in its cubes."""
    law = KernelDensity(points(6, 2), 0.6, kernel)
    n = 40_000
    draws = law.sample((n // 4, 4), generator=torch.Generator().manual_seed(0))
    assert draws.shape == (n // 4, 4, 2)
    flat = draws.reshape(n, 2)
    assert ((flat.mean(0) - law.mean).abs() < 5 * (law.variance / n).sqrt()).all()
    square = (flat - law.mean).square()
    assert ((square.mean(0) - law.variance).abs() < 5 * square.std(0) / math.sqrt(n)).all()
    assert torch.isfinite(law.log_prob(flat)).all()
    assert law.sample().shape == (2,)


@pytest.mark.parametrize("kernel", ["gaussian", "boxcar"])
@pytest.mark.parametrize("d", [1, 20])
def test_leave_one_out_is_the_estimate_without_the_point(kernel: str, d: int) -> None:
    x = points(15, d)
    bandwidth = 1.1 if d == 1 else 3.0
    law = KernelDensity(x, bandwidth, kernel)
    each = [
        KernelDensity(torch.cat([x[:i], x[i + 1 :]]), bandwidth, kernel).log_prob(x[i]) for i in range(15)
    ]
    assert torch.allclose(law.leave_one_out(), torch.stack(each), atol=1e-10)
    curve = leave_one_out_nll(x, [0.5 * bandwidth, bandwidth], kernel)
    assert curve[1].item() == pytest.approx(-law.leave_one_out().mean().item(), abs=1e-10)


def test_leave_one_out_has_an_interior_minimum_and_narrow_bumps_fail_on_new_points() -> None:
    x, new = points(80, 1), points(80, 1, seed=5)
    grid = torch.logspace(-3, 1.5, 60, dtype=F64)
    curve = leave_one_out_nll(x, grid)
    best = int(curve.argmin())
    assert 0 < best < 59
    chosen = best_bandwidth(x)
    assert grid[best - 1].item() < chosen < grid[best + 1].item()
    assert leave_one_out_nll(x, [chosen]).item() <= curve.min().item()
    fine = leave_one_out_nll(x, chosen * torch.linspace(0.97, 1.03, 61, dtype=F64))
    assert abs(int(fine.argmin()) - 30) <= 5  # half a percent
    assert best_bandwidth(x, grid) == grid[best].item()
    # The memoriser: as h falls, the training points cost ever less and new points ever more.
    train, test = zip(
        *((-law.log_prob(x).mean().item(), -law.log_prob(new).mean().item())
          for law in (KernelDensity(x, h) for h in (1e-1, 1e-2, 1e-3, 1e-4))),
        strict=True,
    )  # fmt: skip
    assert list(train) == sorted(train, reverse=True)
    assert list(test) == sorted(test)
    assert train[-1] < -3
    assert test[-1] > 1e3


def test_two_points_choose_their_distance() -> None:
    """With n = 2 the likelihood is N(delta; 0, h^2 I_d), largest at h^2 = delta^2 / d."""
    for d in (1, 4):
        x = torch.zeros(2, d, dtype=F64)
        x[1, 0] = 3.0
        assert best_bandwidth(x) == pytest.approx(3 / math.sqrt(d), rel=2e-2)
    # The boxcar's optimum is the smallest cube that reaches.
    assert best_bandwidth(torch.tensor([[0.0], [3.0]], dtype=F64), kernel="boxcar") == pytest.approx(
        3, rel=2e-2
    )


@pytest.mark.parametrize("kernel", ["gaussian", "boxcar"])
@pytest.mark.parametrize("apart", [1e4, 1e6])
def test_clusters_far_apart_keep_their_own_bandwidth(kernel: str, apart: float) -> None:
    """Of 150 points each; half of the others are out of reach at any useful scale, which costs log 2 and no more."""
    x = torch.cat([points(150, 1), points(150, 1, seed=1) + apart])
    chosen = best_bandwidth(x, kernel=kernel)
    near = torch.logspace(-2, 1, 301, dtype=F64)
    assert chosen == pytest.approx(best_bandwidth(x, near, kernel), rel=0.03)
    near_by = torch.cat([x[:150], x[150:] - apart + 100])
    assert chosen == pytest.approx(best_bandwidth(near_by, kernel=kernel), rel=0.03)


@pytest.mark.parametrize("d", [1, 20])
def test_only_repeated_points_have_no_bandwidth(d: int) -> None:
    x = 1e3 + points(20, d)
    with pytest.raises(ValueError, match="x must not repeat every point"):
        best_bandwidth(x.repeat(2, 1))
    assert 0 < best_bandwidth(torch.cat([x, x[:19]])) < best_bandwidth(x)


def test_a_table_of_classes_pulls_the_bandwidth_down() -> None:
    """Ties look like structure: on the crab table narrower than when the crabs are spread over their classes."""
    x = crab_sample()[::2]
    jitter = torch.rand(500, 1, generator=torch.Generator().manual_seed(0), dtype=F64) - 0.5
    assert best_bandwidth(x) < 0.75 * best_bandwidth(x + 0.004 * jitter)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 30), st.integers(1, 3), st.floats(0.05, 3.0), st.sampled_from(["gaussian", "boxcar"]))
def test_shift_and_scale(n: int, d: int, scale: float, kernel: str) -> None:
    """Data, bandwidth and point scaled by c: the density divides by c^d."""
    x, y = points(n, d), points(9, d, seed=1)
    one = KernelDensity(x, 0.8, kernel).log_prob(y)
    other = KernelDensity(scale * x + 2, 0.8 * scale, kernel).log_prob(scale * y + 2)
    assert torch.allclose(one - d * math.log(scale), other, atol=1e-8)


def test_pieces_give_what_the_whole_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = points(50, 18), points(33, 18, seed=1)
    law = KernelDensity(x, 0.9)
    whole, alone = law.log_prob(y), law.leave_one_out()
    monkeypatch.setattr("gmlib.distributions.base.CHUNK", 120)
    monkeypatch.setattr("gmlib.classical.kde.CHUNK", 120)
    assert torch.allclose(law.log_prob(y), whole, atol=1e-12)
    assert torch.allclose(law.leave_one_out(), alone, atol=1e-12)


def test_is_a_mixture_and_has_gradients() -> None:
    for d in (2, 20):
        x, y = points(30, d), points(5, d, seed=1).requires_grad_()
        law = KernelDensity(x, 0.9)
        mixture = law.mixture()
        assert torch.allclose(law.log_prob(y), mixture.log_prob(y), atol=1e-10)
        (gradient,) = torch.autograd.grad(law.log_prob(y).sum(), y)
        assert torch.allclose(gradient, mixture.score(y), atol=1e-9)
    small = law.to(torch.float32)
    assert small.log_prob(y.float()).dtype == torch.float32
    assert small.leave_one_out().dtype == torch.float32
    assert "n=30, d=20" in repr(small)


@pytest.mark.gpu
@pytest.mark.parametrize("kernel", ["gaussian", "boxcar"])
def test_the_gpu_gives_the_cpus_numbers(kernel: str) -> None:
    x, y = points(500, 30), points(50, 30, seed=1)
    here = KernelDensity(x, 3.0, kernel)
    there = here.to("cuda")
    assert torch.allclose(there.log_prob(y.cuda()).cpu(), here.log_prob(y), atol=1e-9)
    assert torch.allclose(there.leave_one_out().cpu(), here.leave_one_out(), atol=1e-9)
    assert there.sample((3,), generator=torch.Generator("cuda").manual_seed(0)).device.type == "cuda"


@pytest.mark.bad_input
def test_bad_input() -> None:
    x = points(4, 2)
    with pytest.raises(ValueError, match="bandwidth must be a finite number in"):
        KernelDensity(x, 0.0)
    with pytest.raises(TypeError, match="bandwidth must be a real number"):
        KernelDensity(x, "wide")
    with pytest.raises(ValueError, match="kernel must be one of"):
        KernelDensity(x, 1.0, "cosine")
    with pytest.raises(ValueError, match="x must be a matrix"):
        KernelDensity(x[:0], 1.0)
    with pytest.raises(ValueError, match="x must be a matrix"):
        KernelDensity(x[0], 1.0)
    with pytest.raises(TypeError, match="x must have a floating dtype"):
        KernelDensity(x.long(), 1.0)
    with pytest.raises(ValueError, match="x must be finite"):
        KernelDensity(x / 0, 1.0)
    law = KernelDensity(x, 1.0, "boxcar")
    with pytest.raises(ValueError, match=r"value must end in the event shape \(2,\)"):
        law.log_prob(x[:, :1])
    with pytest.raises(ValueError, match="value must be on the law's device"):
        law.log_prob(x.to("meta"))
    with pytest.raises(ValueError, match="kernel must be 'gaussian'"):
        law.mixture()
    with pytest.raises(ValueError, match="x must be a matrix"):
        leave_one_out_nll(x[:1], [1.0])
    with pytest.raises(ValueError, match="rows of x must be at least 2"):
        KernelDensity(x[:1], 1.0).leave_one_out()
    with pytest.raises(ValueError, match="bandwidths must be a finite"):
        leave_one_out_nll(x, [1.0, -1.0])
    with pytest.raises(ValueError, match="bandwidths must hold"):
        leave_one_out_nll(x, [])
    with pytest.raises(ValueError, match="neighbour"):
        best_bandwidth(x, [1e-6], "boxcar")
    with pytest.raises(ValueError, match="two different points"):
        best_bandwidth(torch.ones(3, 1))
    with pytest.raises(ValueError, match="x must not repeat every point"):
        best_bandwidth(torch.tensor([[0.0], [0.0], [1.0], [1.0]]))
