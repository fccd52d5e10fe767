"""The Frechet distance against closed forms and scipy's matrix root."""

import pytest
import torch

from gmlib.metrics import frechet_distance, gaussian_frechet_distance

F64 = torch.float64


def random_gaussian(d: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    a = torch.randn(d, d, dtype=F64, generator=generator)
    return torch.randn(d, dtype=F64, generator=generator), a @ a.T / d


def test_closed_forms() -> None:
    m1, v1 = random_gaussian(4, 0)
    m2, v2 = random_gaussian(4, 1)
    # Commuting covariances: sum of squared differences of the standard deviations.
    a, b = torch.diag(v1), torch.diag(v2)
    expected = (m1 - m2).square().sum() + (a.sqrt() - b.sqrt()).square().sum()
    assert gaussian_frechet_distance(m1, a.diag(), m2, b.diag()).item() == pytest.approx(
        expected.item(), rel=1e-10
    )
    # Symmetric, zero on the diagonal, unchanged by a common rotation.
    value = gaussian_frechet_distance(m1, v1, m2, v2).item()
    assert gaussian_frechet_distance(m2, v2, m1, v1).item() == pytest.approx(value, rel=1e-10)
    assert gaussian_frechet_distance(m1, v1, m1, v1).item() == pytest.approx(0.0, abs=1e-12)
    q, _ = torch.linalg.qr(v1 + v2)
    rotated = gaussian_frechet_distance(q @ m1, q @ v1 @ q.T, q @ m2, q @ v2 @ q.T).item()
    assert rotated == pytest.approx(value, rel=1e-9)


def test_agrees_with_scipy() -> None:
    from scipy.linalg import sqrtm

    m1, v1 = random_gaussian(6, 2)
    m2, v2 = random_gaussian(6, 3)
    root = torch.from_numpy(sqrtm((v1 @ v2).numpy()).real)
    expected = (m1 - m2).square().sum() + (v1 + v2 - 2 * root).trace()
    assert gaussian_frechet_distance(m1, v1, m2, v2).item() == pytest.approx(expected.item(), rel=1e-7)


def test_singular_covariance_is_fine() -> None:
    zero = torch.zeros(3, 3, dtype=F64)
    mean, v = random_gaussian(3, 4)
    # A point mass: the distance is the mean's square plus the other's total variance.
    expected = mean.square().sum() + v.trace()
    assert gaussian_frechet_distance(0 * mean, zero, mean, v).item() == pytest.approx(
        expected.item(), rel=1e-10
    )


def test_bias_of_equal_laws_is_the_predicted_one() -> None:
    # p = q = N(0, I_4), N = 200 each: 2 D / N + D (D + 1) / 2 N = .09 to leading order; 300 repeats.
    generator = torch.Generator().manual_seed(5)
    draws = torch.randn(300, 2, 200, 4, dtype=F64, generator=generator)
    values = torch.stack([frechet_distance(x, y) for x, y in draws])
    assert values.mean().item() == pytest.approx(0.09, abs=4 * values.std().item() / 300**0.5 + 0.002)


def test_one_dimension() -> None:
    x = torch.tensor([[0.0], [2.0]], dtype=F64)  # mean 1, standard deviation sqrt 2; three times that
    assert frechet_distance(x, 3 * x).item() == pytest.approx(4.0 + 8.0, rel=1e-12)


@pytest.mark.bad_input
def test_bad_input() -> None:
    with pytest.raises(ValueError, match="y must be a matrix"):
        frechet_distance(torch.zeros(3, 2), torch.zeros(1, 2))
    with pytest.raises(ValueError, match="mean2"):
        frechet_distance(torch.randn(3, 2), torch.randn(3, 3))
    with pytest.raises(TypeError, match="x must be a torch"):
        frechet_distance([[0.0]], torch.zeros(3, 1))
