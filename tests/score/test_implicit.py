"""Implicit score matching: the Fisher divergence up to a constant, and d products."""

import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from gmlib.distributions import GaussianMixture
from gmlib.score import energy_score, fisher_divergence, implicit_score_matching

sys.path.insert(0, str(Path(__file__).parent))
from hermite import hermite

F64 = torch.float64


def free_net(d: int, *, seed: int, hidden: int = 12) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(d, hidden, dtype=F64), nn.Tanh(), nn.Linear(hidden, d, dtype=F64))


class ConvScore(nn.Module):
    """A score of images, (batch, 1, 4, 4)."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.Conv2d(1, 3, 3, padding=1, dtype=F64)
        self.last = nn.Conv2d(3, 1, 3, padding=1, dtype=F64)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(torch.nn.functional.silu(self.first(x)))


def test_implicit_score_matching() -> None:
    # s = -a x on N(0, 1): J = -a + a^2/2, and its gradient in a is a - 1: minimum -1/2 at a = 1.
    nodes, weights = hermite(20)
    nodes = nodes[:, None]
    for slope in (0.3, 1.0, 2.5):
        a = torch.tensor(slope, dtype=F64, requires_grad=True)
        loss = (weights * implicit_score_matching(lambda x, a=a: -a * x, nodes).total).sum()
        loss.backward()
        assert a.grad is not None
        assert loss.item() == pytest.approx(-slope + slope**2 / 2, abs=1e-12)
        assert a.grad.item() == pytest.approx(slope - 1, abs=1e-12)
    # On N(m, v) with the model s = -a (x - b): the optimum is a = 1/v, b = m, of value -1/(2v).
    m, v = 0.7, 2.3
    ab = torch.tensor([1 / v, m], dtype=F64, requires_grad=True)
    x = m + v**0.5 * nodes
    loss = (weights * implicit_score_matching(lambda x: -ab[0] * (x - ab[1]), x).total).sum()
    loss.backward()
    assert ab.grad is not None
    assert loss.item() == pytest.approx(-1 / (2 * v), abs=1e-12)
    assert float(ab.grad.abs().max()) < 1e-12
    # J - D_F is one constant, -1/2 E |grad log p|^2, for all parameters of a network: a mixture in the plane.
    law = GaussianMixture(
        torch.tensor([[-1.5, 0.0], [1.5, 0.5]], dtype=F64),
        weights=torch.tensor([0.3, 0.7], dtype=F64),
        var=0.8,
    )
    axis = torch.linspace(-8, 8, 129, dtype=F64)
    points = torch.cartesian_prod(axis, axis)
    weight = law.log_prob(points).exp() * 0.125**2
    constant = -0.5 * (weight * law.score(points).square().sum(1)).sum().item()
    values = []
    for seed in range(4):
        net = free_net(2, seed=seed)
        with torch.no_grad():
            values.append((weight * implicit_score_matching(net, points).total).sum().item())
            divergence = (weight * fisher_divergence(law.score, net, points)).sum().item()
        assert values[-1] - divergence == pytest.approx(constant, abs=1e-9)
    assert max(values) - min(values) > 0.01


def test_trace_of_any_event_shape_in_blocks(generator: torch.Generator) -> None:
    net = ConvScore()
    x = torch.randn(3, 1, 4, 4, dtype=F64, generator=generator)
    jacobian = torch.func.vmap(torch.func.jacfwd(net))(x).reshape(3, 16, 16)
    exact = jacobian.diagonal(dim1=1, dim2=2).sum(1)
    for chunk in (1, 5, 16, 100):
        loss = implicit_score_matching(net, x, chunk=chunk)
        assert torch.allclose(loss.trace, exact, atol=1e-13)
        assert torch.allclose(loss.square, 0.5 * net(x).square().sum((1, 2, 3)), atol=1e-13)
        assert torch.equal(loss.total, loss.square + loss.trace)
    mean = implicit_score_matching(net, x).mean()
    assert mean.total.item() == pytest.approx((mean.square + mean.trace).item(), abs=1e-13)
    # An event of a single number, and one whose coordinates do not depend on x.
    assert implicit_score_matching(lambda x: -2 * x, torch.ones(2, 1)).trace.tolist() == [-2.0, -2.0]
    half = implicit_score_matching(
        lambda x: torch.cat([x[:, :1], torch.ones_like(x[:, 1:])], 1), torch.ones(1, 2)
    )
    assert half.trace.item() == 1.0


def test_gradients_reach_parameters_and_points(generator: torch.Generator) -> None:
    net = ConvScore()
    x = torch.randn(2, 1, 4, 4, dtype=F64, generator=generator).requires_grad_()
    for chunk in (1, 4):
        net.zero_grad()
        x.grad = None
        implicit_score_matching(net, x, chunk=chunk).total.sum().backward()
        by_reverse = [p.grad.clone() for p in net.parameters() if p.grad is not None]
        assert len(by_reverse) == 4
        assert x.grad is not None

        def objective(params: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
            def one(x: torch.Tensor) -> torch.Tensor:
                return torch.func.functional_call(net, params, (x,))

            jac = torch.func.vmap(torch.func.jacfwd(one))(x).reshape(2, 16, 16)
            return 0.5 * one(x).square().sum() + jac.diagonal(dim1=1, dim2=2).sum()

        params = {k: v.detach() for k, v in net.named_parameters()}
        by_forward, in_x = torch.func.grad(objective, argnums=(0, 1))(params, x.detach())
        for got, want in zip(by_reverse, by_forward.values(), strict=True):
            assert torch.allclose(got, want, atol=1e-12)
        assert torch.allclose(x.grad, in_x, atol=1e-12)
    with torch.no_grad():
        quiet = implicit_score_matching(net, x)
    assert not quiet.total.requires_grad
    # A field without parameters leaves no graph either; one through a closure does.
    assert not implicit_score_matching(torch.sin, x.detach()).total.requires_grad
    assert implicit_score_matching(torch.sin, x).total.requires_grad
    width = torch.tensor(2.0, dtype=F64, requires_grad=True)
    assert implicit_score_matching(lambda x: torch.sin(x) / width, x.detach()).trace.requires_grad
    assert torch.allclose(quiet.total, implicit_score_matching(net, x).total, atol=1e-13)


def test_energies_and_precision(generator: torch.Generator) -> None:
    # The score of an energy has its Laplacian, with the minus sign, as the trace: E = |x|^4 / 4 in the plane.
    x = torch.randn(5, 2, generator=generator)
    loss = implicit_score_matching(energy_score(lambda x: x.square().sum(1).square() / 4), x)
    r2 = x.square().sum(1)
    assert loss.total.dtype == torch.float32
    assert torch.allclose(loss.trace, -4 * r2, rtol=1e-5)
    assert torch.allclose(loss.total, 0.5 * r2**3 - 4 * r2, rtol=1e-5, atol=1e-5)


@pytest.mark.gpu
def test_on_the_gpu(generator: torch.Generator) -> None:
    net = ConvScore()
    x = torch.randn(3, 1, 4, 4, dtype=F64, generator=generator)
    here = implicit_score_matching(net, x).total.detach()
    there = implicit_score_matching(net.cuda(), x.cuda(), chunk=8).total
    assert there.is_cuda
    assert torch.allclose(there.detach().cpu(), here, atol=1e-10)


@pytest.mark.bad_input
def test_bad_input() -> None:
    x = torch.zeros(2, 3)
    with pytest.raises(TypeError, match="score must be callable"):
        implicit_score_matching(x, x)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"x must be a torch\.Tensor, got list"):
        implicit_score_matching(torch.sin, [1.0])  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="one event dimension, got shape"):
        implicit_score_matching(torch.sin, torch.zeros(3))
    with pytest.raises(ValueError, match=r"score\(x\) must have the shape \(2, 3\) of x, got shape \(2,\)"):
        implicit_score_matching(lambda x: x.sum(1), x)
    with pytest.raises(ValueError, match=r"score\(x\) must be differentiable in x"):
        implicit_score_matching(torch.no_grad()(torch.sin), x)
    with pytest.raises(TypeError, match="chunk must be an int"):
        implicit_score_matching(torch.sin, x, chunk=1.5)  # type: ignore[arg-type]
