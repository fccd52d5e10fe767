"""Update rules on DiracGAN: one matrix, three ways to know it (closed form, differences of a step, growth along a path)."""

import math

import numpy as np
import pytest
import torch

from gmlib.gan import (
    DiracGAN,
    Rule,
    TwoPlayerGame,
    alternating,
    alternating_invariant,
    competitive,
    consensus,
    extragradient,
    measured_modulus,
    modulus,
    momentum,
    play,
    rk4,
    simultaneous,
    step_matrix,
    unrolled,
)

F64 = torch.float64
START = torch.ones(2, dtype=F64)
LINEAR, LOGISTIC = DiracGAN("linear"), DiracGAN("logistic")
RULES = {
    "simultaneous": simultaneous(0.3),
    "alternating": alternating(0.3),
    "theta first": alternating(0.3, first="theta"),
    "three critic steps": alternating(0.3, critic_steps=3),
    "theta first, two critic steps": alternating(0.3, first="theta", critic_steps=2),
    "momentum": momentum(0.3, -0.4),
    "simultaneous momentum": momentum(0.3, 0.4, order="simultaneous"),
    "extragradient": extragradient(0.3),
    "consensus": consensus(0.3, 0.5),
    "unrolled": unrolled(0.3, inner=0.2),
    "unrolled thrice": unrolled(0.3, inner=0.2, steps=3),
    "competitive": competitive(0.3),
    "rk4": rk4(0.3),
}


def radius(game: DiracGAN, rule: Rule, steps: int) -> torch.Tensor:
    return play(game, START, rule, steps).norm(dim=-1)


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize(
    "game",
    [
        LINEAR,
        DiracGAN("logistic", gamma=0.7, penalty="r1", rate_phi=1.3, rate_theta=0.6),
        DiracGAN(torch.sin, gamma=0.7, penalty="quartic", rate_theta=2.0),
    ],
    ids=["linear", "damped logistic", "quartic sine"],
)
def test_matrix_is_the_derivative_of_a_step(name: str, game: DiracGAN) -> None:
    rule = RULES[name]
    n, small = 2 * (1 + rule.memory), 1e-5
    nudges = small * torch.eye(n, dtype=F64)
    numeric = ((rule(game, nudges) - rule(game, -nudges)) / (2 * small)).T
    assert torch.allclose(numeric, step_matrix(game, rule), atol=1e-8)
    assert modulus(game, rule) == pytest.approx(
        np.abs(np.linalg.eigvals(step_matrix(game, rule).numpy())).max(), rel=1e-7
    )


@pytest.mark.parametrize("name", RULES)
def test_rules_on_vector_players(name: str) -> None:
    # Three DiracGANs side by side are one game of vectors, and each goes its own way; by autograd, in a batch.
    game = TwoPlayerGame(
        lambda p, t: torch.nn.functional.softplus(-p * t).sum(-1),
        lambda p, t: -torch.nn.functional.softplus(-p * t).sum(-1),
        size_phi=3,
    )
    start = torch.randn(4, 6, generator=torch.Generator().manual_seed(1), dtype=F64)
    path = play(game, start, RULES[name], 4)
    pairs = torch.stack((start[:, :3], start[:, 3:]), -1)
    apart = play(LOGISTIC, pairs, RULES[name], 4)
    assert torch.allclose(path[..., :3], apart[..., 0], atol=1e-12)
    assert torch.allclose(path[..., 3:], apart[..., 1], atol=1e-12)


@pytest.mark.parametrize("eta", [0.01, 0.1, 0.5, 1.0])
def test_simultaneous_descent(eta: float) -> None:
    growth = math.sqrt(1 + eta**2)
    r = radius(LINEAR, simultaneous(eta), 100)
    assert torch.allclose(r[1:] / r[:-1], torch.full((100,), growth, dtype=F64), rtol=1e-14)
    assert modulus(LINEAR, simultaneous(eta)) == pytest.approx(growth, rel=1e-15)
    assert modulus(LOGISTIC, simultaneous(eta)) == pytest.approx(math.sqrt(1 + eta**2 / 4), rel=1e-15)
    path = play(LINEAR, START, simultaneous(eta), 100)
    assert measured_modulus(path).item() == pytest.approx(growth, rel=1e-13)


