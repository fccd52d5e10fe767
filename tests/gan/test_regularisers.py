"""Penalties against critics whose slope is known, and what holds a whole network's slope."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gmlib.gan import (
    R1,
    R2,
    Consensus,
    Critic,
    GradientPenalty,
    clip_weights,
    slope_squared,
    spectral_norm,
    toy_critic,
)

F64 = torch.float64


class Quadratic(nn.Module):
    """w |x|^2 / 2, of slope w |x|, for any event."""

    def __init__(self, weight: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(weight, dtype=F64))

    def forward(self, x: Tensor) -> Tensor:
        return self.weight * x.square().flatten(1).sum(1) / 2


@pytest.mark.parametrize("shape", [(5, 1), (5, 3), (5, 1, 4, 2)])
def test_penalties_of_a_quadratic_critic(shape: tuple[int, ...]) -> None:
    generator = torch.Generator().manual_seed(0)
    real, fake = torch.randn(2, *shape, dtype=F64, generator=generator)
    u = torch.rand(5, dtype=F64, generator=generator)
    critic, gamma, w = Quadratic(-1.5), 0.7, 1.5

    def length(x: Tensor) -> Tensor:
        return x.flatten(1).norm(dim=1)

    between = fake + u.reshape(-1, *(1,) * (real.dim() - 1)) * (real - fake)
    expected = {
        R1(gamma): gamma / 2 * (w * length(real)).square().mean(),
        R2(gamma): gamma / 2 * (w * length(fake)).square().mean(),
        GradientPenalty(gamma): gamma / 2 * (w * length(between) - 1).square().mean(),
        GradientPenalty(gamma, target=0.0): gamma / 2 * (w * length(between)).square().mean(),
    }
    for penalty, value in expected.items():
        found = penalty(critic, real, fake, u)
        assert torch.allclose(found, value, rtol=1e-12)
        # The gradient in the weight, which the trainer needs: by a difference.
        (slope,) = torch.autograd.grad(found, critic.weight)
        values = [penalty(Quadratic(-1.5 + h), real, fake, u).item() for h in (-1e-5, 1e-5)]
        assert slope.item() == pytest.approx((values[1] - values[0]) / 2e-5, rel=1e-6)
    assert torch.allclose(slope_squared(critic, real), (w * length(real)).square(), rtol=1e-12)


def test_a_linear_critic_settles_above_the_target() -> None:
    # Minimise -w shift + gamma/2 (|w| - 1)^2: w = 1 + shift/gamma, which is 1.05 at lambda = gamma/2 = 10 and shift 1.
    real, fake = torch.tensor([[1.0]], dtype=F64), torch.tensor([[0.0]], dtype=F64)
    weight = torch.tensor([0.5], dtype=F64, requires_grad=True)

    def critic(x: Tensor) -> Tensor:
        return (x * weight).sum(1)

    for _ in range(200):
        penalty = GradientPenalty(20.0)(critic, real, fake, torch.tensor([0.3], dtype=F64))
        loss = ((fake - real) * weight).sum() + penalty
        (gradient,) = torch.autograd.grad(loss, weight)
        with torch.no_grad():
            weight -= 0.05 * gradient
    assert weight.item() == pytest.approx(1.05, abs=1e-9)


def test_flat_critics_have_finite_gradients() -> None:
    # At slope 0 the length has no derivative; the penalty is still 1/2 gamma target^2 and its gradient 0, not NaN.
    x, u = torch.randn(4, 2, dtype=F64), torch.rand(4, dtype=F64)
    critic = Critic(nn.Linear(2, 1).double())
    for weight in critic.parameters():
        nn.init.zeros_(weight)
    penalty = GradientPenalty(2.0)(critic, x, x + 1, u)
    assert penalty.item() == 1.0
    for gradient in torch.autograd.grad(penalty, list(critic.parameters()), allow_unused=True):
        assert gradient is None or bool((gradient == 0).all())
    constant = nn.Parameter(torch.ones((), dtype=F64))
    assert R1(1.0)(lambda x: constant.expand(len(x)), x, x).item() == 0.0
    assert R2(1.0)(lambda x: torch.ones(len(x), dtype=F64), x, x).item() == 0.0


def test_penalties_work_where_gradients_are_off() -> None:
    x = torch.randn(4, 2)
    with torch.no_grad():
        assert R1(1.0)(toy_critic(), x, x).item() > 0


def test_consensus() -> None:
    # L_D = -phi theta = -L_G: |v|^2 = theta^2 + phi^2, and both players' gradients of it are gamma times their own weight.
    phi, theta = (torch.tensor([v], dtype=F64, requires_grad=True) for v in (0.8, -1.3))
    loss = -(phi * theta).sum()
    penalty = Consensus(0.3)(loss, [phi], -loss, [theta])
    assert penalty.item() == pytest.approx(0.15 * (0.8**2 + 1.3**2), rel=1e-12)
    for weight, gradient in zip((phi, theta), torch.autograd.grad(penalty, [phi, theta]), strict=True):
        assert torch.allclose(gradient, 0.3 * weight.detach())


def test_spectral_norm() -> None:
    # Every matrix has its largest singular value divided out, so that slopes of a ReLU network stay within 1.
    torch.manual_seed(0)
    critic = toy_critic(3)
    for weight in critic.parameters():
        nn.init.normal_(weight)
    x = torch.randn(50, 3)
    assert slope_squared(critic, x).max() > 4
    assert spectral_norm(critic, power_iterations=100) is critic
    assert slope_squared(critic, x).max() <= 1 + 1e-4
    for layer in critic.modules():
        if isinstance(layer, nn.Linear):
            assert torch.linalg.matrix_norm(layer.weight, 2).item() == pytest.approx(1, abs=1e-3)
    convolution = spectral_norm(nn.Conv2d(2, 3, 3), power_iterations=100)
    assert torch.linalg.matrix_norm(convolution.weight.flatten(1), 2).item() == pytest.approx(1, abs=1e-4)


def test_clip_weights() -> None:
    net = nn.Linear(20, 20)
    before = net.weight.detach().clone()
    clip_weights(net, 0.1)
    assert torch.equal(net.weight.detach(), before.clamp(-0.1, 0.1))
    assert not torch.equal(net.weight.detach(), before)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda: R1(-1.0), ValueError, r"gamma must be a finite number in \[0"),
        (lambda: R2(math.nan), ValueError, "gamma must be a finite number"),
        (lambda: GradientPenalty("1"), TypeError, "gamma must be a real number, got str"),  # type: ignore[arg-type]
        (lambda: GradientPenalty(1.0, -1.0), ValueError, "target must be a finite number"),
        (lambda: Consensus(math.inf), ValueError, "gamma must be a finite number"),
        (lambda: slope_squared(3, torch.zeros(2, 2)), TypeError, "critic must be callable, got int"),  # type: ignore[arg-type]
        (
            lambda: slope_squared(toy_critic(), torch.zeros(2)),
            ValueError,
            r"x must have shape \(batch, \*event\)",
        ),
        (
            lambda: slope_squared(lambda x: x, torch.zeros(2, 2)),
            ValueError,
            r"critic\(x\) must have shape \(2,\), one number a point, got shape \(2, 2\)",
        ),
        (
            lambda: slope_squared(lambda x: None, torch.zeros(2, 2)),  # type: ignore[arg-type, return-value]
            TypeError,
            r"critic\(x\) must be a torch.Tensor, got NoneType",
        ),
        (
            lambda: GradientPenalty(1.0)(toy_critic(), torch.zeros(2, 2), torch.zeros(3, 2), torch.zeros(2)),
            ValueError,
            r"fake must have the shape \(2, 2\) of real, got \(3, 2\)",
        ),
        (
            lambda: GradientPenalty(1.0)(toy_critic(), torch.zeros(2, 2), None, torch.zeros(2)),  # type: ignore[arg-type]
            TypeError,
            "fake must be a torch.Tensor, got NoneType",
        ),
        (
            lambda: GradientPenalty(1.0)(toy_critic(), torch.zeros(2, 2), torch.zeros(2, 2), 0.5),  # type: ignore[arg-type]
            TypeError,
            "noise must be a torch.Tensor, got float",
        ),
        (
            lambda: GradientPenalty(1.0)(toy_critic(), torch.zeros(2, 2), torch.zeros(2, 2)),
            TypeError,
            "noise must be a torch.Tensor of uniform numbers, one a point, got NoneType",
        ),
        (
            lambda: GradientPenalty(1.0)(toy_critic(), torch.zeros(2, 2), torch.zeros(2, 2), torch.zeros(3)),
            ValueError,
            r"noise must have shape \(2,\), got shape \(3,\)",
        ),
        (lambda: spectral_norm("net"), TypeError, "module must be a torch.nn.Module, got str"),  # type: ignore[arg-type]
        (lambda: spectral_norm(nn.ReLU()), ValueError, "module must have a linear or convolutional layer"),
        (
            lambda: spectral_norm(nn.Linear(1, 1), power_iterations=0),
            ValueError,
            "power_iterations must be at least 1, got 0",
        ),
        (lambda: spectral_norm(spectral_norm(nn.Linear(1, 1))), ValueError, "parametrized already"),
        (lambda: clip_weights(nn.Linear(1, 1), 0.0), ValueError, r"limit must be a finite number in \(0"),
        (lambda: clip_weights(3, 1.0), TypeError, "module must be a torch.nn.Module, got int"),  # type: ignore[arg-type]
    ],
)
def test_bad_input(call: Any, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        call()
