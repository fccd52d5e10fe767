"""Scores of energies, and the curl that tells a field with an energy from one without."""

import itertools
import math

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from gmlib.distributions import GaussianMixture
from gmlib.score import curl, energy_score
from gmlib.score._products import Field

F64 = torch.float64


def mixture(d: int, *, seed: int = 0) -> GaussianMixture:
    generator = torch.Generator().manual_seed(seed)
    root = 0.4 * torch.randn(3, d, d, dtype=F64, generator=generator)
    cov = root @ root.mT + 0.5 * torch.eye(d, dtype=F64)
    means = torch.randn(3, d, dtype=F64, generator=generator) * 1.5
    return GaussianMixture(means, weights=torch.tensor([0.2, 0.3, 0.5], dtype=F64), cov=cov)


def net(sizes: list[int], *, seed: int) -> nn.Sequential:
    torch.manual_seed(seed)
    layers: list[nn.Module] = []
    for a, b in itertools.pairwise(sizes):
        layers += [nn.Linear(a, b, dtype=F64), nn.Tanh()]
    return nn.Sequential(*layers[:-1])


def test_score_function(generator: torch.Generator) -> None:
    law = mixture(3)
    x = 2 * torch.randn(50, 3, dtype=F64, generator=generator)

    def energy(x: Tensor) -> Tensor:
        # Written out here, without the constant (2 pi)^{d/2} that the components share.
        diff = x.unsqueeze(1) - law.means
        square = (diff.unsqueeze(2) @ torch.linalg.inv(law.covariances) @ diff.unsqueeze(3)).squeeze((2, 3))
        log_terms = law.weights.log() - 0.5 * square - 0.5 * torch.logdet(law.covariances)
        return -log_terms.logsumexp(1)

    formula = torch.zeros_like(x)
    r = torch.softmax(torch.stack([law.log_weights[k] + _component(law, k, x) for k in range(3)], 1), 1)
    for k in range(3):
        formula += r[:, k : k + 1] * (law.means[k] - x) @ torch.linalg.inv(law.covariances[k])
    assert torch.allclose(energy_score(energy)(x), formula, atol=1e-12)
    # Z is not in it: any other constant gives the same field.
    assert torch.allclose(energy_score(lambda x: energy(x) + 1e3)(x), formula, atol=1e-12)
    # Mean 0 under the model, on a grid.
    plane = mixture(2)
    axis = torch.linspace(-10, 10, 81, dtype=F64)
    points = torch.cartesian_prod(axis, axis)
    weight = plane.log_prob(points).exp() * 0.25**2
    score = energy_score(lambda x: -plane.log_prob(x))(points)
    assert weight.sum().item() == pytest.approx(1.0, abs=1e-9)
    assert float((weight[:, None] * score).sum(0).abs().max()) < 1e-9
    assert float((weight[:, None] * score.abs()).sum(0).min()) > 0.3


def _component(law: GaussianMixture, k: int, x: Tensor) -> Tensor:
    return torch.distributions.MultivariateNormal(law.means[k], law.covariances[k]).log_prob(x)


def test_energy_score_is_differentiable_and_leaves_no_graph() -> None:
    network = net([4, 8, 1], seed=0)
    score = energy_score(lambda x: network(x.flatten(1)).squeeze(1))
    x = torch.randn(5, 2, 2, dtype=F64, generator=torch.Generator().manual_seed(1))  # an image of 2 by 2
    value = score(x)
    assert value.shape == x.shape
    value.square().sum().backward()
    first = network[0].weight
    assert isinstance(first, nn.Parameter)
    assert first.grad is not None
    # Central differences of the same objective in one weight.
    step = 1e-5
    objective = []
    with torch.no_grad():
        for sign in (1, -1):
            first[0, 0] += sign * step
            objective.append(score(x).square().sum().item())
            first[0, 0] -= sign * step
        assert not score(x).requires_grad
    assert first.grad[0, 0].item() == pytest.approx((objective[0] - objective[1]) / (2 * step), rel=1e-6)
    # Without parameters there is nothing to differentiate, and the result is a plain tensor.
    assert not energy_score(lambda x: x.square().sum((1, 2)))(x).requires_grad