def test_simultaneous_descent_of_the_logistic_loss() -> None:
    r = radius(LOGISTIC, simultaneous(0.1), 2000)
    assert r[[0, 100, 2000]].tolist() == pytest.approx([1.41, 1.55, 3.10], abs=0.006)
    assert bool((r[1:] > r[:-1]).all())  # it departs in every step, small as it is: v is at right angles to x
    # A "simultaneous" step whose generator sees the new phi is the alternating one: 1.000 for 1.118.
    assert modulus(LINEAR, simultaneous(0.5)) == pytest.approx(1.118, abs=5e-4)
    assert modulus(LINEAR, alternating(0.5)) == pytest.approx(1.0, abs=1e-15)


@pytest.mark.parametrize("first", ["phi", "theta"])
@pytest.mark.parametrize("eta", [0.1, 0.5, 1.9])
def test_alternating_descent(eta: float, first: str) -> None:
    path = play(LINEAR, START, alternating(eta, first=first), 500)
    phi, theta = path.unbind(-1)
    sign = 1 if first == "phi" else -1
    kept = phi.square() + theta.square() + sign * eta * phi * theta
    assert torch.allclose(kept, torch.full_like(kept, 2 + sign * eta), rtol=1e-10)
    other = phi.square() + theta.square() - sign * eta * phi * theta
    assert other.max() - other.min() > eta  # the other order's invariant is none of this one's
    assert torch.allclose(
        alternating_invariant(LINEAR, alternating(eta, first=first), path), kept, rtol=1e-12
    )
    assert modulus(LINEAR, alternating(eta, first=first)) == pytest.approx(1.0, abs=1e-12)
    # So the radius stays in the ellipse's range, over the smallest and the largest eigenvalue of the form.
    low, high = (2 + sign * eta) / (1 + eta / 2), (2 + sign * eta) / (1 - eta / 2)
    squared = path.square().sum(-1)
    assert low - 1e-9 <= squared.min().item()
    assert squared.max().item() <= high + 1e-9


def test_alternating_descent_of_other_games() -> None:
    # From eta = 2 the eigenvalues are real: (eta^2 - 2 + eta sqrt(eta^2 - 4)) / 2.
    assert modulus(LINEAR, alternating(2.5)) == pytest.approx(4.0)
    r = radius(LINEAR, alternating(2.5), 21)
    assert (r[21] / r[20]).item() == pytest.approx(4.0, rel=1e-9)
    # Rates and critic steps: phi^2/alpha + k theta^2/lambda +- k eta phi theta.
    game = DiracGAN("linear", rate_phi=0.5, rate_theta=1.5)
    for first in ("phi", "theta"):
        rule = alternating(0.4, first=first, critic_steps=3)
        kept = alternating_invariant(game, rule, play(game, START, rule, 200))
        assert torch.allclose(kept, kept[:1].expand_as(kept), rtol=1e-11)
        assert kept[0].item() == pytest.approx(2 + 3 / 1.5 + (1.2 if first == "phi" else -1.2))
        assert modulus(game, rule) == pytest.approx(1.0, abs=1e-12)  # more critic steps damp nothing
    # A logistic loss keeps only a band, which drifts outwards: it ends at 1.69 and swings up to 1.835 on the way.
    r = radius(LOGISTIC, alternating(0.5), 2000)
    assert r[-1].item() == pytest.approx(1.69, abs=0.005)
    assert r.max().item() == pytest.approx(1.835, abs=0.001)
    assert r.min() > 1.2
    assert radius(LOGISTIC, alternating(1.0), 2000)[-1].item() == pytest.approx(3.97, abs=0.005)


