"""DiracGAN: field, Jacobian and eigenvalues in closed form against autograd on its losses."""

import math

import pytest
import torch

from gmlib.gan import (
    DiracGAN,
    TwoPlayerGame,
    flow,
    game_jacobian,
    largest_stable_step,
    modulus,
    play,
    simultaneous,
)

F64 = torch.float64
START = torch.ones(2, dtype=F64)


def states(n: int = 40) -> torch.Tensor:
    return 2 * torch.randn(n, 2, generator=torch.Generator().manual_seed(0), dtype=F64)


def by_autograd(game: DiracGAN) -> TwoPlayerGame:
    return TwoPlayerGame(game.loss_phi, game.loss_theta, rate_phi=game.rate_phi, rate_theta=game.rate_theta)


GAMES = {
    "linear": DiracGAN("linear"),
    "logistic": DiracGAN("logistic", rate_phi=0.7, rate_theta=2.0),
    "sine": DiracGAN(torch.sin, gamma=0.3, penalty="r2"),
    "r1": DiracGAN("logistic", gamma=0.4, penalty="r1", rate_phi=2.0),
    "wgan_gp": DiracGAN("linear", gamma=0.4, penalty="wgan_gp"),
    "quartic": DiracGAN("linear", gamma=0.4, penalty="quartic"),
}


@pytest.mark.parametrize("name", GAMES)
def test_field_and_jacobian_are_those_of_the_losses(name: str) -> None:
    game, x = GAMES[name], states()
    truth = by_autograd(game)
    assert torch.allclose(game.field(x), truth.field(x), atol=1e-12)
    assert torch.allclose(game.jacobian(x), truth.jacobian(x), atol=1e-12)
    assert torch.allclose(game.pull_back(x), truth.pull_back(x), atol=1e-12)
    alone = torch.stack([truth.jacobian(row) for row in x[:3]])
    assert torch.allclose(truth.jacobian(x)[:3], alone, atol=1e-14)  # a batch mixes no rows


def test_dirac_gan() -> None:
    x = states()
    phi, theta = x.unbind(-1)
    game = DiracGAN("logistic")
    slope = 1 / (1 + (theta * phi).exp())  # psi'(u) of -log(1 + e^-u)
    assert torch.allclose(game.field(x), torch.stack((slope * theta, -slope * phi), -1), atol=1e-14)
    assert (game.field(x) * x).sum(-1).abs().max() < 1e-14  # at right angles to the radius: a rotation
    # The losses are -psi(0) - psi(u) and its negative: zero sum.
    truth = math.log(2) + torch.log1p((-theta * phi).exp())
    assert torch.allclose(game.loss_phi(phi[:, None], theta[:, None]), truth, atol=1e-14)
    assert torch.allclose(game.loss_theta(phi[:, None], theta[:, None]), -truth, atol=1e-14)
    # The only equilibrium: the speed is psi'(u) r, and psi' > 0.
    assert game.field(torch.zeros(2, dtype=F64)).abs().max() == 0
    assert torch.allclose(game.field(x).norm(dim=-1), slope * x.norm(dim=-1), atol=1e-14)
    assert game.slope == 0.5
    assert DiracGAN("linear").slope == 1.0
    assert DiracGAN(torch.sin).slope == 1.0


def test_game_jacobian() -> None:
    zero = torch.zeros(2, dtype=F64)
    for game, c in ((DiracGAN("linear"), 1.0), (DiracGAN("logistic"), 0.5), (DiracGAN(torch.sin), 1.0)):
        truth = torch.tensor([[0.0, c], [-c, 0.0]], dtype=F64)
        assert torch.allclose(by_autograd(game).jacobian(zero), truth, atol=1e-15)
        assert torch.allclose(game.jacobian(zero), truth, atol=1e-15)
        assert game.eigenvalues().tolist() == [1j * c, -1j * c]
        # The same for networks: the critic a line without a bias, the generator a constant.
        critic = torch.nn.Linear(1, 1, bias=False, dtype=F64)
        point = torch.zeros(1, dtype=F64, requires_grad=True)
        torch.nn.init.zeros_(critic.weight)
        value = -game.psi(critic(torch.zeros(1, dtype=F64))) - game.psi(critic(point))
        jacobian = game_jacobian((value.sum(), -value.sum()), (critic.parameters(), [point]))
        assert torch.allclose(jacobian, truth, atol=1e-15)
    with_rates = DiracGAN("logistic", rate_phi=0.5, rate_theta=8.0)
    assert with_rates.eigenvalues().tolist() == [1j, -1j]  # i sqrt(4) / 2


