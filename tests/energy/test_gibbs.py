"""Gibbs sampling: Gaussians against the linear recursion of a sweep, Boltzmann machines against transition matrices."""

import math

import pytest
import torch

from gmlib.energy import (
    BoltzmannMachine,
    all_states,
    boltzmann_gibbs,
    gaussian_gibbs,
    gaussian_sweep,
    gibbs_chain,
    second_modulus,
    state_index,
    sweep_matrix,
)

F64 = torch.float64


def pair(rho: float) -> torch.Tensor:
    return torch.tensor([[1.0, rho], [rho, 1.0]], dtype=F64)


def random_covariance(d: int = 4) -> torch.Tensor:
    a = torch.randn(d, d + 2, generator=torch.Generator().manual_seed(0), dtype=F64)
    return a @ a.T


def machine(n: int = 5) -> BoltzmannMachine:
    generator = torch.Generator().manual_seed(3)
    w = 0.5 * torch.randn(n, n, generator=generator, dtype=F64).triu(1)
    return BoltzmannMachine(w + w.T, 0.3 * torch.randn(n, generator=generator, dtype=F64))


@pytest.mark.parametrize("rho", [-0.9, 0.0, 0.5, 0.99])
def test_gibbs_sampler(rho: float) -> None:
    covariance = pair(rho)
    a, q = gaussian_sweep(covariance)
    # x1' = rho x2 + noise, x2' = rho x1' + noise: the first coordinate's past is forgotten, the second's counts rho^2.
    assert torch.allclose(a, torch.tensor([[0.0, rho], [0.0, rho**2]], dtype=F64), atol=1e-12)
    r = 1 - rho**2
    assert torch.allclose(q, torch.tensor([[r, r * rho], [r * rho, r * (1 + rho**2)]], dtype=F64), atol=1e-12)
    # One step is one sweep: the lag-1 autocorrelation of each coordinate is exactly rho^2, at lag k rho^(2k).
    lagged = a @ covariance
    assert torch.allclose(lagged.diagonal(), torch.full((2,), rho**2, dtype=F64), atol=1e-12)
    third = torch.linalg.matrix_power(a, 3) @ covariance
    assert torch.allclose(third.diagonal(), torch.full((2,), rho**6, dtype=F64), atol=1e-12)
    # The same by Monte Carlo: n = 40,000 chains from the law itself. Var(x y) = 1 + corr^2 for unit normals.
    n, generator = 40_000, torch.Generator().manual_seed(1)
    start = torch.randn(n, 2, generator=generator, dtype=F64) @ torch.linalg.cholesky(covariance).T
    end = gaussian_gibbs(covariance, start, 1, generator=generator)
    error = math.sqrt((1 + rho**4) / n)
    assert ((start * end).mean(0) - rho**2).abs().max() < 4.5 * error
    cross = (end[:, 0] * end[:, 1]).mean() - rho
    assert cross.abs() < 4.5 * math.sqrt((1 + rho**2) / n)


def test_a_sweep_leaves_a_gaussian_as_it_is() -> None:
    covariance = random_covariance()
    a, q = gaussian_sweep(covariance)
    assert torch.allclose(a @ covariance @ a.T + q, covariance, atol=1e-11)
    # From a fixed start the draw is the recursion: noise 1/2 is the mean, and the response to a unit of start is A.
    half = torch.full((1, 5, 4), 0.5, dtype=F64)
    mean = torch.arange(4, dtype=F64)
    start = torch.cat((mean[None], mean + torch.eye(4, dtype=F64)))
    end = gaussian_gibbs(covariance, start, 1, mean=mean, noise=half)
    assert torch.allclose(end - mean, torch.cat((torch.zeros(1, 4, dtype=F64), a.T)), atol=1e-12)


def test_random_scan_of_a_gaussian() -> None:
    # A step in coordinate i has the matrix A_i; d random ones have the mean (mean of A_i)^d.
    covariance, n = pair(0.8), 40_000
    steps = (
        torch.tensor([[0.0, 0.8], [0.0, 1.0]]).to(F64) + torch.tensor([[1.0, 0.0], [0.8, 0.0]]).to(F64)
    ) / 2
    truth = (steps @ steps @ covariance).diagonal()
    generator = torch.Generator().manual_seed(2)
    start = torch.randn(n, 2, generator=generator, dtype=F64) @ torch.linalg.cholesky(covariance).T
    end = gaussian_gibbs(covariance, start, 1, scan="random", generator=generator)
    product = start * end
    assert ((product.mean(0) - truth).abs() < 4.5 * product.std(0) / math.sqrt(n)).all()
    assert (end.square().mean(0) - 1).abs().max() < 4.5 * math.sqrt(2 / n)


@pytest.mark.parametrize("scan", ["systematic", "random"])
def test_transition_matrix_of_a_boltzmann_machine(scan: str) -> None:
    net = machine()
    t, p = sweep_matrix(net, scan=scan), net.probabilities()
    assert torch.allclose(t.sum(-1), torch.ones(32, dtype=F64), atol=1e-13)
    assert torch.allclose(p @ t, p, atol=1e-14)
    # Forgetting: T^k tends to p from every start, at the rate of the second eigenvalue.
    rate = second_modulus(t)
    distance = [(torch.linalg.matrix_power(t, k) - p).abs().sum(-1).max() / 2 for k in (10, 20)]
    assert (distance[1] / distance[0]) ** 0.1 == pytest.approx(rate, rel=0.02)
    # Reversible only when the order is random.
    flow = p[:, None] * t
    assert torch.allclose(flow, flow.T, atol=1e-14) == (scan == "random")
    # What is drawn is this matrix: n = 200,000 chains from one state, after one sweep.
    n = 200_000
    start = all_states(5)[9].expand(n, 5)
    end = boltzmann_gibbs(net, start, 1, scan=scan, generator=torch.Generator().manual_seed(0))
    frequency = torch.bincount(state_index(end), minlength=32) / n
    error = (t[9] * (1 - t[9]) / n).sqrt()
    assert ((frequency - t[9]).abs() < 4.5 * error + 1e-12).all()


