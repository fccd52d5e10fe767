"""Precision and recall of a sample: how much of it looks real, and how much of the real it reaches."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib._checks import check_count
from gmlib.metrics._samples import check_samples, raised
from gmlib.metrics.estimate import Estimate, mean_estimate
from gmlib.metrics.neighbours import ball_counts, k_nearest


@dataclass(frozen=True)
class PrecisionRecall:
    """Share of the fakes that lie among the reals, and share of the reals that lie among the fakes."""

    precision: Estimate
    recall: Estimate


def neighbour_radii(x: Float[Tensor, "n d"], k: int) -> Float[Tensor, " n"]:
    r"""Distance from each point to its k-th nearest neighbour within the sample, the point itself not counted.

    Args:
        x: (n, d), n > k.
        k: which neighbour; 1 is the nearest other point.

    Returns:
        (n,), in the units of the data, float64 (float32 on Apple's devices).

    Raises:
        TypeError: ``x`` is not a floating tensor, or ``k`` not an int.
        ValueError: ``x`` is not a finite matrix, or ``k`` is not from 1 to n - 1.

    Example:
        >>> import torch
        >>> from gmlib.metrics import neighbour_radii
        >>> neighbour_radii(torch.tensor([[0.0], [1.0], [5.0]]), 1).tolist()
        [1.0, 1.0, 4.0]
    """
    check_samples(x=x)
    return k_nearest(raised(x), raised(x), k, exclude_self=True).distances[:, -1]


def precision_recall(real: Float[Tensor, "n d"], fake: Float[Tensor, "m d"], k: int = 3) -> PrecisionRecall:
    r"""Precision and recall by balls that reach the k-th nearest neighbour.

    The support of a sample X is taken to be the union of balls around its points, each reaching its k-th nearest
    neighbour in X; a point is not its own neighbour (if it were, the balls of k = 1 would be empty and precision 0).

    .. math:: s_k(y, X) = 1\big[\exists x \in X: \lVert y - x \rVert \le \lVert x - \mathrm{NN}_k(x) \rVert\big], \qquad
              \mathrm{precision} = \frac1m \sum_{y \in \mathrm{fake}} s_k(y, \mathrm{real}), \quad
              \mathrm{recall} = \frac1n \sum_{x \in \mathrm{real}} s_k(x, \mathrm{fake})

    (:eq:`eq-01-precision` in the book; Kynkäänniemi et al. 2019, "Improved precision and recall metric for assessing
    generative models".) Both depend on k and on the sizes of the samples, and two samples of the same law do not give 1:
    compare models at the same k, n and m, beside two halves of the real data. A single real outlier has a large ball,
    which makes precision easy: :func:`~gmlib.metrics.coverage.density_coverage` counts balls instead.

    Args:
        real: features of the data, (n, d), n > k.
        fake: features of the model's sample, (m, d), m > k.
        k: which neighbour a ball reaches; the paper takes 3.

    Returns:
        Both as shares from 0 to 1. The standard errors are those of the points asked about, given the balls.

    Raises:
        TypeError: not floating tensors, or ``k`` is not an int.
        ValueError: not finite matrices with the same number of columns on one device, or ``k`` is not from 1 to the
            smaller sample's size - 1.

    Example:
        >>> import torch
        >>> from gmlib.metrics import precision_recall
        >>> real = torch.randn(500, 2)
        >>> result = precision_recall(real, real[real[:, 0] > 0])  # half of the law
        >>> result.precision.value
        1.0
        >>> 0.45 < result.recall.value < 0.7
        True
    """
    _check(real, fake, k)
    in_real, _ = ball_counts(fake, real, neighbour_radii(real, k))
    in_fake, _ = ball_counts(real, fake, neighbour_radii(fake, k))
    return PrecisionRecall(
        mean_estimate((in_real > 0).to(torch.float32)), mean_estimate((in_fake > 0).to(torch.float32))
    )


def _check(real: Tensor, fake: Tensor, k: int) -> None:
    check_samples(real=real, fake=fake)
    check_count("k", k)
    for name, sample in (("real", real), ("fake", fake)):
        if sample.shape[0] <= k:
            raise ValueError(f"{name} must have more than k = {k} rows, got shape {tuple(sample.shape)}")
