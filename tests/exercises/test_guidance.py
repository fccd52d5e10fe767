"""The answers of chapter 11 against numbers from elsewhere: torch's laws, quadrature, autograd, samplers, counting."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.distributions import MultivariateNormal, Normal

from gmlib.diffusion.guidance import GaussianGuidance
from gmlib.distributions import Gaussian
from gmlib.exercises import find
from gmlib.exercises.guidance._cases import respaced
from gmlib.noise import DDPM, Denoiser, VPCosine, exact_denoiser
from gmlib.noise.guidance import ClassifierFree, ClassifierGuided, Measured, weight_from
from gmlib.noise.samplers import ddim, ddpm_times

F64 = torch.float64
# A class N(1, 1/4) within data N(0, 5/4): the variance of the class's centre is 1.
TOY = GaussianGuidance(1.0, 0.25, 0.0, 1.25)


def answer(slug: str) -> Any:
    exercise = find(f"guidance.{slug}")
    return exercise.build(exercise.reference)


def wrong(slug: str, name: str) -> Any:
    exercise = find(f"guidance.{slug}")
    return exercise.build(exercise.wrong(next(m for m in exercise.mistakes if m.name == name)))


def numbers(*values: float) -> Tensor:
    return torch.tensor(values, dtype=F64)


def score_slope(guess: Any, w: float = 1.0) -> float:
    """The slope of the score at half the signal, for data N(0, 1) and a condition N(x, 1/2)."""
    noise = guess(numbers(0.0, 1.0), 0.7, 0.5, 0.5, w)
    return -(noise[1] - noise[0]).item() / math.sqrt(0.5)


@pytest.mark.parametrize(
    ("name", "due"),
    [
        (None, -1.5),
        ("noise-turned-round", -0.5),
        ("length-not-converted", -1 - math.sqrt(0.5)),
        ("never-saw-noise", -3.0),
        ("guess-taken-for-the-truth", -2.0),
    ],
)
def test_the_slope_that_a_classifier_gives(name: str | None, due: float) -> None:
    guess = answer("guided-noise") if name is None else wrong("guided-noise", name)
    assert score_slope(guess) == pytest.approx(due, abs=1e-12)


def test_three_times_the_weight_has_the_slope_of_the_chapter() -> None:
    assert score_slope(answer("guided-noise"), 3.0) == pytest.approx(-2.5, abs=1e-12)


def test_the_guided_noise_at_full_weight_is_that_of_the_class() -> None:
    c, s2, bar = 1.3, 0.7, 0.35
    x = numbers(-1.0, 0.2, 2.0)
    # x0 and c are jointly normal; condition, then noise.
    mean, var = c / (1 + s2), 1 - 1 / (1 + s2)
    score = (math.sqrt(bar) * mean - x) / (bar * var + 1 - bar)
    due = -math.sqrt(1 - bar) * score
    torch.testing.assert_close(answer("guided-noise")(x, c, bar, s2, 1.0), due)


def test_the_guided_noise_is_that_of_the_library() -> None:
    c, s2, w, t, schedule = 0.8, 0.4, 2.5, 0.4, VPCosine()
    bar = schedule.alpha(torch.tensor(t, dtype=F64)).item() ** 2

    def log_prob(x: Tensor, time: float) -> Tensor:
        return -((c - math.sqrt(bar) * x[:, 0]) ** 2) / (2 * (s2 + 1 - bar))

    prior = exact_denoiser(Gaussian(torch.zeros(1, dtype=F64), var=1.0), schedule)
    x = numbers(-0.5, 1.1)
    due = ClassifierGuided(prior, log_prob, w).eps(x[:, None], t)[:, 0]
    torch.testing.assert_close(answer("guided-noise")(x, c, bar, s2, w), due)


def exact_step(mean: float, var: float, a: float, b: float, w: float) -> tuple[float, float]:
    """Mean and variance of N(mean, var) times the classifier's power w, on a grid."""
    x = mean + math.sqrt(var) * torch.linspace(-12, 12, 40_001, dtype=F64)
    share = torch.softmax(
        Normal(numbers(mean), math.sqrt(var)).log_prob(x) + w * torch.nn.functional.logsigmoid(a * x + b), 0
    )
    centre = (share * x).sum()
    return centre.item(), (share * (x - centre).square()).sum().item()


def test_the_numbers_of_a_guided_step() -> None:
    found = answer("shifted-mean")(numbers(0.0), 0.1, 2.0, 0.0, 1.0)[:, 0].tolist()
    assert found == pytest.approx([0.1, 0.1 / 1.1, 0.1 / 1.1], abs=1e-12)
    assert exact_step(0.0, 0.1, 2.0, 0.0, 1.0)[0] == pytest.approx(0.0916, abs=5e-5)


