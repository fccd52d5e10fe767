"""The curvature penalty against the objective on noisy data: closed forms, and where the two part."""

import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor

from gmlib.distributions import GaussianMixture, Law
from gmlib.nn import MLP
from gmlib.score import curvature_score_matching, implicit_score_matching, small_noise_terms

sys.path.insert(0, str(Path(__file__).parent))
from hermite import hermite

F64 = torch.float64


def grid(law: Law, n: int = 2001) -> tuple[Tensor, Tensor]:
    x = torch.linspace(-12, 12, n, dtype=F64)[:, None]
    return x, law.log_prob(x).exp() * (24 / (n - 1))


def expected(values: Tensor, weight: Tensor) -> float:
    return (weight * values).sum().item()


def test_curvature_score_matching() -> None:
    # s = -x^3 on N(0, V): J = 15 V^3 / 2 - 3 V, so that at V = 1 + sigma^2 the slope in sigma^2 is 19.5; penalty: 13.5.
    nodes, weight = hermite(8)
    x = nodes[:, None]

    def cubic(x: Tensor) -> Tensor:
        return -(x**3)

    terms = small_noise_terms(cubic, x)
    assert expected(terms.total, weight) == pytest.approx(19.5, rel=1e-12)
    assert expected(terms.slope, weight) == pytest.approx(13.5, rel=1e-12)
    sigma = 0.1
    penalty = expected(curvature_score_matching(cubic, x, sigma).penalty, weight)
    assert penalty == pytest.approx(13.5 * sigma**2, rel=1e-12)
    noisy = expected(implicit_score_matching(cubic, (1 + sigma**2) ** 0.5 * x).total, weight)
    clean = expected(implicit_score_matching(cubic, x).total, weight)
    assert noisy - clean == pytest.approx(19.5 * sigma**2 + 22.5 * sigma**4 + 7.5 * sigma**6, rel=1e-9)

    # A quadratic energy: equal, to every order.
    for slope in (0.3, 1.7):
        noisy = expected(implicit_score_matching(lambda x, a=slope: -a * x, 1.25**0.5 * x).total, weight)
        total = curvature_score_matching(lambda x, a=slope: -a * x, x, 0.5).total
        assert expected(total, weight) == pytest.approx(noisy, abs=1e-12)


def test_at_the_score_of_the_data_they_agree_to_the_fourth_order() -> None:
    means = torch.tensor([[-1.0], [1.5]], dtype=F64)
    law = GaussianMixture(means, weights=torch.tensor([0.4, 0.6], dtype=F64), var=0.6)
    x, weight = grid(law)
    assert abs(expected(small_noise_terms(law.score, x).slope, weight)) > 0.1
    rest = small_noise_terms(law.score, x)
    assert expected(rest.bend + rest.third, weight) == pytest.approx(0.0, abs=1e-10)

    def gap(score, sigma: float) -> float:
        noisy_x, noisy_weight = grid(law.noised(1.0, sigma))
        noisy = expected(implicit_score_matching(score, noisy_x).total, noisy_weight)
        return noisy - expected(curvature_score_matching(score, x, sigma).total, weight)

    # Half the noise: a sixteenth of the gap at the data's score, a quarter at another.
    assert gap(law.score, 0.1) / gap(law.score, 0.05) == pytest.approx(16, rel=0.05)

    def other(x: Tensor) -> Tensor:
        return -0.5 * x - 0.1 * x**3

    assert gap(other, 0.1) / gap(other, 0.05) == pytest.approx(4, rel=0.05)


def test_images_blocks_and_flat_scores(generator: torch.Generator) -> None:
    net = MLP([6, 16, 6]).double()

    def score(x: Tensor) -> Tensor:
        return net(x.flatten(1)).reshape(x.shape)

    x = torch.randn(4, 1, 2, 3, dtype=F64, generator=generator)
    jacobian = torch.func.vmap(torch.func.jacrev(net))(x.flatten(1))
    loss = curvature_score_matching(score, x, 0.3)
    assert torch.allclose(loss.penalty, 0.045 * jacobian.square().sum((1, 2)), atol=1e-12)
    plain = implicit_score_matching(score, x)
    assert torch.allclose(loss.total, plain.total + loss.penalty, atol=1e-12)
    assert torch.allclose(curvature_score_matching(score, x, 0.3, chunk=4).total, loss.total, atol=1e-12)
    assert torch.allclose(curvature_score_matching(score, x, 0.0).total, plain.total)
    loss.mean().total.backward()
    assert net.layers[0].weight.grad is not None
    # A straight score has no second derivative, and no graph for it either.
    terms = small_noise_terms(lambda x: 2 - 3 * x, torch.ones(2, 1)).mean()
    assert (terms.slope.item(), terms.bend.item(), terms.third.item()) == (4.5, 0.0, 0.0)
    # A graph only where one was asked for: by parameters, or by x.
    x = torch.ones(2, 1)
    cubic = torch.tensor(1.0, requires_grad=True)
    assert not small_noise_terms(lambda x: -(x**3), x).total.requires_grad
    assert small_noise_terms(lambda x: -cubic * x**3, x).total.requires_grad
    assert small_noise_terms(lambda x: -(x**4), x.clone().requires_grad_()).third.requires_grad
    with torch.no_grad():
        assert not small_noise_terms(lambda x: -cubic * x**3, x).total.requires_grad
    # 4.5 c^2 + 3 c^2 - 3 c at 1, differentiated in c.
    small_noise_terms(lambda x: -cubic * x**3, x).mean().total.backward()
    assert cubic.grad is not None
    assert cubic.grad.item() == pytest.approx(12.0)


@pytest.mark.bad_input
def test_bad_input() -> None:
    x = torch.zeros(3, 2)
    with pytest.raises(ValueError, match="sigma"):
        curvature_score_matching(torch.neg, x, -0.1)
    with pytest.raises(ValueError, match="chunk"):
        curvature_score_matching(torch.neg, x, 0.1, chunk=0)
    with pytest.raises(ValueError, match=r"score\(x\)"):
        curvature_score_matching(lambda x: x.sum(1), x, 0.1)
    with pytest.raises(TypeError, match="x must"):
        curvature_score_matching(torch.neg, x.long(), 0.1)
    with pytest.raises(ValueError, match=r"\(batch, 1\)"):
        small_noise_terms(torch.neg, x)
    with pytest.raises(ValueError, match="differentiable"):
        small_noise_terms(lambda x: -x.detach(), x[:, :1])
