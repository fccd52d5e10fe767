"""Denoising: the posterior against enumeration, the best estimate against all others, and digits with flipped pixels."""

import math
from typing import Any

import pytest
import torch

from gmlib.data import mnist
from gmlib.energy import (
    BoltzmannMachine,
    all_states,
    denoise_marginals,
    denoise_mode,
    evidence,
    fit_coupling,
    ising_energy,
    ising_gibbs,
    lattice_weights,
    neighbour_sum,
    state_index,
)

F64 = torch.float64
BETA, FLIP = 0.5, 0.2


def gen(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def joint(height: int, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    """All pictures, (2^n, n), and p(x, y) as a table: prior times flips, straight from the definition."""
    x = all_states(height * width)
    prior = (-BETA * ising_energy(x.reshape(-1, height, width), periodic=False)).softmax(0)
    wrong = (x.shape[1] - x @ x.T) / 2
    return x, prior[:, None] * FLIP**wrong * (1 - FLIP) ** (x.shape[1] - wrong)


def test_posterior_is_an_ising_model_with_a_field() -> None:
    x, p = joint(3, 3)
    for seen in (0, 77, 300, 511):
        field = evidence(x[seen].reshape(3, 3), FLIP)
        assert torch.allclose(field, x[seen].reshape(3, 3) * math.log(4) / 2, atol=1e-15)
        posterior = BoltzmannMachine(BETA * lattice_weights(3, 3), field.flatten()).probabilities()
        assert torch.allclose(posterior, p[:, seen] / p[:, seen].sum(), atol=1e-14)


@pytest.mark.parametrize("start", ["noisy", "random"])
def test_ising_denoising(start: str) -> None:
    # Two pictures of 3 x 4 pixels, 4096 states. A chain's average varies less than one draw of the pixel, whose
    # variance is p (1 - p): n = 2,000 chains.
    x, p = joint(3, 4)
    seen = [1234, 4000]
    n = 2000
    got = denoise_marginals(
        x[seen].reshape(2, 3, 4),
        inv_temp=BETA,
        flip=FLIP,
        chains=n,
        burn_in=25,
        sweeps=5,
        start=start,
        generator=gen(),
    )
    truth = ((p[:, seen].T @ (x > 0).to(F64)) / p[:, seen].sum(0)[:, None]).reshape(2, 3, 4)
    assert ((got - truth).abs() < 4.5 * (truth * (1 - truth) / n).sqrt()).all()


def test_signs_of_the_marginals_make_the_fewest_errors() -> None:
    # 512 pictures meant, 512 seen: the expected number of wrong pixels of every answer to every picture seen.
    x, p = joint(3, 3)
    wrong = (9 - x @ x.T) / 2
    cost = wrong @ p  # (answer, seen), times p(seen)
    marginal = (p.T @ x) / p.sum(0)[:, None]  # E[x | y], (seen, pixel)
    seen = torch.arange(512)
    answers = {
        "marginals": state_index(marginal),
        "mode": p.argmax(0),
        "icm": state_index(denoise_mode(x.reshape(512, 3, 3), inv_temp=BETA, flip=FLIP).reshape(512, 9)),
        "nothing": seen,
    }
    errors = {name: cost[answer, seen] for name, answer in answers.items()}
    assert torch.allclose(errors["marginals"], cost.min(0).values, atol=1e-15)
    # Bayes's rate is the mean of (1 - |E[x | y]|) / 2 over pixels and pictures.
    rate = {name: e.sum().item() / 9 for name, e in errors.items()}
    assert rate["marginals"] == pytest.approx((p.sum(0) @ (1 - marginal.abs()) / 2).mean().item(), abs=1e-14)
    assert rate["nothing"] == pytest.approx(FLIP, abs=1e-14)
    assert rate["marginals"] < rate["mode"] < rate["nothing"]
    assert rate["marginals"] < rate["icm"] < rate["nothing"]
    # The mode is the likelier picture, and still the worse answer.
    assert (p[answers["mode"], seen] >= p[answers["marginals"], seen]).all()


def test_iterated_modes_end_in_a_valley() -> None:
    x, p = joint(3, 3)
    end = state_index(denoise_mode(x.reshape(512, 3, 3), inv_temp=BETA, flip=FLIP).reshape(512, 9))
    seen = torch.arange(512)
    for i in range(9):  # no flip of one pixel is likelier
        assert (p[end, seen] >= p[end ^ (1 << i), seen] - 1e-18).all()
    assert (p[end, seen] >= p[seen, seen]).all()
    # Annealing crosses valleys. Over the 512 pictures it misses the likeliest answer less often, and by less; the share
    # has a standard error below 0.022. What it still misses is 0.16 or 0.23 nats away, less than its last heat.
    slow = state_index(
        denoise_mode(x.reshape(512, 3, 3), inv_temp=BETA, flip=FLIP, anneal=200, generator=gen()).reshape(
            512, 9
        )
    )
    lost_slow, lost = ((p.max(0).values / p[answer, seen]).log() for answer in (slow, end))
    assert (lost_slow < 1e-9).double().mean() > 0.7 > 0.5 > (lost < 1e-9).double().mean()
    assert lost_slow.mean() < 0.1 < 0.4 < lost.mean()


def test_pseudo_likelihood_of_the_coupling() -> None:
    x = ising_gibbs(torch.ones(8, 32, 32, dtype=F64), 60, inv_temp=0.35, generator=gen(1))
    beta = fit_coupling(x, periodic=True)
    agreement = x * neighbour_sum(x)

    def value(b: float) -> float:
        return torch.nn.functional.logsigmoid(2 * b * agreement).mean().item()

    assert value(beta) > max(value(beta + 1e-3), value(beta - 1e-3))
    at = torch.tensor(beta, dtype=F64, requires_grad=True)
    torch.nn.functional.logsigmoid(2 * at * agreement).mean().backward()
    assert at.grad is not None
    assert abs(at.grad.item()) < 1e-12
    # n = 8,192 sites: the spread of separate lattices says how far off the fit may be.
    separate = torch.tensor([fit_coupling(lattice, periodic=True) for lattice in x])
    assert abs(separate.mean().item() - 0.35) < 4.5 * separate.std().item() / math.sqrt(8)
    assert fit_coupling(x * ((torch.arange(32)[:, None] + torch.arange(32)) % 2 * 2 - 1), periodic=True) == (
        pytest.approx(-beta, abs=1e-10)  # a chessboard turns the coupling round
    )


def test_denoising_digits_lowers_the_bit_error() -> None:
    # 50 test digits, black where ink covers more than half, 10 % of the pixels flipped.
    clean = torch.where(mnist("test").images[:50, 0] > 127, 1.0, -1.0)
    noisy = torch.where(torch.rand(clean.shape, generator=gen()) < 0.1, -clean, clean)
    p = denoise_marginals(noisy, inv_temp=0.6, flip=0.1, chains=2, burn_in=10, sweeps=15, generator=gen(1))
    before, after, mode = (
        (z != clean).double().mean((1, 2))
        for z in (noisy, torch.where(p > 0.5, 1.0, -1.0), denoise_mode(noisy, inv_temp=0.6, flip=0.1))
    )
    for restored in (after, mode):  # paired over digits; fewer than half of the errors remain
        gain = before / 2 - restored
        assert gain.mean() > 4.5 * gain.std() / math.sqrt(50)


@pytest.mark.bad_input
def test_bad_arguments() -> None:
    y = torch.ones(2, 4, 4)
    settings: dict[str, Any] = {"inv_temp": 0.5, "flip": 0.1}
    for error, words, call in (
        (ValueError, r"noisy must hold \+1 and -1 only", lambda: evidence(0 * y, 0.1)),
        (ValueError, "flip must be", lambda: evidence(y, 0.0)),
        (ValueError, "flip must be", lambda: denoise_mode(y, inv_temp=0.5, flip=1.0)),
        (ValueError, "noisy must have shape", lambda: evidence(y[0, 0], 0.1)),
        (TypeError, "noisy must have a floating dtype", lambda: denoise_marginals(y.long(), **settings)),
        (ValueError, "start must be one of", lambda: denoise_marginals(y, start="clean", **settings)),
        (ValueError, "chains must be at least 1", lambda: denoise_marginals(y, chains=0, **settings)),
        (ValueError, "sweeps must be at least 1", lambda: denoise_marginals(y, sweeps=0, **settings)),
        (ValueError, "inv_temp must be", lambda: denoise_marginals(y, inv_temp=-0.5, flip=0.1)),
        (
            TypeError,
            "inv_temp must be a real number, got Tensor",
            lambda: denoise_marginals(y, inv_temp=torch.ones(2), flip=0.1),
        ),
        (ValueError, "inv_temp must be", lambda: denoise_mode(y, inv_temp=-0.5, flip=0.1)),
        (ValueError, "anneal must be at least 0", lambda: denoise_mode(y, anneal=-1, **settings)),
        (ValueError, "clean must have pixels that agree", lambda: fit_coupling(y)),
        (ValueError, r"clean must hold \+1 and -1 only", lambda: fit_coupling(0 * y)),
    ):
        with pytest.raises(error, match=words):
            call()