def test_what_tangent_and_parabola_miss_to_second_order() -> None:
    def misses(var: float) -> list[float]:
        tangent, parabola, spread = answer("shifted-mean")(numbers(1.0), var, 1.5, -0.4, 2.0)[:, 0].tolist()
        mean, width = exact_step(1.0, var, 1.5, -0.4, 2.0)
        return [abs(tangent - mean), abs(parabola - mean), abs(spread - width)]

    first, second = misses(0.002), misses(0.001)
    # The third derivative moves the mean by half of it times the square of the variance.
    p = 1 / (1 + math.exp(-(1.5 * 1.0 - 0.4)))
    third = -2.0 * 1.5**3 * p * (1 - p) * (1 - 2 * p)
    bent = 2.0**2 * 1.5**2 * p * (1 - p) * 1.5 * (1 - p)
    assert second[1] == pytest.approx(abs(third) / 2 * 0.001**2, rel=0.05)
    assert second[0] == pytest.approx(abs(bent - third / 2) * 0.001**2, rel=0.05)
    # The variance is right to second order, and the tangent's, the step's own, is not.
    assert first[2] / second[2] == pytest.approx(8, rel=0.1)


def test_a_straight_classifier_makes_the_tangent_exact() -> None:
    # Far out the logarithm of the probability is the straight line 2 x.
    mean, var = exact_step(-12.0, 0.3, 2.0, 0.0, 1.5)
    tangent, parabola, spread = answer("shifted-mean")(numbers(-12.0), 0.3, 2.0, 0.0, 1.5)[:, 0].tolist()
    assert (mean, mean, var) == pytest.approx((tangent, parabola, spread), abs=1e-6)
    assert tangent == pytest.approx(-12 + 1.5 * 0.3 * 2, abs=1e-6)
    lost = wrong("shifted-mean", "gradient-of-the-probability")(numbers(-12.0), 0.3, 2.0, 0.0, 1.5)
    assert lost[0].item() == pytest.approx(-12, abs=1e-6)


@pytest.mark.parametrize(("base", "convention"), [("unconditional", "difference"), ("conditional", "excess")])
def test_both_texts_are_the_library_s(base: str, convention: Any) -> None:
    uncond, cond = numbers(0.3, -1.0), numbers(1.0, 0.5)

    def network(x: Tensor, t: Tensor, label: Tensor) -> Tensor:
        return torch.where(label[:, None] == 0, cond, uncond)

    model = Denoiser(network, VPCosine(), "eps")
    for strength in (0.0, 1.0, -1.0, 3.0):
        guided = ClassifierFree(model, weight_from(strength, convention), {"label": 1})
        due = guided.eps(torch.zeros(1, 2, dtype=F64), 0.5, label=torch.tensor([0]))[0]
        torch.testing.assert_close(answer("one-weight")(uncond, cond, strength, base), due)


def test_the_hidden_classifier_is_the_exact_one() -> None:
    # Two classes, at 1 and -1/2; the gradient of the best classifier that was told the noise, by autograd.
    centres, var, alpha, sigma = numbers(1.0, -0.5), 0.3, 0.6, 0.7
    x = numbers(-1.1, 0.2, 0.8).requires_grad_()
    total = alpha**2 * var + sigma**2
    log_p = Normal(alpha * centres[:, None], math.sqrt(total)).log_prob(x)
    (due,) = torch.autograd.grad((log_p[0] - log_p.logsumexp(0)).sum(), x, retain_graph=True)
    (score,) = torch.autograd.grad(log_p.logsumexp(0).sum(), x)
    x = x.detach()
    told = (alpha * centres[0] - x) / total
    for kind, turn in (
        ("score", lambda s: s),
        ("eps", lambda s: -sigma * s),
        ("x0", lambda s: (x + sigma**2 * s) / alpha),
    ):
        found = answer("hidden-classifier")(kind, turn(score), turn(told), alpha, sigma)
        torch.testing.assert_close(found, due)


