"""Langevin with minibatches on the mean of a normal law, whose posterior is known."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch

from gmlib.score import decreasing_step, sgld, sgld_variance, stationary_variance

F64 = torch.float64
PRIOR_VAR, VAR = 4.0, 1.5


def prior_score(theta: torch.Tensor) -> torch.Tensor:
    return -theta / PRIOR_VAR


def likelihood_score(theta: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
    return (points - theta[:, None]).sum(1) / VAR


class Problem:
    """20 points with unknown mean; the posterior, and the exact mean and variance of chains on it."""

    def __init__(self, batch_size: int) -> None:
        self.data = 2 + torch.randn(20, 1, generator=torch.Generator().manual_seed(7), dtype=F64)
        self.batch_size = batch_size
        n = len(self.data)
        self.precision = 1 / PRIOR_VAR + n / VAR
        self.mean = (self.data.sum() / VAR / self.precision).item()
        # A minibatch of B drawn with replacement: variance of (n / B) sum (x_i - theta) / v.
        spread = self.data.var(correction=0).item()
        self.gradient_variance = n**2 * spread / (batch_size * VAR**2)

    def moments(self, step: Callable[[int], float], steps: int) -> tuple[float, float]:
        """Mean and variance after so many steps from 0, by their recursion."""
        mean = variance = 0.0
        for t in range(steps):
            delta = step(t)
            factor = 1 - delta * self.precision / 2
            mean = self.mean + factor * (mean - self.mean)
            variance = factor**2 * variance + delta + delta**2 / 4 * self.gradient_variance
        return mean, variance

    def run(self, chains: int, step: float | Callable[[int], float], steps: int) -> torch.Tensor:
        return sgld(
            prior_score,
            likelihood_score,
            torch.zeros(chains, 1, dtype=F64),
            self.data,
            batch_size=self.batch_size,
            step=step,
            steps=steps,
            generator=torch.Generator().manual_seed(3),
        )


def test_sgld() -> None:
    # With decreasing steps the chains recover the posterior: exactly within 3%, and n of them within 4 standard errors.
    problem, n = Problem(batch_size=10), 4000
    step = decreasing_step(0.01)
    mean, variance = problem.moments(step, 500)
    assert mean == pytest.approx(problem.mean, abs=0.01 * math.sqrt(1 / problem.precision))
    assert variance == pytest.approx(1 / problem.precision, rel=0.03)
    theta = problem.run(n, step, 500)
    assert theta.mean().item() == pytest.approx(mean, abs=4 * math.sqrt(variance / n))
    assert theta.var().item() == pytest.approx(variance, abs=4 * variance * math.sqrt(2 / n))


def test_a_constant_step_inflates_the_variance() -> None:
    problem, n, step = Problem(batch_size=2), 4000, 0.04
    exact = sgld_variance(step, problem.precision, problem.gradient_variance)
    assert problem.moments(lambda t: step, 200)[1] == pytest.approx(exact, rel=1e-9)
    assert exact > 1.5 / problem.precision
    theta = problem.run(n, step, 60)
    assert theta.mean().item() == pytest.approx(problem.mean, abs=4 * math.sqrt(exact / n))
    # Noise of two points has tails a little lighter than normal ones, so the normal standard error is enough.
    assert theta.var().item() == pytest.approx(exact, abs=4 * exact * math.sqrt(2 / n))


def test_variance_without_minibatch_noise_is_that_of_the_chain() -> None:
    for step in (0.01, 0.3, 1.9, 2.0, 5.0):
        assert sgld_variance(step, 2.0, 0.0) == pytest.approx(stationary_variance(step, var=0.5))


def test_the_minibatch_score_is_scaled_to_all_data() -> None:
    # Equal points: every minibatch says the same, and without injected noise one step is gradient ascent on all n.
    data = torch.full((30, 2), 1.5, dtype=F64)
    theta = torch.tensor([[0.5, -1.0]], dtype=F64)
    end = sgld(prior_score, likelihood_score, theta, data, batch_size=7, step=0.01, steps=1, temperature=0.0)
    expected = theta + 0.005 * (-theta / PRIOR_VAR + 30 * (1.5 - theta) / VAR)
    torch.testing.assert_close(end, expected, rtol=1e-13, atol=0)
    # The chain keeps its dtype, whatever that of the data, and asks for each step once.
    asked = []

    def step(t: int) -> float:
        asked.append(t)
        return 0.01

    end = sgld(prior_score, likelihood_score, theta.float(), data, batch_size=7, step=step, steps=3)
    assert end.dtype == torch.float32
    assert asked == [0, 1, 2]


def test_steps_decrease_slowly_enough() -> None:
    step = decreasing_step(0.2, offset=5.0, power=0.75)
    assert step(0) == 0.2
    assert step(5) == pytest.approx(0.2 * 2**-0.75)
    # a (b + t)^-power with a = start b^power.
    assert step(95) == pytest.approx(0.2 * 5**0.75 * 100**-0.75)


@pytest.mark.bad_input
def test_bad_input() -> None:
    good = {"x": torch.zeros(3, 1), "data": torch.zeros(4, 1), "batch_size": 2, "step": 0.1, "steps": 2}

    def run(prior: object = prior_score, likelihood: object = likelihood_score, **changed: object) -> None:
        sgld(prior, likelihood, **{**good, **changed})  # type: ignore[arg-type]

    with pytest.raises(TypeError, match="prior_score must be callable"):
        run(prior=1)
    with pytest.raises(TypeError, match="likelihood_score must be callable"):
        run(likelihood=1)
    with pytest.raises(ValueError, match="data must hold at least one point"):
        run(data=torch.zeros(0, 1))
    with pytest.raises(ValueError, match="data must be finite"):
        run(data=torch.full((4, 1), math.nan))
    with pytest.raises(ValueError, match="x must be finite"):
        run(x=torch.full((4, 1), math.nan))
    with pytest.raises(ValueError, match="batch_size must be at least 1"):
        run(batch_size=0)
    with pytest.raises(ValueError, match="step must be"):
        run(step=0.0)
    with pytest.raises(ValueError, match="step must be"):
        run(step=lambda t: 0.1 - t)
    with pytest.raises(
        ValueError, match=r"likelihood_score\(x\) must have the shape \(3, 1\) of x, got shape \(3, 2, 1\)"
    ):
        run(likelihood=lambda theta, points: points)
    with pytest.raises(ValueError, match="data must be on the device cpu of x, got meta"):
        run(data=torch.zeros(4, 1, device="meta"))
    with pytest.raises(ValueError, match=r"prior_score\(x\) must have the shape"):
        run(prior=lambda theta: theta[:, 0])
    with pytest.raises(ValueError, match="power must be"):
        decreasing_step(0.1, power=0.5)
    with pytest.raises(ValueError, match="precision must be"):
        sgld_variance(0.1, 0.0, 1.0)
