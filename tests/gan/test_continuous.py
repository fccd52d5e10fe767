"""Games in continuous time: the integrator against matrix exponentials, conserved quantities and the cycle of WGAN-GP."""

import math

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

from gmlib.gan import DiracGAN, TwoPlayerGame, conserved, flow, linear_flow, wgan_gp_cycle

F64 = torch.float64
START = torch.ones(2, dtype=F64)
ANY = TwoPlayerGame(lambda p, t: -(p * t).sum(-1), lambda p, t: (p * t).sum(-1))


def test_continuous_game() -> None:
    game = DiracGAN("linear", rate_phi=1.0, rate_theta=0.25)
    times = torch.linspace(0, 4 * math.pi, 401, dtype=F64)  # a round: the frequency is sqrt(alpha lambda)
    path = flow(game, START, times, max_step=0.05)
    kept = path[:, 1].square() / 0.25 + path[:, 0].square()
    assert (kept - 5.0).abs().max() < 1e-9
    assert torch.allclose(conserved(game, path), kept, rtol=1e-15)
    squared = path.square().sum(-1)
    assert squared.min().item() == pytest.approx(1.25, abs=1e-3)
    assert squared.max().item() == pytest.approx(5.0, abs=1e-3)
    assert torch.allclose(path, linear_flow(game, START, times), atol=1e-9)
    turn = torch.tensor([4 * math.pi], dtype=F64)
    assert torch.allclose(linear_flow(game, START, turn)[0], START, atol=1e-14)


def test_flow_of_the_logistic_loss() -> None:
    # The same quantity is kept for every psi; the orbit is that of another code.
    game = DiracGAN("logistic", rate_phi=1.0, rate_theta=0.25)
    times = torch.tensor([0.0, 0.3, 7.0, 20.0], dtype=F64)
    start = torch.tensor([[1.0, 1.0], [-2.0, 0.5]], dtype=F64)
    path = flow(game, start, times, max_step=0.05)
    assert torch.allclose(conserved(game, path), conserved(game, start).expand(4, 2), atol=1e-8)

    def field(_: float, x: np.ndarray) -> list[float]:
        slope = 1 / (1 + math.exp(x[0] * x[1]))
        return [slope * x[1], -0.25 * slope * x[0]]

    for i in range(2):
        other = solve_ivp(field, (0, 20), start[i].tolist(), t_eval=times.tolist(), rtol=1e-10, atol=1e-12)
        assert np.allclose(path[:, i], other.y.T, atol=1e-7)


@pytest.mark.parametrize("gamma", [0.3, 2.0, 5.0])
def test_linear_flow_with_r1(gamma: float) -> None:
    game = DiracGAN("linear", gamma=gamma, penalty="r1", rate_phi=1.2, rate_theta=0.7)
    times = torch.tensor([0.5, 1.0, 4.0], dtype=F64)
    start = torch.tensor([[1.0, 1.0], [0.0, -2.0]], dtype=F64)
    assert torch.allclose(linear_flow(game, start, times), flow(game, start, times), atol=1e-9)
    # Back in time as well.
    back = linear_flow(game, linear_flow(game, start, times[:1])[0], -times[:1])[0]
    assert torch.allclose(back, start, atol=1e-12)