@pytest.mark.parametrize("penalty", ["r1", "r2"])
@pytest.mark.parametrize("gamma", [0.1, 1.0, 3.0])
def test_eigenvalues_of_penalised_games(penalty: str, gamma: float) -> None:
    game = DiracGAN("logistic", gamma=gamma, penalty=penalty, rate_phi=1.5, rate_theta=0.8)
    numeric = torch.linalg.eigvals(by_autograd(game).jacobian(torch.zeros(2, dtype=F64)))
    for one in game.eigenvalues():
        assert (numeric - one).abs().min() < 1e-9
    assert game.eigenvalues().prod().real.item() == pytest.approx(1.5 * 0.8 * 0.25)


def test_regularised_dynamics() -> None:
    # Damping is best at gamma = 2 psi'(0): there the slower eigenvalue is fastest, a double -1/2.
    game = DiracGAN("logistic", gamma=1.0, penalty="r1")
    assert game.critical_gamma() == 1.0
    assert game.eigenvalues().tolist() == [-0.5, -0.5]
    slower = {
        gamma: DiracGAN("logistic", gamma=gamma, penalty="r1").eigenvalues().real.max().item()
        for gamma in (0.1, 0.5, 0.9, 1.0, 1.1, 2.0)
    }
    assert min(slower, key=slower.__getitem__) == 1.0
    assert slower[0.1] == pytest.approx(-0.05)
    # eta = gamma = .1, logistic, from (1, 1): it goes home, where without the penalty it departs.
    damped = play(DiracGAN("logistic", gamma=0.1, penalty="r1"), START, simultaneous(0.1), 5000)[-1].norm()
    free = play(DiracGAN("logistic"), START, simultaneous(0.1), 5000)[-1].norm()
    assert damped.item() == pytest.approx(8.7e-9, rel=0.01)
    assert free.item() == pytest.approx(3.63, abs=0.005)
    # The linear game with the same numbers stands exactly at its threshold.
    edge = DiracGAN("linear", gamma=0.1, penalty="r1")
    assert largest_stable_step(edge.eigenvalues()).item() == pytest.approx(0.1)
    assert modulus(edge, simultaneous(0.1)) == pytest.approx(1.0, abs=1e-15)


def test_quartic_penalty_leaves_the_eigenvalues() -> None:
    # x' = y - x^3, y' = -x: real parts 0, and yet it converges, like the root of 4/(3t): r sqrt(t) -> 2/sqrt(3).
    game = DiracGAN("linear", gamma=1.0, penalty="quartic")
    assert game.eigenvalues().real.abs().max() == 0
    # Averaged over a turn E = r^2 has E' = -3/4 E^2, so 1/E grows by 3/4 t, up to terms of relative order E.
    energy = torch.tensor([4 / 300, 4 / 3000], dtype=F64)
    start = torch.stack((torch.zeros(2, dtype=F64), energy.sqrt()), -1)
    time = 32 * math.pi
    end = flow(game, start, torch.tensor([time], dtype=F64), max_step=0.2)[0]
    growth = (1 / end.square().sum(-1) - 1 / energy) / time
    assert growth.tolist() == pytest.approx([0.75, 0.75], rel=5e-3)
    assert end[0].norm().item() * math.sqrt(100 + time) == pytest.approx(2 / math.sqrt(3), rel=1e-3)


@pytest.mark.bad_input
def test_bad_arguments() -> None:
    for error, words, call in (
        (ValueError, "loss must be one of", lambda: DiracGAN("hinge")),
        (TypeError, "loss must be", lambda: DiracGAN(3)),
        (ValueError, "gamma must be", lambda: DiracGAN(gamma=-1.0, penalty="r1")),
        (ValueError, "penalty must be one of", lambda: DiracGAN(gamma=1.0, penalty="l2")),
        (ValueError, "when gamma is 1.0", lambda: DiracGAN(gamma=1.0)),
        (ValueError, "rate_phi must be", lambda: DiracGAN(rate_phi=0.0)),
        (TypeError, "rate_theta must be", lambda: DiracGAN(rate_theta="1")),
        (ValueError, r"state must have shape \(\*batch, 2\)", lambda: DiracGAN().field(torch.ones(3))),
        (ValueError, "state must have shape", lambda: DiracGAN().field(torch.ones(1))),
        (
            TypeError,
            "state must have a floating dtype",
            lambda: DiracGAN().field(torch.ones(2, dtype=torch.int64)),
        ),
        (ValueError, "penalty must not be", lambda: DiracGAN(gamma=1.0, penalty="wgan_gp").eigenvalues()),
        (TypeError, "loss_theta must be a function", lambda: TwoPlayerGame(lambda p, t: p, 0)),
        (ValueError, "size_phi", lambda: TwoPlayerGame(len, len, size_phi=0)),
    ):
        with pytest.raises(error, match=words):
            call()
