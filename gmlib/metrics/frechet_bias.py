"""What finite samples add to the Frechet distance, and how to take it off."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from gmlib._checks import check_count, check_finite, check_tensor
from gmlib.metrics._samples import check_covariance, check_samples, raised
from gmlib.metrics.estimate import Estimate
from gmlib.metrics.frechet import squared_bures


def frechet_bias(cov: int | Float[Tensor, "d d"], n: int, m: int | None = None) -> float:
    r"""Frechet distance to expect between two samples of one Gaussian law (:eq:`eq-01b-bias` in the book).

    .. math:: \mathbb E\,\mathrm{FD} \approx \Big(\frac1n + \frac1m\Big) \Big(\sum_i \lambda_i
              + \frac12 \sum_{ij} \frac{\lambda_i \lambda_j}{\lambda_i + \lambda_j} + \frac14 \sum_i \lambda_i\Big)

    to leading order, with the eigenvalues :math:`\lambda` of the covariance. The first term is what the means give,
    exactly. The other two are what the covariances give: near V the squared Bures distance is
    :math:`\frac12 \sum_{ij} \Delta_{ij}^2 / (\lambda_i + \lambda_j)` in the eigenbasis of V, where the difference
    :math:`\Delta` of two sample covariances has :math:`\mathbb E \Delta_{ij}^2 = (\frac1n + \frac1m) (\lambda_i \lambda_j
    + \delta_{ij} \lambda_i^2)`. For whitened features, all :math:`\lambda = 1`, and n = m the sum is
    :math:`2d/n + d(d+1)/2n`.

    It holds for n, m well above d, Gaussian features (others have other fourth moments) and equal laws; unequal laws
    have a bias of the same order and another size.

    Args:
        cov: covariance of the features, (d, d), or the number of dimensions d of whitened features.
        n: rows of one sample.
        m: rows of the other; None when its mean and covariance are known exactly.

    Returns:
        The leading term, in the squared units of the features.

    Raises:
        TypeError: ``cov`` is neither an int nor a floating tensor, or a count is not an int.
        ValueError: ``cov`` is not a finite, square, symmetric, positive semi-definite matrix, or a count is too small.

    Example:
        >>> from gmlib.metrics import frechet_bias
        >>> round(frechet_bias(4, 200, 200), 6), round(frechet_bias(4, 200), 6)
        (0.09, 0.045)
        >>> round(frechet_bias(64, 2000, 2000), 3)
        1.104
    """
    check_count("n", n, low=2)
    if m is not None:
        check_count("m", m, low=2)
    rate = 1 / n + (0.0 if m is None else 1 / m)
    if isinstance(cov, int):
        check_count("cov", cov)
        return rate * (cov + cov * (cov + 1) / 4)
    check_tensor("cov", cov)
    if cov.dim() != 2 or cov.shape[0] != cov.shape[1] or cov.shape[0] < 1:
        raise ValueError(f"cov must be a square matrix, at least 1 x 1, got shape {tuple(cov.shape)}")
    check_finite("cov", cov)
    check_covariance("cov", cov)
    values = torch.linalg.eigvalsh(raised(cov)).clamp_min(0)
    sums = (values[:, None] + values).clamp_min(torch.finfo(values.dtype).tiny)
    pairs = (values[:, None] * values / sums).sum()
    return rate * (1.25 * values.sum() + pairs / 2).item()


@dataclass(frozen=True)
class Extrapolation:
    r"""A Frechet distance at several sample sizes, and the line in 1/N through them.

    Attributes:
        limit: the line at 1/N = 0, with its standard error over fresh pairs of samples.
        slope: of the line, in squared units times rows.
        sizes: rows of each sample, N, in rising order, (s,).
        values: mean distance at each size, (s,).
        standard_errors: of the values, over fresh pairs of samples, (s,). The values share their data and are correlated.
    """

    limit: Estimate
    slope: float
    sizes: Int[Tensor, " s"]
    values: Float[Tensor, " s"]
    standard_errors: Float[Tensor, " s"]


@torch.no_grad()
def extrapolated_frechet_distance(
    x: Float[Tensor, "n d"],
    y: Float[Tensor, "m d"],
    *,
    sizes: list[int] | None = None,
    repeats: int = 4,
    groups: int = 20,
    generator: torch.Generator | None = None,
) -> Extrapolation:
    r"""Frechet distance without its bias of order 1/N: a line through smaller samples, read at 1/N = 0.

    Both samples are cut into as many disjoint parts of N rows as there are, and the distances of the parts averaged, for
    each size N; least squares then fit :math:`\mathrm{FD}_N \approx \mathrm{FD}_\infty + c / N` (Chong & Forsyth 2020).
    A bias of order :math:`1/N^2` is left, small when the smallest N is well above d.

    The standard errors are those of a jackknife over groups of rows: the whole procedure once more without each group of
    both samples. They cover the chance in both samples, not only the cutting. Where the laws are equal the distance is a
    quadratic form in the errors, and the jackknife is too large, by about :math:`\sqrt 2`.

    Args:
        x: features of one sample, (n, d).
        y: features of the other, (m, d).
        sizes: rows of the parts, at least two different ones, each rounded down to a multiple of ``groups``. By default
            the smaller sample, its half, its third and its quarter.
        repeats: number of random cuts to average over.
        groups: number of groups of the jackknife. ``groups`` covariances of each part are held in memory.
        generator: source of the cuts; None takes torch's default generator of the samples' device.

    Returns:
        The limit (its ``n`` is the size of the smaller sample used) and the line it comes from.

    Raises:
        TypeError: not floating tensors, or a count is not an int.
        ValueError: samples that do not match or are not finite, or sizes out of range.

    Example:
        >>> import torch
        >>> from gmlib.metrics import extrapolated_frechet_distance, frechet_distance
        >>> generator = torch.Generator().manual_seed(0)
        >>> x, y = torch.randn(2, 1000, 8, generator=generator)  # one law
        >>> print(f"{frechet_distance(x, y):.3f}", extrapolated_frechet_distance(x, y, generator=generator).limit)
        0.059 0.00 ± 0.02
    """
    check_samples(rows=4, x=x, y=y)
    check_count("repeats", repeats)
    check_count("groups", groups, low=2)
    most = min(x.shape[0], y.shape[0])
    rows = _rows_a_group(sizes, most, groups, x.shape[1])
    cells = [_in_groups(raised(v) - raised(v).mean(0), groups, generator) for v in (x, y)]
    shift = raised(x).mean(0) - raised(y).mean(0)
    # Row 0: all groups; row 1 + j: without group j.
    curve = torch.zeros(groups + 1, len(rows), dtype=shift.dtype, device=shift.device)
    for _ in range(repeats):
        cells = [_shuffled(c, generator) for c in cells]
        for i, r in enumerate(rows):
            parts = min(c.shape[1] for c in cells) // r
            (mean1, cov1), (mean2, cov2) = (_part_moments(c, parts, r) for c in cells)
            distances = (mean1 - mean2 + shift).square().sum(-1) + squared_bures(cov1, cov2)
            curve[:, i] += distances.mean(1) / repeats
    used = torch.tensor([groups] + [groups - 1] * groups, dtype=curve.dtype, device=curve.device)
    inverse = 1 / (used[:, None] * torch.tensor(rows, dtype=curve.dtype, device=curve.device))
    centred = inverse - inverse.mean(1, keepdim=True)
    slope = (centred * curve).sum(1) / centred.square().sum(1)
    limit = curve.mean(1) - slope * inverse.mean(1)
    error = _jackknife_error(limit).item()
    return Extrapolation(
        limit=Estimate(limit[0].item(), error, n=most),
        slope=slope[0].item(),
        sizes=groups * torch.tensor(rows),
        values=curve[0],
        standard_errors=_jackknife_error(curve),
    )


def _rows_a_group(sizes: list[int] | None, most: int, groups: int, d: int) -> list[int]:
    """Rows that each group gives to a part, in rising order."""
    for size in sizes or []:
        check_count("sizes", size, low=groups)
    chosen = [most // k for k in range(1, 5)] if sizes is None else sizes
    rows = sorted({size // groups for size in chosen})
    if sizes is not None and (len(rows) < 2 or rows[-1] > most // groups):
        raise ValueError(
            f"sizes must be two or more multiples of groups = {groups} up to {most}, got {sizes}"
        )
    if len(rows) < 2 or rows[0] * (groups - 1) <= d:
        raise ValueError(
            f"x and y must have parts of more than d = {d} rows; the smaller has {most} rows in all"
        )
    return rows


def _in_groups(x: Tensor, groups: int, generator: torch.Generator | None) -> Tensor:
    """Random groups of as many rows as divide evenly, (groups, rows, d)."""
    order = torch.randperm(x.shape[0], generator=generator, device=x.device)
    return x[order[: x.shape[0] // groups * groups]].reshape(groups, -1, x.shape[1])


def _shuffled(cells: Tensor, generator: torch.Generator | None) -> Tensor:
    """The rows of each group in a new order: which group a row is in stays."""
    order = torch.rand(cells.shape[:2], generator=generator, device=cells.device).argsort(1)
    return cells.gather(1, order[..., None].expand_as(cells))


def _part_moments(cells: Tensor, parts: int, r: int) -> tuple[Tensor, Tensor]:
    """Means and covariances of the parts, with all groups and without each, (groups + 1, parts, ...)."""
    cut = cells[:, : parts * r].reshape(cells.shape[0], parts, r, -1)
    total, square = cut.sum(2), cut.mT @ cut
    total = torch.cat([total.sum(0, keepdim=True), total.sum(0) - total])
    square = torch.cat([square.sum(0, keepdim=True), square.sum(0) - square])
    n = torch.full((len(total), 1, 1), (cells.shape[0] - 1) * r, dtype=cut.dtype, device=cut.device)
    n[0] += r
    mean = total / n
    return mean, (square - (n * mean)[..., :, None] * mean[..., None, :]) / (n - 1)[..., None]


def _jackknife_error(values: Tensor) -> Tensor:
    """Standard error from the values without each group, rows 1 to the last."""
    left_out = values[1:]
    return ((left_out.shape[0] - 1) * left_out.var(0, correction=0)).sqrt()