@pytest.mark.parametrize("w", [0.0, 0.5, 1.0, 2.0, 4.0])
def test_the_aim_by_quadrature_and_the_field_by_autograd(w: float) -> None:
    bar = 0.5
    x = torch.linspace(-12, 12, 40_001, dtype=F64)
    one, every = Normal(numbers(1.0), 0.5).log_prob(x), Normal(numbers(0.0), math.sqrt(1.25)).log_prob(x)
    share = torch.softmax(w * one + (1 - w) * every, 0)
    mean = (share * x).sum()
    var = (share * (x - mean).square()).sum()
    at = numbers(0.1, 1.1).requires_grad_()
    parts = [
        Normal(math.sqrt(bar) * m, math.sqrt(bar * v + 1 - bar)).log_prob(at)
        for m, v in ((numbers(1.0), 0.25), (numbers(0.0), 1.25))
    ]
    (score,) = torch.autograd.grad((w * parts[0] + (1 - w) * parts[1]).sum(), at)
    found = answer("aim-and-field")(1.0, 0.25, 1.25, numbers(w), numbers(bar))[:, 0]
    due = torch.stack([mean, var, score[1] - score[0], -1 / (bar * var + 1 - bar)])
    torch.testing.assert_close(found, due, rtol=1e-8, atol=1e-8)
    # Concave in the precision: the guided score is steeper beyond w = 1, and less steep between 0 and 1.
    gap = (found[2] - found[3]).item()
    assert abs(gap) < 1e-12 if w in (0, 1) else gap * (w - 1) < 0


def test_the_numbers_of_the_two_slopes() -> None:
    aim = answer("aim-and-field")
    assert aim(1.0, 0.25, 1.25, numbers(2.0), numbers(0.5))[:, 0].tolist() == pytest.approx(
        [1.1111, 0.1389, -2.3111, -1.7561], abs=5e-5
    )
    found = aim(0.0, 1 / 3, 1.0, numbers(3.0), numbers(0.5))[2:, 0].tolist()
    assert found == pytest.approx([-2.5, -1.75], abs=1e-12)
    assert aim(1.0, 0.25, 1.25, numbers(1e9), numbers(0.5))[0].item() == pytest.approx(1.25, abs=1e-6)


@pytest.mark.parametrize(
    ("name", "steps", "mean", "var"),
    [
        (None, 1000, 1.2003, 0.1037),
        (None, 100, 1.2029, 0.1066),
        ("takes-it-for-the-tilt", 100, 1.1111, 0.1389),
    ],
)
def test_what_comes_out(name: str | None, steps: int, mean: float, var: float) -> None:
    run = answer("what-comes-out") if name is None else wrong("what-comes-out", name)
    found = run(1.0, 0.25, 1.25, 2.0, respaced(steps)).tolist()
    assert found == pytest.approx([mean, var], abs=5e-5)


def test_what_comes_out_is_what_the_library_s_samplers_make() -> None:
    schedule, times = DDPM.linear(), ddpm_times(DDPM.linear(), 100)
    bar = schedule.alpha_bar[::10]
    start = 1 - bar[-1].item()
    found = answer("what-comes-out")(1.0, 0.25, 1.25, 2.0, bar)
    due = TOY.sampled(2.0, schedule, times)[-1]
    # The library starts from the noise's own variance, 1 - alpha_bar = 0.99996.
    assert start == pytest.approx(1, abs=5e-5)
    assert found.tolist() == pytest.approx([due.mean, due.var], abs=1e-6)
    still = TOY.sampled(2.0, schedule, ddpm_times(schedule, 1000), sampler="ddim")[-1]
    assert (still.mean, still.var) == pytest.approx((1.320, 0.049), abs=5e-4)
    assert TOY.flow_limit(2.0).var == pytest.approx(0.25**2 / 1.25, rel=1e-9)


def count(method: str, times: Tensor, w: float, low: float, high: float) -> list[int]:
    """Rows that the networks see, of a sampler that is run."""
    seen = [0, 0]

    def network(x: Tensor, t: Tensor, label: Tensor | None = None) -> Tensor:
        seen[0] += len(x)
        return torch.zeros_like(x)

    def log_prob(x: Tensor, t: Tensor) -> Tensor:
        seen[1] += len(x)
        return -x.square().sum(1)

    plain, x = Denoiser(network, VPCosine(), "eps"), torch.zeros(1, 1)
    if method == "free":
        guided = ClassifierFree(plain, w, {"label": 1}, interval=(low, high))
        ddim(guided, x, times, label=torch.tensor([0]))
    else:
        ddim(ClassifierGuided(plain, log_prob, w) if method == "classifier" else plain, x, times)
    return seen


@pytest.mark.parametrize("method", ["none", "classifier", "free"])
@pytest.mark.parametrize("w", [0.0, 1.0, 2.5])
def test_the_count_is_that_of_a_sampler_that_runs(method: str, w: float) -> None:
    # Exact binary fractions; the schedule's own end, where alpha is 0, is left out.
    times = torch.arange(15, -1, -1, dtype=F64) / 16
    for low, high in ((0.25, 0.75), (0.3, 0.6), (0.0, 1.0)):
        found = answer("network-calls")(method, times, w, low, high).tolist()
        assert found == count(method, times, w, low, high)


