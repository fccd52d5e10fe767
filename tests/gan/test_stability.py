"""The Jacobian of any game, step thresholds and Nash tests, against matrices known beforehand."""

import math

import pytest
import torch
from torch.nn.functional import logsigmoid

from gmlib.gan import (
    DiracGAN,
    NashTest,
    game_jacobian,
    largest_stable_step,
    modulus,
    nash_test,
    play,
    simultaneous,
)

F64 = torch.float64


def quadratic(n: int = 3, m: int = 2) -> tuple[torch.Tensor, ...]:
    """Own curvatures A, B and couplings C, D of two losses that are quadratic in both players."""
    generator = torch.Generator().manual_seed(0)
    shapes = ((n, n), (m, m), (n, m), (n, m))
    return tuple(torch.randn(s, generator=generator, dtype=F64) for s in shapes)


def test_game_jacobian_of_quadratic_losses() -> None:
    a, b, c, d = quadratic()
    phi = [torch.ones(1, dtype=F64, requires_grad=True), torch.ones(2, dtype=F64, requires_grad=True)]
    theta = torch.ones(2, dtype=F64, requires_grad=True)
    p = torch.cat(phi)
    losses = (p @ a @ p / 2 + p @ c @ theta, theta @ b @ theta / 2 + p @ d @ theta)
    upper = torch.cat((-(a + a.T) / 2, -c), 1)
    lower = torch.cat((-d.T, -(b + b.T) / 2), 1)
    found = game_jacobian(losses, (phi, [theta]), rates=(1.0, 3.0))
    assert torch.allclose(found, torch.cat((upper, 3 * lower)), atol=1e-14)
    # A linear loss, or one that leaves a parameter out, has zeros and no error.
    flat = game_jacobian((phi[0].sum(), (theta[0] * p[2]).sum()), (phi, [theta]))
    truth = torch.zeros(5, 5, dtype=F64)
    truth[3, 2] = -1
    assert torch.equal(flat, truth)


def test_game_jacobian_of_networks() -> None:
    # Against differences of the field of a small GAN: 13 + 4 parameters.
    torch.manual_seed(0)
    critic = torch.nn.Sequential(torch.nn.Linear(1, 4), torch.nn.Tanh(), torch.nn.Linear(4, 1)).double()
    maker = torch.nn.Sequential(torch.nn.Linear(1, 1), torch.nn.Tanh(), torch.nn.Linear(1, 1)).double()
    real, z = torch.randn(16, 1, dtype=F64) + 1, torch.randn(16, 1, dtype=F64)
    players = (list(critic.parameters()), list(maker.parameters()))
    every = [*players[0], *players[1]]

    def losses() -> tuple[torch.Tensor, torch.Tensor]:
        fake = critic(maker(z))
        return -logsigmoid(critic(real)).mean() - logsigmoid(-fake).mean(), -logsigmoid(fake).mean()

    def field() -> torch.Tensor:
        return torch.cat(
            [
                -torch.cat([g.reshape(-1) for g in torch.autograd.grad(loss, own, retain_graph=True)])
                for loss, own in zip(losses(), players, strict=True)
            ]
        )

    found, at, columns = game_jacobian(losses(), players), torch.nn.utils.parameters_to_vector(every), []
    for i in range(17):
        nudge = 1e-5 * torch.eye(17, dtype=F64)[i]
        torch.nn.utils.vector_to_parameters(at.detach() + nudge, every)
        ahead = field()
        torch.nn.utils.vector_to_parameters(at.detach() - nudge, every)
        columns.append((ahead - field()) / 2e-5)
    assert torch.allclose(found, torch.stack(columns, 1), atol=1e-8)
    assert not torch.allclose(found, found.T, atol=1e-3)  # no gradient of anything


def test_fixed_point_iteration() -> None:
    # x' = x + eta v(x) converges locally iff eta < min -2 Re / |xi|^2.
    for gamma in (0.1, 0.7, 3.0):
        game = DiracGAN("logistic", gamma=gamma, penalty="r1")
        edge = largest_stable_step(game.eigenvalues()).item()
        assert modulus(game, simultaneous(edge)) == pytest.approx(1.0, abs=1e-12)
        assert modulus(game, simultaneous(0.99 * edge)) < 1 < modulus(game, simultaneous(1.01 * edge))
    # Turning (gamma < 2 psi'(0)), |xi| = psi'(0): the threshold is gamma / psi'(0)^2.
    underdamped = DiracGAN("logistic", gamma=0.1, penalty="r1")
    assert largest_stable_step(underdamped.eigenvalues()).item() == pytest.approx(0.4)
    start = torch.full((2,), 1e-3, dtype=F64)
    ends = {eta: play(underdamped, start, simultaneous(eta), 500)[-1].norm().item() for eta in (0.35, 0.45)}
    assert ends[0.35] < 0.5 * start.norm().item()
    assert ends[0.45] > 2 * start.norm().item()
    # Without damping none exists, for any loss.
    for loss in ("linear", "logistic"):
        assert largest_stable_step(DiracGAN(loss).eigenvalues()).item() == 0.0
    xi = torch.tensor([[-1.0, -0.5 + 2j], [-1.0, 0.0], [-4.0, -1.0]], dtype=torch.complex128)
    assert largest_stable_step(xi).tolist() == pytest.approx([1 / 4.25, 0.0, 0.5])


