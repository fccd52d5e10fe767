"""The Boltzmann machine against brute enumeration, its conditional, its chain and the Hopfield update it tends to."""

import itertools
import math

import pytest
import torch

from gmlib.energy import BoltzmannMachine, all_states, boltzmann_gibbs, free_weights, state_index

F64 = torch.float64


def machine(n: int = 4, scale: float = 0.5, seed: int = 0, inv_temp: float = 1.0) -> BoltzmannMachine:
    generator = torch.Generator().manual_seed(seed)
    w = scale * torch.randn(n, n, generator=generator, dtype=F64).triu(1)
    return BoltzmannMachine(w + w.T, 0.3 * torch.randn(n, generator=generator, dtype=F64), inv_temp)


def brute(net: BoltzmannMachine) -> dict[tuple[int, ...], float]:
    """The law, from sums over pairs in plain Python."""
    w, b = net.weights.tolist(), net.bias.tolist()
    mass = {}
    for x in itertools.product((-1, 1), repeat=net.n):
        pairs = sum(w[i][j] * x[i] * x[j] for i, j in itertools.combinations(range(net.n), 2))
        mass[x] = math.exp(net.inv_temp * (pairs + sum(bi * xi for bi, xi in zip(b, x, strict=True))))
    z = sum(mass.values())
    return {x: m / z for x, m in mass.items()} | {(): z}


def test_boltzmann_machine() -> None:
    net = machine(inv_temp=0.8)
    law = brute(net)
    z = law.pop(())
    x = all_states(4)
    # Energies, partition function and the table of 16 states.
    assert torch.allclose(net.probabilities(), torch.tensor(list(law.values()), dtype=F64), atol=1e-14)
    assert net.log_z().item() == pytest.approx(math.log(z), abs=1e-13)
    assert torch.allclose(net.log_prob(x).exp(), net.probabilities(), atol=1e-14)
    # P(x_i = +1 | rest) = sigmoid(2 beta a_i), exactly: not of a_i, and not of 4 a_i.
    table = net.conditional(x)
    for i, state in itertools.product(range(4), law):
        up, down = (law[(*state[:i], v, *state[i + 1 :])] for v in (1, -1))
        row = int(state_index(torch.tensor(state, dtype=F64)))
        assert table[row, i].item() == pytest.approx(up / (up + down), abs=1e-14)
    # 65,536 units: the full matrix has 2^32 entries, the pairs are fewer than half of them.
    assert free_weights(65_536) == 2_147_450_880 == (65_536**2 - 65_536) // 2


def test_long_run_frequencies_are_the_table() -> None:
    # 20,000 independent chains, 30 sweeps each from +1: n = 20,000 independent draws, as far as the start is forgotten.
    net, n = machine(), 20_000
    x = boltzmann_gibbs(net, torch.ones(n, 4, dtype=F64), 30, generator=torch.Generator().manual_seed(1))
    p = net.probabilities()
    frequency = torch.bincount(state_index(x), minlength=16) / n
    assert ((frequency - p).abs() < 4.5 * (p * (1 - p) / n).sqrt()).all()


def test_moments() -> None:
    net = machine(5)
    p, x = net.probabilities(), all_states(5)
    mean, correlation = net.moments()
    assert torch.allclose(mean, p @ x, atol=1e-14)
    assert torch.allclose(correlation, x.T @ (p[:, None] * x), atol=1e-14)
    # One unit: tanh(beta b); a pair without biases: tanh(beta w); log Z = log 2 cosh, log 4 cosh.
    one = BoltzmannMachine(torch.zeros(1, 1, dtype=F64), torch.tensor([0.7], dtype=F64), 2.0)
    assert one.moments().mean.item() == pytest.approx(math.tanh(1.4), abs=1e-15)
    assert one.log_z().item() == pytest.approx(math.log(2 * math.cosh(1.4)), abs=1e-15)
    pair = BoltzmannMachine(torch.tensor([[0.0, 0.6], [0.6, 0.0]], dtype=F64))
    assert pair.moments().correlation[0, 1].item() == pytest.approx(math.tanh(0.6), abs=1e-15)
    assert pair.log_z().item() == pytest.approx(math.log(4 * math.cosh(0.6)), abs=1e-14)


