"""Two noised points: the error of the best guess, and its bound."""

from __future__ import annotations

import pytest
import torch

from gmlib.diffusion import chernoff_bound, two_point_error
from gmlib.distributions import Gaussian, divergences_1d

F64 = torch.float64


def test_distinguishability(generator: torch.Generator) -> None:
    """.1440 and .2843 at distance 1.7, sigma .8; half of 1 - TV; guessing by the nearer centre errs as often."""
    assert two_point_error(1.7, 0.8).item() == pytest.approx(0.1440, abs=5e-5)
    assert chernoff_bound(1.7, 0.8).item() == pytest.approx(0.2843, abs=5e-5)
    here = Gaussian(torch.zeros(1, dtype=F64), var=0.64)
    there = Gaussian(torch.full((1,), 1.7, dtype=F64), var=0.64)
    best = 0.5 * (1 - divergences_1d(here, there).tv.item())
    assert two_point_error(1.7, 0.8).item() == pytest.approx(best, abs=1e-6)

    n = 100_000
    wrong = (0.8 * torch.randn(n, generator=generator, dtype=F64) > 0.85).double().mean().item()
    assert abs(wrong - 0.1440) < 4 * (0.144 * 0.856 / n) ** 0.5

    distance = torch.linspace(0, 12, 200, dtype=F64)
    error, bound = two_point_error(distance, 0.8), chernoff_bound(distance, 0.8)
    assert (error <= bound).all()
    assert error[0] == bound[0] == 0.5
    assert (error.diff() < 0).all()
    assert 1 > (error[-1] / bound[-1]).item() > 0  # the tail is not rounded to 0


def test_bound_is_half_the_overlap_of_the_roots() -> None:
    """The bound is half the integral of sqrt(pq)."""
    x = torch.linspace(-12, 14, 20_001, dtype=F64)[:, None]
    p, q = (Gaussian(torch.full((1,), m, dtype=F64), var=0.64).log_prob(x) for m in (0.0, 1.7))
    overlap = torch.trapezoid(torch.exp(0.5 * (p + q)), dx=26 / 20_000)
    assert 0.5 * overlap.item() == pytest.approx(chernoff_bound(1.7, 0.8).item(), rel=1e-10)


def test_numbers_and_tensors_agree() -> None:
    std = torch.tensor([0.5, 0.8], dtype=F64)
    for function in (two_point_error, chernoff_bound):
        assert function(1.7, std)[1].item() == pytest.approx(function(1.7, 0.8).item(), rel=1e-14)
        assert function(torch.tensor(1.7), 0.8).dtype == torch.float32
