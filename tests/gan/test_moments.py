"""Which statistics tell which laws apart: exact moments by Gauss-Hermite nodes, and fits against maximum likelihood."""

import math

import numpy as np
import pytest
import torch
from scipy import optimize, stats
from torch import Tensor

from gmlib.gan import match_moments, moment_gap, moment_rank, parameter_scores

F64 = torch.float64


def normal(mean: float, var: float) -> tuple[Tensor, Tensor]:
    """Nodes and weights whose sums are the moments of N(mean, var), exact for polynomials up to degree 39."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(20)
    points = mean + math.sqrt(var) * torch.from_numpy(nodes)[:, None]
    return points, torch.from_numpy(weights / weights.sum())


def log_normal_density(theta: Tensor, x: Tensor) -> Tensor:
    """log N(x; theta_0, theta_1), theta_1 a variance."""
    return -((x[:, 0] - theta[0]) ** 2) / (2 * theta[1]) - 0.5 * (2 * math.pi * theta[1]).log()


def gap(statistic, p: tuple[float, float], q: tuple[float, float]) -> Tensor:  # type: ignore[no-untyped-def]
    (x, wx), (y, wy) = normal(*p), normal(*q)
    result = moment_gap(statistic, x, y, x_weights=wx, y_weights=wy)
    assert result.total.item() == pytest.approx(result.gap.square().sum().item(), abs=1e-15)
    return result.gap


def test_moment_matching() -> None:
    """s = x cannot tell N(0, 1) from N(0, 4), (x, x²) can; of the log-density only the gradient in the parameters can."""
    data = (0.0, 1.0)
    assert gap(lambda x: x, data, (0.0, 4.0)).abs().max() < 1e-12
    assert gap(lambda x: torch.cat([x, x**2], 1), data, (0.0, 4.0)).tolist() == pytest.approx(
        [0.0, -3.0], abs=1e-12
    )

    for mean in (0.0, 0.5, 1.0, 2.0):
        for var in (1 + mean**2, 0.5, 3.0):
            theta = torch.tensor([mean, var], dtype=F64)
            model = (mean, var)
            # log q: -(1 + m²) / 2v + 1/2 is 0 on the whole curve v = 1 + m².
            value = gap(lambda x, t=theta: log_normal_density(t, x)[:, None], data, model).item()
            assert value == pytest.approx(0.5 - (1 + mean**2) / (2 * var), abs=1e-12)
            # The gradient in x: m / v, whatever the variance.
            in_x = gap(lambda x, m=mean, v=var: -(x - m) / v, data, model).item()
            assert in_x == pytest.approx(mean / var, abs=1e-12)
            # The gradient in the parameters: ((0 - m) / v, (1 + m²) / 2v² - 1 / 2v), zero at (0, 1) alone.
            scores = gap(lambda x, t=theta: parameter_scores(log_normal_density, t, x), data, model)
            truth = [-mean / var, (1 + mean**2) / (2 * var**2) - 1 / (2 * var)]
            assert scores.tolist() == pytest.approx(truth, abs=1e-12)
            assert (scores.abs().max().item() < 1e-12) == (model == data)


def test_parameter_scores_reproduce_maximum_likelihood() -> None:
    # Their mean over the data is the gradient of the mean log-likelihood, and their mean under the model is 0.
    generator = torch.Generator().manual_seed(0)
    x = 1.5 + 2 * torch.randn(200, 1, dtype=F64, generator=generator)
    theta = torch.tensor([0.3, 2.5], dtype=F64, requires_grad=True)
    (expected,) = torch.autograd.grad(log_normal_density(theta, x).mean(), theta)
    assert torch.allclose(
        parameter_scores(log_normal_density, theta.detach(), x).mean(0), expected, atol=1e-12
    )
    y, weights = normal(0.3, 2.5)
    assert (weights @ parameter_scores(log_normal_density, theta.detach(), y)).abs().max() < 1e-12
    # Matching them is fitting: the Gaussian's mean and variance (over n).
    zero = torch.zeros(2, dtype=F64)
    fit = match_moments(lambda t: parameter_scores(log_normal_density, t, x).mean(0), zero, theta.detach())
    assert fit.tolist() == pytest.approx([x.mean().item(), x.var(unbiased=False).item()], rel=1e-6)

    # And where no fixed statistic does it: the location of Student's t, against scipy's optimiser.
    draws = stats.t(3, loc=0.7).rvs(100, random_state=1)
    best = optimize.minimize_scalar(lambda m: -stats.t(3, loc=m).logpdf(draws).sum(), bracket=(0, 1)).x

    def student(theta: Tensor, x: Tensor) -> Tensor:
        return -2 * torch.log1p((x[:, 0] - theta[0]) ** 2 / 3)

    x = torch.from_numpy(draws)[:, None]
    start = torch.zeros(1, dtype=F64)
    fit = match_moments(lambda t: parameter_scores(student, t, x).mean(0), torch.zeros(1, dtype=F64), start)
    assert fit.item() == pytest.approx(best, abs=1e-6)


def test_parameter_scores_of_images() -> None:
    x = torch.arange(12.0, dtype=F64).reshape(3, 2, 2)
    scores = parameter_scores(lambda theta, x: (theta * x.flatten(1)).sum(1), torch.ones(4, dtype=F64), x)
    assert torch.equal(scores, x.flatten(1))


def test_samples_have_weight_one_over_n() -> None:
    generator = torch.Generator().manual_seed(1)
    x, y = (
        torch.randn(7, 2, dtype=F64, generator=generator),
        torch.randn(5, 2, dtype=F64, generator=generator),
    )
    uniform = [torch.full((n,), 1 / n, dtype=F64) for n in (7, 5)]
    plain = moment_gap(lambda x: x**2, x, y)
    weighted = moment_gap(lambda x: x**2, x, y, x_weights=uniform[0], y_weights=uniform[1])
    assert torch.allclose(plain.gap, weighted.gap, atol=1e-15)
    # Training: the gradient of the total in the samples, 2 gap s'(y) / -m.
    y.requires_grad_()
    result = moment_gap(lambda x: x**2, x, y)
    (gradient,) = torch.autograd.grad(result.total, y)
    assert torch.allclose(gradient, -4 * result.gap.detach() * y.detach() / 5)


def test_rank_counts_what_the_moments_see() -> None:
    # N(m, v): the mean alone sees one direction, mean and mean square both.
    def moments(theta: Tensor) -> Tensor:
        return torch.stack([theta[0], theta[0] ** 2 + theta[1]])

    jacobian = torch.func.jacrev(moments)(torch.tensor([1.0, 2.0], dtype=F64))
    assert moment_rank(jacobian[:1]) == 1
    assert moment_rank(jacobian) == 2
    # Three moments that repeat each other do not make three; and a tolerance decides about the rest.
    assert moment_rank(torch.cat([jacobian, jacobian[:1] + jacobian[1:]])) == 2
    nearly = torch.diag(torch.tensor([1.0, 1e-3], dtype=F64))
    assert (moment_rank(nearly), moment_rank(nearly, tolerance=0.01)) == (2, 1)


def test_a_direction_that_no_moment_sees_stays() -> None:
    fit = match_moments(lambda t: t[:1], torch.tensor([2.0], dtype=F64), torch.tensor([0.0, 5.0], dtype=F64))
    assert fit.tolist() == pytest.approx([2.0, 5.0], abs=1e-9)
    # Targets out of reach: the nearest moments, by least squares.
    fit = match_moments(
        lambda t: torch.cat([t, 2 * t]), torch.tensor([1.0, 0.0], dtype=F64), torch.zeros(1, dtype=F64)
    )
    assert fit.item() == pytest.approx(0.2, abs=1e-6)
    # Where the full step would overshoot (arctan from 2), it is halved.
    fit = match_moments(torch.arctan, torch.zeros(1, dtype=F64), torch.full((1,), 2.0, dtype=F64))
    assert abs(fit.item()) < 1e-9


@pytest.mark.bad_input
def test_bad_input() -> None:
    x, theta = torch.zeros(3, 1), torch.zeros(2)
    with pytest.raises(TypeError, match="statistic must be callable"):
        moment_gap(1, x, x)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"statistic\(x\) must have shape \(3, k\)"):
        moment_gap(lambda x: x[:, 0], x, x)
    with pytest.raises(ValueError, match=r"y must have the event shape \(1,\) of x"):
        moment_gap(lambda x: x, x, torch.zeros(3, 2))
    with pytest.raises(ValueError, match=r"x_weights must have shape \(3,\)"):
        moment_gap(lambda x: x, x, x, x_weights=torch.ones(2))
    with pytest.raises(TypeError, match="log_prob must be callable"):
        parameter_scores(1, theta, x)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="parameters must be a vector"):
        parameter_scores(log_normal_density, theta[None], x)
    with pytest.raises(ValueError, match="jacobian must be a matrix"):
        moment_rank(torch.zeros(2, 2, 2))
    with pytest.raises(ValueError, match="jacobian must be finite"):
        moment_rank(x * torch.nan)
    with pytest.raises(ValueError, match="tolerance must be"):
        moment_rank(x, tolerance=1.0)
    with pytest.raises(ValueError, match="log_prob must return one number a point"):
        parameter_scores(lambda theta, x: x, theta, x)
    with pytest.raises(ValueError, match="target must be finite"):
        match_moments(lambda t: t, theta + torch.nan, theta)
    with pytest.raises(ValueError, match=r"target must have the dtype torch\.float32 of moments"):
        match_moments(lambda t: t, theta.double(), theta)
    with pytest.raises(ValueError, match=r"target must have the shape \(2,\)"):
        match_moments(lambda t: t, torch.zeros(3), theta)
    with pytest.raises(ValueError, match=r"moments\(parameters\) must be a vector"):
        match_moments(lambda t: t[:, None], theta, theta)
    with pytest.raises(ValueError, match="steps must be at least 1"):
        match_moments(lambda t: t, theta, theta, steps=0)
    with pytest.raises(ValueError, match="damping must be"):
        match_moments(lambda t: t, theta, theta, damping=-1.0)
