"""The answers of chapter 09 against numbers from elsewhere: torch's laws, quadrature, recursions, simulation."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.distributions import Normal, kl_divergence

from gmlib.exercises import find
from gmlib.exercises.diffusion._cases import basis, ddpm_chain, respaced

F64 = torch.float64
BETAS = torch.tensor([0.08, 0.2, 0.13, 0.3, 0.25], dtype=F64)
DDPM = ddpm_chain()


def answer(slug: str) -> Any:
    exercise = find(f"diffusion.{slug}")
    return exercise.build(exercise.reference)


def wrong(slug: str, name: str) -> Any:
    exercise = find(f"diffusion.{slug}")
    return exercise.build(exercise.wrong(next(m for m in exercise.mistakes if m.name == name)))


def numbers(*values: float) -> Tensor:
    return torch.tensor(values, dtype=F64)


def products(betas: Tensor) -> Tensor:
    return torch.cat([numbers(1.0), (1 - betas).cumprod(0)])


def spread(jump: Any, betas: Tensor, k: int) -> float:
    """The variance after k steps of data of variance 1, from the two factors of a jump."""
    one, zero = numbers(1.0), numbers(0.0)
    return jump(one, zero, betas, k).item() ** 2 + jump(zero, one, betas, k).item() ** 2


def test_the_jump_is_the_walk() -> None:
    signal, variance = 1.0, 0.0
    for k, beta in enumerate(BETAS.tolist(), 1):
        signal, variance = math.sqrt(1 - beta) * signal, (1 - beta) * variance + beta
        found = answer("all-at-once")(numbers(1.0, 0.0), numbers(0.0, 1.0), BETAS, k)
        torch.testing.assert_close(found, numbers(signal, math.sqrt(variance)))
        assert spread(answer("all-at-once"), BETAS, k) == pytest.approx(1.0, abs=1e-12)


def test_the_usual_jumps_and_their_variance() -> None:
    half = numbers(0.2, 0.375)
    assert spread(wrong("all-at-once", "noise-not-rooted"), half, 2) == pytest.approx(0.75)
    late = wrong("all-at-once", "index-off-by-one")(numbers(0.0), numbers(1.0), BETAS, 1).item()
    assert late**2 == pytest.approx(1 - 0.92 * 0.8)
    # A loop that draws its noise once.
    x = 0.0
    for beta in DDPM.tolist():
        x = math.sqrt(1 - beta) * x + math.sqrt(beta)
    once = wrong("all-at-once", "one-draw-for-all-steps")(numbers(0.0), numbers(1.0), DDPM, 1000).item()
    assert once == pytest.approx(x)
    assert once == pytest.approx(15, abs=0.05)


def test_two_starts_as_the_book_has_them() -> None:
    error, limit = answer("told-apart")(numbers(1.7 / 0.6), numbers(0.36)).flatten().tolist()
    assert error == pytest.approx(0.1440, abs=5e-5)
    assert limit == pytest.approx(0.2843, abs=5e-5)


def test_the_error_is_half_of_what_the_two_laws_share() -> None:
    gap, bar = 1.3, 0.55
    x = torch.linspace(-12, 12, 240_001, dtype=F64)
    centre, std = math.sqrt(bar) * gap / 2, math.sqrt(1 - bar)
    p, q = (Normal(numbers(sign * centre), std).log_prob(x).exp() for sign in (-1, 1))
    shared = torch.trapezoid(torch.minimum(p, q), x).item()
    geometric = torch.trapezoid((p * q).sqrt(), x).item()
    error, limit = answer("told-apart")(numbers(gap), numbers(bar)).flatten().tolist()
    assert error == pytest.approx(shared / 2, abs=1e-8)
    assert limit == pytest.approx(geometric / 2, abs=1e-8)
    # At the end of DDPM's chain, the bet is a coin.
    last = answer("told-apart")(numbers(2.0), products(DDPM)[-1:])[0].item()
    assert 0.49 < last < 0.5


def test_the_step_back_is_bayes_rule() -> None:
    weights = answer("reverse-posterior")(BETAS)
    bar, x0, noisy = products(BETAS), 0.7, -0.4
    x = torch.linspace(-10, 10, 200_001, dtype=F64)
    for k in range(2, 6):
        beta = BETAS[k - 1]
        log_p = Normal(bar[k - 1].sqrt() * x0, (1 - bar[k - 1]).sqrt()).log_prob(x)
        log_p += Normal((1 - beta).sqrt() * x, beta.sqrt()).log_prob(numbers(noisy))
        share = torch.softmax(log_p, 0)
        mean = (share * x).sum()
        on_noisy, on_clean, variance, front, on_noise = weights[:, k - 1]
        torch.testing.assert_close(on_noisy * noisy + on_clean * x0, mean, rtol=1e-9, atol=1e-9)
        torch.testing.assert_close(variance, (share * (x - mean).square()).sum(), rtol=1e-8, atol=1e-9)
        noise = (noisy - bar[k].sqrt() * x0) / (1 - bar[k]).sqrt()
        torch.testing.assert_close(front * noisy + on_noise * noise, mean, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", ["index-off-by-one", "wraps-around"])
def test_a_wrong_index_leaves_something_to_draw_at_the_last_step(name: str) -> None:
    assert answer("reverse-posterior")(BETAS)[2, 0] == 0
    assert wrong("reverse-posterior", name)(BETAS)[2, 0] > 0.03


def test_the_price_is_the_divergence() -> None:
    variances = BETAS[1:] * numbers(0.7, 1.0, 1.3, 0.5)
    weights, constants = answer("price-of-noise")(BETAS, variances)
    _, _, exact, front, on_noise = answer("reverse-posterior")(BETAS)[:, 1:]
    noisy, noise, guess = 0.3, 0.9, -0.5
    true = Normal(front * noisy + on_noise * noise, exact.sqrt())
    model = Normal(front * noisy + on_noise * guess, variances.sqrt())
    torch.testing.assert_close(weights * (noise - guess) ** 2 + constants, kl_divergence(true, model))


def test_the_prices_on_ddpm_s_chain() -> None:
    weights, constants = answer("price-of-noise")(DDPM, DDPM[1:])
    assert constants[0].item() == pytest.approx(0.12, abs=5e-3)
    assert weights[0].item() == pytest.approx(0.27, abs=5e-3)
    assert weights[-1].item() == pytest.approx(0.010, abs=5e-4)
    # Entry 0 is step 2, so step 92 is entry 90.
    assert constants[89] > 1e-4
    assert bool((constants[90:] < 1e-4).all())
    squared, _ = wrong("price-of-noise", "price-squared")(DDPM, torch.full((999,), 0.01, dtype=F64))
    due, _ = answer("price-of-noise")(DDPM, torch.full((999,), 0.01, dtype=F64))
    torch.testing.assert_close(squared, 100 * due)


@pytest.mark.parametrize("betas", [BETAS, DDPM, BETAS[:1]], ids=["five", "thousand", "one"])
def test_the_bound_is_tight_for_unit_normal_data(betas: Tensor) -> None:
    entropy = 0.5 * math.log(2 * math.pi * math.e)
    assert answer("tight-bound")(1.0, betas).item() == pytest.approx(entropy, abs=1e-11)


def test_the_bound_is_the_mean_of_log_ratios() -> None:
    # The chain of Gaussians is one Gaussian: KL between the joint laws of data and chain, and of the model.
    var, T = 0.4, 3
    betas, bar = BETAS[:T], products(BETAS[:T])
    forward = torch.zeros(T + 1, T + 1, dtype=F64)  # covariance of x_0, ..., x_T
    for i in range(T + 1):
        for j in range(i, T + 1):
            carried = (bar[j] / bar[i]).sqrt() * (bar[i] * var + 1 - bar[i])
            forward[i, j] = forward[j, i] = carried
    # The model is x_T = z, x_{k-1} = a_k x_k + sqrt(beta_k) z: its precision is a sum of squares.
    precision = torch.zeros_like(forward)
    precision[T, T] = 1.0
    log_det = 0.0
    for k in range(1, T + 1):
        beta, now, before = betas[k - 1], bar[k], bar[k - 1]
        factor = (1 - beta).sqrt() * (before * var + 1 - before) / (now * var + 1 - now)
        row = torch.zeros(T + 1, dtype=F64)
        row[k - 1], row[k] = 1.0, -factor
        precision += torch.outer(row, row) / beta
        log_det += math.log(beta)
    cross = 0.5 * ((T + 1) * math.log(2 * math.pi) + log_det + (precision * forward).sum().item())
    noise = 0.5 * (T * math.log(2 * math.pi * math.e) + betas.log().sum().item())
    assert answer("tight-bound")(var, betas).item() == pytest.approx(cross - noise, abs=1e-12)


def test_what_the_bound_is_not() -> None:
    assert wrong("tight-bound", "sum-of-simple-losses")(1.0, DDPM).item() == pytest.approx(275.5, abs=0.05)
    leak = answer("tight-bound")(0.25, DDPM).item() - 0.5 * math.log(2 * math.pi * math.e * 0.25)
    assert leak == pytest.approx(0.0011, abs=5e-5)


def test_the_true_variance_is_that_of_conditioning() -> None:
    for var in (0.3, 1.0, 4.0):
        bar = products(BETAS)
        marginal = bar * var + 1 - bar
        found = answer("reverse-variance")(var, BETAS)
        for k in range(1, 6):
            cross = (1 - BETAS[k - 1]).sqrt() * marginal[k - 1]
            torch.testing.assert_close(found[k - 1], marginal[k - 1] - cross**2 / marginal[k])
    assert answer("reverse-variance")(4.0, DDPM)[300].item() == pytest.approx(0.0060961, abs=5e-8)
    assert DDPM[300].item() == pytest.approx(0.0060760, abs=5e-8)


@pytest.mark.parametrize(("place", "variance"), [(3.0, 0.0265), (1.0, 0.02038)])
def test_between_two_points_a_step_back_is_wider_than_beta(place: float, variance: float) -> None:
    before, beta = 0.5, 0.02
    x = torch.linspace(-1.5, 1.5, 300_001, dtype=F64)
    law = Normal(numbers(place, -place)[:, None] * math.sqrt(before), math.sqrt(1 - before))
    step = Normal(math.sqrt(1 - beta) * x, math.sqrt(beta)).log_prob(numbers(0.0))
    share = torch.softmax(law.log_prob(x).logsumexp(0) + step, 0)
    found = (share * x.square()).sum().item()
    assert found == pytest.approx(variance, abs=5e-5)
    assert found > beta
    assert math.sqrt(before) * 3 * beta / 0.51 == pytest.approx(0.083, abs=5e-4)
    assert beta * before / 0.51 == pytest.approx(0.0196, abs=5e-5)


def final_variance(sampler: Any, steps: int, var: float = 0.25) -> float:
    """The variance of what a sampler makes of N(0, 1) with the best guess for N(0, var)."""
    bar = respaced(steps)

    def guess(x: Tensor, k: int) -> Tensor:
        return (1 - bar[k]).sqrt() * x / (bar[k] * var + 1 - bar[k])

    start, noise = basis(steps)
    return sampler(guess, start, noise, bar).square().sum().item()


@pytest.mark.parametrize(
    ("name", "steps", "due"),
    [
        (None, 1000, 0.2508),
        (None, 50, 0.2619),
        ("noise-in-the-last-step", 50, 0.2676),
        ("beta-tilde", 1000, 0.2461),
        ("beta-tilde", 50, 0.1972),
        ("bars-everywhere", 1000, 0.0112),
        ("no-bar", 1000, 0.0305),
    ],
)
def test_the_variance_that_comes_out(name: str | None, steps: int, due: float) -> None:
    sampler = answer("walk-back") if name is None else wrong("walk-back", name)
    assert final_variance(sampler, steps) == pytest.approx(due, abs=5e-5)


def test_with_a_bar_in_front_the_variance_overflows() -> None:
    assert final_variance(wrong("walk-back", "bar-in-front"), 50) > 1e30
    assert not math.isfinite(final_variance(wrong("walk-back", "bar-in-front"), 1000))


def test_the_walk_is_the_recursion_of_the_chapter() -> None:
    var, bar = 0.25, respaced(50)
    marginal, variance = bar * var + 1 - bar, 1.0
    for k in range(50, 0, -1):
        ratio = bar[k] / bar[k - 1]
        variance = ratio * (marginal[k - 1] / marginal[k]) ** 2 * variance + (1 - ratio) * (k > 1)
    assert final_variance(answer("walk-back"), 50) == pytest.approx(float(variance), abs=1e-12)


def test_four_answers_of_a_mixture_are_its_own() -> None:
    # Data at 1 and -1/2 with equal chance; the score by autograd, the clean point by Bayes' rule.
    data, alpha, sigma = numbers(1.0, -0.5), 0.6, 0.7
    x = numbers(-1.1, 0.2, 0.8).requires_grad_()
    log_p = Normal(alpha * data[:, None], sigma).log_prob(x)
    (score,) = torch.autograd.grad(log_p.logsumexp(0).sum(), x)
    x = x.detach()
    clean = (torch.softmax(log_p.detach(), 0) * data[:, None]).sum(0)
    noise = (x - alpha * clean) / sigma
    due = torch.stack([clean, noise, alpha * noise - sigma * clean, score])
    for row, kind in enumerate(("x0", "eps", "v", "score")):
        torch.testing.assert_close(answer("four-answers")(kind, due[row], x, alpha, sigma), due)


def test_the_calm_schedule_costs_the_same_at_every_instant() -> None:
    low, high = math.log(1e-3), math.log(1e4)
    t = torch.linspace(0, 1, 201, dtype=F64).requires_grad_()
    level, integrand = answer("calm-schedule")(1.0, low, high, t)
    # On a path that keeps variance 1, the logarithm of the noise's variance is linear in t.
    noise = torch.nn.functional.logsigmoid(-level)
    torch.testing.assert_close(noise.diff(), (noise[-1] - noise[0]).expand(200) / 200, rtol=1e-6, atol=1e-9)
    (slope,) = torch.autograd.grad(level.sum(), t)
    torch.testing.assert_close(-0.5 * slope * torch.sigmoid(level), integrand, rtol=1e-9, atol=1e-9)
    assert integrand[0].item() == pytest.approx(4.605, abs=5e-4)


@pytest.mark.parametrize("name", ["even-in-log-snr", "even-in-snr"])
def test_other_schedules_have_the_same_mean_and_more_spread(name: str) -> None:
    t = (torch.arange(200_000, dtype=F64) + 0.5) / 200_000
    ends = 0.7, -3.0, 4.0
    calm, other = answer("calm-schedule")(*ends, t)[1], wrong("calm-schedule", name)(*ends, t)[1]
    assert other.mean().item() == pytest.approx(calm.mean().item(), rel=1e-4)
    assert calm.var() < 1e-20
    assert other.var() > 0.2


@pytest.mark.parametrize("n", [1, 4, 9])
def test_the_two_spreads_by_quadrature(n: int) -> None:
    slope, bend = 0.8, -1.7
    nodes, weights = (torch.tensor(v) for v in np.polynomial.legendre.leggauss(8))
    w, weights = (nodes + 1) / 2, weights / 2

    def f(t: Tensor) -> Tensor:
        return slope * t + bend * t**2

    mean = (weights * f(w)).sum()
    alone = (weights * (f(w) - mean).square()).sum() / n
    batch = f((w[:, None] + torch.arange(n)) / n).mean(1)
    shared = (weights * (batch - mean).square()).sum()
    torch.testing.assert_close(answer("even-times")(slope, bend, n), torch.stack([alone, shared]))


def test_a_shared_shift_in_a_simulation() -> None:
    n, draws, generator = 6, 40_000, torch.Generator().manual_seed(0)
    slope, bend = 1.5, -0.6
    alone = torch.rand(draws, n, generator=generator, dtype=F64)
    shared = (torch.rand(draws, 1, generator=generator, dtype=F64) + torch.arange(n) / n) % 1.0
    for times, due in zip((alone, shared), answer("even-times")(slope, bend, n).tolist(), strict=True):
        means = (slope * times + bend * times**2).mean(1)
        # The relative standard error of a variance is at most about sqrt(2 / draws) for light tails.
        assert means.var().item() == pytest.approx(due, rel=4 * math.sqrt(2 / draws))


def test_independent_draws_in_cells_are_the_calmest() -> None:
    cells = wrong("even-times", "independent-in-cells")(1.0, 0.0, 10)[1].item()
    assert cells == pytest.approx(1 / (12 * 10**3))
