"""Capacity: crosstalk against enumeration, the overlap equation against its own terms, recall against both."""

from __future__ import annotations

import itertools
import math

import pytest
import torch

from gmlib.energy import (
    Hopfield,
    all_states,
    bit_error,
    critical_load,
    finite_bit_error,
    hebb,
    overlap_theory,
    recall_overlap,
)


def normal_tail(x: float) -> float:
    return 0.5 * (1 + math.erf(-x / math.sqrt(2)))


def test_hopfield_capacity() -> None:
    # d = 200, twenty draws, ten cues each, started at the patterns. The means and deviations between draws come from
    # outside: they are those of twenty other draws, by a program written separately.
    g = torch.Generator().manual_seed(0)
    for count, mean, spread in ((20, 0.998, 0.003), (28, 0.955, 0.054), (40, 0.733, 0.087)):
        found = recall_overlap(200, count, draws=20, cues=10, generator=g)
        error = math.sqrt((spread**2 + found.var().item()) / 20)
        assert abs(found.mean().item() - mean) < 3 * error
    found = recall_overlap(200, 10, draws=20, cues=10, generator=g)
    assert found.mean() > 0.998


@pytest.mark.parametrize(("d", "count"), [(2, 2), (3, 2), (3, 3), (4, 3), (5, 3), (7, 2)])
def test_finite_bit_error_by_enumeration(d: int, count: int) -> None:
    patterns = all_states(d * count).reshape(-1, count, d)  # every set of patterns
    weights = patterns.mT @ patterns * (1 - torch.eye(d, dtype=patterns.dtype))
    after = torch.where(patterns @ weights >= 0, 1.0, -1.0)
    assert finite_bit_error(d, count) == pytest.approx((after != patterns).double().mean().item(), abs=1e-12)


def test_bit_error() -> None:
    for load in (0.05, 0.138, 1.0):
        assert bit_error(load) == pytest.approx(normal_tail(math.sqrt(1 / load)), rel=1e-9)
    # The exact value tends to it; the chance of a tie and the lattice of the sum are of order 1/d.
    errors = [abs(finite_bit_error(d, d // 5) / bit_error(0.2) - 1) for d in (100, 1000, 10_000)]
    assert errors[0] > 5 * errors[1] > 25 * errors[2]
    assert errors[2] < 2e-3
    assert finite_bit_error(50, 1) == 0
    # At a size at which the terms would fill a memory, only those near the edge are summed.
    assert finite_bit_error(10**5, 10**5) == pytest.approx(bit_error(1.0), rel=2e-4)
    # And a simulation: 200 nets, 100 x 20 bits each.
    g = torch.Generator().manual_seed(0)
    shares = []
    for _ in range(200):
        x = 2 * torch.randint(2, (20, 100), generator=g).float() - 1
        shares.append((Hopfield(hebb(x)).updated(x) != x).float().mean())
    seen = torch.stack(shares)
    error = seen.std().item() / math.sqrt(200)
    assert abs(seen.mean().item() - finite_bit_error(100, 20)) < 4 * error
    assert error < 0.1 * finite_bit_error(100, 20)


def test_overlap_theory() -> None:
    load, overlap = critical_load()
    assert load == pytest.approx(0.138, abs=5e-4)
    assert overlap == pytest.approx(0.967, abs=5e-4)
    for alpha in (0.02, 0.1, 0.13, 0.1378):
        o = overlap_theory(alpha)
        # r from the second equation, by iteration from r = 1; then the first one must hold.
        r = 1.0
        for _ in range(2000):
            r = (1 - math.sqrt(2 / (math.pi * alpha * r)) * math.exp(-(o**2) / (2 * alpha * r))) ** -2
        assert o == pytest.approx(math.erf(o / math.sqrt(2 * alpha * r)), abs=1e-9)
        assert r >= 1
        assert overlap <= o < 1
    assert overlap_theory(load) == pytest.approx(overlap, abs=1e-6)
    assert overlap_theory(load + 1e-6) == 0  # the memory does not fade, it breaks
    falling = [overlap_theory(a / 1000) for a in range(10, 138)]
    assert all(a >= b for a, b in itertools.pairwise(falling))
    # The first update errs by bit_error; what follows makes it worse, never better.
    assert overlap_theory(0.13) < 1 - 2 * bit_error(0.13)


def test_recall_follows_the_theory_below_the_critical_load() -> None:
    found = recall_overlap(600, 60, draws=8, cues=20, generator=torch.Generator().manual_seed(0))
    error = found.std().item() / math.sqrt(8)
    assert abs(found.mean().item() - overlap_theory(0.1)) < 4 * error + 1 / 600
    assert found.mean() < 1 - 1e-4


def test_flips() -> None:
    g = torch.Generator().manual_seed(0)
    assert bool((recall_overlap(100, 3, draws=4, flips=10, generator=g) == 1).all())
    # All bits wrong is the negative, which is stable as well; sweeps = 1 keeps what one sweep repairs.
    assert bool((recall_overlap(100, 1, draws=2, flips=100, generator=g) == -1).all())
    assert recall_overlap(40, 8, draws=7, cues=2, generator=g).shape == (7,)


@pytest.mark.gpu
def test_on_the_device() -> None:
    there = torch.Generator("cuda").manual_seed(0)
    found = recall_overlap(100, 3, draws=2, flips=5, generator=there, device="cuda")
    assert found.is_cuda
    assert found.tolist() == [1.0, 1.0]


@pytest.mark.bad_input
def test_bad_arguments() -> None:
    for error, words, call in (
        (ValueError, "load must be", lambda: bit_error(0.0)),
        (ValueError, "load must be", lambda: overlap_theory(-0.1)),
        (TypeError, "load must be", lambda: bit_error("1")),
        (ValueError, "load must be", lambda: overlap_theory(math.nan)),
        (ValueError, "d must be at least 2", lambda: finite_bit_error(1, 1)),
        (ValueError, "count must be at least 1", lambda: finite_bit_error(10, 0)),
        (TypeError, "count must be an int", lambda: finite_bit_error(10, 1.5)),
        (ValueError, "draws must be", lambda: recall_overlap(10, 2, draws=0)),
        (ValueError, "cues must be at most count, 2, got 3", lambda: recall_overlap(10, 2, cues=3)),
        (ValueError, "flips must be at most d, 10, got 11", lambda: recall_overlap(10, 2, flips=11)),
        (ValueError, "flips must be at least 0", lambda: recall_overlap(10, 2, flips=-1)),
        (ValueError, "sweeps must be", lambda: recall_overlap(10, 2, sweeps=0)),
    ):
        with pytest.raises(error, match=words):
            call()
