"""Continuous Hopfield network: its energy along the flow, and its two limits."""

import math

import numpy as np
import pytest
import torch

from gmlib.energy import ContinuousHopfield, Hopfield, all_states

F64 = torch.float64


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def weights(d: int, seed: int = 0) -> torch.Tensor:
    w = torch.randn(d, d, generator=seeded(seed), dtype=F64)
    return (w + w.T).fill_diagonal_(0)


def test_continuous_hopfield() -> None:
    w, b = weights(6), torch.randn(6, generator=seeded(1), dtype=F64)
    # The energy falls along the ODE, at the rate of the closed form, from 200 starts and at three gains.
    for beta in (0.3, 1.0, 4.0):
        net = ContinuousHopfield(w, b, beta)
        path = net.flow(2 * torch.randn(200, 6, generator=seeded(2), dtype=F64), 4.0)
        assert (path.energy.diff(dim=0) <= 1e-12).all()
        assert path.time[-1].item() == pytest.approx(4.0)
    # Large beta: the binary net. Every state of margin > 0 (by enumeration) has a stable rest beside it ...
    net, binary = ContinuousHopfield(w, b, 20.0), Hopfield(w, b)
    states = all_states(6, low=-1).to(F64)
    fixed = states[binary.is_fixed(states)]
    assert len(fixed) >= 2
    found = net.flow(binary.activation(fixed), 12.0, 800).state[-1]
    # ... short of the corner by 1 - tanh(beta m), m the margin there.
    short = 2 / (1 + torch.exp(40 * binary.margins(fixed)))
    assert torch.allclose(fixed - found, fixed * short, rtol=0.05, atol=1e-10)
    assert short.max() < 1e-3
    # ... and every start flows to one of them.
    ends = net.flow(torch.randn(100, 6, generator=seeded(3), dtype=F64), 12.0, 800)
    assert binary.is_fixed(ends.state[-1].sign()).all()
    assert (ends.state[-1].abs() > 0.99).all()
    # Small beta, no biases: only x = 0, up to 1 / the largest eigenvalue.
    edge = ContinuousHopfield(w).critical_inv_temp()
    assert edge == pytest.approx(1 / torch.linalg.eigvalsh(w)[-1].item())
    start = 3 * torch.randn(50, 6, generator=seeded(4), dtype=F64)
    assert ContinuousHopfield(w, inv_temp=0.9 * edge).flow(start, 100.0, 500).state[-1].abs().max() < 1e-3
    above = ContinuousHopfield(w, inv_temp=1.1 * edge).flow(start, 100.0, 500)
    assert above.state[-1].norm(dim=1).min() > 0.1
    assert (above.energy[-1] < 0).all()  # below the 0 of x = 0


def test_energy() -> None:
    w, b, beta = weights(4), torch.randn(4, generator=seeded(1), dtype=F64), 0.7
    net = ContinuousHopfield(w, b, beta)
    x = 1.9 * torch.rand(5, 4, generator=seeded(2), dtype=F64) - 0.95
    # The integral by Gauss-Legendre quadrature of artanh.
    nodes, mass = (torch.tensor(v, dtype=F64) for v in np.polynomial.legendre.leggauss(200))
    half = x[..., None] / 2
    integral = (half * mass * torch.atanh(half * (nodes + 1))).sum(-1)
    truth = -0.5 * torch.einsum("ni,ij,nj->n", x, w, x) - x @ b + integral.sum(1) / beta
    assert torch.allclose(net.energy(x), truth, atol=1e-12)
    # Mean-field free energy: <E> - H/beta under independent units of mean x, up to (d/beta) log 2.
    p = torch.stack(((1 + x) / 2, (1 - x) / 2))
    entropy = torch.special.entr(p).sum((0, 2))
    mean_energy = -0.5 * torch.einsum("ni,ij,nj->n", x, w, x) - x @ b
    assert torch.allclose(net.energy(x), mean_energy - entropy / beta + 4 / beta * math.log(2), atol=1e-12)
    # At the corners: the binary energy and (d/beta) log 2, without a NaN.
    corners = all_states(4, low=-1).to(F64)
    assert torch.allclose(net.energy(corners), Hopfield(w, b).energy(corners) + 4 / beta * math.log(2))


def test_velocity_and_power() -> None:
    net = ContinuousHopfield(weights(5), torch.randn(5, generator=seeded(1), dtype=F64), 0.8)
    u = torch.randn(7, 5, generator=seeded(2), dtype=F64)
    x = net.state(u).requires_grad_()
    (gradient,) = torch.autograd.grad(net.energy(x).sum(), x)
    assert torch.allclose(net.velocity(u), -gradient, atol=1e-12)
    v = u.clone().requires_grad_()
    (by_u,) = torch.autograd.grad(net.energy(net.state(v)).sum(), v)
    assert torch.allclose(net.power(u), (by_u * net.velocity(u)).sum(1), atol=1e-12)
    assert (net.power(u) < 0).all()