def test_forty_steps() -> None:
    calls, times = answer("network-calls"), torch.linspace(1, 0, 41, dtype=F64)
    assert calls("free", times, 3.0, 0.0, 1.0).tolist() == [80, 0]
    assert calls("free", times, 3.0, 0.25, 0.75).tolist() == [61, 0]


def test_the_measured_score_is_that_of_the_joint_law() -> None:
    var, noise_var, alpha, sigma = numbers(0.5, 1.2, 2.0), 0.3, 0.6, 0.7
    matrix, y = torch.tensor([[1.0, 0.5, 0.0], [0.0, -0.3, 1.0]], dtype=F64), numbers(0.4, -1.0)
    x = torch.tensor([[0.3, -0.2, 1.0], [-1.0, 0.0, 0.5]], dtype=F64, requires_grad=True)
    own = torch.diag(alpha**2 * var + sigma**2)
    cross = alpha * torch.diag(var) @ matrix.T
    seen = matrix @ torch.diag(var) @ matrix.T + noise_var * torch.eye(2, dtype=F64)
    joint = torch.cat([torch.cat([own, cross], 1), torch.cat([cross.T, seen], 1)])
    both = torch.cat([x, y.expand(2, 2)], 1)
    log_p = MultivariateNormal(torch.zeros(5, dtype=F64), joint).log_prob(both)
    log_p = log_p - MultivariateNormal(torch.zeros(3, dtype=F64), own).log_prob(x)
    (due,) = torch.autograd.grad(log_p.sum(), x)
    exact, _ = answer("half-seen")(x.detach(), y, matrix, var, noise_var, alpha, sigma)
    torch.testing.assert_close(exact, due)


def test_both_measured_scores_are_the_library_s() -> None:
    t, schedule, var = 0.4, VPCosine(), numbers(0.5, 2.0)
    alpha, sigma = (f(torch.tensor(t, dtype=F64)).item() for f in (schedule.alpha, schedule.sigma))
    matrix, y, x = torch.tensor([[1.0, -0.6]], dtype=F64), numbers(0.7), torch.ones(2, 2, dtype=F64)
    prior = exact_denoiser(Gaussian(torch.zeros(2, dtype=F64), var=var), schedule)
    found = answer("half-seen")(x, y, matrix, var, 0.2, alpha, sigma)
    for row, covariance in zip(found, ("tweedie", "none"), strict=True):
        due = Measured(prior, matrix, y, 0.2, covariance=covariance).score(x, t) - prior.score(x, t)
        torch.testing.assert_close(row, due)


def test_the_shortcut_pulls_five_times_too_strong_in_the_noise() -> None:
    one = torch.ones(1, 1, dtype=F64)
    exact, short = answer("half-seen")(0 * one, numbers(1.0), one, numbers(1.0), 0.25, 1e-4, 1.0).flatten()
    assert (short / exact).item() == pytest.approx(5, abs=1e-6)


@pytest.mark.parametrize(
    ("row", "noisy", "mean", "var"),
    [(0, True, 0.800, 0.2007), (1, True, 0.982, 0.125), (1, False, 1.275, 0.018)],
)
def test_what_the_two_scores_sample(row: int, noisy: bool, mean: float, var: float) -> None:
    # Data N(0, 1), seen as y = 1 with the variance 1/4: the law given y is N(0.8, 0.2). The score is linear.
    bar, one = respaced(1000), torch.ones(1, dtype=F64)
    scores, points = answer("half-seen"), numbers(0.0, 1.0)[:, None]
    centre, spread = 0.0, 1.0
    for k in range(1000, 0, -1):
        now, before = bar[k].item(), bar[k - 1].item()
        pull = scores(points, one, one[:, None], one, 0.25, math.sqrt(now), math.sqrt(1 - now))[row, :, 0]
        start, end = (pull - points[:, 0]).tolist()
        ratio = now / before
        if noisy:
            step, fresh = 1 - ratio, (1 - ratio) * (k > 1)
        else:  # DDIM: the guess of x0 and of the noise, put together again at the time before.
            step, fresh = 1 - now - math.sqrt(ratio * (1 - now) * (1 - before)), 0.0
        factor, shift = (1 + step * (end - start)) / math.sqrt(ratio), step * start / math.sqrt(ratio)
        centre, spread = factor * centre + shift, factor**2 * spread + fresh
    assert centre == pytest.approx(mean, abs=6e-4)
    assert spread == pytest.approx(var, abs=6e-4)