def test_score_without_energy(generator: torch.Generator) -> None:
    x = torch.randn(40, 3, dtype=F64, generator=generator)
    energy, free = net([3, 16, 16, 1], seed=0), net([3, 16, 16, 3], seed=1)
    # Minus the gradient of any energy, here an untrained network, has a symmetric Jacobian: no curl.
    with torch.no_grad():
        made = curl(energy_score(lambda x: energy(x).squeeze(1)), x)
    assert float(made.share.max()) < 1e-14
    # A free network has one, at every point.
    with torch.no_grad():
        given = curl(free, x)
    assert float(given.share.min()) > 0.05
    reference = torch.func.vmap(torch.func.jacfwd(free))(x)
    half = 0.5 * (reference - reference.mT)
    assert torch.allclose(given.antisymmetric, half, atol=1e-14)
    assert torch.allclose(given.norm, half.flatten(1).norm(dim=1), atol=1e-14)
    assert torch.allclose(
        given.share, half.flatten(1).norm(dim=1) / reference.flatten(1).norm(dim=1), atol=1e-14
    )
    assert torch.allclose(curl(free, x, chunk=2).antisymmetric, half, atol=1e-14)
    # Exact scores are gradients too.
    assert float(curl(mixture(3).score, x).share.max()) < 1e-14


def test_curl_of_a_rotation() -> None:
    angle = 0.3
    turn = torch.tensor([[0.0, -1.0], [1.0, 0.0]], dtype=F64)
    field = curl(lambda x: -math.cos(angle) * x + math.sin(angle) * x @ turn.T, torch.zeros(1, 2, dtype=F64))
    # In two dimensions the curl is twice the entry (1, 0): 2 sin(angle); the share is the sine itself.
    assert 2 * field.antisymmetric[0, 1, 0].item() == pytest.approx(2 * math.sin(angle), abs=1e-15)
    assert field.share.item() == pytest.approx(math.sin(angle), abs=1e-15)
    assert curl(lambda x: 0.0 * x, torch.zeros(1, 2)).share.item() == 0.0


def test_one_block_of_rows_holds_its_own_unit_vectors_only() -> None:
    # At d = 3000 an identity is 72 MB; three rows of it are 72 kB.
    x = torch.linspace(0, 1, 3000, dtype=F64)[None]
    field = Field(lambda x: x**2, x)
    with _Largest() as seen:
        for first, block in field.rows(3):
            assert torch.equal(block[:, 0, first : first + 3], torch.diag(2 * x[0, first : first + 3]))
            if first == 9:
                break
    assert 3 * 3000 <= seen.largest < 100 * 3000


class _Largest(TorchDispatchMode):
    """Notes how many numbers the largest tensor made inside it holds."""

    largest = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        if isinstance(out, Tensor):
            self.largest = max(self.largest, out.numel())
        return out


@pytest.mark.bad_input
def test_bad_input() -> None:
    with pytest.raises(TypeError, match="energy must be callable"):
        energy_score(3.0)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"energy\(x\) must have shape \(4,\)"):
        energy_score(lambda x: x.square())(torch.zeros(4, 2))
    with pytest.raises(ValueError, match=r"energy\(x\) must be differentiable"):
        energy_score(lambda x: x.detach().sum(1))(torch.zeros(4, 2))
    with pytest.raises(ValueError, match=r"x must have shape \(batch, \*event\)"):
        energy_score(lambda x: x)(torch.zeros(4))
    with pytest.raises(TypeError, match="x must have a floating dtype"):
        curl(lambda x: x, torch.zeros(4, 2, dtype=torch.int64))
    with pytest.raises(ValueError, match=r"score\(x\) must be differentiable"):
        curl(lambda x: x.detach(), torch.zeros(4, 2))
    with torch.inference_mode():
        inference = torch.zeros(4, 2)
    for call in (energy_score(lambda x: x.square().sum(1)), lambda x: curl(torch.sin, x)):
        with pytest.raises(ValueError, match=r"x must be an ordinary tensor .* torch.inference_mode"):
            call(inference)
    with pytest.raises(TypeError, match=r"energy\(x\) must be a torch.Tensor, got NoneType"):
        energy_score(lambda x: None)(torch.zeros(4, 2))  # type: ignore[arg-type, return-value]
    with pytest.raises(ValueError, match="chunk must be at least 1"):
        curl(lambda x: x, torch.zeros(4, 2), chunk=0)