def test_game_momentum() -> None:
    ends = [play(LINEAR, START, momentum(0.1, nu), 2000)[-1].norm().item() for nu in (-0.5, 0.0, 0.5)]
    assert ends[:2] == pytest.approx([0.0752, 1.4646], abs=5e-5)
    assert ends[2] == pytest.approx(5e27, rel=0.1)
    for order, power in (("alternating", 3), ("simultaneous", 2)):
        for nu in (-0.5, -0.1, 0.0, 0.5):
            # (xi - 1)^2 (xi - nu)^2 + eta^2 xi^3 (or xi^2) is the characteristic polynomial.
            quartic = np.polymul([1, -2, 1], [1, -2 * nu, nu**2]) + np.eye(5)[4 - power] * 0.1**2
            roots = np.roots(quartic)
            matrix = step_matrix(LINEAR, momentum(0.1, nu, order=order)).numpy()
            assert np.allclose(np.poly(matrix), quartic, atol=1e-14)
            found = modulus(LINEAR, momentum(0.1, nu, order=order))
            assert found == pytest.approx(np.abs(roots).max(), rel=1e-9)
            # To leading order in eta.
            lead = nu if order == "alternating" else (1 + nu) / 2
            tiny = math.log(modulus(LINEAR, momentum(0.01, nu, order=order)))
            assert tiny == pytest.approx(lead * 0.01**2 / (1 - nu) ** 3, rel=0.01, abs=1e-12)
    # Moving at once all drive away, at every step: |a - conj(a) nu| = (1 + nu) |1 - nu + i eta| is never below 1 - nu^2.
    for eta in (0.01, 0.3, 3.0):
        for nu in (-0.9, -0.5, 0.0, 0.9):
            assert modulus(LINEAR, momentum(eta, nu, order="simultaneous")) > 1
    # nu / (1 - nu)^3 is smallest at nu = -1/2, where it is -4/27.
    best = {nu: modulus(LINEAR, momentum(0.01, nu)) for nu in (-0.7, -0.6, -0.55, -0.5, -0.45, -0.4, -0.3)}
    assert min(best, key=best.__getitem__) == -0.5
    assert math.log(best[-0.5]) == pytest.approx(-4 / 27 * 0.01**2, rel=1e-3)
    # Moving at once the two factors have a closed form: xi^2 - (1 + nu +- i eta) xi + nu = 0.
    roots = [np.roots([1, -(1 - 0.5 + s * 0.1j), -0.5]) for s in (1, -1)]
    truth = max(abs(r) for pair in roots for r in pair)
    assert modulus(LINEAR, momentum(0.1, -0.5, order="simultaneous")) == pytest.approx(truth, rel=1e-12)


def test_unrolled_gan() -> None:
    rule = unrolled(0.1, inner=0.5)
    assert modulus(LINEAR, rule) == pytest.approx(math.sqrt(0.91), rel=1e-14)
    assert modulus(LINEAR, simultaneous(0.1)) == pytest.approx(1.005, abs=5e-4)
    ends = [play(LINEAR, START, r, 500)[-1].norm().item() for r in (simultaneous(0.1), rule)]
    assert ends[0] > 5
    assert ends[1] < 1e-3
    # k steps: sqrt(1 - 2 k eta inner + eta^2) while k inner <= 1, then two real eigenvalues.
    for k, inner in ((1, 0.2), (4, 0.2), (5, 0.2)):
        truth = math.sqrt(1 - 2 * k * 0.1 * inner + 0.01)
        assert modulus(LINEAR, unrolled(0.1, inner=inner, steps=k)) == pytest.approx(truth, rel=1e-6)
    real = 1 - 8 * 0.1 * 0.2 + 0.1 * math.sqrt(1.6**2 - 1)
    assert modulus(LINEAR, unrolled(0.1, inner=0.2, steps=8)) == pytest.approx(real, rel=1e-12)
    # By autograd against the total derivative by hand: d/dtheta psi(theta (phi + inner psi'(u) theta)).
    x = torch.tensor([[0.7, -1.2]], dtype=F64)
    phi, theta = x.unbind(-1)
    first, second = LOGISTIC.derivatives(phi * theta)
    ahead = phi + 0.5 * first * theta
    slope = torch.sigmoid(-theta * ahead) * (ahead + theta * 0.5 * (first + second * phi * theta))
    assert torch.allclose(rule(LOGISTIC, x)[:, 1], theta - 0.1 * slope, atol=1e-14)