def test_sums_in_pieces() -> None:
    # 17 units are two pieces; without weights everything is a product.
    b = torch.linspace(-1, 1, 17, dtype=F64)
    net = BoltzmannMachine(torch.zeros(17, 17, dtype=F64), b)
    assert net.log_z().item() == pytest.approx(torch.log(2 * torch.cosh(b)).sum().item(), abs=1e-11)
    mean, correlation = net.moments()
    assert torch.allclose(mean, b.tanh(), atol=1e-12)
    off = torch.outer(b.tanh(), b.tanh()).fill_diagonal_(1.0)
    assert torch.allclose(correlation, off, atol=1e-12)
    assert net.probabilities().sum().item() == pytest.approx(1.0, abs=1e-12)


def test_low_temperature_is_the_hopfield_update() -> None:
    net = machine(6, inv_temp=1e8)
    x = all_states(6)
    noise = torch.rand(1, 64, 6, generator=torch.Generator().manual_seed(0), dtype=F64)
    truth = x.clone()
    with torch.no_grad():
        for i in range(6):  # one unit after the other takes the sign of its activation
            truth[:, i] = torch.sign(truth @ net.weights[:, i] + net.bias[i])
        got = boltzmann_gibbs(net, x, 1, noise=noise)
        assert torch.equal(got, truth)
        assert (net.energy(got) <= net.energy(x) + 1e-12).all()
    assert not torch.equal(got, x)


def test_the_half_keeps_energies_and_activations_together() -> None:
    # E(x with x_i = -1) - E(x with x_i = +1) = 2 a_i: with the half left out, W would count twice.
    net, x = machine(5), all_states(5)
    for i in range(5):
        up, down = x.clone(), x.clone()
        up[:, i], down[:, i] = 1, -1
        assert torch.allclose(net.energy(down) - net.energy(up), 2 * net.activation(x)[:, i], atol=1e-13)


def test_gradient_of_log_z_is_the_mean_and_half_the_correlation() -> None:
    net = machine(5)
    net.log_z().backward()
    mean, correlation = net.moments()
    assert torch.allclose(net.bias.grad, mean, atol=1e-13)
    assert torch.allclose(net.weights.grad, correlation / 2, atol=1e-13)


@pytest.mark.bad_input
def test_bad_arguments() -> None:
    eye, zeros = torch.eye(3), torch.zeros(3, 3)
    net = BoltzmannMachine(zeros)
    large = BoltzmannMachine(torch.zeros(25, 25))
    for error, words, call in (
        (
            ValueError,
            "weights must have a zero diagonal, got an entry of size 1",
            lambda: BoltzmannMachine(eye),
        ),
        (ValueError, "weights must be symmetric", lambda: BoltzmannMachine(torch.ones(3, 3).triu(1))),
        (ValueError, r"weights must have shape \(d, d\)", lambda: BoltzmannMachine(torch.zeros(3, 2))),
        (ValueError, "weights must be finite", lambda: BoltzmannMachine(torch.full((2, 2), math.nan))),
        (TypeError, "weights must have a floating dtype", lambda: BoltzmannMachine(zeros.long())),
        (ValueError, r"bias must have shape \(3,\)", lambda: BoltzmannMachine(zeros, torch.zeros(2))),
        (
            TypeError,
            "bias must have the dtype of the weights",
            lambda: BoltzmannMachine(zeros, zeros[0].double()),
        ),
        (TypeError, "x must have the dtype of the weights", lambda: net.energy(torch.ones(3).double())),
        (TypeError, "x must have the dtype of the weights", lambda: net.conditional(torch.ones(3).double())),
        (ValueError, "bias must be finite", lambda: BoltzmannMachine(zeros, torch.full((3,), math.inf))),
        (ValueError, "inv_temp must be", lambda: BoltzmannMachine(zeros, inv_temp=0.0)),
        (ValueError, "x must end in the event shape", lambda: net.energy(torch.ones(4))),
        (ValueError, "x must end in the event shape", lambda: net.conditional(torch.ones(4))),
        (TypeError, "x must be a torch.Tensor", lambda: net.activation([1, 1, 1])),
        (ValueError, r"x must hold \+1 and -1 only, got 0", lambda: net.log_prob(torch.zeros(3))),
        (ValueError, "must have at most 24 units to be enumerated, got 25", large.log_z),
        (ValueError, "must have at most 24 units", large.moments),
        (ValueError, "must have at most 24 units", large.probabilities),
        (ValueError, "n must be at least 1", lambda: free_weights(0)),
    ):
        with pytest.raises(error, match=words):
            call()
