"""Times that share one shift: each uniform, together without gaps, and a mean that hardly varies."""

import pytest
import torch

from gmlib.diffusion import low_discrepancy_times


def test_low_discrepancy_times() -> None:
    k, repeats = 8, 4000
    generator = torch.Generator().manual_seed(0)
    draws = torch.stack([low_discrepancy_times(k, generator=generator) for _ in range(repeats)]).double()
    gaps = draws.sort(1).values.diff(dim=1)
    assert torch.allclose(gaps, torch.full_like(gaps, 1 / k), atol=1e-6)
    # Each of them is uniform: mean 1/2 and variance 1/12, four standard errors.
    assert float((draws.mean(0) - 0.5).abs().max()) < 4 / (12 * repeats) ** 0.5
    assert float((draws.var(0) - 1 / 12).abs().max()) < 4 * (1 / 180 / repeats) ** 0.5
    # The mean of the batch is u' + (k - 1) / 2k with u' uniform on [0, 1/k]: variance 1 / 12 k^2, kurtosis that of u'.
    mean = draws.mean(1)
    error = (1 / 180 / repeats) ** 0.5 / k**2
    assert abs(float(mean.var()) - 1 / (12 * k**2)) < 4 * error
    independent = torch.rand(repeats, k, generator=generator, dtype=torch.float64).mean(1)
    assert abs(float(independent.var()) * 12 * k - 1) < 4 * (2 / repeats) ** 0.5


def test_a_range_of_times() -> None:
    times = low_discrepancy_times(1000, -3.0, 5.0, generator=torch.Generator().manual_seed(1))
    assert times.shape == (1000,)
    assert -3.0 <= float(times.min()) < -2.99
    assert 4.99 < float(times.max()) <= 5.0


@pytest.mark.bad_input
def test_bad_input() -> None:
    with pytest.raises(ValueError, match="n must be at least 1"):
        low_discrepancy_times(0)
    with pytest.raises(ValueError, match="low must be"):
        low_discrepancy_times(3, 1.0, 1.0)