@pytest.mark.parametrize("eta", [0.1, 0.5, 2.0, 50.0])
def test_competitive_gradient(eta: float) -> None:
    shrink = 1 / math.sqrt(1 + eta**2)
    r = radius(LINEAR, competitive(eta), 10)
    assert torch.allclose(r[1:] / r[:-1], torch.full((10,), shrink, dtype=F64), rtol=1e-12)
    assert modulus(LINEAR, competitive(eta)) == pytest.approx(shrink, rel=1e-12)
    # There it is implicit Euler: x' = x + eta v(x').
    path = play(LINEAR, START, competitive(eta), 5)
    assert torch.allclose(path[1:], path[:-1] + eta * LINEAR.field(path[1:]), atol=1e-13)
    # Elsewhere it solves the local bilinear game: each answers the other's step.
    x, p, t = torch.tensor([[0.4, 0.9]], dtype=F64), 0.4, 0.9
    step = competitive(eta)(LOGISTIC, x) - x
    first, second = (d.item() for d in LOGISTIC.derivatives(torch.tensor(p * t, dtype=F64)))
    mixed = first + second * p * t
    assert step[0, 0].item() == pytest.approx(eta * (first * t + mixed * step[0, 1].item()), rel=1e-12)
    assert step[0, 1].item() == pytest.approx(eta * (-first * p - mixed * step[0, 0].item()), rel=1e-12)


@pytest.mark.parametrize("eta", [0.1, 0.5, 1.0, 2.0, 2.8])
def test_game_rk4(eta: float) -> None:
    truth = math.sqrt(1 - eta**6 / 72 + eta**8 / 576)
    assert modulus(LINEAR, rk4(eta)) == pytest.approx(truth, rel=1e-13)
    assert truth < 1
    r = radius(LINEAR, rk4(eta), 20)
    assert torch.allclose(r[1:] / r[:-1], torch.full((20,), truth, dtype=F64), rtol=1e-12)


def test_rk4_beyond_its_limit_and_on_the_logistic_loss() -> None:
    edge = 2 * math.sqrt(2)
    assert modulus(LINEAR, rk4(edge)) == pytest.approx(1.0, abs=1e-12)
    assert modulus(LINEAR, rk4(edge + 0.01)) > 1.001
    r = radius(LOGISTIC, rk4(0.5), 100)
    assert r[-1].item() == pytest.approx(math.sqrt(2), rel=1e-3)


@pytest.mark.parametrize("eta", [0.1, 0.5, 0.99])
def test_extragradient(eta: float) -> None:
    truth = math.sqrt(1 - eta**2 + eta**4)
    r = radius(LINEAR, extragradient(eta), 20)
    assert torch.allclose(r[1:] / r[:-1], torch.full((20,), truth, dtype=F64), rtol=1e-12)
    assert modulus(LINEAR, extragradient(eta)) == pytest.approx(truth, rel=1e-13)
    assert truth < 1 <= modulus(LINEAR, extragradient(1.0))


def test_consensus() -> None:
    for eta, gamma in ((0.1, 0.5), (0.5, 0.1), (0.5, 2.0)):
        truth = math.hypot(1 - eta * gamma, eta)
        assert modulus(LINEAR, consensus(eta, gamma)) == pytest.approx(truth, rel=1e-13)
        r = radius(LINEAR, consensus(eta, gamma), 20)
        assert torch.allclose(r[1:] / r[:-1], torch.full((20,), truth, dtype=F64), rtol=1e-12)
    # It converges below eta = 2 gamma / (1 + gamma^2) and no further.
    gamma = 0.5
    edge = 2 * gamma / (1 + gamma**2)
    assert modulus(LINEAR, consensus(edge - 0.01, gamma)) < 1 < modulus(LINEAR, consensus(edge + 0.01, gamma))


