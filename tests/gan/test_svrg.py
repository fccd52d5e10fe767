"""A bilinear finite sum: the second moments in closed form against every pair of draws."""

import itertools
import math

import numpy as np
import pytest
import torch

from gmlib.gan import bilinear_extragradient, stochastic_extragradient_factor, svrg_factor

F64 = torch.float64
COORDINATES = torch.tensor([4.0, 0.0, 0.0, 0.0], dtype=F64)  # m1 = 1, m2 = 4: a coordinate of four at a time
SIGNED = torch.tensor([2.0, -1.0, 0.5], dtype=F64)


@pytest.mark.parametrize("weights", [COORDINATES, SIGNED], ids=["coordinates", "signed"])
@pytest.mark.parametrize("eta", [0.05, 0.3])
def test_factors_by_enumeration(weights: torch.Tensor, eta: float) -> None:
    # Complex numbers z = phi + i theta, on which the field of a term is -i A z.
    every = list(itertools.product(weights.tolist(), repeat=2))
    mean = weights.mean().item()
    plain = np.mean([abs(1 - 1j * eta * b * (1 - 1j * eta * a)) ** 2 for a, b in every])
    assert stochastic_extragradient_factor(weights, eta) == pytest.approx(plain, rel=1e-13)
    # Variance reduced: all paths of two steps from the snapshot w = 1.
    ends = [1.0 + 0j]
    for _ in range(2):
        nexts = []
        for z, (a, b) in itertools.product(ends, every):
            ahead = z - 1j * eta * (a * (z - 1) + mean)
            nexts.append(z - 1j * eta * (b * (ahead - 1) + mean))
        ends = nexts
        factor = svrg_factor(weights, eta, 1 if len(ends) == len(every) else 2)
        assert factor == pytest.approx(np.mean(np.abs(ends) ** 2), rel=1e-12)


def test_game_svrg() -> None:
    # Stochastic extragradient drives away for every step once the terms' variance exceeds their squared mean ...
    for eta in (1e-4, 0.01, 0.1, 0.3, 1.0):
        assert stochastic_extragradient_factor(COORDINATES, eta) > 1
    # ... where the variance-reduced one comes home, if the step suits the length of an epoch.
    assert [round(svrg_factor(COORDINATES, 0.1, k), 4) for k in (1, 4)] == [0.9904, 0.9702]
    assert svrg_factor(COORDINATES, 0.1, 20) > 1
    # With one term nothing is random, and both are the extragradient step: (1 - eta^2)^2 + eta^2.
    one, full = torch.ones(1, dtype=F64), 1 - 0.3**2 + 0.3**4
    assert stochastic_extragradient_factor(one, 0.3) == pytest.approx(full)
    assert svrg_factor(one, 0.3, 5) == pytest.approx(full**5)
    # Played, n = 40000 plays: the mean square is that of the recursion, up to 4 standard errors.
    n = 40_000
    for inner, truth in (
        (None, stochastic_extragradient_factor(COORDINATES, 0.1) ** 12),
        (4, svrg_factor(COORDINATES, 0.1, 4) ** 3),
    ):
        draws = torch.Generator().manual_seed(0)
        start = torch.tensor([1.0, 0.0], dtype=F64).expand(n, 2)
        path = bilinear_extragradient(COORDINATES, start, 0.1, 12, inner=inner, generator=draws)
        squared = path[-1].square().sum(-1)
        error = squared.std().item() / math.sqrt(n)
        assert squared.mean().item() == pytest.approx(truth, abs=4 * error)
        assert (truth > 1) == (inner is None)
        assert abs(truth - 1) > 8 * error  # so growth and decay are told apart


@pytest.mark.bad_input
def test_bad_arguments() -> None:
    good = torch.ones(2)
    for error, words, call in (
        (ValueError, "weights must be a non-empty row", lambda: svrg_factor(torch.ones(2, 2), 0.1, 2)),
        (TypeError, "weights must be a torch.Tensor", lambda: stochastic_extragradient_factor([1.0], 0.1)),
        (ValueError, "eta must be", lambda: stochastic_extragradient_factor(good, 0.0)),
        (ValueError, "inner must be", lambda: svrg_factor(good, 0.1, 0)),
        (ValueError, "start must have shape", lambda: bilinear_extragradient(good, torch.ones(3), 0.1, 2)),
        (ValueError, "start must be finite", lambda: bilinear_extragradient(good, good / 0, 0.1, 2)),
        (ValueError, "inner must be", lambda: bilinear_extragradient(good, good, 0.1, 2, inner=0)),
        (ValueError, "steps must be", lambda: bilinear_extragradient(good, good, 0.1, -1)),
    ):
        with pytest.raises(error, match=words):
            call()
