"""Sliced score matching: the identity for any directions, the cost, and the variances."""

import math
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from gmlib.distributions import GaussianMixture
from gmlib.score import (
    implicit_score_matching,
    projections,
    sliced_fisher_divergence,
    sliced_score_matching,
)

sys.path.insert(0, str(Path(__file__).parent))
from hermite import hermite_pairs

F64 = torch.float64


def free_net(d: int, *, seed: int = 0, hidden: int = 12) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(d, hidden, dtype=F64), nn.Tanh(), nn.Linear(hidden, d, dtype=F64))


def test_sliced_score_matching(generator: torch.Generator) -> None:
    # The objective minus the sliced Fisher divergence is one constant, -1/2 E (v . grad log p)^2, for all parameters:
    # a mixture in the plane, with correlated directions too. The square root's columns with all signs are a quadrature
    # rule for v, exact since both sides are quadratic in it.
    law = GaussianMixture(
        torch.tensor([[-1.5, 0.0], [1.5, 0.5]], dtype=F64),
        weights=torch.tensor([0.3, 0.7], dtype=F64),
        var=0.8,
    )
    axis = torch.linspace(-8, 8, 97, dtype=F64)
    points = torch.cartesian_prod(axis, axis)
    weight = law.log_prob(points).exp() * (16 / 96) ** 2
    signs = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0], dtype=F64)] * 2)
    for cov in ([[1.0, 0.0], [0.0, 1.0]], [[2.0, 1.2], [1.2, 1.0]]):
        directions = signs @ torch.linalg.cholesky(torch.tensor(cov, dtype=F64)).T
        assert torch.allclose(directions.T @ directions / 4, torch.tensor(cov, dtype=F64), atol=1e-14)
        v = directions[:, None].expand(4, *points.shape)
        own = sum((u * law.score(points)).sum(1).square() for u in v) / 4
        constant = -0.5 * (weight * own).sum().item()
        values = []
        for seed in range(3):
            net = free_net(2, seed=seed)
            with torch.no_grad():
                values.append((weight * sliced_score_matching(net, points, v).total).sum().item())
                parts = [sliced_fisher_divergence(law.score, net, points, u) for u in v]
                divergence = (weight * torch.stack(parts).mean(0)).sum().item()
                assert values[-1] - divergence == pytest.approx(constant, abs=1e-9)
                if (
                    cov[0][1] == 0
                ):  # E v v^T = I: the reduced form has the same mean, and so has the exact trace
                    for other in (
                        sliced_score_matching(net, points, v, reduced=True),
                        implicit_score_matching(net, points),
                    ):
                        assert (weight * other.total).sum().item() == pytest.approx(values[-1], abs=1e-10)
        assert max(values) - min(values) > 0.01
    # Both modes of differentiation give v^T J v of the whole Jacobian: reverse (the loss), forward, materialised.
    net = free_net(6, seed=5)
    x, v = torch.randn(2, 9, 6, dtype=F64, generator=generator)
    jacobian = torch.func.vmap(torch.func.jacrev(net))(x)
    full = torch.einsum("bi,bij,bj->b", v, jacobian, v)
    _, product = torch.func.jvp(net, (x,), (v,))
    loss = sliced_score_matching(net, x, v)
    assert torch.allclose(loss.curvature, full, atol=1e-13)
    assert torch.allclose((product * v).sum(1), full, atol=1e-13)
    assert torch.allclose(loss.square, 0.5 * (v * net(x)).sum(1).square(), atol=1e-13)
    assert torch.equal(loss.total, loss.square + loss.curvature)
    assert loss.mean().total.item() == pytest.approx(loss.total.mean().item(), abs=1e-13)
    # And so do the gradients in the parameters.
    loss.total.sum().backward()

    def by_forward(params: dict[str, torch.Tensor]) -> torch.Tensor:
        value, product = torch.func.jvp(lambda x: torch.func.functional_call(net, params, (x,)), (x,), (v,))
        return (0.5 * (v * value).sum(1).square() + (v * product).sum(1)).sum()

    wanted = torch.func.grad(by_forward)({k: p.detach() for k, p in net.named_parameters()})
    for name, p in net.named_parameters():
        got = torch.zeros_like(p) if p.grad is None else p.grad
        assert torch.allclose(got, wanted[name], atol=1e-12)


