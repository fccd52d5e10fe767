"""The answers of chapter 08 against numbers from elsewhere: torch's laws, autograd, quadrature, recursions, simulation."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
import torch
from torch.distributions import Categorical, MixtureSameFamily, Normal, kl_divergence

from gmlib.exercises import find
from gmlib.exercises.score._cases import FIELDS

F64 = torch.float64


def answer(slug: str) -> Any:
    exercise = find(f"score.{slug}")
    return exercise.build(exercise.reference)


def wrong(slug: str, name: str) -> Any:
    exercise = find(f"score.{slug}")
    return exercise.build(exercise.wrong(next(m for m in exercise.mistakes if m.name == name)))


def numbers(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=F64)


def hermite(nodes: int = 60) -> tuple[torch.Tensor, torch.Tensor]:
    """Nodes and weights of an average over N(0, 1)."""
    x, weights = np.polynomial.hermite_e.hermegauss(nodes)
    return torch.tensor(x), torch.tensor(weights / weights.sum())


def mixture(weight: float, a: float, b: float, std: float) -> MixtureSameFamily:
    return MixtureSameFamily(
        Categorical(numbers(weight, 1 - weight)), Normal(numbers(a, b), numbers(std, std))
    )


def score_of(law: Any, x: torch.Tensor) -> torch.Tensor:
    x = x.clone().requires_grad_()
    return torch.autograd.grad(law.log_prob(x).sum(), x)[0]


# The grid of both signs has the second moments of N(0, 1) and no correlation.
X, NOISE = numbers(1, 1, -1, -1), numbers(1, -1, 1, -1)


def test_two_modes_of_the_chapter() -> None:
    x = torch.arange(-15, 15, 0.01, dtype=F64)
    kl, fisher = answer("two-modes")(x, 0.01, 5.0, 0.5, 0.2).tolist()
    assert kl == pytest.approx(0.5 * math.log(2.5) + 0.5 * math.log(0.625), abs=2e-5)
    assert fisher == pytest.approx(2.9e-6, rel=0.02)


def test_two_modes_are_torch_s() -> None:
    x = torch.arange(-10, 10, 0.01, dtype=F64)
    p, q = mixture(0.3, -1.2, 1.2, 1.0), mixture(0.6, -1.2, 1.2, 1.0)
    density = p.log_prob(x).exp() * 0.01
    kl = (density * (p.log_prob(x) - q.log_prob(x))).sum()
    fisher = 0.5 * (density * (score_of(p, x) - score_of(q, x)).square()).sum()
    found = answer("two-modes")(x, 0.01, 1.2, 0.3, 0.6)
    torch.testing.assert_close(found, torch.stack([kl, fisher]), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", ["wave", "swirl"])
def test_the_trace_is_that_of_the_whole_jacobian(name: str) -> None:
    field, x = FIELDS[name], torch.randn(5, 3, generator=torch.Generator().manual_seed(0), dtype=F64)
    jacobians = torch.func.vmap(torch.func.jacrev(field))(x)
    due = 0.5 * field(x).square().sum(-1) + jacobians.diagonal(dim1=1, dim2=2).sum(-1)
    torch.testing.assert_close(answer("trace")(field, x).detach(), due)


@pytest.mark.parametrize(
    ("name", "precision"), [(None, 1.0), ("energy-s-sign", -1.0), ("half-of-both", 0.5), ("no-half", 0.5)]
)
def test_the_precision_that_each_loss_prefers(name: str | None, precision: float) -> None:
    loss = answer("trace") if name is None else wrong("trace", name)
    grid = torch.arange(-2, 2.01, 0.1, dtype=F64)
    values = [loss(lambda x, a=a: -a * x, X[:, None]).mean().item() for a in grid]
    assert grid[int(np.argmin(values))].item() == pytest.approx(precision, abs=1e-9)


def test_a_gaussian_gets_its_sample_mean_and_covariance() -> None:
    x = torch.randn(50, 2, generator=torch.Generator().manual_seed(1), dtype=F64)
    x = x @ torch.tensor([[1.0, 0.4], [0.0, 0.7]], dtype=F64) + numbers(2.0, -1.0)
    a, b = x[:, 0], x[:, 1]
    zero, one = 0 * a, 0 * a + 1
    # Of x, y, -x^2/2, -xy, -y^2/2: the parameters are precision times mean and the entries of the precision.
    pairs = [(one, zero), (zero, one), (-a, zero), (-b, -a), (zero, -b)]
    gradients = torch.stack([torch.stack(pair, -1) for pair in pairs], 1)
    laplacians = torch.stack([zero, zero, -one, zero, -one], -1)
    precision = torch.linalg.inv(torch.cov(x.T, correction=0))
    due = torch.cat([precision @ x.mean(0), precision[0], precision[1, 1:]])
    torch.testing.assert_close(answer("natural")(gradients, laplacians), due, rtol=1e-9, atol=1e-9)


def test_natural_parameters_of_a_quartic_and_the_sign() -> None:
    # p ~ exp(-x^4 / 4) on a grid, so that the parameter of -x^4 / 4 is 1; a grid point counts by its share.
    x = torch.linspace(-5, 5, 2001, dtype=F64)
    share = len(x) * torch.softmax(-(x**4) / 4, 0)
    gradients = -(x**3) * share.sqrt()
    found = answer("natural")(gradients[:, None, None], -3 * (share * x.square())[:, None])
    assert found.item() == pytest.approx(1.0, abs=1e-9)
    turned = wrong("natural", "energy-s-sign")(-X[:, None, None], -torch.ones(4, 1, dtype=F64))
    assert turned.item() == pytest.approx(-1.0, abs=1e-12)


def test_the_slope_of_denoising_and_of_its_usual_mistakes() -> None:
    due = {
        None: -0.8,
        "away-from-the-data": 0.8,
        "undivided-noise": -0.4,
        "score-of-the-clean-data": -1.0,
        "model-at-the-clean-point": 0.0,
    }
    for name, slope in due.items():
        f = answer("denoising-target") if name is None else wrong("denoising-target", name)
        assert f(X, NOISE, 0.5).item() == pytest.approx(slope, abs=1e-12)


def test_the_slope_on_a_sample() -> None:
    n, generator = 200_000, torch.Generator().manual_seed(2)
    x, noise = torch.randn(2, n, generator=generator, dtype=F64)
    noisy, target = x + 0.5 * noise, -noise / 0.5
    # The standard error of a least-squares slope.
    error = ((target + 0.8 * noisy).square().mean() / noisy.square().sum()).sqrt().item()
    assert abs(answer("denoising-target")(x, noise, 0.5).item() + 0.8) < 4 * error


def test_the_denoising_floor_is_the_loss_of_the_exact_score() -> None:
    assert answer("denoising-floor")(numbers(1.0), 0.5).item() == pytest.approx(1.6, abs=1e-12)
    nodes, weights = hermite(8)
    var, sigma, due = numbers(0.4, 2.5), 0.8, 0.0
    for v in var.tolist():
        x, noise = math.sqrt(v) * nodes[:, None], nodes[None, :]
        residual = -(x + sigma * noise) / (v + sigma**2) + noise / sigma
        due += 0.5 * (weights @ residual.square() @ weights).item()
    assert answer("denoising-floor")(var, sigma).item() == pytest.approx(due, abs=1e-12)


def test_two_points_denoise_to_a_hyperbolic_tangent() -> None:
    noisy, sigma = numbers(-1.4, -0.3, 0.2, 0.9, 30.0)[:, None], 0.7
    score, mean = answer("tweedie")(noisy, numbers(-1.0, 1.0)[:, None], sigma)
    torch.testing.assert_close(mean, torch.tanh(noisy / sigma**2))
    torch.testing.assert_close(score[:, 0], score_of(mixture(0.5, -1.0, 1.0, sigma), noisy[:, 0]))


def test_sliced_over_all_signs_is_the_loss_with_the_trace() -> None:
    x = torch.randn(4, 3, generator=torch.Generator().manual_seed(3), dtype=F64)
    signs = [
        torch.tensor(s, dtype=F64).expand(4, 3).contiguous() for s in itertools.product((1.0, -1.0), repeat=3)
    ]
    for field in (FIELDS["wave"], FIELDS["swirl"]):
        found = torch.stack([answer("sliced")(field, x, v) for v in signs]).mean(0)
        torch.testing.assert_close(found, answer("trace")(field, x))


def test_sliced_with_the_energy_s_sign_prefers_no_precision() -> None:
    # Data of variance 2 along one direction: the right minimiser is 0.5, that of the printed form is at most 0.
    x, v = math.sqrt(2.0) * X[:, None], NOISE[:, None]
    grid = torch.arange(0, 2.01, 0.1, dtype=F64)
    for loss, due in ((answer("sliced"), 0.5), (wrong("sliced", "energy-s-sign"), 0.0)):
        values = [loss(lambda x, a=a: -a * x, x, v).mean().item() for a in grid]
        assert grid[int(np.argmin(values))].item() == pytest.approx(due, abs=1e-9)


@pytest.mark.parametrize(
    ("name", "due"),
    [(None, 1.067), ("drift-not-halved", 0.571), ("noise-not-rooted", 0.267), ("noise-doubled", 2.133)],
)
def test_the_variance_at_which_each_step_settles(name: str | None, due: float) -> None:
    def settled(chain: Any) -> float:
        one, zero = torch.ones(1, 1, dtype=F64), torch.zeros(1, 1, dtype=F64)
        factor = chain(torch.neg, one, zero[None], 0.25).item()
        kick = chain(torch.neg, zero, one[None], 0.25).item()
        return kick**2 / (1 - factor**2)

    def pick(slug: str) -> Any:
        return answer(slug) if name is None else wrong(slug, name)

    assert settled(pick("langevin")) == pytest.approx(due, abs=5e-4)
    assert pick("stationary")(numbers(1.0), 0.25).item() == pytest.approx(
        settled(pick("langevin")), abs=1e-12
    )


def test_the_stationary_variance_of_many_chains() -> None:
    n, generator = 40_000, torch.Generator().manual_seed(4)
    var, step = numbers(0.5, 2.0), 1.2
    noise = torch.randn(60, n, 2, generator=generator, dtype=F64)
    x = answer("langevin")(lambda x: -x / var, torch.zeros(n, 2, dtype=F64), noise, step)
    for measured, due in zip(x.var(0).tolist(), answer("stationary")(var, step).tolist(), strict=True):
        assert abs(measured - due) < 4 * due * math.sqrt(2 / n) + 1e-3 * due


def test_a_chain_runs_away_from_four_variances_on() -> None:
    assert answer("stationary")(numbers(1.0, 1.0 + 1e-9), 4.0)[0].item() == math.inf
    kept = answer("stationary")(numbers(1.0), 3.96).item()
    assert kept == pytest.approx(100.0)


def test_the_weight_from_torch_s_score() -> None:
    noisy, sigma = numbers(-1.0, -0.2, 0.4, 1.3), 0.9
    found = answer("hidden-weight")(noisy, score_of(mixture(0.2, -1.0, 1.5, sigma), noisy), -1.0, 1.5, sigma)
    torch.testing.assert_close(found, torch.full_like(found, 0.2), rtol=1e-9, atol=1e-9)


def test_without_enough_noise_the_weight_is_beyond_a_computer() -> None:
    noisy, sigma = numbers(-5.1, 4.8), 0.5
    found = [score_of(mixture(weight, -5.0, 5.0, sigma), noisy) for weight in (0.2, 0.7)]
    assert torch.equal(*found)
    far = numbers(-5.1, 4.8), 6.0
    scores = [score_of(mixture(weight, -5.0, 5.0, far[1]), far[0]) for weight in (0.2, 0.7)]
    for weight, score in zip((0.2, 0.7), scores, strict=True):
        back = answer("hidden-weight")(far[0], score, -5.0, 5.0, far[1])
        torch.testing.assert_close(back, torch.full_like(back, weight), rtol=1e-9, atol=1e-9)


def test_the_ladder_has_equal_divergences_and_costs() -> None:
    sigmas, weights = answer("ladder")(10.0, 0.1, 10)
    assert sigmas[[0, -1]].tolist() == pytest.approx([10.0, 0.1])
    assert sigmas[1].item() == pytest.approx(10 * 10 ** (-2 / 9))
    steps = kl_divergence(Normal(0.0, sigmas[:-1]), Normal(0.0, sigmas[1:]))
    torch.testing.assert_close(steps, steps[:1].expand_as(steps))
    nodes, share = hermite(4)
    costs = torch.stack(
        [w * (share * 0.5 * (nodes / s) ** 2).sum() for s, w in zip(sigmas, weights, strict=True)]
    )
    torch.testing.assert_close(costs, torch.full_like(costs, 0.5))


@pytest.mark.parametrize("sigma", [1.0, 0.3, 0.05])
def test_the_control_keeps_the_mean_and_takes_the_spread(sigma: float) -> None:
    nodes, weights = hermite()

    def field(x: torch.Tensor) -> torch.Tensor:
        return torch.tanh(x) - 1.5 * x

    x = torch.full((len(nodes), 1), 0.7, dtype=F64)
    controlled = answer("control-variate")(field, x, nodes[:, None], sigma)
    plain = 0.5 * (field(x + sigma * nodes[:, None]) + nodes[:, None] / sigma).square()[:, 0]
    mean = (weights @ plain).item()
    assert (weights @ controlled).item() == pytest.approx(mean, rel=1e-9)
    biased = wrong("control-variate", "at-the-noisy-point")(field, x, nodes[:, None], sigma)
    # By Stein's identity its control has the mean E s'(x + sigma noise).
    slope = weights @ (1 / torch.cosh(x[:, 0] + sigma * nodes) ** 2 - 1.5)
    assert (weights @ biased).item() == pytest.approx(mean - slope.item(), rel=1e-6)
    if sigma == 0.05:
        spread = (weights @ (plain - mean).square()).item()
        assert spread == pytest.approx(1 / (2 * sigma**4), rel=0.05)
        # What is left is the noise in s' times the square of the noise.
        left = (weights @ (controlled - mean).square()).item()
        assert left == pytest.approx(2 * (1 / math.cosh(0.7) ** 2 - 1.5) ** 2, rel=0.05)


def test_one_step_of_contrast_is_the_slope_of_the_fisher_divergence() -> None:
    # Data of variance 2, model of precision 0.8, a step of 0.03 squared.
    precision, step = numbers(0.8), 9e-4
    found = answer("contrast")(precision, math.sqrt(2.0) * X[:, None], NOISE[:, None], step).item()
    assert found == pytest.approx(-2.70e-4, abs=5e-7)
    assert found == pytest.approx(step / 2 * (1 - 0.8 * 2.0), rel=1e-3)


def test_differentiating_through_the_step_halves_the_precision() -> None:
    x, noise, step = math.sqrt(2.0) * X[:, None], NOISE[:, None], 1e-4
    held, free = answer("contrast"), wrong("contrast", "through-the-step")
    assert held(numbers(0.5), x, noise, step).item() == pytest.approx(0.0, abs=step**2)
    assert free(numbers(0.25), x, noise, step).item() == pytest.approx(0.0, abs=step**2)
    # That it is the derivative through the step, autograd says.
    precision = numbers(0.6).requires_grad_()
    moved = x - 0.5 * step * precision * x + math.sqrt(step) * noise
    gain = (0.5 * precision * (moved.square() - x.square())).mean(0).sum()
    (due,) = torch.autograd.grad(gain, precision)
    torch.testing.assert_close(free(precision.detach(), x, noise, step), due)
