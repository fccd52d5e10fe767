"""The classifier two-sample test on laws whose best accuracy is known, and its null law."""

import math

import pytest
import torch
from torch import Tensor

from gmlib.metrics import best_accuracy, classifier_two_sample_test, logistic_classifier

F64 = torch.float64


def phi(x: float) -> float:
    """Distribution function of N(0, 1)."""
    return math.erfc(-x / math.sqrt(2)) / 2


def test_classifier_two_sample_test() -> None:
    """Best accuracy (1 + TV) / 2, for N(0, 1) and N(d, 1): Phi(d/2), by the exact rule and learnt; null N(1/2, 1/4n)."""
    generator = torch.Generator().manual_seed(0)
    grid = torch.linspace(-12, 12, 24001, dtype=F64)
    for delta in (0.5, 1.0, 2.0):
        p, q = (torch.exp(-((grid - m) ** 2) / 2) / math.sqrt(2 * math.pi) for m in (0.0, delta))
        total_variation = 0.5 * torch.trapezoid((p - q).abs(), grid).item()
        assert best_accuracy(total_variation) == pytest.approx(phi(delta / 2), abs=1e-7)

        x = torch.randn(5000, 1, generator=generator)
        y = delta + torch.randn(5000, 1, generator=generator)
        half = delta / 2
        exact = classifier_two_sample_test(
            x, y, classifier=lambda _x, _l, test, half=half: (test[:, 0] > half).long(), generator=generator
        )
        learnt = classifier_two_sample_test(x, y, generator=generator)
        # 5000 held-out points. A threshold learnt from as many is .03 off, which costs less than 1e-4.
        for run in (exact, learnt):
            assert run.accuracy.n == 5000
            assert run.accuracy.value == pytest.approx(phi(half), abs=4 * run.accuracy.standard_error)
            assert run.p_value < 1e-10

    # One law: 200 runs with 100 held-out points each.
    runs = []
    for x, y in torch.randn(200, 2, 100, 1, generator=generator):
        runs.append(classifier_two_sample_test(x, y, classifier=nearest_mean, generator=generator))
    accuracy = torch.tensor([run.accuracy.value for run in runs], dtype=F64)
    assert accuracy.mean().item() == pytest.approx(0.5, abs=4 * 0.05 / math.sqrt(200))
    assert accuracy.std().item() == pytest.approx(1 / math.sqrt(4 * 100), rel=4 / math.sqrt(2 * 200))
    rejected = torch.tensor([run.p_value <= 0.05 for run in runs]).double().mean().item()
    # Rejected from 59 of 100 right answers on, which have the binomial probability .0443.
    assert rejected == pytest.approx(0.0443, abs=4 * math.sqrt(0.05 * 0.95 / 200))


def nearest_mean(train: Tensor, label: Tensor, test: Tensor) -> Tensor:
    """The simplest classifier."""
    means = torch.stack([train[label == 0].mean(0), train[label == 1].mean(0)])
    return torch.cdist(test, means).argmin(1)


def test_logistic_classifier_agrees_with_scikit_learn() -> None:
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    generator = torch.Generator().manual_seed(1)
    scale = torch.tensor([1.0, 10.0, 0.1], dtype=F64)
    x = torch.randn(300, 3, dtype=F64, generator=generator) * scale
    label = (x @ (1 / scale) + torch.randn(300, dtype=F64, generator=generator) > 0.5).long()
    test = torch.randn(2000, 3, dtype=F64, generator=generator) * scale
    scaler = StandardScaler().fit(x.numpy())
    reference = LogisticRegression(C=1.0, tol=1e-10, max_iter=1000).fit(
        scaler.transform(x.numpy()), label.numpy()
    )
    expected = torch.from_numpy(reference.predict(scaler.transform(test.numpy())))
    # Standard deviations with divisor n or n - 1 differ by 1/600, and so does the ridge: a point in 1000 may change.
    assert (logistic_classifier(x, label, test) != expected).sum() <= 2


