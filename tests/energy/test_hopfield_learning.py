"""Weights by gradient ascent: the rule against autograd, and the optimum against its own equation."""

import itertools
import math

import pytest
import torch

from gmlib.data import city_strings, encode_strings
from gmlib.energy import (
    Hopfield,
    all_states,
    hebb,
    learn_hopfield,
    learning_gradient,
    learning_objective,
)

F64 = torch.float64
CITY = encode_strings(city_strings()).double()


def draw(k: int, d: int, seed: int = 0) -> torch.Tensor:
    return 2 * torch.randint(2, (k, d), generator=torch.Generator().manual_seed(seed)).double() - 1


def symmetric(d: int, seed: int = 1) -> torch.Tensor:
    w = torch.randn(d, d, generator=torch.Generator().manual_seed(seed), dtype=F64)
    return (w + w.T).fill_diagonal_(0)


@pytest.mark.parametrize("weight_decay", [0.0, 0.7])
def test_the_rule_is_the_gradient(weight_decay: float) -> None:
    x, w = draw(5, 7), symmetric(7)
    upper = torch.triu_indices(7, 7, 1)
    free = w[upper[0], upper[1]].clone().requires_grad_()
    full = torch.zeros(7, 7, dtype=F64).index_put(tuple(upper), free)
    # Written out unit by unit: log sigmoid(x_i a_i), the bits given all the others, and each pair's decay once.
    total = torch.zeros((), dtype=F64)
    for row in x:
        for i in range(7):
            a = ((full + full.T)[i] * row).sum()
            t = (row[i] + 1) / 2
            total = total + t * torch.sigmoid(a).log() + (1 - t) * torch.sigmoid(-a).log()
    total = total - weight_decay / 2 * free.square().sum()
    assert torch.isclose(learning_objective(w, x, weight_decay), total, rtol=1e-12)
    (truth,) = torch.autograd.grad(total, free)
    gradient = learning_gradient(w, x, weight_decay)
    assert torch.allclose(gradient[upper[0], upper[1]], truth, rtol=1e-12, atol=1e-13)
    assert torch.equal(gradient, gradient.T)
    assert gradient.diagonal().abs().max() == 0


def test_it_is_half_a_boltzmann_machines_pseudo_likelihood() -> None:
    # p ~ exp(x'Vx/2) with V = W/2: log p(x_i | rest) by the table of all states.
    w, x = symmetric(4), all_states(4, low=-1).double()
    log_p = torch.log_softmax(0.5 * (x * (x @ (w / 2))).sum(1), 0)
    total = 0.0
    for row, one in zip(x, log_p, strict=True):
        for i in range(4):
            other = row.clone()
            other[i] = -other[i]
            pair = torch.stack((one, log_p[(x == other).all(1)].squeeze()))
            total += (one - pair.logsumexp(0)).item()
    assert learning_objective(w, x, 0.0).item() == pytest.approx(total, rel=1e-12)


def test_the_first_step_from_zero_is_hebbs_rule() -> None:
    x = draw(3, 10)
    assert torch.equal(learning_gradient(torch.zeros(10, 10, dtype=F64), x, 2.0), hebb(x))
    assert torch.allclose(learn_hopfield(x, weight_decay=0.0, lr=0.3, steps=1).weights, 0.3 * hebb(x))


def test_hopfield_gradient_learning() -> None:
    assert int(Hopfield(hebb(CITY)).is_fixed(CITY).sum()) == 0
    learnt = learn_hopfield(CITY, weight_decay=1.0)
    w = learnt.weights
    assert torch.equal(w, w.T)
    assert w.diagonal().abs().max() == 0
    assert int(Hopfield(w).is_fixed(CITY).sum()) == 9
    # At the optimum W is what the errors make of it, and the objective is strictly concave: any start ends there.
    assert learnt.slope < 1e-9
    error = (CITY + 1) / 2 - torch.sigmoid(CITY @ w)
    assert torch.allclose(w, (CITY.T @ error + error.T @ CITY).fill_diagonal_(0), atol=2e-9)
    for start in (hebb(CITY), symmetric(95)):
        other = learn_hopfield(CITY, weight_decay=1.0, start=start)
        assert (
            other.weights - w
        ).abs().max() < 1e-8  # both slopes below 1e-9 / sqrt(4465) an entry would give 1e-9
        assert other.objective == pytest.approx(learnt.objective, abs=1e-10)
    assert learnt.objective == pytest.approx(learning_objective(w, CITY, 1.0).item())
    # Without decay, plain steps from Hebb's weights keep the strings too, and do not end: the slope only shrinks.
    free = learn_hopfield(CITY, weight_decay=0.0, start=hebb(CITY), lr=0.01, steps=200)
    assert int(Hopfield(free.weights).is_fixed(CITY).sum()) == 9
    assert torch.equal(free.weights, free.weights.T)
    assert free.weights.diagonal().abs().max() == 0


