"""Whether a model's samples lie nearer to the training set than new data do."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from gmlib.metrics._samples import check_samples, raised
from gmlib.metrics.estimate import Estimate
from gmlib.metrics.neighbours import k_nearest


@torch.no_grad()
def memorisation_ratio(
    sample: Float[Tensor, "s d"], train: Float[Tensor, "n d"], test: Float[Tensor, "t d"]
) -> Estimate:
    r"""Typical distance of a sample from the training set, in units of that of new data.

    .. math:: \rho = \frac{\operatorname{median}_i \min_n \lVert s_i - x_n \rVert}
                          {\operatorname{median}_j \min_n \lVert t_j - x_n \rVert}

    (:eq:`eq-01b-ratio` in the book; of the kind of Meehan et al. 2020, "A non-parametric test to detect data-copying in
    generative models".) About 1 for a model that draws from the law of the data, near 0 for one that repeats the training
    set, above 1 for one whose samples are off the data. Sample and test set are both held against the same training set, so
    that their sizes need not be equal; but the training set must be the whole one, since nearest distances fall with its
    size, and none of the test set may be in it.

    Args:
        sample: the model's sample, (s, d), s >= 2.
        train: what the model was fitted to, (n, d).
        test: data of the same law that the model has not seen, (t, d), t >= 2.

    Returns:
        The ratio. Its standard error is that of the two medians given the training set, each from the order statistics at
        :math:`n/2 \pm \sqrt n/2`; ``n`` is the size of the sample.

    Raises:
        TypeError: not floating tensors.
        ValueError: not finite matrices with the same number of columns on one device, fewer than two rows of ``sample`` or
            ``test``, or half of ``test`` is copied in ``train``.

    Example:
        >>> import torch
        >>> from gmlib.metrics import memorisation_ratio
        >>> train, test = torch.randn(400, 2), torch.randn(400, 2)
        >>> memorisation_ratio(train[:100], train, test).value
        0.0
        >>> 0.5 < memorisation_ratio(torch.randn(400, 2), train, test).value < 2
        True
    """
    check_samples(sample=sample, train=train, test=test)
    check_samples(rows=2, sample=sample)
    check_samples(rows=2, test=test)
    above, below = nearest_median(sample, train), nearest_median(test, train)
    if below.value == 0.0:
        raise ValueError(
            "test must not be in train: at least half of its points are copies of training points"
        )
    ratio = above.value / below.value
    error = math.hypot(above.standard_error, ratio * below.standard_error) / below.value
    return Estimate(ratio, error, sample.shape[0])


@torch.no_grad()
def nearest_median(x: Float[Tensor, "n d"], train: Float[Tensor, "m d"]) -> Estimate:
    """Median distance to the nearest training point: one side of `memorisation_ratio`, to be kept where it stays.

    The number of draws below the true median is binomial with standard deviation sqrt n / 2, so that moving that far in the
    order statistics moves by one standard error.

    Args:
        x: points, (n, d), n >= 2.
        train: what a model was fitted to, (m, d).

    Returns:
        The median and its standard error given the training set.

    Raises:
        TypeError: not floating tensors.
        ValueError: not finite matrices with the same number of columns on one device, or fewer than two rows of ``x``.

    Example:
        >>> import torch
        >>> from gmlib.metrics.memorisation import nearest_median
        >>> nearest_median(torch.tensor([[0.0], [1.0], [5.0]]), torch.tensor([[0.0], [3.0]])).value
        1.0
    """
    check_samples(x=x, train=train)
    check_samples(rows=2, x=x)
    distances = k_nearest(raised(x), raised(train), 1).distances[:, 0].sort().values
    n = distances.shape[0]
    low, high = math.floor((n - math.sqrt(n)) / 2), math.ceil((n + math.sqrt(n)) / 2) - 1
    values = distances[[low, (n - 1) // 2, n // 2, high]].tolist()
    return Estimate((values[1] + values[2]) / 2, (values[3] - values[0]) / 2, n)
