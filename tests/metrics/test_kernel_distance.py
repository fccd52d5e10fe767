"""The kernel distance: unbiased whatever the sample size, equal to torchmetrics' statistic, with an honest error."""

import warnings

import pytest
import torch

from gmlib.metrics import CubicKernel, kernel_distance, mmd2

F64 = torch.float64


def test_kid() -> None:
    """p = q: mean 0 over repeats, and negative values; no dependence on N in the mean, where the V-statistic has one."""
    generator = torch.Generator().manual_seed(0)
    kernel = CubicKernel()
    unbiased, biased = {}, {}
    for n in (20, 80):
        draws = torch.randn(300, 2, n, 4, dtype=F64, generator=generator)
        unbiased[n] = torch.stack([mmd2(x, y, kernel) for x, y in draws])
        biased[n] = torch.stack([mmd2(x, y, kernel, biased=True) for x, y in draws])
        subsets = [
            kernel_distance(x, y, subsets=4, subset_size=n // 2, generator=generator).value
            for x, y in draws[:100]
        ]
        for values in (unbiased[n], torch.tensor(subsets)):
            assert values.mean().item() == pytest.approx(
                0.0, abs=4 * values.std().item() / len(values) ** 0.5
            )
            assert (values < 0).any()
        # E k(x, x) - E k(x, x') for N(0, I_4): with r2 = |x|^2 / 4 and moments 1, 3/2, 3 of r2, E (1 + r2)^3 = 11.5;
        # with t = x.x' / 4, E t^2 = 1/4 and odd moments 0, E (1 + t)^3 = 1.75. Twice the difference over n.
        error = 4 * biased[n].std().item() / 300**0.5
        assert biased[n].mean().item() == pytest.approx(2 * (11.5 - 1.75) / n, abs=error)


def test_agrees_with_torchmetrics() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torchmetrics' own imports
        from torchmetrics.image.kid import poly_mmd

    generator = torch.Generator().manual_seed(1)
    x = torch.randn(50, 6, dtype=F64, generator=generator)
    y = 1.2 * torch.randn(70, 6, dtype=F64, generator=generator)
    run = kernel_distance(x, y, subsets=3, subset_size=20, generator=torch.Generator().manual_seed(2))
    # The same subsets: two parts a shuffle, so two shuffles for at least three.
    generator.manual_seed(2)
    expected = []
    for _ in range(2):
        a, b = x[torch.randperm(50, generator=generator)], y[torch.randperm(70, generator=generator)]
        expected.append([poly_mmd(a[i : i + 20], b[i : i + 20]) for i in (0, 20)])
    expected = torch.tensor(expected, dtype=F64)
    assert run.n == 4
    assert run.value == pytest.approx(expected.mean().item(), rel=1e-10)
    assert run.standard_error == pytest.approx((expected.var(1).mean() / 2).sqrt().item(), rel=1e-10)


def test_different_laws() -> None:
    # d = 1, N(0, 1) and N(1, 1): (1 + xy)^3 compares 3 (E x)^2 + 3 (E x^2)^2 + (E x^3)^2, moments 0, 1, 0 and 1, 2, 4.
    truth = 3 * 1 + 3 * 1 + 16
    generator = torch.Generator().manual_seed(3)
    runs = []
    for x, y in torch.randn(60, 2, 800, 1, dtype=F64, generator=generator):
        runs.append(kernel_distance(x, y + 1, subsets=16, subset_size=100, generator=generator))
    values = torch.tensor([run.value for run in runs])
    errors = torch.tensor([run.standard_error for run in runs])
    assert values.mean().item() == pytest.approx(truth, abs=4 * values.std().item() / 60**0.5)
    # The error reported is an upper bound on the spread; 60 values know theirs to 1 part in 11 (3 of them: .73).
    assert 0.73 < errors.square().mean().sqrt().item() / values.std().item() < 2


def test_blocks_of_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    generator = torch.Generator().manual_seed(4)
    x, y = torch.randn(2, 60, 3, generator=generator)
    runs = []
    for entries in (1, 2**20):
        monkeypatch.setattr(sys.modules["gmlib.metrics.kernel_distance"], "BLOCK_ENTRIES", entries)
        generator.manual_seed(5)
        runs.append(kernel_distance(x, y, subsets=6, subset_size=10, generator=generator).value)
    assert runs[0] == pytest.approx(runs[1], abs=1e-6)


@pytest.mark.gpu
def test_on_a_gpu() -> None:
    generator = torch.Generator("cuda").manual_seed(6)
    x, y = torch.randn(2, 4000, 16, device="cuda", generator=generator)
    run = kernel_distance(x, y + 0.5, subset_size=500, generator=generator)
    assert run.value == pytest.approx(mmd2(x, y + 0.5, CubicKernel()).item(), abs=5 * run.standard_error)


@pytest.mark.bad_input
def test_bad_input() -> None:
    x = torch.zeros(10, 2)
    with pytest.raises(
        ValueError, match="subset_size must be at most half of the smaller sample of 10 rows, got 6"
    ):
        kernel_distance(x, torch.zeros(20, 2), subset_size=6)
    with pytest.raises(ValueError, match="subset_size must be at least 2"):
        kernel_distance(x, x, subset_size=1)
    with pytest.raises(TypeError, match="subsets must be an int"):
        kernel_distance(x, x, subsets=2.0, subset_size=2)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="y must have 2 columns"):
        kernel_distance(x, torch.zeros(10, 3), subset_size=2)
    with pytest.raises(ValueError, match="x must be finite"):
        kernel_distance(x / 0, x, subset_size=2)