def test_a_step_uses_the_new_values_of_the_units_before_it() -> None:
    # Against a plain double loop with the same uniforms, inverse temperature included.
    net, start = machine(), all_states(5)
    noise = torch.rand(3, 32, 5, generator=torch.Generator().manual_seed(0), dtype=F64)
    truth = start.clone().tolist()
    w, b = net.weights.tolist(), net.bias.tolist()
    path = [start]
    for sweep in noise.tolist():
        for x, u in zip(truth, sweep, strict=True):
            for i in range(5):
                a = sum(wij * xj for wij, xj in zip(w[i], x, strict=True)) + b[i]
                x[i] = 1.0 if u[i] < 1 / (1 + math.exp(-2 * 0.7 * a)) else -1.0
        path.append(torch.tensor(truth, dtype=F64))
    got = boltzmann_gibbs(net, start, 3, inv_temp=0.7, noise=noise, trace=True)
    assert torch.equal(got, torch.stack(path))
    assert torch.equal(boltzmann_gibbs(net, start, 3, inv_temp=0.7, noise=noise), path[-1])
    # Batches of any shape run side by side, and the start is left alone.
    shaped = boltzmann_gibbs(net, start.reshape(4, 8, 5), 3, inv_temp=0.7, noise=noise.reshape(3, 4, 8, 5))
    assert torch.equal(shaped.reshape(32, 5), path[-1])
    assert torch.equal(start, all_states(5))


def test_chains_repeat_with_their_generator() -> None:
    def run(seed: int, scan: str) -> torch.Tensor:
        return boltzmann_gibbs(
            machine(), all_states(5), 4, scan=scan, generator=torch.Generator().manual_seed(seed)
        )

    for scan in ("systematic", "random"):
        assert torch.equal(run(0, scan), run(0, scan))
        assert not torch.equal(run(0, scan), run(1, scan))


@pytest.mark.gpu
def test_chains_on_the_gpu() -> None:
    net, start = machine(), all_states(5)
    noise = torch.rand(10, 32, 5, generator=torch.Generator().manual_seed(0), dtype=F64)
    truth = boltzmann_gibbs(net, start, 10, noise=noise)
    assert torch.equal(boltzmann_gibbs(net.cuda(), start.cuda(), 10, noise=noise.cuda()).cpu(), truth)


@pytest.mark.bad_input
def test_bad_arguments() -> None:
    x, net, eye = torch.ones(2, 5, dtype=F64), machine(), torch.eye(2, dtype=F64)
    two = torch.zeros(3, 2, dtype=F64)
    for error, words, call in (
        (TypeError, "conditional must be callable", lambda: gibbs_chain(None, x, 1)),
        (ValueError, "scan must be one of", lambda: gibbs_chain(len, x, 1, scan="zigzag")),
        (ValueError, "sweeps must be at least 0", lambda: gibbs_chain(len, x, -1)),
        (TypeError, "x must have a floating dtype", lambda: gibbs_chain(len, x.long(), 1)),
        (ValueError, "x must have shape", lambda: gibbs_chain(len, x[:, :0], 1)),
        (ValueError, r"noise must have shape \(1, 2, 5\)", lambda: boltzmann_gibbs(net, x, 1, noise=x)),
        (ValueError, r"x must hold \+1 and -1 only", lambda: boltzmann_gibbs(net, 0 * x, 1)),
        (ValueError, "x must end in the event shape", lambda: boltzmann_gibbs(net, x[:, :4], 1)),
        (TypeError, "x must have the dtype of the weights", lambda: boltzmann_gibbs(net, x.float(), 1)),
        (TypeError, "machine must be a BoltzmannMachine", lambda: boltzmann_gibbs(eye, x, 1)),
        (ValueError, "inv_temp must be", lambda: boltzmann_gibbs(net, x, 1, inv_temp=-1.0)),
        (ValueError, "must have at most 12 units", lambda: sweep_matrix(machine(13))),
        (ValueError, "scan must be one of", lambda: sweep_matrix(net, scan="zigzag")),
        (ValueError, "matrix must sum to one", lambda: second_modulus(2 * eye)),
        (ValueError, r"matrix must have shape \(N, N\)", lambda: second_modulus(torch.ones(1, 1))),
        (ValueError, "covariance must be symmetric", lambda: gaussian_sweep(torch.ones(2, 2).triu())),
        (ValueError, "covariance must be positive definite", lambda: gaussian_sweep(pair(1.5))),
        (ValueError, r"covariance must have shape \(d, d\)", lambda: gaussian_sweep(torch.ones(2, 3))),
        (ValueError, "covariance must be finite", lambda: gaussian_sweep(eye * math.nan)),
        (ValueError, "x must end in the event shape", lambda: gaussian_gibbs(eye, x, 1)),
        (ValueError, r"mean must have shape \(2,\)", lambda: gaussian_gibbs(eye, two, 1, mean=two)),
    ):
        with pytest.raises(error, match=words):
            call()