class Counted(nn.Module):
    """A network that counts its evaluations, and the backward passes through it."""

    def __init__(self, d: int) -> None:
        super().__init__()
        self.net = free_net(d)
        self.calls = self.passes = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        inner = 1.0 * x
        inner.register_hook(self._passed)
        return self.net(inner)

    def _passed(self, gradient: torch.Tensor) -> None:
        self.passes += 1


def test_cost_does_not_grow_with_the_dimension() -> None:
    counts = {}
    for d in (2, 16, 784):
        x = torch.zeros(3, d, dtype=F64)
        for directions in (None, 4):
            for reduced in (False, True):
                score = Counted(d)
                v = projections(x, directions=directions)
                loss = sliced_score_matching(score, x, v, reduced=reduced).total.mean()
                assert (score.calls, score.passes) == (1, directions or 1)
                loss.backward()
                counts.setdefault(directions, set()).add(score.passes)
    # Training too: the same number of passes whatever d and form, one a direction and those of the last backward.
    assert all(len(passes) == 1 for passes in counts.values())
    for d in (2, 16):
        score = Counted(d)
        implicit_score_matching(score, torch.zeros(3, d, dtype=F64))
        assert (score.calls, score.passes) == (1, d)


def test_images_directions_and_precision(generator: torch.Generator) -> None:
    x = torch.randn(3, 1, 4, 4, generator=generator)
    conv = nn.Conv2d(1, 1, 3, padding=1)
    v = projections(x, directions=5, generator=generator)
    together = sliced_score_matching(conv, x, v)
    alone = [sliced_score_matching(conv, x, u) for u in v]
    assert together.total.dtype == torch.float32
    assert torch.allclose(together.total, torch.stack([a.total for a in alone]).mean(0), atol=1e-4)
    # Signs and a diagonal Jacobian: the trace comes out exactly, for each draw.
    sine = sliced_score_matching(torch.sin, x, v[0], reduced=True)
    assert torch.allclose(sine.curvature, torch.cos(x).sum((1, 2, 3)), atol=1e-5)
    with torch.no_grad():
        assert not sliced_score_matching(conv, x, v).total.requires_grad


def test_projections(generator: torch.Generator) -> None:
    x = torch.zeros(20_000, 2, 2, dtype=F64)
    for kind in ("rademacher", "gaussian", "sphere"):
        v = projections(x, kind=kind, generator=generator)
        assert v.shape == x.shape
        assert v.dtype == F64
        flat = v.flatten(1)
        second = flat.T @ flat / 20_000
        # n = 20 000: entries of v v^T have a variance of at most 2.
        assert float((second - torch.eye(4, dtype=F64)).abs().max()) < 4 * math.sqrt(2 / 20_000)
    assert torch.equal(projections(x, generator=generator).abs(), torch.ones_like(x))
    sphere = projections(x[:5], kind="sphere", directions=3, generator=generator)
    assert sphere.shape == (3, 5, 2, 2)
    assert torch.allclose(sphere.square().sum((2, 3)), torch.full((3, 5), 4.0, dtype=F64))
    again = [projections(x[:5], generator=torch.Generator().manual_seed(4)) for _ in range(2)]
    assert torch.equal(again[0], again[1])


def variance(draws: torch.Tensor) -> tuple[float, float]:
    """The sample variance and its standard error."""
    square = (draws - draws.mean()).square()
    return square.mean().item(), square.std().item() / math.sqrt(draws.numel())


