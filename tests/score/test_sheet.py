"""Dimension of data on a sheet, against flat sheets in closed form, a circle, and sheets of two dimensions at once."""

import math

import pytest
import torch
from torch import Tensor

from gmlib.distributions import Gaussian, GaussianMixture
from gmlib.score import (
    dimension_from_norm,
    dimension_from_trace,
    local_dimension,
    sheet_denoiser_trace,
    sheet_score_norm,
)

F64 = torch.float64
D, K, SIGMA = 10, 2, 0.1


def flat(sigma: float = SIGMA, var: float = 1.0) -> Gaussian:
    """N(0, diag(v 1_k, 0)) and noise of level sigma."""
    return Gaussian(
        torch.zeros(D, dtype=F64), var=torch.tensor([var] * K + [0.0] * (D - K), dtype=F64) + sigma**2
    )


def test_intrinsic_dimension(generator: torch.Generator) -> None:
    for sigma, var in ((SIGMA, 1.0), (0.5, 2.0)):
        law = flat(sigma, var)
        # E|s|^2 of a normal law is the trace of its precision, and -grad s is that precision.
        trace = torch.linalg.inv(law.covariance).diagonal().sum().item()
        assert sheet_score_norm(D, K, sigma, var=var) == pytest.approx(sigma**2 * trace, rel=1e-10)
        assert sheet_denoiser_trace(D, K, sigma, var=var) == pytest.approx(D - sigma**2 * trace, rel=1e-10)
    assert sheet_score_norm(10, 2, 0.1) == pytest.approx(8.0198, abs=5e-5)
    assert sheet_denoiser_trace(10, 2, 0.1) == pytest.approx(2 / 1.01)

    # 20,000 noisy points: sigma^2 |s|^2 is a chi-square of d - k degrees plus a small one of k.
    n, law = 20_000, flat()
    noisy = law.sample((n,), generator=generator)
    by_norm = dimension_from_norm(law.score, noisy, SIGMA)
    variance = 2 * (D - K) + 2 * K * (SIGMA**2 / (1 + SIGMA**2)) ** 2
    assert by_norm.mean().item() == pytest.approx(2 / 1.01, abs=4 * math.sqrt(variance / n))
    assert by_norm.var().item() == pytest.approx(variance, rel=4 * math.sqrt((2 + 12 / (D - K)) / n))
    # The trace is the same at every point.
    by_trace = dimension_from_trace(law.score, noisy[:50], SIGMA)
    assert torch.allclose(by_trace, torch.full((50,), 2 / 1.01, dtype=F64), atol=1e-10)
    # Random signs: diagonal Jacobian, so that each projection is exact; Gaussian ones scatter about it.
    signs = torch.randint(0, 2, noisy.shape, generator=generator).to(F64) * 2 - 1
    assert torch.allclose(
        dimension_from_trace(law.score, noisy[:50], SIGMA, projections=signs[:50]), by_trace, atol=1e-9
    )
    several = signs[:50].expand(3, 50, D)
    assert torch.allclose(
        dimension_from_trace(law.score, noisy[:50], SIGMA, projections=several), by_trace, atol=1e-9
    )
    normal = torch.randn(noisy.shape, dtype=F64, generator=generator)
    projected = dimension_from_trace(law.score, noisy, SIGMA, projections=normal)
    # (d - k) chi-squares of weight 1 and k of sigma^2 / (1 + sigma^2): the variance of the norm's estimate again.
    assert projected.mean().item() == pytest.approx(2 / 1.01, abs=4 * math.sqrt(variance / n))


def test_the_spectrum_at_a_point_of_a_flat_sheet() -> None:
    # Draws along the axes, scaled to E eps eps^T = I: the singular values are exact.
    noise = math.sqrt(D) * torch.cat([torch.eye(D, dtype=F64), -torch.eye(D, dtype=F64)])[:, None]
    found = local_dimension(flat().score, torch.zeros(1, D, dtype=F64), noise, SIGMA)
    expected = torch.tensor([1.0] * (D - K) + [SIGMA**2 / (1 + SIGMA**2)] * K, dtype=F64)
    assert torch.allclose(found.singular_values[0], expected, atol=1e-10)
    assert found.dimension.tolist() == [K]


def circle_score(x: Tensor, sigma: float) -> Tensor:
    """The unit circle and noise: the law of the radius has a Bessel function of r / sigma^2."""
    r = x.norm(dim=-1, keepdim=True)
    ratio = torch.special.i1e(r / sigma**2) / torch.special.i0e(r / sigma**2)
    return (ratio / r - 1) * x / sigma**2


