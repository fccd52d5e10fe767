"""Units of likelihood, and the gap between training and test data where it is known exactly."""

from __future__ import annotations

import math

import pytest
import torch

from gmlib.distributions import Gaussian
from gmlib.metrics import bits_per_dim, generalisation_gap, perplexity

F64 = torch.float64


@pytest.mark.parametrize("V", [2, 10, 50_257])
def test_perplexity(V: int) -> None:
    """Uniform over V symbols: exactly V; for ten, the base mixed up gives 4.93."""
    nll = torch.full((7,), math.log(V), dtype=F64)  # nats of each token, all alike
    torch.testing.assert_close(perplexity(nll), torch.full((7,), float(V), dtype=F64), rtol=1e-14, atol=0)
    assert perplexity(math.log(V)) == pytest.approx(V, rel=1e-14)
    assert 2 ** (math.log(V) / math.log(2)) == pytest.approx(perplexity(math.log(V)), rel=1e-14)
    if V == 10:
        assert f"{2 ** math.log(V):.2f}" == "4.93"


def test_perplexity_too_large_for_a_float() -> None:
    assert perplexity(1000.0) == perplexity(torch.tensor(1000.0)).item() == math.inf


def test_bits_per_dim() -> None:
    """256 equally likely levels: exactly 8 bits; multiplied by log 2 instead of divided, 3.84."""
    for D in (1, 784, 3072):
        nll = D * math.log(256)
        assert bits_per_dim(nll, D) == pytest.approx(8.0, rel=1e-15)
        assert bits_per_dim(torch.tensor(nll, dtype=F64), D).item() == bits_per_dim(nll, D)
    assert f"{math.log(256) * math.log(2):.2f}" == "3.84"
    # A fair coin for every pixel.
    assert bits_per_dim(torch.full((4,), 10 * math.log(2)), 10).tolist() == pytest.approx([1.0] * 4)


def test_heldout_gap(generator: torch.Generator) -> None:
    r"""Unknown mean, known covariance: E gap = k / m exactly, so gap m against k has slope 1.

    Train: -(1/2)(k - k/m) up to a constant, test: -(1/2)(k + k/m).
    """
    m, repeats = 50, 100
    dims = torch.tensor([1.0, 2.0, 4.0, 8.0, 16.0, 32.0], dtype=F64)
    means, errors = [], []
    for k in dims.int().tolist():
        gaps = torch.empty(repeats, dtype=F64)
        for r in range(repeats):
            train, test = torch.randn(2, m, k, dtype=F64, generator=generator)
            law = Gaussian(train.mean(0), var=1.0, validate_args=False)
            gaps[r] = generalisation_gap(law.log_prob(train), law.log_prob(test)).value
        means.append(gaps.mean() * m)
        errors.append(gaps.std() * m / math.sqrt(repeats))
    y, s = torch.stack(means), torch.stack(errors)
    assert bool(((y - dims).abs() < 4 * s).all())
    # The weighted least squares slope through 0 is 1 within four of its standard errors, themselves below .1.
    slope = (dims * y / s**2).sum() / (dims**2 / s**2).sum()
    error = (dims**2 / s**2).sum() ** -0.5
    assert abs(slope - 1) < 4 * error
    assert error < 0.1


@pytest.mark.parametrize("d", [1, 3])
def test_gap_of_mean_and_one_variance(d: int, generator: torch.Generator) -> None:
    """The isotropic normal law, k = d + 1: the expected gap is d (d + 1) / (d (m - 1) - 2), near k / m.

    Train: -d/2 whatever the data. Test: -(d (m + 1) / 2 m) E[1/s] for the fitted variance s (truth 1), and m d s is
    chi-square with d (m - 1) degrees of freedom.
    """
    m, n = 40, 10_000
    x, new = torch.randn(2, n, m, d, dtype=F64, generator=generator)
    mean = x.mean(1, keepdim=True)
    var = (x - mean).square().mean((1, 2), keepdim=True)
    train, test = (-0.5 * ((v - mean) ** 2 / var).sum(-1).mean(1) for v in (x, new))
    torch.testing.assert_close(train, torch.full_like(train, -d / 2))
    exact = d * (d + 1) / (d * (m - 1) - 2)
    assert exact == pytest.approx((d + 1) / m, rel=0.1)
    gap = train - test
    assert abs(gap.mean().item() - exact) < 4 * gap.std().item() / math.sqrt(n)


def test_standard_error_of_a_gap(generator: torch.Generator) -> None:
    """Over 500 pairs of data sets the spread of the gap is its reported error, within 15 %: about five standard errors."""
    pairs = [
        generalisation_gap(
            torch.randn(80, dtype=F64, generator=generator),
            2 * torch.randn(30, dtype=F64, generator=generator),
        )
        for _ in range(500)
    ]
    spread = torch.tensor([p.value for p in pairs]).std().item()
    assert spread == pytest.approx(math.sqrt(1 / 80 + 4 / 30), rel=0.15)
    assert sum(p.standard_error for p in pairs) / 500 == pytest.approx(spread, rel=0.15)
    assert pairs[0].n == 30


V2 = torch.zeros(2)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda: perplexity("1"), TypeError, "nll must be a real number"),
        (lambda: perplexity(math.nan), ValueError, "nll must be a finite number"),
        (lambda: perplexity(torch.tensor([1])), TypeError, "nll must have a floating dtype"),
        (lambda: bits_per_dim(1.0, 0), ValueError, "dim must be at least 1"),
        (lambda: bits_per_dim(1.0, 2.0), TypeError, "dim must be an int"),  # type: ignore[arg-type]
        (lambda: generalisation_gap([1.0], V2), TypeError, "train_log_prob must be a torch.Tensor"),  # type: ignore[arg-type]
        (lambda: generalisation_gap(V2, torch.zeros(1)), ValueError, "test_log_prob must be a vector"),
        (lambda: generalisation_gap(V2, torch.zeros(2, 2)), ValueError, "test_log_prob must be a vector"),
        (lambda: generalisation_gap(torch.tensor([0.0, -math.inf]), V2), ValueError, "train_log_prob must be finite"),
    ],
)  # fmt: skip
def test_bad_input(call, error, match) -> None:
    with pytest.raises(error, match=match):
        call()