def test_rests_are_the_relaxation_equation() -> None:
    net = ContinuousHopfield(weights(6), torch.randn(6, generator=seeded(1), dtype=F64), 0.9)
    x = net.flow(torch.randn(20, 6, generator=seeded(2), dtype=F64), 60.0, 600).state[-1]
    assert torch.allclose(x, torch.tanh(net.inv_temp * (x @ net.weights + net.bias)), atol=1e-8)


def test_flow_is_of_fourth_order() -> None:
    # Without weights: u = b + (u0 - b) e^{-t}, exactly.
    b = torch.tensor([0.5, -1.0], dtype=F64)
    alone = ContinuousHopfield(torch.zeros(2, 2, dtype=F64), b)
    u = torch.tensor([[2.0, 1.0]], dtype=F64)
    path = alone.flow(u, 2.0, 40)
    truth = b + (u - b) * torch.exp(-path.time)[:, None, None]
    assert torch.allclose(path.potential, truth, atol=1e-6)
    errors = [(alone.flow(u, 2.0, n).potential[-1] - truth[-1]).abs().max().item() for n in (10, 20, 40)]
    assert errors[0] / errors[1] == pytest.approx(16, rel=0.15)
    assert errors[1] / errors[2] == pytest.approx(16, rel=0.08)
    assert path.potential.shape == (41, 1, 2)


def test_pair_above_the_edge() -> None:
    # Two units that excite each other: x = tanh(beta x), two stable rests and 0.
    net = ContinuousHopfield(torch.tensor([[0.0, 1.0], [1.0, 0.0]], dtype=F64), inv_temp=1.5)
    x = net.flow(torch.tensor([[0.2, 0.1], [-0.3, -0.1], [0.4, -0.4]], dtype=F64), 80.0, 500).state[-1]
    root = 0.5
    for _ in range(400):
        root = math.tanh(1.5 * root)
    truth = torch.tensor([[root, root], [-root, -root], [0.0, 0.0]], dtype=F64)
    assert torch.allclose(x, truth, atol=1e-9)
    assert ContinuousHopfield(torch.zeros(2, 2)).critical_inv_temp() == math.inf


@pytest.mark.gpu
def test_on_a_gpu() -> None:
    w, u = weights(6), torch.randn(20, 6, generator=seeded(2), dtype=F64)
    gpu, cpu = ContinuousHopfield(w.cuda()).flow(u.cuda(), 3.0), ContinuousHopfield(w).flow(u, 3.0)
    assert torch.allclose(gpu.state.cpu(), cpu.state, atol=1e-10)
    assert torch.allclose(gpu.energy.cpu(), cpu.energy, atol=1e-10)


@pytest.mark.bad_input
def test_bad_arguments() -> None:
    w, u = weights(3), torch.zeros(2, 3, dtype=F64)
    net = ContinuousHopfield(w)
    for error, words, call in (
        (TypeError, "weights must be a torch.Tensor", lambda: ContinuousHopfield([[0.0]])),
        (ValueError, r"weights must have shape \(d, d\)", lambda: ContinuousHopfield(w[:2])),
        (ValueError, "weights must be symmetric", lambda: ContinuousHopfield(w.triu())),
        (ValueError, "weights must have a zero diagonal", lambda: ContinuousHopfield(w + torch.eye(3))),
        (ValueError, "weights must be finite", lambda: ContinuousHopfield(w / 0)),
        (ValueError, r"bias must have shape \(3,\)", lambda: ContinuousHopfield(w, u)),
        (TypeError, "bias must have the dtype of the weights", lambda: ContinuousHopfield(w, torch.zeros(3))),
        (ValueError, "bias must be finite", lambda: ContinuousHopfield(w, u[0] / 0)),
        (ValueError, "inv_temp must be", lambda: ContinuousHopfield(w, inv_temp=0.0)),
        (ValueError, "u must end in the event shape", lambda: net.velocity(u[:, 1:])),
        (TypeError, "x must have the dtype of the weights", lambda: net.energy(u.float())),
        (ValueError, r"u must have shape \(batch, 3\)", lambda: net.flow(u[0], 1.0)),
        (ValueError, "time must be", lambda: net.flow(u, 0.0)),
        (ValueError, "steps must be at least 1", lambda: net.flow(u, 1.0, 0)),
    ):
        with pytest.raises(error, match=words):
            call()
