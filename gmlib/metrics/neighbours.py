"""Exact Euclidean distances between two samples in blocks: nearest neighbours, and balls, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from gmlib._checks import check_count, check_finite, check_tensor
from gmlib.metrics._samples import check_samples, median_centre, raised

BLOCK_BYTES = 2**28
"""What one block of distances may take when ``chunk`` is not given: 256 MiB."""
CACHE_BYTES, EFFICIENT_ROWS = 2**24, 128
"""What it takes if it can: 16 MiB, which the allocator hands out again without clearing, or as much as 128 rows need, below
which matrix products slow down. Either saves half of the time."""
SPARE = 8
"""Candidates beyond k whose distances are taken again by explicit differences."""


class Neighbours(NamedTuple):
    """Distances to the nearest points, in rising order, and which points they are."""

    distances: Float[Tensor, "n k"]
    indices: Int[Tensor, "n k"]


def _block_rows(chunk: int | None, width: int) -> int:
    """Rows a block, of ``width`` float64 numbers each."""
    if chunk is not None:
        check_count("chunk", chunk)
        return chunk
    largest, quick = BLOCK_BYTES // (8 * width), CACHE_BYTES // (8 * width)
    return max(1, quick, min(EFFICIENT_ROWS, largest))


def distance_blocks(
    x: Float[Tensor, "n d"], y: Float[Tensor, "m d"], *, chunk: int | None = None
) -> Iterator[tuple[slice, Float[Tensor, "rows m"]]]:
    r"""Yield the squared distances of all pairs, some rows of ``x`` at a time.

    .. math:: \lVert x - y \rVert^2 = \lVert x - c \rVert^2 + \lVert y - c \rVert^2 - 2 (x - c)^\top (y - c)

    with the coordinatewise median of about a thousand rows of ``y`` as the centre c, computed by a matrix product in
    float64 (float32 on Apple's devices). Rounding leaves an error of about :math:`10^{-16}` of
    :math:`\lVert x-c \rVert^2 + \lVert y-c \rVert^2`, below what float32 data resolve, but not exactly zero between
    duplicates: :func:`k_nearest` takes its distances again by explicit differences, which for all pairs would take six
    times as long.

    Args:
        x: (n, d).
        y: (m, d).
        chunk: rows of ``x`` a block; by default as many as are quick, within 256 MiB.

    Yields:
        The rows of ``x``, and their squared distances to all of ``y``, (rows, m), float64, never negative. A block may be
        changed in place.

    Raises:
        TypeError: not floating tensors, or ``chunk`` is not an int.
        ValueError: not matrices with the same number of columns on one device, not finite, or ``chunk`` < 1.

    Example:
        >>> import torch
        >>> from gmlib.metrics import distance_blocks
        >>> x = torch.tensor([[0.0, 0.0], [3.0, 4.0]])
        >>> [(rows.start, block.tolist()) for rows, block in distance_blocks(x, x[:1], chunk=1)]
        [(0, [[0.0]]), (1, [[25.0]])]
    """
    check_samples(x=x, y=y)
    return _blocks(x, y, _block_rows(chunk, y.shape[0]))


def _blocks(x: Tensor, y: Tensor, rows: int) -> Iterator[tuple[slice, Tensor]]:
    centre = median_centre(y)
    y = raised(y) - centre
    square_y = y.square().sum(1)
    for start in range(0, x.shape[0], rows):
        part = raised(x[start : start + rows]) - centre
        block = torch.addmm(square_y, part, y.T, alpha=-2)
        block += part.square().sum(1, keepdim=True)
        yield slice(start, start + part.shape[0]), block.clamp_min_(0)


@torch.no_grad()
def k_nearest(
    x: Float[Tensor, "n d"],
    y: Float[Tensor, "m d"],
    k: int,
    *,
    exclude_self: bool = False,
    chunk: int | None = None,
) -> Neighbours:
    r"""The k points of ``y`` nearest to each row of ``x``, by Euclidean distance.

    Exhaustive. Candidates come from :func:`distance_blocks`, k and eight to spare, and their distances are then taken
    again as :math:`\lVert x - y \rVert` by explicit differences in float64: duplicates are at distance 0 exactly.

    Args:
        x: the points asked about, (n, d); float16 and bfloat16 are raised to float32.
        y: the points to find, (m, d).
        k: number of neighbours, at most m (m - 1 with ``exclude_self``).
        exclude_self: ``x`` and ``y`` are the same sample, and row i is no neighbour of row i. A duplicate of it at
            another index is one, at distance 0.
        chunk: rows of ``x`` at a time; by default as many as are quick, with no temporary above 256 MiB.

    Returns:
        ``distances`` (n, k) in rising order, in the units of the data, and ``indices`` (n, k) into ``y``. Of points at the
        same distance the lower index comes first, as long as no more than eight tie for the last place.

    Raises:
        TypeError: not floating tensors, or ``k`` or ``chunk`` is not an int.
        ValueError: not matrices with the same number of columns on one device, not finite, ``k`` out of range, or
            ``exclude_self`` with different numbers of rows.

    Example:
        >>> import torch
        >>> from gmlib.metrics import k_nearest
        >>> x = torch.tensor([[0.0], [1.0], [5.0]])
        >>> k_nearest(x, x, 1, exclude_self=True).distances.squeeze(1).tolist()
        [1.0, 1.0, 4.0]
    """
    check_samples(x=x, y=y)
    if exclude_self and x.shape != y.shape:
        raise ValueError(
            f"x and y must be the same sample to exclude_self, got shapes {tuple(x.shape)} and {tuple(y.shape)}"
        )
    check_count("k", k)
    present = y.shape[0] - int(exclude_self)
    if k > present:
        raise ValueError(f"k must be at most the {present} points there are, got {k}")
    taken = min(k + SPARE, present)
    rows = _block_rows(chunk, max(y.shape[0], 2 * taken * y.shape[1]))
    dtype = torch.promote_types(torch.promote_types(x.dtype, y.dtype), torch.float32)
    distances = torch.empty(x.shape[0], k, dtype=dtype, device=x.device)
    indices = torch.empty(x.shape[0], k, dtype=torch.int64, device=x.device)
    for part, block in _blocks(x, y, rows):
        if exclude_self:
            block.diagonal(part.start).fill_(torch.inf)
        near = block.topk(taken, dim=1, largest=False, sorted=False).indices.sort(1).values
        exact = (raised(x[part])[:, None] - raised(y[near])).square().sum(-1).sqrt()
        exact, order = exact.sort(dim=1, stable=True)
        distances[part] = exact[:, :k]
        indices[part] = near.gather(1, order[:, :k])
    return Neighbours(distances, indices)


@torch.no_grad()
def ball_counts(
    x: Float[Tensor, "n d"],
    centres: Float[Tensor, "m d"],
    radii: Float[Tensor, " m"],
    *,
    closed: bool = True,
    chunk: int | None = None,
) -> tuple[Int[Tensor, " n"], Int[Tensor, " m"]]:
    r"""Count, for each point, the balls that hold it, and for each ball, the points in it.

    Point i is in ball j when :math:`\lVert x_i - c_j \rVert \le r_j` (with <, if not ``closed``). What the rounding of
    :func:`distance_blocks` cannot tell from equality counts as equality, so that ties between copies are decided as the
    formula says.

    Args:
        x: points, (n, d).
        centres: (m, d).
        radii: in the units of the data, at least 0, (m,); in float64 where ties matter.
        closed: whether a point on the sphere is in the ball.
        chunk: rows of ``x`` at a time; by default as many as are quick, with no temporary above 256 MiB.

    Returns:
        Number of balls around each point, (n,), and number of points in each ball, (m,).

    Raises:
        TypeError: not floating tensors, or ``chunk`` is not an int.
        ValueError: shapes or devices do not match, something is not finite, or a radius is negative.

    Example:
        >>> import torch
        >>> from gmlib.metrics import ball_counts
        >>> points, centres = torch.tensor([[0.5], [9.0]]), torch.tensor([[0.0], [1.0]])
        >>> [count.tolist() for count in ball_counts(points, centres, torch.ones(2))]
        [[2, 0], [1, 1]]
    """
    check_samples(x=x, centres=centres)
    check_tensor("radii", radii)
    if tuple(radii.shape) != (centres.shape[0],):
        raise ValueError(
            f"radii must have shape ({centres.shape[0]},), one for each centre, got {tuple(radii.shape)}"
        )
    check_finite("radii", radii)
    if bool((radii < 0).any()):
        raise ValueError(f"radii must be at least 0, got {radii.min().item():.3g}")
    middle = median_centre(centres)
    # Bounds of the rounding, of which each pair gets the sum: 4 (d + 4) ulp of its squared norms.
    slack = 4 * (x.shape[1] + 4) * torch.finfo(middle.dtype).eps * (1 if closed else -1)
    reach = raised(radii).square() + slack * (raised(centres) - middle).square().sum(1)
    of_points = torch.empty(x.shape[0], dtype=torch.int64, device=x.device)
    of_balls = torch.zeros(centres.shape[0], dtype=torch.int64, device=x.device)
    for part, block in _blocks(x, centres, _block_rows(chunk, centres.shape[0])):
        block -= slack * (raised(x[part]) - middle).square().sum(1, keepdim=True)
        # In place, as 0 and 1: sums of booleans take eight times as long.
        inside = block.le_(reach) if closed else block.lt_(reach)
        of_points[part] = inside.sum(1).long()
        of_balls += inside.sum(0).long()
    return of_points, of_balls
