"""Distances in blocks against cdist by explicit differences, scipy's tree, ties, and a memory budget."""

import json
import subprocess
import sys

import pytest
import torch

from gmlib.metrics import ball_counts, distance_blocks, k_nearest, neighbours

F64 = torch.float64


def sample(n: int, d: int, seed: int, dtype: torch.dtype = F64) -> torch.Tensor:
    return torch.randn(n, d, dtype=F64, generator=torch.Generator().manual_seed(seed)).to(dtype)


def explicit(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return torch.cdist(x.double(), y.double(), compute_mode="donot_use_mm_for_euclid_dist")


@pytest.mark.parametrize("offset", [0.0, 1e4])
def test_blocks_are_all_squared_distances(offset: float) -> None:
    # An offset of 1e4 would cost a bare matrix product eight of its sixteen digits.
    x, y = sample(23, 5, 0) + offset, sample(17, 5, 1) + offset
    blocks = list(distance_blocks(x, y, chunk=7))
    assert [(rows.start, rows.stop) for rows, _ in blocks] == [(0, 7), (7, 14), (14, 21), (21, 23)]
    together = torch.cat([block for _, block in blocks])
    torch.testing.assert_close(together, explicit(x, y).square(), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("chunk", [None, 1, 10, 1000])
def test_neighbours_agree_with_scipy(chunk: int | None) -> None:
    from scipy.spatial import KDTree

    x, y = sample(60, 3, 2), sample(90, 3, 3)
    distances, indices = KDTree(y.numpy()).query(x.numpy(), k=4)
    found = k_nearest(x, y, 4, chunk=chunk)
    torch.testing.assert_close(found.distances, torch.from_numpy(distances), rtol=1e-14, atol=0)
    assert (found.indices == torch.from_numpy(indices)).all()


def test_duplicates_are_at_distance_zero_and_ties_in_order() -> None:
    # Far from the origin and of irrational coordinates, where a matrix product alone leaves 1e-8 between duplicates.
    x = sample(40, 7, 4) * torch.pi + 1e3
    y = torch.cat([x, x])
    distances, indices = k_nearest(x, y, 3)
    assert (distances[:, :2] == 0).all()
    assert (distances[:, 2] > 0).all()
    assert (indices[:, 0] == torch.arange(40)).all()
    assert (indices[:, 1] == torch.arange(40, 80)).all()


def test_exclude_self_drops_the_index_and_not_what_is_at_zero() -> None:
    x = sample(30, 4, 5)
    x[7] = x[21]
    distances, indices = k_nearest(x, x, 2, exclude_self=True, chunk=11)
    assert (indices != torch.arange(30)[:, None]).all()
    assert distances[7, 0] == distances[21, 0] == 0
    assert (indices[7, 0], indices[21, 0]) == (21, 7)
    others = explicit(x, x).fill_diagonal_(torch.inf).sort(1).values[:, :2]
    torch.testing.assert_close(distances, others, rtol=1e-14, atol=0)
    # All the others can be asked for.
    everyone = k_nearest(x[:4], x[:4], 3, exclude_self=True).indices
    assert everyone.sort(1).values.tolist() == [[1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2]]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_low_precision_is_raised(dtype: torch.dtype) -> None:
    x, y = sample(20, 6, 6, dtype), sample(30, 6, 7, dtype)
    found = k_nearest(x, y, 2)
    assert found.distances.dtype == torch.float32
    exact = explicit(x, y).sort(1).values[:, :2]
    torch.testing.assert_close(found.distances.double(), exact, rtol=1e-7, atol=0)


def test_near_ties_are_told_apart() -> None:
    # Two candidates 1e-9 and 2e-9 away: squared, far below the rounding of the product, and found by the differences.
    x = sample(1, 5, 8) + 10
    step = torch.zeros(5, dtype=F64)
    step[0] = 1e-9
    y = torch.cat([x + 2 * step, x + step, sample(20, 5, 9)])
    distances, indices = k_nearest(x, y, 2)
    assert indices.tolist() == [[1, 0]]
    assert distances.tolist()[0] == pytest.approx([1e-9, 2e-9], rel=1e-5)


@pytest.mark.parametrize("offset", [0.0, 1e3])
def test_balls_decide_ties_as_the_formula_says(offset: float) -> None:
    # Radii that reach the third neighbour exactly: it is in the closed ball and outside the open one.
    x = sample(80, 6, 13) * torch.pi + offset
    radii = k_nearest(x, x, 3, exclude_self=True).distances[:, 2]
    for closed, held in ((True, 4), (False, 3)):
        of_points, of_balls = ball_counts(x, x, radii, closed=closed, chunk=7)
        assert (of_balls == held).all()
        assert of_points.sum() == 80 * held


def test_balls_agree_with_all_distances() -> None:
    grid = torch.cartesian_prod(torch.arange(6), torch.arange(6)).to(F64)
    far = sample(50, 2, 10)
    of_points, of_balls = ball_counts(far, grid, grid[:, 0] / 4)
    truth = explicit(far, grid) <= grid[:, 0] / 4
    assert (of_points == truth.sum(1)).all()
    assert (of_balls == truth.sum(0)).all()


def test_rows_of_a_block() -> None:
    # 16 MiB of float64; from 16,384 columns on, 128 rows; from 262,144 columns on, 256 MiB; and one row at least.
    for columns, rows in ((16, 131072), (16_384, 128), (50_000, 128), (2**20, 32), (2**30, 1)):
        assert neighbours._block_rows(None, columns) == rows
    assert neighbours._block_rows(7, 16) == 7


MEASURE = """
import json, resource, sys, torch
from gmlib.metrics import ball_counts, k_nearest
torch.set_num_threads(1)
n, d = int(sys.argv[1]), 64
x, y = torch.randn(n, d), torch.randn(n, d)
k_nearest(x[:50], y[:50], 3)
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
before = peak()
k_nearest(x, y, 3)
ball_counts(x, y, torch.ones(n))
print(json.dumps(peak() - before))
"""


@pytest.mark.slow
def test_memory_stays_within_the_budget() -> None:
    # All distances would be 512 MB; a block is 16 MiB, with its copies in passing far below the 256 MiB that it may be.
    out = subprocess.run(
        [sys.executable, "-c", MEASURE, "8000"], capture_output=True, text=True, check=True, timeout=300
    )
    assert json.loads(out.stdout) < neighbours.BLOCK_BYTES


@pytest.mark.gpu
def test_on_a_gpu() -> None:
    x, y = sample(300, 9, 11, torch.float32), sample(500, 9, 12, torch.float32)
    here, there = k_nearest(x, y, 4, chunk=64), k_nearest(x.cuda(), y.cuda(), 4)
    assert (here.indices == there.indices.cpu()).all()
    torch.testing.assert_close(there.distances.cpu(), here.distances, rtol=1e-6, atol=0)
    radii = here.distances.double().mean() * torch.ones(500, dtype=F64)
    for a, b in zip(ball_counts(x, y, radii), ball_counts(x.cuda(), y.cuda(), radii.cuda()), strict=True):
        assert (a == b.cpu()).all()


@pytest.mark.bad_input
def test_bad_input() -> None:
    x, y = torch.zeros(3, 2), torch.zeros(4, 2)
    with pytest.raises(TypeError, match="x must be a torch"):
        k_nearest([[0.0]], y, 1)  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError, match="y must have a floating dtype"):
        k_nearest(x, y.long(), 1)
    with pytest.raises(ValueError, match="x must be a matrix of at least 1 row, got shape"):
        k_nearest(x[:0], y, 1)
    with pytest.raises(ValueError, match="y must have 2 columns as x has"):
        k_nearest(x, torch.zeros(4, 3), 1)
    with pytest.raises(ValueError, match="y must be finite"):
        k_nearest(x, y / 0, 1)
    with pytest.raises(ValueError, match="k must be at most the 4 points there are, got 5"):
        k_nearest(x, y, 5)
    with pytest.raises(ValueError, match="k must be at most the 2 points there are, got 3"):
        k_nearest(x, x, 3, exclude_self=True)
    with pytest.raises(ValueError, match="same sample to exclude_self"):
        k_nearest(x, y, 1, exclude_self=True)
    with pytest.raises(ValueError, match="k must be at least 1"):
        k_nearest(x, y, 0)
    with pytest.raises(TypeError, match="chunk must be an int"):
        k_nearest(x, y, 1, chunk=2.0)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="chunk must be at least 1"):
        distance_blocks(x, y, chunk=0)
    with pytest.raises(ValueError, match="radii must have shape"):
        ball_counts(x, y, torch.ones(3))
    with pytest.raises(ValueError, match=r"radii must be at least 0, got -2$"):
        ball_counts(x, y, torch.tensor([1.0, 0.0, -2.0, 1.0]))
