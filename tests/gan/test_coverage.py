"""Coverage on samples made so that every count is known."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from gmlib.distributions import sixteen_gaussians
from gmlib.gan import grid_coverage

SIDE = torch.tensor([-1.5, -0.5, 0.5, 1.5])
CENTRES = torch.cartesian_prod(SIDE, SIDE)


def test_coverage() -> None:
    # 12 samples: mode 0 holds 6 and mode 5 holds 2, at distances .09 and .0999; 4 lie outside, nearest to modes 5, 9, 10.
    near = CENTRES[[0] * 6 + [5] * 2] + torch.tensor([[0.09, 0.0]] * 4 + [[0.0, 0.0999]] * 4)
    far = CENTRES[[5, 9, 10, 10]] + torch.tensor([0.2, 0.2])
    seen = grid_coverage(torch.cat([near, far]), CENTRES)
    assert (seen.modes, seen.nearest_modes, seen.n) == (2, 4, 12)
    assert seen.share == pytest.approx(8 / 12)
    expected = torch.zeros(16, dtype=torch.float64)
    expected[0], expected[5] = 0.75, 0.25
    assert torch.equal(seen.histogram, expected)
    entropy = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
    assert seen.reverse_kl == pytest.approx(math.log(16) - entropy, rel=1e-12)

    # What misleads: a cloud between the modes is "nearest" to all sixteen and near none.
    between = grid_coverage(CENTRES + 0.3, CENTRES)
    assert (between.modes, between.nearest_modes, between.share) == (0, 16, 0.0)
    assert between.reverse_kl == math.inf

    # One mode costs log 16; every mode alike costs nothing.
    assert grid_coverage(CENTRES[:1], CENTRES).reverse_kl == pytest.approx(math.log(16), rel=1e-12)
    assert grid_coverage(CENTRES.repeat(3, 1), CENTRES).reverse_kl == 0.0
    # The radius decides, and belongs to the ball.
    edge = torch.tensor([[0.25, 0.0]])
    assert grid_coverage(edge, torch.zeros(1, 2), 0.25).share == 1.0
    assert grid_coverage(edge, torch.zeros(1, 2), 0.2499).share == 0.0


def test_weights_of_the_modes() -> None:
    samples = CENTRES[[0, 0, 0, 1]]
    weights = torch.tensor([0.75, 0.25])
    assert grid_coverage(samples, CENTRES[:2], weights=weights).reverse_kl == pytest.approx(0.0, abs=1e-12)
    even = grid_coverage(samples, CENTRES[:2]).reverse_kl
    assert even == pytest.approx(0.75 * math.log(1.5) + 0.25 * math.log(0.5), rel=1e-9)


def test_the_data_themselves() -> None:
    # n exact draws: a share of 1 - e^{-(radius/std)^2/2} inside (here 1 - e^{-12.5}), all modes, and a divergence that is
    # chi-squared over 2n: mean (k - 1)/(2n) and standard deviation sqrt(2 (k - 1))/(2n).
    n = 4000
    samples = sixteen_gaussians(0.02).sample((n,), generator=torch.Generator().manual_seed(0))
    seen = grid_coverage(samples, CENTRES)
    assert seen.modes == seen.nearest_modes == 16
    assert seen.share == 1.0
    assert abs(seen.reverse_kl - 15 / (2 * n)) < 5 * math.sqrt(30) / (2 * n)
    wide = grid_coverage(
        sixteen_gaussians(0.1).sample((n,), generator=torch.Generator().manual_seed(1)), CENTRES
    )
    share = 1 - math.exp(-0.5)
    assert abs(wide.share - share) < 5 * math.sqrt(share * (1 - share) / n)


def test_a_bound_on_the_divergence() -> None:
    # By hand, on the cells (mode 0, mode 1, outside): the model (.3, .1, .6) against the data (.45, .45, .1).
    samples = torch.tensor([[0.0]] * 3 + [[1.0]] + [[0.5]] * 6)
    seen = grid_coverage(samples, torch.tensor([[0.0], [1.0]]))
    cells = ((0.3, 0.45), (0.1, 0.45), (0.6, 0.1))
    assert seen.kl_bound(0.9) == pytest.approx(sum(p * math.log(p / q) for p, q in cells), rel=1e-6)
    assert seen.kl_bound(1.0) == math.inf
    nothing = grid_coverage(torch.tensor([[0.5]]), torch.tensor([[0.0], [1.0]]))
    assert nothing.kl_bound(0.9) == pytest.approx(math.log(10))
    assert nothing.kl_bound(0.0) == 0.0
    # No larger than the divergence of two laws that are known: N(0, .1^2) from the mixture of .5 N(0, .1^2), .5 N(1, .1^2)
    # is log 2, up to 1e-10 that the other mode adds.
    share = math.erf(1 / 2**0.5)
    rows = round(1000 * share)
    model = torch.cat([torch.zeros(rows, 1), torch.full((1000 - rows, 1), 0.3)])
    bound = grid_coverage(model, torch.tensor([[0.0], [1.0]])).kl_bound(share)
    assert 0.9 * share * math.log(2) < bound < math.log(2)


def test_dtypes_and_far_centres() -> None:
    # Distances near 0.1 survive an offset of 1000, in float32.
    offset = torch.tensor([1000.0, 1000.0])
    near, far = CENTRES + offset + torch.tensor([0.09, 0.0]), CENTRES + offset + torch.tensor([0.11, 0.0])
    assert grid_coverage(near, CENTRES + offset).share == 1.0
    assert grid_coverage(far, CENTRES + offset).share == 0.0
    assert grid_coverage(CENTRES.double(), CENTRES).modes == 16


@pytest.mark.gpu
def test_on_a_gpu() -> None:
    samples = sixteen_gaussians(0.1).sample((500,), generator=torch.Generator().manual_seed(0))
    here, there = grid_coverage(samples, CENTRES), grid_coverage(samples.cuda(), CENTRES.cuda())
    assert (here.modes, here.share, here.nearest_modes) == (there.modes, there.share, there.nearest_modes)
    assert torch.equal(here.histogram, there.histogram)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda: grid_coverage([0.0], CENTRES), TypeError, "samples must be a torch.Tensor, got list"),  # type: ignore[arg-type]
        (lambda: grid_coverage(torch.zeros(0, 2), CENTRES), ValueError, "samples must be a matrix"),
        (
            lambda: grid_coverage(torch.zeros(1, 3), CENTRES),
            ValueError,
            r"shapes \(n, d\) and \(k, d\), got \(1, 3\)",
        ),
        (lambda: grid_coverage(torch.full((1, 2), torch.nan), CENTRES), ValueError, "samples must be finite"),
        (lambda: grid_coverage(CENTRES, CENTRES, 0.0), ValueError, r"radius must be a finite number in \(0"),
        (
            lambda: grid_coverage(CENTRES, CENTRES, weights=torch.full((4,), 0.25)),
            ValueError,
            "weights must be 16 positive numbers",
        ),
        (
            lambda: grid_coverage(CENTRES, CENTRES[:2], weights=torch.tensor([1.0, 0.0])),
            ValueError,
            "weights must be 2 positive numbers",
        ),
        (
            lambda: grid_coverage(CENTRES, CENTRES[:2], weights=torch.tensor([1.0, 1.0])),
            ValueError,
            "weights must sum to one",
        ),
        (
            lambda: grid_coverage(CENTRES, CENTRES).kl_bound(1.5),
            ValueError,
            "real_share must be a finite number",
        ),
    ],
)
def test_bad_input(call: Any, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        call()
