"""Annealed importance sampling against closed forms and enumeration."""

import math
from typing import Any

import pytest
import torch

from gmlib.data import bars_and_stripes
from gmlib.energy import (
    RBM,
    AISResult,
    ais,
    all_states,
    log_odds,
    log_prob,
    log_z,
    rbm_log_likelihood,
    rbm_log_z,
    rbm_path,
    reference_law,
    reference_rbm,
    train_rbm,
)

RUNS = 4000


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def reference_base() -> torch.Tensor:
    law, x = reference_law(), all_states(4, 0, dtype=torch.float64)
    rate = law @ x
    return (rate / (1 - rate)).log()


def test_annealed_importance_sampling() -> None:
    # Unbiased in Z at any number of temperatures: E w = Z / Z0 of the enumerated machine, RUNS weights. With two
    # temperatures it is importance sampling from the base machine, and the logarithm of few weights is low on average.
    rbm, base = reference_rbm(), reference_base()
    truth = log_z(rbm).item()
    for temperatures, seed in ((2, 0), (6, 1), (21, 2), (101, 3)):
        path = torch.linspace(0, 1, temperatures, dtype=torch.float64)
        found = rbm_log_z(rbm, base, runs=RUNS, path=path, generator=generator(seed))
        w = (found.log_weights + found.log_z0 - truth).exp()
        assert abs(w.mean().item() - 1) < 4.5 * w.std().item() / RUNS**0.5
        assert abs(found.log_z - truth) < 4.5 * found.standard_error
        assert (
            found.log_weights.mean() + found.log_z0 < truth
        )  # Jensen: a single run's logarithm is low on average
    assert found.effective_size > 0.9 * RUNS


def test_a_finer_path_has_steadier_weights() -> None:
    rbm, base = reference_rbm(), reference_base()
    spread = [
        rbm_log_z(rbm, base, runs=RUNS, path=torch.linspace(0, 1, t), generator=generator()).log_weights.std()
        for t in (2, 6, 31)
    ]
    assert spread[0] > 1.5 * spread[1] > 2.25 * spread[2]


def test_trained_machine() -> None:
    # Bars and stripes, learnt: far from independent units, and still within the error bar of enumeration.
    x = bars_and_stripes(4)
    rbm = RBM(16, 10, std=0.1, generator=generator())
    train_rbm(rbm, x, steps=1500, lr=0.1, chains=100, generator=generator(1))
    truth = log_z(rbm).item()
    assert -log_prob(rbm, x).mean() < 0.75 * 16 * math.log(
        2
    )  # it has learnt: independent fair pixels have 11.09
    found = rbm_log_z(rbm, log_odds(x), runs=1000, path=rbm_path(200), generator=generator(2))
    assert abs(found.log_z - truth) < 4.5 * found.standard_error
    assert found.standard_error < 0.2
    low, high = found.interval(4.5)
    assert low < truth < high
    likelihood = rbm_log_likelihood(rbm, x, found.log_z, rows=7)
    assert torch.allclose(
        likelihood - log_prob(rbm, x), torch.tensor(truth - found.log_z).double(), atol=1e-4
    )


def test_a_machine_without_weights_needs_no_luck() -> None:
    # b = b0 and no weights: every weight is the product over the hidden units of (1 + e^c) / 2, without spread.
    b, c = torch.tensor([0.3, -1.0]).double(), torch.tensor([0.5, -2.0, 1.0]).double()
    rbm = RBM.from_weights(torch.zeros(2, 3).double(), b, c)
    found = rbm_log_z(rbm, b, runs=5, path=rbm_path(30), generator=generator())
    expected = (b.exp() + 1).log().sum() + (c.exp() + 1).log().sum()
    assert found.log_z == pytest.approx(expected.item(), abs=1e-12)
    assert found.standard_error == pytest.approx(0.0, abs=1e-12)
    assert found.effective_size == pytest.approx(5.0)


def test_normal_law_in_closed_form() -> None:
    # From N(0, 1) to N(0, 1/r) with exact draws on the way: the ratio of the constants is r^-1/2, and E w is it exactly
    # whatever the path; with linear precision and many steps log w has variance T^-1 (log r)^2 / 2 / (r's) -> 0.
    r, runs = 0.2, 20_000
    source = generator()

    def log_density(x: torch.Tensor, beta: float) -> torch.Tensor:
        return -(1 + beta * (r - 1)) * x[:, 0].square() / 2

    def kernel(x: torch.Tensor, beta: float) -> torch.Tensor:
        return torch.randn(x.shape, generator=source, dtype=torch.float64) / (1 + beta * (r - 1)) ** 0.5

    for steps in (3, 30):
        x = kernel(torch.empty(runs, 1, dtype=torch.float64), 0.0)
        found = ais(log_density, kernel, x, torch.linspace(0, 1, steps + 1))
        w = found.log_weights.exp()
        assert abs(w.mean().item() - r**-0.5) < 4.5 * w.std().item() / runs**0.5
        # A step from precision p to q at a draw of the former: mean of log w is (p - q) / (2 p).
        p = 1 + torch.linspace(0, 1, steps + 1, dtype=torch.float64) * (r - 1)
        change = (p[:-1] - p[1:]) / (2 * p[:-1])
        assert abs(found.log_weights.mean() - change.sum()) < 4.5 * (2 * change.square().sum() / runs) ** 0.5
        assert found.log_weights.std().item() == pytest.approx(
            (2 * change.square().sum()).sqrt().item(), rel=0.05
        )


