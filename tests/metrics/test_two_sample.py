"""The permutation test: its level is exact, its p-values uniform, its power grows, and the fast path is the slow one."""

import itertools
import math

import pytest
import torch

from gmlib.metrics import CubicKernel, GaussianKernel, frechet_distance, mmd2, permutation_test

F64 = torch.float64


def test_mmd_two_sample_test() -> None:
    """p = q: rejections = level within binomial error, p-values uniform; the power rises to 1 with the shift."""
    generator = torch.Generator().manual_seed(0)
    kernel = GaussianKernel(1.0)
    power = []
    for shift in (0.0, 0.5, 1.0, 2.0):
        runs = []
        for draw in torch.randn(400 if shift == 0 else 60, 30, 1, dtype=F64, generator=generator):
            x, y = draw[:15], shift + draw[15:]
            runs.append(permutation_test(x, y, kernel, permutations=99, generator=generator))
        p = torch.tensor([run.p_value for run in runs], dtype=F64)
        for level in (0.05, 0.1, 0.5) if shift == 0 else ():
            # (1 + 99) times the level is an integer: the level is exact. 400 samples, 4 standard errors.
            error = 4 * math.sqrt(level * (1 - level) / 400)
            assert (p <= level + 1e-9).double().mean().item() == pytest.approx(level, abs=error)
        if shift == 0:
            # Uniform on .01, .02, ..., 1: chi squared in ten bins of 40, 9 degrees of freedom; above 33.7 once in 10^4.
            counts = torch.histc(p - 0.005, 10, 0, 1)
            assert ((counts - 40) ** 2 / 40).sum().item() < 33.7
        power.append(sum(run.rejects for run in runs) / len(runs))
    assert all(b > a for a, b in itertools.pairwise(power))
    assert power[-1] == 1.0


@pytest.mark.parametrize("kernel", [GaussianKernel(0.7), CubicKernel()])
def test_fast_path_is_the_slow_path(
    kernel: GaussianKernel | CubicKernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    monkeypatch.setattr(
        sys.modules["gmlib.metrics.two_sample"], "BLOCK_ENTRIES", 100
    )  # blocks of 5 of 20 rows
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(8, 2, dtype=F64, generator=generator)
    y = 0.7 + torch.randn(12, 2, dtype=F64, generator=generator)
    fast = permutation_test(x, y, kernel, permutations=50, generator=torch.Generator().manual_seed(2))
    slow = permutation_test(
        x, y, lambda a, b: mmd2(a, b, kernel), permutations=50, generator=torch.Generator().manual_seed(2)
    )
    assert fast.statistic == pytest.approx(mmd2(x, y, kernel).item(), rel=1e-10)
    assert torch.allclose(fast.permuted, slow.permuted, rtol=1e-10, atol=1e-12)
    assert fast.p_value == slow.p_value


def test_p_value_and_threshold() -> None:
    # Two and three points: 10 splits. The statistic, the sum of x, is largest in exactly one of them.
    x, y = torch.tensor([[4.0], [5.0]]), torch.tensor([[1.0], [2.0], [3.0]])
    generator = torch.Generator().manual_seed(3)
    run = permutation_test(x, y, lambda a, _: a.sum(), permutations=1999, level=0.2, generator=generator)
    assert run.statistic == 9.0
    assert run.p_value == pytest.approx(0.1, abs=4 * math.sqrt(0.09 / 2000))
    assert run.p_value == (1 + int((run.permuted == 9.0).sum())) / 2000
    # The 400th largest of 1999: 200 or so are 9, the next 200 or so are 8.
    assert run.rejects
    assert run.threshold == pytest.approx(
        torch.sort(run.permuted, descending=True).values[399].item(), abs=1e-3
    )
    assert run.statistic > run.threshold
    # Too few relabellings for the level: nothing can be rejected.
    run = permutation_test(x, y, lambda a, _: a.sum(), permutations=3, generator=generator)
    assert run.threshold == math.inf
    assert not run.rejects
    # Equal splits tie although rounding differs: two copies of one point each way never reject.
    ties = torch.tensor([[0.1], [0.7], [0.3]], dtype=F64)
    assert permutation_test(ties, ties.flip(0), GaussianKernel(1.0), permutations=99).p_value > 0.3


def test_any_statistic() -> None:
    generator = torch.Generator().manual_seed(4)
    x, y = torch.randn(2, 60, 2, generator=generator)
    wide = permutation_test(x, 3 * y, frechet_distance, permutations=99, generator=generator)
    assert wide.p_value == 0.01
    assert wide.statistic == pytest.approx(frechet_distance(x, 3 * y).item(), rel=1e-9)
    numbers = permutation_test(
        x, y + 2, lambda a, b: (a.mean() - b.mean()).abs().item(), permutations=99, generator=generator
    )
    assert numbers.p_value == 0.01


@pytest.mark.gpu
def test_on_a_gpu() -> None:
    generator = torch.Generator("cuda").manual_seed(5)
    x, y = torch.randn(2, 500, 4, device="cuda", generator=generator)
    assert permutation_test(x, y + 1, GaussianKernel(2.0), generator=generator).p_value == 0.001


@pytest.mark.bad_input
def test_bad_input() -> None:
    x, kernel = torch.arange(6.0).reshape(3, 2), GaussianKernel(1.0)
    with pytest.raises(ValueError, match="y must have 2 columns"):
        permutation_test(x, torch.zeros(3, 1), kernel)
    with pytest.raises(ValueError, match="permutations must be at least 1"):
        permutation_test(x, x, kernel, permutations=0)
    with pytest.raises(ValueError, match=r"level must be a finite number in \(0, 1\)"):
        permutation_test(x, x, kernel, level=1.0)
    with pytest.raises(TypeError, match="statistic must be a Kernel or a function of two samples, got str"):
        permutation_test(x, x, "mmd")  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError, match=r"statistic must return one real number, got shape \(2,\)"):
        permutation_test(x, x, lambda a, _: a.mean(0))
    with pytest.raises(ValueError, match="statistic must be finite"):
        permutation_test(x, x, lambda _a, _b: float("nan"), permutations=3)
    with pytest.raises(ValueError, match="x must be finite"):
        permutation_test(x / 0, x, kernel)