def test_a_circle_has_one_dimension(generator: torch.Generator) -> None:
    angle = torch.rand(8, dtype=F64, generator=generator) * 2 * math.pi
    x = torch.stack([angle.cos(), angle.sin()], -1)
    noise = torch.randn(200, 8, 2, dtype=F64, generator=generator)
    for sigma in (0.2, 0.05):

        def score(x: Tensor, sigma: float = sigma) -> Tensor:
            return circle_score(x, sigma)

        assert local_dimension(score, x, noise, sigma).dimension.tolist() == [1] * 8
        # Near the circle tr Cov(x | noisy) is the variance of an angle of concentration r / sigma^2.
        noisy = x + sigma * noise[0]
        c = noisy.norm(dim=-1) / sigma**2
        ratio = torch.special.i1e(c) / torch.special.i0e(c)
        found = dimension_from_trace(score, noisy, sigma)
        assert torch.allclose(found, (1 - ratio.square()) / sigma**2, atol=1e-8)
        # By parts E|s|^2 = -E tr grad s: norm and trace have one mean, 20,000 points of the noised law.
        many = x.repeat(2500, 1) + sigma * torch.randn(20_000, 2, dtype=F64, generator=generator)
        trace = dimension_from_trace(score, many, sigma)
        difference = dimension_from_norm(score, many, sigma) - trace
        assert abs(difference.mean().item()) < 4 * difference.std().item() / math.sqrt(20_000)
        assert trace.mean().item() == pytest.approx(1.0, abs=sigma**2)  # E[1/r] = 1 + sigma^2/2 + ...


def test_a_line_and_a_plane(generator: torch.Generator) -> None:
    # The dimension is local: 1 on the line, 2 on the plane, both far from each other.
    sigma = 0.1
    law = GaussianMixture(
        torch.tensor([[-6.0, 0.0, 0.0], [6.0, 0.0, 0.0]], dtype=F64),
        var=torch.tensor([[1.0, 0.0, 0.0], [1.0, 1.0, 0.0]], dtype=F64) + sigma**2,
    )
    x = torch.tensor([[-6.5, 0.0, 0.0], [5.5, 0.7, 0.0]], dtype=F64)
    noise = torch.randn(100, 2, 3, dtype=F64, generator=generator)
    assert local_dimension(law.score, x, noise, sigma).dimension.tolist() == [1, 2]
    exact = torch.tensor([1 / 1.01, 2 / 1.01], dtype=F64)
    assert torch.allclose(dimension_from_trace(law.score, x, sigma), exact, atol=1e-10)


def test_images_and_levels(generator: torch.Generator) -> None:
    # The same numbers whatever the event's shape, and a level a point.
    noisy = torch.randn(4, 1, 2, 5, dtype=F64, generator=generator)
    sigma = torch.linspace(0.1, 0.4, 4, dtype=F64)
    law = flat()

    def score(x: Tensor) -> Tensor:
        return law.score(x.flatten(1)).reshape(x.shape)

    for estimate in (dimension_from_norm, dimension_from_trace):
        assert torch.allclose(estimate(score, noisy, sigma), estimate(law.score, noisy.flatten(1), sigma))
    noise = torch.randn(40, 4, 1, 2, 5, dtype=F64, generator=generator)
    image = local_dimension(score, noisy, noise, 0.1).singular_values
    assert torch.allclose(
        image, local_dimension(law.score, noisy.flatten(1), noise.flatten(2), 0.1).singular_values
    )


@pytest.mark.bad_input
def test_bad_input() -> None:
    x = torch.zeros(3, 2)
    with pytest.raises(ValueError, match="k must be at most"):
        sheet_score_norm(2, 3, 0.1)
    with pytest.raises(ValueError, match="d must be"):
        sheet_denoiser_trace(0, 0, 0.1)
    with pytest.raises(ValueError, match="var"):
        sheet_score_norm(2, 1, 0.1, var=0.0)
    for estimate in (dimension_from_norm, dimension_from_trace):
        with pytest.raises(ValueError, match="sigma"):
            estimate(torch.neg, x, -0.1)
        with pytest.raises(TypeError, match="noisy"):
            estimate(torch.neg, x.long(), 0.1)
        with pytest.raises(ValueError, match="score"):
            estimate(lambda x: x.sum(1), x, 0.1)
    with pytest.raises(ValueError, match="projections"):
        dimension_from_trace(torch.neg, x, 0.1, projections=torch.zeros(3, 1))
    with pytest.raises(ValueError, match="noise must have shape"):
        local_dimension(torch.neg, x, torch.zeros(9, 2, 2), 0.1)
    with pytest.raises(ValueError, match="as many draws"):
        local_dimension(torch.neg, x, torch.zeros(1, 3, 2), 0.1)
    with pytest.raises(ValueError, match="sigma"):
        local_dimension(torch.neg, x, torch.zeros(9, 3, 2), 0.0)


@pytest.mark.gpu
def test_the_gpu_gives_the_cpus_numbers(generator: torch.Generator) -> None:
    x, noise = torch.zeros(3, 4), torch.randn(64, 3, 4, generator=generator)
    scale = torch.tensor([-0.9, -0.9, -100.0, -100.0])
    here = local_dimension(lambda x: scale * x, x, noise, 0.1)
    there = local_dimension(lambda x: scale.cuda() * x, x.cuda(), noise.cuda(), 0.1)
    assert there.dimension.tolist() == here.dimension.tolist() == [2, 2, 2]
    assert torch.allclose(there.singular_values.cpu(), here.singular_values, rtol=1e-3, atol=1e-5)
    noisy, sigma = 0.1 * noise[0], torch.tensor([0.1, 0.2, 0.3])
    for estimate in (dimension_from_norm, dimension_from_trace):
        cuda = estimate(lambda x: scale.cuda() * x, noisy.cuda(), sigma.cuda())
        assert torch.allclose(cuda.cpu(), estimate(lambda x: scale * x, noisy, sigma), rtol=1e-4, atol=1e-5)