def test_error_bar_is_the_spread_over_repetitions() -> None:
    # 200 estimates of 500 runs each scatter as their own standard errors say (to 4.5 s.e. of a standard deviation).
    rbm, base = reference_rbm(), reference_base()
    path = torch.linspace(0, 1, 4)
    whole = rbm_log_z(rbm, base, runs=200 * 500, path=path, generator=generator())
    parts = [AISResult(part, whole.log_z0, whole.x[:1]) for part in whole.log_weights.split(500)]
    scatter = torch.tensor([part.log_z for part in parts]).std().item()
    said = torch.tensor([part.standard_error for part in parts]).mean().item()
    assert scatter == pytest.approx(said, rel=4.5 / 400**0.5)


def test_effective_size() -> None:
    one = torch.tensor([0.0, -800.0, -900.0], dtype=torch.float64)
    assert AISResult(one, 0.0, torch.zeros(3, 1)).effective_size == pytest.approx(1.0)
    assert AISResult(one, 0.0, torch.zeros(3, 1)).interval()[0] == -math.inf
    half = torch.tensor([1.0, 1.0, -800.0, -900.0], dtype=torch.float64)
    assert AISResult(half, 0.0, torch.zeros(4, 1)).effective_size == pytest.approx(2.0)


def test_path() -> None:
    path = rbm_path(14_501)
    assert len(path) == 14_501
    assert (path.diff() > 0).all()
    assert path[500].item() == pytest.approx(0.5)
    assert path[4500].item() == pytest.approx(0.9)
    assert len(rbm_path(21)) == 21


@pytest.mark.gpu
def test_rbm_on_a_gpu() -> None:
    rbm, base = reference_rbm(torch.float32), reference_base()
    found = rbm_log_z(rbm.cuda(), base.cuda(), runs=RUNS, generator=torch.Generator("cuda").manual_seed(0))
    assert found.log_weights.device.type == "cpu"
    assert abs(found.log_z - log_z(reference_rbm()).item()) < 4.5 * found.standard_error


def step(x: torch.Tensor, beta: float) -> torch.Tensor:
    return x


def wrong(value: Any) -> Any:
    """A value of the wrong kind, past the type checker."""
    return value


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda: rbm_path(20), ValueError, "temperatures must be at least 21, got 20"),
        (lambda: rbm_log_z(RBM(2, 2), torch.zeros(3)), ValueError, r"base must have shape \(2,\)"),
        (lambda: rbm_log_z(RBM(2, 2), torch.full((2,), math.nan)), ValueError, "base must be finite"),
        (lambda: rbm_log_z(None, torch.zeros(2)), TypeError, "rbm must be an RBM, got NoneType"),  # type: ignore[arg-type]
        (
            lambda: rbm_log_likelihood(RBM(2, 2), torch.full((1, 2), 0.5), 0.0),
            ValueError,
            "x must hold 0 and 1 only, got 0.5",
        ),
        (
            lambda: rbm_log_likelihood(RBM(2, 2), torch.zeros(1, 2).double(), 0.0),
            TypeError,
            "x must have the dtype of the machine",
        ),
        (lambda: rbm_log_z(RBM(2, 2), torch.zeros(2), runs=1), ValueError, "runs must be at least 2"),
        (
            lambda: rbm_log_z(RBM(2, 2), torch.zeros(2), path=torch.ones(3)),
            ValueError,
            "path must rise strictly",
        ),
        (
            lambda: rbm_log_z(RBM(2, 2), torch.zeros(2), path=torch.zeros(1)),
            ValueError,
            "path must have shape",
        ),
        (
            lambda: ais(wrong(None), step, torch.zeros(2, 1), rbm_path()),
            TypeError,
            "log_density must be callable",
        ),
        (lambda: ais(step, wrong(3), torch.zeros(2, 1), rbm_path()), TypeError, "kernel must be callable"),
        (lambda: ais(step, step, wrong([0.0]), rbm_path()), TypeError, "x must be a torch.Tensor"),
        (
            lambda: rbm_log_likelihood(RBM(2, 2), torch.zeros(3, 3), 0.0),
            ValueError,
            "x must end in the event",
        ),
    ],
)
def test_bad_input(call, error, said) -> None:
    with pytest.raises(error, match=said):
        call()
