"""The bias of the Frechet distance: the leading term against Monte Carlo, and its removal against closed forms."""

import pytest
import torch

from gmlib.metrics import (
    extrapolated_frechet_distance,
    frechet_bias,
    frechet_distance,
    gaussian_frechet_distance,
)

F64 = torch.float64


def distances(factor: torch.Tensor, n: int, m: int, repeats: int, seed: int) -> torch.Tensor:
    """Distances between two samples of N(0, factor factor^T), (repeats,)."""
    generator = torch.Generator().manual_seed(seed)
    draws = torch.randn(repeats, n + m, len(factor), dtype=F64, generator=generator) @ factor.T
    return torch.stack([frechet_distance(x[:n], x[n:]) for x in draws])


def assert_mean(values: torch.Tensor, truth: float, allowed: float) -> None:
    """The mean is the truth, within 4 standard errors and the terms of higher order."""
    error = 4 * values.std().item() / len(values) ** 0.5
    assert values.mean().item() == pytest.approx(truth, abs=error + allowed)


def test_fid_bias() -> None:
    """p = q = N(0, I): 2 d / N + d (d + 1) / 2 N, half with one side exact, straight in 1/N, and gone at 1/N -> 0."""
    assert frechet_bias(4, 200, 200) == pytest.approx(0.09, rel=1e-12)
    assert frechet_bias(16, 800, 800) == pytest.approx(0.21, rel=1e-12)
    assert frechet_bias(4, 200) == pytest.approx(0.045, rel=1e-12)
    # 600 repeats; the next order, (d / N)^2 times about d, is below 2 % of the value.
    assert_mean(distances(torch.eye(4, dtype=F64), 200, 200, 600, 0), 0.09, 0.0018)
    assert_mean(distances(torch.eye(4, dtype=F64), 100, 400, 600, 1), frechet_bias(4, 100, 400), 0.003)

    generator = torch.Generator().manual_seed(2)
    one = []
    for x in torch.randn(600, 200, 4, dtype=F64, generator=generator):
        one.append(
            gaussian_frechet_distance(
                x.mean(0), x.T.cov(), torch.zeros(4, dtype=F64), torch.eye(4, dtype=F64)
            )
        )
    assert_mean(torch.stack(one), 0.045, 0.0009)

    # Two samples of one law, 1000 rows in 8 dimensions, 30 repeats: the raw distance is the bias, the limit is 0,
    # and the values lie on a line through 0 with the slope of the formula, 2 d + d (d + 1) / 2 = 52.
    generator.manual_seed(3)
    runs = []
    for x in torch.randn(30, 2, 1000, 8, dtype=F64, generator=generator):
        runs.append(extrapolated_frechet_distance(*x, repeats=2, generator=generator))
    raw = torch.stack([run.values[-1] for run in runs])
    assert_mean(raw, frechet_bias(8, 1000, 1000), 0.001)
    assert raw.mean() > 10 * raw.std() / 30**0.5
    assert_mean(torch.tensor([run.limit.value for run in runs]), 0.0, 0.001)
    assert_mean(torch.tensor([run.slope for run in runs]), 52.0, 2.0)
    line = torch.stack([r.limit.value + r.slope / r.sizes for r in runs])
    assert torch.stack([r.values for r in runs]).mean(0) == pytest.approx(line.mean(0), rel=0.03)


def test_other_covariances() -> None:
    # With a covariance the formula of whitened features is wrong by a factor of its scale, and more.
    generator = torch.Generator().manual_seed(4)
    factor = torch.randn(5, 5, dtype=F64, generator=generator) @ torch.diag(
        torch.tensor([3.0, 1, 1, 0.3, 0.1], dtype=F64)
    )
    cov = factor @ factor.T
    truth = frechet_bias(cov, 300, 200)
    assert_mean(distances(factor, 300, 200, 600, 5), truth, 0.02 * truth)
    assert frechet_bias(torch.eye(5), 300, 200) == pytest.approx(frechet_bias(5, 300, 200), rel=1e-6)
    assert frechet_bias(7.0 * torch.eye(5), 300) == pytest.approx(7 * frechet_bias(5, 300), rel=1e-6)
    # Dimensions without variance do not count.
    flat = torch.diag(torch.tensor([1.0, 1.0, 0.0], dtype=F64))
    assert frechet_bias(flat, 50) == pytest.approx(frechet_bias(2, 50), rel=1e-12)