@pytest.mark.parametrize(("gamma", "rates"), [(1.0, (1.0, 1.0)), (0.8, (1.5, 0.7))])
def test_wgan_gp_cycles(gamma: float, rates: tuple[float, float]) -> None:
    game = DiracGAN("linear", gamma=gamma, penalty="wgan_gp", rate_phi=rates[0], rate_theta=rates[1])
    cycle = wgan_gp_cycle(game)
    times = torch.linspace(0, 18, 451, dtype=F64)
    # From near the equilibrium and from far away to the same cycle.
    path = flow(game, torch.tensor([[0.01, 0.0], [3.0, 3.0]], dtype=F64), times, max_step=0.04)
    for phi, theta in (row.T for row in path.transpose(0, 1)):
        cross = torch.nonzero(phi[1:] * phi[:-1] < 0)[:, 0]
        share = phi[cross] / (phi[cross] - phi[cross + 1])
        heights = (theta[cross] + share * (theta[cross + 1] - theta[cross])).abs()
        moments = times[cross] + share * 0.04
        assert heights[-1].item() == pytest.approx(cycle.amplitude, abs=2e-3)
        assert (moments[-1] - moments[-3]).item() == pytest.approx(cycle.period, abs=2e-2)
        # On the way there |theta| -> gamma + rho (|theta| + gamma), by half rounds.
        steps = gamma + cycle.contraction * (heights[:-1] + gamma)
        assert (heights[1:] - steps).abs().max() < 1e-3
    assert path[150:].norm(dim=-1).min() > 0.5  # it comes nowhere near the equilibrium any more


def test_wgan_gp_in_its_limits() -> None:
    def end(gamma: float) -> float:
        return wgan_gp_cycle(DiracGAN("linear", gamma=gamma, penalty="wgan_gp")).amplitude

    assert end(1e-6) == pytest.approx(4 / math.pi, abs=1e-6)
    widths = [end(gamma) for gamma in (1e-6, 0.1, 0.5, 1.0, 1.5, 1.9, 2.0, 3.0)]
    assert widths == sorted(widths)
    # From gamma = 2 on it sticks at |theta| = gamma with phi -> 0: the data are at 0, the generator is not.
    game = DiracGAN("linear", gamma=3.0, penalty="wgan_gp")
    start = torch.tensor([[1.0, 1.0], [-1.0, 1.0]], dtype=F64)
    rest = flow(game, start, torch.tensor([40.0], dtype=F64), max_step=0.1)[0]
    assert torch.allclose(rest, torch.tensor([[0.0, -3.0], [0.0, 3.0]], dtype=F64), atol=1e-5)
    assert end(3.0) == 3.0
    assert game.field(rest).abs().max() < 1e-5


@pytest.mark.bad_input
def test_bad_arguments() -> None:
    game, times = DiracGAN("linear"), torch.tensor([1.0])
    for error, words, call in (
        (
            ValueError,
            "times must be a non-empty row",
            lambda: flow(game, torch.ones(2), torch.tensor([2.0, 1.0])),
        ),
        (
            ValueError,
            "times must be a non-empty row",
            lambda: flow(game, torch.ones(2), torch.tensor([-1.0])),
        ),
        (TypeError, "times must be a torch.Tensor", lambda: flow(game, torch.ones(2), [1.0])),
        (ValueError, "max_step must be", lambda: flow(game, torch.ones(2), times, max_step=0.0)),
        (ValueError, "start must be finite", lambda: flow(game, torch.ones(2) / 0, times)),
        (ValueError, "state must have shape", lambda: conserved(game, torch.ones(3))),
        (
            ValueError,
            "game must have the linear loss",
            lambda: linear_flow(DiracGAN("logistic"), torch.ones(2), times),
        ),
        (TypeError, "game must be a TwoPlayerGame", lambda: flow("game", torch.ones(2), times)),
        (TypeError, "game must be a DiracGAN", lambda: conserved(ANY, torch.ones(2))),
        (TypeError, "game must be a DiracGAN", lambda: linear_flow(ANY, torch.ones(2), times)),
        (ValueError, "times must have the dtype", lambda: linear_flow(game, torch.ones(2), times.double())),
        (ValueError, "times must be a row", lambda: linear_flow(game, torch.ones(2), times[0])),
        (ValueError, "game must have the linear loss", lambda: wgan_gp_cycle(game)),
        (ValueError, "game.gamma must be", lambda: wgan_gp_cycle(DiracGAN(penalty="wgan_gp"))),
    ):
        with pytest.raises(error, match=words):
            call()
