"""Score matching on data with an edge, against truncated moments in closed form and by quadrature."""

import math

import pytest
import torch
from torch import Tensor

from gmlib.nn import MLP
from gmlib.score import generalised_score_matching, implicit_score_matching

F64 = torch.float64


def gauss_legendre(n: int, low: float, high: float) -> tuple[Tensor, Tensor]:
    k = torch.arange(1, n, dtype=F64)
    off = k / (4 * k * k - 1).sqrt()
    nodes, vectors = torch.linalg.eigh(torch.diag(off, 1) + torch.diag(off, -1))
    return low + (high - low) * (nodes + 1) / 2, (high - low) * vectors[0].square()


def truncated(low: float = 0.0, high: float = 12.0) -> tuple[Tensor, Tensor]:
    """Points (n, 1) and weights (n,) of N(1, 1) cut to an interval."""
    x, dx = gauss_legendre(120, low, high)
    p = dx * torch.exp(-0.5 * (x - 1).square())
    return x[:, None], p / p.sum()


def fit(x: Tensor, p: Tensor, weight, *, mean: float | None) -> tuple[float, float]:
    """Precision and mean of the minimiser: the objective is quadratic in (a, b) of s = a - b x, so one Newton step."""

    def objective(theta: Tensor) -> Tensor:
        a = theta[1] * mean if mean is not None else theta[0]
        return (p * generalised_score_matching(lambda x: a - theta[1] * x, x, weight).total).sum()

    free = [1] if mean is not None else [0, 1]
    start = torch.tensor([0.2, 0.5], dtype=F64)
    gradient = torch.autograd.functional.jacobian(objective, start)[free]
    hessian = torch.autograd.functional.hessian(objective, start)[free][:, free]
    start[free] -= torch.linalg.solve(hessian, gradient)
    return start[1].item(), start[1].item() * mean if mean is not None else (start[0] / start[1]).item()


def test_generalised_score_matching() -> None:
    # N(1,1) cut at 0: with lambda = phi(1)/Phi(1), E x = 1 + lambda and E(x - 1)^2 = 1 - lambda.
    hazard = math.exp(-0.5) / math.sqrt(2 * math.pi) / (0.5 * (1 + math.erf(1 / math.sqrt(2))))
    x, p = truncated()
    plain = fit(x, p, torch.ones_like, mean=1.0)[0]
    assert plain == pytest.approx(1 / (1 - hazard), rel=1e-10)
    assert plain == pytest.approx(1.4037, abs=5e-5)
    # Fitting the mean as well makes it worse: 1/Var, Var = 1 - lambda - lambda^2.
    precision, mean = fit(x, p, torch.ones_like, mean=None)
    assert precision == pytest.approx(1 / (1 - hazard - hazard**2), rel=1e-10)
    assert precision == pytest.approx(1.588, abs=5e-4)
    assert mean == pytest.approx(1 + hazard, rel=1e-10)
    # A weight that vanishes at the edge: the law before the cut, exactly; which weight does not matter.
    for weight in (torch.square, lambda x: x, lambda x: x / (1 + x)):
        assert fit(x, p, weight, mean=1.0)[0] == pytest.approx(1.0, abs=1e-10)
        assert fit(x, p, weight, mean=None) == pytest.approx((1.0, 1.0), abs=1e-9)
    # Cut on both sides: the half line's weight no longer helps, that of the interval does.
    x, p = truncated(0.0, 2.5)
    assert abs(fit(x, p, torch.square, mean=1.0)[0] - 1) > 0.1
    assert fit(x, p, lambda x: x * (2.5 - x), mean=None) == pytest.approx((1.0, 1.0), abs=1e-9)


def test_the_objective_is_the_weighted_fisher_divergence_up_to_a_constant() -> None:
    x, p = truncated()
    gaps = []
    for a, b, c in ((0.3, 0.2, 0.1), (1.0, 1.0, 0.0), (-0.5, 2.0, 0.3)):

        def score(x: Tensor, a: float = a, b: float = b, c: float = c) -> Tensor:
            return a - b * x - c * x**3

        loss = (p * generalised_score_matching(score, x, torch.square).total).sum()
        fisher = 0.5 * (p[:, None] * x.square() * (score(x) - (1 - x)).square()).sum()
        gaps.append((loss - fisher).item())
    assert gaps == pytest.approx([gaps[0]] * 3, abs=1e-10)
    assert gaps[0] == pytest.approx(
        -0.5 * (p[:, None] * x.square() * (1 - x).square()).sum().item(), abs=1e-10
    )


def test_weight_one_and_images(generator: torch.Generator) -> None:
    net = MLP([6, 16, 6]).double()

    def score(x: Tensor) -> Tensor:
        return net(x.flatten(1)).reshape(x.shape)

    x = torch.rand(4, 1, 2, 3, dtype=F64, generator=generator)
    one = generalised_score_matching(score, x, torch.ones_like)
    assert torch.allclose(one.total, implicit_score_matching(score, x).total, atol=1e-12)
    # Product rule by hand for w = x^2, coordinate by coordinate; and blocks of products are the same numbers.
    jacobian = torch.func.vmap(torch.func.jacrev(net))(x.flatten(1))
    flat, s = x.flatten(1), net(x.flatten(1))
    by_hand = (flat.square() * (0.5 * s.square() + jacobian.diagonal(dim1=1, dim2=2)) + 2 * flat * s).sum(1)
    loss = generalised_score_matching(score, x, torch.square)
    assert torch.allclose(loss.total, by_hand, atol=1e-12)
    assert torch.allclose(
        generalised_score_matching(score, x, torch.square, chunk=4).total, by_hand, atol=1e-12
    )
    assert torch.allclose(loss.mean().total, loss.square.mean() + loss.divergence.mean())
    with torch.no_grad():
        assert not generalised_score_matching(score, x, torch.square).total.requires_grad
    loss.mean().total.backward()
    assert all(p.grad is not None for p in net.parameters())


@pytest.mark.bad_input
def test_bad_input() -> None:
    x = torch.ones(3, 2)
    with pytest.raises(ValueError, match=r"weight\(x\)"):
        generalised_score_matching(torch.neg, x, lambda x: x.sum(1))
    with pytest.raises(TypeError, match="weight"):
        generalised_score_matching(torch.neg, x, 2.0)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"score\(x\)"):
        generalised_score_matching(lambda x: x.sum(1), x, torch.square)
    with pytest.raises(TypeError, match="x must"):
        generalised_score_matching(torch.neg, x.long(), torch.square)
    with pytest.raises(ValueError, match="at least one point"):
        generalised_score_matching(torch.neg, torch.ones(0, 2), torch.square)
    with pytest.raises(ValueError, match="chunk"):
        generalised_score_matching(torch.neg, x, torch.square, chunk=0)