def test_labels_of_any_dtype() -> None:
    x, y = torch.randn(2, 40, 2, generator=torch.Generator().manual_seed(4)) + torch.tensor(
        [[[0.0]], [[1.0]]]
    )
    points, label = torch.cat([x, y]), torch.arange(80) // 40
    expected = logistic_classifier(points, label, points)
    for labels in (label.bool(), label.to(torch.uint8), label.int()):
        assert torch.equal(logistic_classifier(points, labels, points), expected)


def test_blind_classifier_and_constant_features() -> None:
    # Same means, different spreads: logistic regression sees nothing, a rule on the radius does.
    generator = torch.Generator().manual_seed(2)
    x, y = torch.randn(2, 4000, 2, generator=generator)
    x, y = (torch.cat([v, torch.ones(4000, 1)], 1) for v in (x, 2 * y))
    blind = classifier_two_sample_test(x, y, generator=generator)
    assert blind.accuracy.value == pytest.approx(0.5, abs=0.05)
    # p > q inside the circle r^2 = (8/3) ln 4 = 3.697: accuracy (1 - e^{-r^2/2} + e^{-r^2/8}) / 2.
    square = 8 / 3 * math.log(4)
    truth = (1 - math.exp(-square / 2) + math.exp(-square / 8)) / 2
    seeing = classifier_two_sample_test(
        x, y, classifier=lambda _x, _l, t: (t[:, :2].square().sum(1) > square).long(), generator=generator
    )
    assert seeing.accuracy.value == pytest.approx(truth, abs=4 * seeing.accuracy.standard_error)


def test_unequal_sizes_and_split() -> None:
    seen = []

    def record(train: Tensor, label: Tensor, test: Tensor) -> Tensor:
        seen.append((train, label, test))
        return torch.ones(len(test), dtype=torch.long)

    x, y = torch.arange(30.0)[:, None], 100 + torch.arange(20.0)[:, None]
    run = classifier_two_sample_test(x, y, classifier=record, test_fraction=0.25)
    train, label, test = seen[0]
    assert (len(train), len(test), label.sum().item()) == (30, 10, 15)
    assert len(torch.cat([train, test]).unique()) == 40  # no point on both sides
    assert ((train[:, 0] >= 100).long() == label).all()
    assert (run.accuracy.value, run.accuracy.n, run.p_value) == (0.5, 10, 0.5)


@pytest.mark.gpu
def test_on_a_gpu() -> None:
    generator = torch.Generator("cuda").manual_seed(3)
    x, y = torch.randn(2, 4000, 2, device="cuda", generator=generator)
    y[:, 0] += 1
    accuracy = classifier_two_sample_test(x, y, generator=generator).accuracy
    assert accuracy.value == pytest.approx(phi(0.5), abs=4 * accuracy.standard_error)


@pytest.mark.bad_input
def test_bad_input() -> None:
    x = torch.zeros(4, 2)
    with pytest.raises(ValueError, match="y must have 2 columns"):
        classifier_two_sample_test(x, torch.zeros(4, 3))
    with pytest.raises(ValueError, match=r"test_fraction must be a finite number in \(0, 1\)"):
        classifier_two_sample_test(x, x, test_fraction=1.0)
    with pytest.raises(ValueError, match=r"must leave points on both sides, got 0\.01 of 4"):
        classifier_two_sample_test(x, x, test_fraction=0.01)
    with pytest.raises(ValueError, match=r"classifier must return a tensor of shape \(4,\), got \(4, 1\)"):
        classifier_two_sample_test(x, x, classifier=lambda _x, _l, t: t[:, :1])
    with pytest.raises(ValueError, match=r"classifier must return labels 0 or 1, got \[0.5\]"):
        classifier_two_sample_test(x, x, classifier=lambda _x, _l, t: t[:, 0] + 0.5)
    with pytest.raises(ValueError, match="x must be finite"):
        classifier_two_sample_test(x / 0, x)
    with pytest.raises(ValueError, match="label must be 0 or 1 for each of 4 training points"):
        logistic_classifier(x, torch.arange(4), x)
    with pytest.raises(ValueError, match="x_test must have 2 columns"):
        logistic_classifier(x, torch.ones(4), torch.zeros(2, 1))  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="total_variation must be a finite number"):
        best_accuracy(1.5)
