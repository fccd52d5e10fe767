"""The last step over grey levels: masses of bins, far into the tails too."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import norm

from gmlib.diffusion import discretised_gaussian

F64 = torch.float64


@pytest.mark.parametrize("levels", [2, 17, 256])
@pytest.mark.parametrize("std", [1e-3, 0.01, 0.3, 5.0])
def test_probabilities_of_all_levels_sum_to_one(levels: int, std: float) -> None:
    grid = torch.linspace(-1, 1, levels, dtype=F64)
    for mean in (-1.2, 0.03, 1.0):
        p = discretised_gaussian(grid[:, None], torch.full((levels, 1), mean, dtype=F64), std, levels).exp()
        assert p.sum().item() == pytest.approx(1, abs=1e-12)


def test_masses_are_differences_of_the_normal_distribution() -> None:
    """Pixels 0 to 16, levels a whole number apart: against SciPy, and mirrored."""
    x = torch.tensor([[3.0, 8.0, 15.0]], dtype=F64)
    mean = torch.tensor([[4.1, 8.2, 12.0]], dtype=F64)
    got = discretised_gaussian(x, mean, 1.5, 17, 0.0, 16.0).item()
    ends = [(x.numpy() + half - mean.numpy()) / 1.5 for half in (0.5, -0.5)]
    truth = np.log(norm.cdf(ends[0]) - norm.cdf(ends[1])).sum()
    assert got == pytest.approx(truth, rel=1e-12)
    assert discretised_gaussian(16 - x, 16 - mean, 1.5, 17, 0.0, 16.0).item() == pytest.approx(got, rel=1e-12)


@pytest.mark.parametrize("dtype", [F64, torch.float32])
def test_tails_stay_finite_on_both_sides(dtype: torch.dtype) -> None:
    """A hundred standard deviations off, the log mass is nearly -z²/2 of the bin's nearest edge."""
    x = torch.tensor([[-0.2], [0.2]], dtype=dtype)
    far = discretised_gaussian(x, torch.tensor([[0.803921569], [-0.803921569]], dtype=dtype), 0.01, 256)
    assert torch.isfinite(far).all()
    torch.testing.assert_close(far[0], far[1], rtol=1e-3, atol=0)
    z = (1.003921569 - 1 / 255) / 0.01
    assert far[0].item() == pytest.approx(-0.5 * z**2, rel=2e-3)


def test_std_may_be_a_tensor() -> None:
    x = torch.tensor([[-1.0, 0.0], [1.0, 1.0]], dtype=F64)
    mean, std = 0.5 * x, torch.tensor([[0.1, 0.2], [0.3, 0.4]], dtype=F64)
    whole = discretised_gaussian(x, mean, std, 3)
    single = [discretised_gaussian(x[:, i : i + 1], mean[:, i : i + 1], std[:, i : i + 1], 3) for i in (0, 1)]
    torch.testing.assert_close(whole, single[0] + single[1])
