"""Data minus model phase, against finite differences of exact sums and against closed forms."""

import math

import pytest
import torch
from torch import nn

from gmlib.energy import (
    BoltzmannMachine,
    all_states,
    learn_boltzmann,
    mean_energy_gradient,
    pair_statistics,
    statistic_covariance,
    two_phase_gradient,
)

F64 = torch.float64
STATES = all_states(4)


class Quadratic(nn.Module):
    """E(x) = theta x^2 / 2."""

    def __init__(self, theta: float) -> None:
        super().__init__()
        self.theta = nn.Parameter(torch.tensor(theta, dtype=F64))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.theta * x.square() / 2


class Net(nn.Module):
    """An energy with no structure at all: two layers on four units."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(4, 5, dtype=F64), nn.Linear(5, 1, dtype=F64)
        for seed, p in enumerate(self.parameters()):
            p.data.normal_(generator=torch.Generator().manual_seed(seed))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.b(self.a(x).tanh()).squeeze(-1)


def machine(n: int = 4) -> BoltzmannMachine:
    generator = torch.Generator().manual_seed(5)
    w = 0.6 * torch.randn(n, n, generator=generator, dtype=F64).triu(1)
    return BoltzmannMachine(w + w.T, 0.4 * torch.randn(n, generator=generator, dtype=F64))


def exact(energy: nn.Module, data: torch.Tensor) -> float:
    with torch.no_grad():
        return (-energy(data).mean() - (-energy(STATES)).logsumexp(0)).item()


@pytest.mark.parametrize("energy", [Net(), machine()], ids=["net", "machine"])
def test_two_phase_gradient(energy: nn.Module) -> None:
    data = STATES[[0, 3, 3, 9, 14]]
    law = (-energy(STATES)).softmax(0).detach()
    gradient = two_phase_gradient(energy, data, STATES, model_weights=law)
    model_phase = mean_energy_gradient(energy, STATES, weights=law)
    assert set(gradient) == {name for name, _ in energy.named_parameters()}
    for name, p in energy.named_parameters():
        flat, step = p.data.view(-1), 1e-5
        for i in range(0, flat.numel(), 3):
            keep = flat[i].item()
            values = []
            for shift in (step, -step):
                flat[i] = keep + shift
                values.append((exact(energy, data), (-energy(STATES)).logsumexp(0).item()))
            flat[i] = keep
            slope, of_log_z = ((up - down) / (2 * step) for up, down in zip(*values, strict=True))
            # The difference quotient is off by about step^2 = 1e-10, and by rounding of 1e-16 / 1e-5.
            assert gradient[name].view(-1)[i].item() == pytest.approx(slope, abs=1e-8)
            assert -model_phase[name].view(-1)[i].item() == pytest.approx(of_log_z, abs=1e-8)


def test_the_gaussian_stops_at_one_over_the_variance() -> None:
    # The model phase by quadrature: under N(0, 1/theta) the mean of x^2 is 1/theta.
    data = torch.tensor([0.5, -1.5, 2.0, 1.0], dtype=F64)
    second = data.square().mean().item()  # 1.875
    grid = torch.linspace(-12, 12, 2401, dtype=F64)
    for theta in (0.5, 1 / second, 2.0):
        energy = Quadratic(theta)
        law = (-energy(grid)).softmax(0).detach()
        gradient = two_phase_gradient(energy, data, grid, model_weights=law)["theta"].item()
        assert gradient == pytest.approx((1 / theta - second) / 2, abs=1e-10)
    # And by samples: n = 100,000, variance of x^2 / 2 is 1 / (2 theta^2).
    n = 100_000
    draws = torch.randn(n, generator=torch.Generator().manual_seed(0), dtype=F64) * math.sqrt(second)
    sampled = two_phase_gradient(Quadratic(1 / second), data, draws)["theta"].item()
    assert abs(sampled) < 4.5 * second * math.sqrt(0.5 / n)


def test_weights_and_functions_do_what_samples_and_modules_do() -> None:
    net, data = Net(), STATES[[1, 1, 1, 6]]
    once, law = STATES[[1, 6]], torch.tensor([0.75, 0.25], dtype=F64)
    want = two_phase_gradient(net, data, STATES)
    named = dict(net.named_parameters()) | {"unused": torch.ones(2, dtype=F64, requires_grad=True)}
    got = two_phase_gradient(lambda x: net(x), once, STATES, data_weights=law, parameters=named)
    for name, value in want.items():
        assert torch.allclose(got[name], value, atol=1e-14)
    assert torch.equal(got["unused"], torch.zeros(2, dtype=F64))


def test_hessian_of_log_z_is_the_covariance() -> None:
    statistics = pair_statistics(STATES)
    theta = 0.5 * torch.randn(10, generator=torch.Generator().manual_seed(1), dtype=F64)
    hessian = torch.autograd.functional.hessian(lambda t: (statistics @ t).logsumexp(0), theta)
    covariance = statistic_covariance(statistics, (statistics @ theta).softmax(0))
    assert torch.allclose(hessian, covariance, atol=1e-13)
    assert torch.linalg.eigvalsh(covariance)[0] > 0
    # Samples: the covariance of torch, with division by N.
    rows = torch.randn(50, 3, generator=torch.Generator().manual_seed(2), dtype=F64)
    assert torch.allclose(statistic_covariance(rows), rows.T.cov(correction=0), atol=1e-14)


@pytest.mark.parametrize("method", ["newton", "gradient"])
def test_boltzmann_learning_matches_correlations(method: str) -> None:
    net = machine()
    fit = learn_boltzmann(STATES, weights=net.probabilities(), method=method, tolerance=1e-7)
    assert fit.converged
    for mine, truth in zip(fit.machine.moments(), net.moments(), strict=True):
        assert (mine - truth).abs().max() < 1e-6
    # The data are a machine's own law, so the machine comes back, and the likelihood ends at minus the entropy.
    assert torch.allclose(fit.machine.weights, net.weights, atol=1e-5)
    assert torch.allclose(fit.machine.bias, net.bias, atol=1e-5)
    law = net.probabilities()
    assert fit.log_likelihood[-1].item() == pytest.approx((law * law.log()).sum().item(), abs=1e-10)
    assert fit.log_likelihood[0].item() == pytest.approx(-4 * math.log(2), abs=1e-12)
    assert (fit.log_likelihood.diff() > -1e-13).all()
    assert fit.gap[-1] <= 1e-7 < fit.gap[0]
    # The first gradient step is lr times the data's moments: data minus model, and the model starts without any.
    one = learn_boltzmann(STATES, weights=law, method="gradient", lr=0.05, steps=1)
    assert torch.allclose(one.machine.bias, 0.05 * net.moments().mean, atol=1e-14)
    assert not one.converged
    assert len(one.gap) == 2


def test_data_of_no_machine_are_fitted_in_their_correlations() -> None:
    # Parity of three units is invisible to pairs: the best machine is the uniform law.
    odd = all_states(3)[all_states(3).prod(-1) > 0]
    fit = learn_boltzmann(odd)
    assert fit.machine.weights.abs().max() < 1e-12
    assert fit.log_likelihood[-1].item() == pytest.approx(-3 * math.log(2), abs=1e-12)


@pytest.mark.parametrize("method", ["newton", "gradient"])
@pytest.mark.parametrize("dtype", [torch.float32, F64])
def test_learning_stops_by_itself_in_either_precision(method: str, dtype: torch.dtype) -> None:
    law = machine().probabilities()
    fit = learn_boltzmann(STATES.to(dtype), weights=(law / law.sum()).to(dtype), method=method)
    assert fit.converged
    assert len(fit.gap) < 20_000
    reach = 1e-8 if dtype is F64 else 32 * torch.finfo(dtype).eps
    assert fit.gap[-1] <= reach
    moments = machine().moments()
    assert (fit.machine.moments().mean - moments.mean).abs().max() < 2 * reach
    assert (fit.machine.moments().correlation - moments.correlation).abs().max() < 2 * reach


@pytest.mark.parametrize("dtype", [torch.float32, F64])
def test_newton_stops_where_it_gains_nothing(dtype: torch.dtype) -> None:
    # A tolerance that rounding never meets, and data whose maximum is at infinity: the state (+1, +1) never occurs.
    law = machine().probabilities().to(dtype)
    assert len(learn_boltzmann(STATES.to(dtype), weights=law / law.sum(), tolerance=1e-300).gap) < 100
    data = torch.tensor([[1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]], dtype=dtype)
    fit = learn_boltzmann(data, steps=2000)
    assert len(fit.gap) < 2000
    assert fit.log_likelihood[-1].item() == pytest.approx(-math.log(3), abs=1e-5)


@pytest.mark.bad_input
def test_bad_arguments() -> None:
    x, net = STATES, machine()
    frozen = machine().requires_grad_(False)
    for error, words, call in (
        (TypeError, "energy must be callable", lambda: two_phase_gradient(3, x, x)),
        (ValueError, "parameters must be given", lambda: two_phase_gradient(lambda x: x, x, x)),
        (ValueError, "parameters must hold a tensor", lambda: mean_energy_gradient(frozen, x)),
        (ValueError, r"data must have shape \(N, \*event\)", lambda: two_phase_gradient(net, x[:0], x)),
        (TypeError, "model must be a torch.Tensor", lambda: two_phase_gradient(net, x, None)),
        (
            ValueError,
            r"model_weights must have shape \(16,\)",
            lambda: two_phase_gradient(net, x, x, model_weights=x[0]),
        ),
        (
            ValueError,
            "weights must sum to one",
            lambda: mean_energy_gradient(net, x, weights=torch.ones(16, dtype=F64)),
        ),
        (
            ValueError,
            r"energy\(x\) must have shape \(16,\)",
            lambda: mean_energy_gradient(nn.Linear(4, 1, dtype=F64), x),
        ),
        (ValueError, "mean energy must be finite", lambda: mean_energy_gradient(net, x * math.nan)),
        (ValueError, r"statistics must have shape \(N, k\)", lambda: statistic_covariance(x[0])),
        (ValueError, r"x must have shape \(N, n\)", lambda: pair_statistics(x[0])),
        (ValueError, "method must be one of", lambda: learn_boltzmann(x, method="bfgs")),
        (ValueError, "data must have at most 14 units", lambda: learn_boltzmann(torch.ones(3, 15))),
        (ValueError, r"data must hold \+1 and -1 only", lambda: learn_boltzmann(0 * x)),
        (ValueError, "got one of", lambda: learn_boltzmann(x[:8])),
        (ValueError, r"weights must have shape \(16,\)", lambda: learn_boltzmann(x, weights=x[0])),
        (ValueError, "lr must be", lambda: learn_boltzmann(x, lr=-1.0)),
        (ValueError, "tolerance must be", lambda: learn_boltzmann(x, tolerance=0.0)),
        (ValueError, "steps must be at least 1", lambda: learn_boltzmann(x, steps=0)),
    ):
        with pytest.raises(error, match=words):
            call()
