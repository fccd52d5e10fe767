"""The Ising model: small lattices against enumeration, large ones against Onsager and Kaufman."""

import math

import pytest
import torch

from gmlib.energy import (
    BoltzmannMachine,
    all_states,
    critical_inv_temp,
    ising_energy,
    ising_gibbs,
    ising_transition,
    lattice_sweep,
    lattice_weights,
    neighbour_sum,
    onsager_energy,
    spontaneous_magnetisation,
    state_index,
    torus_energy,
    torus_log_z,
)

F64 = torch.float64


def gen(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def torus_pairs(x: torch.Tensor) -> torch.Tensor:
    return (x * x.roll(1, -1) + x * x.roll(1, -2)).sum((-2, -1))


def test_ising_mrf() -> None:
    # 3 x 3 with a field on every site, 512 states: marginals of n = 10,000 chains against the sums.
    field = 0.4 * torch.randn(3, 3, generator=gen(), dtype=F64)
    beta, n = 0.5, 10_000
    x = all_states(9).reshape(-1, 3, 3)
    law = (beta * (x[:, 1:] * x[:, :-1]).sum((1, 2)) + beta * (x[..., 1:] * x[..., :-1]).sum((1, 2))
           + (field * x).sum((1, 2))).softmax(0)  # fmt: skip
    end = ising_gibbs(
        torch.ones(n, 3, 3, dtype=F64), 25, inv_temp=beta, field=field, periodic=False, generator=gen(1)
    )
    truth = torch.tensordot(law, x, 1)
    assert ((end.mean(0) - truth).abs() < 4.5 * ((1 - truth.square()) / n).sqrt()).all()
    frequency = torch.bincount(state_index(end.reshape(n, 9)), minlength=512) / n
    assert (frequency - law).abs().sum() < 512**0.5 / n**0.5  # E|f - p| summed is below sqrt(2 K / (pi n))
    # The same lattice as a Boltzmann machine, whose weights are the neighbours.
    net = BoltzmannMachine(beta * lattice_weights(3, 3), field.flatten())
    assert torch.allclose(net.probabilities(), law, atol=1e-14)


def test_a_sweep_updates_black_sites_then_white_ones() -> None:
    for periodic, shape in ((True, (4, 6)), (False, (3, 5))):
        beta, field = torch.tensor([0.3, 0.9], dtype=F64), torch.randn(shape, generator=gen(1), dtype=F64)
        start = torch.randn(2, *shape, generator=gen(2), dtype=F64).sign()
        noise = torch.rand(2, 2, *shape, generator=gen(3), dtype=F64)
        got = ising_gibbs(start, 2, inv_temp=beta, field=field, periodic=periodic, noise=noise)
        truth = start.tolist()
        (h, w), f = shape, field.tolist()
        for t in range(2):
            for c in range(2):
                for parity in (0, 1):
                    for i in range(h):
                        for j in (j for j in range(w) if (i + j) % 2 == parity):
                            around = [(i - 1, j), (i + 1, j), (i, j - 1), (i, j + 1)]
                            near = sum(
                                truth[c][a % h][b % w]
                                for a, b in around
                                if periodic or (0 <= a < h and 0 <= b < w)
                            )
                            p = 1 / (1 + math.exp(-2 * (beta[c].item() * near + f[i][j])))
                            truth[c][i][j] = 1.0 if noise[t, c, i, j].item() < p else -1.0
        assert torch.equal(got, torch.tensor(truth, dtype=F64))


def test_lattice_energies_and_weights_agree() -> None:
    for periodic in (True, False):
        x = torch.randn(20, 4, 5, generator=gen(), dtype=F64).sign()
        w = lattice_weights(4, 5, periodic=periodic)
        flat = x.reshape(20, 20)
        energy = ising_energy(x, periodic=periodic)
        assert torch.equal(energy, -(flat @ w * flat).sum(-1) / 2)
        assert torch.equal(neighbour_sum(x, periodic=periodic).reshape(20, 20), flat @ w)
        assert int(w.sum()) // 2 == (40 if periodic else 31)  # 2 hw pairs on a torus, h(w-1) + w(h-1) without
        if periodic:
            assert torch.equal(energy, -torus_pairs(x))


def test_onsager() -> None:
    c = critical_inv_temp()
    assert c == pytest.approx(0.5 * math.asinh(1), abs=1e-15)
    assert round(c, 4) == 0.4407
    beta = torch.tensor([0.2, 0.35, 0.5, 0.8], dtype=F64)
    # Onsager's free energy as a double integral, differentiated numerically.
    angle = (torch.arange(1000, dtype=F64) + 0.5) * (2 * math.pi / 1000)
    both = angle.cos()[:, None] + angle.cos()

    def log_z(b: float) -> float:
        return math.log(2) + torch.log(math.cosh(2 * b) ** 2 - math.sinh(2 * b) * both).mean().item() / 2

    for b, u in zip(beta.tolist(), onsager_energy(beta).tolist(), strict=True):
        assert u == pytest.approx(-(log_z(b + 1e-4) - log_z(b - 1e-4)) / 2e-4, abs=1e-6)
    assert onsager_energy(torch.tensor(c, dtype=F64)).item() == pytest.approx(-math.sqrt(2), abs=1e-12)
    # Limits: independent spins, u = -2 beta; a frozen lattice, u = -2.
    assert onsager_energy(torch.tensor([0.0, 1e-5, 1e-3], dtype=F64)).tolist() == pytest.approx(
        [0.0, -2e-5, -2e-3], abs=1e-8
    )
    assert onsager_energy(torch.tensor(20.0)).item() == pytest.approx(-2.0, abs=1e-6)
    m = spontaneous_magnetisation(torch.tensor([0.0, c - 1e-6, c + 1e-6, 0.5, 2.0], dtype=F64))
    assert m[:2].tolist() == [0.0, 0.0]
    # Just above the transition m = (8 sqrt(2) t)^(1/8) with t = beta - beta_c: the exponent 1/8.
    assert m[2].item() == pytest.approx((8 * math.sqrt(2) * 1e-6) ** 0.125, rel=1e-5)
    assert m[3].item() == pytest.approx((1 - math.sinh(1.0) ** -4) ** 0.125, abs=1e-14)
    assert m[4].item() == pytest.approx(1 - 2 * math.exp(-16), abs=1e-9)  # one flipped spin costs 8 beta


@pytest.mark.parametrize("beta", [0.1, 0.44068679350977147, 0.7])
def test_torus_partition_function(beta: float) -> None:
    # 65,536 states of 4 x 4 and 32,768 of 3 x 5, which reads the same by rows and by columns.
    at = torch.tensor(beta, dtype=F64)
    for h, w in ((4, 4), (3, 5)):
        pairs = torus_pairs(all_states(h * w).reshape(-1, h, w))
        truth = (beta * pairs).logsumexp(0).item()
        assert torus_log_z(h, w, at).item() == pytest.approx(truth, abs=1e-10)
        assert torus_log_z(w, h, at).item() == pytest.approx(truth, abs=1e-10)
        energy = -((beta * pairs).softmax(0) @ pairs).item() / (h * w)
        assert torus_energy(h, w, at).item() == pytest.approx(energy, abs=1e-8)


def test_large_tori_are_onsagers_lattice() -> None:
    beta = torch.tensor([0.2, 0.35, 0.6, 0.9], dtype=F64)
    assert torch.allclose(torus_energy(64, 64, beta), onsager_energy(beta), atol=1e-6)
    # At the transition the size shows: the difference halves when the side doubles.
    c = torch.tensor(critical_inv_temp(), dtype=F64)
    near = [(torus_energy(n, n, c) - onsager_energy(c)).item() for n in (32, 64)]
    assert near[0] / near[1] == pytest.approx(2.0, abs=0.01)


def test_simulated_transition() -> None:
    # 16 x 16, 32 chains each, 250 + 250 sweeps. Energies against Kaufman's sum at this very size, at the transition too.
    beta = torch.tensor([0.25, 0.35, critical_inv_temp(), 0.5, 0.6])
    run = ising_transition(16, beta, chains=32, burn_in=250, sweeps=250, generator=gen())
    truth = torus_energy(16, 16, beta.double())
    assert ((run.mean_energy - truth).abs() < 4.5 * run.energy_error).all()
    assert (run.energy_error < 0.015).all()
    # Magnetisation against the infinite lattice where the correlation length is far below the side: below T_c.
    gap = run.mean_magnetisation - spontaneous_magnetisation(beta)
    assert (gap[4:].abs() < 4.5 * run.magnetisation_error[4:]).all()
    assert gap[3].abs() < 5e-3
    # Above T_c |m| is what a finite lattice has by chance, 1/side and more; it jumps across the transition.
    assert run.mean_magnetisation[0] < 0.2
    assert run.mean_magnetisation[3] > 0.9
    assert run.states.shape == (5, 16, 16)
    assert torch.equal(run.states.abs(), torch.ones(5, 16, 16))


def test_small_lattice_magnetisation_is_enumeration() -> None:
    beta = torch.tensor([0.2, 0.44], dtype=F64)
    run = ising_transition(4, beta, chains=400, burn_in=100, sweeps=100, generator=gen(2))
    x = all_states(16).reshape(-1, 4, 4)
    size, pairs = x.mean((1, 2)).abs(), torus_pairs(x)
    for t, b in enumerate(beta):
        truth = (b * pairs).softmax(0) @ size
        assert (run.mean_magnetisation[t] - truth).abs() < 4.5 * run.magnetisation_error[t]


@pytest.mark.parametrize("dtype", [torch.float32, F64])
def test_exact_formulas_hold_from_hot_to_cold(dtype: torch.dtype) -> None:
    cold = torch.tensor([10.0, 25.0, 43.0] + [200.0, 354.0] * (dtype is F64), dtype=dtype)
    # Two ground states, and the next level 8 higher: log Z = 2 beta h w + log 2 up to exp(-80).
    excess = torus_log_z(4, 6, cold) - 48 * cold
    assert torch.allclose(
        excess, torch.full_like(cold, math.log(2)), atol=8 * 48 * 400 * torch.finfo(dtype).eps
    )
    assert torch.allclose(torus_energy(4, 6, cold), torch.full_like(cold, -2.0), rtol=1e-5)
    # Hot: u = -2 tanh(beta) - 4 tanh(beta)^3 ..., from the series of log Z in loops; the next term is of order beta^5.
    hot = torch.logspace(-6, -2, 30, dtype=dtype)
    series = -2 * hot - 10 / 3 * hot**3
    assert torch.allclose(onsager_energy(hot) / series, torch.ones_like(hot), atol=1e-6)


@pytest.mark.gpu
def test_sweeps_on_the_gpu() -> None:
    start = torch.randn(4, 8, 8, generator=gen(), dtype=F64).sign()
    noise = torch.rand(20, 4, 8, 8, generator=gen(1), dtype=F64)
    truth = ising_gibbs(start, 20, inv_temp=0.4, noise=noise)
    assert torch.equal(ising_gibbs(start.cuda(), 20, inv_temp=0.4, noise=noise.cuda()).cpu(), truth)


@pytest.mark.bad_input
def test_bad_arguments() -> None:
    x, beta = torch.ones(2, 4, 4), torch.tensor([0.3])
    for error, words, call in (
        (ValueError, "sides that are even and at least 4", lambda: ising_gibbs(x[..., :3], 1, inv_temp=0.3)),
        (ValueError, "sides that are at least 3", lambda: ising_energy(x[..., :2])),
        (ValueError, "sides that are at least 3", lambda: lattice_weights(2, 4, periodic=True)),
        (ValueError, "x must have shape", lambda: neighbour_sum(torch.ones(3))),
        (TypeError, "x must have a floating dtype", lambda: ising_energy(x.long())),
        (ValueError, r"x must hold \+1 and -1 only", lambda: ising_gibbs(0 * x, 1, inv_temp=0.3)),
        (ValueError, "inv_temp must be", lambda: ising_gibbs(x, 1, inv_temp=-0.3)),
        (TypeError, "inv_temp must be a real number", lambda: ising_gibbs(x, 1, inv_temp="0.3")),
        (
            ValueError,
            r"inv_temp must broadcast to shape \(2,\)",
            lambda: ising_gibbs(x, 1, inv_temp=torch.ones(3)),
        ),
        (ValueError, "field must broadcast", lambda: ising_gibbs(x, 1, inv_temp=0.3, field=torch.ones(3))),
        (ValueError, "field must be finite", lambda: lattice_sweep(x, 0.3, torch.full((4,), math.nan))),
        (ValueError, "noise must have shape", lambda: ising_gibbs(x, 1, inv_temp=0.3, noise=x)),
        (ValueError, "sweeps must be at least 0", lambda: ising_gibbs(x, -1, inv_temp=0.3)),
        (TypeError, "height must be an int", lambda: lattice_weights(2.0, 4)),
        (ValueError, "chains must be at least 2", lambda: ising_transition(4, beta, chains=1)),
        (ValueError, r"inv_temps must have shape \(T,\)", lambda: ising_transition(4, beta[0])),
        (ValueError, "side must be even, got 5", lambda: ising_transition(5, beta)),
        (ValueError, "side must be at least 4", lambda: ising_transition(2, beta)),
        (ValueError, "inv_temps must be a finite number", lambda: ising_transition(4, -beta)),
        (
            TypeError,
            "noise must have the dtype of x",
            lambda: ising_gibbs(x, 1, inv_temp=0.3, noise=x[None].double()),
        ),
        (ValueError, "the largest inv_temp must be", lambda: torus_log_z(4, 4, 400 + beta)),
        (ValueError, "inv_temp must be a finite number", lambda: onsager_energy(-beta)),
        (TypeError, "inv_temp must be a torch.Tensor", lambda: spontaneous_magnetisation(0.3)),
        (ValueError, "inv_temp must not be empty", lambda: onsager_energy(beta[:0])),
        (ValueError, "the smallest inv_temp must be", lambda: torus_log_z(4, 4, 0 * beta)),
        (ValueError, "width must be at least 3", lambda: torus_energy(4, 2, beta)),
    ):
        with pytest.raises(error, match=words):
            call()
