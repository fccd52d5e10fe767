"""The answers of chapter 14 against numbers from elsewhere: quadrature, optimisers, autograd, eigenvalues, long runs."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy.linalg import expm
from scipy.optimize import minimize, minimize_scalar
from torch.distributions import Normal

from gmlib.exercises import find
from gmlib.exercises.gan._cases import SLOPES
from gmlib.gan import (
    DiracGAN,
    alternating,
    alternating_invariant,
    competitive,
    extragradient,
    log_score_value,
    mmd_witness,
    modulus,
    penalised_slope,
    play,
    rk4,
    simultaneous,
)
from gmlib.metrics import GaussianKernel

F64 = torch.float64


def answer(slug: str) -> Any:
    exercise = find(f"gan.{slug}")
    return exercise.build(exercise.reference)


def wrong(slug: str, name: str) -> Any:
    exercise = find(f"gan.{slug}")
    return exercise.build(exercise.wrong(next(m for m in exercise.mistakes if m.name == name)))


def pick(slug: str, name: str | None) -> Any:
    return answer(slug) if name is None else wrong(slug, name)


def numbers(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=F64)


# N(0, 1) and N(1, 1) as laws on fine cells.
X = torch.arange(-12, 13, 0.002, dtype=F64)
P, Q = (Normal(numbers(m), numbers(1)).log_prob(X).exp() * 0.002 for m in (0.0, 1.0))


@pytest.mark.parametrize(
    ("name", "slope", "intercept"), [(None, -1.0, 0.5), ("ratio-upside-down", 1.0, -0.5)]
)
def test_the_best_logit_on_two_normal_laws(name: str | None, slope: float, intercept: float) -> None:
    near = (X > -2) & (X < 3)
    logit = pick("prior", name)(P[near], Q[near], 0.5)[:-1]
    torch.testing.assert_close(logit, intercept + slope * X[near], rtol=1e-9, atol=1e-9)


def test_four_real_points_for_each_fake_one() -> None:
    # The logistic regression itself, by Newton's method on the exact means of the loss.
    weights = numbers(0, 0)
    rows = torch.stack([X, torch.ones_like(X)], -1)
    for _ in range(30):
        d = torch.sigmoid(rows @ weights)
        gradient = rows.T @ (0.8 * P * (1 - d) - 0.2 * Q * d)
        curvature = (rows.T * ((0.8 * P + 0.2 * Q) * d * (1 - d))) @ rows
        weights = weights + torch.linalg.solve(curvature, gradient)
    assert weights.tolist() == pytest.approx([-1.0, 1.886], abs=5e-4)
    logit = rows @ weights
    torch.testing.assert_close(answer("class-sizes")(logit, 4, 1), 0.5 - X, rtol=1e-6, atol=1e-6)
    near = (X > -2) & (X < 3)
    torch.testing.assert_close(answer("prior")(P[near], Q[near], 0.8)[:-1], logit[near], rtol=1e-6, atol=1e-6)
    forgotten = wrong("class-sizes", "sizes-forgotten")(logit, 4, 1)
    torch.testing.assert_close(forgotten - (0.5 - X), torch.full_like(X, math.log(4)), rtol=1e-6, atol=1e-6)


def test_no_critic_is_paid_more_than_the_best() -> None:
    p, q, prior = numbers(0.5, 0.3, 0.2), numbers(0.1, 0.3, 0.6), 0.7
    p_, q_ = p.numpy(), q.numpy()

    def loss(a: np.ndarray) -> float:
        return float(prior * p_ @ np.logaddexp(0, -a) + (1 - prior) * q_ @ np.logaddexp(0, a))

    found = minimize(loss, np.zeros(3), tol=1e-12)
    due = answer("prior")(p, q, prior)
    assert due[:-1].tolist() == pytest.approx(found.x.tolist(), abs=1e-4)
    assert due[-1].item() == pytest.approx(-found.fun, abs=1e-9)


@pytest.mark.parametrize(
    ("name", "due"),
    [
        (None, -1.16345),
        ("one-jsd-minus-log-4", -1.2749),
        ("two-jsd-minus-log-2", -0.4703),
        ("value-with-weights", -0.5817),
    ],
)
def test_the_value_on_two_normal_laws(name: str | None, due: float) -> None:
    assert pick("value", name)(P, Q, Q)[0].item() == pytest.approx(due, abs=5e-5)


def test_the_value_is_convex_and_planes_support_it() -> None:
    p, q, other = numbers(0.5, 0.3, 0.2), numbers(0.2, 0.2, 0.6), numbers(0.6, 0.3, 0.1)
    value = answer("value")
    ends = value(p, q, q)[0], value(p, other, other)[0]
    for t in (0.25, 0.5, 0.75):
        mix = (1 - t) * q + t * other
        assert value(p, mix, mix)[0] < (1 - t) * ends[0] + t * ends[1]
    # The slope of the value at q, along the line to the other law, is that of the plane.
    at = q.clone().requires_grad_()
    (slope,) = torch.autograd.grad(value(p, at, q)[0], at)
    plane = value(p, q, other)[1] - value(p, q, q)[1]
    torch.testing.assert_close(slope @ (other - q), plane)


@pytest.mark.parametrize("share", [0.8, 0.35])
def test_the_best_hinge_is_found_by_search(share: float) -> None:
    a = torch.arange(-4, 4.0005, 0.001, dtype=F64)
    pay = -share * (1 - a).clamp(min=0) - (1 - share) * (1 + a).clamp(min=0)
    logit, best, honest = answer("hinge")(numbers(share))[0].tolist()
    assert logit == pytest.approx(a[pay.argmax()].item(), abs=1e-6)
    assert best == pytest.approx(pay.max().item(), abs=1e-9)
    if share == 0.8:
        assert (best, honest) == (pytest.approx(-0.4), pytest.approx(-0.4773, abs=5e-5))
        assert torch.sigmoid(numbers(logit)).item() == pytest.approx(0.7311, abs=5e-5)


def test_the_jensen_bound_is_the_value_of_the_game_and_tight() -> None:
    # Many points of both laws at their quantiles, with the best logit 1/2 - x.
    u = (torch.arange(20000, dtype=F64) + 0.5) / 20000
    real = Normal(0.0, 1.0).icdf(u)
    fake = real + 1
    bound = answer("jensen")(0.5 - real, 0.5 - fake).item()
    assert bound == pytest.approx(0.222843, abs=2e-5)
    game = -torch.log1p(torch.exp(real - 0.5)).mean() - torch.log1p(torch.exp(0.5 - fake)).mean()
    assert bound == pytest.approx(math.log(4) + game.item(), abs=1e-9)
    for tilt in (0.8, 1.3):
        assert answer("jensen")(tilt * (0.5 - real), tilt * (0.5 - fake)).item() < bound
    assert math.isnan(wrong("jensen", "outside-the-domain")(0.5 - real, 0.5 - fake).item())


def test_pearson_s_bounds_on_two_normal_laws() -> None:
    near = (X > -9) & (X < 9)
    p, q = P[near], Q[near]
    right = answer("pearson")(p, q, torch.full_like(p, -3.0))
    assert right[1].item() == pytest.approx(math.e - 1, abs=1e-4)
    assert right[0].item() == pytest.approx(-2.0, abs=1e-4)
    printed = wrong("pearson", "hellinger-s-critic")(p, q, torch.zeros_like(p))
    assert printed[1].item() == pytest.approx(0.3840, abs=5e-4)
    # With the parabola for the conjugate everywhere, as some tables have it, it proves less.
    parabola = wrong("pearson", "edge-forgotten")(p, q, 1 - torch.sqrt(q / p))
    assert parabola[0].item() == pytest.approx(0.3704, abs=5e-4)


@pytest.mark.parametrize("c", [-3.0, -2.0, -0.5, 1.7])
def test_pearson_s_conjugate_is_a_supremum(c: float) -> None:
    u = torch.arange(0, 10, 0.0005, dtype=F64)
    conjugate = (u * c - (u - 1).square()).max().item()
    one = numbers(1.0)
    assert answer("pearson")(one, one, numbers(c))[0].item() == pytest.approx(c - conjugate, abs=1e-6)


def test_four_distances_of_two_points() -> None:
    kl, jsd, w1, mmd2 = answer("disjoint")(numbers(0.0), 2.0, 1.0).tolist()
    assert (kl, jsd, w1) == (math.inf, pytest.approx(math.log(2)), 2.0)
    assert mmd2 == pytest.approx(2 * (1 - math.exp(-2)))


def test_mmd_of_the_four_distances_is_that_of_the_metrics() -> None:
    x, shift = numbers(0.0, 0.7, 2.0), -0.45
    kernel = GaussianKernel(0.8)
    y = (x + shift)[:, None]
    mean = kernel(x[:, None], x[:, None]).mean() - 2 * kernel(x[:, None], y).mean() + kernel(y, y).mean()
    assert answer("disjoint")(x, shift, 0.8)[3].item() == pytest.approx(mean.item(), abs=1e-12)
    # Far away it levels off: no gradient.
    far = [answer("disjoint")(x, at, 0.8)[3].item() for at in (20.0, 40.0)]
    assert far[0] == pytest.approx(far[1], abs=1e-12)


@pytest.mark.parametrize(("mean_real", "gamma"), [(1.0, 20.0), (-2.5, 4.0), (0.3, 1.0)])
def test_the_penalised_slope_by_search(mean_real: float, gamma: float) -> None:
    found = minimize_scalar(
        lambda s: -s * mean_real + gamma / 2 * (abs(s) - 1) ** 2,
        bounds=(0, 5) if mean_real > 0 else (-5, 0),
        method="bounded",
        options={"xatol": 1e-10},
    )
    slope, reported = answer("penalty")(numbers(mean_real), numbers(0.0), gamma)[0].tolist()
    assert slope == pytest.approx(found.x, abs=1e-6)
    assert reported / slope == pytest.approx(mean_real)
    if gamma == 20:
        assert slope == pytest.approx(1.05)


def test_the_witness_reaches_the_mmd_and_has_norm_one() -> None:
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randn(6, generator=generator, dtype=F64), torch.randn(4, generator=generator, dtype=F64) + 1
    f = answer("witness")
    kernel = GaussianKernel(0.9)
    every = torch.cat([x, y])[:, None]
    gram = kernel(every, every)
    weights = torch.cat([torch.full((6,), 1 / 6, dtype=F64), torch.full((4,), -1 / 4, dtype=F64)])
    mmd = (weights @ gram @ weights).sqrt()
    gained = f(x, x, y, 0.9).mean() - f(y, x, y, 0.9).mean()
    torch.testing.assert_close(gained, mmd)
    # No other unit combination of bumps separates the samples better.
    for _ in range(20):
        other = torch.randn(10, generator=generator, dtype=F64)
        other = other / (other @ gram @ other).sqrt()
        assert weights @ gram @ other < mmd
    assert f(numbers(40.0), x, y, 0.9).abs().item() < 1e-12


@pytest.mark.parametrize("a", [-5.0, 0.0, 1.3])
def test_slopes_by_autograd(a: float) -> None:
    logit = numbers(a).requires_grad_()
    real = torch.sigmoid(logit)
    due = [
        torch.autograd.grad(loss.sum(), logit, retain_graph=True)[0]
        for loss in (torch.log(1 - real), -torch.log(real))
    ]
    found = answer("saturation")(logit.detach())
    torch.testing.assert_close(found[0], torch.cat(due))
    if a == -5:
        assert found[0].tolist() == pytest.approx([-0.0067, -0.9933], abs=5e-5)


def test_a_round_by_finite_differences_and_what_each_mistake_moves() -> None:
    generator = torch.Generator().manual_seed(1)
    real, z = torch.randn(2, 5, generator=generator, dtype=F64)
    phi, theta, lr = numbers(0.3, -0.7, 0.2), numbers(-0.4, 0.9), 0.4

    def loss(phi: torch.Tensor, theta: torch.Tensor, step: str) -> float:
        fake = theta[0] + theta[1] * z
        a, b = (phi[0] + phi[1] * x + phi[2] * x**2 for x in (real, fake))
        d_real, d_fake = torch.sigmoid(a), torch.sigmoid(b)
        if step == "generator":
            return -d_fake.log().mean().item()
        return -(d_real.log().mean() + (1 - d_fake).log().mean()).item()

    def slopes(at: torch.Tensor, f: Any) -> torch.Tensor:
        unit = 1e-6 * torch.eye(len(at), dtype=F64)
        return numbers(*((f(at + e) - f(at - e)) / 2e-6 for e in unit))

    new_phi = phi - lr * slopes(phi, lambda p: loss(p, theta, "critic"))
    new_theta = theta - lr * slopes(theta, lambda t: loss(new_phi, t, "generator"))
    found = answer("round")(real, z, phi, theta, lr)
    torch.testing.assert_close(found, torch.cat([new_phi, new_theta]), rtol=1e-6, atol=1e-6)

    stuck = wrong("round", "detached-samples")(real, z, phi, theta, lr)
    assert torch.equal(stuck[3:], theta)
    moved = wrong("round", "critic-moved-by-the-generator")(real, z, phi, theta, lr)
    again = new_phi - lr * slopes(new_phi, lambda p: loss(p, theta, "generator"))
    torch.testing.assert_close(moved, torch.cat([again, new_theta]), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(("name", "modulus"), [(None, 1.118), ("new-phi", 1.0)])
def test_the_modulus_of_simultaneous_play(name: str | None, modulus: float) -> None:
    steps = 400
    path = pick("dirac", name)(SLOPES["linear"], numbers(1)[0], numbers(1)[0], 0.5, steps)
    rate = (path[-1].norm() / path[0].norm()).item() ** (1 / steps)
    assert rate == pytest.approx(modulus, abs=2e-3)


@pytest.mark.parametrize(("steps", "radius"), [(100, 1.55), (2000, 3.10)])
def test_small_steps_leave_too(steps: int, radius: float) -> None:
    path = answer("dirac")(SLOPES["logistic"], numbers(1)[0], numbers(1)[0], 0.1, steps)
    assert path[-1].norm().item() == pytest.approx(radius, abs=6e-3)


def test_the_slopes_of_the_losses() -> None:
    u = numbers(-1.2, 0.0, 2.0).requires_grad_()
    losses = {"linear": u.sum(), "logistic": torch.nn.functional.logsigmoid(u).sum()}
    for name, loss in losses.items():
        torch.testing.assert_close(SLOPES[name](u.detach()), torch.autograd.grad(loss, u)[0])


@pytest.mark.parametrize(("eta_phi", "eta_theta"), [(0.5, 0.5), (1.2, 0.1), (0.2, 3.0)])
def test_alternating_play_keeps_the_invariant(eta_phi: float, eta_theta: float) -> None:
    phi, theta, path = 1.0, -0.7, []
    for _ in range(3000):
        path.append((phi, theta))
        phi += eta_phi * theta
        theta -= eta_theta * phi
    states = torch.tensor(path, dtype=F64)
    found = answer("invariant")(states[:, 0], states[:, 1], eta_phi, eta_theta)
    torch.testing.assert_close(found, found[:1].expand_as(found), rtol=1e-9, atol=1e-9)
    for name in ("generator-first", "that-of-the-flow", "mixed-term-doubled"):
        swings = wrong("invariant", name)(states[:, 0], states[:, 1], eta_phi, eta_theta)
        assert swings.max() / swings.min() > 1.1


def test_damping_is_that_of_the_jacobian() -> None:
    gamma = torch.arange(0, 4, 0.25, dtype=F64)
    for slope in (0.5, 1.0):
        found = answer("damping")(gamma, slope)
        for row, g in zip(found, gamma, strict=True):
            values = np.linalg.eigvals(np.array([[-g.item(), slope], [-slope, 0.0]]))
            assert row.tolist() == pytest.approx([-values.real.max(), values.imag.max()], abs=1e-6)
        assert gamma[found[:, 0].argmax()].item() == 2 * slope


def test_the_flow_decays_at_the_rate_of_the_slower_eigenvalue() -> None:
    gamma, slope, t = 2.0, 0.5, 60.0
    field = np.array([[-gamma, slope], [-slope, 0.0]])
    start = np.array([1.0, 1.0])
    radii = [np.linalg.norm(expm(field * time) @ start) for time in (t, t + 1)]
    rate = answer("damping")(numbers(gamma), slope)[0, 0].item()
    assert math.log(radii[0] / radii[1]) == pytest.approx(rate, abs=1e-6)


def test_moduli_of_real_steps_of_the_game() -> None:
    eta = 0.5

    def field(w: torch.Tensor) -> torch.Tensor:
        return torch.stack([w[1], -w[0]])

    def runge_kutta(w: torch.Tensor) -> torch.Tensor:
        k1 = field(w)
        k2 = field(w + eta / 2 * k1)
        k3 = field(w + eta / 2 * k2)
        k4 = field(w + eta * k3)
        return w + eta / 6 * (k1 + 2 * k2 + 2 * k3 + k4)

    def competitive(w: torch.Tensor) -> torch.Tensor:
        # Schafer and Anandkumar's step for V = phi * theta, with the mixed derivative 1.
        scale = eta / (1 + eta**2)
        return torch.stack([w[0] + scale * (w[1] - eta * w[0]), w[1] - scale * (w[0] + eta * w[1])])

    start = numbers(0.6, -1.1)
    ends = [
        start + eta * field(start),
        start + eta * field(start + eta * field(start)),
        competitive(start),
        runge_kutta(start),
    ]
    found = answer("moduli")(numbers(eta))[0]
    due = torch.stack([(end.norm() / start.norm()) for end in ends])
    torch.testing.assert_close(found, due, rtol=1e-9, atol=1e-9)
    assert found.tolist() == pytest.approx([1.1180, 0.9014, 0.8944, 0.99990], abs=5e-5)
    closed = [math.sqrt(1 - eta**2 + eta**4), math.sqrt(1 - eta**6 / 72 + eta**8 / 576)]
    assert found[[1, 3]].tolist() == pytest.approx(closed)


def test_the_exercises_and_the_library_agree_on_conventions() -> None:
    state = numbers(0.8, -1.1)
    path = play(DiracGAN("logistic"), state, simultaneous(0.4), 5)
    torch.testing.assert_close(answer("dirac")(SLOPES["logistic"], state[0], state[1], 0.4, 5), path)
    for gamma in (0.3, 1.0, 2.5):
        values = DiracGAN("logistic", gamma=gamma, penalty="r1").eigenvalues()
        due = [-values.real.max().item(), values.imag.abs().max().item()]
        assert answer("damping")(numbers(gamma), 0.5)[0].tolist() == pytest.approx(due, abs=1e-7)
    rules = [simultaneous(0.7), extragradient(0.7), competitive(0.7), rk4(0.7)]
    due = [modulus(DiracGAN("linear"), rule) for rule in rules]
    assert answer("moduli")(numbers(0.7))[0].tolist() == pytest.approx(due)
    slope = answer("penalty")(numbers(0.0), numbers(2.0), 20.0)[0, 0].item()
    assert abs(slope) == pytest.approx(abs(penalised_slope(2.0, 20.0)))
    real, fake = numbers(0.3, -1.0, 2.0), numbers(0.5, 0.1)
    game = log_score_value(real, fake).item()
    assert answer("jensen")(real, fake).item() == pytest.approx(math.log(4) + game)
    step = alternating(0.5)
    first, later = state, step(DiracGAN("linear"), state)
    kept = [answer("invariant")(s[:1], s[1:], 0.5, 0.5).item() for s in (first, later)]
    assert kept[0] == pytest.approx(kept[1])
    assert kept[0] == pytest.approx(alternating_invariant(DiracGAN("linear"), step, first).item())
    at, x, y = numbers(-1.0, 0.4), numbers(0.0, 0.3, 1.0), numbers(1.5, 2.0)
    bumps = mmd_witness(GaussianKernel(0.9), x[:, None], y[:, None])
    torch.testing.assert_close(answer("witness")(at, x, y, 0.9), bumps(at[:, None]))
