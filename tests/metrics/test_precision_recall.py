"""Precision and recall: prdc, exact symmetries, modes dropped, outliers, and the neighbour that is the point itself."""

import contextlib
import io
import math
from itertools import pairwise

import pytest
import torch

from gmlib.metrics import (
    ball_counts,
    frechet_distance,
    gaussian_frechet_distance,
    k_nearest,
    neighbour_radii,
    precision_recall,
)

F64 = torch.float64


def normal(n: int, d: int, seed: int) -> torch.Tensor:
    return torch.randn(n, d, dtype=F64, generator=torch.Generator().manual_seed(seed))


def ring(n: int, modes: int, seed: int) -> torch.Tensor:
    """n points in the first ``modes`` of eight narrow modes on a circle, the same number in each."""
    angle = (torch.arange(n) % modes).to(F64) * math.tau / 8
    return 10 * torch.stack([angle.cos(), angle.sin()], 1) + 0.3 * normal(n, 2, seed)


@pytest.mark.parametrize("k", [1, 3, 10])
def test_agrees_with_prdc(k: int) -> None:
    from prdc import compute_prdc

    real, fake = normal(200, 6, 0), 1.2 * normal(150, 6, 1) + 0.3
    with contextlib.redirect_stdout(io.StringIO()):
        theirs = compute_prdc(real.numpy(), fake.numpy(), k)
    ours = precision_recall(real, fake, k)
    assert ours.precision.value == pytest.approx(theirs["precision"], abs=1e-12)
    assert ours.recall.value == pytest.approx(theirs["recall"], abs=1e-12)
    p = ours.precision.value
    assert ours.precision.standard_error == pytest.approx(math.sqrt(p * (1 - p) / 149), rel=1e-12)
    assert (ours.precision.n, ours.recall.n) == (150, 200)


def test_precision_recall() -> None:
    real, fake = ring(800, 8, 2), ring(800, 4, 3)
    # Exactly: precision of one against the other is recall of the other against the one.
    forward, back = precision_recall(real, fake), precision_recall(fake, real)
    assert (forward.precision, forward.recall) == (back.recall, back.precision)
    # A model without four of the eight modes: nothing of these is recalled, so that recall is half of that of the others.
    kept = real[torch.arange(800) % 8 < 4]
    among_kept = precision_recall(kept, fake)
    assert forward.recall.value == among_kept.recall.value / 2
    assert forward.precision.value == among_kept.precision.value
    assert forward.precision.value > 0.9
    assert 0.45 < forward.recall.value <= 0.5
    # The self-neighbour left in, at k = 1: balls of radius 0, which hold nobody.
    wrong = k_nearest(real, real, 1).distances[:, 0]
    assert (wrong == 0).all()
    assert (ball_counts(fake, real, wrong)[0] > 0).double().mean() == 0.0
    assert precision_recall(real, fake, k=1).precision.value > 0.5


def test_both_grow_with_k() -> None:
    real, fake = normal(150, 3, 4), 1.5 * normal(100, 3, 5)
    results = [precision_recall(real, fake, k) for k in (1, 2, 4, 8, 16, 32, 64, 99)]
    for values in ([r.precision.value for r in results], [r.recall.value for r in results]):
        assert values == sorted(values)
        assert values[0] < values[-1]


def test_far_outliers_among_the_fakes_halve_precision_and_leave_recall() -> None:
    # As many outliers as good fakes, and among themselves nearer than to the data.
    real, good = normal(300, 2, 6), normal(300, 2, 7)
    clean = precision_recall(real, good)
    spoilt = precision_recall(real, torch.cat([good, 100 + normal(300, 2, 8)]))
    assert spoilt.precision.value == clean.precision.value / 2
    assert spoilt.recall.value == clean.recall.value > 0.9


def test_copies_are_in_the_balls() -> None:
    # Copies far from the origin, one of them twice, at k = 1: distances of 0, which a bare matrix product misses.
    real = math.pi * normal(100, 5, 9) + 1e3
    real[1] = real[0]
    for fake in (real, real[:60]):
        assert precision_recall(real, fake, k=1).precision.value == 1.0
    assert precision_recall(real, real, k=1).recall.value == 1.0


def test_radii_skip_the_point_itself() -> None:
    x = torch.tensor([[0.0], [0.0], [3.0], [7.0]])
    assert neighbour_radii(x, 1).tolist() == [0.0, 0.0, 3.0, 4.0]
    assert neighbour_radii(x, 2).tolist() == [3.0, 3.0, 3.0, 7.0]


def test_pr_tradeoff() -> None:
    # Data N(0, I_8); the model draws z ~ N(0, t^2 I): cautious below t = 1, adventurous above.
    d, n = 8, 600
    real, z = normal(n, d, 10), normal(n, d, 11)
    temperatures = [0.3, 0.5, 0.7, 0.9, 1.0, 1.1, 1.3, 1.5]
    results = [precision_recall(real, t * z) for t in temperatures]
    precision, recall = [r.precision for r in results], [r.recall for r in results]
    for falling in (precision, recall[::-1]):
        for a, b in pairwise(falling):
            assert b.value < a.value + 4 * math.hypot(a.standard_error, b.standard_error)
        # Over two steps in the middle and at the far end, by more than chance.
        for a, b in ((falling[2], falling[5]), (falling[5], falling[7])):
            assert b.value < a.value - 4 * math.hypot(a.standard_error, b.standard_error)
    # The Frechet distance is d (1 - t)^2, with its minimum inside, at t = 1. On samples n / (n - 1) and the like move it.
    one, mean = torch.eye(d, dtype=F64), torch.zeros(d, dtype=F64)
    exact = [gaussian_frechet_distance(mean, one, mean, t**2 * one).item() for t in temperatures]
    assert exact == pytest.approx([d * (1 - t) ** 2 for t in temperatures], abs=1e-12)
    measured = [frechet_distance(real, t * z).item() for t in temperatures]
    lowest = measured.index(min(measured))
    assert temperatures[lowest] in (0.9, 1.0, 1.1)


@pytest.mark.gpu
def test_on_a_gpu() -> None:
    real, fake = normal(400, 8, 12).float(), normal(300, 8, 13).float()
    assert precision_recall(real.cuda(), fake.cuda()) == precision_recall(real, fake)


@pytest.mark.bad_input
def test_bad_input() -> None:
    x, y = torch.zeros(5, 2), torch.zeros(4, 2)
    with pytest.raises(TypeError, match="real must be a torch"):
        precision_recall([[0.0]], y)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="fake must have 2 columns as real has"):
        precision_recall(x, torch.zeros(4, 3))
    with pytest.raises(ValueError, match="fake must have more than k = 4 rows, got shape"):
        precision_recall(x, y, k=4)
    with pytest.raises(ValueError, match="real must be finite"):
        precision_recall(x / 0, y)
    with pytest.raises(ValueError, match="k must be at least 1"):
        precision_recall(x, y, k=0)
    with pytest.raises(TypeError, match="k must be an int"):
        precision_recall(x, y, k=3.0)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="k must be at most the 4 points there are, got 5"):
        neighbour_radii(x, 5)
