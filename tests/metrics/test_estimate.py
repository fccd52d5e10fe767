"""Estimates: the standard error is that of the mean, and the printed form keeps one digit of it."""

import math

import pytest
import torch

from gmlib.metrics import Estimate, mean_estimate


def test_mean_and_standard_error() -> None:
    # 1, 2, 3, 4: mean 5/2, variance 5/3 with divisor 3.
    estimate = mean_estimate(torch.tensor([1.0, 2.0, 3.0, 4.0]))
    assert estimate.value == 2.5
    assert estimate.standard_error == pytest.approx(math.sqrt(5 / 12), rel=1e-14)
    assert estimate.n == 4


def test_the_standard_error_covers_the_truth(generator: torch.Generator) -> None:
    # 2000 repeats of a mean of 50 normals: |t| < 2.0096 (Student, 49 degrees) in 95 % of them, s.e. .5 %.
    draws = torch.randn(2000, 50, dtype=torch.float64, generator=generator)
    estimates = [mean_estimate(row) for row in draws]
    inside = sum(abs(e.value) < 2.0096 * e.standard_error for e in estimates) / 2000
    assert inside == pytest.approx(0.95, abs=4 * math.sqrt(0.95 * 0.05 / 2000))


def test_float32_values_are_summed_in_float64() -> None:
    values = torch.full((100_000,), 0.1)
    assert mean_estimate(values).value == pytest.approx(torch.tensor(0.1).item(), rel=1e-12)


@pytest.mark.parametrize(
    ("value", "standard_error", "text"),
    [
        (1.23412, 0.0048, "1.234 ± 0.005"),
        (0.5, 0.0, "0.5 ± 0"),
        (123.4, 7.2, "123 ± 7"),
        (1234.5, 160.0, "1234 ± 160"),
        (-1.5e-9, 2e-9, "-1.500e-09 ± 2e-09"),
    ],
)
def test_printed_form(value: float, standard_error: float, text: str) -> None:
    assert str(Estimate(value, standard_error, n=10)) == text


@pytest.mark.bad_input
def test_bad_input() -> None:
    with pytest.raises(ValueError, match="standard_error must be a finite number"):
        Estimate(0.0, -1.0, 3)
    with pytest.raises(ValueError, match="value must be a finite number"):
        Estimate(math.nan, 1.0, 3)
    with pytest.raises(TypeError, match="n must be an int"):
        Estimate(0.0, 1.0, 2.5)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="values must be a vector of at least two entries"):
        mean_estimate(torch.zeros(1))
    with pytest.raises(ValueError, match="values must be finite"):
        mean_estimate(torch.tensor([0.0, math.nan]))
    with pytest.raises(TypeError, match="values must have a floating dtype"):
        mean_estimate(torch.arange(3))
