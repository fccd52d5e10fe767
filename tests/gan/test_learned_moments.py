"""Moments of a trained classifier: finite differences, the rank that a fit needs, and a 2-D law that they recover."""

import math

import pytest
import torch
from torch import Tensor, nn

from gmlib.gan import generator_moments, learned_moments, match_moments, moment_rank
from gmlib.nn import MLP

F64 = torch.float64
TRUTH = torch.tensor([1.0, -0.5, math.log(0.8), 0.6, math.log(0.5)], dtype=F64)


def gaussian(theta: Tensor, z: Tensor) -> Tensor:
    """A linear generator: x = b + L z with L lower triangular, five parameters."""
    first = theta[0] + theta[2].exp() * z[:, :1]
    return torch.cat([first, theta[1] + theta[3] * z[:, :1] + theta[4].exp() * z[:, 1:]], 1)


def trained_classifier(real: Tensor, fake: Tensor) -> nn.Module:
    """A small network that has learnt to tell the two samples apart (logistic loss)."""
    torch.manual_seed(0)
    classifier = MLP([2, 6, 1], activation=nn.Tanh).to(F64)
    optimiser = torch.optim.LBFGS(classifier.parameters(), max_iter=20, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimiser.zero_grad()
        value = (
            nn.functional.softplus(-classifier(real)).mean() + nn.functional.softplus(classifier(fake)).mean()
        )
        value.backward()
        return value

    before = loss().item()
    optimiser.step(loss)
    assert loss().item() < 0.9 * before
    return classifier


def test_learned_moments() -> None:
    """The rank of the moment Jacobian is dim theta, and matching the moments of a frozen classifier recovers a 2-D law."""
    generator = torch.Generator().manual_seed(0)
    n, m = 300, 300
    data_latents, z = torch.randn(2, n, 2, dtype=F64, generator=generator)
    start = torch.zeros(5, dtype=F64)
    real = gaussian(TRUTH, data_latents)
    classifier = trained_classifier(real, gaussian(start, z))

    def statistic(x: Tensor) -> Tensor:
        return learned_moments(classifier, x)

    moments = generator_moments(statistic, gaussian, z)
    jacobian = torch.func.jacrev(moments)(TRUTH)
    assert jacobian.shape == (6 * 3 + 7 + 6, 5)  # all weights and the hidden units
    assert moment_rank(jacobian, tolerance=1e-6) == 5
    # Fewer moments than parameters cannot do it, whichever they are.
    assert moment_rank(jacobian[:4], tolerance=1e-6) <= 4

    # No opponent: one least-squares problem. On the same latents the law comes back exactly.
    same = match_moments(moments, statistic(gaussian(TRUTH, z)).mean(0), start, steps=15, damping=1e-12)
    assert same.tolist() == pytest.approx(TRUTH.tolist(), abs=1e-5)
    # On other latents within 4 standard errors, those of the two means of moments seen through the pseudo-inverse.
    fit = match_moments(moments, statistic(real).mean(0), start, steps=15, damping=1e-12)
    inverse = torch.linalg.pinv(jacobian)
    error = inverse @ torch.cov(statistic(real).T) @ inverse.T * (1 / n + 1 / m)
    assert ((fit - TRUTH).abs() < 4 * error.diagonal().sqrt()).all()
    assert error.diagonal().sqrt().max() < 0.4


def test_the_moments_of_the_mean_alone_have_rank_two() -> None:
    z = torch.randn(200, 2, dtype=F64, generator=torch.Generator().manual_seed(1))
    z = z - z.mean(0)  # or the sample's own mean would show a trace of L
    jacobian = torch.func.jacrev(generator_moments(lambda x: x, gaussian, z))(TRUTH)
    assert moment_rank(jacobian, tolerance=1e-9) == 2


def test_gradients_are_those_of_finite_differences() -> None:
    torch.manual_seed(1)
    classifier = MLP([2, 3, 4, 1], activation=nn.Tanh).to(F64)
    x = torch.randn(5, 2, dtype=F64)
    s = learned_moments(classifier, x)
    weights = list(classifier.parameters())
    n_weights = sum(w.numel() for w in weights)
    assert s.shape == (5, n_weights + 3 + 4)
    vector = nn.utils.parameters_to_vector(weights).detach()
    for k in range(0, n_weights, 5):
        values = []
        for step in (1e-5, -1e-5):
            moved = vector.clone()
            moved[k] += step
            nn.utils.vector_to_parameters(moved, weights)
            values.append(classifier(x)[:, 0].detach())
        nn.utils.vector_to_parameters(vector, weights)
        assert torch.allclose(s[:, k], (values[0] - values[1]) / 2e-5, atol=1e-8)
    # The rest are the hidden layers, and the gradient in the last weights is the last of them.
    first = torch.tanh(classifier.layers[0](x))
    second = torch.tanh(classifier.layers[3](first))
    assert torch.allclose(s[:, n_weights:], torch.cat([first, second], 1))
    assert torch.allclose(s[:, n_weights - 5 : n_weights - 1], second)


def test_differentiable_in_the_points_only() -> None:
    torch.manual_seed(2)
    classifier = MLP([2, 3, 1]).to(F64)
    x = torch.randn(4, 2, dtype=F64, requires_grad=True)
    learned_moments(classifier, x).square().sum().backward()
    assert x.grad is not None
    assert x.grad.abs().sum() > 0
    assert all(weight.grad is None for weight in classifier.parameters())
    # Images and a convolution.
    image = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(8, 3), nn.Tanh(), nn.Linear(3, 1)).to(
        F64
    )
    s = learned_moments(image, torch.randn(3, 1, 4, 4, dtype=F64))
    assert s.shape == (3, 20 + 27 + 4 + 3)


@pytest.mark.bad_input
def test_bad_input() -> None:
    x = torch.zeros(3, 2)
    with pytest.raises(TypeError, match=r"classifier must be a torch\.nn\.Module"):
        learned_moments(lambda x: x, x)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="classifier must have weights"):
        learned_moments(nn.Tanh(), x)
    with pytest.raises(ValueError, match="classifier must return one number a point"):
        learned_moments(nn.Linear(2, 2), x)
    with pytest.raises(ValueError, match="x must have shape"):
        learned_moments(nn.Linear(2, 1), x[:0])
    with pytest.raises(TypeError, match="statistic must be callable"):
        generator_moments(1, gaussian, x)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="generator must be callable"):
        generator_moments(lambda x: x, 1, x)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="z must have shape"):
        generator_moments(lambda x: x, gaussian, x[0])
