"""The Frechet distance against closed forms, scipy's matrix root, the optimal map, torchmetrics and POT."""

import warnings

import pytest
import torch

from gmlib.metrics import frechet_distance, gaussian_frechet_distance

F64 = torch.float64


def random_gaussian(d: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    a = torch.randn(d, d, dtype=F64, generator=generator)
    return torch.randn(d, dtype=F64, generator=generator), a @ a.T / d


def root(matrix: torch.Tensor) -> torch.Tensor:
    """The principal square root, by scipy."""
    from scipy.linalg import sqrtm

    return torch.from_numpy(sqrtm(matrix.numpy()).real)


def test_frechet_distance() -> None:
    """One dimension; symmetry; the trace of the root either way round; common rotations; the optimal map's cost."""
    one = torch.ones(1, dtype=F64)
    for m1, s1, m2, s2 in ((0.0, 1.0, 3.0, 2.0), (-1.5, 0.3, 0.25, 0.7)):
        value = gaussian_frechet_distance(m1 * one, s1**2 * one[None], m2 * one, s2**2 * one[None])
        assert value.item() == pytest.approx((m1 - m2) ** 2 + (s1 - s2) ** 2, rel=1e-12)

    m1, v1 = random_gaussian(6, 2)
    m2, v2 = random_gaussian(6, 3)
    value = gaussian_frechet_distance(m1, v1, m2, v2).item()
    assert gaussian_frechet_distance(m2, v2, m1, v1).item() == pytest.approx(value, rel=1e-10)
    assert gaussian_frechet_distance(m1, v1, m1, v1).item() == pytest.approx(0.0, abs=1e-10)

    plain, symmetric = root(v1 @ v2), root(root(v1) @ v2 @ root(v1))
    assert (plain - symmetric).abs().max() > 0.01  # different matrices with the same trace
    assert plain.trace().item() == pytest.approx(symmetric.trace().item(), rel=1e-7)
    expected = (m1 - m2).square().sum() + (v1 + v2 - 2 * plain).trace()
    assert value == pytest.approx(expected.item(), rel=1e-7)

    q, _ = torch.linalg.qr(v1 + v2)
    rotated = gaussian_frechet_distance(q @ m1, q @ v1 @ q.T, q @ m2, q @ v2 @ q.T).item()
    assert rotated == pytest.approx(value, rel=1e-9)

    # Squared 2-Wasserstein: a symmetric positive matrix T (the gradient of a convex function, so by Brenier optimal)
    # carries one law to the other, and its mean squared displacement is the distance.
    inverse = torch.linalg.inv(root(v1))
    transport = inverse @ symmetric @ inverse
    assert torch.allclose(transport @ v1 @ transport.T, v2, atol=1e-7)
    assert torch.linalg.eigvalsh((transport + transport.T) / 2).min() > 0
    move = transport - torch.eye(6, dtype=F64)
    cost = (m1 - m2).square().sum() + (move @ v1 @ move.T).trace()
    assert value == pytest.approx(cost.item(), rel=1e-6)


def test_agrees_with_pot() -> None:
    from ot.gaussian import bures_wasserstein_distance

    (m1, v1), (m2, v2) = random_gaussian(5, 6), random_gaussian(5, 7)
    reference = bures_wasserstein_distance(m1.numpy(), m2.numpy(), v1.numpy(), v2.numpy())
    assert gaussian_frechet_distance(m1, v1, m2, v2).item() == pytest.approx(float(reference) ** 2, rel=1e-8)


def test_agrees_with_torchmetrics() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torchmetrics' own imports
        from torchmetrics.image.fid import FrechetInceptionDistance

        class Features(torch.nn.Identity):
            num_features = 8

        metric = FrechetInceptionDistance(feature=Features()).set_dtype(F64)
    generator = torch.Generator().manual_seed(8)
    x = torch.randn(
        5000, 8, dtype=F64, generator=generator
    )  # three of the blocks of rows, the last one short
    y = 0.5 + 1.2 * torch.randn(700, 8, dtype=F64, generator=generator)
    metric.update(x, real=True)
    metric.update(y, real=False)
    assert frechet_distance(x, y).item() == pytest.approx(metric.compute().item(), rel=1e-9)


def test_commuting_covariances() -> None:
    (m1, v1), (m2, v2) = random_gaussian(4, 0), random_gaussian(4, 1)
    a, b = torch.diag(v1), torch.diag(v2)
    expected = (m1 - m2).square().sum() + (a.sqrt() - b.sqrt()).square().sum()
    value = gaussian_frechet_distance(m1, a.diag(), m2, b.diag())
    assert value.item() == pytest.approx(expected.item(), rel=1e-10)


def test_singular_covariance_is_fine() -> None:
    zero = torch.zeros(3, 3, dtype=F64)
    mean, v = random_gaussian(3, 4)
    # A point mass: the distance is the mean's square plus the other's total variance.
    expected = mean.square().sum() + v.trace()
    assert gaussian_frechet_distance(0 * mean, zero, mean, v).item() == pytest.approx(
        expected.item(), rel=1e-10
    )


def test_fewer_rows_than_dimensions() -> None:
    generator = torch.Generator().manual_seed(9)
    x, y = torch.randn(2, 12, 40, dtype=F64, generator=generator)
    expected = gaussian_frechet_distance(x.mean(0), torch.cov(x.T), y.mean(0), torch.cov(y.T))
    assert frechet_distance(x, y).item() == pytest.approx(expected.item(), rel=1e-6)
    assert frechet_distance(x, x).item() == pytest.approx(0.0, abs=1e-11)
    wide, tall = frechet_distance(x, y[:11]), frechet_distance(y[:11], x)  # 12 and 11 rows of 40
    assert wide.item() == pytest.approx(tall.item(), rel=1e-10)


def test_float32_features_far_from_zero() -> None:
    # 1000 standard deviations off: sums of squares in float32 would leave nothing of the variance.
    generator = torch.Generator().manual_seed(10)
    x = 1000 + torch.randn(4000, 3, generator=generator)
    y = 1001 + torch.randn(3000, 3, generator=generator)
    value = frechet_distance(x, y)
    assert value.dtype == F64
    x, y = x.double(), y.double()
    expected = gaussian_frechet_distance(x.mean(0), torch.cov(x.T), y.mean(0), torch.cov(y.T))
    assert value.item() == pytest.approx(expected.item(), rel=1e-9)


def test_one_dimension() -> None:
    x = torch.tensor([[0.0], [2.0]], dtype=F64)  # mean 1, standard deviation sqrt 2; three times that
    assert frechet_distance(x, 3 * x).item() == pytest.approx(4.0 + 8.0, rel=1e-12)


def test_equal_covariances_in_float32() -> None:
    # Traces of 4e4: in float32 their difference would be off by .1, to either side, and a squared distance is not negative.
    # In float64 each root of an eigenvalue of the product may be off by 1.5e-8 of the largest, so that machines differ.
    x = torch.randn(500, 64, generator=torch.Generator().manual_seed(12)) * torch.logspace(-2, 2, 64)
    mean, cov = x.mean(0), torch.cov(x.T)
    value = gaussian_frechet_distance(mean, cov, mean, cov)
    assert value.dtype == torch.float32
    assert 0 <= value.item() < 1e-7 * cov.trace().item()
    assert frechet_distance(x, x).item() >= 0
    assert frechet_distance(x[:20], x[:20]).item() >= 0


def test_dtypes_are_promoted() -> None:
    (m1, v1), (m2, v2) = random_gaussian(3, 13), random_gaussian(3, 14)
    exact = gaussian_frechet_distance(m1, v1, m2, v2).item()
    for first, second, out in (
        (torch.float32, F64, F64),
        (torch.float16, torch.bfloat16, torch.float32),
        (torch.float16, torch.float16, torch.float32),
    ):
        value = gaussian_frechet_distance(m1.to(first), v1.to(first), m2.to(second), v2.to(second))
        assert value.dtype == out
        assert value.item() == pytest.approx(exact, rel=0.05)


@pytest.mark.gpu
def test_on_a_gpu() -> None:
    generator = torch.Generator().manual_seed(11)
    x, y = torch.randn(2, 3000, 16, generator=generator)
    value = frechet_distance(x.to("cuda"), y.to("cuda"))
    assert value.device.type == "cuda"
    assert value.item() == pytest.approx(frechet_distance(x, y).item(), rel=1e-9)


@pytest.mark.bad_input
def test_bad_input() -> None:
    with pytest.raises(ValueError, match="y must be a matrix"):
        frechet_distance(torch.zeros(3, 2), torch.zeros(1, 2))
    with pytest.raises(ValueError, match="y must have 2 columns"):
        frechet_distance(torch.randn(3, 2), torch.randn(3, 3))
    with pytest.raises(TypeError, match="x must be a torch"):
        frechet_distance([[0.0]], torch.zeros(3, 1))
    with pytest.raises(ValueError, match="y must be finite, got 1 NaN"):
        frechet_distance(torch.zeros(3, 1), torch.tensor([[0.0], [torch.nan], [1.0]]))
    good = torch.ones(1)
    with pytest.raises(ValueError, match=r"mean2 must have shape \(1,\), got shape \(2,\)"):
        gaussian_frechet_distance(good, good[None], torch.ones(2), good[None])
    with pytest.raises(ValueError, match="cov1 must be finite"):
        gaussian_frechet_distance(good, torch.full((1, 1), torch.inf), good, good[None])
    two, eye = torch.zeros(2), torch.eye(2)
    with pytest.raises(ValueError, match=r"mean2 must have shape \(2,\), got shape \(5, 2\)"):
        gaussian_frechet_distance(two, eye, torch.ones(5, 2), eye)
    with pytest.raises(ValueError, match=r"cov2 must have shape \(2, 2\), got shape \(3, 2, 2\)"):
        gaussian_frechet_distance(two, eye, two, eye.expand(3, 2, 2))
    with pytest.raises(ValueError, match=r"cov1 must be symmetric, got entries that differ by 5 across"):
        gaussian_frechet_distance(two, torch.tensor([[1.0, 5.0], [0.0, 1.0]]), two, eye)
    with pytest.raises(ValueError, match="cov2 must be positive semi-definite, got the eigenvalue -1"):
        gaussian_frechet_distance(two, eye, two, -eye)
    with pytest.raises(TypeError, match="cov1 must have a floating dtype"):
        gaussian_frechet_distance(two, eye.long(), two, eye)
    with pytest.raises(ValueError, match="cov2 must be on cpu as mean1 is, got meta"):
        gaussian_frechet_distance(two, eye, two, eye.to("meta"))
    with pytest.raises(ValueError, match="mean1 must be a vector of at least one entry"):
        gaussian_frechet_distance(two[:0], eye[:0, :0], two[:0], eye[:0, :0])