def test_play_and_measured_modulus() -> None:
    start = torch.tensor([[1.0, 1.0], [0.0, 2.0]], dtype=F64)
    path = play(LINEAR, start, extragradient(0.2), 50)
    assert path.shape == (51, 2, 2)
    assert torch.equal(path[0], start)
    assert torch.equal(path[7], extragradient(0.2)(LINEAR, path[6]))
    truth = torch.full((2,), modulus(LINEAR, extragradient(0.2)), dtype=F64)
    assert torch.allclose(measured_modulus(path), truth, rtol=1e-12)
    # Where orbits are ellipses the fit comes near as the path gets long.
    long = play(LINEAR, start, alternating(0.5), 2000)
    assert (measured_modulus(long) - 1).abs().max() < 1e-4


@pytest.mark.gpu
def test_rules_run_on_the_device() -> None:
    start = torch.randn(5, 2, generator=torch.Generator().manual_seed(2), dtype=F64)
    for rule in RULES.values():
        for game in (LOGISTIC, TwoPlayerGame(LOGISTIC.loss_phi, LOGISTIC.loss_theta)):
            there = play(game, start.cuda(), rule, 5)
            assert there.is_cuda
            assert torch.allclose(there.cpu(), play(game, start, rule, 5), atol=1e-12)


@pytest.mark.bad_input
def test_bad_arguments() -> None:
    damped = DiracGAN(gamma=1.0, penalty="r1")
    for error, words, call in (
        (ValueError, "eta must be", lambda: simultaneous(0.0)),
        (TypeError, "eta must be", lambda: rk4("0.1")),
        (ValueError, "first must be one of", lambda: alternating(0.1, first="both")),
        (ValueError, "critic_steps must be", lambda: alternating(0.1, critic_steps=0)),
        (ValueError, "nu must be", lambda: momentum(0.1, 1.0)),
        (ValueError, "order must be one of", lambda: momentum(0.1, 0.5, order="phi")),
        (ValueError, "gamma must be", lambda: consensus(0.1, -1.0)),
        (ValueError, "inner must be", lambda: unrolled(0.1, inner=0.0)),
        (ValueError, "steps must be", lambda: unrolled(0.1, inner=0.1, steps=0)),
        (TypeError, "rule must be a Rule", lambda: play(LINEAR, START, "rk4", 3)),
        (ValueError, "steps must be", lambda: play(LINEAR, START, rk4(0.1), -1)),
        (ValueError, "start must be finite", lambda: play(LINEAR, START * math.nan, rk4(0.1), 1)),
        (ValueError, "state must have shape", lambda: play(LINEAR, torch.ones(3), rk4(0.1), 1)),
        (TypeError, "game must be a TwoPlayerGame", lambda: play("game", START, rk4(0.1), 1)),
        (TypeError, "rule must be a Rule", lambda: modulus(LINEAR, "rk4")),
        (TypeError, "a loss must be a torch", lambda: DiracGAN(lambda u: 1.0).field(START)),
        (ValueError, "path must not hold the state 0", lambda: measured_modulus(torch.zeros(3, 2))),
        (ValueError, "path must be finite", lambda: measured_modulus(torch.ones(3, 2) / 0)),
        (ValueError, "path must hold", lambda: measured_modulus(torch.ones(1, 2))),
        (
            ValueError,
            "game must have no penalty",
            lambda: alternating_invariant(damped, alternating(0.1), START),
        ),
        (ValueError, "rule must be the alternating", lambda: alternating_invariant(LINEAR, rk4(0.1), START)),
        (ValueError, "rule must be one of", lambda: step_matrix(LINEAR, Rule("mine", 0.1, lambda g, s: s))),
        (ValueError, "'wgan_gp'", lambda: modulus(DiracGAN(gamma=1.0, penalty="wgan_gp"), rk4(0.1))),
    ):
        with pytest.raises(error, match=words):
            call()
