"""The classifier two-sample test: can anything tell the samples apart?"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from gmlib._checks import check_count, check_number, check_tensor
from gmlib.metrics._samples import check_sample, check_samples, raised
from gmlib.metrics.estimate import Estimate

Classifier = Callable[[Tensor, Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class ClassifierTest:
    """The outcome of a classifier two-sample test.

    Attributes:
        accuracy: share of the held-out points that were put in the right sample, and its standard error.
        p_value: probability of such an accuracy, or a better one, when there is one law.
    """

    accuracy: Estimate
    p_value: float


def best_accuracy(total_variation: float) -> float:
    r"""Accuracy of the best classifier of two laws, given in equal shares (:eq:`eq-01b-classifier` in the book).

    .. math:: \max_A \tfrac12 \big[ p(A) + q(A^c) \big] = \tfrac12 (1 + \mathrm{TV})

    The best rule is to say p where :math:`p(x) > q(x)`. For N(0, 1) against N(δ, 1) it is :math:`\Phi(\delta / 2)`.

    Args:
        total_variation: :math:`\mathrm{TV} = \frac12 \int |p - q|`, in [0, 1].

    Returns:
        A share between 1/2 and 1.

    Raises:
        TypeError: not a number.
        ValueError: out of range.

    Example:
        >>> from gmlib.metrics import best_accuracy
        >>> best_accuracy(0.5)
        0.75
    """
    check_number("total_variation", total_variation, low=0.0, high=1.0)
    return (1 + total_variation) / 2


def classifier_two_sample_test(
    x: Float[Tensor, "n d"],
    y: Float[Tensor, "m d"],
    *,
    classifier: Classifier | None = None,
    test_fraction: float = 0.5,
    generator: torch.Generator | None = None,
) -> ClassifierTest:
    r"""Train a classifier to tell two samples apart, and test it on points that it has not seen.

    With one law behind both the accuracy on n held-out points, half of them from each sample, is about
    :math:`\mathcal N(\frac12, \frac1{4n})` (Lopez-Paz & Oquab 2017); the p-value is its upper tail. With two laws the
    accuracy is at most :func:`best_accuracy`, and a classifier that cannot see the difference proves nothing: the default,
    logistic regression, sees a difference of means only.

    Args:
        x: one sample, (n, d), label 0. Of samples of different sizes the larger is cut at random to the smaller.
        y: the other, (m, d), label 1.
        classifier: a function of training points (N, d), their labels (N,) and test points (M, d) that returns labels
            0 or 1 of the test points, (M,); by default :func:`logistic_classifier`.
        test_fraction: share of each sample that is held out, in (0, 1).
        generator: source of the split; None takes torch's default generator of the samples' device.

    Returns:
        Accuracy and p-value.

    Raises:
        TypeError: not floating tensors, or ``test_fraction`` is not a number.
        ValueError: samples that do not match, are not finite or too small to split, or a classifier that does not return
            one label, 0 or 1, for each test point.

    Example:
        >>> import torch
        >>> from gmlib.metrics import classifier_two_sample_test
        >>> generator = torch.Generator().manual_seed(0)
        >>> x, y = torch.randn(2, 2000, 1, generator=generator)
        >>> print(classifier_two_sample_test(x, y + 1, generator=generator).accuracy)  # at best .691
        0.70 ± 0.01
    """
    check_samples(rows=2, x=x, y=y)
    check_number("test_fraction", test_fraction, low=0.0, high=1.0, low_open=True, high_open=True)
    size = min(x.shape[0], y.shape[0])
    held = round(test_fraction * size)
    if not 0 < held < size:
        raise ValueError(
            f"test_fraction must leave points on both sides, got {test_fraction:g} of {size} rows"
        )
    x, y = (v[torch.randperm(v.shape[0], generator=generator, device=v.device)[:size]] for v in (x, y))
    train, test = torch.cat([x[held:], y[held:]]), torch.cat([x[:held], y[:held]])
    label = torch.arange(2, device=x.device)
    predicted = (classifier or logistic_classifier)(train, label.repeat_interleave(size - held), test)
    if not isinstance(predicted, Tensor) or predicted.shape != (2 * held,):
        given = tuple(predicted.shape) if isinstance(predicted, Tensor) else type(predicted).__name__
        raise ValueError(f"classifier must return a tensor of shape ({2 * held},), got {given}")
    if not bool(((predicted == 0) | (predicted == 1)).all()):
        raise ValueError(f"classifier must return labels 0 or 1, got {predicted.unique().tolist()[:5]}")
    right = (predicted == label.repeat_interleave(held)).sum().item() / (2 * held)
    error = math.sqrt(right * (1 - right) / (2 * held))
    p_value = math.erfc((right - 0.5) * 2 * math.sqrt(held)) / 2  # z = (right - 1/2) 2 sqrt n, n = 2 held
    return ClassifierTest(Estimate(right, error, n=2 * held), p_value)


@torch.no_grad()
def logistic_classifier(
    x_train: Float[Tensor, "N d"],
    label: Shaped[Tensor, " N"],
    x_test: Float[Tensor, "M d"],
    *,
    steps: int = 300,
) -> Int[Tensor, " M"]:
    r"""Logistic regression on standardised features, with a ridge of 1/2 on the weights.

    .. math:: \min_{w, b} \sum_i \log\big(1 + e^{-(2 c_i - 1)(w^\top x_i + b)}\big) + \tfrac12 \lVert w \rVert^2

    by Newton's method with the second derivative's upper bound :math:`\frac14 X^\top X + I` in its place: one matrix to
    factorise, and the loss falls at every step (Bohning & Lindsay 1988).

    Args:
        x_train: training points, (N, d), N >= 2.
        label: 0 or 1 for each, of any dtype, (N,).
        x_test: points to label, (M, d).
        steps: number of steps.

    Returns:
        Labels 0 or 1, (M,).

    Raises:
        TypeError: not tensors.
        ValueError: samples that do not match or are not finite, or not one label 0 or 1 for each training point.

    Example:
        >>> import torch
        >>> from gmlib.metrics import logistic_classifier
        >>> logistic_classifier(torch.tensor([[0.0], [1.0]]), torch.tensor([0, 1]), torch.tensor([[-1.0], [3.0]]))
        tensor([0, 1])
    """
    check_samples(x_train=x_train, x_test=x_test)
    check_sample("x_train", x_train, rows=2)
    check_count("steps", steps)
    check_tensor("label", label, floating=False)
    if label.shape != x_train.shape[:1] or not bool(((label == 0) | (label == 1)).all()):
        raise ValueError(
            f"label must be 0 or 1 for each of {len(x_train)} training points, got shape {tuple(label.shape)}"
        )
    mean, scale = raised(x_train).mean(0), raised(x_train).std(0)
    scale = torch.where(scale > 0, scale, 1.0)
    train, test = (
        torch.nn.functional.pad((raised(v) - mean) / scale, (0, 1), value=1.0) for v in (x_train, x_test)
    )
    ridge = torch.ones_like(train[0])
    ridge[-1] = 0.0  # none on the intercept, which belongs to the column of ones
    factor = torch.linalg.cholesky(train.T @ train / 4 + ridge.diag())
    weights, label = torch.zeros_like(ridge), label.to(ridge.dtype)
    for _ in range(steps):
        gradient = train.T @ (torch.sigmoid(train @ weights) - label) + ridge * weights
        weights -= torch.cholesky_solve(gradient[:, None], factor)[:, 0]
    return (test @ weights > 0).long()
