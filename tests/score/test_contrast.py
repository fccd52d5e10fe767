"""One Langevin step of contrastive divergence against the Fisher divergence's gradient, exactly."""

import math
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor

from gmlib.nn import MLP
from gmlib.score import energy_score, implicit_score_matching, one_step_contrast

sys.path.insert(0, str(Path(__file__).parent))
from hermite import hermite, hermite_pairs

F64 = torch.float64
VAR, STEP = 2.0, 0.03**2


def expected_gradient(energy, theta: Tensor, step: float, *, stop: bool) -> Tensor:
    """The gradient of the mean contrast for data N(0, 2), by Gauss-Hermite over data and noise."""
    x, noise, weight = hermite_pairs(24)
    theta = theta.detach().requires_grad_()
    loss = one_step_contrast(
        lambda x: energy(theta, x),
        math.sqrt(VAR) * x,
        noise,
        step,
        stop_gradient=stop,
    )
    return torch.autograd.grad((weight * loss.total).sum(), theta)[0]


def quadratic(precision: Tensor, x: Tensor) -> Tensor:
    return 0.5 * precision * x.square().sum(1)


def root(gradient, low: float, high: float) -> float:
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (middle, high) if gradient(middle) < 0 else (low, middle)
    return low


def test_sm_as_cd() -> None:
    # Gaussian: D_F = s^2 (lambda - 1/s^2)^2 / 2; the update is minus delta/2 of its slope, lambda s^2 - 1.
    precision = torch.tensor(0.8, dtype=F64)
    update = -expected_gradient(quadratic, precision, STEP, stop=True).item()
    predicted = -STEP / 2 * (0.8 * VAR - 1)
    assert update == pytest.approx(-0.000270, abs=5e-7)
    assert predicted == pytest.approx(-0.000270, abs=5e-7)
    assert update - predicted == pytest.approx(STEP**2 * 0.8**2 * VAR / 8, rel=1e-6)  # the o(delta), exactly
    for stop, fixed in ((True, 1 / VAR), (False, 1 / (2 * VAR))):

        def gradient(value: float, stop: bool = stop) -> float:
            return expected_gradient(quadratic, torch.tensor(value, dtype=F64), STEP, stop=stop).item()

        assert root(gradient, 0.05, 2.0) == pytest.approx(fixed, rel=STEP)


def test_any_energy_follows_the_fisher_divergence() -> None:
    # A quartic energy: the gradient of the contrast over delta/2 tends to that of the implicit objective like delta.
    def energy(theta: Tensor, x: Tensor) -> Tensor:
        return (theta[0] * x**2 + theta[1] * x**4 + theta[2] * x).sum(1)

    theta = torch.tensor([0.3, 0.05, -0.2], dtype=F64, requires_grad=True)
    nodes, weight = hermite(24)
    x = math.sqrt(VAR) * nodes[:, None]
    loss = implicit_score_matching(energy_score(lambda x: energy(theta, x)), x).total
    (exact,) = torch.autograd.grad((weight * loss).sum(), theta)
    errors = []
    for step in (1e-3, 1e-4):
        found = expected_gradient(energy, theta, step, stop=True) / (step / 2)
        errors.append((found - exact).abs().max().item())
    assert errors[0] < 0.05 * exact.abs().max().item()
    assert errors[1] == pytest.approx(errors[0] / 10, rel=0.1)


def test_networks_images_and_the_stopped_gradient(generator: torch.Generator) -> None:
    net = MLP([6, 8, 1]).double()

    def energy(x: Tensor) -> Tensor:
        return net(x.flatten(1)).squeeze(1)

    x, noise = torch.randn(2, 5, 1, 2, 3, dtype=F64, generator=generator)
    stopped = one_step_contrast(energy, x, noise, 0.1)
    free = one_step_contrast(energy, x, noise, 0.1, stop_gradient=False)
    assert torch.equal(stopped.total, free.total)
    point = x.clone().requires_grad_()
    (slope,) = torch.autograd.grad(energy(point).sum(), point)
    moved = x - 0.05 * slope + math.sqrt(0.1) * noise
    assert torch.allclose(stopped.moved, energy(moved))
    assert torch.allclose(stopped.mean().total, (energy(x) - energy(moved)).mean())
    parameters = list(net.parameters())
    ours = torch.autograd.grad(stopped.mean().total, parameters, allow_unused=True)
    by_hand = torch.autograd.grad((energy(x) - energy(moved)).mean(), parameters, allow_unused=True)
    through = torch.autograd.grad(free.mean().total, parameters, allow_unused=True)
    for a, b in zip(ours, by_hand, strict=True):
        assert a is not None
        assert torch.allclose(a, b)
    assert not torch.allclose(ours[0], through[0])
    # The energy is called at x and at x', no more; and without parameters nothing keeps a graph.
    calls = []

    def counted(x: Tensor) -> Tensor:
        calls.append(x)
        return x.square().sum((1, 2, 3))

    assert not one_step_contrast(counted, x, noise, 0.1).total.requires_grad
    assert len(calls) == 2
    with torch.no_grad():
        assert torch.equal(one_step_contrast(energy, x, noise, 0.1, stop_gradient=False).total, stopped.total)


@pytest.mark.bad_input
def test_bad_input() -> None:
    x = torch.zeros(3, 2)

    def energy(x: Tensor) -> Tensor:
        return x.square().sum(1)

    with pytest.raises(TypeError, match="energy"):
        one_step_contrast(2.0, x, x, 0.1)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"energy\(x\)"):
        one_step_contrast(torch.square, x, x, 0.1)
    with pytest.raises(ValueError, match="noise"):
        one_step_contrast(energy, x, torch.zeros(3, 1), 0.1)
    for step in (0.0, -0.1, math.nan):
        with pytest.raises(ValueError, match="step"):
            one_step_contrast(energy, x, x, step)
    with pytest.raises(TypeError, match="x must"):
        one_step_contrast(energy, x.long(), x, 0.1)


@pytest.mark.gpu
def test_the_gpu_gives_the_cpus_numbers(generator: torch.Generator) -> None:
    x, noise = torch.randn(2, 8, 3, generator=generator)

    def energy(x: Tensor) -> Tensor:
        return (x**4).sum(1)

    here, there = (one_step_contrast(energy, x.to(d), noise.to(d), 0.01) for d in ("cpu", "cuda"))
    assert torch.allclose(there.total.cpu(), here.total, rtol=1e-3, atol=1e-4)