def test_one_pair() -> None:
    # K copies of (1, -1): the optimum solves w = -2 K sigmoid(w) / decay.
    learnt = learn_hopfield(torch.tensor([[1.0, -1.0]] * 3, dtype=F64), weight_decay=2.0, tolerance=1e-13)
    w = learnt.weights[0, 1].item()
    assert w == pytest.approx(-3 / (1 + math.exp(-w)), abs=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, F64])
def test_it_stops_by_itself_in_either_precision(dtype: torch.dtype) -> None:
    # More patterns than units, as many of them, and fewer: the optimum is within rounding of that in double precision.
    for k, d, decay in ((3, 30, 1.0), (9, 9, 0.1), (200, 6, 1.0)):
        x = draw(k, d).to(dtype)
        learnt = learn_hopfield(x, weight_decay=decay)
        assert learnt.converged
        assert learnt.steps < 5000
        truth = learn_hopfield(x.double(), weight_decay=decay).weights
        # The objective is decay / 2 strongly concave in each pair: the weights are off by at most 2 slopes' norm / decay.
        assert (learnt.weights - truth).norm() <= 2 * d * (learnt.slope + 1e-9) / decay
    strings = CITY.to(dtype)
    assert learn_hopfield(strings).converged
    assert not learn_hopfield(strings, steps=2).converged


def test_ascent_at_the_default_rate() -> None:
    # eta = 1/L never overshoots a concave objective: plain ascent rises at every step, even from far away.
    x = draw(6, 20)
    start, values = 5 * symmetric(20), []
    for steps in range(1, 25):
        learnt = learn_hopfield(x, weight_decay=0.0, start=start, steps=steps)
        assert learnt.steps == steps
        values.append(learnt.objective)
    assert all(b > a for a, b in itertools.pairwise(values))


@pytest.mark.gpu
def test_on_a_gpu() -> None:
    learnt = learn_hopfield(CITY.cuda())
    assert learnt.weights.is_cuda
    assert (learnt.weights.cpu() - learn_hopfield(CITY).weights).abs().max() < 1e-8


@pytest.mark.bad_input
def test_bad_arguments() -> None:
    x = draw(3, 5)
    for error, words, call in (
        (TypeError, "patterns must be a torch.Tensor", lambda: learn_hopfield([[1.0]])),
        (ValueError, r"patterns must have shape \(K, d\)", lambda: learn_hopfield(x[0])),
        (ValueError, r"patterns must have shape \(K, d\)", lambda: learn_hopfield(x[:0])),
        (ValueError, r"patterns must hold \+1 and -1 only", lambda: learn_hopfield(0.5 * x)),
        (ValueError, "weight_decay must be", lambda: learn_hopfield(x, weight_decay=-1.0)),
        (ValueError, r"weights must have shape \(5, 5\)", lambda: learn_hopfield(x, start=x)),
        (
            TypeError,
            "weights must have the dtype of patterns",
            lambda: learn_hopfield(x, start=torch.zeros(5, 5)),
        ),
        (ValueError, "weights must be finite", lambda: learning_gradient(symmetric(5) / 0, x, 1.0)),
        (ValueError, "lr must be", lambda: learn_hopfield(x, lr=0.0)),
        (ValueError, "steps must be at least 1", lambda: learn_hopfield(x, steps=0)),
        (TypeError, "check_every must be an int", lambda: learn_hopfield(x, check_every=1.5)),
        (ValueError, "tolerance must be", lambda: learn_hopfield(x, tolerance=-1.0)),
        (ValueError, "patterns must hold", lambda: learning_objective(symmetric(5), x * torch.nan, 1.0)),
    ):
        with pytest.raises(error, match=words):
            call()