def test_sliced_sm_variance_reduced(generator: torch.Generator) -> None:
    # x ~ N(0, I_20) and s = -L x, with S_p the sum of the p-th powers of L: exact variances of the four losses.
    powers = torch.linspace(0.5, 2.0, 20, dtype=F64)
    s1, s2, s3, s4 = (powers.pow(p).sum().item() for p in (1, 2, 3, 4))
    exact = {
        ("gaussian", True): (0.5 * s4 + 2 * s2, 115.40),
        ("gaussian", False): (0.5 * s2**2 + 1.5 * s4 + 2 * s2 - 2 * s3, 721.81),
        ("rademacher", True): (0.5 * s4, 44.61),
        ("rademacher", False): (0.5 * s2**2, 626.39),
    }
    n = 100_000
    x = torch.randn(n, 20, dtype=F64, generator=generator)
    for (kind, reduced), (closed, printed) in exact.items():
        assert closed == pytest.approx(printed, abs=0.006)
        v = projections(x, kind=kind, generator=generator)
        with torch.no_grad():
            loss = sliced_score_matching(lambda x: -powers * x, x, v, reduced=reduced).total
        got, error = variance(loss)
        assert abs(got - closed) < 4 * error  # n = 100 000
        assert abs(loss.mean().item() - (0.5 * s2 - s1)) < 4 * math.sqrt(closed / n)


def test_reduced_form_is_not_always_better() -> None:
    # s = -l x on N(0, I_d) with Gaussian v: plain minus reduced is d l^3 ((d/2 + 1) l - 2), negative for l < 4/(d + 2).
    # In one dimension at the true score: 2 against 2.5, by a quadrature rule exact for these polynomials.
    x, v, weight = hermite_pairs(12)
    for slope in (0.5, 1.0, 4 / 3, 2.0):
        got = {}
        for reduced in (False, True):
            with torch.no_grad():
                loss = sliced_score_matching(lambda x, a=slope: -a * x, x, v, reduced=reduced).total
            mean = (weight * loss).sum()
            got[reduced] = (weight * (loss - mean).square()).sum().item()
            assert mean.item() == pytest.approx(0.5 * slope**2 - slope, abs=1e-12)
        assert got[False] - got[True] == pytest.approx(slope**3 * (1.5 * slope - 2), abs=1e-10)
        if slope == 1.0:
            assert got[False] == pytest.approx(2.0, abs=1e-11)
            assert got[True] == pytest.approx(2.5, abs=1e-11)


@pytest.mark.gpu
def test_on_the_gpu(generator: torch.Generator) -> None:
    net = free_net(6)
    x, v = torch.randn(2, 9, 6, dtype=F64, generator=generator)
    here = sliced_score_matching(net, x, v).total.detach()
    there = sliced_score_matching(net.cuda(), x.cuda(), v.cuda()).total
    assert torch.allclose(there.detach().cpu(), here, atol=1e-10)
    assert projections(x.cuda(), generator=torch.Generator("cuda").manual_seed(0)).is_cuda


@pytest.mark.bad_input
def test_bad_input() -> None:
    x = torch.zeros(2, 3)
    with pytest.raises(ValueError, match=r"projections must have the shape \(2, 3\) of x"):
        sliced_score_matching(torch.sin, x, torch.zeros(3))
    with pytest.raises(ValueError, match="projections must have the shape"):
        sliced_score_matching(torch.sin, x, torch.zeros(3, 2))
    with pytest.raises(ValueError, match="projections must have the shape"):
        sliced_score_matching(torch.sin, x, torch.zeros(0, 2, 3))
    with pytest.raises(ValueError, match="projections must have the dtype"):
        sliced_score_matching(torch.sin, x, torch.zeros(2, 3, dtype=F64))
    with pytest.raises(TypeError, match="projections must have a floating dtype"):
        sliced_score_matching(torch.sin, x, torch.zeros(2, 3, dtype=torch.int64))
    with pytest.raises(ValueError, match="kind must be one of"):
        projections(x, kind="uniform")
    with pytest.raises(ValueError, match="directions must be at least 1"):
        projections(x, directions=0)