def test_nash_tests() -> None:
    # D = 1/2 and whatever q: V = E_p log D + E_q log(1 - D), halved, is -log 2; the generator is indifferent.
    p = torch.tensor([0.2, 0.5, 0.3], dtype=F64)
    for q in (p, torch.tensor([0.9, 0.05, 0.05], dtype=F64)):
        logit = torch.zeros(3, dtype=F64, requires_grad=True)
        weight = q.log().requires_grad_()
        value = 0.5 * (p @ logsigmoid(logit) + weight.softmax(-1) @ logsigmoid(-logit))
        assert value.item() == pytest.approx(-math.log(2))
        test = nash_test((-value, value), ([logit], [weight]))
        assert test.gradient_theta < 1e-15
        assert abs(test.curvature_theta) < 1e-15
        # The critic's own Hessian is diag(p + q) / 8, and its gradient (q - p) / 4.
        assert test.curvature_phi == pytest.approx((p + q).min().item() / 8)
        assert test.gradient_phi == pytest.approx((q - p).norm().item() / 4, abs=1e-15)
        assert test.necessary() == (q is p)  # only where q = p can the critic not gain
        assert not test.sufficient()


def test_nash_tests_are_necessary_not_sufficient() -> None:
    # The generator's loss theta^3 passes at 0 and falls to one side.
    phi, theta = (torch.zeros(1, dtype=F64, requires_grad=True) for _ in range(2))
    trap = nash_test((phi.square().sum(), (theta**3).sum()), ([phi], [theta]))
    assert trap == NashTest(0.0, 0.0, 2.0, 0.0)
    assert trap.necessary()
    assert not trap.sufficient()
    strict = nash_test((phi.square().sum(), theta.square().sum()), ([phi], [theta]))
    assert strict.sufficient()
    saddle = nash_test((phi.square().sum(), -theta.square().sum()), ([phi], [theta]))
    assert not saddle.necessary()
    # DiracGAN rests at an equilibrium that simultaneous steps never reach: the tests do not see the turning.
    for gamma in (0.0, 0.3):
        game = DiracGAN("logistic", gamma=gamma, penalty="r1")
        losses = (game.loss_phi(phi, theta), game.loss_theta(phi, theta))
        at_rest = nash_test(losses, ([phi], [theta]))
        assert at_rest == NashTest(0.0, 0.0, gamma, 0.0)
        assert at_rest.necessary()
        assert not at_rest.sufficient()


@pytest.mark.gpu
def test_jacobian_on_the_device() -> None:
    a, _, c, d = (m.cuda() for m in quadratic())
    phi = torch.ones(3, dtype=F64, device="cuda", requires_grad=True)
    theta = torch.ones(2, dtype=F64, device="cuda", requires_grad=True)
    jacobian = game_jacobian((phi @ a @ phi + phi @ c @ theta, phi @ d @ theta), ([phi], [theta]))
    assert jacobian.is_cuda
    assert torch.allclose(jacobian[:3, :3], -(a + a.T), atol=1e-12)
    assert torch.allclose(jacobian[3:, :3], -d.T, atol=1e-12)


@pytest.mark.bad_input
def test_bad_arguments() -> None:
    p, t = torch.zeros(2, requires_grad=True), torch.zeros(1, requires_grad=True)
    good = (p.sum() * t.sum(), t.sum())
    for error, words, call in (
        (TypeError, r"losses\[0\] must be a torch.Tensor", lambda: game_jacobian((0.0, good[1]), ([p], [t]))),
        (ValueError, r"losses\[1\] must be a scalar", lambda: game_jacobian((good[0], p), ([p], [t]))),
        (ValueError, r"params\[0\] must hold at least one", lambda: nash_test(good, ([], [t]))),
        (
            TypeError,
            r"params\[1\] must hold tensors that require",
            lambda: nash_test(good, ([p], [t.detach()])),
        ),
        (ValueError, r"rates\[1\] must be", lambda: game_jacobian(good, ([p], [t]), rates=(1.0, 0.0))),
        (TypeError, "eigenvalues must have a complex dtype", lambda: largest_stable_step(torch.ones(2))),
        (ValueError, "eigenvalues must hold at least one", lambda: largest_stable_step(torch.zeros(0) * 1j)),
    ):
        with pytest.raises(error, match=words):
            call()
