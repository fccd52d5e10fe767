"""Density and coverage: precision and recall that a single outlier does not spoil."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_count
from gmlib.metrics._samples import check_samples
from gmlib.metrics.estimate import Estimate, mean_estimate
from gmlib.metrics.neighbours import ball_counts
from gmlib.metrics.precision_recall import neighbour_radii


@dataclass(frozen=True)
class DensityCoverage:
    """How many real balls hold a fake, against what is expected, and the share of real balls that hold one at all."""

    density: Estimate
    coverage: Estimate


def density_coverage(real: Float[Tensor, "n d"], fake: Float[Tensor, "m d"], k: int = 5) -> DensityCoverage:
    r"""Density and coverage, by the balls of the real points alone.

    With the open ball :math:`B_i` around real point :math:`x_i` that reaches its k-th nearest other real point,

    .. math:: \mathrm{density} = \frac1{k m} \sum_{j=1}^m \sum_{i=1}^n 1[y_j \in B_i], \qquad
              \mathrm{coverage} = \frac1n \sum_{i=1}^n 1\big[\exists j: y_j \in B_i\big]

    (:eq:`eq-01b-coverage` in the book; Naeem et al. 2020, "Reliable fidelity and diversity metrics for generative
    models".) For two samples of one continuous law the expected density is exactly 1, and the expected coverage is
    :func:`expected_coverage`, whatever that law and the dimension; where points repeat, neither holds. Density may exceed
    1. A far outlier among the reals, whose ball may hold every fake, moves coverage by about 1 / n and density by up to
    1 / k, where precision may jump to 1; a far outlier among the fakes adds no ball.

    Args:
        real: features of the data, (n, d), n > k.
        fake: features of the model's sample, (m, d), m >= 2.
        k: which neighbour a ball reaches; the paper takes 5.

    Returns:
        Both, without units. The standard errors are those of the points (density: fakes; coverage: reals) given the balls.

    Raises:
        TypeError: not floating tensors, or ``k`` is not an int.
        ValueError: not finite matrices with the same number of columns on one device, too few rows, or ``k`` < 1.

    Example:
        >>> import torch
        >>> from gmlib.metrics import density_coverage
        >>> real = torch.randn(500, 2)
        >>> result = density_coverage(real, real)
        >>> result.density.value, result.coverage.value
        (1.0, 1.0)
    """
    check_samples(real=real, fake=fake)
    check_count("k", k)
    for name, sample, rows in (("real", real, k + 1), ("fake", fake, 2)):
        if sample.shape[0] < rows:
            raise ValueError(f"{name} must have at least {rows} rows, got shape {tuple(sample.shape)}")
    of_fakes, of_balls = ball_counts(fake, real, neighbour_radii(real, k), closed=False)
    # Counts are exact in float32 up to 2^24; the division waits for float64.
    balls, hit = mean_estimate(of_fakes.to(torch.float32)), mean_estimate((of_balls > 0).to(torch.float32))
    return DensityCoverage(Estimate(balls.value / k, balls.standard_error / k, balls.n), hit)


def expected_coverage(n: int, m: int, k: int = 5) -> float:
    r"""Expected coverage of n real points by m fakes of the same continuous law.

    .. math:: \mathbb{E}[\mathrm{coverage}] = 1 - \prod_{j=1}^k \frac{n - j}{n + m - j}

    A ball is empty when the k points nearest to its centre, of the n - 1 other reals and the m fakes, are all real, and
    every order of them is equally likely (Naeem et al. 2020, for n = m). It tends to :math:`1 - 2^{-k}` for n = m.

    Args:
        n: number of real points, n > k.
        m: number of fakes, m >= 1.
        k: which neighbour a ball reaches.

    Returns:
        A share from 0 to 1.

    Raises:
        TypeError: an argument is not an int.
        ValueError: an argument is out of range.

    Example:
        >>> from gmlib.metrics import expected_coverage
        >>> expected_coverage(2, 1, k=1)  # the one other real and the fake: either is nearer
        0.5
    """
    check_count("k", k)
    check_count("n", n, low=k + 1)
    check_count("m", m)
    return 1.0 - math.prod((n - j) / (n + m - j) for j in range(1, k + 1))