def test_different_laws_and_sizes() -> None:
    # N(0, I_4) and N(.3, 1.44 I_4): .52 exactly. 40 repeats; the standard error is that of the spread.
    generator = torch.Generator().manual_seed(6)
    limits, errors = [], []
    for _ in range(40):
        x = torch.randn(600, 4, generator=generator)
        y = 0.3 + 1.2 * torch.randn(900, 4, generator=generator)
        run = extrapolated_frechet_distance(x, y, repeats=1, generator=generator)
        limits.append(run.limit.value)
        errors.append(run.limit.standard_error)
    limits, errors = torch.tensor(limits, dtype=F64), torch.tensor(errors, dtype=F64)
    assert_mean(limits, 4 * (0.3**2 + 0.2**2), 0.005)
    # The standard deviation of 40 values is itself known to 1 part in 9 (three of them: .66 to 1.34).
    assert errors.square().mean().sqrt().item() == pytest.approx(limits.std().item(), rel=0.34)


def test_what_the_line_is_made_of() -> None:
    generator = torch.Generator().manual_seed(7)
    x, y = torch.randn(2, 240, 3, dtype=F64, generator=generator)
    run = extrapolated_frechet_distance(x, 2 * y + 1, sizes=[240, 80, 120], groups=10, generator=generator)
    assert run.sizes.tolist() == [80, 120, 240]
    assert run.limit.n == 240
    # All rows in one part: the cutting does not matter.
    assert run.values[-1].item() == pytest.approx(frechet_distance(x, 2 * y + 1).item(), rel=1e-10)
    inverse = torch.stack([1 / run.sizes, torch.ones(3)], 1).double()
    slope, limit = torch.linalg.lstsq(inverse, run.values[:, None]).solution.flatten().tolist()
    assert (run.slope, run.limit.value) == pytest.approx((slope, limit), rel=1e-5)
    # The largest size's standard error is the textbook jackknife.
    assert run.standard_errors.shape == (3,)
    assert 0 < run.standard_errors[-1] < run.values[-1]
    again = [
        extrapolated_frechet_distance(x, y, generator=torch.Generator().manual_seed(8)).limit.value
        for _ in "ab"
    ]
    assert again[0] == again[1]


@pytest.mark.gpu
def test_on_a_gpu() -> None:
    generator = torch.Generator("cuda").manual_seed(9)
    x, y = torch.randn(2, 2000, 8, device="cuda", generator=generator)
    run = extrapolated_frechet_distance(x, y, generator=generator)
    assert run.values.device.type == "cuda"
    assert abs(run.limit.value) < 5 * run.limit.standard_error


@pytest.mark.bad_input
def test_bad_input() -> None:
    with pytest.raises(ValueError, match="m must be at least 2, got 1"):
        frechet_bias(3, 10, 1)
    with pytest.raises(ValueError, match="cov must be at least 1, got 0"):
        frechet_bias(0, 10)
    with pytest.raises(TypeError, match=r"cov must be a torch\.Tensor, got float"):
        frechet_bias(3.0, 10)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="square matrix"):
        frechet_bias(torch.ones(2, 3), 10)
    with pytest.raises(ValueError, match="positive semi-definite, got the eigenvalue -1"):
        frechet_bias(-torch.eye(2), 10)
    with pytest.raises(ValueError, match=r"cov must be a square matrix, at least 1 x 1, got shape \(0, 0\)"):
        frechet_bias(torch.zeros(0, 0), 10)
    with pytest.raises(ValueError, match="cov must be symmetric"):
        frechet_bias(torch.tensor([[1.0, 5.0], [0.0, 1.0]]), 10)
    x = torch.randn(100, 3)
    with pytest.raises(
        ValueError, match=r"sizes must be two or more multiples of groups = 20 up to 100, got \[200"
    ):
        extrapolated_frechet_distance(x, x, sizes=[200, 50])
    with pytest.raises(ValueError, match="sizes must be at least 20, got 10"):
        extrapolated_frechet_distance(x, x, sizes=[100, 10])
    with pytest.raises(ValueError, match="more than d = 3 rows; the smaller has 10"):
        extrapolated_frechet_distance(x, x[:10])
    with pytest.raises(ValueError, match="y must be finite"):
        extrapolated_frechet_distance(x, x * torch.nan)
