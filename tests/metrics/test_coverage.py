"""Density and coverage: prdc, the expectations for equal laws in closed form, and what an outlier does."""

import contextlib
import io
import math

import pytest
import torch

from gmlib.metrics import density_coverage, expected_coverage, precision_recall

F64 = torch.float64


def normal(n: int, d: int, seed: int) -> torch.Tensor:
    return torch.randn(n, d, dtype=F64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("k", [1, 5, 12])
def test_agrees_with_prdc(k: int) -> None:
    from prdc import compute_prdc

    real, fake = normal(200, 6, 0), 0.8 * normal(150, 6, 1) + 0.3
    with contextlib.redirect_stdout(io.StringIO()):
        theirs = compute_prdc(real.numpy(), fake.numpy(), k)
    ours = density_coverage(real, fake, k)
    assert ours.density.value == pytest.approx(theirs["density"], rel=1e-12)
    assert ours.coverage.value == pytest.approx(theirs["coverage"], rel=1e-12)
    assert (ours.density.n, ours.coverage.n) == (150, 200)


@pytest.mark.parametrize(("n", "m", "k"), [(20, 20, 3), (12, 30, 5), (30, 9, 1)])
def test_equal_laws(n: int, m: int, k: int) -> None:
    # 300 repeats: mean density 1 and mean coverage as derived, each within four standard errors over the repeats.
    generator = torch.Generator().manual_seed(2)
    repeats = 300
    draws = torch.randn(repeats, n + m, 3, dtype=F64, generator=generator)
    results = [density_coverage(x[:n], x[n:], k) for x in draws]
    for values, truth in (
        ([r.density.value for r in results], 1.0),
        ([r.coverage.value for r in results], expected_coverage(n, m, k)),
    ):
        found = torch.tensor(values, dtype=F64)
        assert found.mean().item() == pytest.approx(truth, abs=4 * found.std().item() / repeats**0.5)


def test_expected_coverage() -> None:
    # By enumeration: of all orders of 3 other reals and 2 fakes, those whose first two are real are 3/5 of 2/4.
    assert expected_coverage(4, 2, k=2) == pytest.approx(1 - 0.6 * 0.5, rel=1e-14)
    # n = m: the paper's product, and its limit 1 - 2^-k.
    n, k = 40, 4
    paper = 1 - math.prod(range(n - k, n)) / math.prod(range(2 * n - k, 2 * n))
    assert expected_coverage(n, n, k) == pytest.approx(paper, rel=1e-14)
    assert expected_coverage(10**7, 10**7, k=5) == pytest.approx(1 - 2**-5, abs=1e-6)


def test_copies_of_the_data_have_density_one() -> None:
    # Open balls: k copies in each, the point's own and those of its k - 1 nearest.
    real = math.pi * normal(120, 4, 3) + 1e3
    for k in (1, 5, 20):
        result = density_coverage(real, real.clone(), k)
        assert (result.density.value, result.coverage.value) == (1.0, 1.0)


def test_one_real_outlier() -> None:
    # Fakes that are all wrong. One real outlier beyond them, whose ball holds them all, makes precision perfect; coverage
    # gets one ball of n, and density one of the k that a fake is expected in: 1/k.
    n, k = 200, 5
    real, fake = normal(n, 2, 4), torch.tensor([30.0, 0.0], dtype=F64) + normal(100, 2, 5)
    assert precision_recall(real, fake, k).precision.value == 0.0
    real[0] = torch.tensor([60.0, 0.0], dtype=F64)
    assert precision_recall(real, fake, k).precision.value == 1.0
    spoilt = density_coverage(real, fake, k)
    assert spoilt.density.value == pytest.approx(1 / k, rel=1e-12)
    assert spoilt.coverage.value == pytest.approx(1 / n, rel=1e-12)


def test_dropped_modes_halve_coverage() -> None:
    real, fake = normal(400, 2, 6), normal(400, 2, 7)
    real[:200, 0] += 100  # a mode that the model does not have
    whole = density_coverage(real[200:], fake)
    assert density_coverage(real, fake).coverage.value == whole.coverage.value / 2 > 0.45


@pytest.mark.gpu
def test_on_a_gpu() -> None:
    real, fake = normal(400, 8, 8).float(), normal(300, 8, 9).float()
    assert density_coverage(real.cuda(), fake.cuda()) == density_coverage(real, fake)


@pytest.mark.bad_input
def test_bad_input() -> None:
    x, y = torch.zeros(5, 2), torch.zeros(4, 2)
    with pytest.raises(TypeError, match="fake must be a torch"):
        density_coverage(x, [[0.0]])  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="real must have at least 6 rows, got shape"):
        density_coverage(x, y)
    with pytest.raises(ValueError, match="fake must have at least 2 rows, got shape"):
        density_coverage(x, y[:1], k=2)
    with pytest.raises(ValueError, match="fake must have 2 columns as real has"):
        density_coverage(x, torch.zeros(4, 3), k=1)
    with pytest.raises(ValueError, match="k must be at least 1"):
        density_coverage(x, y, k=0)
    with pytest.raises(ValueError, match="n must be at least 6, got 5"):
        expected_coverage(5, 5)
    with pytest.raises(ValueError, match="m must be at least 1"):
        expected_coverage(9, 0)
